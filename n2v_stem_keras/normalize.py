"""Per-detector statistics of a movie, standardisation by them, and its exact inverse.

Each movie and detector is standardised by the mean and the standard deviation over the whole
movie, in training and in prediction alike, and restored with the same two numbers. So the frames
of a movie stay comparable, and the gain, offset or number type of a session change nothing:
predict(a x + b) = a predict(x) + b. Blank frames (one value throughout, as when the beam is
blanked or a file was never written to the end) hold no information and are left out.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass

import numpy as np


class DataError(ValueError):
    """Intensities that cannot be used; says where, what was expected and what to do."""


@dataclass(frozen=True)
class MovieStatistics:
    """Statistics of one movie (one entry of the S axis).

    Attributes
    ----------
    mean, sd : (C,) float64 arrays
        Per detector, over all frames that are not blank, in the movie's units. Where a detector
        is constant its `sd` is 1, so that standardising it gives zeros.
    constant : tuple of int
        Detectors with one value throughout.
    blank_frames : tuple of int
        Frames in which every detector is constant.
    n_frames : int
    fingerprint : str
        ``sha256:...`` of all intensities, shape and number type; empty if not asked for.
    """

    mean: np.ndarray
    sd: np.ndarray
    constant: tuple[int, ...]
    blank_frames: tuple[int, ...]
    n_frames: int
    fingerprint: str = ""

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
    frames, name: str = "movie", fingerprint: bool = False, progress=None, preparation=None
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

    Raises
    ------
    DataError
        A frame holds NaN or infinite values, or the movie is empty.

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
        if preparation:
            check_finite(frame, name, t)
            frame, _ = preparation.take(frame)
        parts.append(frame_moments(frame, name, t))
        if progress:
            progress()
    return merge_moments(parts, f"sha256:{digest.hexdigest()}" if digest else "")


def frame_moments(frame, name: str, t: int) -> tuple:
    """Return number of pixels (0 of a blank frame), means and summed squared deviations, (C,).

    Raises
    ------
    DataError
        The frame holds NaN or infinite values.
    """
    # a copy, (C, Y*X), since it is changed below
    frame = np.array(frame.reshape(-1, frame.shape[-1]).T, np.float64, order="C")
    check_finite(frame, name, t)
    if (frame == frame[:, :1]).all():
        return 0, frame[:, 0].copy(), np.zeros(len(frame))
    mean = frame.mean(axis=1)
    frame -= mean[:, None]
    return frame.shape[1], mean, np.einsum("ij,ij->i", frame, frame)


def merge_moments(parts, fingerprint: str = "") -> MovieStatistics:
    """Merge what `frame_moments` found in all frames of a movie, in their order."""
    count, mean, squares = 0, 0.0, 0.0
    for n, frame_mean, frame_squares in parts:
        if n:
            total = count + n
            delta = frame_mean - mean
            squares = squares + frame_squares + delta**2 * count * n / total
            mean = mean + delta * n / total
            count = total
    if count == 0:  # nothing but blank frames
        _, mean, squares = parts[-1]
        count = 1
    sd = np.sqrt(squares / count)
    # below the resolution of double precision the spread is rounding, not signal
    constant = sd <= np.abs(mean) * 1e-13
    return MovieStatistics(
        mean=np.asarray(mean),
        sd=np.where(constant, 1.0, sd),
        constant=tuple(np.flatnonzero(constant).tolist()),
        blank_frames=tuple(t for t, (n, *_) in enumerate(parts) if not n),
        n_frames=len(parts),
        fingerprint=fingerprint,
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


def warn_blank(statistics: MovieStatistics, name: str, detectors) -> None:
    """Warn of blank frames and constant detectors."""
    blank = statistics.blank_frames
    if blank:
        some = ", ".join(map(str, blank[:5])) + (", ..." if len(blank) > 5 else "")
        warnings.warn(
            f"{name}: {len(blank)} of {statistics.n_frames} frames are blank (one value "
            f"throughout): {some}; they are left out of statistics and training",
            stacklevel=3,
        )
    for c in statistics.constant:
        if len(blank) < statistics.n_frames:
            warnings.warn(
                f"{name}: detector {detectors[c]} has one value throughout; was it switched on?",
                stacklevel=3,
            )
