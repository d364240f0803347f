"""Reading, computing and writing side by side, with little in memory.

Frames are read a few ahead of the one that is asked for, by a thread; what a generator yields is
made by another while the last results are written. Both wait for the slower side.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ..io import Movie

N_AHEAD = 2  # frames read ahead, and results that wait to be written
KEPT_BYTES, MIN_KEPT = 2**26, 8  # frames kept, since each is needed more than once
_here = threading.local()


class Abandoned(Exception):
    """Nobody waits any more for what is being made."""


class Watched(list):
    """A list whose items are given out as long as somebody waits for what is made of them."""

    def __iter__(self) -> Iterator:
        """Yield the items; raises `Abandoned`."""
        for item in super().__iter__():
            check_wanted()
            yield item

    def __getitem__(self, which):
        """Return an item, or some of them that are watched, too."""
        found = super().__getitem__(which)
        return Watched(found) if isinstance(which, slice) else found


def check_wanted() -> None:
    """Raise `Abandoned` where `in_background` was closed, in its thread; do nothing elsewhere.

    What takes long for one item asks so, or Ctrl-C would wait for its end.
    """
    stopped = getattr(_here, "stopped", None)
    if stopped is not None and stopped.is_set():
        raise Abandoned


@contextlib.contextmanager
def read_ahead(movie: Movie, n_ahead: int = N_AHEAD) -> Iterator[Movie]:
    """Give the same movie, with frames read before they are asked for, while the block runs.

    Parameters
    ----------
    movie : io.Movie
        Frames of it may not be changed.
    n_ahead : int
        Number of frames.
    """
    frame_bytes = math.prod(movie.frame_shape) * movie.n_detectors * movie.dtype.itemsize
    pool = ThreadPoolExecutor(1, "read_ahead")
    reader = _Reader(movie, pool, n_ahead, max(MIN_KEPT, KEPT_BYTES // frame_bytes))
    try:
        yield dataclasses.replace(movie, read_frame=reader.read)
    finally:
        pool.shutdown(cancel_futures=True)


class _Reader:
    """Frames of a movie on their way from the disk, and the last ones that were read."""

    def __init__(self, movie, pool, n_ahead, n_kept):
        self.movie, self.pool = movie, pool
        self.n_ahead, self.n_kept = n_ahead, n_kept
        self._frames, self._lock = OrderedDict(), threading.Lock()

    def read(self, s, t):
        """Return frame `t` of series `s`, and begin to read those that follow it."""
        with self._lock:
            after = range(t, min(t + 1 + self.n_ahead, self.movie.n_frames))
            for place in ((s, i) for i in after):
                if place not in self._frames:
                    self._frames[place] = self.pool.submit(self._load, *place)
            wanted = self._frames[s, t]
            self._frames.move_to_end((s, t))
            while len(self._frames) > self.n_kept:
                self._frames.popitem(last=False)
        return wanted.result()

    def _load(self, s, t):
        frame = self.movie.frame(s, t)
        frame.setflags(write=False)  # several share it
        return frame


def in_background(items: Iterable, n_waiting: int = N_AHEAD) -> Iterator:
    """Yield what `items` yields, made by a thread while the last ones are being used.

    Parameters
    ----------
    items : iterable
        Used by that thread alone.
    n_waiting : int
        So many wait to be used; then the thread waits, too.

    Notes
    -----
    Close the generator (`contextlib.closing`) to stop the thread: it ends with the item that it is
    at, or where that asks `check_wanted`. What it raises is raised here.
    """
    waiting, stopped = queue.Queue(n_waiting), threading.Event()

    def work():
        _here.stopped = stopped
        try:
            for item in items:
                waiting.put((item, None))
                if stopped.is_set():
                    return
            waiting.put((None, StopIteration()))
        except BaseException as error:  # raised again where the items are used
            waiting.put((None, error))

    thread = threading.Thread(target=work, name="in_background", daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stopped.set()
        while thread.is_alive():
            with contextlib.suppress(queue.Empty):
                waiting.get(timeout=0.05)
        thread.join()
