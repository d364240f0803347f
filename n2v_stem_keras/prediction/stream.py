"""Frames as they come from the microscope: read, denoised and handed on side by side.

A thread takes frames from the source, another denoises, and the caller uses the results; between
them wait a few frames at most. Where the network cannot keep up there are two policies: the source
waits (nothing is lost: files), or the frames that have waited longest are dropped (a camera that
does not wait). Each frame is standardised by what is known of the stream so far.
"""

from __future__ import annotations

import dataclasses
import numbers
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from ..counting import counted
from ..io.movie import unmasked
from ..noise.empty import empty_rows, with_empty_rows
from ..noise.margins import filled, inside, with_margins
from ..normalize import DataError, MovieStatistics, check_finite, check_float32
from ..preparation import Preparation
from ..preparation.choice import for_movie
from ..temporal.context import FollowedPast
from ..temporal.evidence import joined, no_evidence
from ..temporal.past import WHOLE
from .ahead import in_background
from .tiles import Denoiser

POLICIES = ("wait", "drop")
NEW_MOVIE = object()  # among the frames of a stream: what comes shows another area
N_WAITING = 2  # frames between two of the three sides
MEMORY = 64  # frames that the running statistics go back to
STATISTICS_PIXELS = 2**15  # of a frame, spread evenly, that they are taken over


class RunningStatistics:
    """Mean and standard deviation of a stream, known from its first frame on.

    The average over all frames so far, and later over the last 64, older ones fading away, so that
    a change of gain or specimen is followed.

    Attributes
    ----------
    now : MovieStatistics or None
        As of the last frame that was not blank.
    """

    def __init__(self):
        self.now, self._count, self._mean, self._square = None, 0, 0.0, 0.0

    def add(self, frame, empty=None) -> None:
        """Take in a frame, (Y, X, C), without its empty rows, (Y, C), of `noise.empty`."""
        stride = max(1, int(np.sqrt(frame.shape[0] * frame.shape[1] / STATISTICS_PIXELS)))
        # an odd stride does not step in time with detectors or lines that are read in pairs
        stride += stride > 1 and stride % 2 == 0
        pixels = np.moveaxis(frame[::stride, ::stride], -1, 0).astype(np.float64, order="C")
        mean, variance = pixels.mean((1, 2)), pixels.var((1, 2))
        if empty is not None and empty.any():
            for c, plane in enumerate(pixels):
                kept = plane[~empty[::stride, c]]
                mean[c], variance[c] = (kept.mean(), kept.var()) if kept.size else (mean[c], 0)
        if not variance.any():
            return
        says = variance > 0  # a detector that drops out tells nothing of itself
        known = np.broadcast_to(self._count, says.shape)
        self._count = np.where(says, np.minimum(known + 1, MEMORY), known)
        new = np.where(says, 1 / np.maximum(self._count, 1), 0)
        new = np.where(known == 0, 1, new)  # until it first says something
        # the variance is that within frames, about each one's own mean
        self._mean = self._mean + (mean - self._mean) * new
        self._square = self._square + (variance - self._square) * new
        sd = np.where(self._square > 0, np.sqrt(self._square), 1.0)
        n_frames = int(np.max(self._count))
        self.now = MovieStatistics(np.array(self._mean), sd, (), (), n_frames)


class KnownStatistics:
    """Statistics of a stream that are known beforehand.

    Parameters
    ----------
    mean, sd : float or (C,) arrays
    n_detectors : int
    """

    def __init__(self, mean, sd, n_detectors: int):
        mean, sd = (np.asarray(v, np.float64) for v in (mean, sd))
        for name, value in (("mean", mean), ("sd", sd)):
            if value.shape not in ((), (1,), (n_detectors,)):
                raise ValueError(
                    f"{name} has shape {value.shape}, expected one number, or one for each of "
                    f"{counted(n_detectors, 'detector')}"
                )
        mean, sd = (np.broadcast_to(v, (n_detectors,)) for v in (mean, sd))
        if not (np.isfinite(mean).all() and np.isfinite(sd).all() and (sd > 0).all()):
            raise ValueError(f"mean {mean} and sd {sd} must be finite, and sd positive")
        self.now = MovieStatistics(mean, sd, (), (), 0)

    def add(self, frame, empty=None) -> None:
        """Take in a frame, which changes nothing."""


