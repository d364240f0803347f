"""Engines agree; exports are fresh, whole and free of TensorFlow."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from networks import strong_network

from n2v_stem_keras import ExportedModel, FolderError, N2VStem, N2VStemConfig
from n2v_stem_keras.folder import export as exported
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.network.unet import build_network
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.prediction import engines
from n2v_stem_keras.prediction.convert import convert
from n2v_stem_keras.prediction.tiles import Denoiser

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
pytest.importorskip("tf2onnx")

OTHERS = tuple(engines.MODULES)
SMALL = {
    "unet_n_depth": 2,
    "unet_n_first": 3,
    "n2v_patch_shape": None,
}
VARIANTS = [
    {},
    {"channels": ("HAADF",)},
    {"unet_pool": "max", "unet_upsample": "nearest"},
    {"unet_pool": "blur", "unet_upsample": "transposed", "unet_top_skip": False},
    {"unet_block": "separable", "unet_bottleneck": "aspp"},
    {"unet_block": "aspp", "n2v_context_frames": 1},
    {"unet_lattice": "windows", "unet_lattice_window": 16},
    {"unet_lattice": "waves", "unet_lattice_window": 16},
    {"unet_lattice": "windows", "unet_lattice_window": 16, "unet_blurs": 2},
    {"unet_lattice": "frame", "unet_stem": 4},
    {"unet_lattice": "frame", "unet_independent_detectors": True, "n2v_context_frames": 1},
    {
        "unet_lattice": "windows",
        "unet_lattice_window": 32,
        "unet_independent_detectors": True,
        "n2v_context_frames": 1,
    },
]


def frames_with_lattice(shape, n_channels, n_frames=2):
    """Noise and a lattice strong enough to pass the Wiener filter, (B, Y, X, C)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(0).normal(size=(n_frames, *shape, n_channels))
    return (noise + 2 * np.cos(1.1 * x + 0.4 * y)[..., None]).astype(np.float32)


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda c: " ".join(map(str, c.values())) or "-")
def test_engines_agree(changes):
    """To 1e-4 of the data's standard deviation; odd sizes, tiles and flips included."""
    config = N2VStemConfig(**{**SMALL, **changes}).check()
    network = strong_network(config)
    reference = Denoiser(engines.TensorFlowEngine(network, config), config)
    export = convert(network, config)
    assert export.tile_overlap == reference.halo
    others = [Denoiser(engines.open_engine(name, export), config) for name in OTHERS]
    cases = [
        ((64, 48), {}),
        ((67, 41), {}),
        ((1, 17), {}),
        ((150, 130), {"n_tiles": (2, 3)}),
        ((33, 64), {"tta": True}),
    ]
    for shape, options in cases:
        frames = frames_with_lattice(shape, config.n_channel_in)
        expected = reference(frames, **options)
        for other in others:
            found = other(frames, **options)
            assert found.shape == expected.shape
            assert found.dtype == np.float32
            assert np.abs(found - expected).max() < 1e-4 * frames.std(), other.engine.name
    assert expected.std() > 0


def test_the_lattice_of_this_test_passes_the_filter():
    """The control: were there no lattice image, its agreement would prove nothing."""
    config = N2VStemConfig(**SMALL, unet_lattice="windows", unet_lattice_window=16).check()
    layer = build_network(config).get_layer("wiener")
    assert layer(frames_with_lattice((64, 48), 2)).numpy().std() > 0.5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained model, exported, and a movie."""
    from n2v_stem_keras.training import data

    rng = np.random.default_rng(1)
    movie = (500 + 20 * rng.normal(size=(6, 45, 50, 2))).astype(np.float32)
    config = N2VStemConfig.preset(
        "laptop",
        unet_n_depth=1,
        unet_n_first=3,
        unet_lattice="windows",
        unet_lattice_window=16,
        n2v_patch_shape=(32, 32),
        train_epochs=1,
        train_steps_per_epoch=4,
        train_batch_size=2,
    )
    basedir = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "MIN_VALIDATION_PIXELS", 2000)
        model = N2VStem(config, "m", basedir)
        model.train(movie, pixel_size_nm=0.05, verbose=False)
    model.export(format="onnx")
    np.save(basedir / "movie.npy", movie)
    return basedir, movie


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of that folder, to be tampered with."""
    import shutil

    return shutil.copytree(trained[0] / "m", tmp_path / "m")


def test_predict_is_the_same_on_all_engines(trained):
    basedir, movie = trained
    model, light = N2VStem(None, "m", basedir), ExportedModel(basedir / "m")
    expected, statistics = model.predict(movie), scan(movie)
    for engine in (*OTHERS, "auto"):
        for one in (model, light):
            found = one.predict(movie, engine=engine)
            assert np.abs(found - expected).max() < 1e-4 * movie.std()
            by_frame = [frame for _, frame in one.predict_frames(movie, engine=engine)]
            np.testing.assert_allclose(by_frame, found, atol=1e-4)
            known = {"mean": statistics.mean, "sd": statistics.sd}
            streamed = list(one.stream(iter(movie), **known, engine=engine))
            assert np.abs(np.array(streamed) - expected).max() < 1e-4 * movie.std()
    np.testing.assert_array_equal(light.predict(movie), light.predict(movie, engine="openvino"))


