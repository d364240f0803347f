"""Figures (PNG, SVG, PDF): frames side by side, their spectra, what a denoiser took away; MP4."""

from .canvas import bar_length_nm
from .column import column_figure
from .frames import before_after, display_range, residual_panel
from .profiles import line_points, line_profile
from .spectra import fourier_panels
from .video import before_after_video

__all__ = [
    "bar_length_nm",
    "before_after",
    "before_after_video",
    "column_figure",
    "display_range",
    "fourier_panels",
    "line_points",
    "line_profile",
    "residual_panel",
]
