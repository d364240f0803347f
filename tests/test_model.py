"""N2VStem: the public face, as DESIGN.md promises it."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from n2v_stem_keras import DataError, FolderError, Movie, MovieError, N2VStem, N2VStemConfig
from n2v_stem_keras.normalize import scan

pytestmark = pytest.mark.usefixtures("few_validation_pixels")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a model of two detectors, and the movie it was trained on."""
    from n2v_stem_keras.training import data

    rng = np.random.default_rng(1)
    movie = (500 + 20 * rng.normal(size=(6, 64, 48, 2))).astype(np.float32)
    config = N2VStemConfig.preset(
        "laptop",
        unet_n_depth=2,
        unet_n_first=4,
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
        N2VStem(config, "m", basedir).train(movie, pixel_size_nm=0.05, verbose=False)
    return basedir, movie


@pytest.fixture(scope="module")
def model(trained):
    return N2VStem(None, "m", trained[0])


@pytest.fixture
def movie(trained):
    return trained[1].copy()


# -- intensities ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("a", "b"), [(3.0, 77.0), (1e-3, 0.0), (250.0, -1e4)])
def test_gain_and_offset_change_nothing(model, movie, a, b):
    plain = model.predict(movie)
    scaled = model.predict(a * movie.astype(np.float64) + b)
    assert np.abs((scaled - b) / a - plain).max() < 1e-4 * plain.std() + 1e-7 * abs(b / a)


def test_a_number_type_changes_nothing(model, movie):
    counts = movie.round()
    expected = model.predict(counts)
    for dtype in (np.uint16, np.int32, np.float64, ">u2"):
        result = model.predict(counts.astype(dtype))
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, expected)


# of two movies as one, between which the intensity jumps
@pytest.mark.filterwarnings("ignore:.*less noise than in training")
@pytest.mark.filterwarnings("ignore:.*the mean of input minus output")
def test_separate_movies_have_statistics_of_their_own(model, movie):
    """S entries are separate: each comes out as if it were alone."""
    stack = np.stack([movie, movie * 5 + 3000])
    together = model.predict(stack, axes="STYXC")
    for alone, expected in zip(stack, together):
        np.testing.assert_allclose(model.predict(alone), expected, rtol=1e-6)
    as_frames = model.predict(stack.reshape(-1, *movie.shape[1:]))
    assert not np.allclose(as_frames.reshape(stack.shape), together, rtol=1e-3)


# -- axes and sizes -------------------------------------------------------------------------------
@pytest.mark.parametrize("axes", ["TYXC", "CTYX", "TCYX", "CYXT", "XYCT", "YXTC"])
def test_any_axes_give_the_same_in_their_order(model, movie, axes):
    expected = model.predict(movie)
    order = ["TYXC".index(a) for a in axes]
    result = model.predict(movie.transpose(order), axes=axes)
    np.testing.assert_array_equal(result, expected.transpose(order))


def test_one_frame_without_a_time_axis(model, movie):
    result = model.predict(movie[0], axes="YXC")
    assert result.shape == movie[0].shape


@pytest.mark.parametrize("shape", [(33, 41), (16, 100), (7, 9)])
def test_odd_sizes(model, movie, shape):
    part = (
        movie[:, : shape[0], : shape[1]]
        if shape[1] < 48
        else np.tile(movie, (1, 1, 3, 1))[:, : shape[0], : shape[1]]
    )
    assert model.predict(part).shape == part.shape


@pytest.mark.parametrize("n_tiles", [(2, 1), (3, 2), (1, 2, 2, 1)])
def test_tiles_change_nothing(model, movie, n_tiles):
    whole, tiled = model.predict(movie), model.predict(movie, n_tiles=n_tiles)
    assert np.abs(tiled - whole).max() < 1e-5 * movie.std()


def test_wrong_tiles_axes_and_shapes_are_explained(model, movie):
    with pytest.raises(ValueError, match="n_tiles"):
        model.predict(movie, n_tiles=(1, 2, 3))
    with pytest.raises(ValueError, match=r"axes.*'TYXC'"):
        model.predict(movie[0])
    with pytest.raises(ValueError, match="axes 'TYXQ'"):
        model.predict(movie, axes="TYXQ")
    with pytest.raises(DataError, match=r"1 detector .*expected 2 detectors \(ADF, BF\)"):
        model.predict(movie[..., :1])


def test_bad_pixels_are_named(model, movie):
    movie[2, 3, 4, 0] = np.inf
    with pytest.raises(DataError, match="frame 2 has 0 NaN and 1 infinite"):
        model.predict(movie)


def test_a_blank_frame_is_announced_and_comes_back_finite(model, movie):
    movie[1] = 0
    with pytest.warns(UserWarning, match="1 of 6 frames are blank"):
        result = model.predict(movie)
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(result[1], 0)


