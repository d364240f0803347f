"""The Keras model that trains blind, and its callbacks.

Keras's own `fit` runs the loop. What it does not do is here: batches processed in parts with the
exact gradient of the whole, an exact average of the weights, files that are whole at any moment,
and a loss shown beside its noise floor.

With fixed masks the masked mean squared error equals the true error plus the noise variance in
expectation. So its floor is the noise variance, not zero. The standard error of the excess over
what these N pixels' own noise amounts to is 2 sigma e_rms / sqrt(N) for a true error e_rms: it
decides whether one epoch is better than another. That noise itself scatters about its variance by
a share of sqrt(2 / N): the error of the floor, the same for all epochs.
"""

from __future__ import annotations

import math
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from ..config import N2VStemConfig
from ..folder import folder as model_folder
from ..folder.folder import FolderError
from ..folder.record import write_record
from ..network.unet import build_network
from ..progress import FrameProgress, duration
from .checkpoint import RunState, save_checkpoint
from .losses import (
    KINDS,
    MaskedError,
    MaskedLoss,
    global_sum,
    masked_error_sum,
    seen_whole,
    teacher_error_sum,
)

# Norm of a gradient beyond which it is shortened. Those of simulations reach 0.6; on platinum on
# uneven carbon, whose background was not taken off, one of 10 000 ended a training after 250 steps.
LARGEST_GRADIENT = 1.0
SLOW_TRAINING_S = 30 * 60  # beyond this, a CPU user is told how long it will take


class TrainingDiverged(FloatingPointError):
    """The loss became NaN or infinite; the weights of the best epoch are kept."""


class _Scores:
    """Holds metrics where Keras does not look: they are no part of the weights."""

    def __init__(self, kind, channels):
        self.metrics = [MaskedError(kind, name="loss")]
        if len(channels) > 1:
            self.metrics += [MaskedError(kind, c, f"loss_{n}") for c, n in enumerate(channels)]


