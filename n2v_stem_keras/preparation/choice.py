"""What a movie needs done to its frames, from looking at some of them.

The rules are four, each a function of frames (Y, X, C) and of which of their detectors have no
empty rows. Training asks them once for all its movies (`training.choices`); a model whose
configuration says 'each' asks them for every movie (`for_movie`).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..noise import MIN_SIDE, combined, estimate_noise, level_rows, rows_stand_out, whitening
from ..noise.empty import empty_rows, longest_run
from ..noise.estimate import evenly
from ..undistort import rows_lie_beside, straightened
from . import EACH, Preparation, background, background_px

UNEVEN = 1.0  # variance of the background over that of all else, from which on it is taken off
LOOKED_AT = 4  # frames of a movie


def for_movie(preparation: Preparation, frames, pixel_size_nm: float | None = None) -> Preparation:
    """Choose for one movie what is left to each.

    Parameters
    ----------
    preparation : Preparation
    frames : sequence of (Y, X, C) arrays
        As recorded; a few are looked at.
    pixel_size_nm : float, optional

    Returns
    -------
    Preparation
        Without 'each'.
    """
    if not preparation.is_open:
        return preparation
    seen = list(worth_a_look(frames))
    changes = {}
    if preparation.background_px == EACH:
        changes["background_px"] = choose_background(seen, background_px(pixel_size_nm))
    if preparation.level_rows == EACH:
        changes["level_rows"] = choose_rows(seen)
    preparation = dataclasses.replace(preparation, **changes)
    if preparation.straighten_rows == EACH:
        told = choose_straightening(seen, preparation)
        preparation = dataclasses.replace(preparation, straighten_rows=told)
    if preparation.after_glow == EACH:
        shares = choose_after_glow(seen, preparation)
        preparation = dataclasses.replace(preparation, after_glow=shares)
    return preparation


def looked_at(n_frames: int) -> list[int]:
    """Return which frames of a movie are looked at."""
    return [int(t) for t in evenly(n_frames, LOOKED_AT)]


def worth_a_look(frames):
    """Yield some frames of a movie, float32, and which detectors of these are whole, (C,) bool."""
    for t in looked_at(len(frames)):
        frame, filled = _filled(np.asarray(frames[t]))
        # others are refused by name, or left out, where the movie is read
        if np.isfinite(frame).all() and filled.any():
            yield frame.astype(np.float32), filled


def choose_background(seen, width: float) -> float | None:
    """Return the width if a background of it varies more than all else, or None."""
    unevenness = [_unevenness(f, width)[one].max() for f, one in seen]
    return width if unevenness and np.median(unevenness) > UNEVEN else None


def choose_rows(seen) -> bool:
    """Return whether offsets of rows stand out in most frames."""
    stand_out = [rows_stand_out(f)[one].any() for f, one in seen]
    return bool(stand_out) and bool(np.mean(stand_out) > 0.5)


def choose_after_glow(seen, preparation: Preparation) -> tuple[float, ...] | None:
    """Return shares that leave the noise white, one for each detector; None if there are none.

    Parameters
    ----------
    seen : list
        Of `worth_a_look`.
    preparation : Preparation
        What else is done to rows: what displaces them differs from row to row and passes for
        noise that is correlated along x.
    """
    pairs = [(f, one) for f, one in seen if min(f.shape[:2]) >= MIN_SIDE]
    if not pairs:
        return None
    if preparation.level_rows is True:
        pairs = [(level_rows(f), one) for f, one in pairs]
    if preparation.straighten_rows is True:  # it moves whole rows, which glow on as they did
        pairs = [(straightened(f)[0], one) for f, one in pairs]
    shares = []
    for c in range(pairs[0][0].shape[-1]):
        estimates = [estimate_noise(f[..., c]) for f, one in pairs if one[c]]
        shares.append(whitening(combined(estimates)) if estimates else 0.0)
    return tuple(shares) if any(shares) else None


def choose_straightening(seen, preparation: Preparation) -> bool:
    """Return whether in most frames rows lie so far beside their places that it tells.

    Parameters
    ----------
    seen : list
        Of `worth_a_look`.
    preparation : Preparation
        What else is done to frames, before.
    """
    before = Preparation(level_rows=preparation.level_rows is True)
    glow = preparation.after_glow
    if not isinstance(glow, tuple):  # to be chosen, with rows that are put back
        glow = choose_after_glow(seen, before)
    before = dataclasses.replace(before, after_glow=glow)
    told = [rows_lie_beside(before.take(f[..., one])[0]) for f, one in seen if one.all()]
    return bool(told) and bool(np.mean(told) > 0.5)


def _filled(frame):
    """Return a frame, and which detectors have no empty rows; cropped if that were none."""
    empty = empty_rows(frame)
    filled = ~empty.any(axis=0)
    stopped = ~empty.all(axis=0)
    if filled.any() or not stopped.any():
        return frame, filled
    return frame[longest_run(~empty[:, stopped].any(axis=1))], stopped


def _unevenness(frame, width):
    """Variance of the background over that of all else, (C,); 0 of a frame without content."""
    slow = background(frame, width)
    rest = (frame - slow).var(axis=(0, 1), dtype=np.float64)
    ratio = np.zeros(frame.shape[-1])
    return np.divide(slow.var(axis=(0, 1), dtype=np.float64), rest, out=ratio, where=rest > 0)
