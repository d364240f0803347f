"""Noise of STEM scans: make it on clean frames, and measure it in noisy ones.

Making: white Gaussian noise at a chosen PSNR (the paper, Methods, simulation), and the two ways
in which real scans depart from it: detector after-glow along the fast axis x, and row offsets.

Measuring: a blind spot of one pixel needs noise that is independent from pixel to pixel. In raw
scans it is white along the slow axis y, and correlated along x by 0.02 to 0.42 at lag 1. Hence
the estimator: where |fy| is high a band-limited image has next to no content, so what is left
there of the spectrum is noise, at every fx; as noise is white along y, this is its whole
spectrum S(fx). A median over the high |fy| ignores the few sharp spots of a lattice that reach so
far. Then sigma^2 is the mean of S, and the autocorrelation along x its Fourier series. The same
with the axes swapped gives the autocorrelation along y.

Choices, measured on reference movies: periodograms are averaged over the frames before the
median, for a median of sums loses less than one of single values. A Tukey window that tapers an
eighth of each side halves the variance that a Hann window leaves and hides lattice spots as well.
Above 0.35 cycles/px (0.4 leaves too few frequencies, 0.3 lets the lattice in at 20 dB) sigma is
right to 1 % and the lag-1 autocorrelation to 0.01 (one standard error) from a single frame of
256x256, and four times better from twelve.

Differences of neighbouring pixels, the usual remedy against image content, fail here: on a
graphene lattice at 0.046 nm/px the lattice's own high frequencies pass for noise of lag-1
autocorrelation 0.1-0.4.

Frames to make noise on are (..., Y, X, C); frames to measure are (T, Y, X), one detector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_LAGS = 16
MIN_SIDE = 32
MAX_FRAMES = 16  # frames an estimate looks at, evenly spaced
MAX_SPAN = 11  # a wider blind spot hides the atom too [px]
HIGH_FREQUENCY = 0.35  # |f| along the other axis from which on the image has no content [cycles/px]
# A correlation rho between neighbours lets a network predict 2 rho^2 of the noise variance through
# a one-pixel blind spot: 0.5 %, or -23 dB, at this limit.
CORRELATION_LIMIT = 0.05
TAPER = 0.25  # share of each side that the window tapers


def add_white_noise(clean, psnr_db, seed):
    """Add white Gaussian noise at a given PSNR to each frame and detector.

    Parameters
    ----------
    clean : array_like
        (..., Y, X, C); left as it is.
    psnr_db : float or sequence of float
        PSNR [dB], one for all or one per detector, where the data range R is max - min of each
        clean frame and detector: sigma = R / 10^(psnr / 20).
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32.
    """
    clean = _frames(clean)
    rng = np.random.default_rng(seed)
    data_range = np.ptp(clean, axis=(-3, -2), keepdims=True).astype(np.float32)
    sigma = data_range / 10 ** (np.asarray(psnr_db, np.float32) / 20)
    return (clean + sigma * rng.standard_normal(clean.shape, np.float32)).astype(np.float32)


def after_glow(frames, rho1):
    """Let every pixel glow on into those scanned after it.

    A causal convolution along x with the kernel (1 - rho1) rho1^k, k = 0, 1, ..., which sums to
    1. White noise that passes it has the autocorrelation rho1^k and the standard deviation
    sqrt((1 - rho1) / (1 + rho1)) of before. The truth to score against is the clean frame
    through the same function. Before the first pixel of a row its own value is taken.

    Parameters
    ----------
    frames : array_like
        (..., Y, X, C); left as it is.
    rho1 : float
        Lag-1 autocorrelation that white noise gets, 0 <= rho1 < 1.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32.
    """
    from scipy.signal import lfilter

    frames = _frames(frames)
    if not 0 <= rho1 < 1:
        raise ValueError(f"rho1 is {rho1}; expected 0 <= rho1 < 1")
    before = rho1 * frames[..., :1, :]
    return lfilter([1 - rho1], [1, -rho1], frames, axis=-2, zi=before)[0].astype(np.float32)


def row_offsets(frames, sigma, seed):
    """Add one normal random number to each row of each frame and detector.

    Parameters
    ----------
    frames : array_like
        (..., Y, X, C); left as it is.
    sigma : float or array_like
        Standard deviation [the frames' unit], one for all or one per detector.
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32.
    """
    frames = _frames(frames)
    shape = (*frames.shape[:-2], 1, frames.shape[-1])
    offsets = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return (frames + np.asarray(sigma, np.float32) * offsets).astype(np.float32)


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
    """

    sigma: float
    sigma_se: float
    lag1_x: float
    lag1_y: float
    acf_x: np.ndarray
    lag1_se: float


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
    if min(frames[0].shape) < MIN_SIDE:
        raise ValueError(
            f"frames of {frames[0].shape} px; a noise spectrum needs {MIN_SIDE}x{MIN_SIDE}"
        )
    return _level(_mean_periodogram(frames), len(frames), axis)


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
    frames = [frames[i] for i in _evenly(len(frames), MAX_FRAMES)]
    if min(frames[0].shape) < MIN_SIDE:
        return _small_estimate(np.asarray(frames, float))
    power = _mean_periodogram(frames)
    along_x, along_y = (_level(power, len(frames), axis) for axis in "xy")
    if along_x.mean() <= 0 or along_y.mean() <= 0:
        return NoiseEstimate(0.0, 0.0, 0.0, 0.0, np.eye(1, N_LAGS)[0], 0.0)
    acf_x, acf_y = _autocorrelation(along_x), _autocorrelation(along_y)
    sigma = float(np.sqrt(along_x.mean()))
    variance_error, lag1_se = _errors(along_x, frames[0].shape, len(frames))
    sigma_se = 0.5 * sigma * variance_error
    return NoiseEstimate(sigma, sigma_se, float(acf_x[1]), float(acf_y[1]), acf_x, lag1_se)


def suggest_span(estimate, limit=CORRELATION_LIMIT):
    """Blind spot that covers the correlation of the noise along x.

    Parameters
    ----------
    estimate : NoiseEstimate
        The noise found.
    limit : float
        Autocorrelation that may be left over beyond the blind spot.

    Returns
    -------
    tuple of int
        (y, x) [px], odd; y is 1. x is the smallest odd span beyond whose reach no autocorrelation
        is above the limit by three standard errors, and 11 at most.
    """
    above = np.abs(estimate.acf_x[1:]) > limit + 3 * estimate.lag1_se
    reach = int(np.flatnonzero(above).max()) + 1 if above.any() else 0
    return 1, min(2 * reach + 1, MAX_SPAN)


def _mean_periodogram(frames):
    """Periodogram of the windowed frames, averaged over them, (Y, X); its mean is the variance."""
    window = _window(frames[0].shape[0])[:, None] * _window(frames[0].shape[1])
    window /= np.sqrt(np.sum(window**2))
    total = 0.0
    for frame in frames:
        frame = np.asarray(frame, float)
        total = total + np.abs(np.fft.fft2((frame - frame.mean()) * window)) ** 2
    return total / len(frames)


def _level(power, n_frames, axis):
    """Robust level of an averaged periodogram (Y, X) over the high frequencies across an axis.

    A mean of T periodograms of noise is gamma distributed. Its median over n values is unbiased by
    the population's median and by the first-order error of a sample median.
    """
    power = power if axis == "x" else power.T  # (across, along)
    power = power[np.abs(np.fft.fftfreq(len(power))) >= HIGH_FREQUENCY]
    median, density, slope = _gamma_median(n_frames)
    return np.median(power, axis=0) / (median - slope / (8 * len(power) * density**3))


def _gamma_median(shape):
    """Median of the gamma distribution of mean 1, and its density and slope there."""
    from scipy.stats import gamma

    median = gamma.ppf(0.5, shape, scale=1 / shape)
    density = gamma.pdf(median, shape, scale=1 / shape)
    return median, density, density * ((shape - 1) / median - shape)


def _autocorrelation(spectrum):
    """Autocorrelation at lags 0 to 15, (16,)."""
    acf = np.fft.ifft(spectrum).real
    return acf[:N_LAGS] / acf[0]


def _errors(along_x, shape, n_frames):
    """Find the standard errors of the variance (relative) and of the lag-1 autocorrelation."""
    n_across = np.count_nonzero(np.abs(np.fft.fftfreq(shape[0])) >= HIGH_FREQUENCY)
    median, density, _ = _gamma_median(n_frames)
    relative = 0.25 / (n_across * (density * median) ** 2)  # variance of one median
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


def _evenly(n, most):
    """At most `most` of the indices 0 to n - 1, evenly spaced."""
    return range(n) if n <= most else np.linspace(0, n - 1, most).round().astype(int)


def _stack(frames):
    """As (T, Y, X); frames stay as they are, so that a lazy sequence stays lazy."""
    if not hasattr(frames, "ndim"):
        frames = np.asarray(frames)
    frames = frames[None] if frames.ndim == 2 else frames
    if frames.ndim != 3 or 0 in frames.shape:
        raise ValueError(f"frames have shape {frames.shape}; expected (T, Y, X), one detector")
    return frames


def _check_axis(axis):
    if axis not in ("x", "y"):
        raise ValueError(f"axis is {axis!r}; expected 'x' or 'y'")


def _frames(frames):
    """At least (Y, X, C)."""
    frames = np.asarray(frames)
    if frames.ndim < 3:
        raise ValueError(f"frames have shape {frames.shape}; expected (..., Y, X, C)")
    return frames
