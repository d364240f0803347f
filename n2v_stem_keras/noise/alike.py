"""Make noise like that of a frame: as strong from place to place, and as correlated along x.

What is needed of it is known once a frame is denoised: strength and correlation from the frame
(`estimate`), where it is stronger from the residual.
"""

from __future__ import annotations

import numpy as np

from .estimate import row_share, without_rows

LOCAL_PX = 24.0  # standard deviation of the Gaussian over which strength is averaged
SPIKE = 5.0  # larger residuals, in units of the noise, say nothing of its usual strength
N_BINS = 32  # of brightness, in which the strength is looked at
LEAST_SHARE = 0.1  # of the mean variance, at the darkest place


def noise_like(raw, denoised, estimate, rng) -> np.ndarray:
    """Draw noise like that of a frame.

    Parameters
    ----------
    raw, denoised : (Y, X) arrays
        One detector of a frame, before and after denoising.
    estimate : NoiseEstimate
        Of the detector's noise in the movie.
    rng : numpy.random.Generator

    Returns
    -------
    (Y, X) float32 array
        In the frame's units; 0 where the detector has no noise. Its variance is a line in the
        denoised signal, as that of counted electrons is, times what is left over places of 24 px.
    """
    from scipy.ndimage import gaussian_filter

    raw, denoised = np.asarray(raw, float), np.asarray(denoised, float)
    squares = np.square(raw - denoised)
    if not estimate.sigma > 0 or not squares.any():
        return np.zeros(raw.shape, np.float32)
    most = np.maximum(estimate.sigma, np.sqrt(np.median(squares)) / 0.6745) * SPIKE
    squares = np.minimum(squares, most**2)
    expected = _variance_at(denoised, squares)
    places = {"sigma": LOCAL_PX, "mode": "reflect"}
    local = gaussian_filter(squares, **places) / gaussian_filter(expected, **places)
    variance = expected * local
    variance *= estimate.sigma**2 / variance.mean()
    return (np.sqrt(variance) * _unit_noise(raw.shape, estimate, rng)).astype(np.float32)


def _variance_at(signal, squares):
    """Return the mean of `squares` as a line in the signal that does not fall, (Y, X)."""
    order = np.argsort(signal, axis=None)
    level, mean = (
        np.array([part.mean() for part in np.array_split(values.ravel()[order], N_BINS)])
        for values in (signal, squares)
    )
    centre = level.mean()
    spread = np.square(level - centre).sum()
    slope = ((level - centre) * (mean - mean.mean())).sum() / spread if spread > 0 else 0.0
    line = mean.mean() + max(slope, 0.0) * (signal - centre)
    return np.maximum(line, LEAST_SHARE * mean.mean())


def _unit_noise(shape, estimate, rng):
    """Return noise of variance 1, correlated along x as was measured."""
    white = rng.standard_normal(shape)
    if not np.isfinite(estimate.acf_x).all():  # the frames are too small to tell
        return white
    rows = row_share(estimate)
    lags, n = np.asarray((without_rows(estimate) if rows else estimate).acf_x), shape[1]
    lags = lags[: (n + 1) // 2]
    line = np.zeros(n)
    line[: len(lags)] = lags
    line[n - len(lags) + 1 :] += lags[:0:-1]
    power = np.maximum(np.fft.rfft(line).real, 0)
    both = np.fft.irfft(np.fft.rfft(white, axis=1) * np.sqrt(power), n, axis=1)
    both /= np.sqrt(np.mean(np.maximum(np.fft.fft(line).real, 0)))
    return np.sqrt(1 - rows) * both + np.sqrt(rows) * rng.standard_normal((shape[0], 1))
