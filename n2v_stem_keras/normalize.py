"""Per-detector statistics of a movie, standardisation by them, and its exact inverse.

Each movie and detector is standardised by the mean and the standard deviation over the whole
movie, in training and in prediction alike, and restored with the same two numbers. So the frames
of a movie stay comparable, and the gain, offset or number type of a session change nothing:
predict(a x + b) = a predict(x) + b. What is blank (one value throughout, as when the beam is
blanked, a detector drops out, or a scan stops in the middle of a frame) holds no information and is
left out, for each detector by itself.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field, replace

import numpy as np

from .counting import counted
from .escaping import ShownError, escaped
from .io.movie import float32_problem
from .noise.empty import empty_rows
from .noise.repeated import find_repeated, frame_key, say_repeated


class DataError(ShownError):
    """Intensities that cannot be used; says where, what was expected and what to do."""


@dataclass(frozen=True)
class MovieStatistics:
    """Statistics of one movie (one entry of the S axis).

    Attributes
    ----------
    mean, sd : (C,) float64 arrays
        Per detector, over all rows that are not empty, in the movie's units. Where a detector
        is constant its `sd` is 1, so that standardising it gives zeros.
    constant : tuple of int
        Detectors with one value throughout, or throughout each frame.
    blank_frames : tuple of int
        Frames in which every detector is constant.
    n_frames : int
    fingerprint : str
        ``sha256:...`` of all intensities, shape and number type; empty if not asked for.
    empty : dict of (Y, C) bool arrays
        Of each frame in which some detector has empty rows (`noise.empty`), which these are;
        without those of detectors that are constant in the whole movie, and without blank frames.
    repeated : tuple of int
        Frames that equal one before them, blank ones left aside.
    inside : dict of (slice, slice)
        Of each frame that has margins (`noise.margins`), the rows and columns between them.
    """

    mean: np.ndarray
    sd: np.ndarray
    constant: tuple[int, ...]
    blank_frames: tuple[int, ...]
    n_frames: int
    fingerprint: str = ""
    empty: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    repeated: tuple[int, ...] = ()
    inside: dict[int, tuple[slice, slice]] = field(default_factory=dict, repr=False)

    def left_out(self, c: int) -> tuple[int, ...]:
        """Return the frames of which a detector has empty rows, blank ones among them."""
        partly = {t for t, rows in self.empty.items() if rows[:, c].any()}
        return tuple(sorted(partly | set(self.blank_frames)))

    @property
    def incomplete(self) -> tuple[int, ...]:
        """Frames of which some detector has empty rows, blank ones among them."""
        return tuple(sorted({*self.empty, *self.blank_frames}))

    def standardise(self, frame):
        """(..., X, C) of any number type -> float32 with mean 0 and standard deviation 1."""
        rows, mean, sd = self._by_rows(frame)
        rows = np.subtract(rows, mean, dtype=np.float64)
        rows /= sd
        return rows.astype(np.float32).reshape(np.shape(frame))

    def restore(self, frame):
        """Undo `standardise`: (..., X, C) -> float32 in the movie's units."""
        rows, mean, sd = self._by_rows(frame)
        rows = np.multiply(rows, sd, dtype=np.float64)
        rows += mean
        return rows.astype(np.float32).reshape(np.shape(frame))

    def _by_rows(self, frame):
        """Return a frame as (..., X * C) with mean and sd repeated along a row.

        numpy is several times faster with one long last axis than with C detectors in it.
        """
        frame = np.asarray(frame)
        width = frame.shape[-2]
        rows = frame.reshape(*frame.shape[:-2], width * frame.shape[-1])
        return rows, np.tile(self.mean, width), np.tile(self.sd, width)


