"""Plane waves in windows of a frame: a perfect lattice in as few numbers as it has.

A lattice that is one crystal all over a window is a sum of plane waves, each of which spreads over
many Fourier coefficients of the tapered window. A filter that keeps these coefficients keeps the
noise of them all; a wave has four numbers to learn from the data, its frequency along y and x, its
amplitude and phase (least squares; Rife and Boorstyn, IEEE Trans. Inf. Theory 20, 591 (1974), for
one tone along time; the notch filters of Kilaas, J. Microsc. 190, 45 (1998), do the same by eye).
What a plane wave cannot follow, a lattice that bends or ends, is left to the filter of `windows`.

All inputs have the same frequencies, as the detectors of a scan see the same lattice, and each its
own amplitude and phase. Complex numbers are pairs of real ones, because ONNX has no others.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

SHARPNESS = 8  # of the threshold, as of the filter's
APART = 3  # peaks are the highest within so many coefficients
TINY = 1e-9  # keeps quotients finite where there is next to nothing


def threshold(n_inputs: int) -> float:
    """Return the multiple of the background below which a peak of the spectrum is no wave.

    Noise stands out the less of its mean the more detectors are averaged: in 10^8 px of white
    noise up to 5.0 of one detector (`benchmarks/waves.py`). Waves that are hardly
    stronger than that add as much noise as lattice.

    Examples
    --------
    >>> [round(threshold(n), 1) for n in (1, 2, 4)]
    [5.4, 4.4, 3.9]
    """
    return 3.4 + 2 / n_inputs


def find_peaks(ratio, allowed, n_waves: int):
    """Find the highest peaks of a spectrum.

    Parameters
    ----------
    ratio : (B, nY, nX, W, W/2 + 1) tensor
        Power over background of each coefficient, as of ``rfft2``.
    allowed : (W, W/2 + 1) array
        1 where a wave may be, else 0.
    n_waves : int

    Returns
    -------
    y, x : (B, nY, nX, K) int32 tensors
        Coefficients of K waves, y from 0 to W - 1.
    strength : (B, nY, nX, K) tensor
        Their ratio, 0 for none.
    """
    window, n = allowed.shape
    # the other half of the first and of the last column is the mirror image of this one
    once = np.array(allowed, np.float32)
    once[window // 2 :, 0] = once[:, -1] = once[window // 2] = 0
    spectra = tf.reshape(ratio * tf.constant(once), [-1, window, n])
    around = tf.concat([spectra[:, -APART:], spectra, spectra[:, :APART]], axis=1)  # periodic
    highest = _highest_along_y(around)[:, APART : APART + window]
    highest = tf.transpose(_highest_along_y(tf.transpose(highest, [0, 2, 1])), [0, 2, 1])
    spectra = tf.where(spectra >= highest, spectra, 0.0)
    grid = tf.shape(ratio)[:3]
    flat = tf.reshape(spectra, tf.concat([grid, [window * n]], 0))
    strength, index = tf.math.top_k(flat, min(n_waves, window * n))
    return index // n, index % n, strength


def draw_waves(windows, weight_y, weight_x, background, peaks, shifts):
    """Fit plane waves to windows and draw them.

    Parameters
    ----------
    windows : (B, C, nY, nX, W, W) tensor
        Pieces of a frame, ``weight_y`` times ``weight_x`` times the frame.
    weight_y, weight_x : (nY, W) and (nX, W) tensors
        Weights of the fit, 0 outside the frame.
    background : (B, C, nY, nX, W, W/2 + 1) tensor
        Power of the noise at each coefficient.
    peaks : tuple
        From `find_peaks`.
    shifts : (nY,) and (nX,) tensors
        How far from where they are fitted waves are drawn, along y and x [px].

    Returns
    -------
    (B, C, nY, nX, W, W) tensor
        The waves, not tapered, outside the frame, too. Waves no stronger than `threshold` times
        the background are left out.

    Notes
    -----
    One step of Gauss and Newton from the coefficient's own frequency, which is half a coefficient
    off at most, to that of least squares; more steps follow the noise no less than the lattice.
    """
    index_y, index_x, strength = peaks
    window = windows.shape[-1]
    along = tf.constant((np.arange(window) - (window - 1) / 2) / window, windows.dtype)
    noise = _at(background, index_y, index_x)
    y = tf.cast(tf.where(index_y < window // 2, index_y, index_y - window), windows.dtype)
    x = tf.cast(index_x, windows.dtype)
    (sum_y, off_y, spread_y), (sum_x, off_x, spread_x) = (
        _moments(weight, along) for weight in (weight_y, weight_x)
    )

    # how fast the phase of what is there runs away from that of the wave
    wave_y, wave_x = _waves(y, along), _waves(x, along)
    tilted_y = [part * off_y[:, None, None] for part in wave_y]  # nX and waves behind nY
    tilted_x = [part * off_x[:, None] for part in wave_x]
    partly, tilted = _sums_along_y(windows, wave_y, tilted_y)
    re, im = _sums_along_x(partly, wave_x)
    power = tf.maximum(tf.reduce_sum((re**2 + im**2) / noise, axis=1), TINY)

    def runaway(tilt, spread):
        tilt_re, tilt_im = tilt
        turned = tf.reduce_sum((re * tilt_im - im * tilt_re) / noise, axis=1)
        return tf.clip_by_value(turned / (2 * np.pi * power * spread), -0.5, 0.5)

    y += runaway(_sums_along_x(tilted, wave_x), spread_y[:, None, None])
    x += runaway(_sums_along_x(partly, tilted_x), spread_x[:, None])

    wave_y, wave_x = _waves(y, along), _waves(x, along)
    (partly,) = _sums_along_y(windows, wave_y)
    gain = (
        1 - tf.minimum(1.0, threshold(windows.shape[1]) / tf.maximum(strength, TINY)) ** SHARPNESS
    )
    # twice: the wave of the opposite frequency is the same one
    scale = (2 * gain / (sum_y[:, None, None] * sum_x[:, None]))[:, None]
    re, im = (part * scale for part in _sums_along_x(partly, wave_x))
    shift_y, shift_x = (along + shift[:, None] / window for shift in shifts)
    (cos_y, sin_y), (cos_x, sin_x) = _waves(y, shift_y[:, None, None]), _waves(x, shift_x[:, None])
    even = re[..., None] * cos_x[:, None] - im[..., None] * sin_x[:, None]
    odd = re[..., None] * sin_x[:, None] + im[..., None] * cos_x[:, None]
    both_y = _for_all_inputs(tf.concat([cos_y, -sin_y], axis=-2), windows)
    return tf.matmul(both_y, tf.concat([even, odd], axis=-2), transpose_a=True)


def _highest_along_y(x):
    """Maximum within `APART` along y, (B, Y, X); pooling is fast along many channels."""
    return tf.nn.max_pool2d(x[:, :, None], [2 * APART + 1, 1], 1, "SAME")[:, :, 0]


def _moments(weight, along):
    """Sum of weights (n,), distances from their centre (n, W), and mean square of these (n,)."""
    total = tf.maximum(tf.reduce_sum(weight, axis=-1), TINY)  # the taper's end alone is 0
    off = along - (tf.reduce_sum(weight * along, axis=-1) / total)[:, None]
    spread = tf.reduce_sum(weight * off**2, axis=-1) / total
    return total, off, tf.maximum(spread, TINY)  # of a single pixel it is 0


def _waves(frequency, along):
    """Cosine and sine of (..., n_waves) along a window, (..., n_waves, W)."""
    phase = 2 * np.pi * frequency[..., None] * along
    return tf.cos(phase), tf.sin(phase)


def _sums_along_y(windows, *waves):
    """Windows times conjugate waves summed along y: of each pair a pair (B, C, nY, nX, K, W)."""
    parts = [part for cos, sin in waves for part in (cos, -sin)]
    stacked = _for_all_inputs(tf.concat(parts, axis=-2), windows)
    sums = tf.split(tf.matmul(stacked, windows), len(parts), axis=-2)
    return list(zip(sums[::2], sums[1::2]))


def _sums_along_x(partly, wave):
    """Sum along x what `_sums_along_y` returns, (B, C, nY, nX, K) real and imaginary."""
    re, im = partly
    cos, sin = (part[:, None] for part in wave)
    return tf.reduce_sum(re * cos + im * sin, -1), tf.reduce_sum(im * cos - re * sin, -1)


def _for_all_inputs(waves, windows):
    """(B, nY, nX, K, W) -> (B, C, nY, nX, K, W)."""
    shape = tf.concat([tf.shape(windows)[:4], tf.shape(waves)[3:]], 0)
    return tf.broadcast_to(waves[:, None], shape)


def _at(spectra, index_y, index_x):
    """Coefficients of (B, C, nY, nX, W, n) at (B, nY, nX, K), (B, C, nY, nX, K)."""
    b, c, n_y, n_x = tf.unstack(tf.shape(spectra)[:4])
    _, n = size = spectra.shape[-2:]
    first = tf.reshape(tf.range(b * c * n_y * n_x), [b, c, n_y, n_x, 1]) * (size[0] * n)
    return tf.gather(tf.reshape(spectra, [-1]), first + (index_y * n + index_x)[:, None])
