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

from .config import N2VStemConfig


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
    >>> points = grid_points(sample_seed(0, 0, 0), (8, 8), pitch=4, jitter=0).numpy()
    >>> (points - points[0]).tolist()
    [[0, 0], [0, 4], [4, 0], [4, 4]]
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

    window = pixels[:, :, None] + tf.range(-radius, radius + 1)  # (P, 2, W): rows, columns
    in_frame = (window >= 0) & (window < size[:, None])
    half = tf.constant([extent // 2 for extent in span])[:, None]
    in_spot = tf.abs(window - centres[:, :, None]) <= half
    usable = _outer(in_frame) & ~_outer(in_spot)  # (P, W, W)
    window = tf.clip_by_value(window, 0, size[:, None] - 1)
    flat = window[:, 0, :, None] * size[1] + window[:, 1, None, :]
    values = tf.gather(tf.reshape(frame, [-1, frame.shape[-1]]), flat)  # (P, W, W, C)

    n_window = (2 * radius + 1) ** 2
    values = tf.reshape(values, [-1, n_window, frame.shape[-1]])  # (P, K, C)
    usable = tf.reshape(usable, [-1, n_window])  # (P, K)
    chosen = _MANIPULATORS[manipulator](values, usable, seed)  # (P, C)
    return tf.tensor_scatter_nd_update(frame, pixels, chosen)


def _outer(condition):
    """Combine what holds for rows and for columns, (P, 2, W), to windows, (P, W, W)."""
    return condition[:, 0, :, None] & condition[:, 1, None, :]


def _mean(values, usable, seed):
    weights = tf.cast(usable, values.dtype)[:, None]  # (P, 1, K)
    return (weights @ values)[:, 0] / tf.reduce_sum(weights, axis=2)


def _median(values, usable, seed):
    count = tf.reduce_sum(tf.cast(usable, tf.int32), axis=1)  # (P,)
    ordered = tf.sort(tf.where(usable[..., None], values, values.dtype.max), axis=1)
    low = tf.gather(ordered, (count - 1) // 2, axis=1, batch_dims=1)  # (P, C)
    high = tf.gather(ordered, count // 2, axis=1, batch_dims=1)
    return (low + high) / 2


def _random_neighbour(values, usable, seed):
    lot = tf.random.stateless_uniform(tf.shape(values), seed)  # in [0, 1)
    winner = tf.argmax(tf.where(usable[..., None], lot, -1.0), axis=1)  # (P, C)
    columns = tf.transpose(values, [0, 2, 1])  # (P, C, K)
    return tf.gather(columns, winner, axis=2, batch_dims=2)


_MANIPULATORS = {"mean": _mean, "median": _median, "uniform_withoutCP": _random_neighbour}


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
                config.n2v_span,
                config.n2v_neighborhood_radius,
                config.n2v_manipulator,
            )
        )
        ones = tf.ones([tf.shape(points)[0], part.shape[-1]])
        masks.append(tf.tensor_scatter_nd_update(tf.zeros(part.shape), points, ones))
    return tf.concat(blinded, axis=-1), tf.concat(masks, axis=-1)
