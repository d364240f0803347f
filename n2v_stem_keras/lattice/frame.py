"""A Wiener filter of whole frames: the lattice image, for a fraction of what windows cost.

`windows` follows a lattice from window to window; that costs a hundred Fourier transforms a frame,
more than a live network has time for. Here there is one a detector, of the whole frame: what
stands out of its surroundings in Fourier space is kept, and drawn where the frame bears it out. A
crystal that turns or bends within the frame has blurred spots, and less of it comes out.

The filter is written once, for whatever library has `Ops`: numpy and scipy here, which is what
the engines of `prediction.engines` run, TensorFlow in `lattice.layers.FrameFilter`, which trains.
"""

from __future__ import annotations

import functools

import numpy as np
import scipy.fft

from .constants import EULER_GAMMA, FRAME_OVERSUBTRACTION, FRAME_RAMP, LONGEST_PERIOD, TINY
from .levels import STANDS_OUT, by_the_one_that_tells_most, presence

BLOCK = 8  # side of the blocks that powers, and slopes, are averaged over
SIZE_MULTIPLE = 2 * BLOCK  # of frames [px]; half as many coefficients along x are whole blocks
REACH = 4  # blocks around each in Fourier space that make its background
SPREAD = 3  # blocks around each in the frame over which the lattice must be borne out
# blocks around each that its level is the mean of, under a triangle; that what varies slowly is,
# twice; and in which places are that a level is compared with, twice
LEVEL, SLOW, BESIDE = 2, 2, 3
# times this, the standard error of a level is that of one pixel
PIXELS_OF_LEVEL = (
    BLOCK * (LEVEL + 1) ** 4 / sum((LEVEL + 1 - abs(i)) ** 2 for i in range(-LEVEL, LEVEL + 1))
)
WEAK = 1.5  # the same for each coefficient by itself, without its neighbours
AXES = 0.4  # weight of what stands out on the axes, where offsets of scan lines scatter


