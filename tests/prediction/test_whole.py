"""Whole movies: frames in their place, the same frame by frame, begun anywhere, or alone."""

import numpy as np
import pytest

from n2v_stem_keras import Movie, N2VStem, open_model
from n2v_stem_keras.prediction.whole import DenoisedMovie, image_tiles


@pytest.fixture(scope="module")
def model(plain_config):
    model = N2VStem(plain_config, basedir=None)
    model.trained = True
    return model


@pytest.fixture(scope="module")
def series(same_noisy_movie):
    """Two separate movies of four frames of very different intensities."""
    return np.stack([same_noisy_movie[:4], 5 * same_noisy_movie[4:8] + 100])


def denoised(model, frames, axes, context="both"):
    return DenoisedMovie(model, model.denoiser, Movie.from_array(frames, axes), context=context)


def test_series_after_series_and_each_as_if_alone(model, series):
    found = dict(denoised(model, series, "STYXC").by_frame())
    assert list(found) == [(s, t) for s in range(2) for t in range(4)]
    for s in range(2):
        alone = denoised(model, series[s], "TYXC").whole()
        assert np.array_equal([found[s, t] for t in range(4)], alone)


@pytest.mark.parametrize("axes", ["STYXC", "CYXST", "SCTYX"])
def test_the_array_has_the_axes_of_the_movie(model, series, axes):
    order = ["STYXC".index(a) for a in axes]
    expected = denoised(model, series, "STYXC").whole()
    found = denoised(model, series.transpose(order), axes).whole()
    assert np.array_equal(found, expected.transpose(order))


@pytest.mark.parametrize("start", [0, 1, 4, 6, 8, 99])
@pytest.mark.parametrize("context", ["both", "past"])
def test_begun_later_the_rest_is_the_same_to_the_bit(model, series, start, context, monkeypatch):
    monkeypatch.setattr("n2v_stem_keras.prediction.tiles.PIXELS_PER_CALL", 2 * 64 * 48)
    movie = denoised(model, series, "STYXC", context)
    everything, rest = list(movie.by_frame()), list(movie.by_frame(start))
    assert [place for place, _ in rest] == [place for place, _ in everything[start:]]
    for (_, found), (_, expected) in zip(rest, everything[start:]):
        assert np.array_equal(found, expected)


def test_it_gives_any_frames_when_asked(model, series):
    movie = denoised(model, series, "STYXC")
    expected = dict(movie.by_frame())
    assert sorted(t for batch in movie.batches() for t in batch) == list(range(4))
    (found,) = movie.frames(1, [2])
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
    assert image_tiles(n_tiles, axes) == tiles


@pytest.mark.parametrize("n_tiles", [(1,), (1, 2, 3), (0, 2), (2, -1)])
def test_other_tiles_are_refused(n_tiles):
    with pytest.raises(ValueError, match="expected two positive whole numbers"):
        image_tiles(n_tiles, "TYXC")


@pytest.mark.parametrize("n_frames", [1, 2, 3])
@pytest.mark.parametrize("context", ["both", "past", "none"])
def test_short_movies_are_denoised_whatever_is_looked_at(
    model, same_noisy_movie, n_frames, context
):
    frames = same_noisy_movie[:n_frames]
    found = denoised(model, frames, "TYXC", context).whole()
    assert np.isfinite(found).all()
    alone = denoised(model, frames, "TYXC", "none").whole()
    assert np.array_equal(found, alone) is (n_frames == 1 or context == "none")


def test_each_context_gives_what_it_says(model, same_noisy_movie):
    """The first frame has none before it, the last none after it."""
    both, past, none = (
        denoised(model, same_noisy_movie, "TYXC", context).whole()
        for context in ("both", "past", "none")
    )
    assert np.array_equal(past[0], none[0])
    for a, b in ((both, past), (both, none), (past[1:], none[1:])):
        assert (np.abs(a - b).max((1, 2, 3)) > 1e-3 * same_noisy_movie.std()).all()


def test_an_unknown_context_is_refused(model, same_noisy_movie):
    with pytest.raises(ValueError, match="context is 'future', expected one of 'both', 'past'"):
        denoised(model, same_noisy_movie, "TYXC", "future")


def test_nothing_is_read_before_it_is_asked_for(model, series):
    read = []

    class Frames:
        shape, dtype = series[0].shape, series.dtype

        def __len__(self):
            return self.shape[0]

        def __getitem__(self, t):
            read.append(t)
            return series[0][t]

    movie = DenoisedMovie(model, model.denoiser, Movie.from_array(Frames(), "TYXC"))
    before = len(read)  # a lazy sequence may be looked at for its type
    assert (movie.order, movie.back, movie.shape) == ([0, 1], [0, 1], list(series[0].shape))
    assert len(read) == before
    assert len(movie.series) == 1
    assert set(range(4)) <= set(read)


def test_detectors_are_put_back_where_the_movie_has_them(model, series):
    straight = Movie.from_array(series[0], "TYXC", detectors=("ADF", "BF"))
    swapped = Movie.from_array(series[0][..., ::-1], "TYXC", detectors=("BF", "ADF"))
    found, expected = (DenoisedMovie(model, model.denoiser, m).whole() for m in (swapped, straight))
    assert np.array_equal(found[..., ::-1], expected)