@keras.saving.register_keras_serializable("n2v_stem_keras")
class BlindSpotModel(keras.Model):
    """The network with a training step that reads the manipulated target tensor.

    Gradients are those of ``sum(mask error) / sum(mask)`` over the whole batch, on however many
    replicas and in however many parts it is processed; with a teacher, of that plus a weight
    times the mean squared difference from the teacher's image over the samples seen whole.
    """

    def prepare(
        self,
        config: N2VStemConfig,
        n_steps: int,
        optimizer=None,
        teacher_weight: float = 0.0,
    ) -> None:
        """Compile for a run of `n_steps` updates, as the configuration says."""
        self._n_in, self._n_out = config.n_channel_in, config.n_channel_out
        self._teacher_weight, self._is_told = teacher_weight, bool(config.lattice)
        self._n_parts = config.train_gradient_accumulation_steps
        self._scores = _Scores(config.train_loss, config.channels)
        # with a teacher gradients are as many times larger as its weight makes them
        longest = LARGEST_GRADIENT * max(1.0, teacher_weight)
        optimizer = optimizer or keras.optimizers.Adam(
            learning_rate(config, n_steps), global_clipnorm=longest
        )
        if config.train_precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        # XLA pays on one GPU; on a CPU it is slower, and under tf.distribute it is off anyway
        one_gpu = len(tf.config.list_logical_devices("GPU")) == 1
        self.compile(optimizer, MaskedLoss(config.train_loss), jit_compile=one_gpu)
        optimizer.build(self.trainable_variables)

    @property
    def metrics(self):
        """Exact masked errors over all batches: of all detectors, and of each."""
        return self._scores.metrics

    def train_step(self, data):
        """Update the weights once from a batch of (x, y)."""
        x, y = data[:2]
        mask = y[..., self._n_out : 2 * self._n_out]
        counts = tf.reduce_sum(mask), tf.reduce_sum(seen_whole(mask))
        totals = [tf.maximum(global_sum(n), 1.0) for n in counts]
        if self._n_parts == 1:
            gradients = self._gradients(x, y, totals)
        else:
            gradients = self._accumulated(x, y, totals)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        return self.get_metrics_result()

    def _gradients(self, x, y, totals):
        """Return gradients of the summed errors over their `totals`; also updates the metrics."""
        n_blind, n_seen = totals
        with tf.GradientTape() as tape:
            prediction = self(self.inputs_of(x, y))
            error, count = masked_error_sum(y[..., : 2 * self._n_out], prediction, self.loss.kind)
            loss = tf.reduce_sum(error) / n_blind
            if self._teacher_weight:
                loss += self._teacher_weight * teacher_error_sum(y, prediction)[0] / n_seen
            loss = self.optimizer.scale_loss(loss)
        for metric in self.metrics:
            metric.add(error, count)
        return tape.gradient(loss, self.trainable_variables)

    def _maybe_symbolic_build(self, *args, **kwargs):
        """Do nothing where Keras, on several devices, would call the network with frames alone.

        It does so to build losses and metrics; ours have nothing to build.
        """

    def inputs_of(self, x, y):
        """Return what the network takes: frames and, if it is told, which of them are blinded."""
        if not self._is_told:
            return x
        mask = y[..., self._n_out : 2 * self._n_out]
        return [x, 1 - seen_whole(mask)[:, 0, 0, :1]]

    def _accumulated(self, x, y, totals):
        """Return the same, part by part, so that only one part's activations are in memory."""
        n_parts = self._n_parts
        x = tf.reshape(x, tf.concat([[n_parts, -1], tf.shape(x)[1:]], 0))
        y = tf.reshape(y, tf.concat([[n_parts, -1], tf.shape(y)[1:]], 0))
        channels_out = self._n_out * (3 if self._teacher_weight else 2)

        def add_part(i, sums):
            part_x = tf.ensure_shape(x[i], (None, None, None, self._n_in))
            part_y = tf.ensure_shape(y[i], (None, None, None, channels_out))
            return i + 1, [s + g for s, g in zip(sums, self._gradients(part_x, part_y, totals))]

        zeros = [tf.zeros(v.shape, v.dtype) for v in self.trainable_variables]
        return tf.while_loop(
            lambda i, sums: i < n_parts, add_part, (0, zeros), parallel_iterations=1
        )[1]

    def test_step(self, data):
        """Add a validation batch to the metrics."""
        x, y = data[:2]
        prediction = self(self.inputs_of(x, y))
        error, count = masked_error_sum(y, prediction, self.loss.kind)
        for metric in self.metrics:
            metric.add(error, count)
        return self.get_metrics_result()


def learning_rate(config: N2VStemConfig, n_steps: int):
    """Return the learning rate or its schedule over `n_steps` updates."""
    if config.train_learning_rate_schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(config.train_learning_rate, n_steps)
    return config.train_learning_rate


def build_trainer(config: N2VStemConfig) -> BlindSpotModel:
    """Return the network of a configuration, told which frames are blinded; not compiled yet."""
    return build_network(config, BlindSpotModel, for_training=True)


class TrainingState:
    """All numbers that a training changes, as one flat dictionary of arrays."""

    def __init__(self, trainer: BlindSpotModel, average: WeightAverage | None):
        self.trainer, self.average = trainer, average

    def _variables(self) -> dict:
        named = {f"weight_{i:04d}": v for i, v in enumerate(self.trainer.variables)}
        optimizer = self.trainer.optimizer.variables
        named |= {f"optimizer_{i:04d}": v for i, v in enumerate(optimizer)}
        if self.average:
            named |= {f"average_{i:04d}": v for i, v in enumerate(self.average.variables)}
        return named

    def get(self) -> dict:
        """Return name -> array."""
        return {name: np.asarray(v) for name, v in self._variables().items()}

    def set(self, arrays: dict, where="checkpoint") -> None:
        """Assign all arrays, or none if any does not fit."""
        variables = self._variables()
        if set(arrays) != set(variables):
            raise FolderError(f"{where}: holds other variables than this training; damaged")
        for name, variable in variables.items():
            if tuple(arrays[name].shape) != tuple(variable.shape):
                raise FolderError(
                    f"{where}: {name} has shape {arrays[name].shape}, expected {variable.shape}"
                )
        for name, variable in variables.items():
            variable.assign(arrays[name])


