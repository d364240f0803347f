"""Classical denoisers at their best, to compare with: Gaussian and total variation.

Each detector by itself, as in the paper (Methods, Denoising). Parameters are in units that do not
depend on gain: the Gaussian's width in px, the total-variation weight in units of the noise sigma.
Where the truth is known the parameter is tuned on the very frame that is scored, which flatters
these methods; without truth, by scikit-image's J-invariant criterion.
"""

from __future__ import annotations

import numpy as np

# first grids; widened until the best value is not at an end. The paper: sigma 0.5, 1, 2 px; weight
# 0.1 to 2.0 in steps of 0.1
GRIDS = {
    "gaussian": np.arange(0.25, 3.01, 0.25),
    "tv": np.arange(0.1, 2.01, 0.1),
}


def gaussian(frame, sigma_px: float, noise_sigma: float = 1.0):
    """Blur a frame (Y, X) with a Gaussian of standard deviation `sigma_px` [px]."""
    from scipy import ndimage

    return ndimage.gaussian_filter(np.asarray(frame, np.float32), sigma_px)


def tv(frame, weight: float, noise_sigma: float):
    """Denoise a frame (Y, X) by total variation (Chambolle 2004; scikit-image).

    Parameters
    ----------
    weight : float
        1/lambda, in units of `noise_sigma`.
    noise_sigma : float
        Standard deviation of the noise, in the frame's units.
    """
    from skimage.restoration import denoise_tv_chambolle

    frame = np.asarray(frame, np.float64)
    if noise_sigma <= 0:
        return frame.astype(np.float32)
    result = denoise_tv_chambolle(frame / noise_sigma, weight=weight)
    return (result * noise_sigma).astype(np.float32)


METHODS = {"gaussian": gaussian, "tv": tv}


def tune(method: str, noisy, truth, noise_sigma: float):
    """Denoise one frame with the best parameter.

    Parameters
    ----------
    method : {'gaussian', 'tv'}
    noisy : (Y, X) array
    truth : (Y, X) array or None
        None tunes without truth (J-invariance; Batson & Royer 2019).
    noise_sigma : float
        Standard deviation of the noise, in the frame's units.

    Returns
    -------
    denoised : (Y, X) float32 array
    parameter : float
        Width [px] or weight [noise sigma].
    """
    denoise, grid = METHODS[method], list(GRIDS[method])
    if truth is None:
        best = _tune_blind(denoise, noisy, noise_sigma, grid)
        return denoise(noisy, best, noise_sigma), best
    truth, losses = np.asarray(truth, np.float64), {}

    def loss(value):
        if value not in losses:
            losses[value] = float(np.mean((denoise(noisy, value, noise_sigma) - truth) ** 2))
        return losses[value]

    best = min(grid, key=loss)
    while best == grid[-1] and best < 100 * GRIDS[method][-1]:
        grid.append(grid[-1] * 1.25)
        best = min(grid, key=loss)
    while best == grid[0] and best > 0.01 * GRIDS[method][0]:
        grid.insert(0, grid[0] / 1.25)
        best = min(grid, key=loss)
    return denoise(noisy, best, noise_sigma), float(best)


def _tune_blind(denoise, noisy, noise_sigma, grid):
    from skimage.restoration import calibrate_denoiser

    def function(image, parameter):
        return denoise(image, parameter, noise_sigma)

    _, (parameters, losses) = calibrate_denoiser(
        np.asarray(noisy, np.float32),
        function,
        {"parameter": grid},
        approximate_loss=True,
        extra_output=True,
    )
    return float(parameters[int(np.argmin(losses))]["parameter"])
