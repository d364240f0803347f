"""Adatoms on a surface: how they lie and how they move.

Single adatoms lie at random (the paper, Methods, simulation). Beside them there may be clusters,
as in the paper's Fig. S4, and pairs at a known separation, for its Fig. S1. The paper simulates
single frames; here adatoms move from frame to frame, so that a movie can be made of them.

The window is periodic, so that the number of adatoms stays: one that leaves at one side comes in
at the other, outside the field of view. Every adatom has an identity, a number that no other
adatom of the movie has. It keeps it while it can be followed; one that vanishes and reappears
elsewhere, or leaves the window, gets a new one.

Positions are rows (y, x) [nm] with y along the slow scan axis. Everything is drawn from the
`numpy.random.Generator` handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import structures

NEIGHBOUR_NM = 0.288  # nearest neighbours in bulk gold
CLUSTER_DISORDER_NM = 0.015  # standard deviation per axis of an atom about its site in a cluster
_TRIALS_PLACE, _TRIALS_STEP = 1000, 10


@dataclass(frozen=True)
class Motion:
    """How adatoms move from one frame to the next; shares of them are probabilities per frame.

    Attributes
    ----------
    jitter_fraction : float
        Share that makes a normal step.
    jitter_nm : float
        Standard deviation of that step per axis [nm].
    hop_fraction : float
        Share that hops in a random direction.
    hop_nm : tuple of float
        Shortest and longest hop [nm].
    vanish_fraction : float
        Share that vanishes and reappears elsewhere.
    """

    jitter_fraction: float = 0.0
    jitter_nm: float = 0.0
    hop_fraction: float = 0.0
    hop_nm: tuple = (structures.LATTICE_CONSTANT_NM, 2 * structures.LATTICE_CONSTANT_NM)
    vanish_fraction: float = 0.0

    def __post_init__(self):
        shares = (self.jitter_fraction, self.hop_fraction, self.vanish_fraction)
        if not (all(0 <= share <= 1 for share in shares) and sum(shares) <= 1 + 1e-9):
            raise ValueError(
                f"shares of adatoms that jitter, hop and vanish are {shares}; expected numbers "
                "from 0 to 1 that sum to at most 1"
            )
        low, high = self.hop_nm
        if not (self.jitter_nm >= 0 and 0 <= low <= high < np.inf):
            raise ValueError(
                f"jitter_nm is {self.jitter_nm} and hop_nm {self.hop_nm}; expected lengths [nm], "
                "the shorter hop first"
            )


# The two kinds of the reference movies, and none.
MOTIONS = {
    "steps": Motion(jitter_fraction=0.5, jitter_nm=0.06, vanish_fraction=0.03),
    "hops": Motion(jitter_fraction=0.3, jitter_nm=0.03, hop_fraction=0.05),
    "none": Motion(),
}


def island(n_atoms, rng, neighbour_nm=NEIGHBOUR_NM):
    """Draw a compact island of a close-packed layer: a small cluster seen from above.

    Parameters
    ----------
    n_atoms : int
        Atoms.
    rng : numpy.random.Generator
        Draws the orientation, and which point of the lattice the island is round about.
    neighbour_nm : float
        Distance of nearest neighbours [nm].

    Returns
    -------
    numpy.ndarray
        (n_atoms, 2) y, x [nm], centred at the origin.
    """
    cell = neighbour_nm * np.array([[0.0, 1.0], [np.sqrt(3) / 2, 0.5]])
    reach = int(np.ceil(np.sqrt(n_atoms))) + 2
    i, j = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    sites = np.column_stack([i.ravel(), j.ravel()]) @ cell - rng.random(2) @ cell
    sites = sites[np.argsort(np.hypot(*sites.T), kind="stable")[:n_atoms]]
    return _turned(sites - sites.mean(axis=0), rng.uniform(0, 2 * np.pi))


def adatom_pair(separation_nm, angle_rad=0.0, centre_nm=(0.0, 0.0)):
    """Two adatoms at a given separation, as the paper's Fig. S1 has them at 0.34 nm.

    Parameters
    ----------
    separation_nm : float
        [nm].
    angle_rad : float
        Direction from one to the other [rad]; 0 is along x.
    centre_nm : sequence of float
        (y, x) of the point halfway [nm].

    Returns
    -------
    numpy.ndarray
        (2, 2) y, x [nm].
    """
    ends = separation_nm / 2 * np.array([[0.0, -1.0], [0.0, 1.0]])
    return np.asarray(centre_nm, float) + _turned(ends, angle_rad)


class Adatoms:
    """All adatoms of a periodic window, one frame at a time.

    Parameters
    ----------
    window_nm : sequence of float
        ``(y0, y1, x0, x1)`` [nm]; larger than the field of view, so that its edges are not seen.
    rng : numpy.random.Generator
        Source of randomness.
    min_distance_nm : float
        No adatom comes closer to another one than this [nm].
    holes_nm : sequence of numpy.ndarray
        Polygons (k, 2) y, x [nm] that stay free of adatoms.

    Attributes
    ----------
    positions : numpy.ndarray
        (n, 2) y, x [nm].
    ids : numpy.ndarray
        (n,) int, identities. An adatom keeps its row.
    """

    def __init__(self, window_nm, rng, min_distance_nm=0.2, holes_nm=()):
        y0, y1, x0, x1 = (float(value) for value in window_nm)
        self._corner, self._size = np.array([y0, x0]), np.array([y1 - y0, x1 - x0])
        self._rng, self._holes, self._min_distance = rng, holes_nm, min_distance_nm
        self.positions, self.ids, self._n_ids = np.empty((0, 2)), np.empty(0, int), 0
        # Adatoms of clusters and pairs are bound to a site: displacement from it, nan for free
        # ones, and that displacement's standard deviation [nm].
        self._displaced, self._disorder = np.empty((0, 2)), np.empty(0)

    def scatter(self, density_nm2):
        """Place single adatoms at random.

        Parameters
        ----------
        density_nm2 : float
            Mean density outside the holes [nm^-2]; the number is drawn from a Poisson
            distribution.
        """
        for _ in range(self._rng.poisson(density_nm2 * np.prod(self._size))):
            place = self._free_place(self.positions)
            if not structures.in_holes(place[None], self._holes)[0]:
                self._add(place[None], np.full((1, 2), np.nan), np.nan)

    def place_group(self, draw_sites, view_nm, disorder_nm=0.0):
        """Place a cluster or a pair at random, all of it in view and apart from other adatoms.

        Parameters
        ----------
        draw_sites : callable
            Called without arguments, draws the group's sites, (k, 2) y, x [nm] about the origin.
        view_nm : sequence of float
            ``(y0, y1, x0, x1)`` [nm] in which its sites shall lie.
        disorder_nm : float
            Standard deviation per axis of the atoms about their sites [nm].

        Raises
        ------
        ValueError
            There is no room.
        """
        y0, y1, x0, x1 = view_nm
        apart = max(self._min_distance, NEIGHBOUR_NM)
        for _ in range(_TRIALS_PLACE):
            sites = draw_sites()
            low, high = np.array([y0, x0]) - sites.min(0), np.array([y1, x1]) - sites.max(0)
            if np.any(low > high):
                continue
            sites = sites + self._rng.uniform(low, high)
            free = all(self._is_apart(site, self.positions, apart) for site in sites)
            if free and not structures.in_holes(sites, self._holes).any():
                displaced = self._rng.normal(0.0, disorder_nm, sites.shape)
                self._add(sites + displaced, displaced, disorder_nm)
                return
        raise ValueError(
            f"no room for another group of {len(sites)} adatoms in {y1 - y0:.3g} x {x1 - x0:.3g} "
            f"nm beside {len(self.positions)} adatoms and {len(self._holes)} holes; make it "
            "smaller, or the field of view larger"
        )

    def step(self, motion, drift_nm=(0.0, 0.0), holes_nm=()):
        """Go on to the next frame.

        A step that would bring an adatom too close to another one or into a hole is drawn again,
        and given up after ten trials. Adatoms of clusters and pairs neither hop nor vanish: the
        share that would move is displaced about its sites afresh.

        Parameters
        ----------
        motion : Motion
            How they move on the surface.
        drift_nm : sequence of float
            (y, x) [nm] by which the whole specimen moves before.
        holes_nm : sequence of numpy.ndarray
            The holes, moved likewise.
        """
        self._holes = holes_nm
        rows = np.arange(len(self.positions))
        crossed = self._put(rows, self.positions + np.asarray(drift_nm, float))
        stranded = crossed & structures.in_holes(self.positions, self._holes)
        for n in np.flatnonzero(stranded):
            self._reappear(n)
        for n, draw in enumerate(self._rng.random(len(self.positions))):
            self._move(n, draw, motion)

    def _move(self, n, draw, motion):
        """Move one adatom, as a number drawn from [0, 1) decides."""
        vanishes = motion.vanish_fraction
        hops = vanishes + motion.hop_fraction
        if draw >= hops + motion.jitter_fraction:
            return
        if not np.isnan(self._disorder[n]):
            displaced = self._rng.normal(0.0, self._disorder[n], 2)
            self._put([n], self.positions[n] - self._displaced[n] + displaced)
            self._displaced[n] = displaced
        elif draw < vanishes:
            self._reappear(n)
        else:
            others = np.delete(self.positions, n, axis=0)
            for _ in range(_TRIALS_STEP):
                step = self._hop(motion) if draw < hops else self._jitter(motion)
                place, _ = self._wrapped(self.positions[n] + step)
                if self._is_free(place, others):
                    self._put([n], self.positions[n] + step)
                    return

    def _jitter(self, motion):
        return self._rng.normal(0.0, motion.jitter_nm, 2)

    def _hop(self, motion):
        length, angle = self._rng.uniform(*motion.hop_nm), self._rng.uniform(0.0, 2 * np.pi)
        return length * np.array([np.sin(angle), np.cos(angle)])

    def _reappear(self, n):
        """Give an adatom a new place and identity; it is free from now on."""
        others = np.delete(self.positions, n, axis=0)
        for _ in range(_TRIALS_PLACE):
            place = self._free_place(others)
            if not structures.in_holes(place[None], self._holes)[0]:
                break
        else:
            raise ValueError("the holes leave no room for an adatom; make them smaller")
        self.positions[n], self._displaced[n], self._disorder[n] = place, np.nan, np.nan
        self._renew([n])

    def _add(self, positions, displaced, disorder):
        """Add adatoms (k, 2) with new identities."""
        self.positions = np.concatenate([self.positions, positions])
        self._displaced = np.concatenate([self._displaced, displaced])
        self._disorder = np.append(self._disorder, np.full(len(positions), disorder))
        self.ids = np.append(self.ids, np.zeros(len(positions), int))
        self._renew(np.arange(len(self.ids) - len(positions), len(self.ids)))

    def _put(self, rows, positions):
        """Set positions of rows, wrapped into the window; return which crossed its edge."""
        self.positions[rows], crossed = self._wrapped(positions)
        crossed = np.atleast_1d(crossed)
        self._renew(np.asarray(rows)[crossed])
        return crossed

    def _renew(self, rows):
        """Give rows new identities."""
        self.ids[rows] = self._n_ids + np.arange(len(rows))
        self._n_ids += len(rows)

    def _wrapped(self, positions):
        """Positions inside the periodic window, and which were outside."""
        turns = np.floor((positions - self._corner) / self._size)
        return positions - turns * self._size, np.any(turns != 0, axis=-1)

    def _is_apart(self, place, others, distance):
        """Whether all other positions are at least a distance away, across the window's edges."""
        apart = others - place
        apart -= self._size * np.rint(apart / self._size)
        return not np.any(np.sum(apart**2, axis=-1) < distance**2)

    def _is_free(self, place, others):
        """Whether an adatom may lie at a place (2,)."""
        return (
            self._is_apart(place, others, self._min_distance)
            and not (structures.in_holes(place[None], self._holes)[0])
        )

    def _free_place(self, others):
        """Draw a place (2,) uniformly, far enough from all others, holes or not."""
        for _ in range(_TRIALS_PLACE):
            place = self._corner + self._size * self._rng.random(2)
            if self._is_apart(place, others, self._min_distance):
                return place
        raise ValueError(
            f"no room for another adatom at least {self._min_distance} nm from {len(others)} "
            f"others in {self._size[0]:.3g} x {self._size[1]:.3g} nm; lower the density or the "
            "minimum distance"
        )


def _turned(points, angle_rad):
    """Points (n, 2) y, x turned about the origin."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return points @ np.array([[cos, -sin], [sin, cos]])
