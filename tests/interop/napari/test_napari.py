"""The plugin of napari: real widgets driven by their buttons, tiny networks, no screen."""

import re
import subprocess
import sys
from pathlib import Path

import crystals
import numpy as np
import pytest
from napari_driving import (
    NAMES,
    TINY,
    Layer,
    assert_equal_states,
    press,
    states,
    wait,
    write,
)

from n2v_stem_keras import Movie, N2VStem, config, read_movie, write_movie
from n2v_stem_keras.folder.folder import read_config
from n2v_stem_keras.folder.record import read_record
from n2v_stem_keras.folder.thresholds import write_thresholds
from n2v_stem_keras.interop.napari import layers, models, reader
from n2v_stem_keras.interop.napari.atoms import AtomsWidget
from n2v_stem_keras.interop.napari.denoise import DenoiseWidget, grid_of
from n2v_stem_keras.interop.napari.detector_chooser import ONE_FOR_ALL
from n2v_stem_keras.interop.napari.train import OTHER_LAYERS, TrainWidget


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
    used += contributed.writers
    assert {contribution.command for contribution in used} == {c.id for c in contributed.commands}
    assert len(contributed.widgets) == 3


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


# -- writer ---------------------------------------------------------------------------------------
def test_layers_are_written_with_axes_pixel_size_and_detectors(manifest, tmp_path, viewer):
    """Of a file that was opened nothing is lost, in whichever order its layers are chosen."""
    frames = np.arange(3 * 2 * 32 * 40, dtype=np.uint16).reshape(3, 32, 40, 2)
    said = {"detectors": NAMES, "pixel_size_nm": 0.0293, "frame_time_s": 0.5, "voltage_kV": 80.0}
    first, second = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    write_movie(first, Movie.from_array(frames, "TYXC", **said), dtype="uint16",
                provenance={"imaging": "fast"})  # fmt: skip
    viewer.open(str(first), plugin="n2v_stem_keras")
    assert viewer.layers.save(str(second), plugin="n2v_stem_keras") == [str(second)]
    one, other = read_movie(first), read_movie(second)
    for name in ("dtype", "detectors", "pixel_size_nm", "frame_time_s", "voltage_kV"):
        assert getattr(one, name) == getattr(other, name), name
    assert (one.axes, other.axes) == ("TYXC", "TCYX")  # a layer each, one after the other
    assert other.provenance["imaging"] == "fast"
    for t in range(3):
        np.testing.assert_array_equal(one.frame(0, t), other.frame(0, t))


def test_a_layer_that_others_made_is_written_too(manifest, tmp_path, viewer):
    data = np.random.default_rng(0).normal(size=(2, 3, 16, 20)).astype(np.float32)
    options = {"scale": (1, 1, 30, 30), "units": ("pixel", "pixel", "pm", "pm")}
    viewer.add_image(data, name="both", axis_labels=("t", "c", "y", "x"), **options)
    path = tmp_path / "a.ome.tif"
    assert viewer.layers.save(str(path), plugin="n2v_stem_keras") == [str(path)]
    found = read_movie(path)
    assert (found.axes, found.shape) == ("TCYX", data.shape)
    assert found.pixel_size_nm == pytest.approx(0.03)
    np.testing.assert_array_equal(found.to_array(), data)


# -- denoise --------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore:.*(less noise than in training|of what repeats)")
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


@pytest.mark.filterwarnings("ignore:.*(less noise than in training|of what repeats)")
def test_deviations_become_points_of_their_kind(viewer, denoise, trained):
    """Where the noisy frames show what the network, here a tiny one, does not draw."""
    frames = crystals.Crystal(n_frames=6, sigma=0.7).raw.astype(np.float32)
    for c, name in enumerate(NAMES):
        geometry = {"scale": (1, 0.05, 0.05), "units": ("pixel", "nm", "nm")}
        viewer.add_image(np.ascontiguousarray(frames[..., c]), name=f"scan {name}", **geometry)
    widget = denoise(viewer)
    widget.deviations.setChecked(True)
    press(widget)
    model = N2VStem(None, trained.name, trained.parent)
    movie = Movie.from_array(frames, "TYXC", detectors=NAMES, pixel_size_nm=0.05)
    expected = model.deviations(movie, verbose=False)
    points = viewer.layers["scan deviations"]
    assert len(points.data) == len(expected) > 0
    np.testing.assert_allclose(points.data, expected[["frame", "y", "x"]], atol=1e-3)
    assert list(points.features["kind"]) == list(expected["kind"])
    assert not grid_of(viewer).enabled
    assert "Deviations: " in widget.job.text.text()


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


