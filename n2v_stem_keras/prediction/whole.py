"""Denoise movies with a model: their axes, units, statistics, and limits of trust."""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from .. import limits
from ..deviations import rows_of
from ..escaping import escaped
from ..io import Movie
from ..io.movie import arrange
from ..noise.margins import holds
from ..progress import FrameProgress
from ..series import Series, averages_flips, check_context, collect_series, detector_order
from .leftover import find_leftover
from .restoration import Restoration
from .tiles import Denoiser, denoise_movie

LOOKED_AT = 8  # frames of a movie that tell beforehand whether it is one for the model
WATCHED = 4  # frames of a movie whose residual is looked at


@dataclass
class Listing:
    """Deviations of a movie, listed while it is denoised and restored.

    Attributes
    ----------
    rate : float
        Of false deviations, per pixel.
    detectors : sequence of str
        Names, in the model's order.
    rows : list of (int, dict)
        Number of the series, and what `deviations.rows_of` says.
    """

    rate: float
    detectors: Sequence[str]
    rows: list = field(default_factory=list)


class DenoisedMovie:
    """A movie that a model denoises: all at once, frame by frame, or when asked for.

    What every prediction needs to know is found out here: whether the model was trained, which of
    its detectors is where in the movie. Frames
    are read when `series` or a frame is asked for.

    Parameters
    ----------
    model : Predictor
    denoiser : Denoiser
        Its network, on an engine.
    movie : io.Movie
    n_tiles : tuple of int, optional
        See `Predictor.predict`.
    tta : bool or None
        Average over flips.
    context : {'both', 'past', 'none'}
        See `Predictor.predict`.
    restore : bool
        Draw what the residual shows beyond doubt; see `Predictor.predict`.
    verbose : bool
        Show how far the reading before the first frame is, and `whole` with the frames.

    Attributes
    ----------
    order : list of int
        For each detector of the model, its place in the movie.
    back : list of int
        The way back: for each detector of the result, its place in the model.
    tiles : (int, int) or None
        Tiles along Y and X.
    listing : Listing or None
        What is restored of each frame is listed there, if it is set.

    Raises
    ------
    DataError
        A detector is missing.

    Warns
    -----
    UserWarning
        The model was never trained.
    """

    def __init__(
        self,
        model,
        denoiser: Denoiser,
        movie: Movie,
        n_tiles=None,
        tta: bool | None = None,
        context: str = "both",
        restore: bool = False,
        verbose: bool = False,
        stacklevel: int = 4,
    ):
        if not model.trained:
            text = "the model was never trained; its output means nothing"
            warnings.warn(escaped(text), stacklevel=stacklevel)
        check_context(context)
        self.model, self.denoiser, self.movie = model, denoiser, movie
        self.tta = averages_flips(tta, movie)
        self.context, self.verbose = context, verbose
        # a stream, which 'past' is like, restores nothing
        self.restore = restore and context != "past"
        self._restorations, self.listing = {}, None
        self.order = detector_order(movie, model.config.channels)
        self.back = np.argsort(self.order).tolist()
        self.tiles = image_tiles(n_tiles, movie.axes)

    @functools.cached_property
    def series(self) -> list[Series]:
        """The movie as the model sees it; it is read once for its statistics."""
        look = {"context": self.context, "verbose": self.verbose}
        return collect_series(self.movie, self.model.config, **look)

    def findings(self) -> dict:
        """Return what was found of the movie, for its provenance; it is read for it.

        ``drift``: how the specimen moves, where frames look at those around; ``prepared``: what is
        done to frames before, where that is looked up for each movie. Of several movies a list.
        """
        found = {}
        for series in self.series:
            if hasattr(series.context, "registration"):
                found.setdefault("drift", []).append(series.context.describe())
            if self.model.config.preparation.is_open:
                found.setdefault("prepared", []).append(series.preparation.describe())
        return {key: many[0] if len(many) == 1 else many for key, many in found.items()}

    @property
    def shape(self) -> list[int]:
        """Shape of the result, in the movie's axes."""
        return [
            len(self.order) if a == "C" else n for a, n in zip(self.movie.axes, self.movie.shape)
        ]

    def whole(self) -> np.ndarray:
        """Return the denoised movie as an array of its axes."""
        output = np.empty(self.shape, np.float32)
        arranged = arrange(output, self.movie.axes, "STYXC")
        bar = FrameProgress("Denoising", self.movie.n_series * self.movie.n_frames, self.verbose)
        for (s, t), frame in self.by_frame():
            arranged[s, t] = frame
            bar.step()
        bar.close()
        return output

    def by_frame(self, start: int = 0, stacklevel: int = 4) -> Iterator:
        """Denoise frame by frame, and say at the end where the movie is beyond the model's limits.

        Parameters
        ----------
        start : int
            Number of frames, series after series, to leave out at the beginning.
        stacklevel : int
            See `warnings.warn`.

        Yields
        ------
        (s, t) : (int, int)
            Place of the frame.
        frame : (Y, X, C) float32 array
            The frame in the movie's units, detectors in the movie's order.
        """
        complaints = {}
        for s, series in enumerate(self.series):
            watched = WATCHED if any(self.model.thresholds.values()) else 0
            watch = limits.ResidualWatch(series.raw, series.statistics, watched)
            first = min(max(0, start - s * len(series.frames)), len(series.frames))
            n_batch = self.denoiser.frames_per_call(series.frames.shape[1:3])
            watched, rest = _frames_from(first, len(series.frames), n_batch, watch.numbers)
            # of frames that are not wanted the network's output is enough
            frames = (self._by_network(series, watched), self._denoised(series, rest))
            for numbers, denoised in zip((watched, rest), frames):
                for t, frame in zip(numbers, denoised):
                    watch.see(t, frame)
                    if t >= first:
                        if self.listing and self.restore:
                            self.listing.rows += [(s, row) for row in self._rows(series, t)]
                        yield (s, t), series.as_recorded(t, frame)[..., self.back]
            self._restorations, frames, denoised, frame = {}, (), None, None  # large
            for complaint in _complaints(series, watch, self.model):
                complaints.setdefault(complaint, series.name)
        for complaint, name in complaints.items():
            warnings.warn(escaped(f"{name}: {complaint}"), stacklevel=stacklevel)

    def batches(self) -> list[range]:
        """Return the numbers of the frames of a series that are denoised together."""
        n_batch = self.denoiser.frames_per_call(self.movie.frame_shape)
        n_frames = self.movie.n_frames
        if self.restore:
            n_batch = self.restoration(self.series[0]).length
        return [range(t, min(t + n_batch, n_frames)) for t in range(0, n_frames, n_batch)]

    def frames(self, s: int, numbers) -> Iterator[np.ndarray]:
        """Yield some frames (Y, X, C) of series `s`, denoised, detectors in the movie's order."""
        series = self.series[s]
        denoised = zip(numbers, self._denoised(series, numbers))
        return (series.as_recorded(t, frame)[..., self.back] for t, frame in denoised)

    def deviations(self, rate: float, detectors, *steps) -> Iterator[tuple[int, dict]]:
        """Yield the number of the series and what `deviations.rows_of` says, row by row.

        Parameters
        ----------
        rate : float
            Of false deviations, per pixel.
        detectors : sequence of str
            Names, in the model's order.
        *steps : callable or None
            Called without arguments after each frame.
        """
        self.listing = Listing(rate, detectors)
        for s, series in enumerate(self.series):
            for t in range(len(series.frames)):
                yield from ((s, row) for row in self._rows(series, t))
                for step in filter(None, steps):
                    step()

    def _rows(self, series, t):
        """Return what is to be listed of a frame, a dict a row."""
        restoration, listing = self.restoration(series), self.listing
        block, at = restoration.block(t // restoration.length)
        if t not in at:
            return []
        size, place = restoration.pixel_size_nm, series.statistics.inside.get(t)
        rows = rows_of(block, at[t], t, listing.rate, size, listing.detectors)
        return [row for row in rows if holds(place, row["y"], row["x"])]

    def restoration(self, series: Series) -> Restoration:
        """Return what looks for deviations in a series."""
        if series not in self._restorations:
            leftover = self._leftover(series)

            def denoise(numbers):
                frames = self._shown(self._by_network(series, numbers), len(numbers))
                # where nothing was recorded nothing is missing
                kept = (series.with_empty_rows(t, f) for t, f in zip(numbers, frames))
                return (leftover.added(series.recorded(t), f) for t, f in zip(numbers, kept))

            n_together = self.denoiser.frames_per_call(series.raw.shape[1:3])
            around = self.context == "both"
            found = Restoration(series, self.model.config, denoise, n_together, around)
            self._restorations = {series: found}  # of one at a time
        return self._restorations[series]

    def _leftover(self, series):
        """Learn what the network leaves of a series in its residual."""

        def denoise(series, numbers, tta=self.tta):
            return list(denoise_movie(self.denoiser, series, self.tiles, tta, numbers))

        quick = functools.partial(denoise, tta=False) if self.tta else None
        return find_leftover(series, denoise, quick)

    def _denoised(self, series, numbers):
        """Denoise some frames of a series, detectors in the model's order."""
        if self.restore:
            return self.restoration(series).frames(numbers)
        return self._by_network(series, numbers)

    def _by_network(self, series, numbers):
        return denoise_movie(self.denoiser, series, self.tiles, self.tta, numbers)

    def _shown(self, frames, n_frames):
        """Show how far the network is with frames of which none is given back before the last."""
        bar = FrameProgress("Through the network", n_frames, self.verbose)
        try:
            for frame in frames:
                bar.step()
                yield frame
        finally:  # whether or not all are taken
            bar.close()


def _frames_from(first, n_frames, n_batch, watched):
    """Return which frames to denoise to have all from `first` on, bit-equal to having all.

    Two lists: frames before it whose residual is looked at; and the rest, from the beginning of a
    batch, since frames may depend in their last bit on how many are denoised together.
    """
    begin = first - first % n_batch
    begin = n_frames if first == n_frames else begin
    return [t for t in watched if t < begin], list(range(begin, n_frames))


def image_tiles(n_tiles, axes: str) -> tuple[int, int] | None:
    """Return (tiles along Y, tiles along X) from CSBDeep's one number per axis, or from two."""
    if n_tiles is None:
        return None
    try:
        found = tuple(operator.index(n) for n in n_tiles)
    except TypeError:  # one number, or numbers that are not whole
        found = ()
    if len(found) == len(axes):
        found = tuple(found[axes.index(a)] for a in "YX")
    if len(found) != 2 or min(found) < 1:
        raise ValueError(
            f"n_tiles is {n_tiles!r}, expected two positive whole numbers (Y, X), or one for each "
            f"of {axes}"
        )
    return found


def doubts(model, movie: Movie) -> list[str]:
    """Say, of a few frames and before anything is denoised, where a movie is beyond the limits.

    Parameters
    ----------
    model : Predictor
    movie : io.Movie

    Returns
    -------
    list of str
        One sentence each; see `limits.complaints`. What only the result tells is not among them.
    """
    channels, order = model.config.channels, detector_order(movie, model.config.channels)
    n_frames = movie.n_series * movie.n_frames
    numbers = limits.sample_frames(n_frames, at_most=LOOKED_AT)
    frames = [movie.frame(*divmod(n, movie.n_frames))[..., order] for n in numbers]
    usable = [frame for frame in frames if np.ptp(frame) > 0] or frames[:1]
    size = movie.pixel_size_nm
    part = Movie.from_array(np.stack(usable), "TYXC", detectors=channels, pixel_size_nm=size)
    with warnings.catch_warnings():  # of blank frames and the like is said where they are denoised
        warnings.simplefilter("ignore")
        series = collect_series(part, model.config, context="none")[0]
    measured = limits.measure(series.frames, series.statistics)
    found = limits.complaints(measured, model.thresholds, channels, size)
    return found + limits.without_size(model.thresholds, channels, size)


def _complaints(series: Series, watch, model) -> list[str]:
    """Compare a movie that was denoised with the limits of its model."""
    if not watch.numbers:
        return []
    channels, thresholds = model.config.channels, model.thresholds
    measured = limits.measure(series.frames, series.statistics, len(watch.numbers))
    found = limits.complaints(measured, thresholds, channels, series.pixel_size_nm)
    found += series.context_complaints()
    means = watch.mean_in_sigmas(measured)
    for name, mean, residual in zip(channels, means, watch.scales()):
        found += limits.residual_complaints(name, float(mean), thresholds)
        found += limits.scale_complaints(name, residual, thresholds, series.pixel_size_nm)
    return found