def test_auto_takes_an_engine_that_is_set_up(trained, folder, monkeypatch):
    model = N2VStem(None, "m", trained[0])
    assert model.denoiser_on("auto").engine.name == "openvino"
    monkeypatch.setattr(engines, "is_installed", lambda engine: engine == "onnx")
    assert model.denoiser_on("auto").engine.name == "onnx"
    monkeypatch.setattr(engines, "is_installed", lambda engine: False)
    assert model.denoiser_on("auto").engine.name == "tensorflow"
    monkeypatch.undo()
    (folder / model_folder.EXPORT).unlink()
    assert N2VStem(None, "m", folder.parent).denoiser_on("auto").engine.name == "tensorflow"
    assert model.denoiser_on().engine.name == "tensorflow"


@pytest.mark.parametrize("basedir", [None, "folder"])
def test_without_an_export_the_network_is_converted_in_memory(trained, folder, basedir):
    _, movie = trained
    (folder / model_folder.EXPORT).unlink()
    model = N2VStem(None, "m", folder.parent)
    if basedir is None:
        weights = model.keras_model.get_weights()
        model = N2VStem(model.config, basedir=None)
        model.keras_model.set_weights(weights)
        model.trained = True
    found = model.predict(movie, engine="onnx")
    assert np.abs(found - model.predict(movie)).max() < 1e-4 * movie.std()
    assert not (folder / model_folder.EXPORT).exists()


def test_stale_exports_are_noticed(trained, folder):
    _, movie = trained
    model = N2VStem(None, "m", folder.parent)
    before = model.predict(movie, engine="onnx")
    model.keras_model.set_weights([1.1 * w for w in model.keras_model.get_weights()])
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
        ({"format_version": 99}, "newer"),
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
    frames = frames_with_lattice((32, 32), 2)
    (found,) = session.run(None, {"frames": frames})
    assert np.abs(found - model.keras_model(frames).numpy()).max() < 1e-4
    with pytest.raises(FolderError, match="exists"):
        model.export(path, format="onnx")
    with pytest.raises(ValueError, match="format is 'tflite', expected"):
        model.export(format="tflite")


def test_wrong_engines_and_threads_are_explained(trained, monkeypatch):
    model = N2VStem(None, "m", trained[0])
    with pytest.raises(ValueError, match="engine is 'torch', expected one of 'auto', 'tensorflow'"):
        model.predict(trained[1], engine="torch")
    for threads in (0, -2, 1.5, True):
        with pytest.raises(ValueError, match="threads is"):
            model.predict(trained[1], engine="onnx", threads=threads)
    with pytest.raises(ValueError, match="TF_NUM_INTRAOP_THREADS=1 in its environment"):
        model.predict(trained[1], threads=1)
    light = ExportedModel(trained[0] / "m")
    with pytest.raises(ValueError, match="runs without TensorFlow"):
        light.predict(trained[1], engine="tensorflow")
    monkeypatch.setattr(engines, "is_installed", lambda engine: False)
    with pytest.raises(ImportError, match=r"pip install 'n2v_stem_keras\[onnx\]'"):
        model.predict(trained[1], engine="onnx")
    with pytest.raises(ImportError, match=r"pip install 'n2v_stem_keras\[openvino\]'"):
        light.predict(trained[1])


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
    frames = frames_with_lattice((32, 48), 2)
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


@pytest.mark.parametrize("engine", OTHERS)
def test_an_exported_folder_denoises_without_tensorflow(trained, tmp_path, engine):
    """In Python and on the command line."""
    basedir, movie = trained
    code = f"""
import sys
import numpy as np
from n2v_stem_keras import ExportedModel
from n2v_stem_keras.cli import main
movie = {str(basedir / "movie.npy")!r}
model = ExportedModel({str(basedir / "m")!r})
np.save({str(tmp_path / "python.npy")!r}, model.predict(np.load(movie), engine={engine!r}))
assert main(["denoise", movie, "--model", {str(basedir / "m")!r}, "--engine", {engine!r},
             "--axes", "TYXC", "--threads", "1", "--out", {str(tmp_path)!r}]) == 0
assert not {{"tensorflow", "keras"}} & set(sys.modules), "TensorFlow was imported"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"in the network ({engine})" in done.stdout
    expected = N2VStem(None, "m", basedir).predict(movie)
    from n2v_stem_keras.io import read_movie

    on_disk = read_movie(tmp_path / "movie_denoised.ome.tif").to_array()
    for found in (np.load(tmp_path / "python.npy"), on_disk):
        assert np.abs(found - expected).max() < 1e-4 * movie.std()
