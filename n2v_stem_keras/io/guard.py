"""Files that are damaged, forged or far larger than they look, in ways that no library expects.

Whatever a reader meets becomes a `MovieError`. A movie that declares far more than its file can
hold is refused before it is read. HDF5 can loop for ever in a damaged file, or crash the process,
where nothing in Python can stop it: so another process walks through such a file first, with limits
of time and memory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from .movie import Movie, MovieError

MOST_TIMES = 1100  # what compression makes of zeros; a movie is hardly ever half as small
FREE_NBYTES = 2**30  # a movie may declare so much whatever its file holds
LIMIT_S = 12.0  # to walk through an HDF5 file
HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".emd", ".hspy")
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_WALKER = """
import sys
import h5py
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
except Exception:
    pass
def walk(path):
    with h5py.File(path, "r") as file:
        seen = []
        def visit(name, item):
            seen.append(None)
            for key in list(item.attrs)[:1000]:
                item.attrs.get(key)
            if isinstance(item, h5py.Dataset) and item.shape is not None:
                if item.chunks:
                    item.id.get_num_chunks()
                if len(seen) < 100 and item.size:
                    item[(0,) * item.ndim]
                    item[(-1,) * item.ndim]
            return True if len(seen) > 10000 else None
        file.visititems(visit)
print("ready", flush=True)
for line in sys.stdin:
    try:
        walk(bytes.fromhex(line))
    except BaseException:
        pass
    print("done", flush=True)
"""


@contextlib.contextmanager
def own_errors(path, what: str = "cannot be read") -> Iterator[None]:
    """Turn whatever a library raises about a file into a `MovieError`.

    What the system says of files (`OSError`) stays as it is.
    """
    try:
        yield
    except (MovieError, ImportError, FileNotFoundError, PermissionError, Warning):
        raise
    except MemoryError as error:
        raise MovieError(f"{path}: {what}: it declares more than fits into the memory") from error
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise MovieError(
            f"{path}: {what} ({type(error).__name__}: {text}); is the file whole and valid?"
        ) from error


def guarded(movie: Movie, path: Path) -> Movie:
    """Return a movie whose frames raise nothing but `MovieError` if they cannot be read."""
    read_frame = movie.read_frame

    @functools.wraps(read_frame)
    def read(s: int, t: int):
        with own_errors(path, f"frame s={s}, t={t} cannot be read"):
            return read_frame(s, t)

    return dataclasses.replace(movie, read_frame=read)


def refuse_bomb(movie: Movie, path: Path) -> None:
    """Refuse a movie that declares far more values than its file can hold.

    Raises
    ------
    MovieError
        With both sizes.
    """
    declared = math.prod(movie.shape) * movie.dtype.itemsize
    if declared <= FREE_NBYTES:
        return
    limit = FREE_NBYTES + MOST_TIMES * _stored_nbytes(path)
    if declared > limit:
        raise MovieError(
            f"{path}: declares {declared} bytes of frames (shape {movie.shape}), expected at most "
            f"{limit} of a file of its size; it is damaged or forged"
        )


def _stored_nbytes(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(
        Path(root, name).stat().st_size for root, _, names in os.walk(path) for name in names
    )


def walk_hdf5(path: Path) -> None:
    """Let another process walk through a file if it is HDF5.

    Raises
    ------
    MovieError
        The library hangs in it or crashes.
    """
    if path.suffix.lower() not in HDF5_SUFFIXES or not path.is_file():
        return
    with open(path, "rb") as file:
        if file.read(len(HDF5_MAGIC)) != HDF5_MAGIC:
            return  # the library says so at once
    problem = _walker().problem(path)
    if problem:
        raise MovieError(f"{path}: HDF5 {problem} in it; the file is damaged")


class _Walker:
    """A process that walks through HDF5 files, one after another, until this one ends."""

    def __init__(self):
        self._lock, self._process = threading.Lock(), None

    def problem(self, path: Path) -> str | None:
        """Return what happened to the process in a file; None if nothing did, or it cannot run."""
        with self._lock:
            if self._process is None and not self._start():
                return None
            late = threading.Event()
            timer = threading.Timer(LIMIT_S, self._kill, [late])
            timer.start()
            try:
                self._process.stdin.write(os.fsencode(path.absolute()).hex() + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except OSError:
                answer = ""
            timer.cancel()
            if answer:
                return None
            self._kill()
            self._process = None
            return f"does not come to an end within {LIMIT_S:g} s" if late.is_set() else "crashes"

    def _start(self) -> bool:
        """Start the process; return whether it is there."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        try:
            command = [sys.executable, "-c", _WALKER]
            self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **pipes)
        except (OSError, ValueError, TypeError):  # where Python runs inside another program
            return False
        if self._process.stdout.readline() == "ready\n":
            return True
        self._kill()
        self._process = None
        return False

    def _kill(self, late: threading.Event | None = None) -> None:
        if late is not None:
            late.set()
        with contextlib.suppress(OSError):
            self._process.kill()
        if late is None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()


_WALKERS: dict[int, _Walker] = {}


def _walker() -> _Walker:
    """Return the walker of this process; a forked one gets its own."""
    return _WALKERS.setdefault(os.getpid(), _Walker())
