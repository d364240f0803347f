"""Signals as a user of HyperSpy has them; tests that need them are skipped where it is missing."""

import pytest

with pytest.MonkeyPatch.context() as patch:
    patch.setattr("warnings.warn", lambda *_, **__: None)
    hs = pytest.importorskip("hyperspy.api")


def gold(movie):
    """Two detectors in time, (T, C, Y, X), of a movie (T, Y, X, C)."""
    signal = hs.signals.Signal2D(movie.transpose(0, 3, 1, 2).copy())
    time, detector, y, x = signal.axes_manager._axes
    time.name, time.units, time.scale, time.offset = "time", "ms", 40, 7
    detector.name = "detector"
    for axis, name in ((y, "y"), (x, "x")):
        axis.name, axis.units, axis.scale = name, "pm", 46
    signal.metadata.General.title = "gold"
    signal.metadata.set_item("Acquisition_instrument.TEM.beam_energy", 80.0)
    return signal
