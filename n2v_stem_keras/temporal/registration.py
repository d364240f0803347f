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

Correlating spectra of known noise is the maximum-likelihood form of phase correlation (Kuglin and
Hines 1975); places below a pixel come from the Fourier series on a finer grid (Guizar-Sicairos et
al., Opt. Lett. 33, 156 (2008)).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from scipy.ndimage import maximum_filter

FASTEST = 3.0  # [px/frame]
LONGEST_PERIOD = 64  # what varies over more than this is no mark [px]
MEMORY = 16  # frames that one is compared with
FIRST_STEP, CHANGE = 2.0, 0.75  # standard deviations of what is expected beforehand [px]
LARGEST = 1024  # of larger frames the middle is looked at [px]
REMEMBERED = 64  # places of a track
N_TRACKS, UNLIKELY, APART = 4, 15.0, 1.0  # ways followed, likelihoods (log) and places [px] apart
SPOT = 12.0  # times what surrounds it: a coefficient that is a spot of a lattice
LOST, ENOUGH = 0.3, 200.0  # a frame that bears out less of what is expected shows something else
WINDOW = 0.5  # share of each side that the window tapers
SHARED = 0.5  # the window lets neighbouring coefficients share noise: so much counts of each
HIGH_FREQUENCY = 0.35  # along y, from which on there is noise alone [cycles/px]
# correlation of the noise of two frames: up to a distance, and from where on it counts
MAX_LAG, CORRELATED = 4, 0.2
CHANCE = 4.0  # times 1 / sqrt(n): less is none, of n coefficients that the window correlates
FAR_LAG = 8  # frames so far apart share no noise, but may show the same fine detail
LIMIT = 3.0  # amplitudes above this, of noise of 1, are detail


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
    correlation : (4,) array
        Of the noise of the last frame with that of the frames 1 to 4 before it.
    """

    def __init__(self, shape):
        self.spectra = Spectra(shape)
        self.scene, self._tracks = 0, []
        self.correlation = np.zeros(MAX_LAG)
        self._noise = deque(maxlen=FAR_LAG)
        self._more_noise = 1.0  # in a mean of frames that share noise, than in one of others
        # (frame, spectrum) of those that frames are not compared with yet
        self._waiting = deque(maxlen=MEMORY)

    def add(self, frame) -> np.ndarray:
        """Take in the next frame, (Y, X, C), and return its place (y, x) in its scene [px].

        A blank frame is where the one before it was. A frame is compared with those that do not
        share its noise, or what they share would say that nothing moves.
        """
        spectrum, noise = self.spectra.of(frame)
        self.correlation = self._correlations(noise)
        self._noise.append(noise)
        if spectrum is None:
            for track in self._tracks:
                track.go(track.path[-1])
            return self.path[-1] if self._tracks else np.zeros(2)
        shared = self.correlation[self.correlation > CORRELATED].sum()
        self._more_noise += (1 + 2 * float(shared) - self._more_noise) / min(
            len(self._noise), MEMORY
        )
        given = self.spectra, spectrum, self._ready(), self._more_noise
        grown = [one for track in self._tracks for one in track.grown(*given)]
        if not grown:
            self.scene += bool(self._tracks)
            self._waiting.clear()
            grown = [_Track(deque([np.zeros(2)], REMEMBERED), np.zeros(2))]
        self._tracks = _likeliest(grown)
        self._waiting.append((self._tracks[0].n_frames - 1, spectrum))
        return self.path[-1]

    def _ready(self):
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

    def _correlations(self, noise) -> np.ndarray:
        """Return how the noise of a frame correlates with that of the four before it."""
        found, before = np.zeros(MAX_LAG), list(self._noise)[::-1]
        if noise is None:
            return found
        all_of_them = [_correlation(noise, other) for other in before]
        # what frames far apart have in common is fine detail
        detail = all_of_them[-1] if len(all_of_them) > MAX_LAG else 0.0
        for lag, value in enumerate(all_of_them[:MAX_LAG]):
            found[lag] = (value - detail) / max(1 - detail, 1e-6)
        return found


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

        `ready` are frames, (number, spectrum), that it can now be compared with; their mean has
        `more_noise` than if they were independent.
        """
        for number, before in ready:
            aligned = before * spectra.ramp(self.path[number - self.n_frames])
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
    correlation = np.zeros((n_frames, MAX_LAG))
    for t in range(n_frames):
        frame = frames[t]
        position[t] = tracker.add(frame)
        scene[t] = tracker.scene
        # what looked likely may have proved wrong
        path = tracker.path
        position[t + 1 - len(path) : t + 1] = np.reshape(path, (-1, 2))
        correlation[t] = tracker.correlation
        if progress:
            progress()
    found = Registration(position, scene, correlation)
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


def _correlation(a, b):
    """Correlation of the noise of two frames, all detectors together; 0 if it may be chance."""
    if a is None or b is None:
        return 0.0
    both = (a != 0) & (b != 0)
    a, b = a[both], b[both]
    scale = np.sqrt(np.vdot(a, a).real * np.vdot(b, b).real)
    found = float(np.vdot(a, b).real / scale) if scale > 0 else 0.0
    return found if abs(found) > CHANCE / np.sqrt(max(1, len(a))) else 0.0


