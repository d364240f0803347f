"""Deviations of a movie: at its columns and elsewhere, drawn, and told at a stated rate."""

from __future__ import annotations

import numpy as np

from ..temporal.registration import middle
from .elsewhere import height_at, real
from .search import Filter, is_near, plain
from .sites import AT_COLUMN_NM, SPANS, Found, Sites

N_LEARNT = 4  # frames that motifs are learnt from
LEARNT_NM, LEARNT_PX = 12.0, (192, 512)  # side of their middle; at least and at most so many pixels


class Block:
    """Some frames of a movie in a row, and what they know of each other's deviations.

    Parameters
    ----------
    raws, denoised : (T, Y, X, C) arrays
        In one unit.
    positions : (T, 2) array
        Of the specimen in each [px].
    together : (T, T) bool array
        Which frames show the same area with noise of their own.
    signs : sequence of int
        1 for detectors in which columns are bright, else -1.
    pixel_size_nm : float
    spans : sequence of int
        How many frames before and after may be taken together, growing from 0.

    Attributes
    ----------
    columns, elsewhere : list of Found
        Of each frame; empty where no columns are drawn.
    """

    def __init__(self, raws, denoised, positions, together, signs, pixel_size_nm, spans=SPANS):
        self.columns, self.elsewhere, self.sites = [], [], None
        if not len(raws):
            return
        self.shape = denoised[0].shape
        self.alive = np.array([[np.ptp(r[..., c]) > 0 for c in range(r.shape[-1])] for r in raws])
        usable = np.flatnonzero((self.alive == self.alive.any(axis=0)).all(axis=1))
        usable = usable if len(usable) else np.arange(len(raws))
        some = np.linspace(0, len(usable) - 1, min(N_LEARNT, len(usable))).astype(int)
        some = usable[np.unique(some)]
        least, most = LEARNT_PX
        part = middle(self.shape[:2], int(np.clip(LEARNT_NM / pixel_size_nm, least, most)))
        pairs = [raws[t][part] for t in some], [denoised[t][part] for t in some]
        filters = Filter.tried(*pairs, signs, pixel_size_nm)
        if not filters:
            return
        columns = [filters[0].columns(d) for d in denoised]
        seen = (raws, denoised, columns, np.asarray(positions), together, spans)
        self.sites = Sites.of(filters, *seen)
        self.columns = self.sites.found
        self._see_elsewhere(raws, denoised)

    @property
    def filter(self) -> Filter | None:
        """The filter that deviations were found with; None where no columns are drawn."""
        return self.sites.filter if self.sites else None

    def _see_elsewhere(self, raws, denoised):
        """Find what is left of each frame when its columns' deviations are drawn."""
        sites = self.sites
        maxima = [
            sites.maxima(*sites.filter.shares(raw, output, sites.drawing(*found)))
            for raw, output, *found in zip(raws, denoised, sites.strong, sites.found)
        ]
        # a column that was told of is told of by its own noise, which may exceed that beside it
        near = AT_COLUMN_NM / sites.filter.pixel_size_nm
        beside = (~is_near(m.places, f.places, near) for m, f in zip(maxima, sites.found))
        self.maxima = [m.some(which) for m, which in zip(maxima, beside)]
        probabilities = real(self.maxima, len(raws) * self.shape[0] * self.shape[1])
        left = [sites.at_maxima(m, p) for m, p in zip(self.maxima, probabilities)]
        self.elsewhere = [a.joined(b) for a, b in zip(sites.strong, left)]

    def drawn(self, t: int) -> np.ndarray:
        """Draw what frame `t` of the block deviates by, (Y, X, C) in the frames' units, or 0."""
        if self.sites is None:
            return np.float32(0)
        draw = self.sites.drawing(self.columns[t], self.elsewhere[t])
        return draw() * self.alive[t].astype(np.float32) if draw else np.float32(0)

    def heights(self, found: Found, which) -> np.ndarray:
        """Return how far deviations stand out at their centre, (n, C) in the frames' units."""
        peaks = self.filter.motifs.weights.sum(axis=-1) * self.filter.sigma
        return found.shares[which, None] * peaks[found.kinds[which]]

    def at_columns(self, t: int, places) -> np.ndarray:
        """Return which places in frame `t` are those of columns that are drawn, (n,) bool."""
        return is_near(places, self.sites.seen[t].every, AT_COLUMN_NM / self.filter.pixel_size_nm)

    def significant(self, t: int, rate: float) -> list[tuple[Found, np.ndarray, np.ndarray]]:
        """Return what chance exceeds at no more than a rate in frame `t`.

        Parameters
        ----------
        t : int
        rate : float
            Of false ones, per pixel; half of it at columns, half elsewhere.

        Returns
        -------
        list of (Found, (n,) int array, (n,) array)
            Which of them, and by how many standard deviations.
        """
        from scipy.stats import norm

        if self.sites is None:
            return []
        n_px, found = self.shape[0] * self.shape[1], self.columns[t]
        skew = self.filter.skew[found.kinds] / np.sqrt(np.maximum(found.n_frames, 1))
        z = plain(found.shares / found.errors, skew)
        least = norm.isf(min(0.5, rate / 2 * n_px / max(len(z), 1) / 2))
        which = np.flatnonzero(np.abs(z) > least)
        parts = [(found, which, z[which])]
        found, chance = self.elsewhere[t], self.maxima[t].chance
        z = plain(found.shares / found.errors, self.filter.skew[found.kinds])
        which = np.flatnonzero(np.abs(z) > (height_at(rate / 4, chance) if chance else np.inf))
        return [*parts, (found, which, z[which])]
