"""The plugin of napari: real widgets driven by their buttons, tiny networks, no screen."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from n2v_stem_keras import Movie, MovieError, N2VStem, config, read_movie, write_movie
from n2v_stem_keras.folder.record import read_record
from n2v_stem_keras.folder.thresholds import write_thresholds

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
REASON = "napari or its window library is not installed: pip install 'n2v_stem_keras[napari]'"
with pytest.MonkeyPatch.context() as patch:
    patch.setattr("warnings.warn", lambda *_, **__: None)  # of napari's own imports
    pytest.importorskip("napari", reason=REASON)
    widgets = pytest.importorskip("qtpy.QtWidgets", reason=REASON, exc_type=ImportError)
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.utils.notifications import notification_manager
    from qtpy.QtCore import QEvent

    from n2v_stem_keras.interop.napari import layers, models, process, reader, sample
    from n2v_stem_keras.interop.napari.atoms import AtomsWidget
    from n2v_stem_keras.interop.napari.denoise import DenoiseWidget, grid_of
    from n2v_stem_keras.interop.napari.detector_chooser import ONE_FOR_ALL
    from n2v_stem_keras.interop.napari.train import TrainWidget

NAMES = ("ADF", "BF")
PATIENCE_S = 120


@pytest.fixture(scope="module")
def app():
    return widgets.QApplication.instance() or widgets.QApplication([])


@pytest.fixture(autouse=True)
def said():
    """What the viewer's notifications say."""
    notification_manager.records.clear()
    return lambda: [record.message for record in notification_manager.records]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder of a tiny model of ADF and BF."""
    small = config.N2VStemConfig.preset("laptop", **TINY)
    model = N2VStem(small, "tiny", tmp_path_factory.mktemp("models"))
    movie = np.random.default_rng(0).normal(size=(6, 48, 40, 2)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        model.train(movie, verbose=False)
    return model.logdir


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


@pytest.fixture
def viewer(app):
    return ViewerModel()


@pytest.fixture
def two_layers(viewer, noisy_movie):
    """A viewer with a layer for each detector."""
    for c, name in enumerate(NAMES):
        data = np.ascontiguousarray(noisy_movie[..., c])
        geometry = {"scale": (1, 0.05, 0.05), "units": ("pixel", "nm", "nm")}
        viewer.add_image(data, name=f"scan {name}", contrast_limits=(900, 1100), **geometry)
    return viewer


@pytest.fixture
def denoise(app, trained):
    """Make a denoise widget of a viewer, with the tiny model chosen."""

    def make(viewer):
        widget = DenoiseWidget(viewer)
        widget.model.add(trained)
        widget.engine.setCurrentText("tensorflow")
        return widget

    return make


def wait(until):
    """Let the program run until something is so."""
    began = time.monotonic()
    while not until():
        assert time.monotonic() - began < PATIENCE_S, "takes too long"
        widgets.QApplication.processEvents()
        time.sleep(0.01)


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


# -- the package ----------------------------------------------------------------------------------
def test_the_package_imports_neither_napari_nor_qt():
    code = (
        "import sys, n2v_stem_keras.series, n2v_stem_keras.interop.napari.child\n"
        "assert not {'napari', 'qtpy', 'PyQt6', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def manifest():
    """The plugin's manifest, known to napari even where the package was installed without it."""
    from npe2 import PluginManager, PluginManifest

    found = PluginManifest.from_file(Path(reader.__file__).with_name("napari.yaml"))
    if found.name not in PluginManager.instance():
        PluginManager.instance().register(found)
    return found


def test_the_manifest_names_what_there_is(manifest):
    manifest.validate_imports()
    contributed = manifest.contributions
    used = [*contributed.widgets, *contributed.readers, *contributed.sample_data]
    assert {contribution.command for contribution in used} == {c.id for c in contributed.commands}
    assert len(contributed.widgets) == 3


def test_the_sample_is_a_movie_of_two_detectors():
    (adf, _, _), (_, options, _) = sample.gold_on_graphene()
    assert adf.shape == (8, 256, 256)
    assert options["metadata"]["n2v_stem_keras"]["detector"] == "BF"


