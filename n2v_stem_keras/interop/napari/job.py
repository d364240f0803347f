"""Long work in a thread of napari's, with a button to stop it, progress, and the time left.

The work is a function that is given a `Report`; the thread waits for the process that computes
(`process`). What goes wrong is shown as a sentence in the viewer, warnings as they come; nothing is
raised.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ...progress import duration
from .messages import Stopped, sentence

LEAST_S = 0.1  # between two reports


class Report(QObject):
    """What the work says while it goes on; made for each job, called from its thread."""

    said = Signal(int, int, str)
    shown = Signal(object)

    def __init__(self):
        super().__init__()
        self.worker, self._last = None, 0.0
        self._phase, self._began, self._first = None, 0.0, 0

    def __call__(self, what: str, done: int = 0, total: int = 0) -> None:
        """Say that step `done` of `total` is done, e.g. 'Denoising frame' 3 of 8."""
        self.progress(f"{what} {done} of {total}" if total else what, done, total, what)

    def progress(self, text: str, done: int, total: int, phase: str = "") -> None:
        """Say something, with the time left of this phase; see `__call__`."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._began, self._first = phase, now, done
        if now - self._last > LEAST_S or not 0 < done < total:
            self._last = now
            if total and done > self._first and now - self._began > 1:
                left = (now - self._began) / (done - self._first) * (total - done)
                text += f", {duration(left)} left"
            self.said.emit(done, total, text)

    @property
    def stopping(self) -> bool:
        """Whether the user has asked to stop."""
        return self.worker is not None and self.worker.abort_requested

    def show(self, thing) -> None:
        """Hand something to the widget while the work goes on."""
        self.shown.emit(thing)


class JobRow(QWidget):
    """Two buttons, a bar and a line of text: starts work, shows how far it is, stops it.

    Parameters
    ----------
    start, stop : str
        What is written on the buttons.
    begin : callable
        Called when the first button is pressed; it calls `run`. What it raises is shown.
    """

    def __init__(self, start: str, stop: str, begin: Callable[[], None]):
        super().__init__()
        self._begin, self._worker = begin, None
        self._warnings: list[str] = []
        self.start_button, self.stop_button = QPushButton(start), QPushButton(stop)
        self.stop_button.setEnabled(False)
        self.bar, self.text = QProgressBar(), QLabel()
        self.bar.setTextVisible(False)
        self.bar.setVisible(False)
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 2)
        buttons.addWidget(self.stop_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.text)
        self.start_button.clicked.connect(self._pressed)
        self.stop_button.clicked.connect(self.stop)

    @property
    def running(self) -> bool:
        """Whether work is going on."""
        return self._worker is not None

    def run(self, work: Callable, done: Callable, stopped: Callable, shown=None) -> None:
        """Start work in a thread.

        Parameters
        ----------
        work : callable
            Called with a `Report`, in the thread.
        done : callable
            Called with what `work` returned.
        stopped : callable
            Called without arguments where `work` was stopped.
        shown : callable, optional
            Called with what `work` gives to `Report.show`.
        """
        self._report, self._outcome = Report(), None
        self._warnings, self._done, self._stopped = [], done, stopped
        self._report.said.connect(self._say)
        if shown is not None:
            self._report.shown.connect(shown)
        worker = create_worker(self._guarded, work, self._report)
        self._report.worker = self._worker = worker
        worker.warned.connect(self._warn)
        worker.finished.connect(self._finish)
        self.destroyed.connect(worker.quit)
        self.start_button.setEnabled(False)
        self.stop_button.setEnabled(True)
        self.bar.setVisible(True)
        self._say(0, 0, "Starting")
        worker.start()

    def stop(self) -> None:
        """Ask the work to stop; it does so at its next step."""
        if self._worker is not None:
            self._worker.quit()
            self.stop_button.setEnabled(False)
            self.text.setText("Stopping ...")

    def say(self, text: str) -> None:
        """Show a sentence, and below it what was warned of."""
        self.text.setText("\n".join([text, *self._warnings]))

    def fail(self, error: Exception) -> None:
        """Show what went wrong as a sentence, here and as a notification of the viewer."""
        text = sentence(error)
        self.say(text)
        show_error(text)

    def begin(self, begin: Callable[[], None]) -> None:
        """Begin other work than that of the button, which ends in `run`; nothing while one runs."""
        if self.running:
            return
        try:
            begin()
        except Exception as error:
            self.fail(error)

    def _pressed(self):
        self.begin(self._begin)

    def _guarded(self, work, report):
        """Do the work; keep its result or its error, as napari's own way shows tracebacks."""
        warnings.simplefilter("ignore")  # napari's workers show all, those for programmers, too
        warnings.simplefilter("always", UserWarning)
        try:
            self._outcome = work(report)
        except Exception as error:
            self._outcome = error

    def _say(self, done, total, text):
        if not self.running or self._worker.abort_requested:
            return
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.text.setText(text)

    def _warn(self, args):
        text = f"Warning: {args[0]}"
        if text not in self._warnings:
            self._warnings.append(text)

    def _finish(self):
        self._worker, outcome, self._outcome = None, self._outcome, None
        self.bar.setVisible(False)
        self.stop_button.setEnabled(False)
        self.start_button.setEnabled(True)
        self.say("")
        try:
            if isinstance(outcome, Stopped):
                self._stopped()
            elif isinstance(outcome, Exception):
                self.fail(outcome)
            else:
                self._done(outcome)
        except Exception as error:
            self.fail(error)
