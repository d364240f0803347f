"""What is computed for the widgets: the same as without a viewer, told step by step."""

import shutil

import numpy as np
import pytest

from n2v_stem_keras import ExportedModel, FolderError, Movie
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.folder.thresholds import write_thresholds
from n2v_stem_keras.interop.napari import work
from n2v_stem_keras.interop.napari.messages import Stopped

pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")


class Report:
    """Keeps what it is told; raises `Stopped` at a step if asked to."""

    def __init__(self, stop_at=None):
        self.stop_at, self.steps, self.put_frames = stop_at, [], {}

    def __call__(self, what, done=0, total=0):
        self.steps.append((what, done, total))
        if (what, done) == self.stop_at:
            raise Stopped

    def check(self):
        pass

    def put(self, s, t, frame):
        self.put_frames[s, t] = frame


@pytest.fixture
def noisy(exported_model):
    return Movie.from_array(exported_model[1], "TYXC", detectors=("ADF", "BF"))


def test_denoised_frames_are_those_of_predict(exported_model, noisy):
    report = Report()
    provenance = work.denoise(report, noisy, exported_model[0] / "m", "onnx", False)
    expected = ExportedModel(exported_model[0] / "m").predict(noisy, engine="onnx")
    assert list(report.put_frames) == [(0, t) for t in range(6)]
    assert np.array_equal(np.stack(list(report.put_frames.values())), expected)
    assert (provenance["model"], provenance["engine"]) == ("m", "onnx")
    for what in ("Reading frame", "Denoising frame"):
        assert [step for step in report.steps if step[0] == what] == [
            (what, n + 1, 6) for n in range(6)
        ]


def test_a_stop_is_heard_at_the_next_frame(exported_model, noisy):
    report = Report(stop_at=("Denoising frame", 2))
    with pytest.raises(Stopped):
        work.denoise(report, noisy, exported_model[0] / "m", "onnx", False)
    assert list(report.put_frames) == [(0, 0), (0, 1)]


def test_a_model_is_opened_once_until_its_folder_changes(exported_model, tmp_path):
    folder = shutil.copytree(exported_model[0] / "m", tmp_path / "m")
    first = work.open_model(folder, "onnx")
    assert work.open_model(folder, "onnx") is first
    write_thresholds(folder, {"ADF": {"atoms": {"height_sigma": 3.0}}})
    second = work.open_model(folder, "onnx")
    assert second is not first
    assert second.thresholds["ADF"]["atoms"]["height_sigma"] == 3.0


def test_a_model_that_was_never_trained_is_refused(tmp_path, tiny_config):
    model_folder.create(tmp_path / "m", tiny_config)
    with pytest.raises(FolderError, match="was never trained"):
        work.open_model(tmp_path / "m")
    with pytest.raises(ValueError, match="engine is 'torch'"):
        work.open_model(tmp_path / "m", "torch")
