"""The masked loss: the formula, what it may not depend on, and the same on several devices."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.training import losses
from n2v_stem_keras.training.losses import (
    KINDS,
    MaskedError,
    MaskedLoss,
    masked_error_sum,
    split_target,
)


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def masked(original, mask):
    """The target tensor: originals, then the mask."""
    return np.concatenate([original, mask], axis=-1).astype(np.float32)


@pytest.fixture
def batch():
    """Originals, masks with 0 to many blind pixels a sample, predictions; two detectors."""
    rng = np.random.default_rng(1)
    share = np.array([0, 0.01, 0.1, 0.9])[:, None, None, None]
    mask = (rng.random((4, 12, 9, 2)) < share).astype(np.float32)
    return images(4, 12, 9, 2, seed=2), mask, images(4, 12, 9, 2, seed=3)


def by_hand(original, mask, prediction, kind):
    difference = original.astype(np.float64)[mask == 1] - prediction.astype(np.float64)[mask == 1]
    return np.mean(difference**2 if kind == "mse" else np.abs(difference))


def gradient(loss, target, prediction):
    prediction = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = loss(target, prediction)
    return value.numpy(), tape.gradient(value, prediction).numpy()


# The formula


def test_the_target_splits_into_originals_and_mask(batch):
    original, mask, _ = batch
    for found, expected in zip(split_target(masked(original, mask)), (original, mask)):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_error_at_blind_pixels_of_the_whole_batch(batch, kind):
    original, mask, prediction = batch
    loss = MaskedLoss(kind)(masked(original, mask), prediction)
    assert np.isclose(loss, by_hand(original, mask, prediction, kind), rtol=1e-6)
    # not the mean over samples of their own means: the counts are far apart
    means = [by_hand(*(a[i : i + 1] for a in batch), kind) for i in (1, 2, 3)]
    assert not np.isclose(loss, np.mean(means), rtol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_the_formula_and_zero_outside_of_the_mask(batch, kind):
    original, mask, prediction = batch
    _, found = gradient(MaskedLoss(kind), masked(original, mask), prediction)
    difference = prediction - original
    slope = 2 * difference if kind == "mse" else np.sign(difference)
    assert np.allclose(found, mask * slope / mask.sum(), rtol=1e-5, atol=1e-9)
    assert (found[mask == 0] == 0).all()
    assert (found[mask == 1] != 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_outside_of_the_mask_do_not_matter(batch, kind):
    original, mask, prediction = batch
    target, loss = masked(original, mask), MaskedLoss(kind)
    elsewhere = np.where(mask == 0, 1e6, prediction).astype(np.float32)
    value, slope = gradient(loss, target, prediction)
    other_value, other_slope = gradient(loss, target, elsewhere)
    assert other_value == value
    assert np.array_equal(other_slope, slope)
    inside = np.where(mask == 1, 1e3, prediction).astype(np.float32)
    assert gradient(loss, target, inside)[0] > 100 * value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["original", "prediction"])
def test_what_is_not_finite_outside_of_the_mask_does_not_spread(batch, kind, bad, where):
    original, mask, prediction = batch
    loss = MaskedLoss(kind)
    value, slope = gradient(loss, masked(original, mask), prediction)
    broken = {"original": original.copy(), "prediction": prediction.copy()}
    broken[where][mask == 0] = bad
    target = masked(broken["original"], mask)
    found, found_slope = gradient(loss, target, broken["prediction"])
    assert found == value
    assert np.array_equal(found_slope, slope)
    # the control: inside of the mask it must be seen
    broken[where][:] = bad
    assert not np.isfinite(loss(masked(broken["original"], mask), broken["prediction"]))


def test_each_detector_has_a_target_of_its_own(batch):
    """Broadcasting the first detector over both outputs would pass a test on equal ones."""
    original, mask, prediction = batch
    original = original + np.float32([0, 10])
    perfect = MaskedLoss()(masked(original, mask), original)
    assert perfect == 0
    swapped = MaskedLoss()(masked(original[..., ::-1], mask), original)
    assert 90 < swapped < 115
    error, count = masked_error_sum(masked(original, mask), prediction)
    for c in (0, 1):
        expected = by_hand(original[..., c], mask[..., c], prediction[..., c], "mse")
        assert np.isclose(error[c] / count[c], expected, rtol=1e-5)
        assert count[c] == mask[..., c].sum()


@pytest.mark.parametrize("kind", KINDS)
def test_one_blind_pixel_is_enough(batch, kind):
    original, _, prediction = batch
    mask = np.zeros_like(original)
    mask[2, 3, 4, 1] = 1
    loss = MaskedLoss(kind)(masked(original, mask), prediction)
    assert np.isclose(loss, by_hand(original, mask, prediction, kind), rtol=1e-6)


def test_a_batch_without_blind_pixels_costs_nothing(batch):
    original, mask, prediction = batch
    value, slope = gradient(MaskedLoss(), masked(original, 0 * mask), prediction)
    assert value == 0
    assert not slope.any()


def test_half_precision_predictions_are_summed_in_float32():
    """The count of blind pixels of one batch exceeds what float16 can hold."""
    original, mask = np.zeros((1, 512, 512, 1)), np.ones((1, 512, 512, 1))
    prediction = tf.fill((1, 512, 512, 1), tf.constant(0.5, tf.float16))
    assert MaskedLoss()(masked(original, mask), prediction) == 0.25
    error, count = masked_error_sum(masked(original, mask), prediction, "mae")
    assert error.dtype == count.dtype == tf.float32
    assert (error[0], count[0]) == (2**17, 2**18)


# The metric


@pytest.mark.parametrize("kind", KINDS)
def test_the_metric_is_exact_over_batches_of_unequal_size_and_masks(batch, kind):
    original, mask, prediction = batch
    metric = MaskedError(kind)
    for part in (slice(0, 1), slice(1, 2), slice(2, 4)):
        metric.update_state(masked(original[part], mask[part]), prediction[part])
    assert np.isclose(metric.result(), by_hand(original, mask, prediction, kind), rtol=1e-6)
    metric.reset_state()
    metric.update_state(masked(original[3:], mask[3:]), prediction[3:])
    last = by_hand(original[3:], mask[3:], prediction[3:], kind)
    assert np.isclose(metric.result(), last, rtol=1e-6)


def test_the_metric_of_one_detector_looks_at_that_one_only(batch):
    original, mask, prediction = batch
    for c in (0, 1):
        metric = MaskedError(channel=c)
        metric.update_state(masked(original, mask), prediction)
        expected = by_hand(original[..., c], mask[..., c], prediction[..., c], "mse")
        assert np.isclose(metric.result(), expected, rtol=1e-6)


def test_the_metric_is_zero_before_the_first_blind_pixel_and_shows_nan_after(batch):
    """NaN stops a training as diverged; an early batch may hold no blind pixel at all."""
    original, mask, prediction = batch
    metric = MaskedError()
    assert metric.result() == 0
    metric.update_state(masked(original, 0 * mask), prediction)
    assert metric.result() == 0
    metric.update_state(masked(original, mask), prediction * np.nan)
    assert np.isnan(metric.result())


@pytest.mark.parametrize(
    "made", [MaskedLoss("mae", name="mine"), MaskedError("mae", channel=1, name="mine")]
)
def test_loss_and_metric_survive_serialisation(batch, made):
    same = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    )
    assert type(same) is type(made)
    assert same.get_config() == made.get_config()
    assert (same.name, same.kind) == ("mine", "mae")
    original, mask, prediction = batch
    value = same(masked(original, mask), prediction)
    assert value == made(masked(original, mask), prediction)
    c = slice(1, 2) if isinstance(made, MaskedError) else slice(None)
    expected = by_hand(original[..., c], mask[..., c], prediction[..., c], "mae")
    assert np.isclose(value, expected, rtol=1e-6)


# Several devices

TWO_DEVICES = """
import json, sys
import numpy as np, tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

