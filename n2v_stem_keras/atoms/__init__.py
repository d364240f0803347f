"""Atoms: find them, refine their positions, set thresholds by a false-alarm rate, link them.

Pure functions on arrays, useful with any denoiser or none. Images are (Y, X) or (T, Y, X, C);
positions are y, x [px], whole numbers being pixel centres.
"""

from .calibrate import Calibration, calibrate, poisson_interval
from .find import Criterion, find_atoms, sign_of
from .match import Matches, match, precision_recall

__all__ = [
    "Calibration",
    "Criterion",
    "Matches",
    "calibrate",
    "find_atoms",
    "match",
    "poisson_interval",
    "precision_recall",
    "sign_of",
]
