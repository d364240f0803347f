"""One frame, noisy and denoised by every method: what figures 3 to 6, 8 and S6 draw and measure.

The classical methods are tuned on the truth of the very frame shown, which flatters them. They
are searched where the paper searched (Methods): three widths of the Gaussian, twenty weights of
TV, here in units of the noise sigma. Searched without bounds, as `evaluate` does for figures 7 and
9, the Gaussian's least squared error at 7 dB is that of a blur which erases every adatom, and
there would be nothing to look at.
"""

import argparse
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from common import PACKAGE, PIXEL_NM, clean_movies, noisy_frames
from scipy.spatial import cKDTree

from n2v_stem_keras import N2VStem, baselines, metrics, read_movie
from n2v_stem_keras.atoms import sign_of
from n2v_stem_keras.plot import line_profile
from n2v_stem_keras.series import detector_order

PANEL_PX = 136  # side of the part of a frame that is drawn [px]; 6.3 nm in the paper's frames
SEARCHED = {
    "gaussian": (0.5, 1.0, 2.0),
    "tv": tuple(n / 10 for n in range(1, 21)),
    "bm3d": (0.4, 0.6, 0.8, 1.0, 1.2),
}
MODEL = PACKAGE
LONE_NM = 0.5  # a lone adatom is at least this far from every other [nm]
_ROW_PX = 0.7  # adatoms this close to a row of pixels are on it [px]
_EDGE_PX = 10  # and this far from the edge of a panel [px]
MOVIE_OPTIONS = {
    "movie": {"type": Path, "help": "draw a frame of this movie instead of a simulated one"},
    "model": {"type": Path, "help": "model folder; needed with --movie"},
    "detectors": {"nargs": "+", "help": "names, where the movie's file has none"},
    "frame": {"type": int, "default": 0, "help": "of --movie; default: 0"},
    "line": {
        "type": lambda text: two_points(text),
        "metavar": "Y0,X0,Y1,X1",
        "help": "ends of the profile [px], for --movie",
    },
}
FLATTERED = (
    "Gaussian, TV and BM3D: told the noise's sigma and tuned on the truth of the frame shown "
    "(flattered), within the paper's search range"
)


@dataclass(frozen=True)
class Frame:
    """A frame and everything made of it.

    Attributes
    ----------
    images : dict
        label -> (Y, X, C): the noisy frame first, the truth last where there is one.
    detectors : tuple of str
        Names along C.
    pixel_size_nm : float
        [nm/px].
    atoms : numpy.ndarray
        (n, 2) adatoms y, x [px]: the true ones, or those found in the denoised frame.
    truth : numpy.ndarray or None
        (Y, X, C).
    tuned : dict
        label -> detector -> parameter of a classical method.
    about : dict
        What the frame is, for the JSON file.
    """

    images: dict
    detectors: tuple
    pixel_size_nm: float
    atoms: np.ndarray
    truth: np.ndarray | None
    tuned: dict
    about: dict

    def panels(self, c, window, note=None):
        """List a detector's panels inside a window, as `plot.before_after` takes them.

        Parameters
        ----------
        c : int
            Detector.
        window : (slice, slice)
            Part of the frame.
        note : callable, optional
            Takes a label and returns the text below its panel.
        """
        return [
            (label, image[(*window, c)], note(label) if note else None)
            for label, image in self.images.items()
        ]

    def scores(self):
        """PSNR [dB], SSIM and N-RMSE of the whole frame, detector -> label -> metric -> number."""
        found = {detector: {} for detector in self.detectors}
        for label, image in self.images.items():
            if self.truth is None or image is self.truth:
                continue
            for detector, by_metric in metrics.score(self.truth, image, self.detectors).items():
                found[detector][label] = {name: float(v[0]) for name, v in by_metric.items()}
        return found


def simulated_movie(args):
    """Simulate the first test movie of a scale."""
    return clean_movies(replace(args.scale, n_test=1), "test")[0]


