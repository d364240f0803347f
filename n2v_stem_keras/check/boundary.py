"""Does a model draw a lattice on where the crystal turns or ends?

Tilt boundaries and edges are straight here, and as sharp as atoms allow. The strip beside one is
where a lattice that hundreds of cells have told of is drawn although it has ended.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scenes import DRIFT, LATTICE, MARGIN_NM, noisy, sigma_of, simulated, waves_in

STRIP_NM = 0.5  # width of the strip that is looked at [nm]
INSIDE_NM = 1.5  # what is farther from a boundary is the crystal [nm]
TILTS_DEG = (15.0, 45.0)  # of two crystals, drawn between
N_MOVIES = 2


@dataclass(frozen=True)
class LatticeAtLine:
    """How much lattice a model draws beside a tilt boundary or an edge.

    Attributes
    ----------
    detector : str
    kind : str
        ``"tilt boundary"`` or ``"edge"``.
    own : float
        Contrast of the lattice over its true contrast in a strip of 0.5 nm before its end; 1 is
        right.
    beyond : float
        The same in the strip beyond its end; 0 is right.
    crystal : float
        The same more than 1.5 nm inside.
    d_prime : float
        Signal-to-noise ratio by which a square of 0.5 nm in one frame tells what is on one side of
        the line from what is on the other, all detectors together, if both are known.
    psnr_db : float
        Noise of the test frames, which hold no adatoms [dB].
    truth, noisy, denoised : numpy.ndarray
        (Y, X) one frame.
    """

    detector: str
    kind: str
    own: float
    beyond: float
    crystal: float
    d_prime: float
    psnr_db: float
    truth: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray


def lattice_at_line(
    predict,
    detectors,
    kind="tilt boundary",
    psnr_db=10.0,
    seed=0,
    n_frames=8,
    pixel_size_nm=0.046,
    lattice=LATTICE,
):
    """Let a crystal turn or end at a straight line, and look for lattice beyond it.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape. Its frames are those of one
        drifting movie.
    detectors : sequence of str
        Names, of ADF and BF.
    kind : {"tilt boundary", "edge"}
    psnr_db : float
        White noise of each detector [dB], relative to the perfect crystal without adatoms.
    seed : int
    n_frames : int
        In two movies, each of crystals of its own.
    pixel_size_nm : float
        [nm/px].
    lattice : str
        As `simulate` names it.

    Returns
    -------
    list of LatticeAtLine
        One for each detector.
    """
    each = [n for n in (n_frames - n_frames // N_MOVIES, n_frames // N_MOVIES) if n]
    parts = []
    for i, n in enumerate(each):
        clean, grains, away = _scene(detectors, kind, [seed, 29, i], n, pixel_size_nm, lattice)
        sigma = sigma_of(grains[0], psnr_db)
        frames = noisy(clean, sigma, [seed, 31, i])
        parts.append((clean, frames, np.asarray(predict(frames), float), away, *grains))
    apart = (grains[0] - (grains[1] if len(grains) > 1 else 0)) / sigma
    n_px = (STRIP_NM / pixel_size_nm) ** 2
    d_prime = float(np.sqrt(n_px * apart.var(axis=(0, 1, 2)).sum()))
    clean, frames, denoised, away, *grains = (np.concatenate(part) for part in zip(*parts))
    found = []
    for c, detector in enumerate(detectors):
        waves = [grain[..., c] for grain in grains]
        values = _measure(denoised[..., c], waves, away)
        images = (image[len(image) // 2, ..., c] for image in (clean, frames, denoised))
        found.append(LatticeAtLine(detector, kind, *values, d_prime, float(psnr_db), *images))
    return found


def _scene(detectors, kind, seed, n_frames, pixel_size_nm, lattice):
    """Frames with a line, the whole crystal of each side, and distance beyond the line [nm]."""
    rng = np.random.default_rng(seed)
    tilt = float(np.deg2rad(rng.uniform(*TILTS_DEG)))
    line = {"boundary_rad": tilt} if kind == "tilt boundary" else {"edge": True}
    options = {**DRIFT, "lattice": lattice, "n_frames": n_frames, "density_nm2": 0.0}
    known = (seed, detectors, pixel_size_nm)
    movie, clean = simulated(*known, **line, **options)
    specimen = movie.scene.specimen
    grains = []
    for turned in (0.0, tilt)[: 2 if kind == "tilt boundary" else 1]:
        same = {"rotation_rad": specimen.rotation_rad + turned, "origin_nm": specimen.origin_nm}
        # the path is drawn as well, so that it must be given
        path = movie.drift_px
        grains.append(_at(path, detectors, pixel_size_nm, lattice, **same))
    places = np.moveaxis(np.indices(clean.shape[1:3]), 0, -1)
    away = [movie.boundary.distance(places, drift) for drift in movie.drift_px]
    return clean, grains, np.stack(away) * pixel_size_nm


def _at(path, detectors, pixel_size_nm, lattice, origin_nm, **options):
    """Frames of a perfect crystal that has drifted along a path [px]."""
    frames = []
    for drift in path * pixel_size_nm:
        moved = {"origin_nm": tuple(np.asarray(origin_nm) + drift), **options}
        known = {"lattice": lattice, "n_frames": 1, "density_nm2": 0.0}
        frames.append(simulated(0, detectors, pixel_size_nm, **known, **moved)[1])
    return np.concatenate(frames)


def _measure(frames, waves, away):
    """Contrast before the end of each lattice, beyond it, and inside."""
    near, far = MARGIN_NM, MARGIN_NM + STRIP_NM
    own, beyond, crystal = [], [], []
    for side, wave in zip((-1, 1), waves):
        others = [w for w in waves if w is not wave]
        inside = side * away  # positive where this lattice is
        strip = (inside > near) & (inside < far)
        own.append(waves_in(frames, [wave, *others], strip)[0])
        strip = (inside < -near) & (inside > -far)
        beyond.append(waves_in(frames, [wave, *others], strip)[0])
        crystal.append(waves_in(frames, [wave], inside > INSIDE_NM)[0])
    return tuple(float(np.mean(part)) for part in (own, beyond, crystal))
