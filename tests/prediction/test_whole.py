"""Whole movies: frames in their place, the same frame by frame, begun anywhere, or alone."""

import numpy as np
import pytest

from n2v_stem_keras import DataError, Movie, N2VStem
from n2v_stem_keras.prediction import whole


@pytest.fixture(scope="module")
def model(plain_config):
    model = N2VStem(plain_config, basedir=None)
    model.trained = True
    return model


@pytest.fixture(scope="module")
def series(same_noisy_movie):
    """Two separate movies of four frames of very different intensities."""
    return np.stack([same_noisy_movie[:4], 5 * same_noisy_movie[4:8] + 100])


def test_series_after_series_and_each_as_if_alone(model, series):
    movie = Movie.from_array(series, "STYXC")
    found = dict(whole.by_frame(model, model.denoiser, movie))
    assert list(found) == [(s, t) for s in range(2) for t in range(4)]
    for s in range(2):
        alone = whole.whole(model, model.denoiser, Movie.from_array(series[s], "TYXC"))
        assert np.array_equal([found[s, t] for t in range(4)], alone)


@pytest.mark.parametrize("axes", ["STYXC", "CYXST", "SCTYX"])
def test_the_array_has_the_axes_of_the_movie(model, series, axes):
    order = ["STYXC".index(a) for a in axes]
    expected = whole.whole(model, model.denoiser, Movie.from_array(series, "STYXC"))
    movie = Movie.from_array(series.transpose(order), axes)
    found = whole.whole(model, model.denoiser, movie)
    assert np.array_equal(found, expected.transpose(order))


@pytest.mark.parametrize("start", [0, 1, 4, 6, 8, 99])
def test_begun_later_the_rest_is_the_same_to_the_bit(model, series, start, monkeypatch):
    monkeypatch.setattr(whole, "PIXELS_PER_CALL", 2 * 64 * 48)
    monkeypatch.setattr("n2v_stem_keras.prediction.tiles.PIXELS_PER_CALL", 2 * 64 * 48)
    movie = Movie.from_array(series, "STYXC")
    everything = list(whole.by_frame(model, model.denoiser, movie))
    rest = list(whole.by_frame(model, model.denoiser, movie, start=start))
    assert [place for place, _ in rest] == [place for place, _ in everything[start:]]
    for (_, found), (_, expected) in zip(rest, everything[start:]):
        assert np.array_equal(found, expected)


def test_a_lazy_movie_gives_any_frames_when_asked(model, series):
    movie = Movie.from_array(series, "STYXC")
    expected = dict(whole.by_frame(model, model.denoiser, movie))
    lazy = whole.LazyMovie(model, model.denoiser, movie)
    assert sorted(t for batch in lazy.batches() for t in batch) == list(range(4))
    (found,) = lazy.frames(1, [2])
    np.testing.assert_allclose(found, expected[1, 2], rtol=1e-5)


@pytest.mark.parametrize(
    ("n_tiles", "axes", "tiles"),
    [
        (None, "TYXC", None),
        ((3, 2), "TYXC", (3, 2)),
        ((1, 3, 2, 1), "TYXC", (3, 2)),
        ((1, 2, 1, 3), "CXTY", (3, 2)),
    ],
)
def test_tiles_are_two_numbers_or_one_for_each_axis(n_tiles, axes, tiles):
    assert whole.image_tiles(n_tiles, axes) == tiles


@pytest.mark.parametrize("n_tiles", [(1,), (1, 2, 3), (0, 2), (2, -1)])
def test_other_tiles_are_refused(n_tiles):
    with pytest.raises(ValueError, match="expected two positive numbers"):
        whole.image_tiles(n_tiles, "TYXC")


def test_a_movie_too_short_for_its_context_is_refused(plain_config, same_noisy_movie):
    model = N2VStem(plain_config.replace(n2v_context_frames=1), basedir=None)
    model.trained = True
    with pytest.raises(DataError, match="2 frames, expected at least 3"):
        whole.whole(model, model.denoiser, Movie.from_array(same_noisy_movie[:2], "TYXC"))
