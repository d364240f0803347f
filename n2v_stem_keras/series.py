"""Movies as the model sees them: detectors in its order, statistics known.

Detectors are matched by name, ignoring case, never silently by position.
"""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from .counting import counted
from .escaping import escaped
from .io import as_movie
from .noise.empty import with_empty_rows
from .noise.margins import FilledFrames, with_margins
from .normalize import (
    DataError,
    MovieStatistics,
    check_finite,
    margins_in_words,
    scan,
    warn_blank,
)
from .preparation import Preparation
from .preparation.choice import for_movie
from .progress import FrameProgress
from .temporal import CONTEXTS
from .temporal.context import MovieContext, PastContext
from .temporal.evidence import joined, no_evidence

FLIPPED_PX = 1024  # largest side of images that are averaged over their flips by themselves


def averages_flips(tta: bool | None, movie) -> bool:
    """Return whether frames are averaged over their flips; of None, single images are.

    They take little time, if they are not large, and no frame around says more of them.
    """
    if tta is None:
        return movie.n_frames == 1 and max(movie.frame_shape) <= FLIPPED_PX
    return bool(tta)


class SelectedDetectors:
    """A lazy sequence of frames with the detectors in the order of a model.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
    order : list of int
        For each detector of the model, its place in the frames.
    """

    def __init__(self, frames, order):
        self.frames, self.order = frames, list(order)
        self.shape = (*frames.shape[:3], len(self.order))

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, t):
        frame = self.frames[t]
        in_order = self.order == list(range(frame.shape[-1]))
        return frame if in_order else frame[..., self.order]


def detector_order(movie, channels) -> list[int]:
    """Find each detector of a model among those of a movie, by name, ignoring case.

    Parameters
    ----------
    movie : io.Movie
    channels : tuple of str
        The model's.

    Returns
    -------
    list of int

    Raises
    ------
    DataError
        A detector is missing. A movie without names is taken in the order of `channels` if the
        number fits, with a warning if it is a file of several detectors.
    """
    wanted = f"{counted(len(channels), 'detector')} ({', '.join(channels)})"
    if movie.detectors is None:
        if movie.n_detectors != len(channels):
            raise DataError(
                f"{movie.name}: {counted(movie.n_detectors, 'detector')} (axes {movie.axes}, shape "
                f"{movie.shape}), expected {wanted}; check axes, or name the movie's detectors "
                "with detectors="
            )
        if movie.source and len(channels) > 1:
            warnings.warn(
                escaped(
                    f"{movie.name}: the file does not name its detectors; taking them as "
                    f"{', '.join(channels)}, in this order. Name them with detectors= to be sure"
                ),
                stacklevel=3,
            )
        return list(range(len(channels)))
    names = [name.lower() for name in movie.detectors]
    missing = [name for name in channels if name.lower() not in names]
    if missing:
        guessed = " (guessed from the file's name)" if movie.detectors_guessed else ""
        raise DataError(
            f"{movie.name}: has {', '.join(movie.detectors)}{guessed}, the model needs {wanted}; "
            f"{', '.join(missing)} is missing. If only the name differs, rename with detectors="
        )
    return [names.index(name.lower()) for name in channels]


