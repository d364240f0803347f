"""Deviations at the sites of a crystal, which are the columns that frames draw.

A vacancy that stays is seen in every frame again, with fresh noise. So of each column the residuals
of the frames around are averaged, as far as they agree (`agreeing`): what has come, gone or moved
is seen by fewer frames.

How common deviations are and what a column looks like is learnt from each other in turn, as in
expectation-maximisation (Dempster et al., J. R. Stat. Soc. B 39, 1 (1977)): a missing column shows
its image, and with that more are found. It begins with each of some images that the lattice allows,
and goes on with the one that makes the deviations likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from .columns import APART_NM
from .elsewhere import Maxima, maxima_of
from .pairs import Pairs, rate_of
from .prior import Prior
from .search import LEAST_NORM, plain, settled

SPANS = (0, 1, 3, 6, 12)  # frames before and after
DISAGREE = 3.5  # standard errors between frames near and frames farther
# beyond doubt and at no column: standard deviations, times those of columns around, distance [nm]
STRONG, STRONGER, AT_COLUMN_NM = 6.0, 1.2, 0.07
LEAST_DRAWN = 1e-3  # share of a column
MOST_ROUNDS, SETTLED = 6, 1.03  # of learning; gain of likelihood below which it has come to its end
SURE = 0.2  # standard error of the share of a column from which down one is beyond doubt
N_TURNS = 3  # in which pairs and what deviates one by one are told from each other
N_TRIED = 12  # frames that tell which image to begin with


def agreeing(shares, errors, before, spans=SPANS):
    """Average what frames show, over as many as agree.

    Parameters
    ----------
    shares, errors : (n, T) arrays
        Of each column, in frames in their order, and the standard error; nan where a frame does
        not show it.
    before : int
        Number of frames before the one that is asked for.
    spans : sequence of int
        How far to reach, growing.

    Returns
    -------
    mean, error, number : (n,) arrays
        Of the frames that were taken.
    """
    seen = np.isfinite(shares)
    weights = np.where(seen, 1 / np.where(seen, errors, 1) ** 2, 0)
    values = np.where(seen, shares, 0) * weights
    number = seen[:, before].astype(int)
    total, weight = values[:, before].copy(), weights[:, before].copy()
    going = {-1: number > 0, 1: number > 0}
    for near, far in pairwise(spans):
        for side, on in going.items():
            first, last = sorted((before + side * (near + 1), before + side * far))
            part = slice(max(0, first), max(0, last + 1))
            more, heavier = values[:, part].sum(axis=1), weights[:, part].sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                apart = np.abs(total / weight - more / heavier)
                on &= (heavier == 0) | (apart < DISAGREE * np.sqrt(1 / weight + 1 / heavier))
            total, weight = total + np.where(on, more, 0), weight + np.where(on, heavier, 0)
            number = number + np.where(on, seen[:, part].sum(axis=1), 0)
    known = weight > 0
    mean = np.divide(total, weight, out=np.zeros(len(total)), where=known)
    error = np.sqrt(np.divide(1, weight, out=np.full(len(total), np.inf), where=known))
    return mean, error, number


@dataclass(frozen=True)
class Found:
    """Deviations of one frame, at its columns or elsewhere.

    Attributes
    ----------
    places : (n, 2) array
        y, x [px].
    kinds : (n,) array
        Of columns.
    shares, errors : (n,) arrays
        Of a column, by which it deviates (-1: missing), as seen, and the standard error.
    expected, squares : (n,) arrays
        The mean of the share, which is drawn, and of its square, given what is seen.
    probability : (n,) array
        That it deviates at all.
    n_frames : (n,) array
        That were taken together.
    elsewhere : bool
        Whether these are no columns that are drawn.
    """

    places: np.ndarray
    kinds: np.ndarray
    shares: np.ndarray
    errors: np.ndarray
    expected: np.ndarray
    squares: np.ndarray
    probability: np.ndarray
    n_frames: np.ndarray
    elsewhere: bool = False

    def joined(self, other: Found) -> Found:
        """Return these and others of the same frame."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self)[:-1])
        return Found(*(np.concatenate(pair) for pair in pairs), self.elsewhere)


