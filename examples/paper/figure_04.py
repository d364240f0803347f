"""Figure 4: a profile through lone Au adatoms, noisy and denoised, and their SNR.

One frame of both detectors: noisy, Gaussian, TV, Noise2Void and the truth, with profiles 1 px wide
along the row of pixels (arrows) that passes through most lone adatoms.

The paper reads an SNR (peak above the mean of the background, over its rms) of 2 raw, 3.3 Gaussian,
7.2 TV and 12 Noise2Void from one such profile in ADF of its experiment. Its data are not public:
here a simulated frame at 7 dB (ADF) and 6 dB (BF), where a lone adatom's A/sigma is 2 as well. SNR
is read as in the paper, from the profile (mean of its adatoms), and beside it from all lone
adatoms of the frame with all of the frame's background, which scatters less. The lattice is part
of the background, so that even the truth has a finite SNR; one above the truth's says that the
lattice was erased with the noise, not that the adatom is clearer than it is. Not like for like: the
specimen has no liquid, and Gaussian and TV are tuned on the truth.

Your own movie: python figure_04.py --movie FILE --model FOLDER [--line Y0,X0,Y1,X1].
"""

import numpy as np
from common import arguments, both_at, write_numbers
from panels import (
    MOVIE_OPTIONS,
    PANEL_PX,
    adatom_row,
    frame_of_file,
    in_window,
    lone,
    rows_of,
    simulated_frame,
    simulated_movie,
    window_around,
)
from scipy.spatial import cKDTree

from n2v_stem_keras import metrics
from n2v_stem_keras.atoms import sign_of
from n2v_stem_keras.plot import before_after, line_points, line_profile

NAME = "figure_04"
LEVEL = (7, 6)
BEYOND_NM = 0.9  # the profile goes on beyond its outermost adatoms [nm]
PAPER = {
    "data": "experimental, one profile",
    "adatom_snr": {"ADF": {"noisy": 2.0, "Gaussian": 3.3, "TV": 7.2, "Noise2Void": 12.0}},
}


def main():
    """Make the figure."""
    args = arguments(__doc__, **MOVIE_OPTIONS)
    if args.movie:
        frame = frame_of_file(args)
        atoms, line = atoms_of_file(frame, args.line)
    else:
        movie = simulated_movie(args)
        t, atoms = adatom_row(movie, only_lone=True, most=2, side_px=PANEL_PX - 40)
        frame = simulated_frame(movie, t, LEVEL, both_at(args, LEVEL))
        line = row_line(atoms, movie.clean.shape[1:3], movie.pixel_size_nm)
    numbers = measure(frame, atoms, line)
    window = window_around(line, frame.images["noisy"].shape[:2])
    drawn = {"line": in_window(line, window), "marks": in_window(atoms, window)}
    drawn["compare"] = None if frame.truth is None else -1
    before_after(
        args.out / f"{NAME}.png",
        rows_of(frame, window, notes(numbers), **drawn),
        profiles_last=True,
        pixel_size_nm=frame.pixel_size_nm,
        caption="profiles 1 px wide, between the arrows, through lone adatoms (triangles)"
        + (", the true one in orange" if frame.truth is not None else "")
        + "; SNR on the profile (in brackets: all lone adatoms of the frame)",
    )
    for detector, snr in numbers["adatom_snr"].items():
        print(f"{detector}: SNR " + ", ".join(f"{k} {v['profile']:.1f}" for k, v in snr.items()))
    write_numbers(args, NAME, {**frame.about, **numbers, "paper": PAPER})


