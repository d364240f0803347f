"""Is the lattice there where a place is as bright as this one? What the level tells of holes.

A lattice that is fainter than the noise of a pixel shows in averages over hundreds of pixels alone,
so that the frame says late where it ends. How bright a place is is known much better, and in a
hole, beyond an edge or on bare support it is another level than on the crystal. So places of one
level are asked together whether they show the lattice.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from .constants import TINY
from .overlap import cut, join, pads_of

CELL = 4  # side of the cells that are asked [px]
MANY = 1024  # cells are enough for a median
STANDS_OUT = 3.0  # standard errors of a cell
N_LEVELS, FURTHEST = 13, 6.0  # levels, and how far from the median they go [standard errors]
APART = 2  # levels that lie no farther from each other may be one
REACH = 10  # places that a level is compared with: half boxes, applied twice, in a window
SPREAD = 0.5  # that is expected of shares, about 1
RAMP = (0.65, 0.85)  # shares of the slope beside at which none and all of the lattice is drawn
SURE = (6.0, 12.0)  # squared errors, in all, from which on anything and everything is believed


def half_box(window: int) -> int:
    """Return what levels are means over: boxes of +- so many pixels, applied twice."""
    return max(1, window // 20)


def presence_by_level(sums, means, squares, levels, inside, taper):
    """Say how far the lattice is there, from the level of a place.

    In each window, the slope of the frame against its lattice image is found for every level, from
    all places of this level, and as a share of that of the places beside them that have another. (A
    faint lattice image fits noise, too, in the middle of a frame less than elsewhere.) Cells that
    stand out of the noise are not asked: they show atoms. Where the share is 0.85 or more the
    lattice stays, where it is 0.65 or less it goes; what is known of it poorly is taken to be
    nearer to 1. A window whose shares do not differ from 1 by more than they do by chance is left
    as it is.

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
    n, side = levels.shape[-1], taper.shape[-1]
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
    # an atom says nothing of the lattice under it
    asked = tf.reduce_all(CELL * tf.abs(means) <= STANDS_OUT * noise, axis=1)
    asked = tf.cast(asked, sums.dtype) * there
    sums = tf.concat([tf.transpose(sums, [0, 2, 3, 4, 1]), tf.ones_like(asked)[..., None]], axis=-1)
    sums *= asked[..., None]
    found, most = None, None
    for i in range(n):
        apart = _from_median(levels[:, i], there) / tf.maximum(noise[:, i], TINY)
        seen, told = _presence(tf.clip_by_value(apart, -FURTHEST, FURTHEST), sums)
        found = seen if found is None else tf.where(told > most, seen, found)
        most = told if most is None else tf.maximum(told, most)
    found = tf.reshape(found, [shape[0], 1, *tf.unstack(shape[2:])])
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


def _presence(apart, parts):
    """How far the lattice is there in each cell, (B, nY, nX, cells); and how much levels tell.

    `apart` are its levels, `parts` what is to be added up over cells, (B, nY, nX, cells, 4). What
    levels tell are the squared errors by which shares are less than 1, (B, nY, nX, 1).
    """
    numbers = np.arange(N_LEVELS, dtype=np.float32)
    step = 2 * FURTHEST / (N_LEVELS - 1)
    # how far a cell is of each level: of two of them, in all 1
    of_level = tf.nn.relu(1 - tf.abs((apart[..., None] + FURTHEST) / step - numbers))
    unlike = np.abs(numbers - numbers[:, None]) > APART
    beside = _around(of_level) * tf.matmul(of_level, tf.constant(unlike, of_level.dtype))
    here, around = (tf.matmul(w, parts, transpose_a=True) for w in (of_level, beside))
    scatter = tf.matmul(tf.square(beside), parts[..., 2:3], transpose_a=True)
    products, power, variance, number = tf.split(here, 4, axis=-1)
    products_beside, power_beside, _, number_beside = tf.split(around, 4, axis=-1)
    usual = tf.maximum(1.0, products_beside / tf.maximum(power_beside, TINY))
    # no more than the lattice beside has: the rest is an atom's, or a particle's
    most = power_beside / tf.maximum(number_beside, TINY) * number
    expected = usual * tf.maximum(tf.minimum(power, most), TINY)
    share = products / expected
    variance = variance / tf.square(expected)
    variance += scatter / tf.maximum(tf.square(products_beside), TINY)
    variance = tf.maximum(variance / CELL**2, TINY)  # cells hold means
    known = number_beside > 1
    told = tf.where(known, tf.square(tf.nn.relu(1 - share)) / variance, 0.0)
    told = tf.reduce_sum(told, axis=-2)
    doubt = variance / SPREAD**2
    share = tf.where(known, (share + doubt) / (1 + doubt), 1.0)
    lacking = tf.matmul(of_level, 1 - _ramp(share, RAMP))[..., 0]
    return 1 - _ramp(told, SURE) * lacking, told


def _ramp(x, ends):
    low, high = ends
    return tf.clip_by_value((x - low) / (high - low), 0.0, 1.0)


def _around(of_level):
    """Blur how far cells are of each level, (B, nY, nX, cells, levels)."""
    side = round(of_level.shape[-2] ** 0.5)
    images = tf.reshape(of_level, [-1, side, side, N_LEVELS])
    for _ in range(2):
        images = tf.nn.avg_pool2d(images, 2 * max(1, side // REACH) + 1, 1, "SAME")
    return tf.reshape(images, tf.shape(of_level))
