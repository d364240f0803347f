"""Does a model go on drawing the lattice where there is none?

What is known of a lattice from hundreds of its cells may be drawn over a few that are missing; the
paper looks into holes of its windows for the same reason (Results).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..atoms.find import peak_heights
from ..noise import add_white_noise
from ..simulate import simulate_movie
from .detectors import columns_of

SIDE = 256  # of a test frame [px]
BESIDE_NM = 1.0  # lattice farther than this from the hole is beside it [nm]


@dataclass(frozen=True)
class HoleLattice:
    """How much lattice a model draws into a hole.

    Attributes
    ----------
    detector : str
    radius_nm : float
        Radius of the hole [nm].
    inside, outside : float
        Contrast of the lattice in the output over its true contrast beside the hole: within the
        hole, where 0 is right, and more than 1 nm away from it, where 1 is right.
    psnr_db : float
        Noise of the test frames [dB].
    """

    detector: str
    radius_nm: float
    inside: float
    outside: float
    psnr_db: float


def lattice_in_hole(
    predict, detectors, radius_nm=1.0, psnr_db=10.0, seed=0, n_frames=12, pixel_size_nm=0.046
):
    """Cut a round hole into a lattice and look for the lattice in it.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape, C in the order of `detectors`.
    detectors : sequence of str
        Names, of ADF and BF.
    radius_nm : float
        Radius of the hole in the middle of the frame [nm], above 0.3.
    psnr_db : float
        White noise of each detector [dB], relative to a frame with adatoms (as
        `detector_crosstalk`'s).
    seed : int
        Seed of the noise.
    n_frames : int
        Frames of 256x256 px of four layers of graphene without adatoms, each with an orientation
        and noise of its own.
    pixel_size_nm : float
        [nm/px].

    Returns
    -------
    list of HoleLattice
        One for each detector.

    Raises
    ------
    ValueError
        Other detectors than ADF and BF, or a hole that is too small or leaves no lattice.
    """
    movie, _, whole, distance = _scene(detectors, radius_nm, psnr_db, seed, n_frames, pixel_size_nm)
    denoised = np.asarray(predict(movie), float)
    masks = distance < radius_nm - 0.15, distance > radius_nm + BESIDE_NM
    return [
        HoleLattice(
            detector,
            float(radius_nm),
            *(_contrast(denoised[..., c], whole[..., c], mask) for mask in masks),
            float(psnr_db),
        )
        for c, detector in enumerate(detectors)
    ]


@dataclass(frozen=True)
class HoleAtoms:
    """Atoms found where there are none: in a hole, and on the lattice around it.

    Attributes
    ----------
    detector : str
    height_sigma : float
        Threshold on peaks [noise sigma].
    inside, outside : int
        Peaks at least as high in the hole, and more than 1 nm away from it.
    inside_Mpx, outside_Mpx : float
        Pixels that were looked at [10^6].
    psnr_db : float
        Noise of the test frames [dB].
    noisy, denoised : numpy.ndarray
        (Y, X) the first frame [noise sigma].
    """

    detector: str
    height_sigma: float
    inside: int
    outside: int
    inside_Mpx: float
    outside_Mpx: float
    psnr_db: float
    noisy: np.ndarray
    denoised: np.ndarray


def atoms_in_hole(
    predict, criteria, radius_nm=2.0, psnr_db=10.0, seed=0, n_frames=12, pixel_size_nm=0.046
):
    """Cut a round hole into a lattice without adatoms and look for adatoms.

    Parameters
    ----------
    predict : callable
        As in `lattice_in_hole`.
    criteria : dict
        Detector -> `atoms.Criterion`, in the order of C; None where no atoms are looked for.
    radius_nm, psnr_db, seed, n_frames, pixel_size_nm
        As in `lattice_in_hole`.

    Returns
    -------
    list of HoleAtoms
        One for each detector with a criterion.
    """
    scene = _scene(tuple(criteria), radius_nm, psnr_db, seed, n_frames, pixel_size_nm)
    movie, sigmas, _, distance = scene
    denoised = np.asarray(predict(movie), float)
    inside, outside = distance < radius_nm - 0.15, distance > radius_nm + BESIDE_NM
    found = []
    for c, (detector, criterion) in enumerate(criteria.items()):
        if criterion is None:
            continue
        sigma = sigmas[c]
        counts = np.zeros(2, int)
        for frame in denoised[..., c] * criterion.sign / sigma:
            y, x = peak_heights(
                frame, pixel_size_nm, criterion.min_distance_nm, criterion.height_sigma
            )[0].T
            counts += inside[y, x].sum(), outside[y, x].sum()
        found.append(
            HoleAtoms(
                detector,
                criterion.height_sigma,
                int(counts[0]),
                int(counts[1]),
                n_frames * inside.sum() / 1e6,
                n_frames * outside.sum() / 1e6,
                float(psnr_db),
                movie[0, ..., c] / sigma,
                denoised[0, ..., c] / sigma,
            )
        )
    return found


def _scene(detectors, radius_nm, psnr_db, seed, n_frames, pixel_size_nm):
    """Noisy frames of a lattice with a hole, (T, Y, X, C), and their noise sigma, (C,).

    Also the whole lattices without noise (T, Y, X, C), and each pixel's distance from the middle
    [nm]. Every frame has a lattice turned and shifted differently: what is drawn into a hole
    depends on how the hole cuts the lattice.
    """
    columns = columns_of(detectors)
    side_nm = SIDE * pixel_size_nm
    if not 0.3 < radius_nm < side_nm / 2 - BESIDE_NM:
        raise ValueError(
            f"radius_nm is {radius_nm}; expected more than 0.3 and less than "
            f"{side_nm / 2 - BESIDE_NM:.2f} nm, or no lattice is left to compare with"
        )
    middle, size = side_nm / 2, {"n_frames": 1, "pixel_size_nm": pixel_size_nm}
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    circle = middle + radius_nm * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    rng = np.random.default_rng([seed, 2])
    whole, cut = [], []
    for t in range(n_frames):
        turned = (0.3 + 0.618 * t) * np.pi / 3  # spread evenly over what a lattice can be turned by
        options = {**size, "rotation_rad": turned, "origin_nm": tuple(rng.uniform(-0.2, 0.2, 2))}
        for holes, frames in (((), whole), ([circle], cut)):
            movie = simulate_movie(seed, density_nm2=0.0, holes_nm=holes, **options)
            frames.append(movie.clean[0][..., columns])
    adatoms = simulate_movie(seed, density_nm2=0.1, **size).clean[..., columns]
    adatoms = np.repeat(adatoms, n_frames, axis=0)
    noise = add_white_noise(adatoms, psnr_db, seed=[seed, 1]) - adatoms
    y, x = (np.indices((SIDE, SIDE)) + 0.5) * pixel_size_nm - middle
    return np.stack(cut) + noise, noise.std(axis=(0, 1, 2)), np.stack(whole), np.hypot(y, x)


def _contrast(frames, lattice, mask):
    """Slope of frames (T, Y, X) against lattice images (T, Y, X) within a mask, all together."""
    wave = lattice[:, mask].astype(float)
    wave -= wave.mean(axis=1, keepdims=True)
    return float((frames[:, mask] * wave).sum() / (wave**2).sum())
