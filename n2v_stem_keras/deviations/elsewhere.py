"""What the residual holds where no column is drawn, or beside what its own deviates by.

Over all pixels chance makes many maxima. How many of each height is known for a normal field, from
its gradients alone (Adler, The Geometry of Random Fields, 1981); what exceeds that number is real.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .columns import bands, between_pixels
from .search import NORMAL_QUARTILE, plain

LEAST, HIGHEST = 3.5, 40.0  # standard deviations between which maxima are looked at
N_STEPS = 100  # of the expectation-maximisation
RIM = 2  # pixels at the border in which no maxima are looked for
STEP = 2  # every second pixel is enough for a spread


@dataclass(frozen=True)
class Maxima:
    """Maxima and minima of a frame's filtered residual.

    Attributes
    ----------
    places : (n, 2) array
        y, x [px].
    kinds : (n,) int array
        Of the column whose image fits best.
    heights : (n,) array
        In standard deviations of the filtered residual; below 0 where the frame lacks something
        that is drawn.
    spreads : (n,) array
        Of a column: one standard deviation.
    shares : (n,) array
        Of a column.
    chance : float
        Density of the fields, by which it is known how many maxima chance makes; see `expected`.
    """

    places: np.ndarray
    kinds: np.ndarray
    heights: np.ndarray
    spreads: np.ndarray
    shares: np.ndarray
    chance: float

    def some(self, which) -> Maxima:
        """Return some of them."""
        columns = (self.places, self.kinds, self.heights, self.spreads, self.shares)
        return Maxima(*(column[which] for column in columns), self.chance)


def maxima_of(maps, weights, kinds, skew, apart_px: float) -> Maxima:
    """Find them in maps of shares and of their weights, (K, Y, X), of some kinds of columns.

    Maps and weights may be any sequence of K images.

    `skew` is that of the shares of each kind, (K,).
    """
    from scipy.spatial import cKDTree

    rows, chance = [np.zeros((0, 6))], 0.0
    for k in kinds:
        field = Field.of(maps[k], weights[k])
        chance += field.density
        found = [field.maxima(sign, apart_px) for sign in (1, -1)]
        spread, field = field.spread, None  # large
        root = np.sqrt(weights[k])
        for sign, (places, heights) in zip((1, -1), found):
            y, x = np.rint(places).astype(int).T
            spreads = spread / np.maximum(root[y, x], 1e-6)
            z, of = plain(sign * heights, skew[k]), np.full(len(places), k)
            rows.append(np.column_stack([places, z, of, spreads, sign * heights * spreads]))
    rows = np.concatenate(rows)
    rows = rows[np.argsort(-np.abs(rows[:, 2]), kind="stable")]
    gone = np.zeros(len(rows), bool)
    if len(rows):
        for i, j in sorted(cKDTree(rows[:, :2]).query_pairs(apart_px)):
            gone[j] |= not gone[i]
    rows = rows[~gone]
    places, kinds = rows[:, :2], rows[:, 3].astype(int)
    return Maxima(places, kinds, rows[:, 2], rows[:, 4], rows[:, 5], chance)


def real(maxima, n_px: int) -> list[np.ndarray]:
    """Return the probability that each is real, for the maxima of each frame, of `n_px` in all."""
    found = [np.zeros(len(m.heights)) for m in maxima]
    chance = float(np.mean([m.chance for m in maxima]))
    for sign in (1, -1):
        of = [sign * m.heights > 0 for m in maxima]
        heights = np.concatenate([np.abs(m.heights[o]) for m, o in zip(maxima, of)])
        n_real = _number_of_real(heights, chance, n_px)
        for m, o, p in zip(maxima, of, found):
            p[o] = _probability(np.abs(m.heights[o]), n_real, chance, n_px)
    return found


@dataclass(frozen=True)
class Field:
    """A filtered residual in units of its own spread, (Y, X).

    Attributes
    ----------
    z : (Y, X) array
    density : float
        Root of the determinant of its gradient's covariance, over (2 pi)^(3/2) [1/px].
    spread : float
        What it was divided by.
    """

    z: np.ndarray
    density: float
    spread: float

    @classmethod
    def of(cls, image, weights) -> Field:
        """Scale a map by its own spread where weights are 1."""
        z = np.sqrt(weights)
        z *= image
        z -= np.asarray(np.median(z[::STEP, ::STEP]), z.dtype)
        spread = _spread(z)
        if not spread > 0:
            return cls(np.zeros_like(z), 0.0, 1.0)
        z /= np.asarray(spread, z.dtype)
        steps = (
            (z[1:][::STEP, ::STEP], z[:-1][::STEP, ::STEP]),
            (z[::STEP, 1:][:, ::STEP], z[::STEP, :-1][:, ::STEP]),
        )
        slopes = [_spread_of(after - before) for after, before in steps]
        return cls(z, float(np.prod(slopes)) / (2 * np.pi) ** 1.5, float(spread))

    def maxima(self, sign: int, apart_px: float) -> tuple[np.ndarray, np.ndarray]:
        """Return places (n, 2) and heights (n,) of maxima above `LEAST`.

        Or of minima. In bands of rows, as images may be large.
        """
        from scipy.ndimage import maximum_filter

        reach, height = max(1, round(apart_px)), len(self.z)
        places, heights = [], []
        for first, last in bands(height):
            top = max(0, first - reach)
            image = sign * self.z[top : last + reach]
            highest = image == maximum_filter(image, 2 * reach + 1, mode="nearest")
            highest &= image > LEAST
            rows = np.arange(top, top + len(image))
            highest[(rows < max(first, RIM)) | (rows >= min(last, height - RIM))] = False
            highest[:, :RIM] = highest[:, -RIM:] = False
            found = np.argwhere(highest)
            places.append(between_pixels(image, found) + np.array([top, 0]))
            heights.append(image[highest])
        places, heights = map(np.concatenate, (places, heights))
        order = np.argsort(-heights, kind="stable")
        return places[order], heights[order]


def _spread(values):
    return _spread_of(values[::STEP, ::STEP])


def _spread_of(values):
    apart = np.abs(values - np.median(values))
    apart = apart[apart > 0]  # a detector that is off says nothing
    return float(np.median(apart) / NORMAL_QUARTILE) if len(apart) else 0.0


def expected(z, density) -> np.ndarray:
    """Return how many maxima above z a normal field has per pixel; `density` as of `Field`."""
    return density * z * np.exp(-(np.asarray(z) ** 2) / 2)


def height_at(rate: float, density: float) -> float:
    """Return the height that so many maxima per pixel exceed by chance."""
    from scipy.optimize import brentq

    if expected(LEAST, density) <= rate:
        return LEAST
    return float(brentq(lambda z: expected(z, density) - rate, LEAST, HIGHEST))


def _number_of_real(heights, density, n_px):
    """Return how many of the maxima are expected to be real, from all heights of some frames.

    Real ones are taken to be of any height alike.
    """
    if not len(heights) or not density:
        return 0.0
    chance = _chance(heights, density) * n_px
    n_real, start = 1.0, 1.0
    for _ in range(N_STEPS):
        real = n_real / (HIGHEST - LEAST)
        n_real = (real / (real + chance)).sum() * len(heights) / (len(heights) + start)
    return float(n_real)


def _probability(heights, n_real, density, n_px):
    """Return the probability that each maximum is real, (n,)."""
    real = n_real / (HIGHEST - LEAST)
    total = real + _chance(heights, density) * n_px
    return np.divide(real, total, out=np.zeros(len(heights)), where=total > 0)


def _chance(heights, density):
    """Maxima per pixel and unit of height."""
    return density * (heights**2 - 1) * np.exp(-np.minimum(heights**2 / 2, 700))