@dataclasses.dataclass
class LiveReport:
    """How a stream fared.

    Attributes
    ----------
    n_frames : int
        Frames that were denoised and used.
    dropped : list of int
        Numbers of the frames that were not.
    latency_s : list of float
        Latency of each frame, from when the source gave it until the caller was done with it [s].
    seconds : float
        Time from the first frame to the last [s].
    """

    n_frames: int = 0
    dropped: list[int] = dataclasses.field(default_factory=list)
    latency_s: list[float] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def latency(self, percent: float) -> float:
        """Return a percentile of the latency [s]."""
        return float(np.percentile(self.latency_s, percent)) if self.latency_s else float("nan")

    @property
    def frames_per_second(self) -> float:
        """Frames used a second, from the first to the last."""
        return (self.n_frames - 1) / self.seconds if self.seconds else float("nan")

    def __str__(self):
        text = f"{counted(self.n_frames, 'frame')}, {len(self.dropped)} dropped"
        if self.n_frames > 1:
            text += (
                f"; {self.frames_per_second:.1f} a second; latency "
                f"{1e3 * self.latency(50):.0f} ms (median), {1e3 * self.latency(99):.0f} ms (99 %)"
            )
        return text


def stream(
    model,
    denoiser,
    frames: Iterable,
    mean=None,
    sd=None,
    tta: bool = False,
    when_behind: str = "wait",
    n_waiting: int = N_WAITING,
    n_parallel: int = 1,
    report: LiveReport | None = None,
    context: str = "past",
) -> Iterator[np.ndarray]:
    """Denoise frames as they come; see `Predictor.stream`."""
    if (mean is None) != (sd is None):
        raise ValueError("give both mean and sd, or neither")
    if context not in ("past", "none"):
        raise ValueError(f"context is {context!r}, expected 'past' or 'none' of a stream")
    if when_behind not in POLICIES:
        raise ValueError(f"when_behind is {when_behind!r}, expected one of {POLICIES}")
    for name, value in (("n_waiting", n_waiting), ("n_parallel", n_parallel)):
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name} is {value!r}, expected a whole number of at least 1")
    n = len(model.config.channels)
    if not isinstance(frames, Iterable):
        raise DataError(f"frames is a {type(frames).__name__}, expected an iterable of frames")
    statistics = RunningStatistics() if mean is None else KnownStatistics(mean, sd, n)
    report = LiveReport() if report is None else report
    source = _Source(frames, when_behind, n_waiting, report, n)
    pool = ThreadPoolExecutor(n_parallel, "stream")
    denoised = denoise_stream(
        denoiser, source, statistics, tta=tta, context=context, submit=pool.submit
    )
    ready = in_background(denoised, max(n_waiting, n_parallel))
    # numpy's matrix products, whose threads would get into the way of the network's
    one_thread = threadpool_limits(1, "blas")
    try:
        yield from _timed(ready, source, report)
    finally:
        source.close()  # first, or the network might wait for a frame for ever
        ready.close()
        pool.shutdown(cancel_futures=True)
        one_thread.restore_original_limits()


def _timed(ready, source, report):
    """Yield frames, and note when the caller was done with each."""
    for frame in ready:
        yield frame.result()
        now = time.monotonic()
        arrived = source.arrived.popleft()
        report.n_frames += 1
        report.latency_s.append(now - arrived)
        report.seconds = now - source.began


