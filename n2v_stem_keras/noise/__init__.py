"""Noise of STEM scans: make it on clean frames, measure it in noisy ones, say what it means.

`make` adds white or counted noise and the distortions of real scans, `scan` all of them at once, as
bad as a microscope's. `estimate` measures strength
and correlation, `gain` how noise depends on the signal, `pixels` looks at the values as stored
(clipped, few levels, dead and hot); `diagnose` puts them together, `report` into words. Nothing
here knows of Keras or of the model.
"""

from .diagnose import DetectorDiagnosis, Diagnosis, diagnose
from .estimate import (
    CORRELATION_LIMIT,
    HIGH_FREQUENCY,
    MAX_FRAMES,
    MAX_SPAN,
    MIN_SIDE,
    N_LAGS,
    NEIGHBOUR_LIMIT,
    NoiseEstimate,
    combined,
    detector_correlation,
    estimate_noise,
    noise_spectrum,
    plain_lag1,
    residual_autocorrelation,
    row_share,
    suggest_span,
    whitening,
    without_rows,
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
from .rows import level_rows, rows_stand_out
from .scan import SCANS, Scan, ScannedMovie, scan_movie

__all__ = [
    "CORRELATION_LIMIT",
    "HIGH_FREQUENCY",
    "MAX_FRAMES",
    "MAX_SPAN",
    "MIN_SIDE",
    "NEIGHBOUR_LIMIT",
    "N_LAGS",
    "SCANS",
    "DetectorDiagnosis",
    "Diagnosis",
    "GainEstimate",
    "NoiseEstimate",
    "Scan",
    "ScannedMovie",
    "add_poisson_noise",
    "add_white_noise",
    "after_glow",
    "combined",
    "detector_correlation",
    "diagnose",
    "estimate_noise",
    "expected_counts",
    "gain_and_offset",
    "level_rows",
    "liquid_background",
    "noise_spectrum",
    "plain_lag1",
    "residual_autocorrelation",
    "row_offsets",
    "row_share",
    "rows_stand_out",
    "scan_line_jitter",
    "scan_movie",
    "suggest_span",
    "whitening",
    "without_rows",
]
