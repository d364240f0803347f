"""Noise of STEM scans: make it on clean frames, measure it in noisy ones, say what it means.

`make` adds white or counted noise and the distortions of real scans; `estimate` and `gain` measure
strength, correlation, dependence on the signal and correlation between detectors; `pixels` looks at
the values as stored (clipped, quantised, dead and hot); `diagnose` puts all of it into words.
Nothing here knows of Keras or of the model.
"""

from .estimate import (
    CORRELATION_LIMIT,
    HIGH_FREQUENCY,
    MAX_FRAMES,
    MAX_SPAN,
    MIN_SIDE,
    N_LAGS,
    NoiseEstimate,
    detector_correlation,
    estimate_noise,
    noise_spectrum,
    plain_lag1,
    residual_autocorrelation,
    suggest_span,
)
from .gain import GainEstimate, gain_and_offset
from .make import (
    add_poisson_noise,
    add_white_noise,
    after_glow,
    expected_counts,
    liquid_background,
    row_offsets,
    scan_line_jitter,
)

__all__ = [
    "CORRELATION_LIMIT",
    "GainEstimate",
    "HIGH_FREQUENCY",
    "MAX_FRAMES",
    "MAX_SPAN",
    "MIN_SIDE",
    "N_LAGS",
    "NoiseEstimate",
    "add_poisson_noise",
    "add_white_noise",
    "after_glow",
    "detector_correlation",
    "estimate_noise",
    "expected_counts",
    "gain_and_offset",
    "liquid_background",
    "noise_spectrum",
    "plain_lag1",
    "residual_autocorrelation",
    "row_offsets",
    "scan_line_jitter",
    "suggest_span",
]