def simulated_frame(movie, t, psnr_db, models, methods=("gaussian", "tv"), noisy=None):
    """Add noise to a movie, and denoise one of its frames by every method.

    Parameters
    ----------
    movie : SimulatedMovie
        Without noise.
    t : int
        Frame.
    psnr_db : tuple
        (ADF, BF) of the noise [dB].
    models : dict
        label -> N2VStem; each is given the whole movie, as always.
    methods : sequence of str
        Classical ones, keys of `SEARCHED`.
    noisy : numpy.ndarray, optional
        (T, Y, X, C), where the noise has been added already.

    Returns
    -------
    Frame
    """
    noisy = noisy_frames([movie], psnr_db)[0] if noisy is None else noisy
    sigma = np.sqrt(np.mean((noisy - movie.clean) ** 2.0, axis=(1, 2)))  # (T, C)
    truth = movie.clean[t]
    classical, tuned = classical_images(noisy[t], movie.detectors, truth, sigma[t], methods)
    denoised = {
        label: quietly(model.predict, noisy, axes="TYXC", pixel_size_nm=movie.pixel_size_nm)[t]
        for label, model in models.items()
    }
    strength = {
        detector: metrics.adatom_snr(
            movie.clean[..., c], movie.positions, sigma[:, c], movie.pixel_size_nm
        )
        for c, detector in enumerate(movie.detectors)
    }
    return Frame(
        images={"noisy": noisy[t], **classical, **denoised, "truth": truth},
        detectors=movie.detectors,
        pixel_size_nm=movie.pixel_size_nm,
        atoms=movie.positions[t],
        truth=truth,
        tuned=tuned,
        about={
            "data": f"simulated test movie of {movie.clean.shape[1]}x{movie.clean.shape[2]} px, "
            f"frame {t}, white noise",
            "psnr_in_db": dict(zip(movie.detectors, psnr_db)),
            "adatom_snr_A_over_sigma": strength,
            "models": {label: model.name for label, model in models.items()},
            "tuned": tuned,
            "note": FLATTERED,
        },
    )


def frame_of_file(args, methods=("gaussian", "tv")):
    """Denoise a frame of the user's own movie by every method.

    Adatoms are those that `metrics.find_peaks` finds in the denoised frame of the first detector
    in which they are bright; there is no truth, so that the classical methods tune themselves.

    Parameters
    ----------
    args : argparse.Namespace
        With the options `MOVIE_OPTIONS`.
    methods : sequence of str
        Classical ones, keys of `SEARCHED`.

    Returns
    -------
    Frame
    """
    if args.model is None:
        raise SystemExit("--movie needs --model, the folder of a trained model")
    movie = read_movie(args.movie)
    if args.detectors:
        movie = movie.replace(detectors=tuple(args.detectors))
    folder = args.model.resolve()
    model = N2VStem(None, folder.name, folder.parent)
    kept = sorted(detector_order(movie, model.config.channels))
    detectors = tuple(movie.detectors[c] for c in kept) if movie.detectors else ("",)
    if args.line is not None:
        line_profile(np.empty(movie.frame_shape), args.line)  # raises where it leaves the frame
    if not 0 <= args.frame < movie.n_frames:
        raise SystemExit(f"--frame is {args.frame}; {args.movie} has frames 0-{movie.n_frames - 1}")
    noisy = np.asarray(movie.frame(0, args.frame)[..., kept], np.float32)
    found = (frame for (_, t), frame in model.predict_frames(movie) if t == args.frame)
    denoised = next(found)
    classical, tuned = classical_images(noisy, detectors, methods=methods)
    bright = [c for c, detector in enumerate(detectors) if sign_of(detector) > 0]
    look = denoised[..., bright[0]] if bright else -denoised[..., 0]
    return Frame(
        images={"noisy": noisy, **classical, MODEL: denoised},
        detectors=detectors,
        pixel_size_nm=movie.pixel_size_nm or PIXEL_NM,
        atoms=metrics.find_peaks(look).astype(float),
        truth=None,
        tuned=tuned,
        about={
            "data": f"{args.movie.name}, frame {args.frame}",
            "pixel_size_nm": movie.pixel_size_nm,
            "model": model.name,
            "tuned": tuned,
            "note": "no truth: Gaussian and TV tune themselves (J-invariance), adatoms are those "
            "found in the denoised frame",
        },
    )


def classical_images(noisy, detectors, truth=None, sigma=None, methods=("gaussian", "tv")):
    """Denoise one frame by classical methods.

    Parameters
    ----------
    noisy : numpy.ndarray
        (Y, X, C).
    detectors : sequence of str
        C names.
    truth : numpy.ndarray, optional
        (Y, X, C), to tune on; without it the methods tune themselves.
    sigma : numpy.ndarray, optional
        (C,) of the noise; by default estimated.
    methods : sequence of str
        Keys of `SEARCHED`.

    Returns
    -------
    images : dict
        label -> (Y, X, C).
    tuned : dict
        label -> detector -> parameter, and its unit.
    """
    images, tuned = {}, {}
    for method in methods:
        about = baselines.METHODS[method]
        denoised, parameters = baselines.tune(
            method, noisy, truth, noise_sigma=sigma, values=SEARCHED[method]
        )
        images[about.label] = denoised
        tuned[about.label] = {
            "parameter": about.parameter_name,
            "unit": about.unit,
            **dict(zip(detectors, parameters)),
        }
    return images, tuned


