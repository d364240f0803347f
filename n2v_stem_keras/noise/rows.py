"""Offsets of rows: found in a frame, and taken off.

Each row of a scan may lie a little higher or lower than its neighbours, as a whole: the amplifier
drifts, or the mains are picked up. A network sees the offset in the other pixels of the row, and
draws it. Offsets are Fourier coefficients at kx = 0 alone, equally strong at all ky. How strong
they are is found at high ky, where they exceed the coefficients beside; they are taken off as far
as they exceed noise and image (a Wiener filter). What is stronger than that is the specimen, spots
of a lattice or an edge along x, and stays.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

LONGEST_PX = 40.0  # what varies over more rows than this may be the specimen
BESIDE = slice(3, 12)  # columns of coefficients beside kx = 0 that tell what is no offset
FAST = 0.25  # from here on along y there is noise, and little else [cycles/px]
SPOT = 10.0  # times what is expected: a lattice, or an edge along x
SIGNIFICANT = 5.0  # standard errors
LARGEST = 3.0  # times their standard deviation: no offset is taken to be larger
LEAST_ROWS, LEAST_COLUMNS = 32, 32


def level_rows(frame) -> np.ndarray:
    """Take the offsets of rows off a frame.

    Parameters
    ----------
    frame : (Y, X, C) array

    Returns
    -------
    (Y, X, C) float32 array
        A copy. Detectors whose rows do not stand out are as they were.
    """
    frame = np.array(frame, np.float32)
    offsets = find_row_offsets(frame)
    if offsets.any():
        frame -= offsets[:, None].astype(np.float32)
    return frame


def rows_stand_out(frame) -> np.ndarray:
    """Return whether rows of each detector have offsets, (C,) bool."""
    return find_row_offsets(frame).any(axis=0)


def find_row_offsets(frame) -> np.ndarray:
    """Find the offsets of the rows of a frame.

    Parameters
    ----------
    frame : (Y, X, C) array

    Returns
    -------
    (Y, C) float64 array
        In the frame's units; 0 of a detector where none stand out of the noise, or of a frame under
        32x32 px.
    """
    frame = np.asarray(frame)
    height, width, n = frame.shape
    found = np.zeros((height, n))
    if height < LEAST_ROWS or width < LEAST_COLUMNS:
        return found
    for c in range(n):
        plane = frame[..., c].astype(np.float64)
        found[:, c] = _offsets(plane - plane.mean())
    return found


def _offsets(plane):
    height, width = plane.shape
    means = plane.mean(axis=1)
    columns = scipy.fft.rfft(plane * np.hanning(width), axis=1)[:, BESIDE]
    columns = np.concatenate([means[:, None] * width * _window_gain(width), columns], axis=1)
    # windowed along y, too, or a lattice along the rows would be seen at all ky
    window = np.hanning(height)
    spectra = scipy.fft.fft(columns * window[:, None], axis=0)[: height // 2 + 1]
    power = np.square(np.abs(spectra))
    k = np.arange(height // 2 + 1) / height  # [cycles/px]
    # of random phases: the median of either column is so much of its mean
    level = _running_median(np.median(power[:, 1:], axis=1)) / np.log(2)
    fast = k >= FAST
    noise = np.median(level[fast])
    excess = np.median(power[fast, 0]) / np.log(2) - noise
    # an edge along x is strong at all ky, but in few rows; a lattice in all rows, but at few ky. Of
    # what is random from row to row, a second difference has 6 times the variance
    lattice = power[:, 0] > SPOT * _running_median(power[:, 0])
    lattice = np.convolve(lattice, np.ones(5), mode="same") > 0
    rest = scipy.fft.irfft(np.where(lattice, 0, spectra[:, 0]), height)
    inside = slice(height // 4, height - height // 4)
    variance = _robust_variance(np.diff(rest[inside] / window[inside], 2)) / 6
    excess = min(excess, variance * np.sum(window**2) - noise)
    if not excess > noise * SIGNIFICANT * 1.5 / np.sqrt(fast.sum()):
        return 0.0
    spots = power[:, 0] > SPOT * (excess + level)
    gain = excess / (excess + level)
    gain[spots | np.roll(spots, 1) | np.roll(spots, -1)] = 0
    gain[0] = 0
    waves = np.arange(height) / (2 * height)  # of a cosine transform: no step at the ends
    gain = np.interp(waves, k, gain) * (waves * LONGEST_PX >= 1)
    offsets = scipy.fft.idct(scipy.fft.dct(means, norm="ortho") * gain, norm="ortho")
    most = LARGEST * np.sqrt(_robust_variance(offsets))
    return np.clip(offsets, -most, most)


def _robust_variance(values):
    return float((1.4826 * np.median(np.abs(values - np.median(values)))) ** 2)


def _window_gain(width):
    """Return what a window leaves of the noise of a sum over a row, as an amplitude."""
    return float(np.sqrt(np.mean(np.hanning(width) ** 2)))


def _running_median(values, reach: int = 8):
    from scipy.ndimage import median_filter

    return median_filter(values, 2 * reach + 1, mode="nearest")
