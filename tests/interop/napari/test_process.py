"""Work in a process of its own: the same results, one process kept, none left behind."""

import sys

import numpy as np
import pytest

from n2v_stem_keras import ExportedModel, Movie
from n2v_stem_keras.interop.napari import process
from n2v_stem_keras.interop.napari.messages import Failed

pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")


class Report:
    """Hears everything and never stops."""

    stopping = False

    def __call__(self, *what):
        pass

    progress = show = __call__


@pytest.fixture(autouse=True)
def _none_left():
    process.close_idle()
    yield
    process.close_idle()


def test_one_process_does_one_thing_after_the_other(exported_model):
    """A sentence is what comes of a failure, after which it works on; then it is ended."""
    basedir, frames = exported_model
    movie, put = Movie.from_array(frames, "TYXC", detectors=("ADF", "BF")), {}
    how = {"folder": str(basedir / "nowhere"), "engine": "onnx", "tta": False}
    with pytest.raises(Failed, match="no such model folder"):
        process.do("denoise", movie, how, Report())
    (child,) = process._idle
    how["folder"] = str(basedir / "m")
    made = process.do("denoise", movie, how, Report(), lambda s, t, frame: put.update({t: frame}))
    assert process._idle == [child]
    assert made["engine"] == "onnx"
    expected = ExportedModel(basedir / "m").predict(frames, engine="onnx")
    np.testing.assert_allclose([put[t] for t in range(6)], expected, atol=1e-3)
    process.close_idle()
    assert not child.alive
    assert process._idle == []


def test_a_process_that_dies_at_once_is_said(exported_model, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    movie = Movie.from_array(exported_model[1], "TYXC")
    with pytest.raises(Failed, match=r"ended by itself \(exit code 1\)"):
        process.do("denoise", movie, {}, Report())
    assert process._idle == []