def quietly(predict, *args, **kwargs):
    """Call a model without its warnings: the figures show models outside their domain too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return predict(*args, **kwargs)


# -- where to look --------------------------------------------------------------------------------
def window_at(centre, shape, side_px=PANEL_PX):
    """Return the square window (slice, slice) nearest to a centre (y, x) [px] inside a frame."""
    side = min(side_px, *shape)
    starts = [int(np.clip(round(c) - side // 2, 0, n - side)) for c, n in zip(centre, shape)]
    return tuple(slice(start, start + side) for start in starts)


def window_around(line, shape):
    """Return the window that shows a line (2, 2) [px] and the arrows at its ends."""
    room = 2 * _EDGE_PX + int(np.ceil(np.ptp(line, axis=0).max()))
    return window_at(line.mean(axis=0), shape, max(PANEL_PX, room))


def in_window(points, window):
    """Points (n, 2) [px] as seen from a window's corner; those outside are left out."""
    points = np.asarray(points, float).reshape(-1, 2) - [w.start for w in window]
    side = [w.stop - w.start for w in window]
    return points[np.all((points >= 0) & (points <= np.subtract(side, 1)), axis=1)]


def lone(atoms, pixel_size_nm):
    """Which adatoms (n, 2) [px] are far from all others, (n,) bool."""
    if len(atoms) < 2:
        return np.ones(len(atoms), bool)
    return cKDTree(atoms).query(atoms, 2)[0][:, 1] * pixel_size_nm >= LONE_NM


def adatom_row(movie, only_lone=False, most=8, side_px=PANEL_PX):
    """Find the row of pixels that passes through most adatoms, in all frames of a movie.

    By the true positions alone, so that no method is favoured.

    Parameters
    ----------
    movie : SimulatedMovie
        The first frame and the uppermost row win where several have as many.
    only_lone : bool
        Adatoms must be alone, and only these count.
    most : int
        More adatoms on the row are no better.
    side_px : int
        All of them fit into a panel of this side [px].

    Returns
    -------
    t : int
        Frame.
    atoms : numpy.ndarray
        (n, 2) y, x [px] of the adatoms on the row, from left to right; n = 0 in a movie without.
    """
    shape = np.array(movie.clean.shape[1:3])
    reach = min(side_px, *shape) - 2 * _EDGE_PX
    found = (0, np.empty((0, 2)))
    for t, atoms in enumerate(movie.positions):
        inside = np.all((atoms >= _EDGE_PX) & (atoms <= shape - 1 - _EDGE_PX), axis=1)
        if only_lone:
            inside &= lone(atoms, movie.pixel_size_nm)
        atoms = atoms[inside]
        for y in np.unique(np.rint(atoms[:, 0])):
            row = atoms[np.abs(atoms[:, 0] - y) <= _ROW_PX]
            row = row[np.argsort(row[:, 1])]
            for first in row:
                apart = row[:, 1] - first[1]
                run = row[(apart >= 0) & (apart <= reach)][:most]
                if len(run) > len(found[1]):
                    found = (t, run)
    return found


def two_points(text):
    """Read 'y0,x0,y1,x1' [px] as two points."""
    try:
        y0, x0, y1, x1 = (float(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}; expected four numbers [px], Y0,X0,Y1,X1"
        ) from None
    return np.array([[y0, x0], [y1, x1]])


def truth_first(frame):
    """Put the truth before the noisy frame, as in the paper's figures of simulations."""
    return replace(frame, images={"truth": frame.images["truth"], **frame.images})


def rows_of(frame, window, notes=None, **entries):
    """Rows of `plot.before_after`, one per detector, ADF on a square-root scale.

    Parameters
    ----------
    frame : Frame
        To draw.
    window : (slice, slice)
        Part of it.
    notes : callable, optional
        Takes detector and label and returns the text below a panel.
    **entries
        Further entries of each row.
    """
    return [
        {
            "name": detector,
            "panels": frame.panels(
                c, window, None if notes is None else lambda label, d=detector: notes(d, label)
            ),
            "sqrt": sign_of(detector) > 0,
            **entries,
        }
        for c, detector in enumerate(frame.detectors)
    ]


def scored(scores):
    """Text below a panel: its PSNR; none for the truth (no scores)."""
    return None if scores is None else f"{scores['psnr']:.1f} dB"