@pytest.mark.parametrize("context", ["both", "past", "none"])
def test_what_was_not_recorded_comes_back_as_it_is(model, movie, context):
    movie[1, 20:, :, 0] = 3  # the scan of one detector stopped
    movie[2, ..., 1] = -7  # one was off
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # they are told of
        result = model.predict(movie, context=context)
    np.testing.assert_array_equal(result[1, 20:, :, 0], 3)
    np.testing.assert_array_equal(result[2, ..., 1], -7)
    assert result[1, :20].std() > 0
    assert result[1, 20:, :, 1].std() > 0


# -- detectors ------------------------------------------------------------------------------------
def test_detectors_are_matched_by_name_and_keep_their_order(model, movie):
    expected = model.predict(movie)
    swapped = model.predict(movie[..., ::-1], detectors=("bf", "adf"))
    np.testing.assert_array_equal(swapped, expected[..., ::-1])


def test_other_detectors_are_refused_by_name(model, movie):
    with pytest.raises(DataError, match=r"has HAADF, the model needs 2 detectors \(ADF, BF\)"):
        model.predict(movie[..., :1], detectors=("HAADF",))


def test_a_third_detector_is_left_out(model, movie):
    three = np.concatenate([movie[..., :1], 0 * movie[..., :1] + 1, movie[..., 1:]], axis=-1)
    result = model.predict(three, detectors=("ADF", "DPC", "BF"))
    np.testing.assert_array_equal(result, model.predict(movie))


@pytest.mark.slow
def test_one_detector(plain_config, noisy_movie):
    model = N2VStem(plain_config.replace(channels=("HAADF",)), basedir=None)
    model.train(noisy_movie[..., 0], axes="TYX", verbose=False)
    assert model.predict(noisy_movie[..., 0], axes="TYX").shape == noisy_movie.shape[:3]


# -- frames in, frames out ------------------------------------------------------------------------
def test_stream_equals_predict(model, movie):
    statistics = scan(movie)
    frames = model.stream(iter(movie), mean=statistics.mean, sd=statistics.sd)
    result = np.stack(list(frames))
    assert np.abs(result - model.predict(movie, context="past")).max() < 1e-5 * movie.std()


def test_stream_takes_statistics_as_they_come(model, movie):
    """All frames of this movie have nearly the same, so the result is nearly that of the whole."""
    result = np.stack(list(model.stream(iter(movie))))
    assert result.shape == movie.shape
    assert np.abs(result - model.predict(movie, context="past")).max() < 0.1 * movie.std()
    assert list(model.stream(iter([]))) == []


@pytest.mark.parametrize(
    ("context", "at_most"),
    [
        ("none", 6),  # statistics, prediction, noise check, what is left out and in the residual
        ("past", 5),  # the frames before as well, and nothing restored
        ("both", 9),  # the drift as well, twice
    ],
)
def test_lazy_sequences_are_read_frame_by_frame(model, movie, context, at_most):
    held = []

    class Lazy:
        def __len__(self):
            return len(movie)

        def __getitem__(self, t):
            held.append(t)
            return movie[t].copy()

    found = model.predict(Lazy(), context=context)
    np.testing.assert_array_equal(found, model.predict(movie, context=context))
    assert held.count(3) <= at_most


def test_prediction_is_deterministic_and_leaves_its_input(model, movie):
    before = movie.copy()
    movie.setflags(write=False)
    first, second = model.predict(movie), model.predict(movie, tta=False)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(movie, before)
    assert not np.shares_memory(first, movie)


def test_averaging_over_flips_commutes_with_flips(model, movie):
    plain = model.predict(movie, tta=True)
    flipped = model.predict(movie[:, ::-1], tta=True)[:, ::-1]
    assert np.abs(plain - flipped).max() < 1e-4 * movie.std()
    assert not np.array_equal(plain, model.predict(movie))


# -- trust ----------------------------------------------------------------------------------------
def test_a_familiar_movie_raises_no_warning(model, movie):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(movie, pixel_size_nm=0.05)


@pytest.mark.filterwarnings("ignore:.*the mean of input minus output")
@pytest.mark.filterwarnings("ignore:.*the residual")  # which is told beside it
def test_less_noise_than_in_training_is_announced(model, movie):
    smooth = 500 + 200 * np.sin(np.arange(64) / 9)[:, None, None] + movie - 500
    with pytest.warns(UserWarning, match="less noise than in training") as said:
        model.predict(smooth)
    assert any("ADF: less noise" in str(w.message) for w in said)


def test_another_pixel_size_is_announced(model, movie):
    with pytest.warns(UserWarning, match=r"pixel size 0\.02 nm, trained for"):
        model.predict(movie, pixel_size_nm=0.02)


def test_correlated_noise_is_announced(model, movie):
    smeared = 0.8 * movie + 0.6 * np.roll(movie, 1, axis=2)
    with pytest.warns(UserWarning, match="noise is correlated along x"):
        model.predict(smeared)


def test_an_untrained_model_says_so(tiny_config, noisy_movie):
    with pytest.warns(UserWarning, match="never trained"):
        N2VStem(tiny_config, basedir=None).predict(noisy_movie)


