"""How common deviations are, learnt from a movie itself, and what that makes of each.

An empirical Bayes estimate: each column deviates by a share of itself (-1: it is missing), which is
seen with a known error. How often each share occurs is found from all columns of a movie together,
by maximum likelihood on a grid (Kiefer and Wolfowitz, Ann. Math. Stat. 27, 887 (1956)). What is
drawn of a deviation is then its mean, given what is seen (Efron, Stat. Sci. 29, 285 (2014)): nearly
all of one that is beyond doubt, nothing of one that noise makes as often, and no step between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# deviations that are told from none: columns that lack something, up to all; and what is more
SHARES = np.concatenate([-np.linspace(0.3, 1.2, 10), np.geomspace(0.3, 10, 16)])
MOST = 60_000  # columns are enough to learn from
N_STEPS = 60  # of the expectation-maximisation
DOUBT = 8.0  # least gain of log likelihood over none at all
RARE = 0.25  # share of all columns: what more of them deviate by was never drawn, or drawn wrongly
TOLD = 2.2  # standard errors from which on a share can be told from none
CUT = 40.0  # errors beyond which a share is as unlikely as there


@dataclass(frozen=True)
class Prior:
    """How often columns deviate by each of `SHARES`.

    Attributes
    ----------
    rates : (G,) array
        Of each share, among all columns; the others deviate by nothing.
    gain : float
        Of log likelihood, over no deviations at all; 0 where none are likely, or too many.
    mute : bool
        Whether nothing can be said of them: more deviate than `RARE`, so that they were drawn
        wrongly, or noise hides a column that is missing.
    """

    rates: np.ndarray
    gain: float = 0.0
    mute: bool = False

    @classmethod
    def of(cls, shares, errors, n_alike: float = 1) -> Prior:
        """Learn it from deviations of columns and their standard errors, (n,) each.

        So many of them, one column seen by the same frames again and again, count as one.
        """
        if not len(shares):
            return cls(np.zeros(len(SHARES)))
        step = 1 + len(shares) // MOST
        shares, errors, n_alike = shares[::step], errors[::step], max(1.0, n_alike / step)
        density = _densities(shares, errors)
        at_null = np.maximum(_normal(shares / errors), 1e-300)
        rates = np.where(np.abs(SHARES) > TOLD * np.median(errors), 1e-3 / len(SHARES), 0)
        for _ in range(N_STEPS):
            mixed = (1 - rates.sum()) * at_null + density @ rates
            # columns that are told from none by none of it count for none
            rates = rates * (density / mixed[:, None]).sum(axis=0) / (len(shares) + n_alike)
        gain = np.log(((1 - rates.sum()) * at_null + density @ rates) / at_null).sum() / n_alike
        if gain > DOUBT and rates.sum() < RARE:
            return cls(rates, float(gain))
        hidden = TOLD * np.median(errors) > 1
        return cls(np.zeros(len(SHARES)), mute=bool(gain > DOUBT or hidden))

    def mean(self, shares, errors, power: int = 1) -> np.ndarray:
        """Return the expected deviation of each column, or its square, given what is seen, (n,)."""
        density = _densities(shares, errors) * self.rates
        none = (1 - self.rates.sum()) * _normal(shares / errors)
        total = none + density.sum(axis=1)
        summed = density @ SHARES**power
        return np.divide(summed, total, out=np.zeros(len(density)), where=total > 0)

    def probability(self, shares, errors) -> np.ndarray:
        """Return the probability that each column deviates, (n,)."""
        density = (_densities(shares, errors) * self.rates).sum(axis=1)
        total = density + (1 - self.rates.sum()) * _normal(shares / errors)
        return np.divide(density, total, out=np.zeros(len(density)), where=total > 0)


def _densities(shares, errors):
    """Likelihood of what is seen under each of `SHARES`, over that of its own error, (n, G)."""
    return _normal((shares[:, None] - SHARES) / errors[:, None])


def _normal(z):
    return np.exp(-0.5 * np.minimum(z**2, CUT**2))
