"""Denoise movies with a model: their axes, units, statistics, and limits of trust."""

from __future__ import annotations

import warnings

import numpy as np

from .. import limits
from ..io.movie import arrange
from ..series import Series, check_context, collect_series, detector_order
from .tiles import PIXELS_PER_CALL, denoise_movie

WATCHED = 4  # frames of a movie whose residual is looked at


def whole(model, denoiser, movie, n_tiles=None, tta=False) -> np.ndarray:
    """Denoise a movie into an array of its axes; see `Predictor.predict`."""
    n_kept = len(detector_order(movie, model.config.channels))
    shape = [n_kept if a == "C" else n for a, n in zip(movie.axes, movie.shape)]
    output = np.empty(shape, np.float32)
    arranged = arrange(output, movie.axes, "STYXC")
    for (s, t), frame in by_frame(model, denoiser, movie, n_tiles, tta):
        arranged[s, t] = frame
    return output


def by_frame(model, denoiser, movie, n_tiles=None, tta=False, start=0):
    """Denoise a movie frame by frame; see `Predictor.predict_frames`."""
    if not model.trained:
        warnings.warn("the model was never trained; its output means nothing", stacklevel=4)
    channels = model.config.channels
    tiles = image_tiles(n_tiles, movie.axes)
    back = np.argsort(detector_order(movie, channels))
    complaints = {}
    for s, series in enumerate(collect_series(movie, channels)):
        statistics = series.statistics
        check_context(len(series.frames), model.config.n2v_context_frames, series.name)
        watched = WATCHED if any(model.thresholds.values()) else 0
        watch = limits.ResidualWatch(series.frames, statistics, watched)
        first = min(max(0, start - s * len(series.frames)), len(series.frames))
        for numbers in _frames_from(first, series.frames.shape, watch.numbers):
            denoised = denoise_movie(
                denoiser, series.frames, statistics, tiles, tta, series.name, numbers
            )
            for t, frame in zip(numbers, denoised):
                watch.see(t, frame)
                if t >= first:
                    yield (s, t), frame[..., back]
        for complaint in _complaints(series, watch, model):
            complaints.setdefault(complaint, series.name)
    for complaint, name in complaints.items():
        warnings.warn(f"{name}: {complaint}", stacklevel=4)


def _frames_from(first, shape, watched):
    """Return which frames to denoise to have all from `first` on, bit-equal to having all.

    Two lists: frames before it whose residual is looked at; and the rest, from the beginning of a
    batch, since frames may depend in their last bit on how many are denoised together.
    """
    n_frames, height, width, _ = shape
    begin = first - first % max(1, PIXELS_PER_CALL // (height * width))
    begin = n_frames if first == n_frames else begin
    return [t for t in watched if t < begin], list(range(begin, n_frames))


class LazyMovie:
    """A movie whose frames are denoised when asked for, as by `by_frame`.

    Parameters
    ----------
    model : Predictor
    denoiser : Denoiser
        Its network, on an engine.
    movie : io.Movie
        Read once, at once, for its statistics.
    n_tiles, tta
        See `Predictor.predict`.
    """

    def __init__(self, model, denoiser, movie, n_tiles=None, tta=False):
        if not model.trained:
            warnings.warn("the model was never trained; its output means nothing", stacklevel=4)
        channels = model.config.channels
        self.denoiser, self.movie, self.tta = denoiser, movie, tta
        self.tiles = image_tiles(n_tiles, movie.axes)
        self.back = np.argsort(detector_order(movie, channels))
        self.series = collect_series(movie, channels)
        for series in self.series:
            check_context(len(series.frames), model.config.n2v_context_frames, series.name)

    def batches(self) -> list[range]:
        """Return the numbers of the frames of a series that are denoised together."""
        height, width = self.movie.frame_shape
        n_batch, n_frames = max(1, PIXELS_PER_CALL // (height * width)), self.movie.n_frames
        return [range(t, min(t + n_batch, n_frames)) for t in range(0, n_frames, n_batch)]

    def frames(self, s: int, numbers):
        """Yield some frames (Y, X, C) of series `s`, denoised, detectors in the movie's order."""
        series = self.series[s]
        denoised = denoise_movie(
            self.denoiser,
            series.frames,
            series.statistics,
            self.tiles,
            self.tta,
            series.name,
            numbers,
        )
        return (frame[..., self.back] for frame in denoised)


def image_tiles(n_tiles, axes):
    """Return (tiles along Y, tiles along X) from CSBDeep's one number per axis, or from two."""
    if n_tiles is None:
        return None
    n_tiles = tuple(int(n) for n in n_tiles)
    if len(n_tiles) == len(axes):
        n_tiles = tuple(n_tiles[axes.index(a)] for a in "YX")
    if len(n_tiles) != 2 or min(n_tiles) < 1:
        raise ValueError(
            f"n_tiles is {n_tiles}, expected two positive numbers (Y, X), or one for each of {axes}"
        )
    return n_tiles


def _complaints(series: Series, watch, model) -> list[str]:
    """Compare a movie that was denoised with the limits of its model."""
    if not watch.numbers:
        return []
    channels, thresholds = model.config.channels, model.thresholds
    measured = limits.measure(series.frames, series.statistics, len(watch.numbers))
    found = limits.complaints(measured, thresholds, channels, series.pixel_size_nm)
    for name, mean in zip(channels, watch.mean_in_sigmas(measured)):
        found += limits.residual_complaints(name, float(mean), thresholds)
    return found
