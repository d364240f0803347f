"""What the tests of the viewer's widgets share: waiting, pressing buttons, looking at layers.

Tests that need it are skipped where the viewer is missing.
"""

import os
import time

import numpy as np
import pytest

from n2v_stem_keras import Movie, write_movie

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
REASON = "napari or its window library is not installed: pip install 'n2v_stem_keras[napari]'"
with pytest.MonkeyPatch.context() as patch:
    patch.setattr("warnings.warn", lambda *_, **__: None)  # of napari's own imports
    pytest.importorskip("napari", reason=REASON)
    widgets = pytest.importorskip("qtpy.QtWidgets", reason=REASON, exc_type=ImportError)
    from napari.layers import Layer
    from qtpy.QtCore import QEvent
    from qtpy.QtTest import QTest

    # they import the rest of napari
    from n2v_stem_keras.interop.napari import atoms, denoise, train

__all__ = [
    "NAMES",
    "TINY",
    "Layer",
    "QEvent",
    "assert_equal_states",
    "atoms",
    "denoise",
    "press",
    "states",
    "train",
    "wait",
    "widgets",
    "write",
]
NAMES = ("ADF", "BF")
PATIENCE_S = 1200  # a training takes a minute, and many on a busy machine
TINY = {
    "unet_n_depth": 1,
    "unet_n_first": 2,
    "unet_kern_size_first": 3,
    "unet_lattice": "windows",
    "unet_lattice_window": 16,
    "n2v_patch_shape": (32, 32),
    "n2v_pitch": 2,
    "train_epochs": 2,
    "train_steps_per_epoch": 2,
    "train_batch_size": 2,
}


def wait(until):
    """Let the program run until something is so."""
    began = time.monotonic()
    while not until():
        assert time.monotonic() - began < PATIENCE_S, "takes too long"
        QTest.qWait(10)  # [ms]


def press(widget):
    """Press the start button and wait for the end."""
    widget.job.start_button.click()
    wait(lambda: not widget.job.running)


def write(path, array, axes, **said):
    """Write an array as a file with what is known of it."""
    write_movie(path, Movie.from_array(array, axes, **said))


def states(viewer):
    """Return what must not change of the user's layers."""
    return [
        (la.name, np.array(la.data), tuple(la.contrast_limits), tuple(la.scale), dict(la.metadata))
        for la in viewer.layers
    ]


def assert_equal_states(before, after):
    assert len(before) == len(after)
    for one, other in zip(before, after):
        assert np.array_equal(one[1], other[1])
        assert (one[0], *one[2:]) == (other[0], *other[2:])