# -- callbacks ------------------------------------------------------------------------------------
class WeightAverage(keras.callbacks.Callback):
    """Exponential moving average of the weights, used while validating.

    Parameters
    ----------
    trainer : BlindSpotModel
    momentum : float
        Ramped up as (1 + n) / (10 + n) over the first updates, so that the random initial
        weights are forgotten.

    Notes
    -----
    Keras's own `SwapEMAWeights` exchanges weights by adding and subtracting, which rounds them;
    here they are copied.
    """

    def __init__(self, trainer: BlindSpotModel, momentum: float):
        super().__init__()
        self.sources = trainer.trainable_variables
        self.variables = [tf.Variable(v, trainable=False) for v in self.sources]
        self.momentum, self.count = momentum, tf.Variable(0, dtype=tf.int64)
        self.variables.append(self.count)
        self._held = None

    @tf.function(autograph=False)
    def _update(self):
        n = tf.cast(self.count, tf.float32)
        momentum = tf.minimum(self.momentum, (1 + n) / (10 + n))
        for average, source in zip(self.variables, self.sources):
            average.assign(momentum * average + (1 - momentum) * source)
        self.count.assign_add(1)

    def values(self):
        """Averaged weights as arrays."""
        return [v.numpy() for v in self.variables[:-1]]

    def on_train_batch_end(self, batch, logs=None):
        self._update()

    def on_test_begin(self, logs=None):
        self._held = [np.asarray(v) for v in self.sources]
        for source, average in zip(self.sources, self.values()):
            source.assign(average)

    def on_test_end(self, logs=None):
        for source, held in zip(self.sources, self._held):
            source.assign(held)
        self._held = None


class StopOnNaN(keras.callbacks.Callback):
    """Raise `TrainingDiverged` as soon as the loss is not finite."""

    def on_train_batch_end(self, batch, logs=None):
        loss = logs.get("loss") if logs else None
        if loss is not None and not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss became {loss} at step {batch + 1}; the weights of the best epoch so "
                "far are kept. Lower train_learning_rate (a tenth is a good guess), or look for "
                "extreme pixels in the movies"
            )


class Keeper(keras.callbacks.Callback):
    """At the end of each epoch: extend the history, keep the best weights, write a checkpoint.

    Parameters
    ----------
    state : RunState
        Updated in place.
    training : TrainingState
    network : keras.Model
        Receives the (averaged) weights of each epoch.
    folder : Path or None
    record : dict
        Written to training.json with the history.
    floor : float or None
        Noise floor of the validation loss.
    n_pixels : int
        Blind pixels in the validation set.
    """

    def __init__(self, state, training, network, folder, record, floor, n_pixels):
        super().__init__()
        self.state, self.training, self.network = state, training, network
        self.folder, self.record = folder, record
        self.floor, self.n_pixels = floor, n_pixels
        self.best_weights = None
        self._began = self._epoch_began = time.monotonic()
        self._seconds_before = state.seconds

    def weights(self):
        """Return the weights to predict with: averaged where they are averaged."""
        average = self.training.average
        return average.values() if average else self.training.trainer.get_weights()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        state, now = self.state, time.monotonic()
        state.epoch = epoch + 1
        state.seconds = self._seconds_before + now - self._began
        row = {"epoch": epoch, **logs}
        if "val_loss" in row and self.floor is not None:
            row["noise_floor"] = self.floor
            if excess_se := KINDS[self.training.trainer.loss.kind].excess_se:
                row["val_loss_se"] = excess_se(row["val_loss"], self.floor, self.n_pixels)
        row["learning_rate"] = current_learning_rate(self.training.trainer.optimizer)
        row["seconds"] = round(now - self._epoch_began, 3)
        logs.update({k: v for k, v in row.items() if k != "epoch"})
        append_row(state.history, row)
        self._keep(row)

    def _keep(self, row):
        """Write best weights before the checkpoint: a run killed in between makes them again."""
        state = self.state
        self.network.set_weights(self.weights())
        loss = row.get("val_loss")
        best = state.best is None or loss is None or loss < state.best["val_loss"]
        if best:
            state.best = {"epoch": row["epoch"], "val_loss": loss}
        if self.folder is None:
            if best:
                self.best_weights = self.network.get_weights()
            return
        if best:
            model_folder.save_weights(self.network, self.folder / model_folder.WEIGHTS_BEST)
        save_checkpoint(self.folder, state, self.training.get())
        self.record["history"] = state.history
        write_record(self.folder, self.record)


