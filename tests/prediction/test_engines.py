"""Engines agree; exports are fresh, whole and free of TensorFlow."""

import os
import shutil

import numpy as np
import pytest
from networks import samples_with_lattice

from n2v_stem_keras import ExportedModel, N2VStem
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.prediction import engines

pytest.importorskip("openvino")
pytest.importorskip("tf2onnx")

OTHERS = tuple(engines.MODULES)


@pytest.fixture
def trained(exported_model):
    return exported_model


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of its folder, to be tampered with."""
    return shutil.copytree(trained[0] / "m", tmp_path / "m")


def test_auto_takes_an_engine_that_is_set_up(trained, folder, monkeypatch):
    model = N2VStem(None, "m", trained[0])
    assert model.denoiser_on("auto").engine.name == "openvino"
    monkeypatch.setattr(engines, "is_installed", lambda engine: engine == "onnx")
    assert model.denoiser_on("auto").engine.name == "onnx"
    monkeypatch.setattr(engines, "is_installed", lambda engine: False)
    with pytest.warns(
        UserWarning, match="Using TensorFlow: no engine .* is installed; pip install"
    ):
        assert model.denoiser_on("auto").engine.name == "tensorflow"
    monkeypatch.undo()
    (folder / model_folder.EXPORT).unlink()
    assert N2VStem(None, "m", folder.parent).denoiser_on("auto").engine.name == "tensorflow"
    assert model.denoiser_on().engine.name == "tensorflow"


def test_threads_reach_the_engines(trained):
    light = ExportedModel(trained[0] / "m")
    session = light.denoiser_on("onnx", 1).engine.session
    assert session.get_session_options().intra_op_num_threads == 1
    compiled = light.denoiser_on("openvino", 1).engine.compiled
    # one thread for each of the calls that may run at the same time
    assert compiled.get_property("NUM_STREAMS") == compiled.get_property("INFERENCE_NUM_THREADS")
    compiled = light.denoiser_on("openvino", os.cpu_count()).engine.compiled
    assert compiled.get_property("NUM_STREAMS") == 1
    assert light.denoiser_on("onnx", 1) is light.denoiser_on("onnx", 1)


def test_openvino_does_not_round_to_bfloat16(trained):
    """Where the processor could, it would by itself: errors of several percent."""
    import openvino

    compiled = ExportedModel(trained[0] / "m").denoiser_on("openvino").engine.compiled
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32


@pytest.mark.parametrize("engine", OTHERS)
def test_results_stay_when_the_engine_runs_again(trained, engine):
    denoiser = ExportedModel(trained[0] / "m").denoiser_on(engine)
    frames = samples_with_lattice((32, 48), denoiser.config)
    first = denoiser(frames)
    kept = first.copy()
    assert not np.array_equal(denoiser(frames[::-1]), kept)
    np.testing.assert_array_equal(first, kept)


def test_time_per_frame_can_be_asked_for(trained):
    denoiser = ExportedModel(trained[0] / "m").denoiser_on("onnx")
    seconds = engines.seconds_per_frame(denoiser, (32, 48), n_frames=3)
    assert len(seconds) == 3
    assert denoiser.n_frames == 5
    assert 0 < sum(seconds) <= denoiser.seconds
