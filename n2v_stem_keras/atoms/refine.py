"""Positions finer than a pixel: a Gaussian on a constant, fitted in all detectors at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZES = 0.5, 2.0  # least and largest standard deviation of a Gaussian, of the window's radius / 2


@dataclass(frozen=True)
class Fitted:
    """Gaussians fitted to n peaks.

    Attributes
    ----------
    positions : numpy.ndarray
        (n, 2) y, x [px]; the peak's pixel where the fit failed.
    sizes : numpy.ndarray
        (n,) standard deviation [px], the same in all detectors; nan where the fit failed.
    heights : numpy.ndarray
        (n, C), in the image's unit.
    errors : numpy.ndarray
        (n,) standard error of y and of x [px] for noise of standard deviation 1 in every pixel,
        from the Jacobian at the fit; nan where it failed.
    """

    positions: np.ndarray
    sizes: np.ndarray
    heights: np.ndarray
    errors: np.ndarray


def refine(image, peaks, radius_px):
    """Fit a round Gaussian on a constant around each peak, by least squares.

    Position and width are shared by all detectors, height and background are each detector's own.

    Parameters
    ----------
    image : array_like
        (Y, X, C) in units of the noise, which makes least squares the best use of all detectors
        where the noise is that of the image.
    peaks : array_like
        (n, 2) int y, x [px], to start from.
    radius_px : float
        Pixels within this distance of the peak are fitted [px]; at least 1.5.

    Returns
    -------
    Fitted
        A fit fails where it does not converge, leaves the window, or has no height in any
        detector.
    """
    image, peaks = np.asarray(image, float), np.asarray(peaks, int).reshape(-1, 2)
    radius_px = max(1.5, radius_px)
    n, n_detectors = len(peaks), image.shape[-1]
    positions = peaks.astype(float)
    sizes, errors = np.full((2, n), np.nan)
    heights = np.full((n, n_detectors), np.nan)
    for i, peak in enumerate(peaks):
        found = _fit(image, peak, radius_px)
        if found is not None:
            positions[i], sizes[i], heights[i], errors[i] = found
    return Fitted(positions, sizes, heights, errors)


def _fit(image, peak, radius):
    """Fit one peak; None if that fails."""
    from scipy.optimize import least_squares

    reach = int(radius)
    low = np.maximum(peak - reach, 0)
    high = np.minimum(peak + reach + 1, image.shape[:2])
    window = image[low[0] : high[0], low[1] : high[1]]
    y, x = (axis - p for axis, p in zip(np.mgrid[low[0] : high[0], low[1] : high[1]], peak))
    near = np.hypot(y, x) <= radius
    y, x, values = y[near].astype(float), x[near].astype(float), window[near]  # (k,), (k, C)
    n = values.shape[1]
    if len(y) * n < 3 + 2 * n:
        return None

    def shape(p):
        return np.exp(-((y - p[0]) ** 2 + (x - p[1]) ** 2) / (2 * p[2] ** 2))

    def residuals(p):
        return (p[3 : 3 + n] * shape(p)[:, None] + p[3 + n :] - values).T.ravel()

    def jacobian(p):
        bump = shape(p)
        by_place = np.stack(
            [
                bump * (y - p[0]) / p[2] ** 2,
                bump * (x - p[1]) / p[2] ** 2,
                bump * ((y - p[0]) ** 2 + (x - p[1]) ** 2) / p[2] ** 3,
            ],
            axis=1,
        )  # (k, 3), for a height of 1
        result = np.zeros((n, len(y), 3 + 2 * n))
        for c in range(n):
            result[c, :, :3] = p[3 + c] * by_place
            result[c, :, 3 + c] = bump
            result[c, :, 3 + n + c] = 1
        return result.reshape(-1, 3 + 2 * n)

    ground = values.min(axis=0)
    start = np.concatenate([[0, 0, radius / 2], values[(y == 0) & (x == 0)][0] - ground, ground])
    free = np.full(2 * n, np.inf)
    bounds = (
        np.concatenate([[-radius, -radius, SIZES[0] * radius / 2], -free]),
        np.concatenate([[radius, radius, SIZES[1] * radius / 2], free]),
    )
    fit = least_squares(residuals, start, jacobian, bounds, x_scale="jac", max_nfev=50)
    offset, size, heights = fit.x[:2], fit.x[2], fit.x[3 : 3 + n]
    if not fit.success or np.hypot(*offset) > 0.9 * radius or heights.max() <= 0:
        return None
    information = fit.jac.T @ fit.jac
    if np.linalg.cond(information) > 1e12:
        return None
    variances = np.diag(np.linalg.inv(information))[:2]
    return peak + offset, size, heights, float(np.sqrt(variances.mean()))
