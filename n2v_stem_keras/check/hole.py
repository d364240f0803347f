"""Does a model go on drawing the lattice where there is none?

What is known of a lattice from hundreds of its cells may be drawn over a few that are missing; the
paper looks into holes of its windows for the same reason (Results).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..simulate.structures import circle
from .false_holes import contrasts, holes_among
from .noise_only import atoms_of
from .scenes import (
    BESIDE_NM,
    LATTICE,
    MARGIN_NM,
    adatom_sigma,
    noisy,
    side_of,
    simulated,
    waves_in,
)


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
    missing : float
        Share of the area beside the hole that is drawn as a hole, too; see `false_holes`.
    n_missing : int
        Such holes.
    d_prime : float
        How well the waves of the lattice, where they are looked for in the hole, would stand out of
        the noise of one frame if they were there, all detectors together.
    """

    detector: str
    radius_nm: float
    inside: float
    outside: float
    psnr_db: float
    missing: float
    n_missing: int
    d_prime: float


def lattice_in_hole(
    predict,
    detectors,
    radius_nm=1.0,
    psnr_db=10.0,
    seed=0,
    n_frames=12,
    pixel_size_nm=0.046,
    lattice=LATTICE,
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
        Frames of 256x256 px, more where pixels are fine, of a lattice without adatoms, each with an
        orientation and noise of its own.
    pixel_size_nm : float
        [nm/px].
    lattice : str
        As `simulate` names it; four layers of graphene, one of the others.

    Returns
    -------
    list of HoleLattice
        One for each detector.

    Raises
    ------
    ValueError
        Other detectors than ADF and BF, or a hole that is too small or leaves no lattice.
    """
    known = (radius_nm, psnr_db, seed, n_frames, pixel_size_nm, lattice)
    movie, sigma, whole, distance = _scene(detectors, *known)
    denoised = np.asarray(predict(movie), float)
    masks = distance < radius_nm - MARGIN_NM, distance > radius_nm + BESIDE_NM
    n_px, power = masks[0].sum(), (whole / sigma).var(axis=(0, 1, 2)).sum()
    d_prime = float(np.sqrt(n_px * power))
    found = []
    for c, detector in enumerate(detectors):
        images = denoised[..., c], whole[..., c]
        slopes = contrasts(*images[::-1], pixel_size_nm)
        rim = (distance.shape[0] - slopes.shape[1]) // 2
        missing, n_missing, _ = holes_among(slopes, masks[1][rim:-rim, rim:-rim])
        found.append(
            HoleLattice(
                detector,
                float(radius_nm),
                *(float(waves_in(images[0], [images[1]], mask)[0]) for mask in masks),
                float(psnr_db),
                missing,
                n_missing,
                d_prime,
            )
        )
    return found


@dataclass(frozen=True)
class HoleAtoms:
    """Atoms found where there are none: in a hole, and on the lattice around it; and blots.

    Attributes
    ----------
    detector : str
    height_sigma : float
        Threshold on peaks [noise sigma].
    inside, outside : int
        Peaks at least as high in the hole, and more than 1 nm away from it.
    blots : int
        Peaks in the hole of the other sign, as high: dark blots where atoms are bright.
    radius_nm : float
        Radius of the hole [nm].
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
    blots: int
    radius_nm: float
    inside_Mpx: float
    outside_Mpx: float
    psnr_db: float
    noisy: np.ndarray
    denoised: np.ndarray


def atoms_in_hole(
    predict,
    criteria,
    radius_nm=2.0,
    psnr_db=10.0,
    seed=0,
    n_frames=12,
    pixel_size_nm=0.046,
    lattice=LATTICE,
):
    """Cut a round hole into a lattice without adatoms and look for adatoms.

    Parameters
    ----------
    predict : callable
        As in `lattice_in_hole`.
    criteria : dict
        Detector -> `atoms.Criterion`, in the order of C; None where no atoms are looked for.
    radius_nm, psnr_db, seed, n_frames, pixel_size_nm, lattice
        As in `lattice_in_hole`.

    Returns
    -------
    list of HoleAtoms
        One for each detector with a criterion.
    """
    known = (radius_nm, psnr_db, seed, n_frames, pixel_size_nm, lattice)
    movie, sigmas, _, distance = _scene(tuple(criteria), *known)
    denoised = np.asarray(predict(movie), float)
    inside, outside = distance < radius_nm - MARGIN_NM, distance > radius_nm + BESIDE_NM
    found = []
    for c, (detector, criterion) in enumerate(criteria.items()):
        if criterion is None:
            continue
        sigma = sigmas[c]
        counts, blots = np.zeros(2, int), 0
        for frame in denoised[..., c] / sigma:
            y, x = atoms_of(frame, criterion, pixel_size_nm).T
            counts += inside[y, x].sum(), outside[y, x].sum()
            y, x = atoms_of(-frame, criterion, pixel_size_nm).T
            blots += int(inside[y, x].sum())
        found.append(
            HoleAtoms(
                detector,
                criterion.height_sigma,
                int(counts[0]),
                int(counts[1]),
                blots,
                float(radius_nm),
                n_frames * inside.sum() / 1e6,
                n_frames * outside.sum() / 1e6,
                float(psnr_db),
                movie[0, ..., c] / sigma,
                denoised[0, ..., c] / sigma,
            )
        )
    return found


def _scene(detectors, radius_nm, psnr_db, seed, n_frames, pixel_size_nm, lattice=LATTICE):
    """Noisy frames of a lattice with a hole, (T, Y, X, C), and their noise sigma, (C,).

    Also the whole lattices without noise (T, Y, X, C), and each pixel's distance from the middle
    [nm]. Every frame has a lattice turned and shifted differently: what is drawn into a hole
    depends on how the hole cuts the lattice.
    """
    side = side_of(pixel_size_nm)
    side_nm = side * pixel_size_nm
    if not 0.3 < radius_nm < side_nm / 2 - BESIDE_NM:
        raise ValueError(
            f"radius_nm is {radius_nm}; expected more than 0.3 and less than "
            f"{side_nm / 2 - BESIDE_NM:.2f} nm, or no lattice is left to compare with"
        )
    middle, size = side_nm / 2, {"n_frames": 1, "lattice": lattice}
    outline = circle((middle, middle), radius_nm, 120)
    rng = np.random.default_rng([seed, 2])
    whole, cut = [], []
    for t in range(n_frames):
        turned = (0.3 + 0.618 * t) * np.pi / 3  # spread evenly over what a lattice can be turned by
        options = {**size, "rotation_rad": turned, "origin_nm": tuple(rng.uniform(-0.2, 0.2, 2))}
        for holes, frames in (((), whole), ([outline], cut)):
            known = {"density_nm2": 0.0, "holes_nm": holes, **options}
            frames.append(simulated(seed, detectors, pixel_size_nm, **known)[1][0])
    sigma = adatom_sigma(tuple(detectors), psnr_db, seed, pixel_size_nm, lattice)
    y, x = (np.indices((side, side)) + 0.5) * pixel_size_nm - middle
    return noisy(np.stack(cut), sigma, [seed, 1]), sigma, np.stack(whole), np.hypot(y, x)
