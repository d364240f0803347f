"""The same from the frames before alone, kept up to date as frames come: for live use.

A mean of the last frames is kept with the frame at hand, in which older ones fade away; a new frame
costs the same whatever came before. So does its memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .evidence import as_planes, moved_by, no_evidence, overlap, stacked

MEMORY = 16  # frames, beyond which older ones fade
KNOWN = ("_n", "_noise", "_near_weight", "_mean", "_variance", "_near")
WHOLE = (slice(None), slice(None))  # rows and columns of a frame without margins


class Past:
    """What the frames so far know of the next one.

    Intensities are raw: they are standardised when the images are asked for, so that statistics
    may change from frame to frame.
    """

    def __init__(self):
        self._shape = None

    def forget(self) -> None:
        """Begin anew: what comes shows another area."""
        self._shape = None

    def move(self, offset) -> None:
        """Let the specimen drift by whole pixels (y, x) before the next frame."""
        if self._shape is None or not any(offset):
            return
        slices = [overlap(n, int(o)) for n, o in zip(self._shape, offset)]
        here, there = ((..., *(pair[i] for pair in slices)) for i in (0, 1))
        for name in KNOWN:
            known = getattr(self, name)
            moved = np.zeros_like(known)
            moved[there] = known[here]
            setattr(self, name, moved)

    def add(self, frame, rest=(0.0, 0.0), inside=WHOLE) -> None:
        """Take in a frame, (Y, X, C), in raw units.

        `rest` is by what part of a pixel (y, x) it lies beside where it is taken in, `inside` what
        of it lies between its margins (`noise.margins`), (rows, columns).
        """
        if self._shape != frame.shape:
            self._begin(frame.shape)
        part = (..., *inside)
        frame = moved_by(as_planes(frame), [-one for one in rest])[part]
        # views, changed in place
        n, noise, near_weight, mean, variance, near = (getattr(self, name)[part] for name in KNOWN)
        n += 1
        new = 1 / np.minimum(n, np.float32(MEMORY))
        step = frame - mean
        change = new * step
        mean += change
        # Welford's recurrence, with the weights of the mean
        change *= step
        variance += change
        variance *= 1 - new
        noise *= np.square(1 - new)
        noise += new * new
        near_weight *= 0.5
        near_weight += 1
        frame -= near
        frame /= near_weight
        near += frame

    def _begin(self, shape):
        self._shape = tuple(shape)
        self._n, self._noise, self._near_weight = np.zeros((3, *shape[:2]), np.float32)
        self._mean, self._variance, self._near = np.zeros((3, shape[2], *shape[:2]), np.float32)

    def images(self, shape, statistics, offset=(0.0, 0.0)) -> np.ndarray:
        """Return the images of the next frame, (Y, X, 4 C) float32; see `evidence`.

        Parameters
        ----------
        shape : (int, int, int)
            Of the next frame; one of another shape shows another area.
        statistics : MovieStatistics
        offset : (float, float)
            What is left of the drift (y, x) after whole pixels.
        """
        return self.images_later(shape, statistics, offset)()

    def images_later(self, shape, statistics, offset=(0.0, 0.0)) -> Callable[[], np.ndarray]:
        """Return what makes the images as known now, in another thread say; see `images`."""
        if self._shape != tuple(shape):
            return lambda: no_evidence(shape)
        middle, scale = (
            np.asarray(v, np.float32)[:, None, None] for v in (statistics.mean, 1 / statistics.sd)
        )
        seen = self._n > 0
        mean, near = ((image - middle) * scale for image in (self._mean, self._near))
        if not seen.all():
            mean, near = mean * seen, near * seen
        count = seen / np.maximum(self._noise, np.float32(1e-6))
        less = np.where(seen, self._noise, 1)
        variance = (less + self._variance * np.square(scale)) * less

        def make():
            moved = moved_by(np.stack([mean, near]), offset)
            return stacked(count, moved[0], variance, moved[1])

        return make
