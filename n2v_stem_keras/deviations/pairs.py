"""Neighbours that are missing together, as in a divacancy: how common they are, and where.

Two columns of a crystal that lie side by side are missing together more often than by chance, if
defects have formed that way. What noise makes of one column it rarely makes of both. So a pair is
found with less contrast than its columns one by one, once it is known how common pairs are, which
is learnt as the rates of `prior` are: of what columns that deviate one by one do not explain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .motifs import FEWEST, Motifs
from .prior import DOUBT, N_STEPS

BESIDE = 1.2  # times the usual distance to the nearest column of a kind
COMMON = 0.1  # share of all pairs: more of them are not missing, but drawn wrongly
LARGEST = 60.0  # log likelihood


@dataclass(frozen=True)
class Pairs:
    """Columns of one kind that lie side by side in a frame.

    Attributes
    ----------
    first, second : (n,) int arrays
        Of each pair, among the columns.
    overlaps : (n,) array
        How much of one's image the filter sees at the other.
    """

    first: np.ndarray
    second: np.ndarray
    overlaps: np.ndarray

    @classmethod
    def of(cls, places, kinds, motifs: Motifs) -> Pairs:
        """Find those of columns at places, (n, 2) [px]; a kind of -1 is in none."""
        from scipy.spatial import cKDTree

        found, overlaps = [np.zeros((0, 2), int)], [np.zeros(0)]
        for k in range(len(motifs)):
            own = np.flatnonzero(kinds == k)
            if len(own) < FEWEST:
                continue
            tree = cKDTree(places[own])
            reach = BESIDE * np.median(tree.query(places[own], 2)[0][:, 1])
            pairs = own[tree.query_pairs(reach, output_type="ndarray").reshape(-1, 2)]
            apart = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
            found.append(pairs)
            overlaps.append(motifs.overlap(k, k, apart) / motifs.norms[k] ** 2)
        first, second = np.concatenate(found).T
        return cls(first, second, np.concatenate(overlaps))

    def likelihoods(self, shares, errors, expected, probability) -> np.ndarray:
        """Return how likely it is that both are missing, over that each deviates or not by itself.

        Parameters
        ----------
        shares, errors : (columns,) arrays
            What is seen of each column, less what its neighbours are expected to add to it.
        expected, probability : (columns,) arrays
            How much each deviates by itself, and that it does.

        Returns
        -------
        (n,) array
            The noise of two columns is taken to be as alike as their images are.
        """
        a, b = self.first, self.second
        squares = errors[a] * errors[b]
        seen = -(shares[a] + shares[b] + self.overlaps * (expected[a] + expected[b]))
        found = np.full(len(seen), -LARGEST)
        np.divide(seen - 1 - self.overlaps, squares, out=found, where=np.isfinite(squares))
        found += np.log(np.maximum((1 - probability[a]) * (1 - probability[b]), 1e-30))
        return np.exp(np.clip(found, -LARGEST, LARGEST))

    def probability(self, likelihoods, rate: float, n: int) -> np.ndarray:
        """Return that each of n columns is missing with a neighbour, (n,)."""
        both, neither = rate * likelihoods / (1 + rate * likelihoods), np.ones(n)
        for columns in (self.first, self.second):
            np.multiply.at(neither, columns, 1 - both)
        return 1 - neither


def rate_of(likelihoods, n_alike: float = 1) -> tuple[float, float]:
    """Return how common it is that both of a pair are missing, and the gain of log likelihood.

    Of likelihoods of all pairs, of which so many, those of one pair in frames seen together, count
    as one. Both are 0 where none are likely.
    """
    if not len(likelihoods):
        return 0.0, 0.0
    n_alike, rate = max(1.0, n_alike), 1e-3
    for _ in range(N_STEPS):
        mixed = 1 - rate + rate * likelihoods
        rate = (rate * likelihoods / mixed).sum() / (len(likelihoods) + n_alike)
    gain = np.log(1 - rate + rate * likelihoods).sum() / n_alike
    return (float(rate), float(gain)) if gain > DOUBT and rate < COMMON else (0.0, 0.0)
