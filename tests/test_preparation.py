"""What is taken from frames before a network sees them: what it is, and that it comes back."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import N2VStem, N2VStemConfig
from n2v_stem_keras.config import AUTO, PREPARED
from n2v_stem_keras.noise import Scan, after_glow, estimate_noise, scan_movie
from n2v_stem_keras.preparation import Preparation, background, choice, with_after_glow
from n2v_stem_keras.series import collect_series
from n2v_stem_keras.training.choices import choose_preparation
from n2v_stem_keras.undistort import row_displacement
from n2v_stem_keras.undistort.moving import shifted

SMALL = N2VStemConfig(
    channels=("HAADF",),
    unet_n_depth=1,
    unet_n_first=4,
    n2v_patch_shape=(32, 32),
    n2v_pitch=6,
    n2v_background_px=AUTO,
    n2v_after_glow=AUTO,
    n2v_level_rows=AUTO,
    n2v_straighten_rows=AUTO,
    n2v_span=AUTO,
    n2v_neighborhood_radius=2,
    n2v_jitter=0,
    train_epochs=1,
    train_steps_per_epoch=2,
    train_batch_size=1,
    train_validation_fraction=0.0,
)


def scene(n_frames=3, slow=0.0, rows=0.0, side=160):
    """Noise on a specimen, (T, Y, X, 1)."""
    rng = np.random.default_rng(0)
    hill = gaussian_filter(rng.normal(size=(side, side)), 48, mode="reflect")
    frames = rng.normal(size=(n_frames, side, side, 1)) + slow * (hill / hill.std())[..., None]
    return (1000 + 50 * (frames + rows * rng.normal(size=(n_frames, side, 1, 1)))).astype("f4")


@pytest.mark.parametrize(("size", "expected"), [(None, 16.0), (0.03, 16.0), (0.0075, 63.0)])
def test_the_background_is_wider_than_a_lattice_of_fine_pixels(size, expected):
    """One of 0.2 nm over 27 px would go with it, and come back as noisy as it was."""
    frames = scene(slow=3.0, side=256)
    chosen = choose_preparation(SMALL, frames, "TYXC", ("HAADF",), size)
    assert chosen.n2v_background_px == expected


def test_empty_frames_and_rows_change_no_choice():
    """A detector that is off in some frames, and a scan that stopped in others."""
    glowing = after_glow(scene(4), 0.2)
    expected = choose_preparation(SMALL, glowing)
    assert expected.n2v_after_glow is not None
    broken = glowing.copy()
    broken[1], broken[2, 70:] = 1000, 0
    found = choose_preparation(SMALL, broken)
    assert found.n2v_after_glow == pytest.approx(expected.n2v_after_glow, abs=0.02)
    assert found.n2v_background_px is None
    assert found.n2v_level_rows is False
    one = glowing[:1].copy()
    one[0, 120:] = 0
    assert choose_preparation(SMALL, one).n2v_after_glow == pytest.approx(
        expected.n2v_after_glow, abs=0.03
    )


@pytest.mark.parametrize("shape", [(96, 96), (70, 41), (5, 64), (1, 1)])
def test_a_background_is_a_blur(shape):
    rng = np.random.default_rng(1)
    frame = gaussian_filter(rng.normal(size=(*shape, 2)), (6, 6, 0)).astype("f4")
    found = background(frame, 8.0)
    expected = gaussian_filter(frame, (8, 8, 0), mode="reflect", truncate=6)
    assert found.shape == frame.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 0.15 * np.abs(frame).max()


def test_of_an_even_frame_nothing_is_left():
    frame, back = Preparation(16.0, level_rows=True).take(
        np.full((40, 50, 2), 1234.567, np.float32)
    )
    assert not frame.any()
    np.testing.assert_array_equal(back.background, np.full((40, 50, 2), 1234.567, np.float32))


def test_the_background_comes_back_and_the_frame_is_left_alone():
    raw = scene(1, slow=3)[0]
    before = raw.copy()
    frame, back = Preparation(16.0).take(raw)
    np.testing.assert_array_equal(raw, before)
    np.testing.assert_allclose(Preparation(16.0).give_back(frame, back), raw, rtol=1e-6)
    assert frame.std() < 0.5 * raw.std()


def test_nothing_is_done_by_default():
    raw = scene(1)[0].astype(np.uint16)
    frame, back = N2VStemConfig().preparation.take(raw)
    assert frame is raw
    assert back is None
    assert N2VStemConfig().preparation.give_back(frame, back) is frame
    assert not N2VStemConfig().preparation


def vibrating(n_frames=2, jitter_px=0.5, psnr_db=14.0, side=128):
    """A crystal whose rows lie beside their places along x, (T, Y, X, 1)."""
    return scanned_crystal(n_frames, jitter_px, psnr_db, side).noisy


def scanned_crystal(n_frames, jitter_px, psnr_db, side=128):
    y, x = np.mgrid[:side, :side] / 7.0
    waves = sum(np.cos(2 * np.pi * (np.cos(a) * y + np.sin(a) * x)) for a in (0.3, 1.35, 2.4))
    crystal = np.repeat(waves[None, ..., None], n_frames, axis=0).astype("f4")
    return scan_movie(crystal, Scan(jitter_px=(0.0, jitter_px)), 0, psnr_db=psnr_db)


def test_displaced_rows_are_put_back_and_displaced_again():
    movie = scanned_crystal(1, 0.5, 20.0)
    raw = movie.noisy[0]
    before, done = raw.copy(), Preparation(straighten_rows=True)
    frame, taken = done.take(raw)
    np.testing.assert_array_equal(raw, before)
    assert np.corrcoef(taken.moved_px, movie.displacement_px[0, :, 0, 1])[0, 1] > 0.98
    inside, clean = np.s_[:, 4:-4], shifted(movie.truth[0], taken.moved_px)
    np.testing.assert_allclose(
        done.give_back(clean, taken)[inside], movie.truth[0][inside], atol=0.1
    )
    # a crystal again: its rows are those of few waves
    straight = row_displacement(frame)
    assert straight.rms_px[1] < 0.2 * row_displacement(raw).rms_px[1]


def test_white_noise_stays_white_where_rows_are_put_back():
    movie = scanned_crystal(1, 0.5, 12.0)
    _, taken = Preparation(straighten_rows=True).take(movie.noisy[0])
    moved = shifted(movie.noisy[0] - movie.truth[0], taken.moved_px)[..., 0]
    noise = estimate_noise(moved)
    assert noise.sigma == pytest.approx((movie.noisy - movie.truth).std(), rel=0.02)
    assert abs(noise.lag1_x) < 0.03
    assert abs(noise.lag1_y) < 0.03


@pytest.mark.parametrize(
    ("movie", "expected"),
    [
        (vibrating(), True),
        (vibrating(jitter_px=0.0), False),
        (vibrating(jitter_px=0.05, psnr_db=25), False),  # it tells of nothing
        (vibrating(psnr_db=-6.0), False),  # nothing tells of it
        (scene(), False),
    ],
)
def test_rows_are_put_back_where_a_crystal_tells(movie, expected):
    chosen = choose_preparation(SMALL, movie, "TYXC")
    assert chosen.n2v_straighten_rows is expected
    assert ("displaced rows put back" in chosen.preparation.describe()) is expected


def test_frames_that_tell_nothing_stay_as_they_are():
    done = Preparation(straighten_rows=True)
    for frame in (scene(1)[0], vibrating(1)[0, :40], np.zeros((80, 80, 1), "f4")):
        found, taken = done.take(frame)
        np.testing.assert_array_equal(found, frame)
        assert taken is None
        assert done.give_back(found, taken) is found


def test_residuals_are_of_frames_as_they_were_recorded():
    movie = vibrating()
    config = SMALL.replace(n2v_straighten_rows=True, n2v_level_rows=True)
    (series,) = collect_series(movie, config, axes="TYXC")
    np.testing.assert_array_equal(series.recorded(1), movie[1])


@pytest.mark.parametrize(
    ("slow", "rows", "expected"),
    [(0, 0, (None, False)), (3, 0, (16.0, False)), (0, 1, (None, True))],
)
def test_training_chooses_by_the_movie(slow, rows, expected):
    chosen = choose_preparation(SMALL, scene(slow=slow, rows=rows), "TYXC")
    assert (chosen.n2v_background_px, chosen.n2v_level_rows) == expected
    kept = SMALL.replace(
        n2v_background_px=32.0, n2v_level_rows=False, n2v_after_glow=None, n2v_straighten_rows=False
    )
    assert choose_preparation(kept, scene(slow=slow, rows=rows), "TYXC") is kept


def test_statistics_are_those_of_the_prepared_frames():
    movie = scene(slow=5)
    config = SMALL.replace(n2v_background_px=16.0)
    (series,) = collect_series(movie, config, axes="TYXC", fingerprint=True)
    (plain,) = collect_series(movie, N2VStemConfig(channels=("HAADF",)), "TYXC", fingerprint=True)
    assert 45 < series.statistics.sd[0] < 80 < 0.5 * plain.statistics.sd[0]
    assert series.statistics.fingerprint == plain.statistics.fingerprint
    np.testing.assert_array_equal(series.raw[1], movie[1])
    sample, back = series.sample(1, config)
    np.testing.assert_allclose(series.restored(sample, back), movie[1], rtol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_model_chooses_writes_it_down_and_opens_again(tmp_path):
    movie = scene(4, slow=5, rows=0.5)
    model = N2VStem(SMALL, "one", tmp_path)
    assert model.config.n2v_background_px == AUTO
    model.train(movie, verbose=False)
    assert model.config.preparation == Preparation(16.0, level_rows=True)
    assert model.config.n2v_span == (1, 1)
    assert model.config.is_valid()
    again = N2VStem(SMALL, "one", tmp_path)
    assert again.config == model.config == N2VStem(None, "one", tmp_path).config
    np.testing.assert_array_equal(again.predict(movie), model.predict(movie))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("way", ["predict", "frames", "stream", "dask"])
def test_every_way_puts_the_background_back(tmp_path, way):
    movie = scene(4, slow=5)
    model = N2VStem(SMALL, "one", None)
    model.train(movie, verbose=False)
    slow = np.stack([background(frame, 16.0) for frame in movie])
    if way == "predict":
        found = model.predict(movie)
    elif way == "frames":
        found = np.stack([frame for _, frame in model.predict_frames(movie)])
    elif way == "stream":
        found = np.stack(list(model.stream(iter(movie))))
    else:
        da = pytest.importorskip("dask.array")
        found = model.predict(da.from_array(movie, chunks=(2, *movie.shape[1:]))).compute()
    assert np.corrcoef(found.ravel(), slow.ravel())[0, 1] > 0.95
    if way in ("frames", "dask"):
        np.testing.assert_allclose(found, model.predict(movie), rtol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_span_follows_the_noise():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(4, 96, 97, 1))
    movie = (noise[:, :, 1:] + 0.5 * noise[:, :, :-1]).astype("f4")
    model = N2VStem(SMALL.replace(n2v_pitch=2, n2v_after_glow=None), None, None)
    model.train(movie, verbose=False)
    assert model.config.n2v_span == (1, 3)
    assert model.config.n2v_pitch == 4
    assert model.config.is_valid()


def test_after_glow_is_found_taken_off_and_given_back():
    movie = scene(4)
    glowing = after_glow(movie, 0.3)
    config = choose_preparation(SMALL, glowing, "TYXC")
    assert config.n2v_after_glow == pytest.approx((0.3,), abs=0.03)
    assert choose_preparation(SMALL, movie, "TYXC").n2v_after_glow is None
    preparation = Preparation(16.0, (0.3,))
    frame, back = preparation.take(glowing[0])
    np.testing.assert_allclose(preparation.give_back(frame, back), glowing[0], rtol=1e-4)
    white = estimate_noise(Preparation(None, (0.3,)).take(glowing[0])[0][..., 0])
    assert abs(white.lag1_x) < 0.03


def test_each_detector_glows_by_itself():
    one = scene(4)
    both = np.concatenate([after_glow(one, 0.2), one[:, ::-1]], axis=-1)
    config = choose_preparation(SMALL.replace(channels=("ADF", "BF")), both, "TYXC")
    assert config.n2v_after_glow == pytest.approx((0.2, 0), abs=0.03)
    frame, back = Preparation(None, (0.2, 0.0)).take(both[0])
    np.testing.assert_array_equal(frame[..., 1], both[0, ..., 1])
    assert back is None
    wrong = SMALL.replace(n2v_after_glow=(0.1, 0.2))
    assert "expected one for each of 1 detectors" in str(wrong.problems()["n2v_after_glow"])


def test_what_stands_in_the_folder_is_what_was_chosen():
    config = SMALL.replace(n2v_after_glow=[0.25], n2v_span=(1, 1), n2v_level_rows=False)
    config = config.replace(n2v_background_px=16.0)
    assert N2VStemConfig.from_dict(config.to_dict()) == config
    older = {k: v for k, v in config.to_dict().items() if k not in PREPARED}
    assert N2VStemConfig.from_dict({**older, "format_version": 1}).preparation == Preparation()


def test_a_frame_that_is_read_again_is_not_prepared_again():
    reads = []

    class Frames:
        shape = (3, 64, 64, 1)

        def __len__(self):
            return 3

        def __getitem__(self, t):
            reads.append(t)
            return scene(3, side=64)[t]

    prepared = Preparation(16.0).of(Frames())
    first, again = prepared[1], prepared[1]
    np.testing.assert_array_equal(first, again)
    assert reads == [1]
    with pytest.raises(ValueError, match="read-only"):
        again[0] = 0  # it would be another's, too
    other = Preparation(None, (0.2,)).of(Frames())
    assert not np.array_equal(other[1], first)


def test_each_movie_is_prepared_as_it_needs(capsys):
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(4, 96, 96, 1))
    movies = [
        100 + 10 * noise,
        100 + 10 * after_glow(noise, 0.2),
        scene(4, rows=1.0),
        scene(4, slow=3),
        vibrating(4).astype("f4"),
    ]
    config = SMALL.replace(**dict.fromkeys(PREPARED, "each"))
    assert config.preparation.is_open
    assert choose_preparation(config, movies, "TYXC") is config
    white, glowing, rows, slow, moved = collect_series(movies, config, axes="TYXC", verbose=True)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4
    assert said[3] == "array: displaced rows put back"
    assert said[1:3] == [
        "array: offsets of rows taken off",
        f"array: {slow.preparation.describe()}",
    ]
    assert white.preparation == Preparation()
    assert glowing.preparation.after_glow[0] == pytest.approx(0.2, abs=0.02)
    assert rows.preparation == Preparation(level_rows=True)
    assert slow.preparation == Preparation(16.0)
    assert moved.preparation == Preparation(straighten_rows=True)
    assert abs(estimate_noise(np.stack([f[..., 0] for f in glowing.frames])).lag1_x) < 0.03
    assert choice.for_movie(Preparation("each"), movies[3], 0.0235) == Preparation(20.0)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_way_prepares_each_movie_alike(tmp_path):
    glowing = 100 + 10 * after_glow(np.random.default_rng(7).normal(size=(4, 96, 96, 1)), 0.3)
    config = SMALL.replace(**dict.fromkeys(PREPARED, "each"))
    model = N2VStem(config, "one", tmp_path)
    model.train([scene(4), scene(4, slow=5)], axes="TYXC", verbose=False)
    assert N2VStem(None, "one", tmp_path).config == model.config
    assert model.config.n2v_after_glow == "each"
    for movie in (scene(4, slow=5), glowing, vibrating(4)):
        expected = model.predict(movie, axes="TYXC")
        da = pytest.importorskip("dask.array")
        lazily = model.predict(da.from_array(movie, chunks=(2, *movie.shape[1:])), axes="TYXC")
        np.testing.assert_allclose(lazily.compute(), expected, rtol=1e-4)
        (series,) = collect_series(movie, model.config, axes="TYXC")
        assert series.preparation
        same = _with(tmp_path, series.preparation).predict(movie, axes="TYXC")
        np.testing.assert_allclose(same, expected, rtol=1e-6)
        known = choice.for_movie(config.preparation, movie[:1])  # all that a stream has seen
        same = list(_with(tmp_path, known).stream(iter(movie)))
        np.testing.assert_allclose(list(model.stream(iter(movie))), same, rtol=1e-6)


def _with(folder, preparation):
    """The model of a folder, with another preparation."""
    model = N2VStem(None, "one", folder)
    model.config = model.config.replace(
        n2v_background_px=preparation.background_px,
        n2v_after_glow=preparation.after_glow,
        n2v_level_rows=preparation.level_rows,
        n2v_straighten_rows=preparation.straighten_rows,
    )
    return model


def test_a_truth_is_prepared_as_the_noisy_frame_was():
    """What is given back of it is the truth, and the noise that is left is that of the frame."""
    truth, rng = scene(1, slow=400.0)[0].astype(np.float32), np.random.default_rng(0)
    sharp = truth + rng.normal(0, 20, truth.shape).astype(np.float32)
    shares = (0.2,) * truth.shape[-1]
    prepared = Preparation(background_px=16.0, after_glow=shares)
    noisy, shown = with_after_glow(sharp, shares), with_after_glow(truth, shares)
    frame, taken = prepared.take(noisy)
    alike = prepared.take_alike(shown, taken)
    np.testing.assert_allclose(prepared.give_back(alike, taken), shown, atol=0.02)
    np.testing.assert_allclose(frame - alike, sharp - truth, atol=0.02)
    assert Preparation().take_alike(truth, None) is truth
