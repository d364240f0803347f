"""The ready-made models do what their cards say, and say so where they are out of their depth."""

import warnings

import numpy as np
import pytest

from n2v_stem_keras import FolderError, Movie, N2VStem, open_model
from n2v_stem_keras.check import detector_crosstalk, lattice_in_hole
from n2v_stem_keras.folder import pretrained
from n2v_stem_keras.folder.folder import EXPORT, read_config
from n2v_stem_keras.metrics import psnr
from n2v_stem_keras.noise import add_white_noise
from n2v_stem_keras.prediction import engines
from n2v_stem_keras.simulate import reference_movie

NAMES = pretrained.names()


def as_movie(frames, detectors, pixel_size_nm=0.046):
    return Movie.from_array(
        frames, "TYXC", detectors=detectors, pixel_size_nm=pixel_size_nm, name="test"
    )


@pytest.fixture(scope="module")
def models():
    return {name: N2VStem.from_pretrained(name) for name in NAMES}


@pytest.fixture(scope="module")
def clean():
    """Gold on graphene, ADF and BF; a movie that no model has seen."""
    return reference_movie(987, n_frames=3).clean


def test_there_are_two_detectors_and_one():
    assert {read_config(pretrained.find(name)).channels for name in NAMES} == {
        ("ADF", "BF"),
        ("HAADF",),
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_is_small_and_has_a_card(name):
    folder = pretrained.find(name)
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert size < 16 * 2**20
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "models/make.py" in card
    assert "seed" in card


def test_they_are_listed_and_unknown_names_refused(capsys):
    assert N2VStem.from_pretrained() == NAMES
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == NAMES
    for line, name in zip(lines, NAMES):
        assert " + ".join(read_config(pretrained.find(name)).channels) in line
        assert "nm/px; noise sigma / sd" in line
    with pytest.raises(FolderError, match="no ready-made model 'nothing'; known:"):
        N2VStem.from_pretrained("nothing")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [8, pytest.param(15, marks=pytest.mark.slow)])
def test_they_denoise_what_they_are_for_without_a_warning(models, clean, name, level):
    model = models[name]
    truth = clean[..., : len(model.config.channels)]
    noisy = add_white_noise(truth, level, seed=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        denoised = model.predict(as_movie(noisy, model.config.channels))
    blank = psnr(truth, np.broadcast_to(truth.mean((1, 2), keepdims=True), truth.shape))
    assert (psnr(truth, denoised) > np.maximum(blank, psnr(truth, noisy)) + 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_they_warn_on_other_data(models, clean, name):
    model = models[name]
    truth = clean[:1, ..., : len(model.config.channels)]
    for level, pixel_size_nm, expected in [
        (10, 0.01, "pixel size 0.01 nm, trained for"),
        (40, 0.046, "less noise than in training"),
    ]:
        frames = add_white_noise(truth, level, seed=5)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.predict(as_movie(frames, model.config.channels, pixel_size_nm))
        assert any(expected in str(w.message) for w in caught)


LEVELS = [7, *(pytest.param(level, marks=pytest.mark.slow) for level in (10, 16))]  # psnr [dB]


@pytest.mark.parametrize("name", ["graphene-au", "graphene-au-live"])
@pytest.mark.parametrize("level", LEVELS)
def test_what_one_detector_shows_does_not_leak_into_the_other(models, name, level):
    model = models[name]

    def predict(movie):
        # each frame is a test of its own
        return model.predict(as_movie(movie, model.config.channels), context="none")

    for found in detector_crosstalk(predict, model.config.channels, level, n_frames=6):
        assert abs(found.share) < 0.02, found


@pytest.mark.parametrize("level", LEVELS)
def test_little_lattice_is_drawn_into_a_hole(models, level):
    model = models["graphene-au"]

    def predict(movie):
        # each frame is a test of its own
        return model.predict(as_movie(movie, model.config.channels), context="none")

    for found in lattice_in_hole(predict, model.config.channels, 1.0, level, n_frames=4):
        assert abs(found.inside) < 0.4 * found.outside, found


# Exports: what is used at a microscope, often where there is no TensorFlow

EXPORTED = [name for name in NAMES if (pretrained.find(name) / EXPORT).exists()]


def test_the_live_model_has_an_export():
    assert "graphene-au-live" in EXPORTED


@pytest.mark.parametrize("engine", engines.MODULES)
@pytest.mark.parametrize("name", EXPORTED)
def test_each_export_makes_what_tensorflow_makes(models, clean, name, engine):
    pytest.importorskip(engines.MODULES[engine])
    noisy = add_white_noise(clean, 10.0, seed=3)
    movie = as_movie(noisy, models[name].config.channels)
    expected = models[name].predict(movie)
    found = open_model(name, engine).predict(movie)
    sd = noisy.std((0, 1, 2))
    assert (np.abs(found - expected).max((0, 1, 2)) < 1e-4 * sd).all()
    assert (expected.std((0, 1, 2)) > 0.1 * sd).all()  # something was compared


def test_a_copy_of_a_ready_made_model_goes_where_the_user_says(models, clean, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    model = models["haadf-general"]
    with pytest.raises(FolderError, match=r"say where the export shall go as path"):
        model.export(format="onnx")
    written = model.export(tmp_path / "mine", format="onnx")
    assert written == tmp_path / "mine" / "network.onnx"
    copy = open_model(tmp_path / "mine", "onnx")
    assert (copy.name, copy.fingerprint) == ("mine", model.fingerprint)
    assert copy.thresholds == model.thresholds
    movie = as_movie(add_white_noise(clean[:1, ..., :1], 10.0, seed=3), ("HAADF",))
    found, expected = copy.predict(movie), model.predict(movie)
    assert np.abs(found - expected).max() < 1e-4 * movie.frame(0, 0).std()
    card = (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")
    assert card == (pretrained.find("haadf-general") / "README.md").read_text(encoding="utf-8")
    with pytest.raises(FolderError, match="exists"):
        model.export(tmp_path / "mine", format="onnx")
    assert not (pretrained.find("haadf-general") / EXPORT).exists()
