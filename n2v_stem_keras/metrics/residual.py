"""What a denoiser took away: is it noise, all of it, and nothing else?

Not in the paper, which judges by images and by the truth of simulations; a residual needs no
truth. Noise that is independent from pixel to pixel has mean zero, the noise's variance and no
autocorrelation, and so has the residual of a perfect denoiser. Lattice or adatoms in the residual
show as autocorrelation and as variance above sigma^2; noise that was kept shows as variance below.

A residual that is not white is not always signal lost. An output that averages few neighbours
shares their noise, which the residual of a blur of 1 px shows by an autocorrelation of -0.17 at a
lag of one pixel on noise alone; and noise that is correlated itself (after-glow) leaves a residual
that is. Compare with the autocorrelation of the noise, and between methods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_LAG = 2  # lags of the whiteness test reach this far along y and x [px]


@dataclass(frozen=True)
class ResidualStatistics:
    """Statistics of raw - denoised; each a number, or (C,) for frames with detectors.

    Attributes
    ----------
    mean : float or numpy.ndarray
        Mean [sigma].
    variance : float or numpy.ndarray
        Mean square about the mean, over sigma^2. 1 where all noise is gone and nothing else; nan
        without sigma.
    lag1_x, lag1_y : float or numpy.ndarray
        Autocorrelation one pixel along the fast and along the slow axis.
    whiteness : float or numpy.ndarray
        Chi square per degree of freedom, Q / 12. White residuals read 1 +- 0.41.
    p_white : float or numpy.ndarray
        Probability that white noise reads at least this whiteness.
    n_pixels : int
        Pixels per detector.
    """

    mean: float | np.ndarray
    variance: float | np.ndarray
    lag1_x: float | np.ndarray
    lag1_y: float | np.ndarray
    whiteness: float | np.ndarray
    p_white: float | np.ndarray
    n_pixels: int

    @property
    def mean_se(self):
        """Standard error of the mean of white noise [sigma]."""
        return self.n_pixels**-0.5

    @property
    def variance_se(self):
        """Standard error of the variance of white Gaussian noise, over sigma^2."""
        return (2 / self.n_pixels) ** 0.5

    @property
    def lag1_se(self):
        """Standard error of the autocorrelations of white noise."""
        return self.n_pixels**-0.5


def residual_statistics(raw, denoised, sigma=None):
    """Mean, variance and whiteness of raw - denoised.

    All frames of a detector are pooled; pairs of pixels never straddle two frames.

    Parameters
    ----------
    raw, denoised : array_like
        (Y, X), or (..., Y, X, C) with the frames in front, in one unit; at least 3x3 px.
    sigma : float or array_like, optional
        Standard deviation of the raw noise [the frames' unit]: one number, (C,) per detector, or
        (..., C) per frame and detector. Without it the residual's own is used for the mean, and
        the variance is nan.

    Returns
    -------
    ResidualStatistics
        Numbers for (Y, X), arrays (C,) else.

    Raises
    ------
    ValueError
        For shapes that differ, frames that are too small, or a sigma that is not positive.

    Notes
    -----
    The whiteness sums n_k rho_k^2 over the 12 lags k of a half plane up to 2 px along y and x, n_k
    the number of pairs: Q of Box and Pierce (J. Am. Stat. Assoc. 65, 1509 (1970)) in two
    dimensions. For white noise the rho_k are independent with variance 1 / n_k, so Q follows chi
    square with 12 degrees of freedom. It grows with the number of pixels: over many frames it
    finds autocorrelations far too small to matter, whose size is lag1_x and lag1_y.
    """
    from scipy.stats import chi2

    residual = _by_detector(raw, denoised, sigma)
    n_pixels = residual[0].size
    mean = residual.mean(axis=(1, 2, 3))
    residual -= mean[:, None, None, None]
    own = np.sqrt(np.mean(residual**2, axis=(1, 2, 3)))
    lags = _autocorrelations(residual)
    with np.errstate(invalid="ignore", divide="ignore"):
        q = sum(pairs * rho**2 for rho, pairs in lags.values())
        found = {
            "mean": mean if sigma is not None else mean / own,
            "variance": own**2 if sigma is not None else np.full_like(own, np.nan),
            "lag1_x": lags[0, 1][0],
            "lag1_y": lags[1, 0][0],
            "whiteness": q / len(lags),
            "p_white": chi2.sf(q, len(lags)),
        }
    if np.ndim(raw) == 2:
        found = {name: float(value[0]) for name, value in found.items()}
    return ResidualStatistics(**found, n_pixels=n_pixels)


def _by_detector(raw, denoised, sigma):
    """Residual in units of sigma, (C, T, Y, X) float64; in the frames' unit without sigma."""
    raw, denoised = np.asarray(raw, float), np.asarray(denoised, float)
    if raw.shape != denoised.shape or raw.ndim < 2:
        raise ValueError(
            f"raw has shape {raw.shape}, denoised {denoised.shape}; "
            "expected twice the same, (Y, X) or (..., Y, X, C)"
        )
    residual = raw - denoised
    residual = residual[..., None] if raw.ndim == 2 else residual
    if min(residual.shape[-3:-1]) <= MAX_LAG:
        raise ValueError(f"frames of {residual.shape[-3:-1]} px; expected {MAX_LAG + 1} at least")
    if sigma is not None:
        sigma = np.asarray(sigma, float)
        if not np.all(sigma > 0):
            raise ValueError(f"sigma is {sigma}; expected the noise's, which is positive")
        sigma = np.broadcast_to(sigma, (*residual.shape[:-3], residual.shape[-1]))
        residual = residual / sigma[..., None, None, :]
    return np.moveaxis(residual.reshape(-1, *residual.shape[-3:]), -1, 0).copy()


def _autocorrelations(residual):
    """Autocorrelation (C,) and number of pairs by lag (y, x), over a half plane without (0, 0)."""
    *_, n_y, n_x = residual.shape
    variance = np.mean(residual**2, axis=(1, 2, 3))
    lags = {}
    for dy in range(MAX_LAG + 1):
        for dx in range(-MAX_LAG if dy else 1, MAX_LAG + 1):
            left, right = max(0, -dx), n_x - max(0, dx)
            first = residual[:, :, : n_y - dy, left:right]
            second = residual[:, :, dy:, left + dx : right + dx]
            with np.errstate(invalid="ignore"):
                rho = np.mean(first * second, axis=(1, 2, 3)) / variance
            lags[dy, dx] = rho, first[0].size
    return lags