class Spectra:
    """Fourier transforms of frames of one shape, and how well two of them fit.

    Parameters
    ----------
    shape : (int, int, int)
        (Y, X, C).
    """

    def __init__(self, shape):
        from scipy.signal.windows import tukey

        height, width, _ = shape
        window = tukey(height, WINDOW)[:, None] * tukey(width, WINDOW)
        self._window = (window / np.sqrt(np.mean(window**2))).astype(np.float32)
        self.ky = scipy.fft.fftfreq(height)[:, None].astype(np.float32)
        self.kx = scipy.fft.rfftfreq(width).astype(np.float32)
        k = np.hypot(self.ky, self.kx)
        self._marks = (k * LONGEST_PERIOD >= 1) & (k <= 0.5)
        self._high = np.abs(self.ky[:, 0]) >= HIGH_FREQUENCY
        # the other half of the spectrum mirrors this one
        twice = np.where((self.kx == 0) | (self.kx == 0.5), 1.0, 2.0)
        self._twice = (twice * SHARED).astype(np.float32)
        n_rings = max(4, min(height, width) // 8)
        self._ring = np.minimum((k * 2 * n_rings).astype(int), n_rings)
        self._ring_size = np.bincount(self._ring.ravel(), minlength=n_rings + 1)

    def of(self, frame):
        """Return the spectra of a frame, (C, Y, X/2 + 1), in units of its noise.

        Two: what may mark a place, and what is noise at high frequencies along y, both 0 elsewhere;
        None and None of a blank frame.
        """
        planes = np.moveaxis(frame, -1, 0).astype(np.float32, order="C")
        planes -= planes.mean((1, 2), keepdims=True)
        size = np.abs(planes).max((1, 2), keepdims=True)
        if not size.any():
            return None, None
        planes *= self._window / np.where(size > 0, size, 1)
        spectrum = scipy.fft.rfft2(planes)
        high = spectrum[:, self._high]
        power = np.square(high.real) + np.square(high.imag)
        # noise is white along y, and at high frequencies along y there is little else; the mean of
        # the logarithm passes over spots
        level = np.exp(np.log(power + 1e-30).mean(1, keepdims=True) + np.euler_gamma)
        level = np.maximum(level, 1e-4 * level.mean((1, 2), keepdims=True))
        scale = np.where(size > 0, 1 / np.sqrt(np.maximum(level, 1e-30)), 0).astype(np.float32)
        noise = np.where(power * scale**2 < LIMIT**2, high * scale, 0)
        return spectrum * scale * self._marks, noise

    def ramp(self, position):
        """Return what moves a spectrum back by a drift (y, x) [px]."""
        y, x = 2j * np.pi * np.asarray(position)
        return (np.exp(y * self.ky) * np.exp(x * self.kx)).astype(np.complex64)

    def find(self, spectrum, reference, noise: float, expected, spread: float):
        """Find where a frame lies against a reference.

        Parameters
        ----------
        spectrum, reference : (C, Y, X/2 + 1) arrays
            From `of`; the reference is a mean of such, moved back by their drift.
        noise : float
            Noise variance of the reference, over that of a frame.
        expected : (y, x)
            Where it is expected to be beforehand [px].
        spread : float
            Standard deviation of that [px].

        Returns
        -------
        list of ((2,) array, float)
            Likely places [px] and the logarithms of their likelihoods, the likeliest first. Empty
            if the frame does not show what the reference does.
        """
        power = np.square(reference.real) + np.square(reference.imag)
        signal = self._signal(power, noise)
        weight = signal / (signal + noise)
        energy = 0.5 * float((power * weight**2 * self._twice).sum())
        product = (spectrum * reference.conj() * weight).sum(0) * self._twice
        expected = np.asarray(expected, float)

        def likelihood(centre, half, step):
            offsets = np.arange(-half, half + step / 2, step)
            y, x = centre[0] + offsets, centre[1] + offsets
            before = ((y - expected[0]) ** 2)[:, None] + (x - expected[1]) ** 2
            return y, x, self._fit(product, y, x) - before / (2 * spread**2)

        y, x, coarse = likelihood(expected, FASTEST + 1, 0.5)
        highest = (coarse == maximum_filter(coarse, 3)) & (coarse > coarse.max() - UNLIKELY)
        found = []
        for i, j in zip(*np.nonzero(highest)):
            place = y[i], x[j]
            for half, step in ((0.5, 0.1), (0.1, 0.02)):
                fine_y, fine_x, fit = likelihood(place, half, step)
                k, m = np.unravel_index(np.argmax(fit), fit.shape)
                place = fine_y[k], fine_x[m]
            found.append((np.array(place), float(fit[k, m]) - energy))
        found.sort(key=lambda one: -one[1])
        # what a frame that shows the same fits on average; of one frame that is not known well
        full = float((signal * weight * self._twice).sum())
        lost = noise < 0.4 and full > ENOUGH and found[0][1] + energy < LOST * full
        return [] if lost else found[:N_TRACKS]

    def _signal(self, power, noise):
        """Power of what a reference shows: on rings, and at each spot of a lattice."""
        signal = np.empty_like(power)
        for plane, out in zip(power, signal):
            for _ in range(2):  # once more without the spots
                rings = np.bincount(self._ring.ravel(), plane.ravel(), len(self._ring_size))
                level = (rings / np.maximum(self._ring_size, 1))[self._ring]
                plane = np.where(plane > SPOT * np.maximum(level, noise), level, plane)
            out[:] = np.maximum(level - noise, 0)
        return np.where(power > SPOT * (signal + noise), power - noise, signal) * self._marks

    def _fit(self, product, y, x):
        """Logarithm of the likelihood of places (y, x), but for a constant, (nY, nX)."""
        along_y = np.exp(2j * np.pi * y[:, None] * self.ky[:, 0]).astype(np.complex64)
        along_x = np.exp(2j * np.pi * self.kx[:, None] * x).astype(np.complex64)
        return (along_y @ product @ along_x).real.astype(float)