# -- reader ---------------------------------------------------------------------------------------
def test_a_file_is_opened_as_a_layer_for_each_detector(manifest, tmp_path, viewer, noisy_movie):
    path = tmp_path / "gold.ome.tif"
    write(path, noisy_movie, "TYXC", detectors=NAMES, pixel_size_nm=0.046)
    assert viewer.open(str(path), plugin="n2v_stem_keras")
    assert [layer.name for layer in viewer.layers] == ["gold ADF", "gold BF"]
    for c, layer in enumerate(viewer.layers):
        assert hasattr(layer.data, "dask")
        assert np.array_equal(np.asarray(layer.data), noisy_movie[..., c])
        assert np.allclose(layer.scale, (1, 0.046, 0.046))
        assert [str(unit) for unit in layer.units] == ["pixel", "nanometer", "nanometer"]
        assert layers.pixel_size_nm(layer) == pytest.approx(0.046)
        low, high = layer.contrast_limits
        assert noisy_movie[..., c].min() - 30 < low < noisy_movie[..., c].mean() < high
        assert high < noisy_movie[..., c].max() + 30
        assert layer.metadata["n2v_stem_keras"]["detector"] == NAMES[c]


def test_frames_are_read_when_they_are_shown_and_once_for_all_detectors(noisy_movie):
    read = []
    movie = Movie.from_array(noisy_movie, "TYXC", detectors=NAMES)
    movie = layers.watched(movie, lambda: read.append(1))
    (adf, _, _), (bf, _, _) = reader.layers_of(movie)
    assert len(read) <= 2 * reader.SAMPLED < movie.n_frames
    read.clear()
    assert np.array_equal(np.asarray(adf[4]), noisy_movie[4, ..., 0])
    assert np.array_equal(np.asarray(bf[4, 3:9, 5]), noisy_movie[4, 3:9, 5, 1])
    assert len(read) == 1
    assert np.array_equal(np.asarray(bf[2:8:3, ::2]), noisy_movie[2:8:3, ::2, :, 1])
    assert len(read) == 3


def test_separate_movies_and_single_images_keep_their_axes(noisy_movie):
    series = np.stack([noisy_movie, noisy_movie[::-1]])
    data, options, _ = reader.layers_of(Movie.from_array(series, "STYXC"))[1]
    assert options["axis_labels"] == tuple("STYX")
    assert np.array_equal(np.asarray(data), series[..., 1])
    image, options, _ = reader.layers_of(Movie.from_array(noisy_movie[0, ..., 0], "YX"))[0]
    assert options["scale"] == (1, 1)
    assert np.array_equal(np.asarray(image), noisy_movie[0, ..., 0])


def test_several_files_are_the_detectors_of_one_scan(tmp_path, noisy_movie):
    paths = []
    for c, name in enumerate(NAMES):
        paths.append(str(tmp_path / f"scan_{name}.ome.tif"))
        write(paths[-1], noisy_movie[..., c], "TYX")
    found = reader.get_reader(paths)(paths)
    assert [layer[1]["metadata"]["n2v_stem_keras"]["detector"] for layer in found] == list(NAMES)
    assert np.array_equal(np.asarray(found[1][0]), noisy_movie[..., 1])


def test_what_no_reader_knows_is_left_to_others(tmp_path):
    assert reader.get_reader("notes.docx") is None
    assert reader.get_reader(str(tmp_path)) is None
    assert reader.get_reader(["movie.tif", "notes.docx"]) is None
    with pytest.raises(MovieError, match="no such file"):
        reader.get_reader("missing.tif")("missing.tif")