def test_an_untrained_model_warns_once(plain_config, series):
    model = N2VStem(plain_config, basedir=None)
    with pytest.warns(UserWarning, match="never trained") as said:
        denoised(model, series[0], "TYXC").whole()
    assert len(said) == 1


def test_single_images_are_averaged_over_their_flips(model, series):
    """No frame around says more of them; frames of movies are only where it is asked for."""
    from n2v_stem_keras.provenance import of_denoising

    image = series[0, 0]
    expected = model.predict(image, "YXC", tta=True, verbose=False)
    plain = model.predict(image, "YXC", tta=False, verbose=False)
    assert np.abs(expected - plain).max() > 1e-3 * image.std()
    for axes, frames in (("YXC", image), ("SYXC", image[None]), ("TYXC", image[None])):
        found = model.predict(frames, axes, verbose=False)
        np.testing.assert_array_equal(found.reshape(image.shape), expected)
        movie = Movie.from_array(frames, axes)
        assert of_denoising(model, movie)["tta"] is True
        assert of_denoising(model, movie, tta=False)["tta"] is False
    movie = series[0]
    usual = model.predict(movie, verbose=False)
    np.testing.assert_array_equal(usual, model.predict(movie, tta=False, verbose=False))
    assert of_denoising(model, Movie.from_array(movie, "TYXC"))["tta"] is False


def test_what_was_found_of_a_movie_is_said_for_its_provenance(model, series):
    assert "prepared" not in denoised(model, series, "STYXC").findings()
    known = {"detectors": ("ADF", "BF"), "pixel_size_nm": 0.046}
    ready = open_model("graphene-au")
    movie = Movie.from_array(series[0], "TYXC", **known)
    found = DenoisedMovie(ready, ready.denoiser, movie).findings()
    assert found["drift"]["drift_px_per_frame"] >= 0
    assert found["prepared"]
    alone = DenoisedMovie(ready, ready.denoiser, movie, context="none").findings()
    assert "drift" not in alone
    several = Movie.from_array(series, "STYXC", **known)
    found = DenoisedMovie(ready, ready.denoiser, several).findings()
    assert len(found["drift"]) == len(found["prepared"]) == 2


def aligned(movie, fill):
    """Move each frame of a movie (T, Y, X, C), and fill what it leaves empty."""
    found = movie.copy()
    for t, frame in enumerate(found):
        frame[:t] = fill
        frame[:, frame.shape[1] - 2 * t :] = fill
    return found


@pytest.mark.parametrize("fill", [0.0, np.nan])
@pytest.mark.parametrize("way", ["whole", "frames", "dask"])
def test_margins_stay_and_change_nothing_inside(model, same_noisy_movie, fill, way):
    movie = same_noisy_movie[:4]
    moved = aligned(movie, fill)
    before = moved.copy()
    expected = denoised(model, moved, "TYXC").whole()
    if way == "frames":
        asked = denoised(model, moved, "TYXC")
        found = np.stack(list(asked.frames(0, range(4))))
    elif way == "dask":
        da = pytest.importorskip("dask.array")
        found = np.asarray(model.predict(da.from_array(moved, chunks=(2, -1, -1, -1)), "TYXC"))
        expected = model.predict(moved, "TYXC")
    else:
        found = expected
    np.testing.assert_array_equal(moved, before)
    np.testing.assert_array_equal(found, expected)
    margins = np.isnan(aligned(movie, np.nan))
    np.testing.assert_array_equal(found[margins], moved[margins])
    assert np.isfinite(found[~margins]).all()
    # the first frame has none, and others tell it the same inside of theirs
    plain = denoised(model, movie, "TYXC", "none").whole()
    again = denoised(model, moved, "TYXC", "none").whole()
    np.testing.assert_allclose(again[0, 16:-16, 16:-16], plain[0, 16:-16, 16:-16], atol=3)


def test_atoms_deviations_and_errors_lie_inside_the_margins(model, same_noisy_movie):
    movie = Movie.from_array(aligned(same_noisy_movie[:4], 0.0), "TYXC", pixel_size_nm=0.046)
    places = [np.s_[t:, : movie.shape[2] - 2 * t] for t in range(4)]
    tables = model.find_atoms(movie, height_sigma=0.01), model.deviations(movie, false_per_Mpx=1e4)
    errors = model.standard_error(movie, n_repeats=2, verbose=False)
    for table in tables:
        for t, y, x in zip(table.frame, table.y, table.x):
            rows, columns = places[t]
            assert y >= rows.start
            assert x < columns.stop
    assert len(tables[0]) > 10
    for t, place in enumerate(places):
        assert (errors[t][place] > 0).all()
        outside = np.ones(errors.shape[1:3], bool)
        outside[place] = False
        assert (errors[t][outside] == 0).all()


def test_training_says_what_margins_there_are(tiny_config, same_noisy_movie, capsys):
    movie = aligned(same_noisy_movie[:4], np.nan)
    N2VStem(tiny_config.replace(train_epochs=1), basedir=None).train(movie)
    assert "3 of 4 frames have margins that hold nothing, up to 3 rows and 6 columns" in (
        capsys.readouterr().out
    )


def test_what_fills_the_margins_changes_nothing_inside(model, same_noisy_movie):
    found = [model.predict(aligned(same_noisy_movie[:4], fill), "TYXC") for fill in (0.0, np.nan)]
    inside = np.isfinite(found[1])
    np.testing.assert_array_equal(found[0][inside], found[1][inside])
