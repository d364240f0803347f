# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of a running scan, denoised as they come, in threads that Swift does not wait for."""

import contextlib
import threading

from n2v_stem_keras import LiveReport

from . import channels

BUFFERED = 4  # frames that Swift keeps for this view


class LiveView:
    """A scan that is watched, and shown denoised.

    Parameters
    ----------
    source : Facade.HardwareSource
        The scan.
    model : Predictor
    of : dict
        Detector of the model -> channel of the scan.
    show : callable
        Takes {detector: (data of the scan, denoised array)}, from a thread.
    ended : callable
        Takes the view and a sentence, '' if it was stopped.
    engine, threads
        As in `Predictor.predict`.

    Attributes
    ----------
    report : LiveReport
    """

    def __init__(self, source, model, of, show, ended, engine=None, threads=None):
        self.source, self.model, self.of, self.show, self.ended = source, model, of, show, ended
        self.how = {"engine": engine, "threads": threads}
        self.report = LiveReport()
        self._stopped, self._seen = threading.Event(), {}
        self._thread = threading.Thread(target=self._run, name="n2v-stem live", daemon=True)

    def start(self):
        """Begin; a scan that is not running is started."""
        self._thread.start()

    def stop(self):
        """End after the frame at hand; where the scan gives none, when it does again."""
        self._stopped.set()

    def join(self, timeout=None):
        """Wait until it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _frames(self):
        """Yield frames (Y, X, C), and remember the data that each was made of."""
        # as they are: without any, Swift would set the scan to none at all
        parameters = self.source.get_frame_parameters()
        task = self.source.create_view_task(parameters, buffer_size=BUFFERED)
        with contextlib.closing(task):
            number = 0
            while not self._stopped.is_set():
                found = channels.by_detector(task.grab_earliest(), self.of)
                frame = channels.stacked(found)
                self._seen[number] = found
                number += 1
                yield frame

    def _run(self):
        reason = ""
        try:
            frames = self._frames()
            stream = self.model.stream(frames, when_behind="drop", report=self.report, **self.how)
            number = 0
            with contextlib.closing(stream):
                for denoised in stream:
                    dropped = set(self.report.dropped[-1000:])
                    while number in dropped:
                        self._seen.pop(number, None)
                        number += 1
                    found = self._seen.pop(number)
                    number += 1
                    planes = enumerate(found.items())
                    self.show({name: (xdata, denoised[..., c]) for c, (name, xdata) in planes})
                    if self._stopped.is_set():
                        break
        except Exception as error:  # in a thread nobody else would see it
            reason = f"{type(error).__name__}: {error}"
        self.ended(self, reason)
