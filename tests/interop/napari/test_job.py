"""Long work of the viewer: stopped when asked, and what goes wrong is a sentence."""

import sys
import threading
import time

import numpy as np
from napari_driving import NAMES, press, wait

from n2v_stem_keras.interop.napari import layers, process


class HeldFrames:
    """A long movie of one detector of which frames after the fourth come when `go_on` is set."""

    shape, dtype, ndim = (400, 32, 32), np.dtype(np.float32), 3

    def __init__(self):
        self.n_read, self.go_on = 0, threading.Event()

    def __getitem__(self, index):
        self.n_read += 1
        if self.n_read > 4:
            self.go_on.wait(60)
        return np.random.default_rng(0).normal(size=self.shape)[index].astype(np.float32)


def test_cancel_stops_and_adds_nothing(viewer, denoise):
    import dask.array as da

    frames = [HeldFrames() for _ in NAMES]
    for name, held in zip(NAMES, frames):
        viewer.add_image(da.from_array(held, chunks=(1, 32, 32)), name=name,
                         contrast_limits=(-3, 3))  # fmt: skip
    widget = denoise(viewer)
    widget.job.start_button.click()
    wait(lambda: "frame" in widget.job.text.text())
    assert widget.job.stop_button.isEnabled()
    began = time.monotonic()
    widget.job.stop_button.click()
    for held in frames:
        held.go_on.set()
    wait(lambda: not widget.job.running)
    assert time.monotonic() - began < 5
    assert widget.job.text.text() == "Stopped; nothing was added."
    assert len(viewer.layers) == 2
    assert widget.job.start_button.isEnabled()


def test_what_goes_wrong_in_the_thread_is_a_sentence(two_layers, denoise, said, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("of all things")

    widget = denoise(two_layers)
    with monkeypatch.context() as patch:
        patch.setattr(layers.Results, "put", broken)
        press(widget)
    assert said() == ["ZeroDivisionError: of all things (please report it)"]
    press(widget)  # in a new process
    assert "scan BF denoised" in two_layers.layers


def test_a_process_that_dies_leaves_the_viewer_whole(two_layers, denoise, said, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    process.close_idle()
    widget = denoise(two_layers)
    press(widget)
    assert "ended by itself (exit code 1)" in said()[0]
    assert len(two_layers.layers) == 2


def test_what_the_model_warns_of_is_shown(two_layers, denoise, said):
    two_layers.layers[0].data = 1000 + 100 * np.add.outer(
        np.zeros(12), np.add.outer(np.sin(np.arange(64)), np.sin(np.arange(48)))
    )
    widget = denoise(two_layers)
    press(widget)
    assert "Warning: " in widget.job.text.text()
    assert "noise" in widget.job.text.text()
