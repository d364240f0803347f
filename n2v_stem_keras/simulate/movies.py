"""Simulated movies with known truth, such as the reference movie the package measures itself on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import fast, structures


@dataclass(frozen=True)
class SimulatedMovie:
    """A noise-free movie and the truth it was made from.

    Attributes
    ----------
    clean : numpy.ndarray
        (T, Y, X, C) float32 [fraction of the beam].
    detectors : tuple of str
        Names along C.
    pixel_size_nm : float
        [nm/px].
    positions : list of numpy.ndarray
        Adatoms inside each frame, (n, 2) float64, columns y, x [px].
    """

    clean: np.ndarray
    detectors: tuple[str, ...]
    pixel_size_nm: float
    positions: list[np.ndarray]


def reference_movie(
    seed,
    shape=(256, 256),
    n_frames=12,
    pixel_size_nm=0.046,
    n_layers=4,
    density_nm2=0.25,
    hops=False,
):
    """Simulate the movie on which the package measures itself.

    Bernal-stacked graphene at random rotation and origin, with Au adatoms that move as told in
    `structures.adatom_movie`. With ``hops=True`` the specimen also drifts steadily at 0-1 px a
    frame in a random direction.

    Parameters
    ----------
    seed : int or numpy.random.SeedSequence
        The movie is a function of it and of the other arguments; a longer movie begins with
        the shorter one.
    shape : tuple of int
        (Y, X) [px].
    n_frames : int
        Frames T.
    pixel_size_nm : float
        [nm/px].
    n_layers : int
        Graphene layers.
    density_nm2 : float
        Adatoms [nm^-2].
    hops : bool
        Drift, jitter and hops instead of random steps.

    Returns
    -------
    SimulatedMovie
        Clean frames of the detectors ADF and BF, with the adatoms' positions.
    """
    rng = np.random.default_rng(seed)
    rotation, phase = rng.uniform(0, np.pi / 3), rng.uniform(-0.5, 0.5, 2)
    speed, heading = rng.uniform(0, 1), rng.uniform(0, 2 * np.pi)
    drift = pixel_size_nm * speed * np.array([np.sin(heading), np.cos(heading)]) * bool(hops)

    size = np.array(shape) * pixel_size_nm
    low, high = np.full(2, -fast.KERNEL_RADIUS_NM), size + fast.KERNEL_RADIUS_NM
    window = (low[0], high[0], low[1], high[1])
    gold = structures.adatom_movie(window, density_nm2, n_frames, rng, hops)
    gold = [(placed + t * drift - low) % (high - low) + low for t, placed in enumerate(gold)]

    clean = np.empty((n_frames, *shape, len(fast.DETECTORS)), np.float32)
    for t, placed in enumerate(gold):
        if t == 0 or hops:
            carbon = structures.graphene(window, n_layers, rotation, phase + t * drift)
            lattice = fast.contrast({"C": carbon}, shape, pixel_size_nm)
        clean[t] = lattice + fast.contrast({"Au": on_surface(placed)}, shape, pixel_size_nm)
    clean += np.array([fast.background(detector) for detector in fast.DETECTORS], np.float32)
    positions = [_inside(placed / pixel_size_nm, shape) for placed in gold]
    return SimulatedMovie(clean, fast.DETECTORS, float(pixel_size_nm), positions)


def _inside(positions, shape):
    """Positions [px] whose nearest pixel lies in the frame."""
    nearest = np.rint(positions)
    return positions[np.all((nearest >= 0) & (nearest < np.array(shape)), axis=1)]


def on_surface(positions):
    """Positions (n, 2) y, x [nm] as (n, 3) z, y, x with z = 0, the surface in focus."""
    return np.column_stack([np.zeros(len(positions)), positions])