def scan(
    frames,
    name: str = "movie",
    fingerprint: bool = False,
    progress=None,
    preparation=None,
    detectors=None,
) -> MovieStatistics:
    """Read a movie once, one frame at a time, for its statistics.

    Parameters
    ----------
    frames : sequence of (Y, X, C) arrays
        Lazy or not; has a length.
    name : str
        Named in errors.
    fingerprint : bool
        Also hash the intensities.
    progress : callable, optional
        Called after each frame.
    preparation : Preparation, optional
        What is done to each frame before its statistics are taken; intensities are hashed as they
        are.
    detectors : sequence of str, optional
        Names for errors; where they are given, frames must be such as can be computed in float32.

    Raises
    ------
    DataError
        A frame holds NaN or infinite values, or what float32 cannot hold, or the movie is empty.

    Notes
    -----
    Means and squared deviations are merged frame by frame in double precision (Chan et al. 1983),
    so that a large offset costs no accuracy.
    """
    if len(frames) == 0:
        raise DataError(f"{name}: the movie has no frames")
    digest = hashlib.sha256() if fingerprint else None
    parts = []
    for t in range(len(frames)):
        frame = np.asarray(frames[t])
        if digest:
            digest.update(f"{frame.shape}{frame.dtype.str}".encode())
            digest.update(np.ascontiguousarray(frame).data)
        empty = empty_rows(frame)
        if detectors is not None:
            check_float32(frame, name, t, detectors)
        if preparation:
            check_finite(frame, name, t)
            frame, _ = preparation.take(frame)
        parts.append(frame_moments(frame, name, t, empty))
        if progress:
            progress()
    found = merge_moments(parts, f"sha256:{digest.hexdigest()}" if digest else "")
    return replace(found, inside=dict(getattr(frames, "places", {})))


def frame_moments(frame, name: str, t: int, empty) -> tuple:
    """Return what `merge_moments` needs of a frame.

    Parameters
    ----------
    frame : (Y, X, C) array
    name : str
        Named in errors.
    t : int
        Its number.
    empty : (Y, C) bool array
        Rows that say nothing, found in the frame as it was recorded.

    Returns
    -------
    tuple
        Number of pixels, means and summed squared deviations of each detector, (C,), over the rows
        that are not empty, or, of a blank detector, 0 and its values; `empty`, None if no row is;
        and a key that only equal frames have.

    Raises
    ------
    DataError
        The frame holds NaN or infinite values.
    """
    shape, key = frame.shape, frame_key(frame)
    # a copy, (C, Y*X), since it is changed below
    frame = np.array(frame.reshape(-1, shape[-1]).T, np.float64, order="C")
    check_finite(frame, name, t)
    if not empty.any():
        mean = frame.mean(axis=1)
        frame -= mean[:, None]
        count = np.full(len(frame), frame.shape[1])
        return count, mean, np.einsum("ij,ij->i", frame, frame), None, key
    count, mean, squares = np.zeros(len(frame), int), frame[:, 0].copy(), np.zeros(len(frame))
    for c, plane in enumerate(frame.reshape(-1, *shape[:2])):
        kept = plane[~empty[:, c]]
        if kept.size:
            count[c], mean[c] = kept.size, kept.mean()
            squares[c] = np.square(kept - mean[c]).sum()
    return count, mean, squares, empty, key


def merge_moments(parts, fingerprint: str = "") -> MovieStatistics:
    """Merge what `frame_moments` found in all frames of a movie, in their order."""
    n = len(parts[0][0])
    count, mean, squares = np.zeros(n), np.zeros(n), np.zeros(n)
    for number, frame_mean, frame_squares, *_ in parts:
        total = count + number
        delta = np.where(number > 0, frame_mean - mean, 0)  # a blank frame may hold anything
        share = np.divide(number, total, out=np.zeros(n), where=total > 0)
        squares = squares + frame_squares + delta**2 * count * share
        mean = mean + delta * share
        count = total
    silent = count == 0  # nothing but blank frames
    mean = np.where(silent, parts[-1][1], mean)
    sd = np.sqrt(squares / np.maximum(count, 1))
    # below the resolution of double precision the spread is rounding, not signal
    constant = sd <= np.abs(mean) * 1e-13
    blank = {t for t, (number, *_) in enumerate(parts) if not number.any()}
    empty = {t: rows & ~silent for t, (*_, rows, _) in enumerate(parts) if rows is not None}
    return MovieStatistics(
        mean=mean,
        sd=np.where(constant, 1.0, sd),
        constant=tuple(np.flatnonzero(constant).tolist()),
        blank_frames=tuple(sorted(blank)),
        n_frames=len(parts),
        fingerprint=fingerprint,
        empty={t: rows for t, rows in empty.items() if t not in blank and rows.any()},
        repeated=find_repeated({t: part[-1] for t, part in enumerate(parts) if t not in blank}),
    )


