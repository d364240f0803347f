"""Movies as the model sees them: detectors in its order, statistics known.

Detectors are matched by name, ignoring case, never silently by position.
"""

from __future__ import annotations

import warnings

from .io import as_movie
from .normalize import DataError, MovieStatistics, scan, warn_blank
from .progress import FrameProgress


def context_indices(t: int, n_frames: int, n_context: int) -> list[int]:
    """Frames that surround frame `t`, mirrored about `t` at the ends of the movie.

    The frame itself never stands in for a missing neighbour: its noise must stay unseen.

    Examples
    --------
    >>> context_indices(5, 10, 2), context_indices(1, 10, 2), context_indices(9, 10, 2)
    ([3, 4, 6, 7], [3, 0, 2, 3], [7, 8, 8, 7])
    """
    offsets = [*range(-n_context, 0), *range(1, n_context + 1)]
    return [t + o if 0 <= t + o < n_frames else t - o for o in offsets]


def check_context(n_frames: int, n_context: int, name: str) -> None:
    """Raise `DataError` if a movie is too short for the context frames of a model."""
    if n_frames < 2 * n_context + 1:
        raise DataError(
            f"{name}: {n_frames} frames, expected at least {2 * n_context + 1} for "
            f"n2v_context_frames = {n_context}; use a longer movie or a model without context"
        )


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
    plural = "s" if len(channels) > 1 else ""
    wanted = f"{len(channels)} detector{plural} ({', '.join(channels)})"
    if movie.detectors is None:
        if movie.n_detectors != len(channels):
            raise DataError(
                f"{movie.name}: {movie.n_detectors} detectors (axes {movie.axes}, shape "
                f"{movie.shape}), expected {wanted}; check axes, or name the movie's detectors "
                "with detectors= (--detectors)"
            )
        if movie.source and len(channels) > 1:
            warnings.warn(
                f"{movie.name}: the file does not name its detectors; taking them as "
                f"{', '.join(channels)}, in this order. Name them with --detectors to be sure",
                stacklevel=3,
            )
        return list(range(len(channels)))
    names = [name.lower() for name in movie.detectors]
    missing = [name for name in channels if name.lower() not in names]
    if missing:
        guessed = " (guessed from the file's name)" if movie.detectors_guessed else ""
        raise DataError(
            f"{movie.name}: has {', '.join(movie.detectors)}{guessed}, the model needs {wanted}; "
            f"{', '.join(missing)} is missing. If only the name differs, rename with detectors= "
            "(--detectors)"
        )
    return [names.index(name.lower()) for name in channels]


class Series:
    """One movie as the model sees it: one S entry, detectors in order, statistics known."""

    def __init__(self, name, frames, statistics: MovieStatistics, pixel_size_nm):
        self.name, self.frames, self.statistics = name, frames, statistics
        self.pixel_size_nm = pixel_size_nm

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
        }


def collect_series(
    movies,
    channels,
    axes=None,
    detectors=None,
    pixel_size_nm=None,
    fingerprint=False,
    verbose=False,
) -> list[Series]:
    """Return the `Series` of one movie or of a list of them, each read once for its statistics.

    Parameters
    ----------
    movies : array, path, io.Movie, lazy sequence of frames, a list of these, or None
    channels : tuple of str
        Detectors of the model.
    axes, detectors, pixel_size_nm
        See `io.as_movie`.
    fingerprint : bool
        Also hash the intensities.
    verbose : bool
        Show progress on a terminal, if it takes longer than a moment.
    """
    if movies is None:
        return []
    many = movies if isinstance(movies, (list, tuple)) else [movies]
    if not len(many):
        raise DataError("the list of movies is empty")
    found = []
    for movie in many:
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        order = detector_order(movie, channels)
        for s, frames in enumerate(movie.series()):
            name = movie.name if movie.n_series == 1 else f"{movie.name} [{s}]"
            frames = SelectedDetectors(frames, order)
            progress = FrameProgress(f"Reading {name}", len(frames), verbose)
            statistics = scan(frames, name, fingerprint, progress.step)
            progress.close()
            warn_blank(statistics, name, channels)
            found.append(Series(name, frames, statistics, movie.pixel_size_nm))
    return found
