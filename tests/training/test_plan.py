"""A plan says what a training would do, and does nothing."""

import numpy as np
import pytest

from n2v_stem_keras import N2VStem
from n2v_stem_keras.folder.folder import FolderError
from n2v_stem_keras.normalize import DataError
from n2v_stem_keras.series import collect_series
from n2v_stem_keras.training import data
from n2v_stem_keras.training.checkpoint import RunState, data_fingerprints, save_checkpoint
from n2v_stem_keras.training.plan import plan


@pytest.fixture
def series(noisy_movie, plain_config):
    return collect_series(noisy_movie, plain_config, fingerprint=True)


def test_a_plan_is_what_the_training_then_does(noisy_movie, plain_config, series):
    planned = plan(plain_config, series)
    model = N2VStem(plain_config, basedir=None)
    model.train(noisy_movie, verbose=False)
    run = model.record["runs"][-1]
    for name in ("epochs", "steps_per_epoch", "early_epochs"):
        assert run[name] == getattr(planned, name)
    assert run["noise_floor"] == planned.floor
    assert run["training_frames"] == planned.data.n_frames
    assert run["noise_floor_se"] < 0.1 * planned.floor


def test_planning_twice_gives_the_same_and_leaves_the_movies_alone(plain_config, series):
    before = [np.array(frame) for frame in series[0].frames]
    first, second = (plan(plain_config, series) for _ in range(2))
    assert first.describe() == second.describe()
    assert (first.floor, first.warnings) == (second.floor, second.warnings)
    assert all(np.array_equal(a, b) for a, b in zip(before, series[0].frames))


def test_a_floor_of_given_validation_movies_is_theirs(plain_config, series, noisy_movie):
    louder = (
        noisy_movie + np.random.default_rng(5).normal(size=noisy_movie.shape) * noisy_movie.std()
    )
    held = collect_series(louder.astype("f4"), plain_config)
    assert plan(plain_config, series, held).floor > plan(plain_config, series).floor
    without = plain_config.replace(train_validation_fraction=0.0)
    nothing = plan(without, series)
    assert (nothing.floor, nothing.floor_se(100), nothing.validation) == (None, None, None)


@pytest.mark.parametrize("shape", [(12, 256, 256, 2), (2, 700, 128, 2)])
def test_a_floor_is_that_of_what_is_validated_on(plain_config, shape):
    """The last frames of a long movie, or the last rows of a short one, may be less noisy."""
    rng = np.random.default_rng(0)
    frames = rng.normal(size=shape).astype(np.float32)
    loud = plan(plain_config, collect_series(frames, plain_config))
    (region,) = loud.validation.regions
    quiet = frames.copy()
    quiet[list(region.frames), slice(*region.rows)] *= 0.8
    planned = plan(plain_config, collect_series(quiet, plain_config))
    assert loud.floor == pytest.approx(1, abs=4 * loud.floor_se(10**6))
    expected = 0.8**2 / quiet.var(axis=(0, 1, 2)).mean()
    error = planned.floor_se(10**6)
    assert planned.floor == pytest.approx(expected, abs=4 * error)
    assert 4 * error < 0.1  # and so it is told from that of the whole movie
    assert error > 0.001  # of the noise estimate


def test_absolute_errors_have_a_floor_and_a_spread_of_their_own(plain_config, series):
    squares = plan(plain_config, series)
    absolutes = plan(plain_config.replace(train_loss="mae"), series)
    assert absolutes.floor != squares.floor
    # of normal noise: var(x^2) / mean(x^2)^2 = 2, var(|x|) / mean(|x|)^2 = pi / 2 - 1
    rng = np.abs(np.random.default_rng(0).normal(size=10**6))
    for planned, errors in ((squares, rng**2), (absolutes, rng)):
        spread = (planned.floor_se(10) / planned.floor) ** 2 * 10
        assert spread == pytest.approx(errors.var() / errors.mean() ** 2, rel=0.02)