import keras
from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.training import losses
from n2v_stem_keras.training.losses import MaskedLoss
from n2v_stem_keras.training.loop import build_trainer

rng = np.random.default_rng(0)
x = rng.normal(size=(4, 16, 16, 2)).astype("f4")
# the first replica gets two samples with few blind pixels, the second two with many
share = np.array([0.02, 0.05, 0.3, 0.9])[:, None, None, None]
mask = (rng.random(x.shape) < share).astype("f4")
y = np.concatenate([3 * x + rng.normal(size=x.shape), mask], axis=-1).astype("f4")
dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)


def train(n_parts):
    config = N2VStemConfig(
        unet_n_depth=1, unet_n_first=2, n2v_patch_shape=None,
        train_batch_size=4, train_gradient_accumulation_steps=n_parts,
    )
    model = build_trainer(config)
    model.prepare(config, 1, keras.optimizers.SGD(1.0))
    before = model.get_weights()
    held_out = dataset if n_parts == 1 else None
    history = model.fit(dataset, validation_data=held_out, verbose=0, shuffle=False).history
    steps = [a - b for a, b in zip(before, model.get_weights())]
    return steps, {key: value[0] for key, value in history.items()}


def distance(a, b):
    return max(float(np.abs(p - q).max()) for p, q in zip(a, b))


