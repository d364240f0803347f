"""The process that computes: ``python -m n2v_stem_keras.interop.napari.child``.

It asks the viewer's process for frames, tells it how far it is, and hears whether to go on. It ends
when the viewer's process does.
"""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from multiprocessing.connection import Client

from ...io import Movie
from . import work
from .messages import Stopped, sentence


class RemoteReport:
    """The report of `job`, at the other end of a connection."""

    def __init__(self, connection):
        self._connection, self._lock = connection, threading.Lock()

    def ask(self, kind: str, *what):
        """Send something and wait for the answer; several threads may."""
        with self._lock:
            self._connection.send((kind, *what))
            return self._connection.recv()

    def __call__(self, what: str, done: int = 0, total: int = 0) -> None:
        """Say that step `done` of `total` is done; see `job.Report`."""
        self.progress(f"{what} {done} of {total}" if total else what, done, total, what)

    def progress(self, text: str, done: int, total: int, phase: str = "") -> None:
        """Say something, and how far this phase is."""
        self._go_on(self.ask("progress", text, done, total, phase))

    def check(self) -> None:
        """Raise `Stopped` if the user has asked to stop."""
        self._go_on(self.ask("check"))

    def show(self, thing) -> None:
        """Hand something to the widget."""
        self.ask("show", thing)

    def put(self, s: int, t: int, frame) -> None:
        """Hand over a denoised frame (Y, X, C)."""
        self.ask("put", s, t, frame)

    @staticmethod
    def _go_on(answer: bool):
        if not answer:
            raise Stopped


def main() -> None:
    """Do what the viewer's process asks for, one task after the other."""
    address, key = (bytes.fromhex(sys.stdin.readline().strip()) for _ in range(2))
    with Client(address.decode(), authkey=key) as connection:
        while True:
            try:
                task, fields, options = connection.recv()
            except EOFError:
                return
            connection.send(_do(RemoteReport(connection), task, fields, options))


def _do(report: RemoteReport, task: str, fields: list, options: dict) -> tuple:
    """Do one task; return its result, or what went wrong."""
    movies = [
        Movie(read_frame=functools.partial(report.ask, "frame", number), **known)
        for number, known in enumerate(fields)
    ]

    def warn(message, category, *_):
        if issubclass(category, UserWarning):  # others are for programmers
            report.ask("warn", str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = warn
        try:
            return "done", getattr(work, task)(report, *movies, **options)
        except Stopped:
            return ("stopped",)
        except Exception as error:
            return "failed", sentence(error)


if __name__ == "__main__":
    main()
