"""Are columns that are taken out of a movie of the user's own drawn as missing?

What a model makes of simulated defects says little of another material, another noise. So a disc
around a column of the movie is replaced by a disc around a place between columns of the same frame,
which makes a vacancy with the movie's own noise, and no model of anything. Where as many columns
are replaced by other columns of their kind, the seams are the same; what is found there is no
vacancy. A column is taken out of all frames, wherever the specimen has drifted.

How sure the raw frames are is known, too: no detector on the same pixels beats the ratio of their
likelihoods, by the mean images of untouched columns and of places between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..deviations.columns import columns_of, heights_at
from ..deviations.motifs import FEWEST, kinds_of
from ..temporal.registration import middle, register, still
from .defects import mean_and_interval

N_FRAMES, SIDE = 12, 512  # of the movie that are looked at: the first, and their middle [px]
NUMBER = 24  # columns of a kind that are taken out, and as many that are replaced
APART_NM, MARGIN_NM = 0.65, 0.35  # of two of them; from the border [nm]
DISC_NM, DISC_SHARE = 0.1, 0.55  # radius that is replaced, and most of the distance of columns [nm]
SCORED = 0.6  # of that radius is looked at
HOLLOW = 0.6  # of the distance of columns: places between them are farther than this from each
LEAST_PX = 1.2  # a smaller disc holds too few pixels
ONE_IN = 100  # intact columns exceed the threshold of the recall


@dataclass(frozen=True)
class Implants:
    """Columns of one kind that were taken out of a movie, and what a model makes of it.

    Attributes
    ----------
    words : str
        Which columns; and by which others they were replaced, where places between columns are
        taken as well.
    d_prime : float
        Signal-to-noise ratio of one that is missing in one raw frame, for the likelihood ratio.
    n_frames : int
    contrast : float
        1 where it is drawn as missing, 0 where it is drawn as if it were there.
    interval_95 : (float, float)
        95 % interval of that.
    seams : float
        The same of columns that were replaced by others.
    n_defects : int
        Columns that were taken out.
    recall, recall_raw : float
        Share of them that is found in the output, and by the likelihood ratio of the raw frames, at
        a threshold that one in 100 intact columns exceeds.
    places : (n, 2) array
        y, x [px] of those in the picture.
    noisy, denoised : numpy.ndarray
        (Y, X) the middle frame, in the first detector.
    """

    words: str
    d_prime: float
    n_frames: int
    contrast: float
    interval_95: tuple[float, float]
    seams: float
    n_defects: int
    recall: float
    recall_raw: float
    places: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray

    @property
    def d_prime_together(self) -> float:
        """Signal-to-noise ratio in all frames."""
        return self.d_prime * self.n_frames**0.5


def implants_drawn(predict, frames, signs, pixel_size_nm, seed=0):
    """Take columns out of a movie and see whether they are drawn as missing.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) frames of a movie -> denoised frames.
    frames : (T, Y, X, C) array
        As recorded. The middle of the first ones is looked at.
    signs : sequence of int
        1 for detectors in which columns are bright, else -1.
    pixel_size_nm : float
        [nm/px].
    seed : int
        Of which columns.

    Returns
    -------
    list of Implants
        One for each kind of columns that are told apart; none where no lattice is found.
    """
    part = middle(frames.shape[1:3], SIDE)
    frames = np.asarray(frames[:N_FRAMES], np.float32)[:, *part]
    t = len(frames) // 2
    denoised = np.asarray(predict(frames), float)
    path = (register(frames) if len(frames) > 1 else still(1)).position
    sites = Sites(denoised[t], signs, pixel_size_nm, path - path[t], np.random.default_rng(seed))
    if not sites.chosen:
        return []
    implanted = sites.implanted(frames)
    drawn = np.asarray(predict(implanted), float)
    sigma = (frames - denoised).std(axis=(0, 1, 2))
    return [sites.score(kind, implanted, drawn, sigma) for kind in sites.chosen]


class Sites:
    """Columns of a movie, places between them, and which of them are taken out.

    Attributes
    ----------
    columns : dict
        Words -> (n, 2) y, x [px] of the columns of each kind in the middle frame.
    hollows : (n, 2) array
        Places without columns, or the faintest columns where there are none.
    instead : str or None
        Words of the columns that stand for places without any.
    chosen : dict
        Words -> (missing, replaced), numbers among these columns.
    """

    def __init__(self, frame, signs, pixel_size_nm, drift, rng):
        self.size, self.drift, self.rng = pixel_size_nm, drift, rng
        self.shape, self.signs = frame.shape[:2], np.asarray(signs)
        places = columns_of(frame, signs, pixel_size_nm)
        self.columns, self.hollows, self.chosen, self.instead = {}, np.zeros((0, 2)), {}, None
        if len(places) < FEWEST:
            return
        from scipy.spatial import cKDTree

        apart = float(np.median(cKDTree(places).query(places, 2)[0][:, 1]))
        self.radius = min(DISC_NM / pixel_size_nm, DISC_SHARE * apart)
        if self.radius < LEAST_PX:
            return
        kinds, stand_out = kinds_of(heights_at(frame, places))
        order = [k for k in range(int(stand_out), kinds.max() + 1)]
        words = ["columns"] if len(order) == 1 else ["brightest columns", "fainter columns",
                                                     "faintest columns"][: len(order)]  # fmt: skip
        self.columns = {w: self._inside(places[kinds == k]) for w, k in zip(words, order)}
        between = self._inside(columns_of(frame, -self.signs, pixel_size_nm))
        if len(between):
            between = between[cKDTree(places).query(between)[0] > HOLLOW * apart]
        self.hollows = between
        if len(between) < FEWEST and len(order) > 1:  # something stands everywhere
            self.instead = words[-1]
            self.hollows = self.columns[words[-1]]
        if len(self.hollows) >= FEWEST:
            self._choose()

    def _inside(self, places):
        """Leave out what is near the border in some frame."""
        margin = MARGIN_NM / self.size
        low = places + self.drift.min(axis=0)
        high = places + self.drift.max(axis=0)
        return places[((low > margin) & (high < np.array(self.shape) - 1 - margin)).all(axis=1)]

    def _choose(self):
        taken = np.full((1, 2), -1e6)
        for words, places in self.columns.items():
            if words == self.instead:
                continue
            found = []
            for i in self.rng.permutation(len(places)):
                if np.linalg.norm(taken - places[i], axis=1).min() * self.size > APART_NM:
                    found.append(i)
                    taken = np.concatenate([taken, places[i : i + 1]])
                if len(found) == 2 * NUMBER:
                    break
            if len(found) >= 4 and len(places) - len(found) >= FEWEST:
                self.chosen[words] = np.array(found[::2]), np.array(found[1::2])
        self.touched = taken[1:]

    def _untouched(self, places):
        """Which places lie so far from all that is changed that their discs do not show it."""
        apart = np.linalg.norm(places[:, None] - self.touched, axis=-1).min(axis=1)
        return places[apart > 2 * self.radius + 1]

    def disc(self, share=1.0):
        """Pixels of a disc around a place, (n, 2)."""
        reach = int(np.ceil(self.radius))
        offsets = np.moveaxis(np.indices(2 * (2 * reach + 1,)) - reach, 0, -1).reshape(-1, 2)
        return offsets[np.hypot(*offsets.T) <= max(1.0, share * self.radius)]

    def _pixels(self, places, t, share=1.0):
        """Return the indices of discs around places in frame `t`, two arrays (n, k)."""
        around = np.rint(places + self.drift[t]).astype(int)[:, None] + self.disc(share)
        return tuple(np.moveaxis(around, -1, 0))

    def implanted(self, frames):
        """Return the frames with columns taken out and replaced."""
        changed = frames.copy()
        hollows = self._untouched(self.hollows)
        for words, (missing, replaced) in self.chosen.items():
            places = self.columns[words]
            for numbers, sources in ((missing, hollows), (replaced, self._untouched(places))):
                for t in range(len(frames)):
                    source = sources[self.rng.integers(len(sources), size=len(numbers))]
                    there, new = self._pixels(places[numbers], t), self._pixels(source, t)
                    changed[t][there] = frames[t][new]
        return changed

    def _means(self, frames, places):
        """Mean of frames over the inner disc around each place, (T, n, C)."""
        found = [f[self._pixels(places, t, SCORED)].mean(axis=1) for t, f in enumerate(frames)]
        return np.stack(found)

    def _likelihoods(self, frames, places, column, hollow, sigma):
        """Logarithm of the likelihood of no column over that of one, (T, n)."""
        found = []
        for t, frame in enumerate(frames):
            apart = frame[self._pixels(places, t)] - (column + hollow) / 2
            found.append((apart * (hollow - column) / sigma**2).sum(axis=(1, 2)))
        return np.stack(found)

    def score(self, words, frames, drawn, sigma) -> Implants:
        """Score what was drawn of the columns of a kind."""
        places = self.columns[words]
        groups = {w: places[i] for w, i in zip(("missing", "replaced"), self.chosen[words])}
        groups |= {"column": self._untouched(places), "hollow": self._untouched(self.hollows)}

        means = {w: self._means(drawn, p) for w, p in groups.items()}
        column, hollow = (means[w].mean(axis=(0, 1)) for w in ("column", "hollow"))
        weights = (hollow - column) / sigma**2  # towards what a vacancy changes
        whole = float(((hollow - column) * weights).sum())
        shown = {w: ((m - column) * weights).sum(axis=-1).mean(axis=0) / whole
                 for w, m in means.items()}  # fmt: skip

        patches = [
            np.mean([f[self._pixels(groups[w], t)].mean(axis=0) for t, f in enumerate(frames)], 0)
            for w in ("column", "hollow")
        ]
        raw = {w: self._likelihoods(frames, p, *patches, sigma) for w, p in groups.items()}
        d_prime = (raw["hollow"].mean() - raw["column"].mean()) / raw["column"].std()
        raw = {w: values.mean(axis=0) for w, values in raw.items()}

        contrast, interval = mean_and_interval(shown["missing"], shown["replaced"])
        recalls = [
            float((of["missing"] > np.quantile(of["column"], 1 - 1 / ONE_IN)).mean())
            for of in (shown, raw)
        ]
        t = len(frames) // 2
        return Implants(
            f"{words}, for {self.instead}," if self.instead else words,
            float(d_prime),
            len(frames),
            contrast,
            interval,
            float(shown["replaced"].mean()),
            len(groups["missing"]),
            *recalls,
            groups["missing"],
            frames[t, ..., 0],
            drawn[t, ..., 0],
        )
