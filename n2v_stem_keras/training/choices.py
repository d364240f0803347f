"""What a configuration leaves to the movies, chosen by looking at some of their frames.

The rules are few, and each has one place: how frames are prepared is chosen here, since all else
that is measured comes after that; the extent of the blind spot by `limits.span_for`. What was
chosen stands in the model's config.json.
"""

from __future__ import annotations

import numpy as np

from ..config import AUTO, PREPARED, N2VStemConfig
from ..io import as_movie
from ..limits import sample_frames
from ..noise import MIN_SIDE, combined, estimate_noise, level_rows, rows_stand_out, whitening
from ..preparation import BACKGROUND_PX, background

UNEVEN = 1.0  # variance of the background over that of all else, from which on it is taken off
LOOKED_AT, MOVIES_LOOKED_AT = 4, 16  # frames of a movie, and movies


def choose_preparation(
    config: N2VStemConfig, movies, axes=None, detectors=None, pixel_size_nm=None
) -> N2VStemConfig:
    """Choose what a configuration leaves to be chosen of the preparation of frames.

    Parameters
    ----------
    config : N2VStemConfig
    movies, axes, detectors, pixel_size_nm
        As in `N2VStem.train`. A few frames of each are read.

    Returns
    -------
    N2VStemConfig
        With numbers in the place of 'auto'.
    """
    if not any(getattr(config, name) == AUTO for name in PREPARED):
        return config
    frames = list(_some_frames(config, movies, axes, detectors, pixel_size_nm))
    changes = {}
    if config.n2v_background_px == AUTO:
        is_uneven = bool(frames) and np.median([_unevenness(f).max() for f in frames]) > UNEVEN
        changes["n2v_background_px"] = BACKGROUND_PX if is_uneven else None
    if config.n2v_level_rows == AUTO:
        stand_out = [rows_stand_out(f).any() for f in frames]
        changes["n2v_level_rows"] = bool(frames) and bool(np.mean(stand_out) > 0.5)
    config = config.replace(**changes)
    if config.n2v_after_glow == AUTO:
        if config.n2v_level_rows:
            frames = [level_rows(f) for f in frames]
        config = config.replace(n2v_after_glow=_after_glow(frames))
    return config


def _some_frames(config, movies, axes, detectors, pixel_size_nm):
    """Yield some frames with the detectors of a model, in its order."""
    from ..series import detector_order

    for movie in movies if isinstance(movies, (list, tuple)) else [movies]:
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        order = detector_order(movie, config.channels)
        every = list(movie.series())
        for s in sample_frames(len(every), at_most=MOVIES_LOOKED_AT):
            for t in sample_frames(len(every[s]), at_most=LOOKED_AT):
                frame = np.asarray(every[s][t])[..., order].astype(np.float32)
                # others are refused by name, or left out, where the movie is read
                if np.isfinite(frame).all() and frame.std() > 0:
                    yield frame


def _unevenness(frame):
    """Variance of the background over that of all else, (C,); 0 of a frame without content."""
    slow = background(frame, BACKGROUND_PX)
    rest = (frame - slow).var(axis=(0, 1), dtype=np.float64)
    ratio = np.zeros(frame.shape[-1])
    return np.divide(slow.var(axis=(0, 1), dtype=np.float64), rest, out=ratio, where=rest > 0)


def _after_glow(frames):
    """Shares that leave the noise white, one for each detector; None if there are none."""
    frames = [f for f in frames if min(f.shape[:2]) >= MIN_SIDE]
    if not frames:
        return None
    shares = [
        whitening(combined([estimate_noise(f[..., c]) for f in frames]))
        for c in range(frames[0].shape[-1])
    ]
    return tuple(shares) if any(shares) else None
