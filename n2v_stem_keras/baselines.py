"""The classical denoisers of the paper's comparison, Gaussian blur and total variation.

The paper (Methods) searched the Gaussian's sigma among 0.5, 1 and 2 px and the weight of TV
(Chambolle, J. Math. Imaging Vis. 20, 89 (2004)) from 0.1 to 2.0 in steps of 0.1, per detector.
`tune` searches as finely, and farther while the best lies at an end of the grid, up to a limit:
where adatoms are few and noise is strong, the least squared error is that of a **blank** frame
(27.7 dB in ADF on the reference movies, more than any blur gives at 10 dB and below), so the
search would blur without end. A parameter at its limit says: here PSNR rewards erasing.

**With a truth the parameters are tuned on that of the very frames scored**, so these baselines are
flattered: no experiment can tune so. Without one the search is self-supervised: a J-invariant
version of the denoiser is judged by the noisy frame itself (Batson and Royer, ICML 2019; done by
scikit-image), which is right for noise that is independent from pixel to pixel only.
"""

from __future__ import annotations

import numpy as np

from .noise import estimate_noise

STEP = 0.1
GRIDS = {"gaussian": np.arange(3, 31) * STEP, "tv": np.arange(1, 21) * STEP}
# Beyond 6 px (0.28 nm on the reference movies) neighbours merge; beyond 10 sigma TV is flat.
LIMITS = {"gaussian": 6.0, "tv": 10.0}
_LEAST = 0.02
_CALIBRATION_FRAMES = 4


def gaussian(frame, sigma_px):
    """Blur a frame.

    Parameters
    ----------
    frame : array_like
        (Y, X); left as it is.
    sigma_px : float
        Standard deviation of the Gaussian [px].

    Returns
    -------
    numpy.ndarray
        (Y, X) float32.
    """
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.asarray(frame, np.float32), sigma_px, mode="reflect")


def tv(frame, weight, noise_sigma=1.0):
    """Denoise a frame by total variation.

    Parameters
    ----------
    frame : array_like
        (Y, X); left as it is.
    weight : float
        Chambolle's 1/lambda in units of the noise sigma, so that it means the same at any gain.
    noise_sigma : float
        Standard deviation of the noise [the frame's unit].

    Returns
    -------
    numpy.ndarray
        (Y, X) float32.
    """
    from skimage.restoration import denoise_tv_chambolle

    frame = np.asarray(frame, np.float32)
    if noise_sigma <= 0:
        return frame.copy()
    offset = frame.mean()  # Chambolle's stopping rule is relative to the frame's energy
    scaled = denoise_tv_chambolle((frame - offset) / np.float32(noise_sigma), weight=weight)
    return (scaled * np.float32(noise_sigma) + offset).astype(np.float32)


def tune(method, noisy, truth=None, noise_sigma=None):
    """Denoise with the parameter that suits each detector best.

    Parameters
    ----------
    method : {"gaussian", "tv"}
        The parameter is sigma [px], or the weight [noise sigma].
    noisy : array_like
        (Y, X), or (..., Y, X, C), all frames of a detector sharing one parameter.
    truth : array_like, optional
        Clean frames, of the same shape: the parameter of least squared error is taken. Without
        them, that of least self-supervised error on up to four frames.
    noise_sigma : float or sequence of float, optional
        Standard deviation of the noise, one for all or per detector; by default estimated.

    Returns
    -------
    denoised : numpy.ndarray
        Of the noisy shape, float32.
    parameter : float or list of float
        The parameter found; one per detector for (..., Y, X, C).
    """
    if method not in GRIDS:
        raise ValueError(f"method is {method!r}; expected one of {sorted(GRIDS)}")
    noisy = np.asarray(noisy, np.float32)
    if truth is not None and np.shape(truth) != noisy.shape:
        raise ValueError(f"truth has shape {np.shape(truth)}, the noisy frames {noisy.shape}")
    if noisy.ndim == 2:
        truth = None if truth is None else np.asarray(truth, np.float32)[None]
        denoised, parameter = _tune_detector(method, noisy[None], truth, noise_sigma)
        return denoised[0], parameter
    stack = _by_detector(noisy)
    truths = [None] * len(stack) if truth is None else _by_detector(np.asarray(truth, np.float32))
    sigmas = [None] if noise_sigma is None else np.ravel(noise_sigma)
    sigmas = list(sigmas) * (len(stack) if len(sigmas) == 1 else 1)
    found = [_tune_detector(method, *each) for each in zip(stack, truths, sigmas, strict=True)]
    denoised = np.stack([frames for frames, _ in found], axis=-1).reshape(noisy.shape)
    return denoised, [parameter for _, parameter in found]


def _by_detector(frames):
    """(..., Y, X, C) as (C, T, Y, X)."""
    return np.moveaxis(frames.reshape(-1, *frames.shape[-3:]), -1, 0)


def _tune_detector(method, noisy, truth, noise_sigma):
    """Denoised frames (T, Y, X) of one detector, and the parameter that did it."""
    if method == "tv" and noise_sigma is None:
        noise_sigma = estimate_noise(noisy).sigma

    def denoise(frame, parameter):
        if method == "tv":
            return tv(frame, parameter, noise_sigma)
        return gaussian(frame, parameter)

    def error(parameters):
        if truth is None:
            return _self_supervised_error(noisy, denoise, parameters)
        return [
            sum(np.mean((denoise(n, p) - t) ** 2) for n, t in zip(noisy, truth, strict=True))
            for p in parameters
        ]

    best = _search(error, GRIDS[method], LIMITS[method])
    return np.stack([denoise(frame, best) for frame in noisy]), best


def _search(error, grid, limit):
    """Argument of the least error on a grid, which is widened until that lies inside.

    Upwards in the grid's own steps as far as the limit, downwards by halving, as far as nothing is
    left to remove.
    """
    grid, errors = list(grid), list(error(grid))
    while True:
        best = int(np.argmin(errors))
        if best == 0 and grid[0] > _LEAST:
            more = [grid[0] / 2]
            grid, errors = more + grid, list(error(more)) + errors
        elif best == len(grid) - 1 and grid[-1] + STEP / 2 < limit:
            top = min(2 * grid[-1], limit)
            more = list(np.arange(grid[-1] + STEP, top + STEP / 2, STEP))
            grid, errors = grid + more, errors + list(error(more))
        else:
            return float(np.round(grid[best], 6))


def _self_supervised_error(noisy, denoise, parameters):
    """Error of the J-invariant denoiser against the noisy frames, one number per parameter."""
    from skimage.restoration import calibrate_denoiser

    chosen = np.unique(np.linspace(0, len(noisy) - 1, _CALIBRATION_FRAMES).round().astype(int))
    total = np.zeros(len(parameters))
    for frame in noisy[chosen]:
        _, (_, losses) = calibrate_denoiser(
            frame, denoise, {"parameter": list(parameters)}, extra_output=True
        )
        total += losses
    return list(total)
