"""Atoms of the reference specimen: Bernal-stacked graphene and Au adatoms that move.

The specimen of the paper's simulations (Methods): a few layers of Bernal-stacked graphene with Au
atoms at random on one surface, here continued in time so that a movie can be made of it.
Everything is drawn from the `numpy.random.Generator` handed in; nothing touches a global state.

Positions are rows (y, x) [nm] with y along the slow scan axis, lattice atoms with their height
(z, y, x) [nm]. The origin is the centre of pixel (0, 0).
"""

from __future__ import annotations

import numpy as np

LATTICE_CONSTANT_NM = 0.246
CARBON_BOND_NM = LATTICE_CONSTANT_NM / 3**0.5
INTERLAYER_NM = 0.335
ADATOM_HEIGHT_NM = 0.25  # of an Au adatom above the first layer


def graphene(window_nm, n_layers=4, rotation_rad=0.0, origin_nm=(0.0, 0.0)):
    """Carbon atoms of Bernal (ABAB...) stacked graphene inside a window.

    Parameters
    ----------
    window_nm : sequence of float
        ``(y0, y1, x0, x1)`` [nm]; atoms with ``y0 <= y < y1`` and ``x0 <= x < x1`` are returned.
    n_layers : int
        Layers; even ones are shifted by one bond, so that half of their atoms lie above
        atoms of the layer below and half above the centres of its hexagons.
    rotation_rad : float
        Rotation about the origin of the lattice [rad]; 0 puts a zigzag row along x.
    origin_nm : sequence of float
        (y, x) [nm] of a hexagon's centre of the first layer.

    Returns
    -------
    numpy.ndarray
        (n, 3) float64, columns z, y, x [nm]; z = 0 in the first layer, rising with depth.
    """
    y0, y1, x0, x1 = (float(value) for value in window_nm)
    if n_layers < 1:
        raise ValueError(f"n_layers is {n_layers}; at least one layer is needed")
    # Lattice vectors and the two bonds from a hexagon's centre to its atoms, rows (y, x).
    a1 = LATTICE_CONSTANT_NM * np.array([0.0, 1.0])
    a2 = LATTICE_CONSTANT_NM * np.array([np.sqrt(3) / 2, 0.5])
    basis = CARBON_BOND_NM * np.array([[1.0, 0.0], [-1.0, 0.0]])
    cos, sin = np.cos(rotation_rad), np.sin(rotation_rad)
    turn = np.array([[cos, sin], [-sin, cos]])

    corners = np.array([[y, x] for y in (y0, y1) for x in (x0, x1)]) - np.asarray(origin_nm, float)
    cells = corners @ turn.T @ np.linalg.inv(np.array([a1, a2]))
    low, high = np.floor(cells.min(0)).astype(int) - 2, np.ceil(cells.max(0)).astype(int) + 3
    i, j = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij")
    nodes = i.reshape(-1, 1) * a1 + j.reshape(-1, 1) * a2
    layers = []
    for layer in range(n_layers):
        shift = basis[0] * (layer % 2)
        flat = (nodes[:, None, :] + basis + shift).reshape(-1, 2) @ turn + np.asarray(origin_nm)
        layers.append(np.column_stack([np.full(len(flat), layer * INTERLAYER_NM), flat]))
    atoms = np.concatenate(layers)
    y, x = atoms[:, 1], atoms[:, 2]
    return atoms[(y >= y0) & (y < y1) & (x >= x0) & (x < x1)]


def adatoms(window_nm, density_nm2, rng, min_distance_nm=0.2):
    """Place adatoms at random on a surface, none closer to another than a minimum distance.

    The window is periodic for that distance.

    Parameters
    ----------
    window_nm : sequence of float
        ``(y0, y1, x0, x1)`` [nm].
    density_nm2 : float
        Mean density [nm^-2]; the number is drawn from a Poisson distribution.
    rng : numpy.random.Generator
        Source of randomness.
    min_distance_nm : float
        Smallest distance between two adatoms [nm].

    Returns
    -------
    numpy.ndarray
        (n, 2) float64, columns y, x [nm].
    """
    y0, y1, x0, x1 = (float(value) for value in window_nm)
    number = rng.poisson(density_nm2 * (y1 - y0) * (x1 - x0))
    positions = np.empty((number, 2))
    for n in range(number):
        positions[n] = _free_place(positions[:n], window_nm, rng, min_distance_nm)
    return positions