def append_row(history: dict, row: dict) -> None:
    """Append one epoch to a history of columns; missing values are None."""
    length = max((len(column) for column in history.values()), default=0)
    for key in row:
        history.setdefault(key, [None] * length)
    for key, column in history.items():
        value = row.get(key)
        column.append(value if value is None else float(value) if key != "epoch" else int(value))


def current_learning_rate(optimizer) -> float:
    """Return the learning rate of the next update."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


class Progress(keras.callbacks.Callback):
    """Say one line an epoch, and show steps and the time left meanwhile; see `FrameProgress`."""

    def __init__(self, state: RunState, floor, floor_se=None, stream=None):
        super().__init__()
        self.state, self.floor, self.floor_se = state, floor, floor_se
        self.stream = stream or sys.stdout
        n_steps = (self._last() - state.epoch) * state.steps_per_epoch
        self.bar = FrameProgress(self._epoch(), n_steps, stream=stream, unit="step")
        self._first = state.epoch
        self._began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.bar.what = f"{self._epoch()}, loss {logs['loss']:.4f}"
        self.bar.step()

    def on_epoch_end(self, epoch, logs=None):
        text = f"epoch {epoch + 1}/{self._last()}  loss {logs['loss']:.4f}"
        if "val_loss" in logs:
            text += f"  val_loss {logs['val_loss']:.4f}"
        if logs.get("val_loss_se") is not None:
            text += f" +-{logs['val_loss_se']:.4f} (noise floor {self.floor:.4f}"
            text += f" +-{self.floor_se:.4f})" if self.floor_se else ")"
        done = epoch + 1 - self._first
        self.bar.say(f"{text}  {self._left(done)}", self.stream)

    def close(self):
        """Clear what is not to stay, however the training ended."""
        self.bar.close()

    def _epoch(self):
        return f"epoch {self.state.epoch + 1}/{self._last()}"

    def _last(self):
        return self.state.first_epoch + self.state.epochs

    def _left(self, done):
        """Time left, from the epochs done in this session."""
        remaining = self._last() - self._first - done
        seconds = (time.monotonic() - self._began) / max(done, 1e-9) * remaining
        return f"{duration(seconds)} left"


# -- time estimate --------------------------------------------------------------------------------
def estimate_seconds(trainer: BlindSpotModel, config: N2VStemConfig, patch_shape, n_steps) -> float:
    """Estimate how long a training takes on this machine, from one small gradient.

    A sample of 64x64 px behind the stem, or of one window of the lattice image, is measured and
    scaled by the number of pixels; nothing changes.
    """
    # smaller ones cost mostly what every call costs, which must not be scaled
    side = max(64 * config.unet_stem, config.size_multiple, 2 * config.lattice.grid)
    x = tf.zeros((1, side, side, config.n_channel_in))
    y = tf.ones((1, side, side, 2 * config.n_channel_out))
    seconds = math.inf
    for _ in range(2):  # the first call also warms up
        began = time.perf_counter()
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(trainer(trainer.inputs_of(x, y)))
        tape.gradient(loss, trainer.trainable_variables)
        seconds = min(seconds, time.perf_counter() - began)
    pixels = config.train_batch_size * math.prod(patch_shape)
    return seconds / side**2 * pixels * n_steps


def warn_if_slow(trainer, config: N2VStemConfig, patch_shape, n_steps, stream=None) -> None:
    """On a CPU, say how long a long training will take and name the preset that does not."""
    if tf.config.list_logical_devices("GPU"):
        return
    seconds = estimate_seconds(trainer, config, patch_shape, n_steps)
    if seconds > SLOW_TRAINING_S:
        print(
            f"Estimated time on this CPU: {duration(seconds)}. "
            "The preset 'laptop' trains in minutes.",
            file=stream or sys.stdout,
            flush=True,
        )