def denoise_stream(
    denoiser: Denoiser,
    frames: Iterable,
    statistics,
    n_tiles=None,
    tta=False,
    context="past",
    submit=None,
) -> Iterator:
    """Denoise frames as they come, each at once.

    Parameters
    ----------
    frames : iterable of (Y, X, C) arrays
        And of `NEW_MOVIE` before a frame of another area.
    statistics : RunningStatistics or KnownStatistics
        Takes in each frame with ``add``; ``now`` is what a frame is standardised by. Frames before
        the first that is not blank come back as they are.
    context : {'past', 'none'}
        Whether the network is shown what the frames before know, if it can see it.
    submit : callable, optional
        ``submit(function, *arguments)`` instead of calling it, e.g. that of a pool of threads;
        what it returns is yielded.

    Yields
    ------
    (Y, X, C) float32 array
        One for each frame, in order.
    """
    sees = denoiser.config.unet_context
    preparation = denoiser.config.preparation
    past = FollowedPast() if sees and context == "past" else None

    def denoised(frame, back, images_of, known, preparation, recorded, place):
        found = frame.astype(np.float32)
        if known is not None:
            sample = known.standardise(frame)
            if sees:
                sample = joined(sample, images_of())
            found = known.restore(denoiser(sample[None], n_tiles, tta)[0])
        found = preparation.give_back(found, back)
        if place is None:
            return with_empty_rows(found, recorded)
        found = with_empty_rows(found, filled(recorded, place))
        return with_margins(found, recorded, place)

    t, heard = 0, False  # of detectors that have shown anything
    for frame in frames:
        if frame is NEW_MOVIE:
            if past:
                past.forget()
            preparation = denoiser.config.preparation
            continue
        # a copy, which the caller cannot change
        frame = recorded = np.array(unmasked(frame, f"frame {t} of the stream"))
        place = inside(frame)
        if place is not None:
            frame = filled(frame, place)
        check_finite(frame, "stream", t)
        check_float32(frame, "stream", t, denoiser.config.channels)
        empty = empty_rows(frame)
        heard = heard | ~empty.all(axis=0)
        if preparation.is_open and not empty.all():
            preparation = for_movie(preparation, frame[None])
        prepared = Preparation() if preparation.is_open else preparation
        frame, back = prepared.take(frame)
        held = place or WHOLE
        statistics.add(frame[held], empty[held[0]])
        known, images_of = statistics.now, None
        if sees and known is not None:
            # made where the network runs, side by side with the next frame's
            alone = partial(no_evidence, frame.shape)
            complete = not (empty & heard).any()
            images_of = past.images_later(frame, known, place, complete) if past else alone
        t += 1
        given = frame, back, images_of, known, prepared, recorded, place
        yield submit(denoised, *given) if submit else denoised(*given)


def _as_frame(number: int, frame) -> np.ndarray:
    """Return a copy of what came as an array."""
    try:
        return np.array(frame)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"frame {number} of the stream is a {type(frame).__name__} and no array (Y, X, C): "
            f"{error}"
        ) from error


class _Source:
    """Frames of a source, taken by a thread as they come, a few of them waiting.

    Attributes
    ----------
    arrived : deque of float
        When each frame that was handed on had come [s].
    began : float
        When the first had come.
    """

    def __init__(self, frames, when_behind, n_waiting, report, n_detectors):
        self.when_behind, self.n_waiting, self.report = when_behind, n_waiting, report
        self.n_detectors = n_detectors
        self.arrived, self.began = deque(), 0.0
        self._waiting, self._changed = deque(), threading.Condition()
        self._ended = self._stopped = self._begins = False
        self._error = None
        self._thread = threading.Thread(target=self._read, args=(iter(frames),), daemon=True)
        self._thread.start()

    def _read(self, frames):
        try:
            number, begins = 0, False
            for frame in frames:
                if frame is NEW_MOVIE:
                    begins = True
                    continue
                # a copy: cameras use one buffer again
                frame = unmasked(frame, f"frame {number} of the stream")
                if not self._put(number, _as_frame(number, frame), begins):
                    return
                number, begins = number + 1, False
        except BaseException as error:  # raised again where the frames are used
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, number, frame, begins):
        """Let a frame wait, the first of a movie or not; return whether more are wanted."""
        self._check(number, frame)
        now = time.monotonic()
        self.began = self.began or now
        with self._changed:
            if self.when_behind == "wait":
                self._changed.wait_for(lambda: self._stopped or self._has_room())
            elif not self._has_room():
                dropped = self._waiting.popleft()
                self.report.dropped.append(dropped[0])
                self._begins |= dropped[3]
            self._waiting.append((number, now, frame, begins))
            self._changed.notify_all()
            return not self._stopped

    def _has_room(self):
        return len(self._waiting) < self.n_waiting

    def _check(self, number, frame):
        if frame.dtype.kind not in "iuf":
            raise DataError(
                f"frame {number} of the stream has values of type {frame.dtype}, expected integers "
                "or floats"
            )
        if frame.ndim != 3 or frame.shape[-1] != self.n_detectors:
            raise ValueError(
                f"frame {number} of the stream has shape {frame.shape}, expected (Y, X, "
                f"{self.n_detectors})"
            )

    def __iter__(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended or self._stopped)
                if self._stopped or not self._waiting:
                    break
                _, came, frame, begins = self._waiting.popleft()
                begins, self._begins = begins or self._begins, False
                self._changed.notify_all()
            if begins:
                yield NEW_MOVIE
            self.arrived.append(came)
            yield frame
        if self._error is not None:
            raise self._error

    def close(self):
        """Stop reading; the source is left with its next frame."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
