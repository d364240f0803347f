"""Exports in the model folder: fresh, whole, and not trusted."""

import json
import shutil

import numpy as np
import pytest
from networks import samples_with_lattice

from n2v_stem_keras import ExportedModel, FolderError, N2VStem
from n2v_stem_keras.folder import export as exported
from n2v_stem_keras.folder import folder as model_folder

pytest.importorskip("openvino")
pytest.importorskip("tf2onnx")

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def trained(exported_model):
    return exported_model


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of its folder, to be tampered with."""
    return shutil.copytree(trained[0] / "m", tmp_path / "m")


def test_stale_exports_are_noticed(trained, folder):
    _, movie = trained
    model = N2VStem(None, "m", folder.parent)
    before = model.predict(movie, engine="onnx")
    model.keras_model.set_weights([1.1 * w for w in model.keras_model.get_weights()])
    with pytest.warns(UserWarning, match="Using TensorFlow: .* made of other weights"):
        assert model.denoiser_on("auto").engine.name == "tensorflow"
    with pytest.warns(UserWarning, match="made of other weights .* export it again"):
        after = model.predict(movie, engine="onnx")
    assert np.abs(after - model.predict(movie)).max() < 1e-4 * movie.std()
    assert np.abs(after - before).max() > 0.1

    model_folder.save_weights(model.keras_model, folder / model_folder.WEIGHTS_BEST)
    with pytest.raises(exported.StaleExport, match="n2v-stem export"):
        ExportedModel(folder)
    model.export(format="onnx")
    np.testing.assert_allclose(ExportedModel(folder).predict(movie, engine="onnx"), after)


def test_another_network_of_the_same_weights_makes_the_export_stale(folder):
    values = json.loads((folder / model_folder.CONFIG).read_text())
    (folder / model_folder.CONFIG).write_text(json.dumps({**values, "unet_pool": "max"}))
    with pytest.raises(exported.StaleExport):
        ExportedModel(folder)


def tamper(folder, **changes):
    path = folder / model_folder.EXPORT
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": model_folder.FORMAT_VERSION + 1}, "newer"),
        ({"tile_overlap": -1}, "tile_overlap: found -1"),
        ({"tile_overlap": True}, "tile_overlap: found True, expected int"),
        ({"graph": 3}, "graph: found 3, expected str"),
        ({"more": 1}, "unknown key 'more'"),
        ({"graph": "sha256:0"}, "damaged, export it again"),
    ],
)
def test_descriptions_of_exports_are_not_trusted(folder, changes, message):
    tamper(folder, **changes)
    with pytest.raises(FolderError, match=message):
        ExportedModel(folder)


def test_graphs_are_not_trusted(folder, tmp_path):
    graph = folder / model_folder.GRAPH
    good = graph.read_bytes()
    graph.write_bytes(good[:-10])
    with pytest.raises(FolderError, match="is not the graph"):
        ExportedModel(folder)
    outside = good + b"location"
    graph.write_bytes(outside)
    tamper(folder, graph=exported._sha256(outside))
    with pytest.raises(FolderError, match="data outside the file"):
        ExportedModel(folder)
    graph.unlink()
    (tmp_path / "elsewhere").write_bytes(good)
    graph.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderError, match="leads out of the model folder"):
        ExportedModel(folder)


def test_what_we_search_for_is_how_onnx_names_outside_data(tmp_path, trained):
    import onnx

    model = onnx.load(trained[0] / "m" / model_folder.GRAPH)
    onnx.save(model, tmp_path / "a.onnx", save_as_external_data=True, size_threshold=0)
    assert b"location" in (tmp_path / "a.onnx").read_bytes()


def test_a_model_without_weights_or_export_says_what_to_do(folder, tiny_config, tmp_path):
    N2VStem(tiny_config, "new", tmp_path)
    with pytest.raises(FolderError, match="was never trained"):
        ExportedModel(tmp_path / "new")
    (folder / model_folder.EXPORT).unlink()
    with pytest.raises(exported.NoExport, match="n2v-stem export"):
        ExportedModel(folder)


def test_overwriting_a_model_removes_its_export(folder, tiny_config):
    N2VStem(tiny_config, "m", folder.parent, overwrite=True)
    assert {p.name for p in folder.iterdir()} == {model_folder.CONFIG}


def test_export_elsewhere_and_bad_formats(trained, tmp_path):
    model = N2VStem(None, "m", trained[0])
    path = model.export(tmp_path / "n.onnx", format="onnx")
    session = onnxruntime.InferenceSession(path)
    frames = samples_with_lattice((32, 32), model.config)
    (found,) = session.run(None, {"frames": frames})
    assert np.abs(found - model.keras_model(frames).numpy()).max() < 1e-4
    with pytest.raises(FolderError, match="exists"):
        model.export(path, format="onnx")
    with pytest.raises(ValueError, match="format is 'tflite', expected"):
        model.export(format="tflite")
