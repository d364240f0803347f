"""Blind spots (the paper's Fig. 2d): where they are, and what replaces them.

A square grid of points, `n2v_pitch` apart, with a random phase for each sample; each point moved
by an integer of up to `n2v_jitter` px per axis, both ends included. The grid reaches beyond the
frame, so that every pixel, the border included, is blind with the same probability 1/pitch^2.
A blind pixel is replaced by the mean (or the median, or a random one) of its neighbours in the
*original* frame, inside a window that is clipped at the border and leaves out the whole blind
spot. An extended spot (`n2v_span`, structN2V: Broaddus et al. 2020) hides the pixels around its
centre too, but only the centre counts in the loss: the others lie next to visible pixels.

Everything here is a pure function of a seed, made of stateless TensorFlow operations, so that any
sample of any epoch can be made again alone.
"""

from __future__ import annotations

import tensorflow as tf

from ..config import N2VStemConfig


def sample_seed(seed, epoch, index):
    """Return the stateless seed, (2,) int32, of one sample of one epoch."""
    return _fold_in(_fold_in(tf.stack([tf.cast(seed, tf.int32), 0]), epoch), index)


def _fold_in(seed, data):
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(data, tf.int32))


def grid_points(seed, shape, pitch: int, jitter: int):
    """Draw the blind pixels of one frame.

    Parameters
    ----------
    seed : (2,) int32 tensor
    shape : (int, int)
        Frame size (Y, X) [px]; any size.
    pitch, jitter : int
        Grid spacing and largest displacement per axis [px].

    Returns
    -------
    (N, 2) int32 tensor
        Distinct pixel coordinates (y, x) inside the frame; N varies with the phase.

    Examples
    --------
    >>> import numpy as np
    >>> points = grid_points(sample_seed(0, 0, 0), (6, 9), pitch=4, jitter=0).numpy()
    >>> mask = np.zeros((6, 9), int)
    >>> mask[tuple(points.T)] = 1
    >>> print(mask)
    [[0 0 0 0 0 0 0 0 0]
     [0 0 0 1 0 0 0 1 0]
     [0 0 0 0 0 0 0 0 0]
     [0 0 0 0 0 0 0 0 0]
     [0 0 0 0 0 0 0 0 0]
     [0 0 0 1 0 0 0 1 0]]
    """
    phase_seed, jitter_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    phase = tf.random.stateless_uniform([2], phase_seed, 0, pitch, tf.int32)
    # from one cell before the frame to where even a point of phase 0 has passed it by the jitter
    n_y, n_x = (-(-(side - 1 + jitter) // pitch) + 2 for side in shape)
    y = phase[0] + pitch * tf.range(-1, n_y - 1)
    x = phase[1] + pitch * tf.range(-1, n_x - 1)
    points = tf.stack(tf.meshgrid(y, x, indexing="ij"), axis=-1)  # (n_y, n_x, 2)
    points += tf.random.stateless_uniform(
        tf.shape(points), jitter_seed, -jitter, jitter + 1, tf.int32
    )
    points = tf.reshape(points, [-1, 2])
    inside = tf.reduce_all((points >= 0) & (points < tf.constant(list(shape))), axis=1)
    return tf.boolean_mask(points, inside)


def replace_points(frame, points, seed, span, radius: int, manipulator: str):
    """Replace blind spots by values of their neighbourhood.

    Parameters
    ----------
    frame : (Y, X, C) float32 tensor
        Left as it is; all replacement values come from it.
    points : (N, 2) int32 tensor
        Centres (y, x) of the blind spots, far enough apart that spots do not overlap.
    seed : (2,) int32 tensor
        Used by 'uniform_withoutCP' only.
    span : (int, int)
        Extent (y, x) of a spot [px], odd.
    radius : int
        The window is (2 radius + 1)^2 px around each replaced pixel.
    manipulator : {'mean', 'median', 'uniform_withoutCP'}

    Returns
    -------
    (Y, X, C) float32 tensor
    """
    reach = [tf.range(-(extent // 2), extent // 2 + 1) for extent in span]
    spot = tf.reshape(tf.stack(tf.meshgrid(*reach, indexing="ij"), axis=-1), [-1, 2])  # (S, 2)
    size = tf.shape(frame)[:2]
    # pixels to replace: those of each spot that lie inside the frame
    pixels = points[:, None] + spot  # (N, S, 2)
    inside = tf.reduce_all((pixels >= 0) & (pixels < size), axis=-1)  # (N, S)
    centres = tf.boolean_mask(tf.broadcast_to(points[:, None], tf.shape(pixels)), inside)  # (P, 2)
    pixels = tf.boolean_mask(pixels, inside)  # (P, 2)
    if manipulator == "uniform_withoutCP":
        chosen = _random_neighbours(frame, pixels, centres, seed, span, radius)
    else:
        values, usable = _neighbours(frame, pixels, centres, span, radius)
        chosen = {"mean": _mean, "median": _median}[manipulator](values, usable)
    return tf.tensor_scatter_nd_update(frame, pixels, chosen)


def _neighbours(frame, pixels, centres, span, radius):
    """Gather the window of each pixel, (P, K, C), and which of it may be used, (P, K)."""
    size, n_window = tf.shape(frame)[:2], (2 * radius + 1) ** 2
    window = pixels[:, :, None] + tf.range(-radius, radius + 1)  # (P, 2, W): rows, columns
    in_frame = (window >= 0) & (window < size[:, None])
    half = tf.constant([extent // 2 for extent in span])[:, None]
    in_spot = tf.abs(window - centres[:, :, None]) <= half
    usable = _outer(in_frame) & ~_outer(in_spot)  # (P, W, W)
    window = tf.clip_by_value(window, 0, size[:, None] - 1)
    flat = window[:, 0, :, None] * size[1] + window[:, 1, None, :]
    values = tf.gather(tf.reshape(frame, [-1, frame.shape[-1]]), flat)  # (P, W, W, C)
    return tf.reshape(values, [-1, n_window, frame.shape[-1]]), tf.reshape(usable, [-1, n_window])


def _outer(condition):
    """Combine what holds for rows and for columns, (P, 2, W), to windows, (P, W, W)."""
    return condition[:, 0, :, None] & condition[:, 1, None, :]


def _mean(values, usable):
    weights = tf.cast(usable, values.dtype)[:, None]  # (P, 1, K)
    return (weights @ values)[:, 0] / tf.reduce_sum(weights, axis=2)


def _median(values, usable):
    count = tf.reduce_sum(tf.cast(usable, tf.int32), axis=1)  # (P,)
    ordered = tf.sort(tf.where(usable[..., None], values, values.dtype.max), axis=1)
    low = tf.gather(ordered, (count - 1) // 2, axis=1, batch_dims=1)  # (P, C)
    high = tf.gather(ordered, count // 2, axis=1, batch_dims=1)
    return (low + high) / 2


def _random_neighbours(frame, pixels, centres, seed, span, radius):
    """Draw one usable neighbour for each pixel and detector, (P, C).

    Window and spot are rectangles. The usable pixels are counted: first the rows of the window
    that the spot leaves whole, then what the spot leaves of the others; one number is drawn and
    turned into row and column again. The cost does not grow with the window.
    """
    last = tf.shape(frame)[:2] - 1
    half = tf.constant([extent // 2 for extent in span])
    top = tf.maximum(pixels - radius, 0)  # first row and column of the window, (P, 2)
    bottom = tf.minimum(pixels + radius, last)  # its last ones
    spot_top, spot_bottom = tf.maximum(centres - half, top), tf.minimum(centres + half, bottom)
    height, width = (side[:, None] for side in tf.unstack(bottom - top + 1, axis=1))  # (P, 1)
    extent = spot_bottom - spot_top + 1
    spot_height, spot_width = (side[:, None] for side in tf.unstack(extent, axis=1))
    above, left = (side[:, None] for side in tf.unstack(spot_top - top, axis=1))
    n_whole = (height - spot_height) * width
    n_beside = tf.maximum(width - spot_width, 1)  # in a row with the spot; 1 avoids 0 / 0
    n_usable = n_whole + spot_height * (width - spot_width)

    n_detectors = frame.shape[-1]
    lot = tf.random.stateless_uniform([tf.shape(pixels)[0], n_detectors], seed)  # in [0, 1)
    number = tf.minimum(tf.cast(lot * tf.cast(n_usable, tf.float32), tf.int32), n_usable - 1)
    row, column = number // width, number % width
    row += tf.where(row < above, 0, spot_height)
    beside = number - n_whole
    beside_column = beside % n_beside
    beside_column += tf.where(beside_column < left, 0, spot_width)
    is_whole = number < n_whole
    y = top[:, :1] + tf.where(is_whole, row, above + beside // n_beside)
    x = top[:, 1:] + tf.where(is_whole, column, beside_column)
    detector = tf.broadcast_to(tf.range(n_detectors), tf.shape(y))
    return tf.gather_nd(frame, tf.stack([y, x, detector], axis=-1))


def blind(frame, seed, config: N2VStemConfig, pitch: int | None = None):
    """Blind one sample: the heart of Noise2Void.

    Parameters
    ----------
    frame : (Y, X, C) float32 tensor
        One frame, all detectors; Y and X known.
    seed : (2,) int32 tensor
        See `sample_seed`.
    config : N2VStemConfig
        The fields that begin with ``n2v_``.
    pitch : int, optional
        Instead of the configuration's (validation uses a denser grid).

    Returns
    -------
    blinded : (Y, X, C) float32 tensor
    mask : (Y, X, C) float32 tensor
        1 at the centres of blind spots, 0 elsewhere.
    """
    n_channels = frame.shape[-1]
    groups = [slice(0, n_channels)]
    if not config.n2v_joint_mask:
        groups = [slice(c, c + 1) for c in range(n_channels)]
    blinded, masks = [], []
    for number, group in enumerate(groups):
        point_seed, value_seed = tf.unstack(
            tf.random.experimental.stateless_split(_fold_in(seed, number), 2)
        )
        part = frame[..., group]
        points = grid_points(
            point_seed, tuple(frame.shape)[:2], pitch or config.n2v_pitch, config.n2v_jitter
        )
        blinded.append(
            replace_points(
                part,
                points,
                value_seed,
                config.span,
                config.n2v_neighborhood_radius,
                config.n2v_manipulator,
            )
        )
        ones = tf.ones([tf.shape(points)[0], part.shape[-1]])
        masks.append(tf.tensor_scatter_nd_update(tf.zeros(part.shape), points, ones))
    return tf.concat(blinded, axis=-1), tf.concat(masks, axis=-1)