def check_finite(frame, name: str, t: int) -> None:
    """Raise `DataError` if a frame holds NaN or infinite values."""
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf, or a sum beyond all floats
        if np.isfinite(frame.sum()):  # one fast pass decides the usual case
            return
    bad = ~np.isfinite(frame)
    if not bad.any():
        return
    n_nan = int(np.isnan(frame).sum())
    raise DataError(
        f"{name}: frame {t} has {n_nan} NaN and {int(bad.sum()) - n_nan} infinite pixels, "
        "expected finite intensities; leave the frame out or replace those pixels first, "
        "e.g. by the median of their neighbours"
    )


def check_float32(frame, name: str, t: int, detectors) -> None:
    """Raise `DataError` if a frame cannot be computed, and its result given, in float32."""
    problem = float32_problem(frame)
    if problem:
        c, why = problem
        raise DataError(f"{name}: frame {t}, detector {detectors[c]}: {why}")


def margins_in_words(statistics: MovieStatistics, shape) -> str:
    """Say what margins the frames of a movie (T, Y, X, C) have; an empty string if none has any."""
    parts = statistics.inside.values()
    if not parts:
        return ""
    rows, columns = (
        max(n - part[axis].stop + part[axis].start for part in parts)
        for axis, n in enumerate(shape[1:3])
    )
    return (
        f"{len(parts)} of {shape[0]} frames have margins that hold nothing, up to "
        f"{counted(rows, 'row')} and {counted(columns, 'column')} (an aligned stack?); they are "
        "left out, and stay as they are"
    )


def warn_blank(statistics: MovieStatistics, name: str, detectors) -> None:
    """Warn of what tells nothing: blank frames, constant detectors, empty rows, repeated frames."""
    blank, n = statistics.blank_frames, statistics.n_frames
    if blank:
        warnings.warn(
            escaped(
                f"{name}: {len(blank)} of {n} frames are blank (one value throughout): "
                f"{_some(blank)}; they are left out of statistics and training"
            ),
            stacklevel=3,
        )
    for c in statistics.constant:
        if len(blank) < n:
            warnings.warn(
                escaped(
                    f"{name}: detector {detectors[c]} has one value throughout; was it switched on?"
                ),
                stacklevel=3,
            )
    if statistics.repeated:
        warnings.warn(escaped(f"{name}: {say_repeated(statistics.repeated, n)}"), stacklevel=3)
    for c, detector in enumerate(detectors):
        rows = {t: found[:, c] for t, found in statistics.empty.items() if found[:, c].any()}
        off = [t for t, found in rows.items() if found.all()]
        stopped = [t for t in rows if t not in off]
        for frames, what in (
            (off, "is blank"),
            (stopped, "has rows of one value (a scan that stopped?)"),
        ):
            if frames:
                warnings.warn(
                    escaped(
                        f"{name}: detector {detector} {what} in {len(frames)} of {n} frames: "
                        f"{_some(frames)}; these are left out of statistics and training of this "
                        "detector"
                    ),
                    stacklevel=3,
                )


def _some(frames) -> str:
    return ", ".join(map(str, frames[:5])) + (", ..." if len(frames) > 5 else "")