@pytest.mark.parametrize(
    "name",
    [
        "stack_3d.dm4",
        "velox_dpc.emd",
        "20241021_00405_movie.mrc",
        "16x16x5_STEM_BF_DF_preview_1.ser",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_files_of_microscopes_are_read_as_the_package_reads_them(name):
    folder = os.environ.get("N2V_STEM_DATA")
    if not folder:
        pytest.skip("N2V_STEM_DATA does not say where files of microscopes lie")
    path = os.path.join(folder, "formats", name)
    movie = read_movie(path)
    found = reader.get_reader(path)(path)
    assert len(found) == movie.n_detectors
    for c, (data, options, _) in enumerate(found):
        frame = np.asarray(data[(-1,) * (data.ndim - 2)])
        expected = movie.frame(movie.n_series - 1, movie.n_frames - 1)[..., c]
        assert np.array_equal(frame, expected)
        assert options["scale"][-1] == (movie.pixel_size_nm or 1)


# -- denoise --------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore:.*less noise than in training")
def test_denoised_layers_come_beside_their_originals(two_layers, denoise, trained, noisy_movie):
    before = states(two_layers)
    widget = denoise(two_layers)
    assert [combo.layer.name for combo in widget.detectors.combos] == ["scan ADF", "scan BF"]
    assert widget.detectors.pixel_size.value() == pytest.approx(0.05)
    press(widget)
    names = [layer.name for layer in two_layers.layers]
    assert names == ["scan ADF", "scan ADF denoised", "scan BF", "scan BF denoised"], (
        widget.job.text.text()
    )
    assert grid_of(two_layers).enabled
    model = N2VStem(None, trained.name, trained.parent)
    expected = model.predict(noisy_movie)
    for c, name in enumerate(NAMES):
        noisy, layer = two_layers.layers[f"scan {name}"], two_layers.layers[f"scan {name} denoised"]
        assert np.array_equal(layer.data, expected[..., c])
        assert not np.array_equal(layer.data, noisy.data)
        assert np.array_equal(layer.scale, noisy.scale)
        assert layer.units == noisy.units
        assert layer.metadata["n2v_stem_keras"]["provenance"]["model"] == "tiny"
    originals = [two_layers.layers[0], two_layers.layers[2]]
    assert_equal_states(before, [s for s in states(two_layers) if "denoised" not in s[0]])
    originals[0].contrast_limits = (950, 1050)
    assert tuple(two_layers.layers[1].contrast_limits) == (950, 1050)
    assert tuple(two_layers.layers[3].contrast_limits) == (900, 1100)
    widget.fit_button.click()
    low, high = originals[0].contrast_limits
    assert (low, high) != (950, 1050)
    shown = expected[two_layers.dims.current_step[0], ..., 0]
    first, last = np.percentile(shown, (2, 98))
    assert low <= first < last <= high


@pytest.mark.filterwarnings("ignore:.*less noise than in training")
def test_one_layer_may_hold_all_detectors(viewer, denoise, trained, noisy_movie):
    layer = viewer.add_image(noisy_movie.transpose(0, 3, 1, 2).copy(), name="both")
    widget = denoise(viewer)
    widget.detectors.kind.setCurrentText(ONE_FOR_ALL)
    widget.detectors.layer.layer = layer
    assert widget.detectors.axis.currentIndex() == 1
    press(widget)
    expected = N2VStem(None, trained.name, trained.parent).predict(layer.data, axes="TCYX")
    assert np.array_equal(viewer.layers["both denoised"].data, expected)


def test_a_lazy_movie_is_denoised_too(tmp_path, viewer, denoise, noisy_movie):
    path = tmp_path / "gold.ome.tif"
    write(path, noisy_movie[:3], "TYXC", detectors=NAMES)
    for data in reader.read(str(path)):
        viewer.add_layer(Layer.create(*data))
    widget = denoise(viewer)
    press(widget)
    assert viewer.layers["gold BF denoised"].data.shape == (3, 64, 48)


class SlowFrames:
    """A long movie of one detector of which a frame takes a while."""

    shape, dtype, ndim = (400, 32, 32), np.dtype(np.float32), 3

    def __getitem__(self, index):
        time.sleep(0.02)
        return np.random.default_rng(0).normal(size=self.shape)[index].astype(np.float32)


def test_cancel_stops_and_adds_nothing(viewer, denoise):
    import dask.array as da

    for name in NAMES:
        viewer.add_image(da.from_array(SlowFrames(), chunks=(1, 32, 32)), name=name,
                         contrast_limits=(-3, 3))  # fmt: skip
    widget = denoise(viewer)
    widget.job.start_button.click()
    wait(lambda: "frame" in widget.job.text.text())
    assert widget.job.stop_button.isEnabled()
    began = time.monotonic()
    widget.job.stop_button.click()
    wait(lambda: not widget.job.running)
    assert time.monotonic() - began < 5
    assert widget.job.text.text() == "Stopped; nothing was added."
    assert len(viewer.layers) == 2
    assert widget.job.start_button.isEnabled()


def rgb(viewer):
    viewer.add_image(np.zeros((32, 32, 3), np.uint8), name="photo ADF", rgb=True)
    viewer.add_image(np.zeros((32, 32)), name="scan BF")


def other_shapes(viewer):
    viewer.add_image(np.zeros((4, 32, 32)), name="ADF")
    viewer.add_image(np.zeros((5, 32, 32)), name="BF")


def one_of_two(viewer):
    viewer.add_image(np.zeros((4, 32, 32)), name="ADF")


def twice(viewer):
    viewer.add_image(np.zeros((4, 32, 32)), name="ADF BF")


def not_numbers(viewer):
    for name in NAMES:
        viewer.add_image(np.zeros((4, 32, 32), np.uint8) > 0, name=name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda viewer: None, "no layer is chosen for ADF, BF; .*0 image layers"),
        (one_of_two, "no layer is chosen for BF; .*1 image layer"),
        (rgb, "'photo ADF' is in colour"),
        (other_shapes, "different shapes .ADF 4 x 32 x 32, BF 5 x 32 x 32 px"),
        (twice, "chosen twice"),
        (not_numbers, "type bool are not intensities"),
    ],
)
def test_what_cannot_be_denoised_is_said_in_the_viewer(viewer, denoise, said, make, message):
    make(viewer)
    before = states(viewer)
    widget = denoise(viewer)
    press(widget)
    (text,) = said()
    assert widget.job.text.text() == text
    assert re.search(message, text), text
    assert "Traceback" not in text
    assert_equal_states(before, states(viewer))