def adatom_movie(window_nm, density_nm2, n_frames, rng, hops=False, min_distance_nm=0.2):
    """Positions of moving adatoms, frame by frame.

    With ``hops=False`` half of the adatoms move each frame by a normal step of 0.06 nm per axis
    and 3 % vanish and reappear elsewhere. With ``hops=True`` 30 % jitter by 0.03 nm and 5 % hop by
    one to two lattice constants (0.246-0.492 nm) in any direction. Steps that would bring two
    adatoms too close are drawn again, and given up after a few trials; the window is periodic
    for them, so that their number stays.

    Parameters
    ----------
    window_nm : sequence of float
        ``(y0, y1, x0, x1)`` [nm]; larger than the field of view, so that its edges are not seen.
    density_nm2 : float
        Mean density [nm^-2].
    n_frames : int
        Frames; a longer movie from the same generator state begins with the shorter one.
    rng : numpy.random.Generator
        Source of randomness.
    hops : bool
        Which of the two kinds of motion.
    min_distance_nm : float
        Smallest distance between two adatoms [nm].

    Returns
    -------
    list of numpy.ndarray
        One (n, 2) array of y, x [nm] per frame, the same adatom in the same row.
    """
    frames = [adatoms(window_nm, density_nm2, rng, min_distance_nm)]
    while len(frames) < n_frames:
        frames.append(_moved(frames[-1], window_nm, rng, hops, min_distance_nm))
    return frames[:n_frames]


def _moved(positions, window_nm, rng, hops, min_distance_nm):
    """One frame's motion of all adatoms, (n, 2) [nm]."""
    y0, y1, x0, x1 = window_nm
    corner, size = np.array([y0, x0]), np.array([y1 - y0, x1 - x0])
    kind = rng.random(len(positions))
    positions = positions.copy()
    for n, draw in enumerate(kind):
        others = np.delete(positions, n, axis=0)
        if hops:
            step = (lambda: _hop(rng)) if draw < 0.05 else lambda: rng.normal(0.0, 0.03, 2)
            moves = draw < 0.35
        else:
            if draw < 0.03:
                positions[n] = _free_place(others, window_nm, rng, min_distance_nm)
                continue
            step, moves = lambda: rng.normal(0.0, 0.06, 2), draw < 0.53
        if not moves:
            continue
        for _ in range(10):
            place = (positions[n] + step() - corner) % size + corner
            if _is_free(place, others, window_nm, min_distance_nm):
                positions[n] = place
                break
    return positions


def _hop(rng):
    """Draw a hop of one to two lattice constants in a random direction, (2,) [nm]."""
    length = LATTICE_CONSTANT_NM * rng.uniform(1.0, 2.0)
    angle = rng.uniform(0.0, 2 * np.pi)
    return length * np.array([np.sin(angle), np.cos(angle)])


def _is_free(place, others, window_nm, min_distance_nm):
    """Whether no other adatom is closer than the minimum distance [nm] in the periodic window."""
    y0, y1, x0, x1 = window_nm
    size = np.array([y1 - y0, x1 - x0])
    apart = others - place
    apart -= size * np.rint(apart / size)
    return not np.any(np.sum(apart**2, axis=-1) < min_distance_nm**2)


def _free_place(others, window_nm, rng, min_distance_nm, trials=1000):
    """Draw a place (2,) [nm] uniformly, far enough from all others."""
    y0, y1, x0, x1 = window_nm
    for _ in range(trials):
        place = np.array([rng.uniform(y0, y1), rng.uniform(x0, x1)])
        if _is_free(place, others, window_nm, min_distance_nm):
            return place
    raise ValueError(
        f"no room for another adatom at least {min_distance_nm} nm from {len(others)} others in "
        f"{y1 - y0:.3g} x {x1 - x0:.3g} nm; lower the density or the minimum distance"
    )
