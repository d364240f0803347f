"""A student learns what its teacher does, and says who that was."""

import json

import numpy as np
import pytest
import tensorflow as tf

from n2v_stem_keras import N2VStem, N2VStemConfig, distill
from n2v_stem_keras.config import AUTO, ConfigError
from n2v_stem_keras.distillation import guides_of, train_on_truth
from n2v_stem_keras.folder.folder import WEIGHTS_BEST, save_weights
from n2v_stem_keras.normalize import DataError, scan
from n2v_stem_keras.series import collect_series
from n2v_stem_keras.temporal.context import MovieContext
from n2v_stem_keras.training.data import BlindSpotData, Region
from n2v_stem_keras.training.losses import teacher_error_sum

TINY_LIVE = {
    "unet_stem": 2,
    "unet_n_first": 4,
    "n2v_patch_shape": (32, 32),
    "train_epochs": 2,
    "train_steps_per_epoch": 3,
}


@pytest.fixture
def student_config():
    return N2VStemConfig.preset("live", **TINY_LIVE)


class Doubler(N2VStem):
    """A teacher that is easy to tell: it gives back twice what it gets."""

    def __init__(self, config):
        super().__init__(config, "doubler", basedir=None)
        self.trained = True

    @property
    def denoiser(self):
        n = self.config.n_channel_out
        double = lambda frames, n_tiles=None, tta=False, around=None: 2 * frames[..., :n]  # noqa: E731
        double.config, double.frames_per_call = self.config, lambda shape: 1
        return double


def test_the_teachers_error_is_counted_in_samples_that_are_seen_whole():
    frame, guide = np.zeros((2, 2, 2, 1)), np.full((2, 2, 2, 1), 3.0)
    mask = np.zeros((2, 2, 2, 1))
    mask[0, 0, 1] = 1  # the first sample is blinded
    target = tf.constant(np.concatenate([frame, mask, guide], -1), tf.float32)
    prediction = tf.reshape(tf.constant([9.0] * 4 + [1.0] * 4), (2, 2, 2, 1))
    error, count = teacher_error_sum(target, prediction)
    assert (float(error), float(count)) == (16, 4)


