"""A local Wiener filter inside the network: what repeats over hundreds of pixels, as an input.

In one frame a lattice image is often weaker than the noise of a pixel, so it shows only in an
average over thousands of pixels. A UNet of a few levels cannot take that average: its pooling
destroys periods of a few pixels before its field is wide enough. In Fourier space it is simple:
a lattice is a few spots far above what surrounds them (Marks, Ultramicroscopy 62, 43 (1996);
Kilaas, J. Microsc. 190, 45 (1998)). Done in overlapping windows the filter follows a lattice that
turns, bends or ends. Where a lattice is straight, plane waves are fitted first (`waves`), and
the filter keeps what they leave. It has no weights; the network learns how far to trust it.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from . import waves
from .constants import (
    EULER_GAMMA,
    LENIENCE,
    LONGEST_PERIOD,
    SHARPNESS,
    TINY,
    WINDOW_OVERSUBTRACTION,
    WINDOW_RAMP,
)
from .overlap import cut, join, pads_of
from .window_levels import CELL, half_box, presence_by_level

STEEP = 8  # power of the squared taper; 1 is better by 0.3 dB where a lattice is straight


@keras.saving.register_keras_serializable("n2v_stem_keras")
class LocalWienerFilter(layers.Layer):
    """Keep the Fourier coefficients that stand out of their surroundings, window by window.

    The frame is cut into square windows that overlap by half under a square-root Hann taper. The
    power of each coefficient is compared with the background: the geometric mean of the power
    around it in Fourier space, which a few spots do not lift, and which follows noise that is not
    white; or that of the ring of its period, if higher, which follows the steep spectrum of
    amorphous carbon; or that of its whole row or column, if higher, so that scan lines brighter
    than their neighbours are background, too. The ratio ``t`` is averaged over the inputs and over
    each window's neighbours (Welch's method), and every input's coefficients are multiplied by
    ``max(0, 1 - (2.4 / t)^8)``. What varies over more than 32 px, which the convolutions see by
    themselves, is taken away before and after. Outside the frame there is nothing.

    What such a filter finds in a window it draws all over it, across holes and vacancies. So the
    lattice image is compared with the frame itself around each pixel (a triangle of +-W/12): where
    the slope of the frame against it is 1 or more it stays, where it is 0.5 or less it goes. Where
    that is too few pixels to say, the level of a place tells, see `levels`.

    With `n_waves` the highest peaks of each window are fitted as plane waves first, which pass as
    they are, and the filter keeps what stands out of the rest. The comparison then has the benefit
    of half its standard error, or what is left of the noise would be less than what it adds.

    The gate, the waves' frequencies and the comparison are the same for all inputs, but nothing
    passes from one input to another.

    No gradient passes: there is nothing to learn behind it.

    Parameters
    ----------
    window : int
        Side of a window [px], even.
    n_waves : int
        At most so many plane waves a window.

    Attributes
    ----------
    fourier : type
        `FastFourier`, or `MatrixFourier` for graphs that run where there are no complex numbers.
    """

    def __init__(self, window: int, n_waves: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.window, self.n_waves, self.fourier = window, n_waves, FastFourier

    def call(self, x):
        """(B, Y, X, C) -> (B, Y, X, C)."""
        sides, hop = tf.unstack(tf.shape(x)[1:3]), self.window // 2
        frame = x = tf.stop_gradient(x)
        # what varies slowly leaks into all coefficients, above all at the frame's border
        x -= _box_mean(_box_mean(x, LONGEST_PERIOD // 2), LONGEST_PERIOD // 2)
        padded = tf.transpose(x, [0, 3, 1, 2])  # (B, C, Y, X)
        pads = [pads_of(side, hop) for side in sides]
        taper = tf.constant(_taper(self.window), x.dtype)
        fourier = self.fourier(self.window)
        pieces = cut(tf.pad(padded, [[0, 0], [0, 0], *pads]), hop)
        windows = pieces * taper
        # real and imaginary parts, (B, C, nY, nX, W, W/2 + 1)
        spectra = fourier.forward(windows)
        power = _power(spectra)
        background = self._background(power)
        ratio = self._ratio(power, background)
        inside = [self._inside(side, pad) for side, pad in zip(sides, pads)]
        drawn = 0.0
        if self.n_waves:
            drawn = self._waves(pieces, inside, background, ratio) * taper
            spectra = fourier.forward(windows - drawn)
            ratio = self._ratio(_power(spectra), background)
        gain = self._gain(ratio)
        windows = drawn + fourier.backward(*(part * gain for part in spectra))
        lattice = join(windows * taper, hop)[:, :, : sides[0], : sides[1]]
        lattice = tf.transpose(lattice, [0, 2, 3, 1])
        products = [x * lattice, lattice**2, (lattice * (x - lattice)) ** 2]
        sums = tf.stack([tf.reduce_sum(product, axis=-1) for product in products], axis=-1)
        return lattice * self._presence(sums) * self._presence_by_level(sums, frame, x, inside)

    def _inside(self, side, pad):
        """1 at the pixels of each window along one axis that lie in the frame, else 0, (n, W)."""
        hop = self.window // 2
        frame = tf.reshape(tf.pad(tf.ones([side]), [pad]), [-1, hop])
        return tf.concat([frame[:-1], frame[1:]], axis=1)

    def _waves(self, pieces, inside, background, ratio):
        """Plane waves of windows that are not tapered, 0 outside the frame.

        The outer windows lie half outside the frame. There is little to fit in what is left, and
        the frame's border is where waves of a slightly wrong frequency are most wrong. So they
        draw waves that are fitted in the windows beside them.
        """
        peaks = waves.find_peaks(ratio[:, 0], _short_periods(self.window), self.n_waves)
        peaks = [_of_inner(_of_inner(part, 1), 2) for part in peaks]
        weights = [self._weights(_of_inner(part, 0)) for part in inside]
        (weight_y, shift_y), (weight_x, shift_x) = weights
        pieces = _of_inner(_of_inner(pieces, 2), 3) * weight_y[:, None, :, None]
        pieces *= weight_x[:, None]
        drawn = waves.draw_waves(
            pieces, weight_y, weight_x, background, peaks, shifts=(shift_y, shift_x)
        )
        in_y, in_x = inside
        return drawn * in_y[:, None, :, None] * in_x[:, None]

    def _weights(self, inside):
        """Weights of fits along one axis (n, W), and how far off they are drawn (n,).

        They fall off as the squared taper, but not towards a border of the frame. Behind the half
        of a window that lies at a border they fall off steeply: a lattice that bends is another one
        there.
        """
        n, hop = tf.shape(inside)[0], self.window // 2
        squared = tf.constant(_taper_along(self.window) ** 2, inside.dtype)
        number = tf.range(n)[:, None]
        first, last = number == 0, number >= n - 1
        ends = (inside[:, -1:] < 1) & (inside[:, hop : hop + 1] > 0)
        before = tf.range(self.window)[None] < hop
        flat = (first & before) | ((last | ends) & ~before)
        one = tf.ones([1], inside.dtype)
        shift = tf.concat([-hop * one, tf.zeros([n - 2], inside.dtype), hop * one], 0)
        fall = tf.where(first | last, squared**STEEP, squared)
        return tf.where(flat, 1.0, fall) * inside, shift

    def _ratio(self, power, background):
        """Power over background, the mean of all inputs and of each window's neighbours."""
        ratio = tf.reduce_mean(power / background, axis=1, keepdims=True)
        shape = tf.shape(ratio)
        n_bins = self.window * (self.window // 2 + 1)
        ratio = tf.reshape(ratio, [shape[0], shape[2], shape[3], n_bins])
        return tf.reshape(tf.nn.avg_pool2d(ratio, 3, 1, "SAME"), shape)  # leaves out the outside

    def _gain(self, ratio):
        """Gain of every coefficient, alike for all inputs, (B, 1, nY, nX, W, W/2 + 1)."""
        gain = 1 - tf.minimum(1.0, WINDOW_OVERSUBTRACTION / tf.maximum(ratio, TINY)) ** SHARPNESS
        return gain * tf.constant(_short_periods(self.window), gain.dtype)

    def _presence(self, sums):
        """Is the lattice there? From 0 to 1 at each pixel, alike for all inputs, (B, Y, X, 1).

        `sums` over the inputs, (B, Y, X, 3), are of frame times lattice image, of the lattice image
        squared, and of the variance of the first.
        """
        half = _half_box(self.window)
        sums = _box_mean(_box_mean(sums, half), half)  # two boxes make a triangle
        absent, present = WINDOW_RAMP
        power = tf.maximum(sums[..., 1:2], TINY)
        slope = sums[..., :1] / power
        if self.n_waves:
            # a triangle averages as a box 3/2 times as wide as each of the two
            n_pixels = (1.5 * (2 * half + 1)) ** 2
            slope += LENIENCE * tf.sqrt(sums[..., 2:] / n_pixels) / power
        return tf.clip_by_value((slope - absent) / (present - absent), 0.0, 1.0)

    def _presence_by_level(self, sums, frame, x, inside):
        """Do places as bright as this one show the lattice? (B, Y, X, 1), see `levels`."""
        half, n = half_box(self.window), x.shape[-1]
        # of noise that is white and 1 these have a variance of 1
        levels = _box_mean(_box_mean(frame, half), half) * (1.5 * (2 * half + 1))
        images = tf.concat([sums, x, tf.square(x), levels], axis=-1)
        height, width = tf.unstack(tf.shape(images)[1:3])
        for axis, side in ((1, height), (2, width)):  # the last pixels again, to fill a cell
            places = tf.minimum(tf.range((side + CELL - 1) // CELL * CELL), side - 1)
            images = tf.gather(images, places, axis=axis)
        images = tf.nn.avg_pool2d(images, CELL, CELL, "VALID")
        there = [tf.reshape(part, [-1, self.window // CELL, CELL])[..., 0] for part in inside]
        taper = tf.constant(_taper(self.window // CELL) ** 2, images.dtype)
        n_y, n_x = tf.unstack(tf.shape(images)[1:3])
        images = tf.split(images, [3, n, n, n], axis=-1)
        found = presence_by_level(*images, there, taper)[:, :n_y, :n_x]
        found = tf.image.resize(found, CELL * tf.shape(found)[1:3])  # bilinear
        return found[:, :height, :width]

    def _background(self, power):
        """Mean power of what is no lattice at each coefficient, from the logarithms around it."""
        half = self.window // 16
        shape = tf.shape(power)
        logs = tf.reshape(tf.math.log(power + TINY), [-1, self.window, self.window // 2 + 1, 1])
        box = tf.concat([logs[:, -half:], logs, logs[:, :half]], axis=1)  # periodic along y
        box = _box_mean(box, half)[:, half : half + self.window]
        box = tf.maximum(box, _ring_mean(logs))
        # offsets of rows and columns are lines through the origin, not spots
        lines = (tf.reduce_mean(logs, axis=axis, keepdims=True) for axis in (1, 2))
        logs = tf.maximum(box, tf.maximum(*lines))
        return tf.reshape(tf.exp(logs + EULER_GAMMA), shape)

    def compute_output_shape(self, input_shape):
        """As the input."""
        return tuple(input_shape)

    def get_config(self):
        """Return what rebuilds the layer."""
        return {**super().get_config(), "window": self.window, "n_waves": self.n_waves}


class FastFourier:
    """Fourier transform of real windows, (..., W, W) <-> two parts (..., W, W/2 + 1)."""

    def __init__(self, window: int):
        pass

    def forward(self, windows):
        """Return real and imaginary parts."""
        spectra = tf.signal.rfft2d(windows)
        return tf.math.real(spectra), tf.math.imag(spectra)

    def backward(self, real, imaginary):
        """Return windows."""
        return tf.signal.irfft2d(tf.complex(real, imaginary))


class MatrixFourier:
    """The same as products with matrices of sines and cosines: more work, but real numbers only."""

    def __init__(self, window: int):
        angle = 2 * np.pi * np.outer(np.arange(window), np.arange(window)) / window
        n = window // 2 + 1  # the other frequencies are the mirror image
        twice = np.where(np.arange(n) % (window // 2) == 0, 1, 2)[:, None]
        cosine, sine = np.cos(angle), np.sin(angle)
        self._along_x = _float32(np.concatenate([cosine[:, :n], -sine[:, :n]], axis=1))
        self._along_y = _float32(np.block([[cosine, sine], [-sine, cosine]]))
        self._back_y = _float32(np.block([[cosine, -sine], [sine, cosine]]) / window)
        self._back_x = _float32(np.concatenate([twice * cosine[:n], -twice * sine[:n]]) / window)

    def forward(self, windows):
        """Return real and imaginary parts."""
        parts = tf.split(tf.matmul(windows, self._along_x), 2, axis=-1)
        return tf.split(tf.matmul(self._along_y, tf.concat(parts, axis=-2)), 2, axis=-2)

    def backward(self, real, imaginary):
        """Return windows."""
        parts = tf.split(tf.matmul(self._back_y, tf.concat([real, imaginary], -2)), 2, axis=-2)
        return tf.matmul(tf.concat(parts, axis=-1), self._back_x)


def _of_inner(x, axis):
    """For the first and the last window along an axis, what the one beside it has."""
    n = tf.shape(x)[axis]
    places = tf.concat([[1], tf.range(1, n - 1), [n - 2]], 0)
    return tf.gather(x, places, axis=axis)


def _float32(matrix):
    return tf.constant(matrix, tf.float32)


def _box_mean(x, half):
    """Mean over (2 half + 1)^2 pixels of (B, Y, X, C), of those that exist."""
    for _ in range(2):  # along y, then with the axes swapped; pooling is fast along many channels
        b, n_y, n_x, n = tf.unstack(tf.shape(x))
        x = tf.nn.avg_pool2d(tf.reshape(x, [b, n_y, 1, n_x * n]), [2 * half + 1, 1], 1, "SAME")
        x = tf.transpose(tf.reshape(x, [b, n_y, n_x, n]), [0, 2, 1, 3])
    return x


def halo(window: int, radius: int) -> int:
    """How much of a frame lattice images need around a tile [px].

    Parameters
    ----------
    window : int
        Side of a window [px].
    radius : int
        How far around the tile the lattice images are needed [px].

    Returns
    -------
    int
        A multiple of half a window, for tiles that start on multiples of it.
    """
    hop = window // 2
    # where the lattice image is compared with the frame, and where its presence is interpolated
    around = radius + 2 * _half_box(window) + CELL
    # a pixel's windows, in which places of its level are asked, begin up to a hop before its own
    # part of the grid, those that make the lattice image there two, their neighbours three, and
    # what varies slowly is found further out
    return (-(-around // hop) + 3 + -(-2 * (LONGEST_PERIOD // 2) // hop)) * hop


def _ring_mean(logs):
    """Mean of (N, W, W/2 + 1, 1) over rings in Fourier space, as many as W, equally large.

    Of each ring and of the two beside it.
    """
    _, window, n, _ = logs.shape
    k = np.hypot(np.fft.fftfreq(window)[:, None], np.fft.rfftfreq(window)[None])
    order = np.argsort(k, axis=None, kind="stable").astype(np.int32)
    ring = np.argsort(order).astype(np.int32) // n  # of each coefficient
    sorted_logs = tf.gather(tf.reshape(logs, [-1, window * n]), order, axis=1)
    means = tf.reduce_mean(tf.reshape(sorted_logs, [-1, window, n]), axis=2, keepdims=True)
    means = tf.nn.avg_pool1d(means, 3, 1, "SAME")[..., 0]
    return tf.reshape(tf.gather(means, ring, axis=1), tf.shape(logs))


def _half_box(window):
    return max(1, window // 24)


def _taper(window):
    """Square-root Hann taper, (W, W): its squares add up to one under half overlap."""
    return np.outer(_taper_along(window), _taper_along(window))


def _taper_along(window):
    return np.sin(np.pi * np.arange(window) / window)


def _power(parts):
    """Squared modulus of real and imaginary parts."""
    return tf.add_n([tf.square(part) for part in parts])


def _short_periods(window):
    """1 where a coefficient's period is at most `LONGEST_PERIOD`, else 0, (W, W/2 + 1)."""
    k = np.hypot(np.fft.fftfreq(window)[:, None], np.fft.rfftfreq(window)[None])
    return k * LONGEST_PERIOD >= 1