@pytest.fixture
def interrupted(series, tmp_path):
    """A folder in which a training of 9 epochs of 7 steps ended after the third."""
    save_checkpoint(tmp_path, RunState(3, 0, 9, 7, data_fingerprints(series)), {"a": np.zeros(1)})
    return tmp_path


def test_an_unfinished_training_keeps_its_extent(plain_config, series, interrupted):
    going_on = plan(plain_config, series, folder=interrupted)
    assert (going_on.epochs, going_on.steps_per_epoch) == (9, 7)
    assert going_on.unfinished[0].epoch == 3
    assert plan(plain_config, series, epochs=12, folder=interrupted).epochs == 12
    anew = plan(plain_config, series)
    assert (anew.unfinished, anew.epochs) == (None, plain_config.train_epochs)
    with pytest.raises(FolderError, match="has 7 steps per epoch, not 8"):
        plan(plain_config, series, steps_per_epoch=8, folder=interrupted)


def test_few_pixels_are_announced_to_a_new_network_only(
    plain_config, series, interrupted, monkeypatch
):
    monkeypatch.setattr(data, "FEW_PIXELS", 10**9)

    def said(**options):
        return [text for text in plan(plain_config, series, **options).warnings if "px of" in text]

    assert len(said()) == 1
    assert said(from_scratch=False) == said(folder=interrupted) == []


def test_many_spikes_are_announced(plain_config, noisy_movie):
    def said(movie):
        found = plan(plain_config, collect_series(movie, plain_config)).warnings
        return [text for text in found if "are spikes" in text]

    assert said(noisy_movie) == []
    hit = np.random.default_rng(0).random(noisy_movie.shape[:3]) < 1e-3
    noisy_movie[hit, 1] += 1000
    (text,) = said(noisy_movie)
    assert text.startswith("array: BF: 0.")
    assert "replace them by the median of their neighbours" in text


def test_nothing_to_learn_is_an_error(plain_config):
    constant = np.ones((6, 64, 48, 2), np.float32)
    constant[..., 0] = np.random.default_rng(0).normal(size=(6, 64, 48))
    with pytest.warns(UserWarning, match="BF has one value throughout"):
        series = collect_series(constant, plain_config)
    with pytest.raises(DataError, match="detector BF is constant in all movies"):
        plan(plain_config, series)


def test_a_plan_says_how_far_is_looked_around(plain_config, noisy_movie, series):
    reach = series[0].context.reach
    seen = f"; up to {reach} frames before and after each seen"
    assert seen in plan(plain_config, series).describe()
    single = collect_series(noisy_movie[:1], plain_config)
    nothing = "; there are no frames around each to look at"
    assert nothing in plan(plain_config, single).describe()
    series[0].context.reach = 1
    both = [*series, *single, *collect_series(noisy_movie, plain_config)]
    both[-1].context.reach = 4
    assert "; up to 1 to 4 frames before and after each" in plan(plain_config, both).describe()
    alone = plain_config.replace(unet_context=False)
    assert "before and after" not in plan(alone, collect_series(noisy_movie, alone)).describe()


def test_frames_that_share_noise_are_warned_of(plain_config, noisy_movie, series):
    with pytest.warns(UserWarning, match="12 of 24 frames equal one before them"):
        repeated = collect_series(np.repeat(noisy_movie, 2, axis=0), plain_config)
    (said,) = [text for text in plan(plain_config, repeated).warnings if "share noise" in text]
    assert said.startswith("array: frames 1, 3, 5, 7, 9, ...")
    assert not [text for text in plan(plain_config, series).warnings if "share noise" in text]


@pytest.mark.filterwarnings("ignore:.*blank")
def test_a_blank_movie_among_others_counts_for_nothing(plain_config, noisy_movie, series):
    blank = np.full_like(noisy_movie, 7.0)
    with pytest.warns(UserWarning, match="one value throughout"):
        both = collect_series([noisy_movie, blank], plain_config)
    planned = plan(plain_config, both)
    alone = plan(plain_config, series)
    assert (planned.early_epochs, planned.floor) == (alone.early_epochs, alone.floor)
    assert planned.data.n_frames == alone.data.n_frames
