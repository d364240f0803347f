"""Windows that overlap by half: cut out of frames, and joined again."""

from __future__ import annotations

import tensorflow as tf


def pads_of(side, hop) -> list:
    """Return how much to put before and after an axis of `side`, so that windows cover it.

    Remainders are of positive numbers only: of negative ones, ONNX makes something else.
    """
    return [hop, hop + hop - 1 - (side - 1) % hop]


def cut(x, hop):
    """Cut (B, C, Y, X) into windows (B, C, nY, nX, 2 hop, 2 hop); Y and X are multiples of hop."""
    b, _, height, width = tf.unstack(tf.shape(x))
    x = tf.reshape(x, [b, x.shape[1], height // hop, hop, width // hop, hop])
    x = tf.transpose(x, [0, 1, 2, 4, 3, 5])  # blocks of half a window
    x = tf.concat([x[:, :, :-1], x[:, :, 1:]], axis=4)
    return tf.concat([x[:, :, :, :-1], x[:, :, :, 1:]], axis=5)


def join(windows, hop):
    """Add windows up to (B, C, Y, X) without the outer half windows, which one covers."""
    x = windows[:, :, 1:, :, :hop] + windows[:, :, :-1, :, hop:]
    x = x[:, :, :, 1:, :, :hop] + x[:, :, :, :-1, :, hop:]
    b, _, n_y, n_x = tf.unstack(tf.shape(x)[:4])
    x = tf.transpose(x, [0, 1, 2, 4, 3, 5])
    return tf.reshape(x, [b, x.shape[1], n_y * hop, n_x * hop])
