"""Distance of a denoised image from the truth: PSNR, SSIM and N-RMSE.

The measures of the paper (Methods, noise metrics). The data range R of all of them is max - min
of each clean frame and detector, where the paper leaves its own unstated: PSNR and N-RMSE depend
on it, hence on the brightest cluster in the frame, so print `adatom_snr` beside them.

Images are (Y, X), or (..., Y, X, C) with the frames in front and the detectors last; the results
are a number, or an array (..., C). A stack (T, Y, X) of one detector needs its channel axis:
``stack[..., None]``.
"""

from __future__ import annotations

import numpy as np


def psnr(truth, image, data_range=None):
    """Peak signal-to-noise ratio [dB], 10 log10(R^2 / MSE); infinite for equal images.

    Parameters
    ----------
    truth, image : array_like
        (Y, X) or (..., Y, X, C).
    data_range : float or array_like, optional
        R, one number or (..., C); by default max - min of each clean frame and detector.

    Returns
    -------
    float or numpy.ndarray
        One number, or (..., C).
    """
    truth, image = _pair(truth, image)
    data_range = _range(truth) if data_range is None else np.asarray(data_range, float)
    with np.errstate(divide="ignore"):
        return _number(20 * np.log10(data_range) - 10 * np.log10(_mse(truth, image)))


def nrmse(truth, image, data_range=None):
    """Root-mean-square error as a fraction of the range, RMSE / R = 10^(-PSNR / 20).

    Parameters and returned shape are those of `psnr`. The paper normalises by the range too,
    not by the mean as scikit-image does by default.
    """
    truth, image = _pair(truth, image)
    data_range = _range(truth) if data_range is None else np.asarray(data_range, float)
    return _number(np.sqrt(_mse(truth, image)) / data_range)


def ssim(truth, image, data_range=None):
    """Mean structural similarity, scikit-image's defaults (7x7 uniform window), range R.

    Wang et al., IEEE Trans. Image Process. 13, 600 (2004). Parameters and returned shape are
    those of `psnr`.
    """
    from skimage.metrics import structural_similarity

    truth, image = _pair(truth, image)
    data_range = _range(truth) if data_range is None else np.asarray(data_range, float)
    data_range = np.broadcast_to(data_range, _range(truth, check=False).shape)
    if truth.ndim == 2:
        return float(structural_similarity(truth, image, data_range=float(data_range)))
    out = np.empty(data_range.shape)
    for index in np.ndindex(out.shape):
        frame = (*index[:-1], slice(None), slice(None), index[-1])
        out[index] = structural_similarity(truth[frame], image[frame], data_range=data_range[index])
    return out


def fluence_gain(psnr_in, psnr_out):
    """Factor in fluence that plain averaging would need for the same gain in PSNR.

    10^((PSNR_out - PSNR_in) / 10). PSNR falls with the mean squared error by 10 dB a decade, and
    the variance of counting noise, relative to the signal squared, falls as 1 / fluence: frames
    recorded with, or averaged to, this many times the electrons would have the output's error.
    The paper (Results) argues so: a gain of a decade at 14 dB for a tenth of the fluence. Part of
    the output's error is bias (blur, lost lattice), which no fluence imitates: this compares
    errors and does not promise as many resolved atoms.

    Parameters
    ----------
    psnr_in, psnr_out : float or array_like
        PSNR of the noisy and of the denoised frames over one data range [dB]; they broadcast.

    Returns
    -------
    float or numpy.ndarray
        1 where nothing is gained; below 1 where denoising lost.
    """
    return _number(10 ** ((np.asarray(psnr_out, float) - np.asarray(psnr_in, float)) / 10))


METRICS = {"psnr": psnr, "ssim": ssim, "nrmse": nrmse}


def score(truth, image, detectors):
    """Tabulate every metric per frame and detector.

    Parameters
    ----------
    truth, image : array_like
        (..., Y, X, C); the axes in front are run together as frames.
    detectors : sequence of str
        C names.

    Returns
    -------
    dict
        detector -> metric ("psnr" [dB], "ssim", "nrmse") -> (frames,) float64.
    """
    truth, image = _pair(truth, image)
    if truth.ndim < 3 or truth.shape[-1] != len(detectors):
        raise ValueError(
            f"images of shape {truth.shape} for the detectors {tuple(detectors)}; "
            f"expected (..., Y, X, {len(detectors)})"
        )
    table = {name: metric(truth, image) for name, metric in METRICS.items()}
    return {
        detector: {name: value[..., c].reshape(-1) for name, value in table.items()}
        for c, detector in enumerate(detectors)
    }


def _pair(truth, image):
    """Both images as float64 of one shape, at least 2-D."""
    truth, image = np.asarray(truth, float), np.asarray(image, float)
    if truth.shape != image.shape or truth.ndim < 2:
        raise ValueError(
            f"truth has shape {truth.shape}, image {image.shape}; "
            "expected twice the same, (Y, X) or (..., Y, X, C)"
        )
    return truth, image


def _axes(image):
    """Axes Y and X."""
    return (0, 1) if image.ndim == 2 else (-3, -2)


def _mse(truth, image):
    """Mean squared error per frame and detector, (..., C)."""
    return np.mean((truth - image) ** 2, axis=_axes(truth))


def _range(truth, check=True):
    """Max - min per frame and detector, (..., C)."""
    data_range = np.ptp(truth, axis=_axes(truth))
    if check and np.any(data_range == 0):
        raise ValueError("a clean frame is constant, so it has no range; give data_range")
    return data_range


def _number(value):
    """Return a plain float where there is one number only."""
    return float(value) if np.ndim(value) == 0 else value