def row_line(atoms, shape, pixel_size_nm):
    """Row of pixels through adatoms (n, 2), with some background at both ends, as (2, 2) [px]."""
    if not len(atoms):
        atoms = np.array([[shape[0] // 2, shape[1] // 2]], float)
    y, beyond = np.rint(atoms[:, 0].mean()), BEYOND_NM / pixel_size_nm
    ends = np.clip([atoms[:, 1].min() - beyond, atoms[:, 1].max() + beyond], 0, shape[1] - 1)
    return np.array([[y, end] for end in np.rint(ends)])


def atoms_of_file(frame, line):
    """Adatoms to measure in a user's frame and the line through them.

    Parameters
    ----------
    frame : Frame
        Its atoms are those found.
    line : numpy.ndarray or None
        (2, 2) ends y, x [px]; by default the row through the highest lone peak.

    Returns
    -------
    atoms, line : numpy.ndarray
        (n, 2) and (2, 2) [px].
    """
    shape = frame.images["noisy"].shape[:2]
    if line is None:
        alone = frame.atoms[lone(frame.atoms, frame.pixel_size_nm)]
        return alone[:1], row_line(alone[:1], shape, frame.pixel_size_nm)
    return frame.atoms[cKDTree(line_points(line)).query(frame.atoms)[0] <= 1.5], line


def measure(frame, atoms, line):
    """SNR of the adatoms on the profile and of all lone ones, profiles, scores of the frame."""
    found = {
        "line_yx_px": line,
        "adatoms_on_profile_yx_px": atoms,
        "lone_adatoms_in_frame": int(np.sum(lone(frame.atoms, frame.pixel_size_nm))),
        "adatom_snr": {},
        "background_rms": {},
        "scores": frame.scores(),
        "profiles": {},
    }
    for c, detector in enumerate(frame.detectors):
        sign = -1.0 if sign_of(detector) < 0 else 1.0
        found["adatom_snr"][detector] = {
            label: adatom_snr(sign * image[..., c], atoms, line, frame)
            for label, image in frame.images.items()
        }
        found["background_rms"][detector] = {
            label: background(image[..., c], frame).std() for label, image in frame.images.items()
        }
        drawn = {label: line_profile(im[..., c], line) for label, im in frame.images.items()}
        x_nm = next(iter(drawn.values()))[0] * frame.pixel_size_nm
        found["profiles"][detector] = {"x_nm": x_nm, **{k: v[1] for k, v in drawn.items()}}
    return found


def background(image, frame):
    """Pixels of an image (Y, X) that are far from all adatoms, lattice included."""
    exclusion_px = metrics.adatoms.BACKGROUND_NM / frame.pixel_size_nm
    return metrics.background_pixels(image, frame.atoms, exclusion_px)


def adatom_snr(image, atoms, line, frame):
    """SNR of adatoms in an image (Y, X) in which they are bright, on a line and in the frame.

    On the line it is the mean over its adatoms, their background what of the line is farther than
    0.3 nm from every atom; nan without adatoms.
    """
    size, inside = frame.pixel_size_nm, metrics.adatoms.BACKGROUND_NM / frame.pixel_size_nm
    along = line_points(line)
    _, values = line_profile(image, line)
    everything = np.concatenate([frame.atoms, atoms])
    ground = values
    if len(everything):
        ground = values[cKDTree(everything).query(along)[0] > inside]
    peaks = [values[np.argmin(np.linalg.norm(along - atom, axis=1))] for atom in atoms]
    usable = len(peaks) and len(ground) > 1 and ground.std() > 0
    alone = frame.atoms[lone(frame.atoms, size)]
    return {
        "profile": (np.mean(peaks) - ground.mean()) / ground.std() if usable else np.nan,
        "frame": metrics.peak_snr(image, alone, pixel_size_nm=size, others=frame.atoms),
    }


def short(snr):
    """Write an SNR with three digits or so."""
    return f"{snr:.1f}" if snr < 100 else f"{snr:.0f}"


def notes(numbers):
    """Return the function that writes the text below a panel."""

    def note(detector, label):
        snr = numbers["adatom_snr"][detector][label]
        return "SNR {} ({})".format(*(short(snr[where]) for where in ("profile", "frame")))

    return note


if __name__ == "__main__":
    main()