def test_the_viewers_process_has_no_tensorflow(tmp_path):
    code = (
        "import os, sys\n"
        "os.environ['QT_QPA_PLATFORM'] = 'offscreen'\n"
        "from n2v_stem_keras.interop.napari import atoms, denoise, process, reader, sample, train\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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


@pytest.mark.slow
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


def test_the_sample_and_what_was_simulated_are_suggested(viewer, denoise, tmp_path, noisy_movie):
    """Each detector of them, with its name; what a model made is not."""
    from n2v_stem_keras.interop.napari.sample import gold_on_graphene

    for data in gold_on_graphene():
        viewer.add_layer(Layer.create(*data))
    path = tmp_path / "gold.ome.tif"
    movie = Movie.from_array(noisy_movie[:2], "TYXC", detectors=NAMES, pixel_size_nm=0.046)
    for provenance, suggested in (({"imaging": "fast"}, True), ({"model": "m"}, False)):
        write_movie(path, movie, provenance=provenance, overwrite=True)
        other = viewer if suggested else type(viewer)()
        for data in reader.read(str(path)):
            other.add_layer(Layer.create(*data))
        widget = denoise(other)
        chosen = [combo.layer and combo.layer.name for combo in widget.detectors.combos]
        assert chosen == (["gold ADF", "gold BF"] if suggested else [None, None])
    del viewer.layers[2:]
    widget = TrainWidget(viewer)
    assert widget.n_detectors.value() == 2
    assert widget.detectors.detectors == NAMES
    assert [c.layer.name for c in widget.detectors.combos] == [
        "gold on graphene ADF", "gold on graphene BF"
    ]  # fmt: skip
    assert widget.name.text() == "gold-on-graphene"
    assert widget.detectors.pixel_size.value() == pytest.approx(0.046)


def test_the_noise_says_how_long_the_blind_spot_is(viewer, train, tmp_path):
    """As `n2v-stem info` does; the training is told so."""
    from n2v_stem_keras.noise import diagnose
    from n2v_stem_keras.noise.report import blind_spot

    rng = np.random.default_rng(0)
    white = rng.normal(100, 5, (4, 96, 98)).astype(np.float32)
    shared = (white + np.roll(white, 1, axis=2))[..., 1:97]
    for name, data in (("scan ADF", white[..., 1:97]), ("scan BF", shared)):
        viewer.add_image(data.copy(), name=name)
    widget = train(viewer, "long")
    widget.look_button.click()
    wait(lambda: not widget.job.running)
    found = diagnose(Movie.from_array(shared, "TYX", detectors=("BF",))).detectors["BF"]
    assert found.span[1] > 1
    assert widget.span.value() == found.span[1]
    assert f"BF: {blind_spot(found)}" in widget.noise.text().splitlines()
    widget.span.setValue(4)
    press(widget)
    assert "4 px long; expected an odd number" in widget.job.text.text()


def test_what_is_validated_on_is_not_trained_on(two_layers, train):
    widget = train(two_layers, "never")
    widget.held_out.setCurrentText(OTHER_LAYERS)
    for combo, layer in zip(widget.validation.combos, two_layers.layers, strict=True):
        combo.layer = layer
    press(widget)
    assert "trained on and validated on" in widget.job.text.text()


@pytest.mark.slow
def test_a_training_starts_from_a_model_is_validated_on_layers_and_exported(
    two_layers, train, trained, tmp_path, noisy_movie
):
    for c, name in enumerate(NAMES):
        two_layers.add_image(noisy_movie[:5, ..., c].copy(), name=f"other {name}")
    widget = train(two_layers, "second")
    widget.span.setValue(3)
    widget.held_out.setCurrentText(OTHER_LAYERS)
    for combo, layer in zip(widget.validation.combos, two_layers.layers[2:], strict=True):
        combo.layer = layer
    models.known_models().add(trained)
    widget.start.setCurrentText("tiny")
    press(widget)
    assert widget.job.text.text().startswith("Trained."), widget.job.text.text()
    assert read_config(tmp_path / "second").n2v_span == (1, 3)
    run = read_record(tmp_path / "second")["runs"][-1]
    assert run["transfer_from"]
    assert run["training_frames"] == len(noisy_movie)
    widget.export_button.click()
    wait(lambda: not widget.job.running)
    assert "Wrote" in widget.job.text.text(), widget.job.text.text()
    assert list((tmp_path / "second").glob("*.onnx"))


@pytest.mark.slow
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
