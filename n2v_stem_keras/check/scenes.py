"""What the test frames have in common: their size, and their noise."""

from __future__ import annotations

import functools

import numpy as np

from ..simulate import simulate_movie
from .detectors import columns_of

SIDE, LARGEST = 256, 512  # of a test frame, where pixels are not too fine, and at most [px]
FIELD_NM = 6.0  # that a test frame shows at least, if it is not too large [nm]
BESIDE_NM = 1.0  # lattice farther than this from a hole is beside it [nm]
MARGIN_NM = 0.15  # atoms of a lattice end nearer to where it ends than this [nm]
LATTICE = "graphene"
DRIFT = {"drift_px": 0.4, "drift_walk_px": 0.2}  # of movies


def side_of(pixel_size_nm) -> int:
    """Return the side of a test frame that shows enough of a lattice [px]."""
    wanted = 32 * int(np.ceil(FIELD_NM / pixel_size_nm / 32))
    return int(np.clip(wanted, SIDE, LARGEST))


def hole_that_fits(radius_nm, pixel_size_nm) -> float:
    """Return the radius of a hole, made smaller where a frame has no room for it [nm]."""
    room = 0.6 * (side_of(pixel_size_nm) * pixel_size_nm / 2 - BESIDE_NM)
    return float(min(radius_nm, round(room, 2)))


def simulated(seed, detectors, pixel_size_nm, **options):
    """Simulate test frames; returns the movie, and its frames (T, Y, X, C) of some detectors."""
    side = side_of(pixel_size_nm)
    movie = simulate_movie(seed, (side, side), pixel_size_nm=pixel_size_nm, **options)
    return movie, movie.clean[..., columns_of(detectors)]


def sigma_of(frames, psnr_db) -> np.ndarray:
    """Return the noise of each detector (C,) at a PSNR of frames, (T, Y, X, C)."""
    return np.ptp(frames, axis=(1, 2)).mean(axis=0) / 10 ** (psnr_db / 20)


@functools.lru_cache(8)  # several questions ask for the same
def adatom_sigma(detectors, psnr_db, seed, pixel_size_nm, lattice=LATTICE) -> np.ndarray:
    """Return the noise of each detector (C,) at a PSNR of a frame with adatoms on a lattice."""
    known = {"n_frames": 1, "density_nm2": 0.1, "lattice": lattice}
    found = sigma_of(simulated(seed, detectors, pixel_size_nm, **known)[1], psnr_db)
    found.setflags(write=False)
    return found


def noisy(clean, sigma, seed) -> np.ndarray:
    """Add white noise (C,) to frames (T, Y, X, C)."""
    normal = np.random.default_rng(seed).standard_normal(clean.shape, np.float32)
    return (clean + sigma * normal).astype(np.float32)


def waves_in(frames, lattices, mask) -> np.ndarray:
    """Find the contrast of some lattices in frames, each over its own true contrast.

    Parameters
    ----------
    frames : (T, Y, X) array
    lattices : sequence of (T, Y, X) arrays
    mask : (T, Y, X) or (Y, X) bool array
        Where to look.

    Returns
    -------
    (n,) array
        Slopes of least squares, of all frames together; nan where a lattice shows nothing.
    """
    normal, right = np.zeros((len(lattices),) * 2), np.zeros(len(lattices))
    for t in range(len(frames)):
        there = mask if mask.ndim == 2 else mask[t]
        if not there.any():
            continue
        basis = np.stack([lattice[t][there] for lattice in lattices]).astype(float)
        basis -= basis.mean(axis=1, keepdims=True)
        normal += basis @ basis.T
        right += basis @ frames[t][there]
    if not (np.diag(normal) > 0).all():
        return np.full(len(lattices), np.nan)
    return np.linalg.lstsq(normal, right, rcond=None)[0]
