"""One way to open a model, with TensorFlow or without."""

import json
import shutil
import warnings

import pytest

from n2v_stem_keras import ExportedModel, FolderError, N2VStem, open_model
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.folder import pretrained
from n2v_stem_keras.folder.export import NoExport, StaleExport
from n2v_stem_keras.opening import find_folder
from n2v_stem_keras.prediction import engines

LIVE = "graphene-au-live"


@pytest.fixture
def folder(tmp_path):
    """A copy of the ready-made model with an export."""
    shutil.copytree(pretrained.find(LIVE), tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def stale(folder):
    """The same, but the export is of other weights."""
    about = json.loads((folder / model_folder.EXPORT).read_text(encoding="utf-8"))
    about["weights"] = "sha256:" + "0" * 64
    (folder / model_folder.EXPORT).write_text(json.dumps(about), encoding="utf-8")
    return folder


def test_a_folder_and_a_ready_made_model_are_opened_alike(folder):
    mine, theirs = open_model(folder), open_model(LIVE)
    assert isinstance(mine, N2VStem)
    assert mine.fingerprint == theirs.fingerprint
    # what is trained on goes to the user's folder, never to the installed one
    assert (mine.logdir, theirs.logdir) == (folder, None)
    assert open_model(pretrained.find(LIVE)).logdir is None


def test_a_folder_comes_before_a_ready_made_model_of_its_name(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert find_folder(LIVE) == pretrained.find(LIVE)
    folder.rename(folder.parent / LIVE)
    assert find_folder(LIVE) == folder.parent / LIVE


@pytest.mark.parametrize("engine", ["onnx", "auto"])
def test_an_export_is_opened_without_tensorflow(folder, engine):
    pytest.importorskip("onnxruntime")
    model = open_model(folder, engine)
    assert isinstance(model, ExportedModel)
    assert model.fingerprint == open_model(folder).fingerprint


def test_auto_says_why_an_export_that_is_there_is_not_used(stale):
    pytest.importorskip("onnxruntime")
    with pytest.warns(UserWarning, match=r"Using TensorFlow: .*other weights.*export it again"):
        assert isinstance(open_model(stale, "auto"), N2VStem)
    with pytest.warns(UserWarning, match=r"Using TensorFlow: .*other weights"):
        assert open_model(stale).denoiser_on("auto").engine.name == "tensorflow"
    with pytest.raises(StaleExport):
        open_model(stale, "onnx")


def test_auto_says_so_where_no_engine_is_installed(folder, monkeypatch):
    monkeypatch.setattr(engines, "is_installed", lambda engine: False)
    with pytest.warns(UserWarning, match=r"Using TensorFlow: .*pip install"):
        assert isinstance(open_model(folder, "auto"), N2VStem)


def test_without_an_export_auto_takes_tensorflow_without_a_word(folder):
    (folder / model_folder.EXPORT).unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(open_model(folder, "auto"), N2VStem)
    pytest.importorskip("onnxruntime")
    with pytest.raises(NoExport, match="has no ONNX export; make one: n2v-stem export"):
        open_model(folder, "onnx")


def test_a_ready_made_model_without_an_export_says_where_one_can_go():
    pytest.importorskip("onnxruntime")
    with pytest.raises(NoExport, match=r"n2v-stem export haadf-general --out models/haadf-general"):
        open_model("haadf-general", "onnx")


def test_what_cannot_be_opened_is_said(folder, tiny_config, tmp_path):
    with pytest.raises(FolderError, match=r"no such model folder; did you mean .*mine\?"):
        open_model(tmp_path / "mein")
    with pytest.raises(ValueError, match="engine is 'tensorflo', expected one of"):
        open_model(folder, "tensorflo")
    N2VStem(tiny_config, "empty", tmp_path)
    with pytest.raises(FolderError, match="never trained"):
        open_model(tmp_path / "empty")
