"""The classical denoisers a network must beat, each at its best.

Gaussian blur, total variation and BM3D are the paper's comparison (Methods). Beyond it, for
counting noise, BM3D between the generalised Anscombe transform and its unbiased inverse; and for
movies the mean of neighbouring frames, which needs no idea of the image at all.

`METHODS` describes them, `tune` finds their parameters, `available` says whether they can run.
"""

from .counts import anscombe, inverse_anscombe
from .denoisers import anscombe_bm3d, bm3d, gaussian, temporal_mean, tv
from .methods import METHODS, Method, available
from .tuning import Tuned, tune

__all__ = [
    "METHODS",
    "Method",
    "Tuned",
    "anscombe",
    "anscombe_bm3d",
    "available",
    "bm3d",
    "gaussian",
    "inverse_anscombe",
    "temporal_mean",
    "tune",
    "tv",
]
