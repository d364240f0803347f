"""What lies under the beam: a lattice with holes, adatoms on it, and how both move.

`Specimen` says what is wanted, `draw_scene` draws everything that chance decides, and the `Scene`
it returns knows each atom of each frame. The default is the specimen of the paper's simulations
(Methods): four layers of Bernal-stacked graphene, Au adatoms at random on the surface in focus.
Beyond the paper it moves, has holes and clusters where asked for, and may be another lattice.

Atoms are a dict, element -> (n, 3) rows z, y, x [nm]; z is the depth below the surface in focus, on
which the adatoms lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from . import boundaries, structures
from . import defects as point_defects
from . import support as film_of_carbon
from .adatoms import (
    CLUSTER_DISORDER_NM,
    MOTIONS,
    NEIGHBOUR_NM,
    Adatoms,
    Motion,
    adatom_pair,
    island,
)

# Height of adatoms above the topmost atom of the lattice. Density functional theory puts Au on
# graphene at 0.2-0.3 nm, depending on the functional (Amft et al., J. Phys. Condens. Matter 23,
# 395001 (2011), compare several). Images hardly depend on it: the depth of field of the paper's
# probe, wavelength / (convergence angle)^2, is 4 nm.
ADATOM_HEIGHT_NM = 0.25


@dataclass(frozen=True)
class Specimen:
    """What to simulate.

    Attributes
    ----------
    lattice : str or ase.Atoms
        ``"graphene"``, ``"hbn"``, ``"mos2"``, ``"ws2"``, ``"none"`` or an ASE structure; see
        `structures.lattice`.
    n_layers : int, optional
        Layers of a named lattice; by default 4 of graphene, as the paper, and 1 of the others.
    rotation_rad : float, optional
        Rotation of the lattice [rad]; by default random.
    origin_nm : tuple of float, optional
        (y, x) of the lattice's origin in the first frame [nm]; by default random.
    density_nm2 : float
        Single adatoms outside the holes [nm^-2].
    min_distance_nm : float
        No single adatom comes closer to another adatom than this [nm].
    clusters : tuple of int or 0
        ``(number, size)``: clusters in view, and adatoms in each (the paper's Fig. S4).
    pairs : tuple or 0
        ``(number, separation)``: pairs of adatoms in view, and their separation [nm]. They stay
        put on the specimen (the paper's Fig. S1).
    hole_radius_nm : float, optional
        Radius of a round hole at a random place in view [nm] (the paper's Fig. S10).
    holes_nm : sequence
        More holes: polygons, each a sequence of corners (y, x) [nm] in the first frame.
    motion : str or Motion
        ``"steps"`` or ``"hops"`` as the reference movies, ``"none"``, or an `adatoms.Motion`.
    drift_px : float or tuple of float
        Steady drift of the specimen [px/frame]: a speed, in a random direction, or (y, x).
    drift_walk_px : float
        Standard deviation per axis of a random step that the specimen makes beside the steady
        drift [px/frame].
    adatom : str
        Element of the adatoms.
    neighbour_nm : float
        Distance of nearest neighbours in clusters [nm]; the default is gold's.
    twist_rad : float
        Angle by which every second layer is turned against the others [rad].
    defects : dict
        Name -> number in view of point defects, such as ``{"V_S": 12}``; see `defects`.
    boundary_rad : float, optional
        A tilt boundary runs through the view, beyond which the crystal is turned by this angle
        [rad].
    edge : bool
        Whether the crystal ends at a straight edge that runs through the view.
    support_nm : float
        Mean thickness of a film of amorphous carbon below the lattice [nm]; see `support`.

    Raises
    ------
    ValueError
        A value is out of its range.
    """

    lattice: object = "graphene"
    n_layers: int | None = None
    rotation_rad: float | None = None
    origin_nm: tuple | None = None
    density_nm2: float = 0.25
    min_distance_nm: float = 0.2
    clusters: object = 0
    pairs: object = 0
    hole_radius_nm: float | None = None
    holes_nm: tuple = ()
    motion: object = "steps"
    drift_px: object = 0.0
    drift_walk_px: float = 0.0
    adatom: str = "Au"
    neighbour_nm: float = NEIGHBOUR_NM
    twist_rad: float = 0.0
    defects: dict = field(default_factory=dict)
    boundary_rad: float | None = None
    edge: bool = False
    support_nm: float = 0.0

    def __post_init__(self):
        structures.unit_cell(self.lattice, self.n_layers)
        for name in ("density_nm2", "min_distance_nm", "drift_walk_px", "support_nm"):
            _check(0 <= getattr(self, name) < np.inf, self, name, "a number of at least 0")
        for name in ("hole_radius_nm", "neighbour_nm"):
            value = getattr(self, name)
            _check(value is None or 0 < value < np.inf, self, name, "a length above 0 [nm]")
        self._check_groups()
        known = isinstance(self.motion, Motion) or self.motion in MOTIONS
        _check(known, self, "motion", f"one of {', '.join(MOTIONS)}, or a Motion")
        drift = np.asarray(self.drift_px, float)
        fits = drift.shape in ((), (2,)) and np.all(np.isfinite(drift))
        _check(fits, self, "drift_px", "a speed or (y, x) [px/frame]")
        _check(drift.ndim or drift >= 0, self, "drift_px", "a speed of at least 0 [px/frame]")
        holes = tuple(np.array(hole, float) for hole in self.holes_nm)
        polygons = all(h.ndim == 2 and h.shape[1] == 2 and len(h) >= 3 for h in holes)
        _check(polygons, self, "holes_nm", "polygons of at least three corners (y, x)")
        object.__setattr__(self, "holes_nm", holes)
        _check(np.isfinite(self.twist_rad), self, "twist_rad", "an angle [rad]")
        named = isinstance(self.lattice, str)
        _check(named or not self.twist_rad, self, "twist_rad", "0 of an ASE structure")
        numbers = isinstance(self.defects, Mapping) and all(
            isinstance(n, (int, np.integer)) and n >= 0 for n in self.defects.values()
        )
        _check(numbers, self, "defects", "numbers of point defects, e.g. {'V_S': 12}")
        for name in self.defects:
            point_defects.parsed(name)
        tilt = self.boundary_rad
        _check(tilt is None or np.isfinite(tilt), self, "boundary_rad", "an angle [rad]")
        alone = tilt is None or not self.edge
        _check(alone, self, "edge", "False where there is a boundary_rad: a view has one line")

    @property
    def elements(self):
        """Elements of lattice and adatoms, a set."""
        _, basis = structures.unit_cell(self.lattice, self.n_layers)
        brought = {point_defects.parsed(name)[0] for name in self.defects} - {None}
        film = {film_of_carbon.ELEMENT} if self.support_nm else set()
        return {*basis, *brought, *film, self.adatom}

    def _check_groups(self):
        for name, kinds, least, expected in (
            ("clusters", (int, np.integer), 2, "0 or (number, atoms in each >= 2)"),
            ("pairs", (int, float, np.number), 1e-3, "0 or (number, separation [nm])"),
        ):
            value = getattr(self, name)
            if isinstance(value, (tuple, list)) and len(value) == 2:
                number, size = value
                whole = isinstance(number, (int, np.integer)) and number >= 0
                fits = whole and isinstance(size, kinds) and least <= size < np.inf
            else:
                fits = value is None or (np.isscalar(value) and value == 0)
            _check(fits, self, name, expected)


@dataclass(frozen=True)
class Scene:
    """All atoms of all frames: a specimen for which everything random has been drawn.

    Attributes
    ----------
    specimen : Specimen
        With rotation and origin filled in.
    window_nm : tuple of float
        ``(y0, y1, x0, x1)`` [nm] in which there are atoms: the field of view and a margin.
    path_nm : numpy.ndarray
        (T, 2) y, x [nm], how far the specimen has drifted since the first frame.
    holes_nm : tuple of numpy.ndarray
        Polygons (k, 2) y, x [nm] in the first frame.
    positions_nm : list of numpy.ndarray
        Adatoms of each frame, (n, 2) y, x [nm].
    ids : list of numpy.ndarray
        Their identities, (n,) int.
    defects : tuple of Defect
        Point defects of the lattice [nm], in the first frame.
    boundary : Boundary, optional
        Where the crystal turns or ends [nm].
    support : numpy.ndarray
        (n, 3) z, y, x [nm], atoms of the amorphous film in the first frame.
    """

    specimen: Specimen
    window_nm: tuple
    path_nm: np.ndarray
    holes_nm: tuple
    positions_nm: list
    ids: list
    defects: tuple = ()
    boundary: boundaries.Boundary | None = None
    support: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))

    def lattice(self, t):
        """Atoms of the lattice, and of what it lies on, in frame `t`.

        Returns
        -------
        dict
            Element -> (n, 3) z, y, x [nm].
        """
        drift = self.path_nm[t]
        atoms = _crystal(self.specimen, self.window_nm, drift, self.boundary)
        holes = [hole + drift for hole in self.holes_nm]
        for element, places in atoms.items():
            places = places[~structures.in_holes(places[:, 1:], holes)]
            atoms[element] = places + np.array([ADATOM_HEIGHT_NM, 0.0, 0.0])
        bottom = ADATOM_HEIGHT_NM + _layer_end(self.specimen)
        atoms = point_defects.changed(atoms, self.defects, drift, bottom)
        if len(self.support):
            film = film_of_carbon.moved(self.support, self.window_nm, drift)
            film[:, 0] += ADATOM_HEIGHT_NM
            element = film_of_carbon.ELEMENT
            atoms[element] = np.concatenate([atoms.get(element, film[:0]), film])
        return atoms

    def adatoms(self, t):
        """Adatoms of frame `t`, element -> (n, 3) z, y, x [nm] with z = 0."""
        places = self.positions_nm[t]
        return {self.specimen.adatom: np.column_stack([np.zeros(len(places)), places])}

    def atoms(self, t):
        """All atoms of frame `t`, element -> (n, 3) z, y, x [nm]."""
        atoms = self.lattice(t)
        for element, places in self.adatoms(t).items():
            atoms[element] = np.concatenate([places, atoms.get(element, np.empty((0, 3)))])
        return atoms


def draw_scene(specimen, seed, shape, n_frames, pixel_size_nm, margin_nm):
    """Draw everything about a specimen that chance decides.

    Parameters
    ----------
    specimen : Specimen
        What is wanted.
    seed : int, sequence of int, numpy.random.SeedSequence or numpy.random.Generator
        The scene is a function of it and of the other arguments; a longer one begins with the
        shorter one.
    shape : tuple of int
        (Y, X) of the field of view [px].
    n_frames : int
        Frames T.
    pixel_size_nm : float
        [nm/px].
    margin_nm : float
        Margin around the field of view in which there are atoms, too [nm].

    Returns
    -------
    Scene
        The atoms of all frames.

    Raises
    ------
    ValueError
        There is no room for a hole, a cluster or the adatoms.
    """
    rng = np.random.default_rng(seed)
    specimen = _with_drawn_lattice(specimen, rng)
    height, width = np.array(shape) * pixel_size_nm
    view = (0.0, height - pixel_size_nm, 0.0, width - pixel_size_nm)  # between pixel centres
    window = (-margin_nm, height + margin_nm, -margin_nm, width + margin_nm)
    path = pixel_size_nm * _draw_path(specimen, n_frames, rng)
    holes = specimen.holes_nm
    if specimen.hole_radius_nm is not None:
        holes = (*holes, _draw_hole(specimen.hole_radius_nm, view, rng))
    boundary = None
    if specimen.boundary_rad is not None or specimen.edge:
        # a generator of its own: with and without it all else is the same
        boundary = boundaries.draw(view, rng.spawn(1)[0])
        if specimen.edge:
            holes = (*holes, boundary.beyond(window))

    defects = ()
    if specimen.defects:
        layer = {
            element: places[places[:, 0] < _layer_end(specimen)]
            for element, places in _crystal(specimen, window, np.zeros(2), boundary).items()
        }
        inside = {e: p[~structures.in_holes(p[:, 1:], holes)] for e, p in layer.items() if len(p)}
        # a generator of its own: with and without defects all else is the same
        defects = point_defects.draw(specimen.defects, inside, view, rng.spawn(1)[0])

    support = np.empty((0, 3))
    if specimen.support_nm:
        film = (specimen.support_nm, window, _bottom(specimen))
        support = film_of_carbon.draw(*film, rng.spawn(1)[0])

    adatoms = _draw_adatoms(specimen, window, view, holes, rng)
    motion = specimen.motion
    motion = motion if isinstance(motion, Motion) else MOTIONS[motion]
    positions, ids = [adatoms.positions.copy()], [adatoms.ids.copy()]
    for before, after in pairwise(path):
        adatoms.step(motion, after - before, [hole + after for hole in holes])
        positions.append(adatoms.positions.copy())
        ids.append(adatoms.ids.copy())
    return Scene(specimen, window, path, tuple(holes), positions, ids, defects, boundary, support)


def _crystal(specimen, window_nm, drift_nm, boundary):
    """Atoms of the lattice, without holes and defects, turned beyond a tilt boundary."""
    atoms = _layers(specimen, window_nm, drift_nm)
    if specimen.boundary_rad is None:
        return atoms
    turned = replace(specimen, rotation_rad=specimen.rotation_rad + specimen.boundary_rad)
    other = _layers(turned, window_nm, drift_nm)
    return boundaries.joined(atoms, other, boundary, drift_nm)


def _layers(specimen, window_nm, drift_nm):
    """Atoms of the lattice, without holes and defects; the topmost has z = 0."""
    kind, origin = specimen.lattice, np.asarray(specimen.origin_nm) + drift_nm
    if not specimen.twist_rad:
        options = (specimen.n_layers, specimen.rotation_rad, origin)
        return structures.lattice(kind, window_nm, *options)
    crystal, found = structures.LATTICES[kind], {}
    for i in range(specimen.n_layers or crystal.n_layers):
        turned = specimen.rotation_rad + specimen.twist_rad * (i % 2)
        layer = structures.lattice(kind, window_nm, 1, turned, origin)
        for element, places in layer.items():
            deeper = np.array([i * crystal.spacing_nm, 0.0, 0.0])
            found.setdefault(element, []).append(places + deeper)
    return {element: np.concatenate(places) for element, places in found.items()}


def _layer_end(specimen):
    """Depth below the topmost atom at which the first layer has ended [nm]."""
    if not isinstance(specimen.lattice, str):
        return np.inf
    crystal = structures.LATTICES[specimen.lattice]
    return max((depth for _, depth, _ in crystal.sites), default=0.0) + 1e-3


def _bottom(specimen):
    """Depth of the lowest atom of the lattice below the topmost one [nm]."""
    _, basis = structures.unit_cell(specimen.lattice, specimen.n_layers)
    return max((float(sites[:, 0].max()) for sites in basis.values()), default=0.0)


def _with_drawn_lattice(specimen, rng):
    """Fill in rotation and origin."""
    if specimen.rotation_rad is None:
        specimen = replace(specimen, rotation_rad=float(rng.uniform(0, 2 * np.pi)))
    if specimen.origin_nm is None:
        cell, _ = structures.unit_cell(specimen.lattice, specimen.n_layers)
        cos, sin = np.cos(specimen.rotation_rad), np.sin(specimen.rotation_rad)
        origin = rng.random(2) @ cell @ np.array([[cos, sin], [-sin, cos]])
        specimen = replace(specimen, origin_nm=tuple(origin.tolist()))
    return specimen


def _draw_path(specimen, n_frames, rng):
    """How far the specimen has drifted in each frame, (T, 2) y, x [px]."""
    drift = np.asarray(specimen.drift_px, float)
    if drift.ndim == 0 and drift > 0:
        heading = rng.uniform(0, 2 * np.pi)
        drift = drift * np.array([np.sin(heading), np.cos(heading)])
    path = np.arange(n_frames)[:, None] * np.broadcast_to(drift, 2)
    if specimen.drift_walk_px > 0:
        # a generator of its own, so that the path of a longer movie begins with this one
        walker = np.random.default_rng(rng.integers(2**63, size=2))
        path[1:] += np.cumsum(walker.normal(0, specimen.drift_walk_px, (n_frames - 1, 2)), axis=0)
    return path


def _draw_hole(radius_nm, view_nm, rng):
    """Draw the place of a round hole that lies in view."""
    y0, y1, x0, x1 = view_nm
    low, high = np.array([y0, x0]) + radius_nm, np.array([y1, x1]) - radius_nm
    if np.any(low > high):
        raise ValueError(
            f"a hole of radius {radius_nm:.3g} nm does not fit into the field of view of "
            f"{y1 - y0:.3g} x {x1 - x0:.3g} nm; make it smaller, or give its outline as holes_nm"
        )
    return structures.circle(rng.uniform(low, high), radius_nm)


def _draw_adatoms(specimen, window, view, holes, rng):
    """Place clusters and pairs, then single adatoms."""
    adatoms = Adatoms(window, rng, specimen.min_distance_nm, holes)
    number, size = specimen.clusters or (0, 0)
    for _ in range(number):
        adatoms.place_group(
            lambda: island(size, rng, specimen.neighbour_nm), view, CLUSTER_DISORDER_NM
        )
    number, separation = specimen.pairs or (0, 0)
    for _ in range(number):
        adatoms.place_group(lambda: adatom_pair(separation, rng.uniform(0, np.pi)), view)
    adatoms.scatter(specimen.density_nm2)
    return adatoms


def _check(holds, specimen, name, expected):
    """Raise unless a condition on a field holds."""
    if not holds:
        raise ValueError(f"{name} is {getattr(specimen, name)!r}; expected {expected}")