def test_a_wrong_detector_axis_is_said(viewer, denoise, said):
    layer = viewer.add_image(np.zeros((5, 3, 32, 32)), name="three")
    widget = denoise(viewer)
    widget.detectors.kind.setCurrentText(ONE_FOR_ALL)
    widget.detectors.layer.layer = layer
    widget.detectors.axis.setCurrentIndex(1)
    press(widget)
    assert "axis 1 has 3 entries, expected 2 detectors (ADF, BF)" in said()[0]


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


def test_the_viewers_process_has_no_tensorflow(tmp_path):
    code = (
        "import os, sys\n"
        "os.environ['QT_QPA_PLATFORM'] = 'offscreen'\n"
        "from n2v_stem_keras.interop.napari import atoms, denoise, process, reader, sample, train\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_model_warns_of_is_shown(two_layers, denoise, said):
    two_layers.layers[0].data = 1000 + 100 * np.add.outer(
        np.zeros(12), np.add.outer(np.sin(np.arange(64)), np.sin(np.arange(48)))
    )
    widget = denoise(two_layers)
    press(widget)
    assert "Warning: " in widget.job.text.text()
    assert "noise" in widget.job.text.text()


def test_a_folder_without_a_model_is_said(viewer, denoise, said, tmp_path):
    widget = denoise(viewer)
    widget.model.add(tmp_path)
    assert "not a model folder" in said()[0]
    assert widget.model.combo.currentText() == "tiny"


def test_layers_may_come_and_go_and_change_their_names(two_layers, denoise):
    widget = denoise(two_layers)
    adf, bf = widget.detectors.combos
    two_layers.layers["scan ADF"].name = "renamed"
    assert adf.currentText() == "renamed"
    two_layers.layers.remove("scan BF")
    assert bf.layer is None
    assert adf.layer is two_layers.layers["renamed"]
    two_layers.add_image(np.zeros((12, 64, 48)), name="again BF")
    assert bf.layer is two_layers.layers["again BF"]


def test_a_closed_widget_leaves_the_viewer_alone(two_layers, denoise):
    widget = denoise(two_layers)
    kept = widget.detectors  # as a reference of Python's may outlive the window
    widget.deleteLater()
    widgets.QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    two_layers.layers["scan ADF"].name = "renamed"
    two_layers.add_image(np.zeros((4, 8, 8)), name="more")
    assert len(two_layers.layers) == 3
    assert kept is not None


def test_the_card_of_the_model_is_shown(viewer, denoise, trained):
    widget = denoise(viewer)
    assert "ADF + BF" in widget.model.summary.text()
    dialog = widget.model.show_card()
    text = dialog.findChild(widgets.QTextBrowser).toPlainText()
    assert "A Noise2Void model for STEM movies" in text
    dialog.close()


# -- train ----------------------------------------------------------------------------------------
@pytest.fixture
def train(app, monkeypatch, tmp_path):
    """Make a train widget with a tiny preset, models below tmp_path."""
    monkeypatch.setitem(config.PRESETS, "tiny", {**config.PRESETS["laptop"], **TINY})

    def make(viewer, name):
        widget = TrainWidget(viewer)
        widget.preset.setCurrentText("tiny")
        widget.n_detectors.setValue(2)
        widget.name.setText(name)
        widget.basedir.setText(str(tmp_path))
        return widget

    return make


def lines(plot):
    """Return the lines of the plot by their labels."""
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in plot.axes.lines}


def test_a_model_is_trained_and_then_denoises(two_layers, train, tmp_path):
    before = states(two_layers)
    other = DenoiseWidget(two_layers)
    widget = train(two_layers, "mine")
    assert (widget.epochs.value(), widget.steps.value()) == (2, 2)
    assert widget.detectors.detectors == NAMES
    press(widget)
    assert widget.job.text.text().startswith("Trained.")
    record = read_record(tmp_path / "mine")
    assert record["runs"][-1]["finished"]
    shown = lines(widget.plot)
    assert np.allclose(shown["training"], record["history"]["loss"])
    assert np.allclose(shown["validation"], record["history"]["val_loss"])
    assert np.allclose(shown["noise floor, ± 1 s.e."], record["runs"][-1]["noise_floor"])
    assert_equal_states(before, states(two_layers))
    other.model.combo.setCurrentText("mine")
    assert other.model.folder == tmp_path / "mine"
    press(other)
    assert "scan ADF denoised" in two_layers.layers