@pytest.mark.parametrize("context", [False, True])
def test_every_other_sample_is_seen_whole(tiny_config, noisy_movie, context):
    movie, config = noisy_movie.astype(np.float32), tiny_config.replace(unet_context=context)
    statistics = scan(movie)
    data = BlindSpotData(
        [movie],
        [statistics],
        [Region(0, tuple(range(len(movie))), (0, movie.shape[1]))],
        config,
        guides=[np.full(movie.shape, 7, np.float32)],
        contexts=[MovieContext(movie, statistics)] if context else None,
    )
    n = 2 * config.train_batch_size
    x, y = (np.concatenate(parts) for parts in zip(*data.training(0, n).take(2)))
    assert x.shape[-1] == config.n_channel_in
    x = x[..., :2]
    frame, mask, guide = np.split(y, 3, axis=-1)
    blinded = mask.any((1, 2, 3))
    assert blinded.tolist() == [True, False] * (n // 2)
    np.testing.assert_array_equal(x[~blinded], frame[~blinded])
    assert (x[blinded] != frame[blinded]).any((1, 2, 3)).all()
    assert (guide == guide[0, 0, 0]).all()


@pytest.mark.slow
def test_a_student_becomes_what_its_teacher_is(tiny_config, noisy_movie, few_validation_pixels):
    """Beside a teacher that doubles, the blind loss alone would not make anything twice as large.

    The negative control is the same training without the teacher.
    """
    config = N2VStemConfig.preset(
        "live",
        # wide enough to let every pixel through
        **TINY_LIVE | {"unet_stem": 1, "train_epochs": 4, "train_steps_per_epoch": 60},
        train_ema_momentum=0.0,
        train_learning_rate=1e-2,
    )
    slopes = []
    for weight in (100.0, 0.0):
        student = distill(
            Doubler(tiny_config), noisy_movie, config, "s", None, weight=weight, verbose=False
        )
        denoised = student.predict(noisy_movie)
        mean = noisy_movie.mean((0, 1, 2))
        slopes.append(
            ((denoised - mean) * (noisy_movie - mean)).sum() / ((noisy_movie - mean) ** 2).sum()
        )
    assert slopes[0] > 1.05  # on its way to 2; blind, one is the most there can be
    assert slopes[1] < 0.8


def test_what_is_taught_is_of_prepared_frames(tiny_config, noisy_movie):
    config = tiny_config.replace(n2v_background_px=8.0, n2v_after_glow=(0.2, 0.2))
    movie = noisy_movie.astype(np.float32)
    (series,) = collect_series(movie, config, "TYXC")
    with guides_of(Doubler(config), [series]) as (guide,):
        taught = np.array(guide)
    twice = [2 * series.statistics.standardise(np.asarray(f)) for f in series.frames]
    expected = np.stack([series.statistics.restore(frame) for frame in twice])
    np.testing.assert_allclose(taught, expected, rtol=1e-4, atol=1e-3 * movie.std())


def test_the_folder_names_the_teacher(
    tmp_path, plain_config, student_config, noisy_movie, few_validation_pixels
):
    teacher = N2VStem(plain_config, "large", tmp_path)
    save_weights(teacher.keras_model, teacher.logdir / WEIGHTS_BEST)
    student = distill(tmp_path / "large", noisy_movie, student_config, basedir=tmp_path)
    assert student.name == "large-live"
    record = json.loads((tmp_path / "large-live" / "training.json").read_text())
    assert record["runs"][-1]["teacher"] == {
        "name": "large",
        "fingerprint": teacher.fingerprint,
        "weight": 10.0,
    }
    assert "large" in (tmp_path / "large-live" / "README.md").read_text()
    opened = N2VStem(None, "large-live", tmp_path)
    np.testing.assert_array_equal(opened.predict(noisy_movie), student.predict(noisy_movie))


@pytest.mark.slow
def test_two_distillations_agree_to_the_bit(
    tiny_config, student_config, noisy_movie, few_validation_pixels
):
    students = [
        distill(Doubler(tiny_config), noisy_movie, student_config, "s", None, verbose=False)
        for _ in range(2)
    ]
    for a, b in zip(*(s.keras_model.get_weights() for s in students)):
        np.testing.assert_array_equal(a, b)


def test_other_detectors_are_refused(tiny_config, noisy_movie):
    config = N2VStemConfig.preset("live", channels=("BF", "ADF"))
    with pytest.raises(ConfigError, match=r"student has BF\+ADF, the teacher ADF\+BF"):
        distill(Doubler(tiny_config), noisy_movie, config, basedir=None)


def test_a_teacher_is_opened_by_the_name_of_its_folder_or_of_a_ready_made_model(
    plain_config, noisy_movie, tmp_path
):
    teacher = N2VStem(plain_config, "m", tmp_path)
    teacher.keras_model.save_weights(teacher.logdir / "weights_best.weights.h5")
    for name, known_as in ((tmp_path / "m", "m"), ("graphene-au", "graphene-au")):
        student = distill(
            name,
            noisy_movie,
            plain_config,
            basedir=None,
            epochs=1,
            steps_per_epoch=1,
            verbose=False,
        )
        assert student.record["runs"][-1]["teacher"]["name"] == known_as


def test_a_teacher_that_knows_nothing_is_refused(tiny_config, noisy_movie):
    with pytest.raises(ConfigError, match="was never trained"):
        distill(N2VStem(tiny_config, "empty", basedir=None), noisy_movie, basedir=None)


@pytest.mark.parametrize("weight", [-1, float("nan")])
def test_a_wrong_weight_is_refused(tiny_config, noisy_movie, weight):
    with pytest.raises(ValueError, match=r"weight is .*, expected a number of at least 0"):
        distill(Doubler(tiny_config), noisy_movie, basedir=None, weight=weight)


def test_a_model_learns_a_truth_that_no_noise_tells_of(
    tiny_config, noisy_movie, few_validation_pixels
):
    """As above: blind, one is the most there can be."""
    config = N2VStemConfig.preset(
        "live",
        **TINY_LIVE | {"unet_stem": 1, "train_epochs": 4, "train_steps_per_epoch": 60},
        train_ema_momentum=0.0,
        train_learning_rate=1e-2,
    )
    movie, mean = noisy_movie.astype(np.float32), noisy_movie.mean((0, 1, 2))
    before = movie.copy()
    config = config.replace(n2v_background_px=None, n2v_after_glow=None, n2v_level_rows=False)
    model = N2VStem(config, "told", basedir=None)
    told = train_on_truth(model, [movie], [mean + 4 * (movie - mean)], weight=100.0, verbose=False)
    assert told is model
    np.testing.assert_array_equal(movie, before)
    denoised = model.predict(movie, verbose=False)
    slope = ((denoised - mean) * (movie - mean)).sum() / ((movie - mean) ** 2).sum()
    assert slope > 1.05


def test_the_folder_says_that_the_truth_was_shown(tmp_path, tiny_config, noisy_movie):
    open_choices = {"n2v_background_px": AUTO, "n2v_after_glow": AUTO, "n2v_level_rows": AUTO}
    config = tiny_config.replace(train_epochs=1, **open_choices)
    model = N2VStem(config, "told", tmp_path)
    train_on_truth(model, [noisy_movie], [noisy_movie], verbose=False)
    written = N2VStem(None, "told", tmp_path).config
    assert AUTO not in [getattr(written, name) for name in open_choices]
    (run,) = json.loads((tmp_path / "told" / "training.json").read_text())["runs"]
    assert run["teacher"]["name"] == "simulation"
    assert run["teacher"]["fingerprint"].startswith("sha256:")
    card = (tmp_path / "told" / "README.md").read_text()
    assert "blind and on the truth of simulations in turn" in card
    assert "noisy movies alone" not in card


def test_truths_that_do_not_belong_to_the_movies_are_refused(tiny_config, noisy_movie):
    model = N2VStem(tiny_config, basedir=None)
    with pytest.raises(DataError, match="1 movies and 2 truths"):
        train_on_truth(model, [noisy_movie], [noisy_movie, noisy_movie])
    broken = noisy_movie.copy()
    broken[3, 4, 5, 0] = np.nan
    with pytest.raises(DataError, match="the truth of frame 3 holds NaN"):
        train_on_truth(model, [noisy_movie], [broken], verbose=False)
    with pytest.raises(ValueError, match="weight is 'x', expected a number above 0"):
        train_on_truth(model, [noisy_movie], [noisy_movie], weight="x")
    with pytest.raises(DataError, match=r"the truth has shape \(2, 64, 48, 2\)"):
        train_on_truth(model, [noisy_movie], [noisy_movie[:2]], verbose=False)
    with pytest.raises(ValueError, match="above 0"):
        train_on_truth(model, [noisy_movie], [noisy_movie], weight=0)
