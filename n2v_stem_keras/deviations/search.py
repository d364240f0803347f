"""What the residual of each frame says of each column, and of places where no column is drawn.

A matched filter, the image of one column of its kind in all detectors together, looks at raw minus
denoised. What comes out is divided by its own spread over all columns of the kind, which holds
whatever the noise is like: its correlation, its growth with the signal, and the part of it that the
network has kept. So z is that of a normal distribution where nothing deviates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .motifs import Motifs, columns_of, heights_at

NORMAL_QUARTILE = 0.6745
LEAST_NORM = 1.0  # signal-to-noise ratio of a column below which one frame says nothing of it
NEAR_NM = 0.25  # from an atom that stands out: what is drawn of it is not exact
OVERLAPS_PX = 4.5  # how far motifs reach, in their own widths
N_ROUNDS, DAMPING = 12, 0.6  # of neighbours that see each other's deviations


@dataclass(frozen=True)
class Seen:
    """What one frame shows: its columns, and the filtered residual.

    Attributes
    ----------
    places : (n, 2) array
        Columns that are drawn and can be told of, y, x [px].
    kinds : (n,) array
    maps : (K, Y, X) float32 array
        Filtered residual: the share of a column of each kind by which the frame deviates anywhere.
    atoms : (n, 2) array
        Those that stand out of the lattice.
    near_px : float
        How far around them nothing can be said of the lattice.
    every : (n, 2) array
        All columns that are drawn.
    """

    places: np.ndarray
    kinds: np.ndarray
    maps: np.ndarray
    atoms: np.ndarray
    near_px: float
    every: np.ndarray

    def shares_at(self, places, kinds) -> np.ndarray:
        """Interpolate at places (n, 2), each in the map of its kind, (n,).

        nan outside of the frame, and near atoms that stand out.
        """
        from scipy.ndimage import map_coordinates

        found = np.full(len(places), np.nan)
        for k in np.unique(kinds):
            of = kinds == k
            found[of] = map_coordinates(
                self.maps[k], places[of].T, order=1, mode="constant", cval=np.nan
            )
        found[is_near(places, self.atoms, self.near_px)] = np.nan
        return found


@dataclass(frozen=True)
class Filter:
    """A matched filter for columns, and how it spreads where nothing deviates.

    Attributes
    ----------
    motifs : Motifs
    signs : tuple of int
    sigma : (C,) array
        Of the residual's pixels, in the frames' units.
    pixel_size_nm : float
    centre, spread : (K,) arrays
        Of the share of a column that one frame's residual shows.
    """

    motifs: Motifs
    signs: tuple
    sigma: np.ndarray
    pixel_size_nm: float
    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, raws, denoised, signs, pixel_size_nm) -> Filter | None:
        """Learn the motifs from frames, (T, Y, X, C) each; None where they draw no columns."""
        residual = np.stack([r - d for r, d in zip(raws, denoised)])
        sigma = robust_spread(residual.reshape(-1, residual.shape[-1]))
        if not (sigma > 0).all():
            return None
        motifs = Motifs.of([d / sigma for d in denoised], signs, pixel_size_nm)
        if motifs is None:
            return None
        n = len(motifs)
        return cls(motifs, tuple(signs), sigma, pixel_size_nm, np.zeros(n), np.ones(n))

    def adjusted(self, seen) -> Filter:
        """Return it with the centre and spread of what it has seen of each kind."""
        shares = np.concatenate([s.shares_at(s.places, s.kinds) for s in seen])
        kinds = np.concatenate([s.kinds for s in seen])
        centre, spread = np.zeros(len(self.motifs)), np.ones(len(self.motifs))
        for k in np.unique(kinds):
            of = shares[kinds == k, None]
            of = of[np.isfinite(of[:, 0])]
            centre[k], spread[k] = np.median(of), max(robust_spread(of)[0], 1e-9)
        return replace(self, centre=centre, spread=spread)

    def residual(self, raw, denoised) -> np.ndarray:
        """Return that of a frame, (Y, X, C) each, in units of the noise."""
        return ((raw - denoised) / self.sigma).astype(np.float32)

    def shares(self, raw, denoised) -> np.ndarray:
        """Return the share of a column of each kind by which a frame deviates, (K, Y, X)."""
        norms = self.motifs.norms[:, None, None].astype(np.float32)
        return self.motifs.filtered(self.residual(raw, denoised)) / norms**2

    def look(self, raw, denoised) -> Seen:
        """Look at the residual of a frame, (Y, X, C) each."""
        norms, maps = self.motifs.norms, self.shares(raw, denoised)
        denoised = (denoised / self.sigma).astype(np.float32)
        places = columns_of(denoised, self.signs, self.pixel_size_nm)
        kinds = self.motifs.kinds(heights_at(denoised, places))
        # what stands out of a lattice was chosen by its height, and so in part by its noise
        stands_out = (kinds == 0) & self.motifs.apart
        atoms, near_px = places[stands_out], NEAR_NM / self.pixel_size_nm
        told = ~stands_out & (norms[kinds] > LEAST_NORM) & ~is_near(places, atoms, near_px)
        return Seen(places[told], kinds[told], maps, atoms, near_px, places)

    def neighbours(self, places, kinds):
        """Return how much of each column's deviation its neighbours see: a sparse (n, n) matrix."""
        from scipy.sparse import csr_matrix
        from scipy.spatial import cKDTree

        reach = OVERLAPS_PX * self.motifs.widths[1]
        pairs = cKDTree(places).query_pairs(reach, output_type="ndarray").reshape(-1, 2)
        pairs = np.concatenate([pairs, pairs[:, ::-1]])
        distance = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
        values = np.zeros(len(pairs))
        for a in range(len(self.motifs)):
            for b in range(len(self.motifs)):
                of = (kinds[pairs[:, 0]] == a) & (kinds[pairs[:, 1]] == b)
                overlap = self.motifs.overlap(a, b, distance[of])
                values[of] = overlap / self.motifs.norms[a] ** 2
        n = len(places)
        return csr_matrix((values, (pairs[:, 0], pairs[:, 1])), shape=(n, n))


def is_near(places, others, distance) -> np.ndarray:
    """Return which places lie so near to others, (n,) bool."""
    from scipy.spatial import cKDTree

    if not len(others) or not len(places):
        return np.zeros(len(places), bool)
    return cKDTree(others).query(places)[0] < distance


def robust_spread(values) -> np.ndarray:
    """Return the standard deviation of the bulk of values, (n, C) -> (C,)."""
    apart = np.abs(values - np.median(values, axis=0))
    return np.median(apart, axis=0) / NORMAL_QUARTILE


def settled(shares, errors, overlaps, mean) -> tuple[np.ndarray, np.ndarray]:
    """Let each column know what its neighbours deviate by, until all agree.

    Parameters
    ----------
    shares, errors : (n,) arrays
        What is seen of each, neighbours' deviations included.
    overlaps : (n, n) matrix
        See `Filter.neighbours`.
    mean : callable
        ``mean(shares, errors)`` -> expected deviations.

    Returns
    -------
    own, expected : (n,) arrays
        What is seen of each alone, and what that makes of it.
    """
    expected = np.zeros(len(shares))
    for _ in range(N_ROUNDS):
        own = shares - overlaps @ expected
        expected += DAMPING * (mean(own, errors) - expected)
    return own, expected
