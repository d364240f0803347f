"""Masked losses on the manipulated target tensor.

The data pipeline stacks the original intensities and the mask of blind pixels into one target,
``y`` (B, Y, X, 2C), as n2v does. With d = original - prediction, the loss is

    sum(mask * d^2) / sum(mask)

over the whole batch and all detectors (mean squared error at the masked pixels only; the paper,
Results). Carrying the mask itself avoids guessing it from where input and original differ, which
is biased for integer counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Error:
    """What a kind of loss makes of differences, and of noise.

    Attributes
    ----------
    of : function
        Differences -> errors, tensors.
    floor : function
        Noise sigmas, one of each movie and detector -> expected error of a perfect prediction.
    floor_spread : float
        Variance of the error of one noisy pixel over the square of its expectation.
    excess_se : function, optional
        (loss, floor, number of blind pixels) -> standard error of the loss above the floor, where
        there is a formula.
    """

    of: Callable
    floor: Callable
    floor_spread: float
    excess_se: Callable | None = None


def floor_standard_error(kind: str, levels, errors, n_pixels: int) -> float:
    """Return the standard error of a noise floor.

    Parameters
    ----------
    kind : str
        Key of `KINDS`.
    levels, errors : sequences of float
        Noise of each detector of each movie, and its standard error.
    n_pixels : int
        Number of blind pixels, which scatter about the floor.
    """
    levels, of = np.asarray(levels, float), KINDS[kind].floor
    floor = of(levels)
    variance = floor**2 * KINDS[kind].floor_spread / n_pixels
    for i, error in enumerate(errors):
        variance += (of(levels + error * (np.arange(len(levels)) == i)) - floor) ** 2
    return math.sqrt(variance)


def excess_standard_error(loss: float, floor: float, n_pixels: int) -> float:
    """Return the standard error of (validation loss - noise floor), 2 sigma e_rms / sqrt(N).

    Parameters
    ----------
    loss, floor : float
        Masked mean squared error and noise variance, in the same units.
    n_pixels : int
        Number of blind pixels.
    """
    excess = max(loss - floor, 0.0)
    return 2 * math.sqrt(max(floor, 0.0) * excess / n_pixels)


# A new kind of loss is a row here, and its name in the configuration. For normal noise the mean of
# |x| is sqrt(2 / pi) sigma.
KINDS = {
    "mse": Error(
        of=tf.square,
        floor=lambda sigmas: float(np.mean(np.square(sigmas))),
        floor_spread=2.0,
        excess_se=excess_standard_error,
    ),
    "mae": Error(
        of=tf.abs,
        floor=lambda sigmas: float(np.mean(sigmas) * np.sqrt(2 / np.pi)),
        floor_spread=np.pi / 2 - 1,
    ),
}


def split_target(target):
    """Split (B, Y, X, 2C) into the original values and the mask, each (B, Y, X, C)."""
    original, mask = tf.split(target, 2, axis=-1)
    return original, mask


def masked_error_sum(target, prediction, kind: str = "mse"):
    """Sum of the errors at blind pixels, per detector.

    Parameters
    ----------
    target : (B, Y, X, 2C) float32 tensor
    prediction : (B, Y, X, C) tensor
    kind : str
        Key of `KINDS`.

    Returns
    -------
    error, count : (C,) float32 tensors
        Summed errors and number of blind pixels.
    """
    original, mask = split_target(tf.cast(target, tf.float32))
    # a masked-out NaN must not spread, neither to the loss (0 * NaN is NaN) nor to its gradient
    # (so the difference is replaced, not the error made of it)
    difference = tf.where(mask > 0, original - tf.cast(prediction, tf.float32), 0.0)
    error = mask * KINDS[kind].of(difference)
    return tf.reduce_sum(error, axis=(0, 1, 2)), tf.reduce_sum(mask, axis=(0, 1, 2))


def seen_whole(mask):
    """Return 1 for the pixels of samples without any blind pixel, else 0; (B, Y, X, C)."""
    blinded = tf.reduce_max(mask, axis=(1, 2, 3), keepdims=True)
    return (1 - blinded) * tf.ones_like(mask)


def teacher_error_sum(target, prediction):
    """Sum of squared differences from a teacher's image, over samples that are seen whole.

    Parameters
    ----------
    target : (B, Y, X, 3C) float32 tensor
        The original values, the mask, and behind them the teacher's image.
    prediction : (B, Y, X, C) tensor

    Returns
    -------
    error, count : scalar float32 tensors
        Summed error and number of pixels, of all detectors.
    """
    _, mask, guide = tf.split(target, 3, axis=-1)
    seen = seen_whole(mask)
    error = seen * tf.square(guide - tf.cast(prediction, tf.float32))
    return tf.reduce_sum(error), tf.reduce_sum(seen)


def global_sum(value):
    """Sum a tensor over all replicas of a `tf.distribute` strategy."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


@keras.saving.register_keras_serializable("n2v_stem_keras")
class MaskedLoss(keras.losses.Loss):
    """The loss above as a Keras loss: masked error over the *global* count of blind pixels.

    Parameters
    ----------
    kind : str
        Key of `KINDS`.

    Notes
    -----
    Under a `tf.distribute` strategy each replica returns its own sum over the global count, times
    the number of replicas, because Keras averages the losses of replicas. A mean over each
    replica's own count would weigh blind pixels by which replica they fell on.
    """

    def __init__(self, kind: str = "mse", name: str = "masked_loss", **kwargs):
        super().__init__(name=name, reduction=kwargs.pop("reduction", "sum"), **kwargs)
        self.kind = kind

    def call(self, y_true, y_pred):
        """(B, Y, X, 2C), (B, Y, X, C) -> scalar."""
        error, count = masked_error_sum(y_true, y_pred, self.kind)
        context = tf.distribute.get_replica_context()
        n_replicas = 1 if context is None else context.num_replicas_in_sync
        total = tf.maximum(global_sum(tf.reduce_sum(count)), 1.0)
        return n_replicas * tf.reduce_sum(error) / total

    def get_config(self):
        """Return what `from_config` needs."""
        return {"name": self.name, "kind": self.kind}


@keras.saving.register_keras_serializable("n2v_stem_keras")
class MaskedError(keras.metrics.Metric):
    """Masked error over all batches seen, exactly: sum of errors over number of blind pixels.

    Parameters
    ----------
    kind : str
        Key of `KINDS`.
    channel : int, optional
        One detector only; None for all.
    """

    def __init__(self, kind: str = "mse", channel: int | None = None, name="loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.kind, self.channel = kind, channel
        self.error = self.add_weight(name="error", initializer="zeros", dtype="float32")
        self.count = self.add_weight(name="count", initializer="zeros", dtype="float32")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add one batch."""
        self.add(*masked_error_sum(y_true, y_pred, self.kind))

    def add(self, error, count):
        """Add sums per detector, (C,) each, as `masked_error_sum` returns them."""
        if self.channel is not None:
            error, count = error[self.channel], count[self.channel]
        self.error.assign_add(tf.reduce_sum(error))
        self.count.assign_add(tf.reduce_sum(count))

    def result(self):
        """Return the mean error; 0 before the first blind pixel, as Keras's own metrics do."""
        return tf.math.divide_no_nan(self.error, self.count)

    def get_config(self):
        """Return what `from_config` needs."""
        return {"name": self.name, "kind": self.kind, "channel": self.channel}
