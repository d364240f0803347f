"""A folder that a microscope writes files into, one after another.

A file is taken once it has not changed for a while and can be read; until then it is being written.
How long it has not changed is told by the own clock, since that of the microscope may be an hour
ahead. A file that changes after it was taken is taken again. The same holds of all files of one
scan where each detector has its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from .files import file_state

PATIENCE_S = 10.0  # a file that has been left alone so long and still cannot be read is bad


class FolderWatch:
    """What comes into a folder, as soon as it is complete.

    Parameters
    ----------
    find : callable
        Returns what is in the folder now: {name: source}, a source as `io.read_movie` takes it,
        a path or {detector: path}.
    open_source : callable
        (name, source) -> what is wanted of it; raises while the file is not complete.
    settle_s : float
        How long a file must have been left alone [s].
    poll_s : float
        How often the folder is looked at [s].
    keep : int, optional
        Where more than so many are complete, leave out the oldest of them; default none.
    on_bad : callable
        (name, error), for a source that stays unreadable; it is looked at again if it changes.
    is_done : callable, optional
        Whether a name was done before the folder was watched: it is taken only if it changes now.

    Attributes
    ----------
    bad : dict
        Name of each source that could not be read, and its sizes and time when it was given up.
    n_waiting, n_dropped : int
        Sources that were complete when last looked at and had to wait; that were left out.
    """

    def __init__(
        self,
        find: Callable,
        open_source: Callable,
        settle_s: float = 0.2,
        poll_s: float = 0.05,
        keep: int | None = None,
        on_bad: Callable | None = None,
        is_done: Callable | None = None,
    ):
        self.find, self.open_source, self.on_bad = find, open_source, on_bad
        self.is_done = is_done or (lambda name: False)
        self.settle_s, self.poll_s = settle_s, poll_s
        self.keep, self.bad, self.n_waiting, self.n_dropped = keep, {}, 0, 0
        self._taken, self._unread, self._stopped = {}, {}, threading.Event()
        self._seen = {}  # name -> (state, when it was first seen so)
        self._unsettled = False

    def stop(self) -> None:
        """End, without what has not been yielded."""
        self._stopped.set()

    def arrivals(self, until_idle_s: float | None = None) -> Iterator:
        """Yield (name, what `open_source` returned) in the order in which they were finished.

        Parameters
        ----------
        until_idle_s : float, optional
            End when nothing has come for so long [s]; default only when stopped.
        """
        last = time.monotonic()
        while not self._stopped.is_set():
            began = time.monotonic()
            arrived = self._next()
            # of many files in folders to look takes long
            pause_s = max(self.poll_s, time.monotonic() - began)
            if arrived is not None:
                yield arrived
                last = time.monotonic()
            elif self._unsettled:
                last = time.monotonic()
                self._stopped.wait(pause_s)
            elif until_idle_s and time.monotonic() - last > until_idle_s:
                break
            else:
                self._stopped.wait(pause_s)
        for name, (state, error) in self._unread.items():
            self._give_up(name, state, error)

    def _next(self):
        """Return the oldest that is complete, as `arrivals` yields it, or None."""
        complete = self._complete()
        if self.keep is not None:
            left_out, complete = complete[: -self.keep], complete[-self.keep :]
            self._taken.update((name, state) for name, _, state in left_out)
            self.n_dropped += len(left_out)
        for i, (name, source, state) in enumerate(complete):
            try:
                opened = self.open_source(name, source)
            except Exception as error:  # half a file fails in as many ways as there are formats
                self._unread[name] = state, error
                if self.unchanged_s(name) > PATIENCE_S:
                    self._give_up(name, state, error)
                continue
            if state_of(source) != state:  # it was written while it was read
                continue
            self._taken[name] = state
            self._unread.pop(name, None)
            self.bad.pop(name, None)
            self.n_waiting = len(complete) - 1 - i
            return name, opened
        self.n_waiting = 0
        return None

    def _give_up(self, name, state, error):
        """Leave a source alone until it changes."""
        if self.bad.get(name) != state:
            self.bad[name] = state
            if self.on_bad:
                self.on_bad(name, error)

    def unchanged_s(self, name) -> float:
        """Return for how long a source has not changed, as far as was looked [s]."""
        return time.monotonic() - self._seen[name][1] if name in self._seen else 0.0

    def _complete(self):
        """Return (name, source, state) of what has been left alone, the oldest first."""
        found, self._unsettled, now = [], False, time.monotonic()
        for name, source in self.find().items():
            state = state_of(source)
            if state is None:
                continue
            if name not in self._seen or self._seen[name][0] != state:
                if name not in self._seen and self.is_done(name):
                    self._taken[name] = state
                self._seen[name] = state, now
            if state in (self._taken.get(name), self.bad.get(name)):
                continue
            if now - self._seen[name][1] >= self.settle_s:
                found.append((name, source, state))
            else:
                self._unsettled = True
        return sorted(found, key=lambda entry: (entry[2][-1], entry[0]))


def state_of(source) -> tuple | None:
    """Return what changes if one of a source's files does, and when the last was written [ns].

    None if one is gone.
    """
    files = source.values() if isinstance(source, dict) else [source]
    found = [file_state(file) for file in files]
    return None if None in found else (*found, max(time_ns for _, time_ns, _ in found))