class NumpyOps:
    """What `lattice_images` and `levels.presence` need, from numpy and scipy."""

    log, exp, maximum, minimum = np.log, np.exp, np.maximum, np.minimum
    concat, transpose = staticmethod(np.concatenate), staticmethod(np.transpose)
    where, sqrt, reshape = staticmethod(np.where), np.sqrt, staticmethod(np.reshape)
    stack = staticmethod(np.stack)

    def sides(self, x):
        """Return Y and X of (B, C, Y, X)."""
        return x.shape[2:]

    @staticmethod
    def mean(x, axes):
        """Return the mean over axes that stay, with length one."""
        return x.mean(axes, keepdims=True)

    def on_both_sides(self, left, x, right):
        """Multiply (B, C, Y, X) by a matrix along Y and one along X."""
        return left @ x @ right

    @staticmethod
    def block_means(x, fixed):
        """Return means of (B, C, Y, X) over blocks."""
        height, width = x.shape[2:]
        sums = x.reshape(*x.shape[:2], height // BLOCK, BLOCK, width).sum(3)
        return sums @ (fixed.means_x * np.float32(1 / BLOCK))

    def forward(self, x):
        """Return the Fourier transform of real images over the last two axes."""
        return scipy.fft.rfft2(x)

    def backward(self, spectra, height, width):
        """Return real images from `forward`'s coefficients, which are lost."""
        return scipy.fft.irfft2(spectra, (height, width), overwrite_x=True)

    def power(self, spectra):
        """Return the squared modulus of all columns but the last."""
        power = np.square(spectra.real[..., :-1])
        power += np.square(spectra.imag[..., :-1])
        return power

    def mean_product(self, a, b):
        """Return the mean of a product over the second axis, which stays, with length one."""
        return np.einsum("bcyx,bcyx->byx", a, b)[:, None] * np.float32(1 / a.shape[1])

    def constants(self, height, width):
        """Return `Constants` of frames of a size; the last few are kept."""
        return _constants(height, width)

    @staticmethod
    def sum(x, axes):
        """Return the sum over axes that stay, with length one."""
        return x.sum(axes, keepdims=True)

    @staticmethod
    def arange(n):
        """Return 0, 1, ..., n - 1 in float32."""
        return np.arange(n, dtype=np.float32)

    @staticmethod
    def count(n):
        """Return a whole number in float32."""
        return np.float32(n)

    @staticmethod
    def at_least(a, b):
        """Return 1 where a is b or more, else 0."""
        return np.greater_equal(a, b).astype(np.float32)

    def apply(self, spectra, gain):
        """Multiply coefficients, in place, by a real gain; the last column, without one, by 0."""
        spectra[..., :-1] *= gain
        spectra[..., -1] = 0
        return spectra

    def mean_square(self, x):
        """Return the mean square over the last two axes, which stay, with length one."""
        squares = np.einsum("bcyx,bcyx->bc", x, x)[..., None, None]
        return squares * np.float32(1 / (x.shape[2] * x.shape[3]))

    def transposed_product(self, a, b):
        """Return the product of the transpose of matrices and others."""
        return np.swapaxes(a, -1, -2) @ b

    def median(self, x):
        """Return that one of values along the last axis, which stays, of which half are smaller."""
        half = x.shape[-1] // 2
        return np.partition(x, half, axis=-1)[..., half, None]


def lattice_images(x, ops):
    """Keep what repeats over a whole frame.

    Parameters
    ----------
    x : (B, C, Y, X) float32
        Standardised frames; Y and X are multiples of `SIZE_MULTIPLE`.
    ops : NumpyOps, or the like

    Returns
    -------
    (B, C, Y, X) float32
        The gain of each coefficient and the comparison with the frame are the same for all
        detectors; nothing passes from one to another.
    """
    height, width = ops.sides(x)
    fixed = ops.constants(height, width)
    spectra = ops.forward(x)  # (B, C, Y, X/2 + 1)
    power = ops.power(spectra)  # (B, C, Y, X/2)

    # background: the logarithms around each coefficient, or, if higher, of its row or column.
    # All are means of few numbers, so the exponential is taken of those only
    logs = ops.log(power + TINY) + EULER_GAMMA
    around = ops.on_both_sides(fixed.around_y, logs, fixed.around_x)  # (B, C, Y/8, X/16)
    around = ops.on_both_sides(fixed.blocks_y, ops.exp(-around), fixed.blocks_x)
    rows, columns = ops.exp(-ops.mean(logs, (3,))), ops.exp(-ops.mean(logs, (2,)))
    ratio = power * ops.minimum(around, ops.minimum(rows, columns))
    own = ops.mean(ratio, (1,)) * fixed.on_axes  # (B, 1, Y, X/2)
    ratio = _mean_of_three(own, 2, ops, periodic=True)
    ratio = _mean_of_three(ratio, 3, ops, periodic=False)
    dropped = FRAME_OVERSUBTRACTION / ops.maximum(ratio, FRAME_OVERSUBTRACTION)
    dropped = dropped * dropped
    dropped = dropped * dropped
    # coefficients beside a spot are let through for its sake; most hold noise alone
    below = WEAK / ops.maximum(own, WEAK)
    gain = (1 - dropped * dropped) * (1 - below * below) * fixed.short_periods
    lattice = ops.backward(ops.apply(spectra, gain), height, width)

    # is it there? the slope of the frame against its lattice image
    product = ops.block_means(ops.mean_product(x, lattice), fixed)
    power = ops.block_means(ops.mean_product(lattice, lattice), fixed)
    covariance = ops.on_both_sides(fixed.spread_y, product, fixed.spread_x)
    variance = ops.on_both_sides(fixed.spread_y, power, fixed.spread_x)
    slope = covariance / ops.maximum(variance, TINY)
    absent, present = FRAME_RAMP
    there = ops.minimum(ops.maximum((slope - absent) / (present - absent), 0.0), 1.0)
    there = there * _presence_by_level(x, product, power, fixed, ops)
    return lattice * ops.on_both_sides(fixed.expand_y, there, fixed.expand_x)


def _presence_by_level(x, product, power, fixed, ops):
    """Do places as bright as this one show the lattice? (B, 1, Y/8, X/8), see `levels`.

    `product` and `power` are means over blocks, (B, 1, Y/8, X/8), of frame times lattice image and
    of the lattice image squared.
    """
    means = ops.block_means(x, fixed)  # (B, C, Y/8, X/8)
    squares = ops.maximum(ops.mean_square(x) - ops.mean_square(means), TINY)
    noise = ops.sqrt(squares)
    fast = abs(means - ops.on_both_sides(fixed.slow_y, means, fixed.slow_x)) * BLOCK
    level = ops.on_both_sides(fixed.level_y, means, fixed.level_x) * PIXELS_OF_LEVEL
    height, width = ops.sides(means)
    flat, asked = (-1, height * width), 1.0
    for c in range(x.shape[1]):
        asked = asked * ops.at_least(STANDS_OUT * noise[:, c], fast[:, c])
    asked = ops.reshape(asked, flat)
    # of noise that is alike in all detectors, the variance of the mean over a block
    known = ops.mean(squares, (1,)) / (x.shape[1] * BLOCK**2) * power
    parts = [ops.reshape(part, flat) * asked for part in (product, power, known)]
    parts = ops.stack([*parts, asked], -1)

    def around(of_level):
        images = ops.reshape(of_level, (-1, height, width, of_level.shape[-1]))
        images = ops.transpose(images, (0, 3, 1, 2))
        images = ops.on_both_sides(fixed.beside_y, images, fixed.beside_x)
        images = ops.transpose(images, (0, 2, 3, 1))
        return ops.reshape(images, (-1, height * width, of_level.shape[-1]))

    seen = []
    for c in range(x.shape[1]):
        own = ops.reshape(level[:, c], flat)
        apart = (own - ops.median(own)) / noise[:, c, 0]
        seen.append(presence(apart, parts, around, ops))
    return ops.reshape(by_the_one_that_tells_most(seen, ops), (-1, 1, height, width))


def mean_of_all(frame, share, others):
    """Return the mean of a frame and of those around it, and the frame's share in it.

    Parameters
    ----------
    frame : array
    share : array
        1 / (1 + n) where n others show the place.
    others : array
        Their mean.
    """
    return share * frame + (1 - share) * others, share


def lattice_of(planes, shares) -> np.ndarray:
    """Return lattice images, weakened as blind spots weaken them.

    Parameters
    ----------
    planes : (B, C_in, Y, X) float32 array
        Standardised frames, and what those around know of them (`temporal.evidence`), if they do.
    shares : list of float
        Visible share of each of C detectors, see `N2VStemConfig.visible_shares`.

    Returns
    -------
    (B, C, Y, X) float32 array
        Of the frames or, if those around are known, of the mean of all. One frame after the other
        is filtered, so that a batch needs no more memory.
    """
    ops, n = NumpyOps(), len(shares)
    shares = np.array(shares, np.float32)[:, None, None]
    lattice = np.empty_like(planes[:, :n])
    for frame, image in zip(planes, lattice):
        seen, visible = frame[:n], shares
        if len(frame) > n:
            seen, share = mean_of_all(seen, frame[n : 2 * n], frame[2 * n : 3 * n])
            visible = 1 - (1 - shares) * share
        np.multiply(lattice_images(seen[None], ops)[0], visible, out=image)
    return lattice


def _mean_of_three(x, axis, ops, periodic):
    """Mean of each value and its two neighbours along Y or X; outside is the end, or periodic."""
    if axis == 2:
        first, last = x[:, :, :1], x[:, :, -1:]
        before, after = (last, first) if periodic else (first, last)
        ends = ops.concat([before, x[:, :, :-1]], 2), ops.concat([x[:, :, 1:], after], 2)
    else:
        first, last = x[..., :1], x[..., -1:]
        before, after = (last, first) if periodic else (first, last)
        ends = ops.concat([before, x[..., :-1]], 3), ops.concat([x[..., 1:], after], 3)
    return (x + ends[0] + ends[1]) * np.float32(1 / 3)


class Constants:
    """Matrices that average and interpolate, for frames of one size."""

    def __init__(self, height, width, ops):
        n_y, n_x, n_k = height // BLOCK, width // BLOCK, width // (2 * BLOCK)
        means_y, means_x = _block_means(n_y, ops), _block_means(n_x, ops)
        # of coefficients: means over blocks and those around them, and back to all coefficients
        self.around_y = _box(n_y, REACH, ops, periodic=True) @ means_y
        self.around_x = ops.transpose(
            _box(n_k, REACH, ops, periodic=False) @ _block_means(n_k, ops)
        )
        self.blocks_y = BLOCK * ops.transpose(means_y)
        self.blocks_x = BLOCK * _block_means(n_k, ops)
        # of pixels: means over blocks, of these weighted ones, and back by interpolation
        self.means_y, self.means_x = means_y, ops.transpose(means_x)
        self.spread_y = _triangle(n_y, SPREAD, ops)
        self.spread_x = ops.transpose(_triangle(n_x, SPREAD, ops))
        self.level_y = _triangle(n_y, LEVEL, ops)
        self.level_x = ops.transpose(_triangle(n_x, LEVEL, ops))
        (self.slow_y, self.slow_x), (self.beside_y, self.beside_x) = (
            (_twice(n_y, reach, ops), ops.transpose(_twice(n_x, reach, ops)))
            for reach in (SLOW, BESIDE)
        )
        self.expand_y, self.expand_x = _expand(n_y, ops), ops.transpose(_expand(n_x, ops))
        rows = _frequencies(height, ops)[:, None]  # [1/px]
        columns = _frequencies(width, ops)[None, : width // 2]
        square = rows * rows + columns * columns
        self.short_periods = ops.at_least(square * LONGEST_PERIOD**2, 1.0)
        self.on_axes = 1 - (1 - AXES) * ops.at_least(0.0, abs(rows * columns))


@functools.lru_cache(maxsize=8)
def _constants(height: int, width: int) -> Constants:
    return Constants(height, width, NumpyOps)


def _frequencies(n, ops):
    """Return frequencies in the order of a Fourier transform [1/px]."""
    number, half = ops.arange(n), ops.arange(n)[n // 2]
    return ((number + half) % ops.count(n) - half) / ops.count(n)


def _distances(n, ops):
    number = ops.arange(n)
    return abs(number[:, None] - number[None])


def _box(n, reach, ops, periodic):
    """Mean over so many blocks to both sides, of those that exist."""
    distance = _distances(n, ops)
    if periodic:
        distance = ops.minimum(distance, ops.count(n) - distance)
    return _normalised(ops.at_least(float(reach), distance), ops)


def _block_means(n, ops):
    """Mean over each of n blocks, (n, 8 n)."""
    place = ops.arange(BLOCK * n)[None]
    first = BLOCK * ops.arange(n)[:, None]
    inside = ops.at_least(place, first) - ops.at_least(place, first + BLOCK)
    return inside / BLOCK


def _twice(n, reach, ops):
    box = _box(n, reach, ops, periodic=False)
    return box @ box


def _triangle(n, reach, ops):
    """Weighted mean over so many blocks to both sides."""
    return _normalised(ops.maximum(reach + 1 - _distances(n, ops), 0.0), ops)


def _expand(n, ops):
    """Interpolate linearly between the centres of n blocks, (8 n, n)."""
    place = (ops.arange(BLOCK * n) + 0.5) / BLOCK - 0.5
    weights = ops.maximum(1 - abs(place[:, None] - ops.arange(n)[None]), 0.0)
    return _normalised(weights, ops)  # beyond the outer centres: their value


def _normalised(weights, ops):
    return weights / ops.sum(weights, (1,))