(one, one_loss), (parts, parts_loss) = train(1), train(2)
with strategy.scope():
    (two, two_loss), (both, both_loss) = train(1), train(2)

# the Keras loss by itself: replicas return what Keras averages
loss, prediction = MaskedLoss(), tf.constant(2 * x)
whole = loss(y, prediction)
halves = tf.data.Dataset.from_tensor_slices((y, prediction)).batch(4)
run = tf.function(lambda batch: strategy.run(lambda b: loss(*b), (batch,)))
batch = next(iter(strategy.experimental_distribute_dataset(halves)))
per_replica = strategy.experimental_local_results(run(batch))

naive = [np.abs(y[i : i + 2, ..., :2] - 2 * x[i : i + 2])[mask[i : i + 2] == 1] for i in (0, 2)]
print(json.dumps({
    "replicas": strategy.num_replicas_in_sync,
    "largest step": distance(one, [0 * w for w in one]),
    "two devices": distance(one, two),
    "two parts": distance(one, parts),
    "two devices in two parts": distance(one, both),
    "losses": [one_loss, two_loss],
    "losses in parts": [parts_loss, both_loss],
    "whole": float(whole),
    "averaged": float(np.mean(per_replica)),
    "naive": float(np.mean([(e**2).mean() for e in naive])),
}))
"""


@pytest.fixture(scope="module")
def two_devices():
    """Results of one step on one device and on two, from a process that sees two."""
    path = os.pathsep.join(map(str, (Path(losses.__file__).parents[2], *sys.path)))
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES],
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_one_step_on_two_devices_is_that_on_one(two_devices):
    """SGD of rate 1, so that the step is the summed gradient, whatever mask counts devices got."""
    assert two_devices["replicas"] == 2
    assert two_devices["largest step"] > 0.1
    assert two_devices["two devices"] < 1e-6


@pytest.mark.slow
def test_one_step_in_parts_is_that_in_one(two_devices):
    assert two_devices["two parts"] < 1e-6
    assert two_devices["two devices in two parts"] < 1e-6


@pytest.mark.slow
def test_losses_shown_on_two_devices_are_those_on_one(two_devices):
    one, two = two_devices["losses"]
    names = {"loss", "loss_ADF", "loss_BF"}
    assert set(one) == names | {f"val_{name}" for name in names}
    assert two == pytest.approx(one, rel=1e-5)
    for in_parts in two_devices["losses in parts"]:
        assert in_parts == pytest.approx({name: one[name] for name in names}, rel=1e-6)


@pytest.mark.slow
def test_the_keras_loss_averages_over_replicas_to_the_whole(two_devices):
    assert two_devices["averaged"] == pytest.approx(two_devices["whole"], rel=1e-6)
    # the control: means over each replica's own count would be something else
    assert abs(two_devices["naive"] / two_devices["whole"] - 1) > 0.01


def test_every_loss_of_the_configuration_has_a_row_of_the_table():
    field = {f.name: f for f in dataclasses.fields(N2VStemConfig)}["train_loss"]
    assert set(field.metadata["choices"]) == set(KINDS)


def test_an_unknown_loss_is_an_error_and_not_another_one():
    y = np.ones((1, 4, 4, 2), np.float32)
    with pytest.raises(KeyError, match="huber"):
        masked_error_sum(y, y[..., :1], "huber")
