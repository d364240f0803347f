"""Does a model tear holes into a perfect lattice?

Where noise hides a lattice for a few cells, a model that draws lattice only where it sees some
leaves them out. A microscopist takes that for a hole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scenes import DRIFT, LATTICE, adatom_sigma, noisy, simulated

HOLE_NM = 0.25  # Gaussian under which contrast is measured [nm]
LEAST_CONTRAST = 0.25  # of what is drawn elsewhere: less of it is a hole
RIM_NM, RIM_PX = 0.5, 8  # that is left out, at least [nm, px]
N_MOVIES = 2


@dataclass(frozen=True)
class FalseHoles:
    """How much of a perfect lattice a model draws as a hole.

    Attributes
    ----------
    detector : str
    share : float
        Of the area; a hole is where the lattice has less than a quarter of the contrast that the
        model gives it elsewhere, under a Gaussian of 0.25 nm.
    n_holes : int
        That are not connected, also from frame to frame of a movie.
    contrast : float
        Of the lattice, over its true contrast.
    psnr_db : float
        Noise of the test frames [dB].
    noisy, denoised : numpy.ndarray
        (Y, X) the frame with the largest holes.
    """

    detector: str
    share: float
    n_holes: int
    contrast: float
    psnr_db: float
    noisy: np.ndarray
    denoised: np.ndarray


def false_holes(
    predict, detectors, psnr_db=10.0, seed=0, n_frames=12, pixel_size_nm=0.046, lattice=LATTICE
):
    """Denoise movies of a perfect lattice and look for holes.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape. Its frames are those of one
        drifting movie.
    detectors : sequence of str
        Names, of ADF and BF.
    psnr_db : float
        White noise of each detector [dB], relative to a frame with adatoms.
    seed : int
    n_frames : int
        In two movies, each of a lattice of its own.
    pixel_size_nm : float
        [nm/px].
    lattice : str
        As `simulate` names it.

    Returns
    -------
    list of FalseHoles
        One for each detector.
    """
    sigma = adatom_sigma(tuple(detectors), psnr_db, seed, pixel_size_nm, lattice)
    each = [n for n in (n_frames - n_frames // N_MOVIES, n_frames // N_MOVIES) if n]
    parts = []
    for i, n in enumerate(each):
        options = {"lattice": lattice, **DRIFT, "n_frames": n, "density_nm2": 0.0}
        _, clean = simulated([seed, 23, i], detectors, pixel_size_nm, **options)
        frames = noisy(clean, sigma, [seed, 24, i])
        parts.append((clean, frames, np.asarray(predict(frames), float)))
    found = []
    for c, detector in enumerate(detectors):
        seen, worst = [], []
        for clean, frames, denoised in parts:
            slopes = contrasts(clean[..., c], denoised[..., c], pixel_size_nm)
            seen.append((len(slopes), *holes_among(slopes, alike=True)))
            lowest = slopes.min(axis=(1, 2))
            t = int(np.argmin(lowest))
            worst.append((lowest[t], frames[t, ..., c], denoised[t, ..., c]))
        length, share, number, contrast = np.array(seen).T
        means = [float(np.average(part, weights=length)) for part in (share, contrast)]
        images = min(worst, key=lambda w: w[0])[1:]
        found.append(
            FalseHoles(detector, means[0], int(number.sum()), means[1], float(psnr_db), *images)
        )
    return found


def contrasts(clean, drawn, pixel_size_nm) -> np.ndarray:
    """Return the local contrast of a lattice over its true one, (T, Y, X), without the rim."""
    from scipy.ndimage import gaussian_filter

    width = (0, *2 * (HOLE_NM / pixel_size_nm,))

    def near(image):
        return gaussian_filter(image, width)

    clean, drawn = (np.asarray(image, float) for image in (clean, drawn))
    clean = clean - clean.mean()  # or squares would lose digits
    ground, own = near(clean), near(drawn)
    power = near(clean**2) - ground**2
    # where interference hides the lattice itself nothing is measured
    slope = (near(clean * drawn) - ground * own) / np.maximum(power, 0.1 * np.median(power))
    rim = max(RIM_PX, round(RIM_NM / pixel_size_nm))
    return slope[:, rim:-rim, rim:-rim]


def holes_among(slopes, mask=None, alike=False) -> tuple[float, int, float]:
    """Count holes among local contrasts.

    Parameters
    ----------
    slopes : (T, Y, X) array
        See `contrasts`.
    mask : (Y, X) bool array, optional
        Where to look.
    alike : bool
        Whether frames are those of one movie: a hole that stays is one.

    Returns
    -------
    share : float
        Of the area.
    n_holes : int
    contrast : float
        Mean of all.
    """
    from scipy.ndimage import label

    mask = np.ones(slopes.shape[1:], bool) if mask is None else mask
    mean = float(np.mean(slopes[:, mask])) if mask.any() else float("nan")
    holes = (slopes < LEAST_CONTRAST * mean) & mask
    number = label(holes)[1] if alike else sum(label(frame)[1] for frame in holes)
    return float(holes.sum() / max(1, len(holes) * mask.sum())), int(number), mean
