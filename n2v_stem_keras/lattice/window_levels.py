"""What the level of a place tells of the lattice there, in each window of a frame: see `levels`."""

from __future__ import annotations

import tensorflow as tf

from .constants import TINY
from .levels import STANDS_OUT, by_the_one_that_tells_most, presence
from .overlap import cut, join, pads_of
from .tensorflow_ops import TensorFlowOps

CELL = 4  # side of the cells that are asked [px]
MANY = 1024  # cells are enough for a median
REACH = 10  # places that a level is compared with: half boxes, applied twice, in a window


def half_box(window: int) -> int:
    """Return what levels are means over: boxes of +- so many pixels, applied twice."""
    return max(1, window // 20)


def presence_by_level(sums, means, squares, levels, inside, taper):
    """Say how far the lattice is there.

    Parameters
    ----------
    sums : (B, Y, X, 3) tensor
        Means in cells of frame times lattice image, of the lattice image squared, and of the
        variance of the first.
    means, squares : (B, Y, X, C) tensors
        Means in cells of the frame without what varies slowly, and of its square: the noise.
    levels : (B, Y, X, C) tensor
        Levels around each cell, times what makes their standard error that of one pixel.
    inside : tuple of (nY, w) and (nX, w) tensors
        1 at the cells of each window along y and x that lie in the frame, else 0.
    taper : (w, w) array
        Weight of a window's cells; those of all windows add up to 1.

    Returns
    -------
    (B, Y', X', 1) tensor
        From 0 to 1, by the detector that tells most in each window; at least as large as the frame.
    """
    n, side, ops = levels.shape[-1], taper.shape[-1], TensorFlowOps()
    images = tf.concat([sums, means, squares, levels], axis=-1)
    pads = [pads_of(part, side // 2) for part in tf.unstack(tf.shape(images)[1:3])]
    images = tf.transpose(tf.pad(images, [[0, 0], *pads, [0, 0]]), [0, 3, 1, 2])
    windows = cut(images, side // 2)  # (B, 3 + 3 C, nY, nX, w, w)
    shape = tf.shape(windows)
    in_y, in_x = inside
    there = tf.reshape(in_y[:, None, :, None] * in_x[:, None], [*tf.unstack(shape[2:4]), side**2])
    windows = tf.reshape(windows, [*tf.unstack(shape[:4]), side**2]) * there
    sums, means, squares, levels = tf.split(windows, [3, n, n, n], axis=1)
    n_there = tf.maximum(tf.reduce_sum(there, axis=-1, keepdims=True), 1.0)
    noise = tf.sqrt(tf.reduce_sum(squares, axis=-1, keepdims=True) / n_there)
    asked = tf.reduce_all(CELL * tf.abs(means) <= STANDS_OUT * noise, axis=1)
    asked = tf.cast(asked, sums.dtype) * there
    products, power, variance = (part * asked for part in tf.unstack(sums, axis=1))
    parts = tf.stack([products, power, variance / CELL**2, asked], axis=-1)  # cells hold means
    seen = []
    for i in range(n):
        apart = _from_median(levels[:, i], there) / tf.maximum(noise[:, i], TINY)
        seen.append(presence(apart, parts, _around, ops))
    found = tf.reshape(by_the_one_that_tells_most(seen, ops), [shape[0], 1, *tf.unstack(shape[2:])])
    return tf.transpose(join(found * taper, side // 2), [0, 2, 3, 1])


def _from_median(levels, there):
    """Distance of levels from the window's median, (B, nY, nX, cells)."""
    stride = max(1, there.shape[-1] // MANY)
    few, few_there = levels[..., ::stride], there[..., ::stride]
    ordered = tf.sort(tf.where(few_there > 0, few, few.dtype.max), axis=-1)
    middle = tf.cast(tf.reduce_sum(few_there, axis=-1), tf.int32) // 2
    chosen = tf.equal(tf.range(ordered.shape[-1]), middle[..., None])
    median = tf.reduce_sum(tf.where(chosen, ordered, 0.0), axis=-1, keepdims=True)
    return levels - median


def _around(of_level):
    """Blur how far cells are of each level, (B, nY, nX, cells, levels)."""
    side, n_levels = round(of_level.shape[-2] ** 0.5), of_level.shape[-1]
    images = tf.reshape(of_level, [-1, side, side, n_levels])
    for _ in range(2):
        images = tf.nn.avg_pool2d(images, 2 * max(1, side // REACH) + 1, 1, "SAME")
    return tf.reshape(images, tf.shape(of_level))