class Series:
    """One movie as the model sees it: one S entry, detectors in order, statistics known.

    Parameters
    ----------
    name : str
    frames : lazy sequence of (Y, X, C) arrays
        As recorded, with attribute `shape` (T, Y, X, C).
    statistics : MovieStatistics
        Of the prepared frames.
    pixel_size_nm : float or None
    preparation : Preparation
        What is done to each frame before the network sees it.
    context : MovieContext, PastContext or None
        What the other frames know of each, for a network that sees it; None: nothing.

    Attributes
    ----------
    raw, frames : lazy sequences of (Y, X, C) arrays
        As recorded, with margins filled, and prepared.
    """

    def __init__(
        self,
        name,
        frames,
        statistics: MovieStatistics,
        pixel_size_nm=None,
        context=None,
        preparation=None,
    ):
        preparation = preparation or Preparation()
        self.name, self.statistics, self.preparation = name, statistics, preparation
        self.raw, self.frames = frames, preparation.of(frames)
        self.pixel_size_nm, self.context = pixel_size_nm, context

    def look_around(self, context: str = "both", verbose: bool = False) -> None:
        """Let a network see what the frames before and after, or those before, know of each.

        Parameters
        ----------
        context : {'both', 'past', 'none'}
        verbose : bool
            Show progress on a terminal.
        """
        self.context = None
        if context == "past":
            self.context = PastContext(self.frames, self.statistics)
        elif context == "both" and len(self.frames) > 1:
            bar = FrameProgress(f"Registering {self.name}", 2 * len(self.frames), verbose)
            self.context = MovieContext(self.frames, self.statistics, progress=bar.step)
            bar.close()

    def recorded(self, t: int) -> np.ndarray:
        """Return frame `t` as recorded, (Y, X, C) float32, but for what is taken off for good."""
        frame = np.asarray(self.raw[t])
        if self.preparation.level_rows:
            levelled = dataclasses.replace(self.preparation, straighten_rows=False)
            frame = levelled.give_back(*levelled.take(frame))
        return frame.astype(np.float32, copy=False)

    def straightened(self, frame) -> np.ndarray:
        """Return a frame with displaced rows where they belong: what displaces them is no noise."""
        if self.preparation.straighten_rows is not True:
            return frame
        from .undistort import straightened

        return straightened(np.asarray(frame, np.float32))[0]

    def restored(self, denoised, back) -> np.ndarray:
        """Return what a network gave of a `sample` in the movie's units, as it was recorded."""
        return self.preparation.give_back(self.statistics.restore(denoised), back)

    def with_empty_rows(self, t: int, denoised) -> np.ndarray:
        """Return a denoised frame with rows that hold nothing as they were recorded."""
        if not (self.statistics.constant or t in self.statistics.incomplete):
            return denoised  # without reading it
        return with_empty_rows(denoised, self.raw[t])

    def as_recorded(self, t: int, denoised) -> np.ndarray:
        """Return the same, and with the margins of an aligned stack as they were recorded."""
        denoised = self.with_empty_rows(t, denoised)
        place = self.statistics.inside.get(t)
        if place is None:
            return denoised
        return with_margins(denoised, self.raw.frames[t], place)

    def context_complaints(self) -> list[str]:
        """Say what keeps frames from knowing of each other."""
        registration = getattr(self.context, "registration", None)
        return registration.complaints() if registration else []

    def sample(self, t: int, config) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what a network takes of frame `t`, and its background (`Preparation.take`).

        (Y, X, C_in) float32, standardised; and, in the movie's units, (Y, X, C) or None.
        """
        frame, around, back = self.parts(t, config)
        return (frame if around is None else joined(frame, around)), back

    def parts(self, t: int, config) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Return the same, with what is known around the frame, or None, by itself in the middle.

        Of large frames the two together take much memory.
        """
        frame = np.asarray(self.raw[t])
        check_finite(frame, self.name, t)
        frame, back = self.preparation.take(frame)
        frame, around = self.statistics.standardise(frame), None
        if config.unet_context:
            around = self.context.images(t) if self.context else no_evidence(frame.shape)
        return frame, around, back

    @property
    def usable_frames(self) -> tuple[int, ...]:
        """Frames that are not blank."""
        blank = set(self.statistics.blank_frames)
        return tuple(t for t in range(len(self.frames)) if t not in blank)

    def describe(self, measured) -> dict:
        """Return provenance for training.json."""
        return {
            "name": self.name,
            "shape_TYXC": list(self.frames.shape),
            "fingerprint": self.statistics.fingerprint,
            "mean": self.statistics.mean.tolist(),
            "sd": self.statistics.sd.tolist(),
            "blank_frames": len(self.statistics.blank_frames),
            "pixel_size_nm": self.pixel_size_nm,
            "noise_sigma": [float(n.estimate.sigma) for n in measured],
            "noise_to_sd": [float(n.noise_to_sd) for n in measured],
            "noise_lag1_x": [float(n.estimate.lag1_x) for n in measured],
            "noise_lag1_y": [float(n.estimate.lag1_y) for n in measured],
            **({"preparation": self.preparation.describe()} if self.preparation else {}),
            **({"context": self.context.describe()} if self.context else {}),
        }


def collect_series(
    movies,
    config,
    axes=None,
    detectors=None,
    pixel_size_nm=None,
    fingerprint=False,
    verbose=False,
    context="both",
) -> list[Series]:
    """Return the `Series` of one movie or of a list of them, each read once for its statistics.

    Where the model sees the frames around each, twice more to find how the specimen drifts.

    Parameters
    ----------
    movies : array, path, io.Movie, lazy sequence of frames, a list of these, or None
    config : N2VStemConfig
        Of the model.
    axes, detectors, pixel_size_nm
        See `io.as_movie`.
    fingerprint : bool
        Also hash the intensities.
    verbose : bool
        Show progress on a terminal, if it takes longer than a moment, and name detectors that the
        model does not take.
    context : {'both', 'past', 'none'}
        See `Series.look_around`.
    """
    check_context(context)
    if movies is None:
        return []
    many = movies if isinstance(movies, (list, tuple)) else [movies]
    if not len(many):
        raise DataError("the list of movies is empty")
    found, left_out = [], {}
    for movie in many:
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        order = detector_order(movie, config.channels)
        if others := tuple(n for c, n in enumerate(movie.detectors or ()) if c not in order):
            left_out.setdefault(others, []).append(movie.name)
        for s, frames in enumerate(movie.series()):
            name = movie.name if movie.n_series == 1 else f"{movie.name} [{s}]"
            frames = FilledFrames(SelectedDetectors(frames, order))
            progress = FrameProgress(f"Reading {name}", len(frames), verbose)
            prepared = config.preparation
            if prepared.is_open:
                prepared = for_movie(prepared, frames, movie.pixel_size_nm)
                if prepared and verbose:
                    print(escaped(f"{name}: {prepared.describe()}"))
            options = (fingerprint, progress.step, prepared, config.channels)
            statistics = scan(frames, name, *options)
            progress.close()
            warn_blank(statistics, name, config.channels)
            if verbose and (said := margins_in_words(statistics, frames.shape)):
                print(escaped(f"{name}: {said}"))
            one = Series(name, frames, statistics, movie.pixel_size_nm, preparation=prepared)
            if config.unet_context:
                one.look_around(context, verbose)
            found.append(one)
    for others, names in left_out.items() if verbose else ():
        of = names[0] if len(names) == 1 else f"{len(names)} movies"
        taken = ", ".join(config.channels)
        print(escaped(f"{of}: {', '.join(others)} left out; the model takes {taken}"))
    return found


def check_context(context: str) -> None:
    """Raise `ValueError` unless this says which frames around are looked at."""
    if context not in CONTEXTS:
        raise ValueError(
            f"context is {context!r}, expected one of {', '.join(map(repr, CONTEXTS))}"
        )
