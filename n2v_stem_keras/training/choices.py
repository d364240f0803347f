"""What a configuration leaves to the movies, chosen by looking at some of their frames.

The rules are few, and each has one place: how frames are prepared is chosen here, by
`preparation.choice`, since all else that is measured comes after that; the extent of the blind spot
by `limits.span_for`. What was chosen stands in the model's config.json.
"""

from __future__ import annotations

from ..config import AUTO, PREPARED, N2VStemConfig
from ..io import as_movie
from ..limits import sample_frames
from ..noise.margins import FilledFrames
from ..preparation import background_px
from ..preparation.choice import (
    choose_after_glow,
    choose_background,
    choose_rows,
    choose_straightening,
    worth_a_look,
)

MOVIES_LOOKED_AT = 16


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
    changes = {}
    if config.n2v_background_px == AUTO:
        width = background_px(pixel_size_nm or _pixel_size(movies, axes, detectors))
        changes["n2v_background_px"] = choose_background(looked_at, width)
    if config.n2v_level_rows == AUTO:
        changes["n2v_level_rows"] = choose_rows(looked_at)
    config = config.replace(**changes)
    if config.n2v_straighten_rows == AUTO:
        told = choose_straightening(looked_at, config.preparation)
        config = config.replace(n2v_straighten_rows=told)
    if config.n2v_after_glow == AUTO:
        shares = choose_after_glow(looked_at, config.preparation)
        config = config.replace(n2v_after_glow=shares)
    return config


def _some_frames(config, movies, axes, detectors, pixel_size_nm):
    """Yield some frames with the detectors of a model, and which of these are whole, (C,) bool."""
    from ..series import SelectedDetectors, detector_order

    for movie in movies if isinstance(movies, (list, tuple)) else [movies]:
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        order = detector_order(movie, config.channels)
        every = list(movie.series())
        for s in sample_frames(len(every), at_most=MOVIES_LOOKED_AT):
            yield from worth_a_look(FilledFrames(SelectedDetectors(every[s], order)))


def _pixel_size(movies, axes, detectors):
    """Pixel size of the first movie that has one [nm/px], or None."""
    for movie in movies if isinstance(movies, (list, tuple)) else [movies]:
        if size := as_movie(movie, axes, detectors).pixel_size_nm:
            return size
    return None
