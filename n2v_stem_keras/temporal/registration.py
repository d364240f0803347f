"""How the specimen drifts from frame to frame, and which frames share noise: from the frames alone.

A lattice repeats, so that a shift by a lattice vector looks like none. What tells them apart is
what does not repeat: adatoms, defects, contamination, edges. It is weak beside a lattice, and a
single frame is noise mostly. So a frame is not compared with the one before it but with the mean of
all that came before, registered, and every Fourier coefficient has the weight that its signal has
over its noise. The result is the logarithm of a likelihood, to which all that repeats contributes
alike at all lattice vectors, and what does not decides, as far as it goes; where it does not go
far enough, the history of the drift does, which changes slowly. Two ways that are nearly as likely
are both followed (`DriftTracker`). With the whole movie at hand, each frame is compared with those
after it, too (`register`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .spectra import UNLIKELY, Spectra, correlation

MEMORY = 16  # frames that one is compared with
FIRST_STEP, CHANGE = 2.0, 0.75  # standard deviations of what is expected beforehand [px]
LARGEST = 1024  # of larger frames the middle is looked at [px]
REMEMBERED = 64  # places of a track
N_TRACKS, APART = 4, 1.0  # ways followed, and how far apart they end [px]
# correlation of the noise of two frames: up to a distance, and from where on it counts
MAX_LAG, CORRELATED = 4, 0.2
FAR_LAG = 8  # up to here frames are compared, to know what they have in common that is no noise
MOST_DETAIL = 0.5  # more than that in common is no detail


@dataclass(frozen=True)
class Registration:
    """Where the specimen is in each frame of a movie, and which frames share noise.

    Attributes
    ----------
    position : (T, 2) array
        (y, x) since the first frame of the same scene [px].
    scene : (T,) int array
        Frames of one number show the same area; positions of two scenes cannot be compared.
    correlation : (T, 4) array
        Of the noise of each frame with that of the frames 1 to 4 before it; 0 where there is none.
    """

    position: np.ndarray
    scene: np.ndarray
    correlation: np.ndarray

    def __len__(self):
        return len(self.scene)

    @property
    def steps(self) -> np.ndarray:
        """How far the specimen moves from each frame to the next of its scene, (n, 2) [px]."""
        return np.diff(self.position, axis=0)[np.diff(self.scene) == 0]

    def share_noise(self, a: int, b: int) -> bool:
        """Return whether two frames share noise: one repeats the other, or both were averaged."""
        a, b = min(a, b), max(a, b)
        if a == b or b - a <= MAX_LAG:
            return a == b or bool(self.correlation[b, b - a - 1] > CORRELATED)
        # runs of repeated frames that are longer than what was measured
        return bool((self.correlation[a + MAX_LAG : b + 1, -1] > CORRELATED).all())

    def drift(self) -> str:
        """Say how the specimen moves."""
        if not len(self.steps):
            return "unknown: no two frames of one area"
        speed = np.hypot(*self.steps.T)
        y, x = self.steps.mean(axis=0)
        return (
            f"{speed.mean():.2f} px from frame to frame, {speed.max():.2f} at most; "
            f"(y {y:+z.2f}, x {x:+z.2f}) on average"
        )

    def complaints(self) -> list[str]:
        """Say what keeps frames from knowing of each other, a sentence or two each."""
        found = []
        sharing = np.flatnonzero((self.correlation > CORRELATED).any(axis=1)).tolist()
        if sharing:
            largest = self.correlation.max()
            found.append(
                f"{_numbers(sharing)} share noise with frames before (correlation up to "
                f"{largest:.2f}): were they repeated, averaged or interpolated? They say nothing "
                "new of each other, and are not used for each other. Use the raw frames"
            )
        begins = (np.flatnonzero(np.diff(self.scene)) + 1).tolist()
        if begins:
            found.append(
                f"from {_numbers(begins)} on another area is seen; frames before and after know "
                "nothing of each other. If these are separate movies, say so by an S axis"
            )
        return found


def _numbers(frames) -> str:
    """Name some frames."""
    some = ", ".join(map(str, frames[:5])) + (", ..." if len(frames) > 5 else "")
    return f"frame{'s' if len(frames) > 1 else ''} {some}"


def still(n_frames: int) -> Registration:
    """Return that of a movie in which nothing drifts and no frames share noise."""
    zeros = np.zeros((n_frames, 2))
    return Registration(zeros, np.zeros(n_frames, int), np.zeros((n_frames, MAX_LAG)))


def of_noise(alike) -> np.ndarray:
    """Return how the noise of frames correlates with that of the four before each, (T, 4).

    Parameters
    ----------
    alike : (T, 8) array
        Correlation of the high frequencies of each frame with those of the frames 1 to 8 before it;
        nan where there is none.

    Notes
    -----
    A fine image of a specimen at rest is alike in all frames, repeated or averaged noise in frames
    that are near. So what a frame has in common with the one least like it is no noise, unless that
    is more than half. Where a frame has been compared with one other alone, the usual share of the
    others is taken.
    """
    compared = np.isfinite(alike).sum(axis=1)
    least = np.min(np.where(np.isfinite(alike), alike, np.inf), axis=1)
    detail = np.where((compared > 1) & (least < MOST_DETAIL), np.maximum(least, 0), 0)
    if (compared > 1).any():
        detail[compared == 1] = np.median(detail[compared > 1])
    near = np.nan_to_num(alike[:, :MAX_LAG])
    found = (near - detail[:, None]) / (1 - detail[:, None])
    return np.where(np.isfinite(alike[:, :MAX_LAG]), found, 0)


class DriftTracker:
    """Follow the drift of a specimen from frame to frame, as they come.

    As long as two places a lattice vector apart are nearly as likely, both are followed.

    Parameters
    ----------
    shape : (int, int, int)
        Of a frame, (Y, X, C).

    Attributes
    ----------
    scene : int
        Number of the present scene.
    ready : list of (int, object)
        How many frames ago, and what was kept of it, of each frame that is known by now to share no
        noise with the last one and those that come; each once.
    alike : (8,) array
        Correlation of the last frame's high frequencies with those of the frames 1 to 8 before it.
    correlation : (4,) array
        Of its noise with that of the frames 1 to 4 before it; see `of_noise`.
    """

    def __init__(self, shape):
        self.spectra = Spectra(shape)
        self.scene, self._tracks = 0, []
        self.alike, self.correlation = np.full(FAR_LAG, np.nan), np.zeros(MAX_LAG)
        self._noise = deque(maxlen=FAR_LAG)
        self._more_noise = 1.0  # in a mean of frames that share noise, than in one of others
        # (number, spectrum, keep) of those that frames are not compared with yet
        self._waiting, self.ready = deque(maxlen=MEMORY), []

    def add(self, frame, keep=None) -> np.ndarray:
        """Take in the next frame, (Y, X, C), and return its place (y, x) in its scene [px].

        A blank frame is where the one before it was. A frame is compared with those that do not
        share its noise, or what they share would say that nothing moves. What is to be kept of it
        until then comes back in `ready`.
        """
        spectrum, noise = self.spectra.of(frame)
        self.alike = np.full(FAR_LAG, np.nan)
        self.alike[: len(self._noise)] = [correlation(noise, other) for other in self._noise]
        self.correlation = of_noise(self.alike[None])[0]
        self._noise.appendleft(noise)
        if spectrum is None:
            self.ready = []
            for track in self._tracks:
                track.go(track.path[-1])
            return self.path[-1] if self._tracks else np.zeros(2)
        shared = self.correlation[self.correlation > CORRELATED].sum()
        self._more_noise += (1 + 2 * float(shared) - self._more_noise) / min(
            len(self._noise), MEMORY
        )
        ready = self._take_ready()
        given = self.spectra, spectrum, ready, self._more_noise
        grown = [one for track in self._tracks for one in track.grown(*given)]
        if not grown:
            self.scene += bool(self._tracks)
            self._waiting.clear()
            ready = []
            grown = [_Track(deque([np.zeros(2)], REMEMBERED), np.zeros(2))]
        self._tracks = _likeliest(grown)
        now = self._tracks[0].n_frames - 1
        self.ready = [(now - number, kept) for number, _, kept in ready]
        self._waiting.append((self._tracks[0].n_frames - 1, spectrum, keep))
        return self.path[-1]

    def _take_ready(self):
        """Take the frames that wait from the first on, as long as they share no noise."""
        ready, now = [], self._tracks[0].n_frames if self._tracks else 0
        while self._waiting:
            lag = now - self._waiting[0][0]
            if self.correlation[min(lag, MAX_LAG) - 1] > CORRELATED:
                break
            ready.append(self._waiting.popleft())
        return ready

    @property
    def path(self) -> list:
        """Places in the last frames of the present scene, 64 at most, as they look by now."""
        return list(self._tracks[0].path) if self._tracks else []


@dataclass
class _Track:
    """One way that the specimen may have gone, and the mean of its frames along it."""

    path: deque
    velocity: np.ndarray
    reference: np.ndarray | None = None
    noise: float = 1.0  # variance of the mean's noise over that of a frame
    n: int = 0  # frames in the mean
    score: float = 0.0  # logarithm of its likelihood
    n_frames: int = 1

    def go(self, place):
        """Go to a place."""
        self.path.append(place)
        self.n_frames += 1

    def grown(self, spectra, spectrum, ready, more_noise):
        """Return how it may go on with a frame: not at all, if that shows something else.

        `ready` are frames, (number, spectrum, keep), that it can now be compared with; their mean
        has `more_noise` than if they were independent.
        """
        for number, before, _ in ready:
            aligned = before * spectra.ramp(place_in(self.path, self.n_frames - 1 - number))
            self.n += 1
            new = 1 / min(self.n, MEMORY)
            old = aligned if self.reference is None else self.reference
            self.reference = (1 - new) * old + new * aligned
            self.noise = (1 - new) ** 2 * self.noise + new**2
        expected = self.path[-1] + self.velocity
        places = [(expected, 0.0)]
        if self.n:
            spread = FIRST_STEP if self.n == 1 else CHANGE
            noise = float(min(1.0, self.noise * more_noise))  # numpy's would make all float64
            places = spectra.find(spectrum, self.reference, noise, expected, spread)
        grown = []
        for place, score in places:
            velocity = self.velocity + (place - expected) / min(self.n_frames, 4)
            one = replace(self, path=self.path.copy(), velocity=velocity, score=self.score + score)
            one.go(place)
            grown.append(one)
        return grown


def place_in(path, ago: int) -> np.ndarray:
    """Return where the specimen was so many frames ago.

    A frame waits longer than a path remembers only while blank frames come, which do not move.
    """
    return path[max(-1 - ago, -len(path))]


def _likeliest(tracks):
    """Keep the likeliest tracks of those that end in different places."""
    tracks = sorted(tracks, key=lambda one: -one.score)
    kept = []
    for track in tracks:
        apart = (np.abs(track.path[-1] - other.path[-1]).max() > APART for other in kept)
        if track.score > tracks[0].score - UNLIKELY and all(apart):
            kept.append(track)
    return kept[:N_TRACKS]


def register(frames, progress: Callable[[], object] | None = None) -> Registration:
    """Find the drift of a whole movie, and which of its frames share noise.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
        With attribute `shape` (T, Y, X, C); read twice, in their order.
    progress : callable, optional
        Called without arguments after each frame, twice a frame.

    Returns
    -------
    Registration
    """
    frames = Middle(frames, LARGEST)
    n_frames, *shape = frames.shape
    tracker = DriftTracker(shape)
    position, scene = np.zeros((n_frames, 2)), np.zeros(n_frames, int)
    alike = np.full((n_frames, FAR_LAG), np.nan)
    for t in range(n_frames):
        frame = frames[t]
        position[t] = tracker.add(frame)
        scene[t] = tracker.scene
        # what looked likely may have proved wrong
        path = tracker.path
        position[t + 1 - len(path) : t + 1] = np.reshape(path, (-1, 2))
        alike[t] = tracker.alike
        if progress:
            progress()
    found = Registration(position, scene, of_noise(alike))
    return replace(found, position=_from_both_sides(frames, found, progress))


class Middle:
    """Frames without what is far from their middle: enough to follow a drift, and sooner done.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
    side : int
        [px].
    """

    def __init__(self, frames, side: int):
        self.frames = frames
        self._part = middle(frames.shape[1:3], side)
        size = [part.stop - part.start for part in self._part]
        self.shape = (frames.shape[0], *size, frames.shape[3])

    def __getitem__(self, t):
        return np.asarray(self.frames[t])[self._part]


def middle(shape, side: int) -> tuple[slice, slice]:
    """Return the middle of a frame (Y, X), at most `side` px wide."""
    starts = [max(0, n - side) // 2 for n in shape]
    return tuple(slice(start, start + min(n, side)) for n, start in zip(shape, starts))


def _from_both_sides(frames, found, progress):
    """Compare each frame with those before and after it, where the first pass has put them."""
    n_frames, *shape = frames.shape
    position, scene = found.position, found.scene
    spectra, reach, kept = Spectra(shape), MEMORY // 2, {}
    better = position.copy()
    for t in range(n_frames):
        near = [i for i in range(t - reach, t + reach + 1) if 0 <= i < n_frames]
        for i in near:
            if i not in kept:
                kept[i], _ = spectra.of(frames[i])
        kept.pop(t - reach - 1, None)
        others = [
            i
            for i in near
            if i != t
            and scene[i] == scene[t]
            and kept[i] is not None
            and not found.share_noise(i, t)
        ]
        if others and kept[t] is not None:
            reference = sum(kept[i] * spectra.ramp(position[i]) for i in others) / len(others)
            expected = _on_line(np.array(others) - t, position[others])
            places = spectra.find(kept[t], reference, 1 / len(others), expected, CHANGE)
            if places:
                better[t] = places[0][0]
        if progress:
            progress()
    return better


def _on_line(times, places):
    """Return where a line through places at some times is at time 0; near ones count more."""
    degree = min(1, len(times) - 1)
    return np.array([np.polyfit(times, p, degree, w=1 / np.abs(times))[-1] for p in places.T])
