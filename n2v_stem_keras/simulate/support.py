"""Amorphous carbon, which most specimens lie on: a film of uneven thickness below the crystal."""

from __future__ import annotations

import numpy as np

ELEMENT = "C"
DENSITY_NM3 = 100.0  # atoms [nm^-3]: 2.0 g/cm^3, between evaporated carbon and graphite
CLOSEST_NM = 0.13  # of two atoms [nm]
PLANE_NM = 0.25  # atoms are moved to planes so far apart, as kernels are tabulated [nm]
ROUGHNESS = 0.3  # standard deviation of the thickness over its mean
ROUGH_OVER_NM = 2.0  # Gaussian by which it is smooth [nm]


def draw(thickness_nm, window_nm, top_nm, rng):
    """Draw the atoms of a film.

    Parameters
    ----------
    thickness_nm : float
        Mean [nm].
    window_nm : sequence of float
        ``(y0, y1, x0, x1)`` [nm].
    top_nm : float
        Depth at which it begins [nm].
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        (n, 3) z, y, x [nm]. No two atoms are closer than 0.13 nm, but for what moving them to
        planes makes of it. The film repeats beyond the window, see `moved`.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates
    from scipy.spatial import cKDTree

    first, size = np.array(window_nm[::2]), np.diff(window_nm)[::2]
    box = np.array([0.0, *size])  # along z it does not repeat
    grid = np.maximum(1, np.rint(4 * size / ROUGH_OVER_NM).astype(int))
    rough = gaussian_filter(rng.standard_normal(grid), 4.0, mode="wrap")
    rough = (rough - rough.mean()) / max(rough.std(), 1e-9)
    ends = thickness_nm * np.clip(1 + ROUGHNESS * rough, 0.0, 2.0)
    deepest = 2 * thickness_nm

    # atoms are added as long as there is room, some at a time
    wanted = rng.poisson(DENSITY_NM3 * deepest * size.prod())
    kept = np.empty((0, 3))
    for _ in range(20):
        new = rng.random((wanted - len(kept), 3)) * (deepest, *size)
        if len(kept) and len(new):
            new = new[cKDTree(kept, boxsize=box).query(new)[0] >= CLOSEST_NM]
        if len(new):
            pairs = cKDTree(new, boxsize=box).query_pairs(CLOSEST_NM, output_type="ndarray")
            new = np.delete(new, np.unique(pairs.max(axis=1)), axis=0) if len(pairs) else new
        kept = np.concatenate([kept, new])
    place = (kept[:, 1:] / size * grid).T
    kept = kept[kept[:, 0] < map_coordinates(ends, place, order=1, mode="grid-wrap")]
    kept[:, 0] = top_nm + np.rint(kept[:, 0] / PLANE_NM) * PLANE_NM
    kept[:, 1:] += first
    return kept


def moved(atoms, window_nm, drift_nm):
    """Return the atoms in the window when the film has drifted by (y, x) [nm]."""
    first, size = np.array(window_nm[::2]), np.diff(window_nm)[::2]
    there = atoms.copy()
    there[:, 1:] = first + (atoms[:, 1:] + drift_nm - first) % size
    return there
