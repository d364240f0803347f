"""Measure the noise of one detector in the noisy frames alone: how strong, how correlated.

A blind spot of one pixel needs noise that is independent from pixel to pixel. In raw scans it is
white along the slow axis y, and correlated along x by 0.02 to 0.42 at lag 1. Hence the estimator:
where |fy| is high a band-limited image has next to no content, so what is left there of the
spectrum is noise, at every fx; as noise is white along y, this is its whole spectrum S(fx). A mean
over the high |fy| that clips outliers ignores the few sharp spots of a lattice that reach so far.
Then sigma^2 is the mean of S, and the autocorrelation along x its Fourier series. The same with the
axes swapped gives the autocorrelation along y.

Choices, measured on reference movies: periodograms are averaged over the frames before the clipped
mean, which then loses less. A Tukey window that tapers an eighth of each side halves the variance
that a Hann window leaves and hides lattice spots as well. Above 0.35 cycles/px (0.4 leaves too few
frequencies, 0.3 lets the adatoms in at 20 dB) sigma is right to 1 % and the lag-1 autocorrelation
to 0.008 (one standard error) from a single frame of 256x256, half of that from 512x512 or from
four frames.

`plain_lag1` is the plain estimator that published figures come from. It differences neighbouring
rows against the image, which fails on a graphene lattice at 0.046 nm/px: the lattice's own high
frequencies pass for noise of lag-1 autocorrelation 0.1-0.4.

Frames are (T, Y, X) or (Y, X), one detector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..io.movie import unmasked
from .spikes import find_spikes, without_spikes

N_LAGS = 16
MIN_SIDE = 32
MAX_FRAMES = 16  # frames an estimate looks at, evenly spaced
MAX_SPAN = 11  # a wider blind spot hides the atom too [px]
HIGH_FREQUENCY = 0.35  # |f| along the other axis from which on the image has no content [cycles/px]
# A correlation rho with the two neighbours along x lets a network predict 2 rho^2 of the noise
# variance through a one-pixel blind spot. A lattice in noise of 10 dB comes out at 35 dB and more,
# where 2 rho^2 = 0.0008, or -31 dB, begins to show. A wider spot costs detail: so the limit for
# pixels farther away, and along y, where raw scans have none, is 0.5 %, or -23 dB.
NEIGHBOUR_LIMIT = 0.02
CORRELATION_LIMIT = 0.05
TAPER = 0.25  # share of each side that the window tapers
BAND = 512  # rows that are transformed together
CLIP = 0.95  # quantile of noise above which its periodogram is clipped


@dataclass(frozen=True)
class NoiseEstimate:
    """Noise of one detector's frames, as `estimate_noise` finds it.

    Attributes
    ----------
    sigma, sigma_se : float
        Standard deviation of the noise and its standard error [the frames' unit].
    lag1_x, lag1_y : float
        Lag-1 autocorrelation along the fast and the slow axis; nan where it cannot be known.
    acf_x : numpy.ndarray
        (16,) autocorrelation along x at lags 0 to 15 px.
    lag1_se : float
        Standard error of the autocorrelations.
    spikes : float
        Share of the pixels that stand out as nothing imaged can (`spikes`); they do not count.
    """

    sigma: float
    sigma_se: float
    lag1_x: float
    lag1_y: float
    acf_x: np.ndarray
    lag1_se: float
    spikes: float = 0.0


def noise_spectrum(frames, axis="x"):
    """Power spectrum of the noise along one axis.

    Parameters
    ----------
    frames : array_like
        (T, Y, X) or (Y, X), one detector, at least 32x32 px; left as it is.
    axis : {"x", "y"}
        Axis along which to measure.

    Returns
    -------
    numpy.ndarray
        (N,) at the frequencies of `numpy.fft.fftfreq(N)`, N the length of that axis. Scaled so
        that its mean is the variance of the noise.
    """
    frames = _stack(frames)
    _check_axis(axis)
    _check_size(frames[0].shape)
    return _level(_mean_periodogram(frames), frames, axis)


def estimate_noise(frames):
    """Strength and correlation of the noise of one detector, from the noisy frames alone.

    Parameters
    ----------
    frames : array_like
        (T, Y, X) or (Y, X), any number type; left as it is. Of more than 16 frames, 16 evenly
        spaced ones are used.

    Returns
    -------
    NoiseEstimate
        Constant frames have sigma 0. Frames under 32 px on a side are too small for a spectrum:
        sigma is the scaled MAD of their fourth difference along y, which image content inflates,
        and the autocorrelations are nan.

    Notes
    -----
    Row offsets are noise too: sigma includes them, and the autocorrelation along x then has a
    plateau of (row variance) / (total variance) at all lags. Where sigma varies over the frame
    (counting noise), its root mean square is found. Scan-line jitter decays over several px: on a
    SrTiO3 frame that shows it, the lags 1, 2, 4 and 8 px read 0.42, 0.33, 0.23 and 0.01.
    """
    frames = _stack(frames)
    frames = [frames[i] for i in evenly(len(frames), MAX_FRAMES)]
    if min(frames[0].shape) < MIN_SIDE:
        return _small_estimate(np.asarray(frames, float))
    frames, spikes = _despiked(frames)
    power = _mean_periodogram(frames)
    along_x, along_y = (_level(power, frames, axis) for axis in "xy")
    if along_x.mean() <= 0 or along_y.mean() <= 0:
        return NoiseEstimate(0.0, 0.0, 0.0, 0.0, np.eye(1, N_LAGS)[0], 0.0)
    acf_x, acf_y = _autocorrelation(along_x), _autocorrelation(along_y)
    sigma = float(np.sqrt(along_x.mean()))
    variance_error, lag1_se = _errors(along_x, frames[0].shape, len(frames))
    sigma_se = 0.5 * sigma * variance_error
    lags = float(acf_x[1]), float(acf_y[1])
    return NoiseEstimate(sigma, sigma_se, *lags, acf_x, lag1_se, spikes)


def _despiked(frames):
    """Return frames without spikes, and the share of pixels that these are.

    What is left when the strongest are gone tells weaker ones.
    """
    number, size = 0, sum(frame.size for frame in frames)
    for _ in range(3):
        sigma = np.sqrt(_level(_mean_periodogram(frames), frames, "x").mean())
        places = [find_spikes(frame, sigma) for frame in frames]
        if not any(map(len, places)):
            break
        number += sum(map(len, places))
        frames = [without_spikes(frame, found) for frame, found in zip(frames, places)]
    return frames, number / size


def plain_lag1(frames):
    """Lag-1 autocorrelation of the noise by the plain estimator, for comparison with others.

    The fourth difference (1, -4, 6, -4, 1) across the other axis removes a smooth image; what is
    left is clipped at 5 median absolute deviations and autocorrelated along the axis. Over the
    frames the **median** is taken, so that one odd frame of a set of separate images does not
    decide.

    Parameters
    ----------
    frames : array_like
        (T, Y, X) or (Y, X), one detector, any number type; left as it is. At least 6 px a side.

    Returns
    -------
    tuple of float
        Lag-1 autocorrelation along x and along y; nan where nothing is left of the frames.

    Notes
    -----
    White noise on smooth images reads less than 0.008. A lattice whose spots lie at high
    frequencies reads 0.1-0.4 with nothing but white noise on it: use `estimate_noise`.
    """
    return tuple(
        float(np.median([_plain_lag1(np.asarray(frame, float), axis) for frame in _stack(frames)]))
        for axis in "xy"
    )


def _plain_lag1(frame, axis):
    """Plain lag-1 autocorrelation of one frame (Y, X)."""
    if min(frame.shape) < 6:
        raise ValueError(f"frames of {frame.shape} px; fourth differences need 6x6")
    rough = np.diff(frame if axis == "x" else frame.T, n=4, axis=0)  # (across, along)
    rough -= np.median(rough)
    limit = 5 * np.median(np.abs(rough))
    rough = np.clip(rough, -limit, limit)
    rough -= rough.mean()
    variance = np.mean(rough**2)
    return np.mean(rough[:, 1:] * rough[:, :-1]) / variance if variance > 0 else np.nan


def residual_autocorrelation(residual, n_lags=N_LAGS):
    """Autocorrelation along x and y of what a denoiser took away.

    White if it took the noise of a white-noise movie and nothing else; structure means signal
    taken away, or correlated noise.

    Parameters
    ----------
    residual : array_like
        Raw minus denoised frames, (T, Y, X) or (Y, X), one detector; left as it is. The mean of
        each frame is subtracted.
    n_lags : int
        Lags 0 to n_lags - 1 [px].

    Returns
    -------
    acf_x, acf_y : numpy.ndarray
        (n_lags,) each, 1 at lag 0; zero beyond it if the residual is constant. For white noise on
        N pixels the standard error is 1 / sqrt(N).
    """
    frames = _stack(residual)
    if not 1 <= n_lags <= min(frames[0].shape):
        raise ValueError(
            f"n_lags is {n_lags}; expected 1 to {min(frames[0].shape)}, the residual's shorter side"
        )
    products, variance = np.zeros((2, n_lags)), 0.0
    for frame in frames:
        frame = np.asarray(frame, float)
        frame = frame - frame.mean()
        variance += np.mean(frame**2) / len(frames)
        for k in range(n_lags):
            x = np.mean(frame[:, k:] * frame[:, : frame.shape[1] - k])
            y = np.mean(frame[k:] * frame[: frame.shape[0] - k])
            products[:, k] += np.array([x, y]) / len(frames)
    acf = products / variance if variance > 0 else np.eye(1, n_lags).repeat(2, axis=0)
    return acf[0], acf[1]


def detector_correlation(frames):
    """Correlation of the noise of the detectors of one scan.

    Plain correlation of frames finds the image, which all detectors share, and that of their
    differences the atoms that moved. Here the Fourier coefficients at high ``|fy|`` are correlated,
    where the image has no content, each divided by the noise spectrum of its detector; those
    that rise out of the noise of any detector (lattice spots) are left out.

    Parameters
    ----------
    frames : array_like
        (T, Y, X, C), at least 32x32 px; left as it is. Of more than 16 frames, 16 evenly spaced
        ones are used.

    Returns
    -------
    numpy.ndarray
        (C, C) Pearson correlations, 1 on the diagonal; nan for a detector without noise. The
        standard error of uncorrelated noise is about 2 / sqrt(T Y X). Real scans read 0.04-0.07.
    """
    if np.ndim(frames) != 4:
        raise ValueError(f"frames have {np.ndim(frames)} axes; expected (T, Y, X, C)")
    stack = [np.asarray(frames[t], float) for t in evenly(len(frames), MAX_FRAMES)]
    _check_size(stack[0].shape[:2])
    high, window = _is_high(len(stack[0])), _window_2d(stack[0].shape[:2])
    cross = 0.0
    for frame in stack:
        waves = np.stack([_transform(one, window)[high] for one in np.moveaxis(frame, -1, 0)])
        cross = cross + np.real(waves[:, None] * waves[None].conj()) / len(stack)  # (C, C, F, X)
    power = np.einsum("ccfx->cfx", cross)
    level = np.stack([_robust_mean(p, len(stack)) for p in power])  # (C, X)
    noisy = level.min(axis=1) > 0
    limit = _clipped_gamma(len(stack), 0.999)[0] * level[:, None]
    usable = np.all((power <= limit) | ~noisy[:, None, None], axis=0)  # (F, X)
    level[~noisy] = np.nan
    cross = cross / np.sqrt(level[:, None] * level[None])[:, :, None]
    sums = cross[:, :, usable].sum(axis=-1)  # (C, C)
    return sums / np.sqrt(np.diag(sums)[:, None] * np.diag(sums))


def suggest_span(estimate):
    """Blind spot that covers the correlation of the noise along x.

    Parameters
    ----------
    estimate : NoiseEstimate
        The noise found.

    Returns
    -------
    tuple of int
        (y, x) [px], odd; y is 1. x is the smallest odd span beyond whose reach no autocorrelation
        is above its limit, 0.02 of neighbours and 0.05 farther away, by three standard errors; and
        11 at most.
    """
    limits = np.full(len(estimate.acf_x) - 1, CORRELATION_LIMIT)
    limits[0] = NEIGHBOUR_LIMIT
    above = np.abs(estimate.acf_x[1:]) > limits + 3 * estimate.lag1_se
    reach = int(np.flatnonzero(above).max()) + 1 if above.any() else 0
    return 1, min(2 * reach + 1, MAX_SPAN)


def row_share(estimate, limit=CORRELATION_LIMIT):
    """Share of the noise variance that whole rows have in common.

    Row offsets correlate all pixels of a row alike: a plateau of the autocorrelation along x, which
    no blind spot covers.

    Parameters
    ----------
    estimate : NoiseEstimate
        The noise found.
    limit : float
        A plateau below it (and three standard errors) counts as none.

    Returns
    -------
    float
        Mean autocorrelation at lags 10 to 15 px, or 0.
    """
    plateau = float(np.mean(estimate.acf_x[-6:]))
    return plateau if plateau > limit + 3 * estimate.lag1_se else 0.0


def whitening(estimate):
    """Return how much of the pixel before to take off each, so that the noise becomes white.

    Of after-glow that decays by the same share from pixel to pixel, this is the share. What is
    taken off is (a) in x_n = y_n - a y_(n-1), to a multiple.

    Parameters
    ----------
    estimate : NoiseEstimate

    Returns
    -------
    float
        0 where the noise is white already, or that would not halve what a blind spot of one pixel
        lets through (the sum of squared correlations).
    """
    if not estimate.lag1_x > NEIGHBOUR_LIMIT + 3 * estimate.lag1_se:
        return 0.0
    acf = np.append(estimate.acf_x, estimate.acf_x[-1])
    shares = np.arange(0.0, 0.6, 0.005)[:, None]
    k = np.arange(1, N_LAGS)
    after = (1 + shares**2) * acf[k] - shares * (acf[k - 1] + acf[k + 1])
    after = np.square(after / (1 + shares**2 - 2 * shares * acf[1])).sum(axis=1)
    best = int(np.argmin(after))
    return round(float(shares[best, 0]), 3) if after[best] < 0.5 * after[0] else 0.0


def without_rows(estimate):
    """Take what whole rows have in common out of an autocorrelation.

    Parameters
    ----------
    estimate : NoiseEstimate

    Returns
    -------
    NoiseEstimate
        With the `acf_x` of what is left; all else as it was.
    """
    plateau = float(np.mean(estimate.acf_x[-6:]))
    plateau = plateau if plateau > 3 * estimate.lag1_se else 0.0
    acf = np.append(1.0, (estimate.acf_x[1:] - plateau) / (1 - plateau))
    return replace(estimate, acf_x=acf)


def combined(estimates):
    """Return one estimate for separate images: the median sigma, the mean correlations.

    Parameters
    ----------
    estimates : list of NoiseEstimate

    Returns
    -------
    NoiseEstimate
    """
    if len(estimates) == 1:
        return estimates[0]
    n = np.sqrt(len(estimates))
    return NoiseEstimate(
        sigma=float(np.median([e.sigma for e in estimates])),
        sigma_se=float(np.median([e.sigma_se for e in estimates]) / n),
        lag1_x=float(np.mean([e.lag1_x for e in estimates])),
        lag1_y=float(np.mean([e.lag1_y for e in estimates])),
        acf_x=np.mean([e.acf_x for e in estimates], axis=0),
        lag1_se=float(np.sqrt(np.mean([e.lag1_se**2 for e in estimates])) / n),
        spikes=float(np.mean([e.spikes for e in estimates])),
    )


def _mean_periodogram(frames):
    """Periodogram of the windowed frames, averaged over them; its mean is the variance.

    (Y, X/2 + 1): the frequencies left out are the mirror image.
    """
    total = 0.0
    for frame in frames:
        power = np.abs(_half_transform(frame))
        power *= power
        total = total + power / len(frames)
    return total


def _half_transform(frame):
    """Fourier transform of a frame (Y, X) without its mean, tapered, (Y, X/2 + 1).

    With one copy of it, as frames may be large.
    """
    import scipy.fft

    height, width = frame.shape
    found, mean = np.empty((height, width // 2 + 1), complex), frame.mean(dtype=float)
    window_y, window_x = (w / np.sqrt(np.sum(w**2)) for w in map(_window, frame.shape))
    for first in range(0, height, BAND):
        rows = np.array(frame[first : first + BAND], float)
        rows -= mean
        rows *= window_y[first : first + BAND, None]
        rows *= window_x
        found[first : first + BAND] = scipy.fft.rfft(rows, axis=1)
    return scipy.fft.fft(found, axis=0, overwrite_x=True)


def _transform(frame, window):
    """Fourier transform of a windowed frame (Y, X) without its mean."""
    frame = np.asarray(frame, float)
    return np.fft.fft2((frame - frame.mean()) * window)


def _level(power, frames, axis):
    """Robust level of an averaged periodogram over the high frequencies across an axis."""
    n_y, n_x = frames[0].shape
    if axis == "x":
        level = _robust_mean(power[_is_high(n_y)], len(frames))
        k = np.arange(n_x)
        return level[np.minimum(k, n_x - k)]
    high = np.flatnonzero(_is_high(n_x)[: n_x // 2 + 1])
    mirrored = high[(high > 0) & (2 * high < n_x)]
    opposite = power[-np.arange(n_y)][:, mirrored]
    return _robust_mean(np.concatenate([power[:, high], opposite], axis=1).T, len(frames))


def _robust_mean(power, n_frames):
    """Mean over the first axis of an averaged periodogram of noise with a few outliers.

    A mean of T periodograms of noise is gamma distributed. Its level L solves
    mean(min(power, c L)) = k L, where k is the mean of the clipped unit gamma distribution.
    """
    from scipy.special import gammaincinv

    c, k, _ = _clipped_gamma(n_frames)
    level = np.median(power, axis=0) * n_frames / gammaincinv(n_frames, 0.5)
    for _ in range(10):  # each divides the error by six
        level = np.minimum(power, c * level).mean(axis=0) / k
    return level


def _is_high(n):
    """Which of n frequencies are so high that the image has no content there."""
    return np.abs(np.fft.fftfreq(n)) >= HIGH_FREQUENCY


def _clipped_gamma(shape, quantile=CLIP):
    """Clip, mean and relative variance of `_robust_mean` per value, for gamma noise of mean 1.

    By implicit differentiation the variance is var(min(X, c)) / P(shape + 1, shape c)^2, P being
    the regularised incomplete gamma function.
    """
    from scipy.special import gammainc, gammaincinv

    c = gammaincinv(shape, quantile) / shape
    first, second = gammainc(shape + 1, shape * c), gammainc(shape + 2, shape * c)
    mean = first + c * (1 - quantile)
    square = (1 + 1 / shape) * second + c**2 * (1 - quantile)
    return c, mean, (square - mean**2) / first**2


def _autocorrelation(spectrum):
    """Autocorrelation at lags 0 to 15, (16,)."""
    acf = np.fft.ifft(spectrum).real
    return acf[:N_LAGS] / acf[0]


def _errors(along_x, shape, n_frames):
    """Find the standard errors of the variance (relative) and of the lag-1 autocorrelation."""
    relative = _clipped_gamma(n_frames)[2] / np.count_nonzero(_is_high(shape[0]))
    for side in shape:  # neighbouring frequencies share noise through the window
        window = _window(side)
        relative *= side * np.sum(window**4) / np.sum(window**2) ** 2
    relative *= 2  # S(-f) = S(f)
    weight = along_x / along_x.sum()
    lever = np.cos(2 * np.pi * np.fft.fftfreq(len(along_x)))
    lever = lever - np.sum(weight * lever)
    return (
        float(np.sqrt(relative * np.sum(weight**2))),
        float(np.sqrt(relative * np.sum((weight * lever) ** 2))),
    )


def _window(n):
    """Periodic Tukey window, (n,)."""
    from scipy.signal.windows import tukey

    return tukey(n, TAPER, sym=False)


def _window_2d(shape):
    """Window of a frame (Y, X) with a sum of squares of 1."""
    window = _window(shape[0])[:, None] * _window(shape[1])
    return window / np.sqrt(np.sum(window**2))


def _small_estimate(frames):
    """Noise of frames (T, Y, X) that are too small for a spectrum."""
    from math import comb

    order = min(4, frames.shape[1] - 1)
    rough = np.diff(frames, n=order, axis=1) / np.sqrt(comb(2 * order, order))
    sigma = 1.4826 * float(np.median(np.abs(rough)))
    sigma_se = sigma * float(np.sqrt(order + 1) / np.sqrt(frames.size))
    lags = np.full(N_LAGS, np.nan)
    lags[0] = 1.0
    return NoiseEstimate(sigma, sigma_se, np.nan, np.nan, lags, np.nan)


def evenly(n, most):
    """At most `most` of the indices 0 to n - 1, evenly spaced."""
    return range(n) if n <= most else np.linspace(0, n - 1, most).round().astype(int)


def _stack(frames):
    """As (T, Y, X); frames stay as they are, so that a lazy sequence stays lazy."""
    if not hasattr(frames, "ndim"):
        frames = np.asarray(frames)
    frames = unmasked(frames, "frames")
    frames = frames[None] if frames.ndim == 2 else frames
    if frames.ndim != 3 or 0 in frames.shape:
        raise ValueError(f"frames have shape {frames.shape}; expected (T, Y, X), one detector")
    return frames


def _check_size(shape):
    if min(shape) < MIN_SIDE:
        raise ValueError(f"frames of {shape} px; a noise spectrum needs {MIN_SIDE}x{MIN_SIDE}")


def _check_axis(axis):
    if axis not in ("x", "y"):
        raise ValueError(f"axis is {axis!r}; expected 'x' or 'y'")
