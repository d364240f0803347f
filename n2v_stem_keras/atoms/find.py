"""Peaks above the local background, in units of the noise of the raw pixels.

A peak is a local maximum (bright atoms, ADF) or minimum (dark ones, BF). Its height is counted
from the median of a ring around it, which follows a support that slopes and is moved little by a
neighbour. Heights are divided by the noise sigma of the *raw* frames, whatever was done to the
image since: this is defined for noise alone, for simulated and for real frames alike, so that a
threshold found on one holds on another (`calibrate`).

The paper tracks adatoms in its denoised movies and counts them (Results); how it finds them is not
said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..io.movie import unmasked
from .refine import refine

PIXEL_NM = 0.046  # the paper's, where none is known [nm/px]
WIDEST_PX = 1000  # of the ring around an atom: beyond, a pixel size is no pixel size
RING_NM = (0.25, 0.45)  # radii of the ring that the background is taken from [nm]
FARTHEST_NM = 1000.0  # that a least distance of two atoms may be: no frame shows more [nm]
MIN_DISTANCE_NM = 0.15  # of two atoms; neighbours on a heavy metal's surface are 0.27 apart [nm]


def sign_of(detector: str) -> int:
    """Return -1 where atoms are dark (BF, ABF), else 1."""
    return -1 if detector.upper().endswith("BF") else 1


@dataclass(frozen=True)
class Criterion:
    """What counts as an atom in one detector.

    Attributes
    ----------
    height_sigma : float
        Least height above the local background [noise sigma of the raw pixels].
    sign : int
        1 for atoms brighter than their surroundings (ADF), -1 for darker ones (BF).
    min_distance_nm : float
        No two atoms are closer than this [nm].
    """

    height_sigma: float
    sign: int = 1
    min_distance_nm: float = MIN_DISTANCE_NM

    def __post_init__(self):
        if self.sign not in (1, -1):
            raise ValueError(f"sign is {self.sign!r}, expected 1 (bright atoms) or -1 (dark ones)")
        if not 0 < self.min_distance_nm <= FARTHEST_NM:
            raise ValueError(
                f"min_distance_nm is {self.min_distance_nm}, expected more than 0 and at most "
                f"{FARTHEST_NM:g}"
            )
        if not np.isfinite(self.height_sigma):
            raise ValueError(f"height_sigma is {self.height_sigma}, expected a number")


def find_atoms(
    frames,
    noise_sigma,
    criteria,
    *,
    pixel_size_nm=None,
    raw=None,
    first_frame=0,
):
    """Find atoms in every frame.

    Parameters
    ----------
    frames : array_like
        (T, Y, X, C), usually denoised.
    noise_sigma : sequence of float
        (C,) standard deviation of the noise of the raw frames, in their unit.
    criteria : dict
        Detector name -> `Criterion`, in the order of C; None for a detector in which nothing is
        looked for. A peak that meets one detector's criterion is an atom.
    pixel_size_nm : float, optional
        [nm/px]; 0.046, as in the paper, if unknown.
    raw : array_like, optional
        (T, Y, X, C) frames whose pixels the positions are refined on; by default `frames`.
    first_frame : int
        Number of the first frame in the table.

    Returns
    -------
    pandas.DataFrame
        One row an atom, columns as trackpy names them: ``frame``, ``y``, ``x`` [px], ``mass``
        (integrated height), ``size`` (standard deviation of the Gaussian [px]), ``signal``
        (height) and ``background`` [units of the frames], all of the detector named ``detector``,
        in which it stands out most; ``ep`` (standard error of y and of x that the noise of the raw
        pixels allows [px]; nan where the fit failed and the position is the peak's pixel);
        ``y_nm``, ``x_nm``; and ``snr_<detector>``, the height in every detector over its raw noise,
        positive where the atom looks as it should.

    Raises
    ------
    ValueError
        Shapes that do not fit together, or noise that is not positive.
    """
    import pandas as pd

    frames = np.asarray(unmasked(frames, "frames"))
    raw = frames if raw is None else np.asarray(unmasked(raw, "raw"))
    names = list(criteria)
    _check(frames, raw, noise_sigma, names)
    pixel_size_nm = pixel_size_nm or PIXEL_NM
    signs = np.array([c.sign if c else 1 for c in criteria.values()])
    scale = signs / np.asarray(noise_sigma, float)
    rows = []
    for t, (frame, raw_frame) in enumerate(zip(frames, raw, strict=True)):
        image = frame * scale  # (Y, X, C), atoms bright, in units of the raw noise
        peaks, own = _peaks(image, list(criteria.values()), pixel_size_nm)
        if not len(peaks):
            continue
        fitted = refine(raw_frame * scale, peaks, 0.14 / pixel_size_nm)
        heights, grounds = measure(image, peaks, pixel_size_nm)
        for i, c in enumerate(own):
            y, x = fitted.positions[i]
            rows.append(
                {
                    "frame": first_frame + t,
                    "y": y,
                    "x": x,
                    "mass": 2 * np.pi * fitted.sizes[i] ** 2 * fitted.heights[i, c] / abs(scale[c]),
                    "size": fitted.sizes[i],
                    "signal": heights[i, c] / abs(scale[c]),
                    "background": grounds[i, c] / scale[c],
                    "ep": fitted.errors[i],
                    "detector": names[c],
                    "y_nm": y * pixel_size_nm,
                    "x_nm": x * pixel_size_nm,
                    **{f"snr_{name}": heights[i, k] for k, name in enumerate(names)},
                }
            )
    return pd.DataFrame(rows, columns=columns(names))


def columns(detectors):
    """Return the names of the columns of `find_atoms`."""
    return [
        *("frame", "y", "x", "mass", "size", "signal", "background", "ep", "detector"),
        *("y_nm", "x_nm"),
        *(f"snr_{name}" for name in detectors),
    ]


def peak_heights(image, pixel_size_nm=None, min_distance_nm=MIN_DISTANCE_NM, least=-np.inf):
    """All local maxima of an image and their heights above the local background.

    Parameters
    ----------
    image : array_like
        (Y, X), atoms bright.
    pixel_size_nm : float, optional
        [nm/px]; 0.046 if unknown.
    min_distance_nm : float
        Least distance of two maxima; the higher one stays [nm].
    least : float
        Smallest height that is returned.

    Returns
    -------
    positions : numpy.ndarray
        (n, 2) int y, x [px], the highest first.
    heights : numpy.ndarray
        (n,) in the image's unit.
    """
    from skimage.feature import peak_local_max

    image = np.asarray(image, float)
    pixel_size_nm = pixel_size_nm or PIXEL_NM
    # none in a frame are farther apart than its sides
    distance = max(1, int(min(min_distance_nm / pixel_size_nm, max(image.shape))))
    positions = peak_local_max(image, min_distance=distance, exclude_border=False)
    heights, _ = measure(image[..., None], positions, pixel_size_nm)
    heights = heights[:, 0]
    order = np.argsort(-heights, kind="stable")
    order = order[heights[order] >= least]  # nan, in the corners, is not
    return positions[order], heights[order]


def measure(image, positions, pixel_size_nm=None):
    """Heights above the local background at given places.

    Parameters
    ----------
    image : array_like
        (Y, X, C).
    positions : array_like
        (n, 2) y, x [px]; rounded to pixels.
    pixel_size_nm : float, optional
        [nm/px]; 0.046 if unknown.

    Returns
    -------
    heights, backgrounds : numpy.ndarray
        (n, C), in the image's unit. The background is the median of the pixels between 0.25 and
        0.45 nm away, in pairs on opposite sides, so that a slope cancels at the border of the
        frame too; nan in its corners, where there are no pairs.
    """
    image = np.asarray(image, float)
    nearest = np.rint(np.asarray(positions, float)).astype(int).reshape(-1, 2)
    offsets = _ring(pixel_size_nm or PIXEL_NM)
    around = nearest[:, None] + offsets  # (n, k, 2)
    inside = ((around >= 0) & (around < image.shape[:2])).all(axis=-1)
    inside &= inside[:, ::-1]  # offsets run from the first row to the last: opposite ones mirror
    y, x = np.clip(around, 0, np.array(image.shape[:2]) - 1).transpose(2, 0, 1)
    values = np.where(inside[..., None], image[y, x], np.nan)
    grounds = np.full((len(nearest), image.shape[-1]), np.nan)
    known = inside.any(axis=1)
    grounds[known] = np.nanmedian(values[known], axis=1)
    return image[nearest[:, 0], nearest[:, 1]] - grounds, grounds


def _ring(pixel_size_nm):
    """Offsets (k, 2) of the pixels of the ring around a pixel."""
    inner, outer = (r / pixel_size_nm for r in RING_NM)
    if not outer <= WIDEST_PX:
        raise ValueError(
            f"pixel_size_nm is {pixel_size_nm}, at which an atom is about {outer:.3g} px wide; "
            f"expected a size at which it is at most {WIDEST_PX} px wide"
        )
    reach = int(np.ceil(outer))
    offsets = np.moveaxis(np.indices((2 * reach + 1,) * 2) - reach, 0, -1).reshape(-1, 2)
    distance = np.hypot(*offsets.T)
    return offsets[(distance >= inner) & (distance <= outer)]


def _peaks(image, criteria, pixel_size_nm):
    """Places of atoms, (n, 2), and the detector in which each stands out most, (n,)."""
    from scipy.spatial import cKDTree

    places, own, excess = [], [], []
    for c, criterion in enumerate(criteria):
        if criterion is None:
            continue
        found, heights = peak_heights(
            image[..., c], pixel_size_nm, criterion.min_distance_nm, criterion.height_sigma
        )
        places.append(found)
        own.append(np.full(len(found), c))
        excess.append(heights - criterion.height_sigma)
    places, own, excess = (np.concatenate(part) for part in (places, own, excess))
    order = np.argsort(-excess, kind="stable")
    places, own = places[order], own[order]
    nearest = min(c.min_distance_nm for c in criteria if c) / pixel_size_nm
    gone = np.zeros(len(places), bool)
    for i, j in sorted(cKDTree(places).query_pairs(nearest)) if len(places) else ():
        if not gone[i] and own[i] != own[j]:
            gone[j] = True  # the same atom in another detector
    return places[~gone], own[~gone]


def _check(frames, raw, noise_sigma, names):
    if frames.ndim != 4 or frames.shape != raw.shape:
        raise ValueError(
            f"frames of shape {frames.shape} and raw frames of shape {raw.shape}; expected two "
            "alike, (T, Y, X, C)"
        )
    sigma = np.asarray(noise_sigma, float)
    if sigma.shape != (frames.shape[-1],) or not np.all(sigma > 0):
        raise ValueError(f"noise_sigma is {noise_sigma}, expected {frames.shape[-1]} above 0")
    if len(names) != frames.shape[-1]:
        raise ValueError(f"criteria for {names}, but the frames have {frames.shape[-1]} detectors")
