"""Deviations through a model: columns, detectors in the movie's order, separate movies."""

import crystals
import numpy as np
import pytest

from n2v_stem_keras import Movie, N2VStem
from n2v_stem_keras.prediction import whole


@pytest.fixture(scope="module")
def crystal():
    return crystals.Crystal(n_frames=4, sigma=0.5)


@pytest.fixture
def model(plain_config, crystal, monkeypatch):
    """A model whose network draws the perfect crystal."""

    def denoise_movie(denoiser, series, n_tiles=None, tta=False, numbers=None):
        yield from (crystal.denoised[t] for t in numbers)

    monkeypatch.setattr(whole, "denoise_movie", denoise_movie)
    model = N2VStem(plain_config, basedir=None)
    model.trained = True
    return model


def movie_of(crystal, axes="TYXC", detectors=("ADF", "BF")):
    raw = crystal.raw[..., ::-1] if detectors[0] == "BF" else crystal.raw
    raw = np.stack([raw, raw]) if "S" in axes else raw
    return Movie.from_array(raw, axes, detectors=detectors, pixel_size_nm=crystals.SIZE_NM)


def test_a_table_of_what_is_missing(model, crystal):
    steps = []
    table = model.deviations(movie_of(crystal), progress=lambda: steps.append(1))
    assert len(steps) == 4
    assert list(table.columns[:3]) == ["frame", "y", "x"]
    for t in range(4):
        missing = table[(table["frame"] == t) & (table["kind"] == "missing")]
        places = missing[["y", "x"]].to_numpy() - crystal.shift[t]
        apart = np.linalg.norm(places[:, None] - crystal.missing, axis=-1)
        assert apart.min(axis=0).max() < 1


@pytest.mark.parametrize("detectors", [("ADF", "BF"), ("BF", "ADF")])
def test_heights_are_those_of_each_detector_by_name(model, crystal, detectors):
    table = model.deviations(movie_of(crystal, detectors=detectors))
    missing = table[table["kind"] == "missing"]
    assert missing["height_ADF"].median() == pytest.approx(-1.6, abs=0.3)
    assert missing["height_BF"].median() == pytest.approx(0.9, abs=0.3)


def test_separate_movies_have_their_numbers(model, crystal):
    table = model.deviations(movie_of(crystal, "STYXC"))
    assert table.columns[0] == "movie"
    first, second = (table[table["movie"] == s].drop(columns="movie") for s in (0, 1))
    assert np.array_equal(first["z"], second["z"])


def test_fewer_false_ones_are_fewer_deviations(model, crystal):
    few, many = (model.deviations(movie_of(crystal), false_per_Mpx=rate) for rate in (0.1, 20000.0))
    assert len(few) < len(many)
    assert (few["z"].abs().min()) > (many["z"].abs().min())


@pytest.mark.parametrize("rate", [0, -1.0, float("nan")])
def test_a_rate_is_above_0(model, crystal, rate):
    with pytest.raises(ValueError, match="false_per_Mpx"):
        model.deviations(movie_of(crystal), false_per_Mpx=rate)


def test_prediction_restores_unless_told_not_to(model, crystal):
    movie = movie_of(crystal)
    restored, bare = model.predict(movie), model.predict(movie, restore=False)
    assert np.array_equal(bare, crystal.denoised)
    assert crystal.error(restored) < 0.5 * crystal.error(bare)
    assert np.array_equal(model.predict(movie, context="past"), bare)


def test_frame_by_frame_it_is_the_same_wherever_one_begins(model, crystal):
    whole_movie = model.predict(movie_of(crystal))
    for start in (0, 2):
        frames = dict(model.predict_frames(movie_of(crystal), start=start))
        for (_, t), frame in frames.items():
            assert np.array_equal(frame, whole_movie[t])


def test_frames_without_columns_have_no_deviations(plain_config, noisy_movie):
    model = N2VStem(plain_config, basedir=None)
    model.trained = True
    flat = np.random.default_rng(0).normal(100, 1, noisy_movie.shape).astype(np.float32)
    assert len(model.deviations(flat)) < 20