def test_stop_keeps_what_was_reached_and_train_goes_on(two_layers, train, tmp_path):
    widget = train(two_layers, "stopped")
    widget.epochs.setValue(500)
    widget.job.start_button.click()
    wait(lambda: len(lines(widget.plot).get("training", ())) >= 1)
    widget.job.stop_button.click()
    wait(lambda: not widget.job.running)
    assert widget.job.text.text().startswith("Stopped after"), widget.job.text.text()
    model = N2VStem(None, "stopped", tmp_path)
    assert model.trained
    n_epochs = len(model.record["history"]["epoch"])
    assert 1 <= n_epochs < 500
    assert not model.record["runs"][-1]["finished"]
    assert "stopped" in models.known_models().names()
    widget.job.start_button.click()
    wait(lambda: len(lines(widget.plot).get("training", ())) >= n_epochs + 1)
    widget.job.stop_button.click()
    wait(lambda: not widget.job.running)
    record = read_record(tmp_path / "stopped")
    assert len(record["runs"]) == 1
    assert record["history"]["loss"][:n_epochs] == model.record["history"]["loss"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: w.name.setText(""), "has no name"),
        (lambda w: w.detectors.names[0].setText(""), "a detector has no name"),
        (lambda w: w.detectors.names[0].setText("bf"), "differ"),
        (lambda w: w.n_detectors.setValue(3), "no layer is chosen"),
        (lambda w: w.name.setText("a/b/../.."), "is a path"),
    ],
)
def test_what_cannot_be_trained_is_said(two_layers, train, said, tmp_path, spoil, message):
    widget = train(two_layers, "never")
    spoil(widget)
    press(widget)
    assert message in said()[0]
    assert not (tmp_path / "never").exists()


# -- atoms ----------------------------------------------------------------------------------------
@pytest.fixture
def atoms(app, trained):
    """Make an atoms widget of a viewer, with the tiny model chosen."""

    def make(viewer):
        widget = AtomsWidget(viewer)
        widget.model.add(trained)
        return widget

    return make


def test_atoms_become_points_with_a_table(two_layers, atoms, trained, noisy_movie):
    widget = atoms(two_layers)
    grid_of(two_layers).enabled = True
    widget.height.setValue(0.5)
    press(widget)
    assert not grid_of(two_layers).enabled  # in a grid, points lie beside the images
    model = N2VStem(None, trained.name, trained.parent)
    expected = model.find_atoms(noisy_movie, height_sigma=0.5, detectors=NAMES, pixel_size_nm=0.05)
    assert len(expected)
    points = two_layers.layers[-1]
    assert np.allclose(points.data, expected[["frame", "y", "x"]].to_numpy())
    assert list(points.features.columns) == list(expected.columns)
    assert np.allclose(points.features["mass"], expected["mass"], equal_nan=True)
    assert np.array_equal(points.scale, two_layers.layers[0].scale)
    assert f"{len(expected)} atoms in 12 frames" in widget.job.text.text()


def test_a_model_without_thresholds_is_said(two_layers, atoms, said):
    press(atoms(two_layers))
    assert "has no thresholds for atoms; set a height" in said()[0]
    assert len(two_layers.layers) == 2


def test_the_models_own_thresholds_are_used(two_layers, atoms, trained, noisy_movie):
    model = N2VStem(None, trained.name, trained.parent)
    before = model.thresholds
    part = {"height_sigma": 0.4, "sign": 1, "min_distance_nm": 0.2, "method": "noise"}
    part |= {"false_alarms_per_Mpx": 1.0, "interval_95": [0.5, 2.0], "frames": 9}
    part |= {"data_fingerprint": ""}
    changed = {**before, "ADF": {**before["ADF"], "atoms": part}}
    write_thresholds(trained, changed)
    try:
        press(atoms(two_layers))
    finally:
        write_thresholds(trained, before)
    points = two_layers.layers[-1]
    assert set(points.features["detector"]) == {"ADF"}
    assert points.features["snr_ADF"].min() >= 0.4
    assert len(points.data) > 5


def test_no_atoms_are_said_too(two_layers, atoms):
    widget = atoms(two_layers)
    widget.height.setValue(100)
    press(widget)
    assert widget.job.text.text() == "No atoms were found."
    assert len(two_layers.layers) == 2