# -- folders --------------------------------------------------------------------------------------
def test_another_lab_opens_the_folder(trained, movie):
    basedir, _ = trained
    config = N2VStemConfig.from_dict(json.loads((basedir / "m" / "config.json").read_text()))
    by_name, by_config = N2VStem(None, "m", basedir), N2VStem(config, "m", basedir)
    np.testing.assert_array_equal(by_name.predict(movie), by_config.predict(movie))
    assert by_name.thresholds["ADF"]["domain"]


def test_a_different_config_is_refused_with_a_way_out(trained):
    with pytest.raises(FolderError, match=r"n2v_pitch: 4 -> 12.*overwrite=True"):
        N2VStem(N2VStem(None, "m", trained[0]).config.replace(n2v_pitch=12), "m", trained[0])


def test_overwrite_starts_afresh_and_spares_foreign_files(plain_config, noisy_movie, tmp_path):
    N2VStem(plain_config, "m", tmp_path).train(noisy_movie, verbose=False)
    (tmp_path / "m" / "notes.txt").write_text("mine")
    fresh = N2VStem(plain_config.replace(n2v_pitch=12), "m", tmp_path, overwrite=True)
    assert not fresh.trained
    assert {p.name for p in (tmp_path / "m").iterdir()} == {"config.json", "notes.txt"}


def test_a_missing_folder_names_its_neighbours(trained):
    with pytest.raises(FolderError, match=r"no such model folder; models in .*: m$"):
        N2VStem(None, "n", trained[0])
    assert not (trained[0] / "n").exists()


def test_a_path_is_no_name(tiny_config, tmp_path):
    with pytest.raises(FolderError, match="basedir"):
        N2VStem(tiny_config, "a/b", tmp_path)


def test_without_basedir_no_disk_is_touched(plain_config, noisy_movie, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = N2VStem(plain_config, basedir=None)
    model.train(noisy_movie, verbose=False)
    model.predict(noisy_movie)
    assert list(tmp_path.iterdir()) == []


def test_export_keeps_the_image_size_open(model, movie, tmp_path):
    import tensorflow as tf

    path = model.export(tmp_path / "saved")
    loaded = tf.saved_model.load(str(path))
    statistics = scan(movie)
    rng = np.random.default_rng(0)
    for part in (movie[:, :32, :32], movie):
        frames = statistics.standardise(part)
        around = rng.normal(size=(*frames.shape[:3], model.config.n_channel_in - 2))
        frames = np.concatenate([frames, around], axis=-1, dtype=np.float32)
        expected = model.keras_model(frames).numpy()
        np.testing.assert_allclose(loaded.serve(frames).numpy(), expected, atol=1e-5)
    with pytest.raises(FolderError, match="exists"):
        model.export(tmp_path / "saved")


def test_an_export_that_is_stopped_leaves_nothing(model, tmp_path, monkeypatch):
    def half(path, **keywords):
        (Path(path) / "saved_model.pb").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(model.keras_model, "export", half)
    with pytest.raises(KeyboardInterrupt):
        model.export(tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_is_stopped_leaves_nothing(model, tmp_path, monkeypatch):
    def full(folder, export):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("n2v_stem_keras.prediction.convert.convert", lambda *_: None)
    monkeypatch.setattr("n2v_stem_keras.folder.export.write", full)
    with pytest.raises(OSError, match="no space left"):
        model.export(tmp_path / "copy", format="onnx")
    assert list(tmp_path.iterdir()) == []


def test_movie_objects_keep_their_metadata(model, movie):
    wrapped = Movie.from_array(movie, "TYXC", detectors=("ADF", "BF"), pixel_size_nm=0.05)
    np.testing.assert_array_equal(model.predict(wrapped), model.predict(movie))
    with pytest.raises(MovieError, match="axes are TYXC, not CTYX"):
        model.predict(wrapped, axes="CTYX")


@pytest.mark.parametrize("context", [False, True])
def test_a_stream_of_known_statistics_is_the_movie_with_its_past(
    plain_config, noisy_movie, context
):
    model = N2VStem(plain_config.replace(unet_context=context), basedir=None)
    model.train(noisy_movie, verbose=False)
    (movie,) = model.record["runs"][-1]["movies"]
    assert ("context" in movie) is context
    known = scan(noisy_movie)
    for seen in ("past", "none"):
        options = {"mean": known.mean, "sd": known.sd, "context": seen}
        streamed = np.stack(list(model.stream(iter(noisy_movie), **options)))
        expected = model.predict(noisy_movie, context=seen)
        assert np.abs(expected - streamed).max() < 1e-5 * noisy_movie.std()
        by_frame = [frame for _, frame in model.predict_frames(noisy_movie, context=seen)]
        np.testing.assert_array_equal(by_frame, expected)
    both = model.predict(noisy_movie)
    np.testing.assert_array_equal(both, model.predict(noisy_movie, context="both"))
    # the controls: what is looked at makes a difference, if anything is
    assert np.array_equal(both, expected) is not context
    assert np.array_equal(model.predict(noisy_movie, context="past"), expected) is not context
    assert model.predict(noisy_movie[:1]).shape == (1, 64, 48, 2)
    with pytest.raises(ValueError, match="context is 'future', expected one of 'both', 'past'"):
        model.predict(noisy_movie, context="future")
