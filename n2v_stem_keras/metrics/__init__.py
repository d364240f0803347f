"""How good is a denoised image: against a truth, at known adatoms, at peaks found, by its residual.

The figures of merit of the paper (Results; Methods, noise metrics), one concept a file:
`fidelity` (PSNR, SSIM, N-RMSE), `adatoms` (heights and dips at known positions), `peaks` (peaks
found without a truth), `residual` (what was taken away), `scales` (the same, by periods) and
`window` (the part of a frame that tells most). Those in Fourier space are in
`n2v_stem_keras.metrics.fourier`.
"""

from .adatoms import adatom_snr, background_pixels, dip, peak_snr, profile_snr
from .fidelity import METRICS, fluence_gain, nrmse, psnr, score, ssim
from .peaks import find_peaks, peak_gain
from .residual import ResidualStatistics, residual_statistics
from .scales import Scales, scales
from .window import telling_window

__all__ = [
    "METRICS",
    "ResidualStatistics",
    "Scales",
    "adatom_snr",
    "background_pixels",
    "dip",
    "find_peaks",
    "fluence_gain",
    "nrmse",
    "peak_gain",
    "peak_snr",
    "profile_snr",
    "psnr",
    "residual_statistics",
    "scales",
    "score",
    "ssim",
    "telling_window",
]
