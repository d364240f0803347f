"""Noise of STEM movies: make it, and estimate it from the noisy movie alone.

In real scans the noise is white along the slow axis y and can be correlated along the fast axis x
(detector after-glow, scan-line jitter, row noise). A band-limited image, in contrast, has hardly
any power at high frequencies along y, lattice spots being sharp. So the power spectrum of the
noise along x, S(fx), is the robust level (median) of the periodogram over high |fy|, for each fx.
Its mean is the variance, its cosine transform the autocorrelation along x; the same with the axes
swapped serves as a control along y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.signal.windows import tukey

HIGH_FREQUENCY = 0.3  # [cycles/px]; up to 0.5, where an image that is sampled well has no power
MIN_SIDE = 32  # [px]; smaller frames have too few frequencies
MAX_LAG = 15
# A correlation rho between neighbours lets a network predict 2 rho^2 of the noise variance through
# a one-pixel blind spot: 0.5 %, or -23 dB, at this limit.
CORRELATION_LIMIT = 0.05
TAPER = 0.25  # share of each side that the window tapers, so that lattice spots stay sharp
WINDOW_EFFICIENCY = 0.7  # independent numbers per frequency that this window leaves
MEDIAN_ERROR = 1.44  # standard error of the median of exponential numbers over that of their mean


@dataclass(frozen=True)
class NoiseEstimate:
    """Noise of one detector.

    Attributes
    ----------
    sigma : float
        Standard deviation, in the movie's units.
    sigma_se : float
        Its standard error.
    acf_x, acf_y : (16,) arrays
        Autocorrelation along the fast and the slow axis at lags 0 to 15 px.
    lag1_se : float
        Standard error of the autocorrelation at any lag but 0.
    """

    sigma: float
    sigma_se: float
    acf_x: np.ndarray
    acf_y: np.ndarray
    lag1_se: float

    @property
    def lag1_x(self) -> float:
        """Autocorrelation between neighbours along the fast axis."""
        return float(self.acf_x[1])

    @property
    def lag1_y(self) -> float:
        """Autocorrelation between neighbours along the slow axis."""
        return float(self.acf_y[1])


# -- make -----------------------------------------------------------------------------------------
def add_white_noise(clean, psnr_db, seed):
    """Add white Gaussian noise to a stated peak signal-to-noise ratio.

    Parameters
    ----------
    clean : (..., Y, X, C) array
    psnr_db : float or sequence of C floats
        10 log10(R^2 / sigma^2) [dB], with R = max - min of each clean frame and detector.
    seed : int or sequence of int

    Returns
    -------
    (..., Y, X, C) float32 array
    """
    clean = np.asarray(clean, np.float32)
    data_range = np.ptp(clean, axis=(-3, -2), keepdims=True)
    sigma = data_range * 10 ** (-np.asarray(psnr_db, np.float64) / 20)
    noise = np.random.default_rng(seed).standard_normal(clean.shape, np.float32)
    return (clean + noise * sigma).astype(np.float32)


def after_glow(frames, rho1: float):
    """Smear frames along the fast axis as a slow detector does.

    Parameters
    ----------
    frames : (..., Y, X, C) array
    rho1 : float
        Autocorrelation that white noise has afterwards at lag 1, 0 <= rho1 < 1.

    Returns
    -------
    (..., Y, X, C) float32 array
        Convolved along x with the causal kernel (1 - rho1) rho1^k, which sums to one. The truth to
        score against is the clean frame through the same kernel.
    """
    if not 0 <= rho1 < 1:
        raise ValueError(f"rho1 is {rho1}, expected 0 <= rho1 < 1")
    length = 1 if rho1 == 0 else int(np.ceil(np.log(1e-6) / np.log(rho1))) + 1
    kernel = (1 - rho1) * rho1 ** np.arange(length)
    kernel = np.concatenate([np.zeros(length - 1), kernel / kernel.sum()])
    frames = np.asarray(frames, np.float32)
    return ndimage.convolve1d(frames, kernel.astype(np.float32), axis=-2, mode="nearest")


# -- estimate -------------------------------------------------------------------------------------
def estimate_noise(frames) -> NoiseEstimate:
    """Estimate strength and correlation of the noise of one detector.

    Parameters
    ----------
    frames : (T, Y, X) or (Y, X) array
        Raw intensities; one frame is enough.

    Returns
    -------
    NoiseEstimate

    Notes
    -----
    Frames smaller than 32 px on a side fall back to the median absolute deviation of the fourth
    difference along y, without correlations.
    """
    frames = np.atleast_3d(np.asarray(frames, np.float64).T).T  # (T, Y, X)
    if min(frames.shape[1:]) < MIN_SIDE:
        return _small_estimate(frames)
    along_x = noise_spectrum(frames, "x")
    along_y = noise_spectrum(frames, "y")
    variance = along_x.mean()
    if variance <= 0 or along_y.mean() <= 0:
        return NoiseEstimate(0.0, 0.0, _delta(), _delta(), 0.0)
    # independent numbers that enter: the frequencies used; a median needs more than a mean
    n_used = frames.size * (1 - 2 * HIGH_FREQUENCY) * WINDOW_EFFICIENCY
    return NoiseEstimate(
        sigma=float(np.sqrt(variance)),
        sigma_se=float(np.sqrt(variance) * 0.5 * MEDIAN_ERROR / np.sqrt(n_used)),
        acf_x=_autocorrelation(along_x),
        acf_y=_autocorrelation(along_y),
        lag1_se=float(MEDIAN_ERROR / np.sqrt(2 * n_used)),
    )


def noise_spectrum(frames, axis: str = "x"):
    """Return the power spectrum of the noise along one axis.

    Parameters
    ----------
    frames : (T, Y, X) array
    axis : {'x', 'y'}

    Returns
    -------
    (N,) array
        Power at the N frequencies of `numpy.fft.fftfreq` along that axis; its mean is the
        variance of the noise.
    """
    frames = np.asarray(frames, np.float64)
    if axis == "y":
        frames = frames.transpose(0, 2, 1)
    n_across, n_along = frames.shape[1:]
    window = tukey(n_across, TAPER)[:, None] * tukey(n_along, TAPER)
    window = window / np.sqrt(np.mean(window**2))
    high = np.abs(np.fft.fftfreq(n_across)) >= HIGH_FREQUENCY
    levels = []
    for frame in frames:  # one at a time: the spectra of many large frames would not fit
        power = np.abs(np.fft.fft2((frame - frame.mean()) * window)) ** 2 / frame.size
        levels.append(power[high])
    pooled = np.concatenate(levels)  # (T * n_high, N)
    # power of noise is exponentially distributed: median = mean * ln 2; sharp spots do not move it
    return np.median(pooled, axis=0) / np.log(2)


def _autocorrelation(spectrum):
    acf = np.fft.ifft(spectrum).real
    return acf[: MAX_LAG + 1] / acf[0]


def _delta():
    return np.eye(1, MAX_LAG + 1)[0]


def _small_estimate(frames) -> NoiseEstimate:
    if frames.shape[1] < 5:
        sigma = float(frames.std())
    else:
        rough = np.diff(frames, n=4, axis=1)
        sigma = float(np.median(np.abs(rough)) / 0.6745 / np.sqrt(70))  # 1 + 16 + 36 + 16 + 1
    return NoiseEstimate(sigma, sigma / np.sqrt(2 * frames.size), _delta(), _delta(), 1.0)


def suggest_span(estimate: NoiseEstimate, limit: float = CORRELATION_LIMIT) -> tuple[int, int]:
    """Return the blind spot (y, x) [px] that covers the correlation of the noise along x.

    The smallest odd width beyond whose reach the autocorrelation stays below the limit; at most
    11 px, since a wider spot hides the atom too.
    """
    threshold = limit + 3 * estimate.lag1_se
    beyond = np.flatnonzero(np.abs(estimate.acf_x[1:]) > threshold) + 1
    reach = int(beyond.max()) if len(beyond) else 0
    return (1, min(2 * reach + 1, 11))
