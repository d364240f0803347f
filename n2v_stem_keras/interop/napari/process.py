"""Work in a process of its own, so that the viewer stays whole.

TensorFlow (2.20 and later) and the OpenGL of Mesa (Linux: software, Intel, AMD) bring different
versions of LLVM that cannot live in one process: whichever comes second crashes
(https://github.com/mcfletch/pyopengl/issues/170, https://github.com/pyvista/pyvista/issues/7943).
So napari's process never imports TensorFlow. A process that has done its work is kept for the next,
since TensorFlow takes seconds to start.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import secrets
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from multiprocessing.connection import Listener

from ...escaping import escaped
from ...io import Movie
from .messages import Failed, Stopped

_idle: list[Child] = []
_lock = threading.Lock()


class Child:
    """A process that computes, and the connection with it."""

    def __init__(self):
        key = secrets.token_bytes(32)
        with Listener(authkey=key) as listener:
            command = [sys.executable, "-m", "n2v_stem_keras.interop.napari.child"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
            lines = "".join(f"{one.hex()}\n" for one in (listener.address.encode(), key))
            with contextlib.suppress(BrokenPipeError):  # it died at once, which is found below
                self._process.stdin.write(lines)
                self._process.stdin.flush()
            self._connection = self._accept(listener)

    def _accept(self, listener):
        """Wait until the process calls; it may die before, and would never."""
        calls = []
        thread = threading.Thread(target=lambda: calls.append(listener.accept()), daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
            if self._process.poll() is not None and not calls:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()
                raise Failed(self._died())
        return calls[0]

    @property
    def alive(self) -> bool:
        """Whether it can be asked for more."""
        return self._process.poll() is None

    def do(self, task: str, movies: tuple, options: dict, report, put: Callable | None):
        """Have something done; see `do`."""
        fields = [{f.name: getattr(m, f.name) for f in dataclasses.fields(m)} for m in movies]
        for known in fields:
            del known["read_frame"]
        try:
            self._connection.send((task, fields, options))
            while True:
                kind, *what = self._connection.recv()
                if kind == "done":
                    return what[0]
                if kind == "failed":
                    raise Failed(what[0])
                if kind == "stopped":
                    raise Stopped
                self._connection.send(self._answer(kind, what, movies, report, put))
        except (EOFError, ConnectionError):
            raise Failed(self._died()) from None

    @staticmethod
    def _answer(kind: str, what: list, movies: tuple, report, put: Callable | None):
        """Return the frame asked for, or whether to go on."""
        if kind == "frame":
            number, *place = what
            return movies[number].frame(*place)
        if kind == "put":
            put(*what)
        elif kind == "show":
            report.show(*what)
        elif kind == "warn":
            warnings.warn(escaped(what[0]), UserWarning, stacklevel=2)
        elif kind == "progress":
            report.progress(*what)
        return not report.stopping

    def _died(self) -> str:
        code = self._process.wait()
        return (
            f"the process that computes ended by itself (exit code {code}); perhaps there was not "
            "enough memory. What it said last stands in the terminal that napari runs in"
        )

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()


def do(task: str, movies, options: dict, report, put: Callable | None = None):
    """Do a task of `work` in another process.

    Parameters
    ----------
    task : str
        Name of a function of `work`.
    movies : io.Movie, or a tuple of them
        What the function takes, one after the other; their frames are read here, when they are
        asked for.
    options : dict
        More arguments.
    report : job.Report
    put : callable, optional
        Called with (s, t, frame) of each denoised frame.

    Returns
    -------
    object
        What the function returns.

    Raises
    ------
    Stopped, Failed
    """
    with _lock:
        child = _idle.pop() if _idle else None
    if child is None or not child.alive:
        report("Starting")
        child = Child()
    whole, movies = False, (movies,) if isinstance(movies, Movie) else tuple(movies)
    try:
        result = child.do(task, movies, options, report, put)
        whole = True
        return result
    except (Stopped, Failed):
        whole = child.alive
        raise
    finally:
        with _lock:
            kept = whole and not _idle
            if kept:
                _idle.append(child)
        if not kept:
            child.close()


def close_idle() -> None:
    """End the process that waits for work."""
    with _lock:
        while _idle:
            _idle.pop().close()


atexit.register(close_idle)
