"""Exports of others are not opened: they run like code."""

import hashlib
import json
import shutil
import stat

import numpy as np
import pytest

from n2v_stem_keras import N2VStem, open_model
from n2v_stem_keras.folder import export, pretrained, seal
from n2v_stem_keras.folder.folder import EXPORT, GRAPH, FolderError
from n2v_stem_keras.prediction import engines
from n2v_stem_keras.prediction.predictor import ExportedModel


@pytest.fixture
def folder(exported_model, tmp_path):
    shutil.copytree(exported_model[0] / "m", tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def another_account(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another"))


def forge(folder, graph: bytes, **values):
    """Put another graph into a folder, with the right hash."""
    (folder / GRAPH).write_bytes(graph)
    described = json.loads((folder / EXPORT).read_text())
    described["graph"] = f"sha256:{hashlib.sha256(graph).hexdigest()}"
    (folder / EXPORT).write_text(json.dumps(described | values))


def identity():
    from onnx import TensorProto, helper

    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["b", "y", "x", 2]) for n in ("a", "b")
    ]
    graph = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "g", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


GRAPHS = {
    "identity": identity,
    "OpenVINO IR": lambda: b'<?xml version="1.0"?><net name="x" version="11"/>',
    "garbage": lambda: bytes(range(256)),
}


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("kind", GRAPHS)
def test_forged_graphs_are_not_opened(folder, exported_model, kind, engine):
    forge(folder, GRAPHS[kind]())
    with pytest.raises(export.ForeignExport, match="not made by this account"):
        open_model(folder, engine)
    # the model itself is as it was: the network is converted anew
    model = N2VStem(None, "m", folder.parent)
    with pytest.warns(UserWarning, match="not made by this account"):
        found = model.predict(exported_model[1], engine=engine)
    np.testing.assert_allclose(found, model.predict(exported_model[1]), rtol=1e-3)


@pytest.mark.parametrize("change", [{"tile_overlap": 0}, {"seal": ""}, {"seal": "é" * 64}])
def test_a_seal_is_of_all_that_is_described(folder, change):
    described = json.loads((folder / EXPORT).read_text())
    (folder / EXPORT).write_text(json.dumps(described | change))
    with pytest.raises(export.ForeignExport):
        ExportedModel(folder)


def test_another_account_makes_its_own(folder, another_account, monkeypatch):
    assert not seal.key_file().exists()
    with pytest.raises(export.ForeignExport, match="export it again: n2v-stem export"):
        ExportedModel(folder)
    assert stat.S_IMODE(seal.key_file().stat().st_mode) == 0o600
    monkeypatch.setenv(seal.TRUST, "1")
    assert ExportedModel(folder).trained
    monkeypatch.setenv(seal.TRUST, "0")
    with pytest.raises(export.ForeignExport):
        ExportedModel(folder)
    N2VStem(None, "m", folder.parent).export(format="onnx")
    assert ExportedModel(folder).trained


def test_auto_goes_on_with_tensorflow(folder, another_account):
    with pytest.warns(UserWarning, match="Using TensorFlow: .* not made by this account"):
        assert isinstance(open_model(folder, "auto"), N2VStem)


def test_installed_models_and_copies_of_them_are_trusted(tmp_path, another_account):
    name = "graphene-au-live"
    assert open_model(name, "onnx").trained
    shutil.copytree(pretrained.find(name), tmp_path / "mine")
    assert open_model(tmp_path / "mine", "onnx").trained
    forge(tmp_path / "mine", identity())
    with pytest.raises(export.ForeignExport):
        open_model(tmp_path / "mine", "onnx")


def test_without_a_home_an_export_serves_its_process(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="only this process can open"):
        N2VStem(None, "m", folder.parent).export(format="onnx")
    with pytest.warns(UserWarning, match="only this process can open"):
        assert ExportedModel(folder).trained


def test_what_an_engine_cannot_open_is_an_own_error():
    for name in engines.EXPORT_ENGINES:
        with pytest.raises(FolderError, match="cannot open the ONNX export"):
            engines.open_engine(name, export.Export(b"garbage", "sha256:0", 8))


def test_huge_graphs_are_refused_by_their_size(folder):
    with open(folder / GRAPH, "r+b") as file:
        file.truncate(40 * 2**30)
    with pytest.raises(FolderError, match=r"network.onnx: 42949672960 bytes, expected at most"):
        ExportedModel(folder)
