"""Frames in memory that are needed again and again, and cost more to make than to keep."""

from __future__ import annotations

import threading
from collections import OrderedDict


class Kept:
    """The frames that were made last, as many as fit.

    Parameters
    ----------
    n_bytes : int
        Of all movies together.
    """

    def __init__(self, n_bytes: int):
        self.n_bytes, self._size = n_bytes, 0
        self._frames, self._lock = OrderedDict(), threading.RLock()

    def get(self, key, make):
        """Return the frame of a key, (owner, number), or make and keep it."""
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
                return self._frames[key]
        frame = make()
        with self._lock:
            if key not in self._frames:
                self._frames[key] = frame
                self._size += frame.nbytes
            while self._size > self.n_bytes and len(self._frames) > 1:
                self._size -= self._frames.popitem(last=False)[1].nbytes
        return frame

    def drop(self, owner: int):
        """Forget the frames of a movie."""
        with self._lock:
            for key in [key for key in self._frames if key[0] == owner]:
                self._size -= self._frames.pop(key).nbytes
