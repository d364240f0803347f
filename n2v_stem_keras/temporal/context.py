"""Which frames of a movie say something of one of them, and how far to reach.

How far follows from the movie: a mean of more frames has less noise, but what moves, drifts beyond
what registration finds, or burns away is blurred in it. So means of different reach are compared
with frames that are not in them: the noise of these adds the same to all (`best_reach`).
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import jumps
from .evidence import Sums, moved_by, no_evidence
from .kept import Kept
from .past import WHOLE, Past
from .registration import CORRELATED, LARGEST, DriftTracker, middle, place_in, register

REACHES = (1, 2, 4, 8, 16, 24)  # frames before and after
N_TRIED = 6  # frames that the reach is tried on
TRACKED_PX = 256  # of larger frames the middle is enough to follow the drift as frames come
LEAST_REVISED = 1.0  # a place that turns out to be so far off was a lattice vector off [px]
KEPT_BYTES = 2**30  # of standardised frames of all movies, since each is needed many times


@dataclass(frozen=True)
class Draw:
    """Which of the frames around are looked at in a training sample: so many before and after."""

    before: int
    after: int

    @classmethod
    def at(cls, rng, t: int, n_frames: int, reach: int) -> Draw:
        """Draw for frame `t`, so that one model serves all contexts.

        A quarter of the samples sees no other frame, and a seventh each any number of frames before
        (a stream) and of frames on both sides (after a jump, or at an end of the movie). The others
        see all that prediction would show them.
        """
        before, after = min(t, reach), min(n_frames - 1 - t, reach)
        lot = rng.random()
        if lot < 0.25:
            return cls(0, 0)
        if lot < 0.55:
            some_before, some_after = rng.integers(0, [before + 1, after + 1]).tolist()
            return cls(some_before, some_after if lot < 0.4 else 0)
        return cls(before, after)


_KEPT = Kept(KEPT_BYTES)


class MovieContext:
    """What the frames around each frame of a movie show.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
        With attribute `shape` (T, Y, X, C).
    statistics : MovieStatistics
    registration : Registration, optional
        Found from the frames if it is not given.
    reach : int, optional
        How many frames before and after; found likewise.
    progress : callable, optional
        See `register`.

    Attributes
    ----------
    registration : Registration
    reach : int
    """

    def __init__(self, frames, statistics, registration=None, reach=None, progress=None):
        self.frames, self.statistics = frames, statistics
        self._blank = set(statistics.incomplete)
        weakref.finalize(self, _KEPT.drop, id(self))
        self.registration = registration or register(frames, progress)
        self.reach = reach or best_reach(self)
        self._offsets = None

    @property
    def offsets(self) -> np.ndarray:
        """Offsets by which the movie looks alike, see `jumps.alike`."""
        if self._offsets is None:
            n_frames, height, width, n = self.frames.shape
            rows, columns = middle((height, width), LARGEST)
            place = (
                (rows.start, columns.start),
                (rows.stop - rows.start, columns.stop - columns.start),
            )
            mean = self.images(n_frames // 2, place)[..., n : 2 * n]
            self._offsets = jumps.alike(mean)
        return self._offsets

    def draw_jumps(self, rng, place, draw: Draw) -> list[jumps.Jump]:
        """Draw made-up jumps for a training sample at a place."""
        covered = jumps.COVERED if draw.after else jumps.COVERED_ALONE
        return jumps.draw(rng, self.offsets, self.frames.shape[1:3], place, covered)

    def neighbours(self, t: int, draw: Draw | None = None) -> list[int]:
        """Return the frames that say something of frame `t`.

        They show the same area, have no empty rows, and do not share its noise.
        """
        draw = draw or Draw(self.reach, self.reach)
        scene = self.registration.scene
        first, last = max(0, t - draw.before), min(len(self.frames) - 1, t + draw.after)
        return [
            i
            for i in range(first, last + 1)
            if i != t
            and scene[i] == scene[t]
            and i not in self._blank
            and not self.registration.share_noise(i, t)
        ]

    def images(self, t: int, place=None, draw: Draw | None = None, made_up=()) -> np.ndarray:
        """Return what the frames around frame `t` show; see `evidence`.

        Parameters
        ----------
        t : int
        place : ((y0, x0), (height, width)), optional
            A part of the frame [px].
        draw : Draw, optional
            How many frames before and after; default as far as the movie bears.
        made_up : list of Jump
            In training: what shows another place.

        Returns
        -------
        (Y, X, 4 C) float32 array
        """
        size = self.frames.shape[1:3]
        (y0, x0), (height, width) = place or ((0, 0), size)
        shape = (height, width, self.frames.shape[3])
        others = self.neighbours(t, draw)
        if not others:
            return no_evidence(shape)
        sums, position = Sums(shape), self.registration.position
        whole = tuple(slice(0, n) for n in size)
        whole_px = np.rint(position)
        for i in others:
            moved = (whole_px[i] - whole_px[t]).astype(int)
            # where the part lies in the other frame, as far as that reaches
            pairs = [
                _inside(start, length, offset, held)
                for start, length, offset, held in zip(
                    (y0, x0), (height, width), moved.tolist(), self.statistics.inside.get(i, whole)
                )
            ]
            (here_y, there_y), (here_x, there_x) = pairs
            whole_frame = self.frame(i)
            part = whole_frame[there_y, there_x]
            mine = [jump for jump in made_up if jump.before == (i < t)]
            if mine and part.size:
                part = part.copy()
                for jump in mine:
                    _paste(part, whole_frame, jump, (here_y, here_x), (there_y, there_x))
            if part.size:
                sums.add(part, here_y, here_x, abs(i - t))
        return sums.images(position[t] - whole_px[t])

    def frame(self, t: int) -> np.ndarray:
        """Return frame `t`, standardised, at whole pixels from the others."""

        def make():
            frame = self.statistics.standardise(np.asarray(self.frames[t]))
            position = self.registration.position[t]
            planes = moved_by(np.moveaxis(frame, -1, 0), np.rint(position) - position)
            return np.moveaxis(planes, 0, -1)

        return _KEPT.get((id(self), t), make)

    def describe(self) -> dict:
        """Return what is worth keeping of it, as JSON."""
        registration = self.registration
        speed = np.hypot(*registration.steps.T) if len(registration.steps) else np.zeros(1)
        return {
            "reach": self.reach,
            "drift_px_per_frame": round(float(speed.mean()), 3),
            "largest_step_px": round(float(speed.max()), 2),
            "scenes": int(registration.scene[-1]) + 1,
            "frames_sharing_noise": int((registration.correlation > CORRELATED).any(axis=1).sum()),
        }


def _inside(start, length, offset, held):
    """Return what of a stretch lies in what the other frame holds: in the stretch, and there."""
    first = min(max(0, held.start - start - offset), length)
    last = max(first, min(length, held.stop - start - offset))
    return slice(first, last), slice(start + first + offset, start + last + offset)


def _paste(part, frame, jump, here, there):
    """Let a disc of a part of a frame show another place of it, as far as that lies in it."""
    to, source = [], []
    for axis, square in enumerate((jump.y, jump.x)):
        first = max(square.start, here[axis].start)
        last = min(square.stop, here[axis].stop)
        shift = there[axis].start - here[axis].start + jump.offset[axis]
        first, last = max(first, -shift), min(last, frame.shape[axis] - shift)
        if last <= first:
            return
        to.append((first, last))
        source.append(slice(first + shift, last + shift))
    inside = jump.inside[
        tuple(slice(a - s.start, b - s.start) for (a, b), s in zip(to, (jump.y, jump.x)))
    ]
    target = part[tuple(slice(a - h.start, b - h.start) for (a, b), h in zip(to, here))]
    np.copyto(target, frame[tuple(source)], where=inside)


def best_reach(context: MovieContext) -> int:
    """Return how many frames before and after a mean should take in.

    The reach of which means differ least from frames that are not in them, on a few frames spread
    over the movie.
    """
    n_frames, n_bytes = len(context.frames), 4 * math.prod(context.frames.shape[1:])
    # the last one takes in the whole movie, if that is short
    tried = [r for r, last in zip(REACHES, (0, *REACHES)) if last < n_frames - 1]
    # frames would be read again and again if they did not stay in memory
    tried = [r for r in tried if (2 * r + 1) * n_bytes <= KEPT_BYTES] or tried[:1]
    errors = np.zeros(len(tried))
    numbers = np.unique(np.linspace(0, n_frames - 1, min(N_TRIED, n_frames)).round().astype(int))
    n = context.frames.shape[3]
    for t in numbers.tolist():
        # where it was taken: moved back, as it need not be read again
        position = context.registration.position[t]
        planes = np.moveaxis(context.frame(t), -1, 0)
        frame = np.moveaxis(moved_by(planes, position - np.rint(position)), 0, -1)
        images = [context.images(t, draw=Draw(reach, reach)) for reach in tried]
        seen = images[0][..., :n] < 1  # the shortest reach sees the least
        for k, image in enumerate(images):
            errors[k] += np.square(frame - image[..., n : 2 * n])[seen].sum()
    return int(tried[int(np.argmin(errors))])


class PastContext:
    """What the frames before each frame of a movie show, as a stream would know them.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
    statistics : MovieStatistics
    """

    def __init__(self, frames, statistics):
        self.frames, self.statistics = frames, statistics
        self._incomplete = set(statistics.incomplete)
        self._begin()

    def _begin(self):
        self._known, self._next = FollowedPast(), 0

    def images(self, t: int) -> np.ndarray:
        """Return what the frames before frame `t` show; see `evidence`.

        The frames before are read in their order, once if they are asked for in theirs.
        """
        if t < self._next - 1:
            self._begin()
        while self._next <= t:
            frame = np.asarray(self.frames[self._next])
            place = self.statistics.inside.get(self._next)
            complete = self._next not in self._incomplete
            self._images = self._known.images(frame, self.statistics, place, complete)
            self._next += 1
        return self._images


class FollowedPast:
    """A `Past` that follows the drift of the specimen, and begins anew where another area comes.

    A frame is added when the next comes, or later, as long as it shares noise with those that come.
    """

    def __init__(self):
        self._past, self._tracker, self._shape = Past(), None, None

    def forget(self) -> None:
        """Begin anew: what comes shows another area."""
        self._past.forget()
        self._shape = None

    def images(self, frame, statistics, inside=None, complete=True) -> np.ndarray:
        """Take in the next frame, and return what those before it know of it; see `evidence`.

        Parameters
        ----------
        frame : (Y, X, C) array
            Raw; margins are filled.
        statistics : MovieStatistics
            To standardise by.
        inside : (slice, slice), optional
            What lies between its margins.
        complete : bool
            False: some rows hold nothing (`noise.empty`), and frames that come are not told of it.
        """
        return self.images_later(frame, statistics, inside, complete)()

    def images_later(
        self, frame, statistics, inside=None, complete=True
    ) -> Callable[[], np.ndarray]:
        """Take in the next frame, and return what makes its images, as `Past.images_later` does."""
        frame = np.array(frame)
        part = middle(frame.shape[:2], TRACKED_PX)
        if self._shape != frame.shape:
            self.forget()
            self._tracker, self._shape = DriftTracker(frame[part].shape), frame.shape
            self._at = np.zeros(2)
        known = (frame, inside or WHOLE) if complete else None
        place = self._tracker.add(frame[part], known)
        path = self._tracker.path
        # another area, or what was added before lay elsewhere
        if len(path) < 2 or np.abs(path[-2] - self._at).max() > LEAST_REVISED:
            self._past.forget()
        for ago, known in self._tracker.ready:
            if known is None:
                continue
            before, held = known
            there = place_in(path, ago)
            self._move(there)
            self._past.add(before, there - np.rint(there), held)
        self._move(place)
        return self._past.images_later(frame.shape, statistics, place - np.rint(place))

    def _move(self, place):
        """Move what is known to a place [px]."""
        self._past.move(np.rint(place).astype(int) - np.rint(self._at).astype(int))
        self._at = place
