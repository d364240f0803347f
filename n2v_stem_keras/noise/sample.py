"""Which frames of a movie a diagnosis looks at, and which of them can be used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .estimate import _evenly

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
        (T, Y, X, C), or (T, Y, X) of one detector.
    """

    series: int
    times: list
    frames: np.ndarray

    def bad(self, names):
        """Yield frames that are not finite, or constant on some detector: series, frame, why."""
        for t, frame in zip(self.times, self.frames):
            n_bad = int(np.count_nonzero(~np.isfinite(frame)))
            flat = [n for c, n in enumerate(names) if np.ptp(frame[..., c]) == 0]
            if n_bad:
                yield self.series, t, f"{n_bad} NaN or infinite pixels"
            elif flat:
                yield self.series, t, f"one value throughout ({', '.join(flat)})"

    def without_bad(self):
        """Return the frames with finite values only."""
        return self._kept(np.isfinite(self.frames).all(axis=(1, 2, 3)))

    def of_detector(self, c):
        """Return the frames (T, Y, X) of one detector that are not constant."""
        one = Sample(self.series, self.times, self.frames[..., c])
        return one._kept([np.ptp(frame) > 0 for frame in one.frames])

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
    series = _evenly(movie.n_series, max(1, most // least))
    times = _times(movie.n_frames, most // len(series))
    return [
        Sample(int(s), times, np.stack([movie.frame(int(s), t) for t in times])) for s in series
    ]


def _times(n_frames, most):
    """Choose at most `most` frames, as evenly spaced pairs if not all can be taken."""
    if n_frames <= most:
        return list(range(n_frames))
    return [int(2 * i + k) for i in _evenly(n_frames // 2, most // 2) for k in (0, 1)]
