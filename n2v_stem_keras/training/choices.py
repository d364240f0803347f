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
from ..noise.empty import empty_rows, longest_run
from ..preparation import background, background_px

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
    looked_at = list(_some_frames(config, movies, axes, detectors, pixel_size_nm))
    frames, filled = [f for f, _ in looked_at], [one for _, one in looked_at]
    changes = {}
    if config.n2v_background_px == AUTO:
        width = background_px(pixel_size_nm or _pixel_size(movies, axes, detectors))
        unevenness = [_unevenness(f, width)[one].max() for f, one in looked_at]
        is_uneven = bool(frames) and np.median(unevenness) > UNEVEN
        changes["n2v_background_px"] = width if is_uneven else None
    if config.n2v_level_rows == AUTO:
        stand_out = [rows_stand_out(f)[one].any() for f, one in looked_at]
        changes["n2v_level_rows"] = bool(frames) and bool(np.mean(stand_out) > 0.5)
    config = config.replace(**changes)
    if config.n2v_after_glow == AUTO:
        if config.n2v_level_rows:
            frames = [level_rows(f) for f in frames]
        config = config.replace(n2v_after_glow=_after_glow(frames, filled))
    return config


def _some_frames(config, movies, axes, detectors, pixel_size_nm):
    """Yield some frames with the detectors of a model, and which of these are whole, (C,) bool."""
    from ..series import detector_order

    for movie in movies if isinstance(movies, (list, tuple)) else [movies]:
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        order = detector_order(movie, config.channels)
        every = list(movie.series())
        for s in sample_frames(len(every), at_most=MOVIES_LOOKED_AT):
            for t in sample_frames(len(every[s]), at_most=LOOKED_AT):
                frame = np.asarray(every[s][t])[..., order]
                frame, filled = _filled(frame)
                # others are refused by name, or left out, where the movie is read
                if np.isfinite(frame).all() and filled.any():
                    yield frame.astype(np.float32), filled


def _filled(frame):
    """Return a frame, and which detectors have no empty rows; cropped if that were none."""
    empty = empty_rows(frame)
    filled = ~empty.any(axis=0)
    stopped = ~empty.all(axis=0)
    if filled.any() or not stopped.any():
        return frame, filled
    return frame[longest_run(~empty[:, stopped].any(axis=1))], stopped


def _pixel_size(movies, axes, detectors):
    """Pixel size of the first movie that has one [nm/px], or None."""
    for movie in movies if isinstance(movies, (list, tuple)) else [movies]:
        if size := as_movie(movie, axes, detectors).pixel_size_nm:
            return size
    return None


def _unevenness(frame, width):
    """Variance of the background over that of all else, (C,); 0 of a frame without content."""
    slow = background(frame, width)
    rest = (frame - slow).var(axis=(0, 1), dtype=np.float64)
    ratio = np.zeros(frame.shape[-1])
    return np.divide(slow.var(axis=(0, 1), dtype=np.float64), rest, out=ratio, where=rest > 0)


def _after_glow(frames, filled):
    """Shares that leave the noise white, one for each detector; None if there are none.

    Of each detector the frames are used that are `filled`.
    """
    pairs = [(f, one) for f, one in zip(frames, filled) if min(f.shape[:2]) >= MIN_SIDE]
    if not pairs:
        return None
    shares = []
    for c in range(pairs[0][0].shape[-1]):
        estimates = [estimate_noise(f[..., c]) for f, one in pairs if one[c]]
        shares.append(whitening(combined(estimates)) if estimates else 0.0)
    return tuple(shares) if any(shares) else None