class Sites:
    """What some frames in a row show of their columns.

    Parameters
    ----------
    raws, denoised : (T, Y, X, C) arrays
        In one unit.
    columns : list of Columns
        That each frame draws.
    positions, together, spans
        See `Block`.
    filter : Filter
    n_rounds : int
        See `refine`.

    Attributes
    ----------
    filter : Filter
        Refined, and adjusted to what was seen.
    seen : list of Seen
        Without their maps.
    found : list of Found
        Deviations of the columns of each frame.
    strong : list of Found
        What is beyond doubt in each, and at no column.
    gain : float
        Of log likelihood, over no deviations at all; what is strong counts, too.
    """

    def __init__(
        self, raws, denoised, columns, positions, together, spans, filter, n_rounds=MOST_ROUNDS
    ):
        self.columns, self.positions, self.together = columns, positions, together
        self.spans, self.filter, self.shape = spans, filter, denoised[0].shape
        self.strong = [None] * len(raws)
        self._see(raws, denoised)
        self.strong = [self._strong(t) for t in range(len(raws))]
        if any(len(f.places) for f in self.strong):
            self._see(raws, denoised)
        self.refine(raws, denoised, n_rounds)

    @classmethod
    def of(cls, filters, raws, denoised, columns, positions, together, spans) -> Sites:
        """Look with that one of some filters under which deviations are likeliest."""
        first = max(0, (len(raws) - N_TRIED) // 2)
        some = slice(first, first + N_TRIED)
        part = (raws[some], denoised[some], columns[some], positions[some], together[some, some])
        tried = [cls(*part, spans, one, n_rounds=1) for one in filters]
        best = max(tried, key=lambda one: one.gain)
        best.refine(*part[:2])
        if len(best.columns) == len(raws):
            return best
        return cls(raws, denoised, columns, positions, together, spans, best.filter)

    @property
    def gain(self) -> float:
        """See the class."""
        elsewhere = sum(float(((f.shares / f.errors) ** 2).sum()) / 2 for f in self.strong)
        return self._gain_at_columns + elsewhere

    def refine(self, raws, denoised, n_rounds=MOST_ROUNDS) -> None:
        """Learn from what is missing what columns look like, and look again, until it settles."""
        for _ in range(n_rounds):
            self._forget_maps()
            if not any(f.expected.any() for f in self.found):
                break
            before, gain = dict(vars(self)), self._gain_at_columns
            given = zip(raws, denoised, map(self.drawing, self.strong))
            residuals = (self.filter.residual(*frame)[0] for frame in given)
            shown = [(f.places, f.kinds, f.expected, f.squares) for f in self.found]
            motifs = self.filter.motifs.refined(residuals, shown)
            self.filter = replace(self.filter, motifs=motifs)
            self._see(raws, denoised)
            if self._gain_at_columns < gain:
                vars(self).update(before)
            if self._gain_at_columns < SETTLED * gain:
                break
        self._forget_maps()

    def _forget_maps(self):
        """Keep the places alone of what was seen of the residual: maps are large."""
        self.seen = [replace(one, maps=None, weights=None) for one in self.seen]

    def _see(self, raws, denoised):
        """Look at all frames, learn how common deviations are, and find them.

        What is strong in each is taken to be drawn.
        """
        self.seen = []  # large
        drawn = map(self.drawing, self.strong)
        given = zip(raws, denoised, self.columns, drawn)
        seen = [self.filter.look(*frame) for frame in given]
        self.filter = self.filter.adjusted(seen)
        self.seen = [one.of_kinds(self.filter.fair) for one in seen]
        self.averages = [self._average(t) for t in range(len(raws))]
        together = [np.zeros(len(own.places)) for own in self.seen]
        self.priors = self._learn_priors(together)
        self.found = [self._find(t) for t in range(len(raws))]
        self._gain_at_columns = sum(prior.gain for prior in self.priors)
        # what is known of columns one by one their neighbours cannot tell better
        known = np.concatenate([errors[np.isfinite(errors)] for _, errors, _ in self.averages])
        if self._gain_at_columns and np.median(known) > SURE:
            self._find_pairs()

    def _average(self, t):
        """Return what frames that agree show of the columns of frame t: share, error, number."""
        own, reach = self.seen[t], self.spans[-1]
        first, last = max(0, t - reach), min(len(self.seen), t + reach + 1)
        taken = self._independent(t, range(first, last))
        centre, spread = self.filter.centre[own.kinds], self.filter.spread[own.kinds]
        shares = np.full((len(own.places), last - first), np.nan)
        errors = np.full(shares.shape, np.nan)
        for i in taken:
            moved = own.places + self.positions[i] - self.positions[t]
            share, weight = self.seen[i].at(moved, own.kinds)
            shares[:, i - first] = share - centre
            with np.errstate(divide="ignore"):
                errors[:, i - first] = spread / np.sqrt(weight)
        return agreeing(shares, errors, t - first, self.spans)

    def _independent(self, t, numbers):
        """Choose frames of which no two share noise, the nearest to frame `t` first."""
        chosen = [t]
        for i in sorted(numbers, key=lambda i: abs(i - t)):
            if i != t and self.together[i, chosen].all():
                chosen.append(i)
        return chosen

    def _learn_priors(self, together):
        """Learn it of columns that are not rather missing with a neighbour."""
        together = np.concatenate(together)
        kinds = np.concatenate([s.kinds for s in self.seen])
        errors, number = (np.concatenate([one[i] for one in self.averages]) for i in (1, 2))
        n_alike = max(1.0, float(np.median(number))) if len(number) else 1.0
        shares = [self._plain(t, one[0], one[1]) for t, one in enumerate(self.averages)]
        shares, found = np.concatenate(shares), []
        for k in range(len(self.filter.motifs)):
            of = (kinds == k) & np.isfinite(errors) & (together < 0.5)
            found.append(Prior.of(shares[of], errors[of], n_alike))
        return found

    def _find_pairs(self):
        """Add neighbours that are missing together to what is found.

        They are no deviations one by one, which are rarer without them. A kind of which
        nothing can be said is not asked.
        """
        mute, pairs = np.array([prior.mute for prior in self.priors]), []
        for found in self.found:
            kinds = np.where(mute[found.kinds], -1, found.kinds)
            pairs.append(Pairs.of(found.places, kinds, self.filter.motifs))
        n_alike = float(np.median(np.concatenate([f.n_frames for f in self.found])))
        alone, rate = (self.priors, self.found), 0.0
        for _ in range(N_TURNS):
            likelihoods = [self._likelihoods(t, of) for t, of in enumerate(pairs)]
            before, (rate, gain) = rate, rate_of(np.concatenate(likelihoods), n_alike)
            if rate <= SETTLED * before:
                break
            together = [
                of.probability(one, rate, len(f.places))
                for of, one, f in zip(pairs, likelihoods, self.found)
            ]
            self.priors = self._learn_priors(together)
            self.found = [self._find(t, both) for t, both in enumerate(together)]
        if rate:
            self._gain_at_columns = gain + sum(prior.gain for prior in self.priors)
        else:
            self.priors, self.found = alone

    def _likelihoods(self, t, pairs):
        """Return those of pairs of frame t."""
        found = self.found[t]
        shares, errors = found.shares, found.errors
        alone = self._by_kind(t, "probability")(shares, errors)
        return pairs.likelihoods(self._plain(t, shares, errors), errors, found.expected, alone)

    def _plain(self, t, shares, errors):
        """Return shares of the columns of frame t that are as unlikely if no noise is skewed."""
        number = self.averages[t][2]
        skew = self.filter.skew[self.seen[t].kinds] / np.sqrt(np.maximum(number, 1))
        return plain(shares / errors, skew) * np.where(np.isfinite(errors), errors, 0)

    def _by_kind(self, t, what, **options):
        """Return what the prior of each column of frame t says: a function of shares and errors."""

        def of(shares, errors):
            # as unlikely as they are, but as large as they are
            less, found = self._plain(t, shares, errors), np.zeros(len(shares))
            scale = np.divide(shares, less, out=np.ones(len(shares)), where=less != 0)
            for k, prior in enumerate(self.priors):
                at = self.seen[t].kinds == k
                if at.any() and prior.gain:
                    found[at] = getattr(prior, what)(less[at], errors[at], **options)
            return found * scale ** options.get("power", 0)

        return of

    def _find(self, t, together=None):
        """Find the deviations of the columns of frame t, some of which are missing together."""
        own = self.seen[t]
        shares, errors, number = self.averages[t]
        if together is None and not any(prior.gain for prior in self.priors):
            none = np.zeros((3, len(shares)))
            return Found(own.places, own.kinds, shares, errors, *none, number)
        both = 0.0 if together is None else together
        of = {power: self._by_kind(t, "mean", power=power) for power in (1, 2)}
        overlaps = self.filter.neighbours(own.places, own.kinds)
        shares, expected = settled(
            shares, errors, overlaps, lambda *seen: (1 - both) * of[1](*seen) - both
        )
        squares = (1 - both) * of[2](shares, errors) + both
        alone = self._by_kind(t, "probability")(shares, errors)
        probability = 1 - (1 - both) * (1 - alone)
        return Found(own.places, own.kinds, shares, errors, expected, squares, probability, number)

    def _strong(self, t):
        """Find what is beyond doubt in frame `t`, and at no column.

        Columns around would deviate by parts of it, each less than it does.
        """
        from scipy.spatial import cKDTree

        seen, columns = self.seen[t], self.found[t]
        maxima = self.maxima(seen.maps, seen.weights)
        which = np.abs(maxima.heights) > STRONG
        if len(columns.places) and which.any():
            tree, px = cKDTree(columns.places), self.filter.pixel_size_nm
            which &= tree.query(maxima.places)[0] > AT_COLUMN_NM / px
            share, weight = seen.at(columns.places, columns.kinds)
            alone = np.abs(np.nan_to_num(share) - self.filter.centre[columns.kinds])
            alone *= np.sqrt(weight) / self.filter.spread[columns.kinds]
            # what other frames show at a column as well is the column's own
            z = np.maximum(alone, np.abs(columns.shares / columns.errors) / STRONGER)
            for i in np.flatnonzero(which):
                near = tree.query_ball_point(maxima.places[i], 2 * APART_NM / px)
                which[i] = np.abs(maxima.heights[i]) > STRONGER * max(z[near], default=0)
        maxima = maxima.some(which)
        return self.at_maxima(maxima, np.ones(len(maxima.heights)))

    def maxima(self, maps, weights) -> Maxima:
        """Find the maxima of what a frame's residual shows of columns, maps (K, Y, X) of shares."""
        kinds = np.flatnonzero(self.filter.motifs.norms > LEAST_NORM).tolist()
        apart = APART_NM / self.filter.pixel_size_nm
        return maxima_of(maps, weights, kinds, self.filter.skew, apart)

    def at_maxima(self, maxima, probability) -> Found:
        """Return deviations at maxima of a frame; of those that overlap, each knows the others."""
        shares, errors = maxima.shares, maxima.spreads
        overlaps = self.filter.neighbours(maxima.places, maxima.kinds)
        shares, drawn = settled(shares, errors, overlaps, lambda share, _: probability * share)
        n_frames = np.ones(len(shares), int)
        return Found(
            *(maxima.places, maxima.kinds, shares, errors, drawn),
            *(drawn * shares, probability, n_frames, True),
        )

    def drawing(self, *found: Found | None):
        """Return a function that draws deviations of a frame; None where there are none."""
        found = [one for one in found if one is not None and len(one.places)]
        if not found:
            return None

        def draw():
            image = self._drawn(found[0])
            for one in found[1:]:
                image += self._drawn(one)
            return image

        return draw

    def _drawn(self, found: Found) -> np.ndarray:
        where = np.abs(found.expected) > LEAST_DRAWN
        image = self.filter.motifs.drawn(
            found.places[where], found.kinds[where], found.expected[where], self.shape
        )
        image *= self.filter.sigma.astype(np.float32)
        return image
