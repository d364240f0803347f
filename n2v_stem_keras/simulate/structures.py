"""Lattices and the holes in them: what the beam passes below the adatoms.

The specimen of the paper's simulations (Methods) is four layers of Bernal-stacked graphene. Here
are that lattice, three other common layered crystals, and any crystal that the user has as an ASE
structure, each at any rotation; and the holes that the beam knocks into the windows of the
paper's cells (Fig. S10).

Lattice atoms are a dict, element -> (n, 3) rows z, y, x [nm]: z is the depth below the topmost
atom, y runs along the slow and x along the fast scan axis. The origin is the centre of pixel
(0, 0). A hole is a polygon, (k, 2) rows y, x.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Honeycomb:
    """A layered crystal whose layers are honeycombs.

    Attributes
    ----------
    constant_nm : float
        Lattice constant a [nm].
    spacing_nm : float
        Distance of equivalent planes of neighbouring layers [nm].
    sites : tuple
        ``(element, depth, sublattice)`` of the atoms of a cell: depth below the layer's top [nm],
        sublattice +1 or -1.
    stacking : {"bernal", "swap"}
        How every second layer lies on the first: shifted by one bond (Bernal, AB), or with the
        sublattices swapped (AA' of hBN, 2H of MoS2 and WS2).
    n_layers : int
        Layers where nobody says how many.
    """

    constant_nm: float
    spacing_nm: float
    sites: tuple
    stacking: str
    n_layers: int


# Graphite as the paper; hBN: Pease, Acta Cryst. 5, 356 (1952), a 0.2504 and c 0.666 nm; MoS2:
# a 0.316, c 1.23 nm, the S planes of a layer 0.312 nm apart; WS2: Schutte et al., J. Solid State
# Chem. 70, 207 (1987), a 0.3153, c 1.232 nm, the S planes 0.314 nm apart.
LATTICES = {
    "graphene": Honeycomb(0.246, 0.335, (("C", 0.0, 1), ("C", 0.0, -1)), "bernal", 4),
    "hbn": Honeycomb(0.2504, 0.333, (("B", 0.0, 1), ("N", 0.0, -1)), "swap", 1),
    "mos2": Honeycomb(0.316, 0.615, (("S", 0.0, 1), ("Mo", 0.156, -1), ("S", 0.312, 1)), "swap", 1),
    "ws2": Honeycomb(0.3153, 0.616, (("S", 0.0, 1), ("W", 0.157, -1), ("S", 0.314, 1)), "swap", 1),
    "none": Honeycomb(0.246, 0.0, (), "bernal", 1),  # for what lies on amorphous carbon alone
}
LATTICE_CONSTANT_NM = LATTICES["graphene"].constant_nm
CARBON_BOND_NM = LATTICE_CONSTANT_NM / 3**0.5
INTERLAYER_NM = LATTICES["graphene"].spacing_nm


def lattice(kind, window_nm, n_layers=None, rotation_rad=0.0, origin_nm=(0.0, 0.0)):
    """Atoms of a lattice inside a window.

    Parameters
    ----------
    kind : str or ase.Atoms
        ``"graphene"``, ``"hbn"``, ``"mos2"``, ``"ws2"``, ``"none"``, or a structure as
        `lattice_from_ase` takes it.
    window_nm : sequence of float
        ``(y0, y1, x0, x1)`` [nm]; atoms with ``y0 <= y < y1`` and ``x0 <= x < x1`` are returned.
    n_layers : int, optional
        Layers of a named lattice; by default 4 of graphene, 1 of the others. An ASE structure
        brings its own.
    rotation_rad : float
        Rotation about the lattice's origin [rad]; 0 puts a zigzag row, or ASE's x, along x.
    origin_nm : sequence of float
        (y, x) [nm] of a hexagon's centre of the first layer, or of ASE's origin.

    Returns
    -------
    dict
        element -> (n, 3) float64, columns z, y, x [nm]; z = 0 for the topmost atom, rising with
        depth.

    Raises
    ------
    ValueError
        The lattice is unknown, or `n_layers` does not fit it.
    """
    cell, basis = unit_cell(kind, n_layers)
    return {
        element: _tile(cell, sites, window_nm, rotation_rad, origin_nm)
        for element, sites in basis.items()
    }


def graphene(window_nm, n_layers=4, rotation_rad=0.0, origin_nm=(0.0, 0.0)):
    """Carbon atoms of Bernal (ABAB...) stacked graphene inside a window.

    Even layers are shifted by one bond, so that half of their atoms lie above atoms of the layer
    below and half above the centres of its hexagons.

    Parameters
    ----------
    window_nm, n_layers, rotation_rad, origin_nm
        See `lattice`.

    Returns
    -------
    numpy.ndarray
        (n, 3) float64, columns z, y, x [nm]; z = 0 in the first layer, rising with depth.
    """
    return lattice("graphene", window_nm, n_layers, rotation_rad, origin_nm)["C"]


def lattice_from_ase(atoms, window_nm, rotation_rad=0.0, origin_nm=(0.0, 0.0)):
    """Tile a two-dimensional crystal given as an ASE structure over a window.

    Parameters
    ----------
    atoms : ase.Atoms
        Its first two cell vectors lie in the plane and span the lattice; the third, and whatever
        vacuum it holds, is ignored. Positions and cell in ASE's unit, 0.1 nm. ASE's x and y
        become x and y; the atom highest in z is the topmost one. Only ``cell``, ``positions`` and
        ``get_chemical_symbols()`` are used, so that ASE need not be installed.
    window_nm, rotation_rad, origin_nm
        See `lattice`.

    Returns
    -------
    dict
        As `lattice` returns it.

    Raises
    ------
    ValueError
        The structure is empty or not periodic in the plane.
    """
    return lattice(atoms, window_nm, None, rotation_rad, origin_nm)


def unit_cell(kind, n_layers=None):
    """Return the unit cell of a lattice, all layers of it.

    Parameters
    ----------
    kind, n_layers
        See `lattice`.

    Returns
    -------
    cell : numpy.ndarray
        (2, 2) [nm], a cell vector per row, columns y, x.
    basis : dict
        element -> (n, 3) z, y, x [nm].
    """
    if hasattr(kind, "get_chemical_symbols"):
        if n_layers is not None:
            raise ValueError(f"n_layers is {n_layers}; an ASE structure brings its own layers")
        return _ase_cell(kind)
    if kind not in LATTICES:
        near = difflib.get_close_matches(str(kind).lower(), LATTICES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "or give an ase.Atoms object"
        raise ValueError(f"unknown lattice {kind!r}; known are {', '.join(LATTICES)}; {hint}")
    crystal = LATTICES[kind]
    n_layers = crystal.n_layers if n_layers is None else n_layers
    if not isinstance(n_layers, (int, np.integer)) or n_layers < 1:
        raise ValueError(f"n_layers is {n_layers}; expected a whole number, at least 1")
    return _honeycomb_cell(crystal, n_layers)


def circle(centre_nm, radius_nm, n_corners=72):
    """Outline of a round hole.

    Parameters
    ----------
    centre_nm : sequence of float
        (y, x) [nm].
    radius_nm : float
        [nm].
    n_corners : int
        Corners of the polygon, all on the circle.

    Returns
    -------
    numpy.ndarray
        (n_corners, 2) y, x [nm].
    """
    angle = 2 * np.pi * np.arange(n_corners) / n_corners
    return np.asarray(centre_nm, float) + radius_nm * np.column_stack(
        [np.sin(angle), np.cos(angle)]
    )


def in_holes(points, holes):
    """Whether points lie inside any of some holes.

    Parameters
    ----------
    points : numpy.ndarray
        (n, 2) y, x, in the unit of the holes.
    holes : sequence of numpy.ndarray
        Polygons (k, 2) y, x.

    Returns
    -------
    numpy.ndarray
        (n,) bool.
    """
    inside = np.zeros(len(points), bool)
    if len(holes) and len(points):
        from skimage.measure import points_in_poly

        for hole in holes:
            inside |= points_in_poly(points, hole)
    return inside


def _honeycomb_cell(crystal, n_layers):
    """Cell vectors (2, 2) and sites of a named crystal; the origin is a hexagon's centre."""
    cell = crystal.constant_nm * np.array([[0.0, 1.0], [np.sqrt(3) / 2, 0.5]])
    bond = crystal.constant_nm / np.sqrt(3) * np.array([1.0, 0.0])  # centre to atom, y, x
    basis = {element: [] for element, _, _ in crystal.sites}
    for layer in range(n_layers):
        shift, sign = np.zeros(2), 1
        if layer % 2 and crystal.stacking == "bernal":
            shift = bond
        elif layer % 2:
            sign = -1
        for element, depth, sublattice in crystal.sites:
            y, x = sign * sublattice * bond + shift
            basis[element].append((layer * crystal.spacing_nm + depth, y, x))
    return cell, {element: np.array(sites) for element, sites in basis.items()}


def _ase_cell(atoms):
    """Cell vectors (2, 2) and sites of an ASE structure [nm]."""
    vectors = np.asarray(atoms.cell, float)[:2] / 10  # (2, 3) x, y, z
    cell = vectors[:, 1::-1]
    if len(atoms.positions) == 0:
        raise ValueError("the ASE structure has no atoms")
    if abs(np.linalg.det(cell)) < 1e-6 or np.abs(vectors[:, 2]).max() > 1e-6:
        raise ValueError(
            f"the first two cell vectors of the ASE structure are {(10 * vectors).tolist()} "
            "[0.1 nm]; expected two that span the xy plane (set atoms.cell, or rotate the "
            "structure with ase.build.rotate)"
        )
    x, y, z = np.asarray(atoms.positions, float).T / 10
    sites = np.column_stack([z.max() - z, y, x])
    symbols = np.array(atoms.get_chemical_symbols())
    return cell, {str(element): sites[symbols == element] for element in sorted(set(symbols))}


def _tile(cell, sites, window_nm, rotation_rad, origin_nm):
    """Repeat sites (n, 3) z, y, x over a window, turned about the origin."""
    y0, y1, x0, x1 = (float(value) for value in window_nm)
    origin = np.asarray(origin_nm, float)
    cos, sin = np.cos(rotation_rad), np.sin(rotation_rad)
    turn = np.array([[cos, sin], [-sin, cos]])

    corners = np.array([[y, x] for y in (y0, y1) for x in (x0, x1)]) - origin
    reach = corners @ turn.T @ np.linalg.inv(cell)
    within = sites[:, 1:] @ np.linalg.inv(cell)  # fractional, may lie outside the first cell
    low = np.floor(reach.min(0) - within.max(0)).astype(int)
    high = np.ceil(reach.max(0) - within.min(0)).astype(int) + 1
    i, j = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij")
    nodes = np.column_stack([i.ravel(), j.ravel()]) @ cell
    placed = (sites[:, None, 1:] + nodes) @ turn + origin  # (n, nodes, 2)
    depth = np.broadcast_to(sites[:, :1], placed.shape[:2])
    y, x = placed[..., 0], placed[..., 1]
    keep = (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
    return np.column_stack([depth[keep], y[keep], x[keep]])
