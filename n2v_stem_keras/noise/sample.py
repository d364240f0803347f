"""Which frames of a movie a diagnosis looks at, and which of them can be used."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..counting import counted
from .empty import empty_rows, longest_run
from .estimate import evenly
from .margins import filled, inside
from .spikes import without_spikes

MAX_FRAMES = 16
MAX_VALUES = 2**24  # values read at most, unless two frames hold more


@dataclass(frozen=True)
class Sample:
    """Frames read from one series.

    Attributes
    ----------
    series : int
        Its number.
    times : list of int
        Numbers of the frames.
    frames : numpy.ndarray
        (T, Y, X, C), or (T, Y, X) of one detector; margins are filled.
    margins : dict
        Of frames that have them, by number: rows and columns of theirs.
    """

    series: int
    times: list
    frames: np.ndarray
    margins: dict = field(default_factory=dict)

    def bad(self, names):
        """Yield frames that are not finite, or empty in some part: series, frame, why."""
        for t, frame in zip(self.times, self.frames):
            if t in self.margins:
                rows, columns = self.margins[t]
                yield (
                    self.series,
                    t,
                    f"margins of {counted(rows, 'row')} and {counted(columns, 'column')} hold "
                    "nothing (an aligned stack?); they are left out",
                )
            n_bad = int(np.count_nonzero(~np.isfinite(frame)))
            if n_bad:
                yield self.series, t, f"{n_bad} NaN or infinite pixels"
                continue
            empty = empty_rows(frame)
            flat = [name for name, rows in zip(names, empty.T) if rows.all()]
            if flat:
                yield self.series, t, f"one value throughout ({', '.join(flat)})"
            for name, rows in zip(names, empty.T):
                if rows.any() and not rows.all():
                    numbers = np.flatnonzero(rows)
                    yield (
                        self.series,
                        t,
                        f"{len(numbers)} of {len(rows)} rows hold one value, from {numbers[0]} on "
                        f"({name}): did the scan stop? They are left out",
                    )

    def without_bad(self):
        """Return the frames with finite values only."""
        return self._kept(np.isfinite(self.frames).all(axis=(1, 2, 3)))

    def complete(self):
        """Return the frames that no detector has empty rows in, but one that has them in all."""
        empty = np.array([empty_rows(frame).any(axis=0) for frame in self.frames])  # (T, C)
        if not len(empty):
            return self
        return self._kept(~empty[:, ~empty.all(axis=0)].any(axis=1))

    def of_detector(self, c):
        """Return the frames (T, Y, X) of one detector that have no empty rows.

        If there are none, those that are not constant, cropped to the rows that all have.
        """
        one = Sample(self.series, self.times, self.frames[..., c])
        empty = np.array([empty_rows(frame[..., None])[:, 0] for frame in one.frames])  # (T, Y)
        if not len(empty):
            return one
        whole = one._kept(~empty.any(axis=1))
        if len(whole.frames):
            return whole
        partly = one._kept(~empty.all(axis=1))
        if not len(partly.frames):
            return partly
        kept = longest_run(~empty[~empty.all(axis=1)].any(axis=0))
        return Sample(self.series, partly.times, partly.frames[:, kept])

    def without_spikes(self, places):
        """Return the frames (T, Y, X) without spikes, given as (series, frame, y, x)."""
        here = {t: [p[2:] for p in places if p[:2] == (self.series, t)] for t in self.times}
        if not any(here.values()):
            return self
        frames = [without_spikes(f, np.array(here[t])) for t, f in zip(self.times, self.frames)]
        return Sample(self.series, self.times, np.stack(frames))

    def _kept(self, which):
        times = [t for t, keep in zip(self.times, which) if keep]
        return Sample(self.series, times, self.frames[np.asarray(which, bool)])

    def pairs(self):
        """Return pairs of consecutive frames, no frame in two of them."""
        found, last = [], -1
        for k in range(len(self.times) - 1):
            if self.times[k + 1] == self.times[k] + 1 and k > last:
                found.append((self.frames[k], self.frames[k + 1]))
                last = k + 1
        return found


def read_samples(movie):
    """Read a few frames of a movie, evenly spaced, as consecutive pairs where there are such.

    Parameters
    ----------
    movie : io.Movie

    Returns
    -------
    list of Sample
        One for each series looked at.
    """
    size = int(np.prod(movie.frame_shape)) * movie.n_detectors
    most = int(np.clip(MAX_VALUES // size, 2, MAX_FRAMES))
    least = min(movie.n_frames, 2)  # of one series
    series = evenly(movie.n_series, max(1, most // least))
    times = _times(movie.n_frames, most // len(series))
    return [_read(movie, int(s), times) for s in series]


def _read(movie, s, times):
    """Read a sample of a series."""
    frames, margins = [], {}
    for t in times:
        frame = movie.frame(s, t)
        if (place := inside(frame)) is not None:
            margins[t] = [n - part.stop + part.start for n, part in zip(frame.shape, place)]
            frame = filled(frame, place)
        frames.append(frame)
    return Sample(s, times, np.stack(frames), margins)


def _times(n_frames, most):
    """Choose at most `most` frames, as evenly spaced pairs if not all can be taken."""
    if n_frames <= most:
        return list(range(n_frames))
    return [int(2 * i + k) for i in evenly(n_frames // 2, most // 2) for k in (0, 1)]
