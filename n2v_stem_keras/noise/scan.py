"""Scans as bad as a microscope's: one description, and a movie that is scanned so.

A `Scan` says what a scan does to the image of a specimen. Some of it the image itself suffers, and
so does the truth to score against (`ScannedMovie.truth`): rows lie beside their places (vibration,
mains hum, drift within a frame, the beam's way back), the support is uneven, pixels glow on. The
rest is noise: electrons that are counted, offsets and gains of rows, spikes, few levels, clipping.

`SCANS` are three strengths of all of it; where real scans could be measured, they are what was
found (`benchmarks/scans.py`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from .make import add_poisson_noise, after_glow

FLYBACK_DECAY_PX = 4.0  # from how far on the beam has come to rest


@dataclass(frozen=True)
class Scan:
    """What a scan does to an image.

    Attributes
    ----------
    jitter_px : (float, float)
        Standard deviation of the displacement (y, x) of each row by itself [px].
    walk_px : (float, float)
        Of the step (y, x) that a displacement makes from row to row [px]; it comes back within a
        frame (an Ornstein-Uhlenbeck process of 64 rows).
    hum_px : tuple of float
        Rms displacement by each hum [px].
    hum_cycles : tuple of float
        Its frequency [cycles per row], that of the mains times the time of a row.
    drift_px : (float, float)
        By how much the specimen drifts while a frame is scanned, (y, x) [px]: shear, and stretch.
    flyback_px : float
        By how much the first pixel of a row is displaced, on the way back of the beam [px].
    support : float
        Standard deviation of an uneven support's signal, over that of the movie.
    support_px : float
        Its correlation length [px].
    glow : float
        Lag-1 autocorrelation that white noise gets along x, as `after_glow`.
    long_glow : float
        Share of the signal that comes 8 px late on average, beside it.
    row_offset : float
        Standard deviation of the offsets of rows, over that of the noise.
    row_gain : float
        Of the gains of rows.
    spikes : float
        Share of pixels that are hit.
    levels : int or None
        Number of levels that values are rounded to, from the least to the largest of a movie.
    clipped : float
        Share of pixels that lie below the lowest level.
    """

    jitter_px: tuple[float, float] = (0.0, 0.0)
    walk_px: tuple[float, float] = (0.0, 0.0)
    hum_px: tuple[float, ...] = ()
    hum_cycles: tuple[float, ...] = ()
    drift_px: tuple[float, float] = (0.0, 0.0)
    flyback_px: float = 0.0
    support: float = 0.0
    support_px: float = 40.0
    glow: float = 0.0
    long_glow: float = 0.0
    row_offset: float = 0.0
    row_gain: float = 0.0
    spikes: float = 0.0
    levels: int | None = None
    clipped: float = 0.0

    def __post_init__(self):
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if isinstance(value, (list, np.ndarray)):
                object.__setattr__(self, one.name, tuple(np.asarray(value).tolist()))
        for name in ("jitter_px", "walk_px", "drift_px"):
            pair = np.asarray(getattr(self, name), float)
            fits = pair.shape == (2,) and np.isfinite(pair).all()
            if not fits or (name != "drift_px" and (pair < 0).any()):
                self._refuse(name, "(y, x), two numbers of at least 0 [px]")
        for name in ("hum_px", "row_offset", "row_gain", "support", "flyback_px"):
            if not (
                np.isfinite(getattr(self, name)).all()
                and (np.asarray(getattr(self, name)) >= 0).all()
            ):
                self._refuse(name, "at least 0")
        if len(self.hum_px) != len(self.hum_cycles):
            self._refuse("hum_cycles", f"one for each of hum_px {self.hum_px}")
        if not all(0 < f <= 0.5 for f in self.hum_cycles):
            self._refuse("hum_cycles", "above 0 and at most 0.5 cycles per row, as they are seen")
        for name in ("glow", "long_glow", "spikes", "clipped"):
            if not 0 <= getattr(self, name) < 1:
                self._refuse(name, "at least 0 and below 1")
        if not self.support_px > 0:
            self._refuse("support_px", "a length above 0 [px]")
        if self.levels is not None and not self.levels >= 2:
            self._refuse("levels", "at least 2, or None")

    def _refuse(self, name, expected):
        raise ValueError(f"{name} is {getattr(self, name)!r}; expected {expected}")


@dataclass(frozen=True)
class ScannedMovie:
    """A movie as a scan shows it.

    Attributes
    ----------
    noisy : (T, Y, X, C) float32
    truth : (T, Y, X, C) float32
        The same without noise, equally distorted: the truth to score against.
    displacement_px : (T, Y, X, 2) float32
        Where in the undistorted frame each pixel was taken, less its place: (y, x) [px].
    scan : Scan
    """

    noisy: np.ndarray
    truth: np.ndarray
    displacement_px: np.ndarray
    scan: Scan


# Correlation along x, levels and clipping are those that a sixth, half and five sixths of 33 real
# frames lie below (benchmarks/results/scans.md). Of the three frames of known pixel size that told,
# rows lay 5 and 8 pm beside their neighbours in two, 0.3 pm in one: 0.1 to 0.2 px and next to
# nothing at 0.046 nm/px. 'bad' has twice as much, as fewer have been measured.
SCANS = {
    "mild": Scan(
        jitter_px=(0.02, 0.02), hum_px=(0.05,), hum_cycles=(0.21,), drift_px=(0.3, 0.3),
        support=0.1, glow=0.045, row_offset=0.03, row_gain=0.0005, levels=65536,
    ),
    "typical": Scan(
        jitter_px=(0.1, 0.1), walk_px=(0.01, 0.02), hum_px=(0.12, 0.08), hum_cycles=(0.21, 0.36),
        drift_px=(0.6, 1.0), flyback_px=1.0, support=0.3, glow=0.085, row_offset=0.06,
        row_gain=0.001, spikes=1e-5, levels=16384,
    ),
    "bad": Scan(
        jitter_px=(0.2, 0.3), walk_px=(0.03, 0.05), hum_px=(0.3, 0.2), hum_cycles=(0.21, 0.36),
        drift_px=(1.0, 2.0), flyback_px=3.0, support=0.6, glow=0.24, long_glow=0.03,
        row_offset=0.2, row_gain=0.005, spikes=1e-4, levels=512, clipped=0.0005,
    ),
}  # fmt: skip


def as_scan(scan) -> Scan:
    """Return a `Scan`, or the one of a name; ValueError if there is none."""
    if isinstance(scan, Scan):
        return scan
    if scan not in SCANS:
        raise ValueError(f"there is no scan {scan!r}; expected a Scan, or one of {list(SCANS)}")
    return SCANS[scan]


def scan_movie(clean, scan, seed, psnr_db=None, dose_e_px=None, noise_seed=None) -> ScannedMovie:
    """Scan a clean movie.

    Parameters
    ----------
    clean : array_like
        (T, Y, X, C); left as it is. For counted electrons fractions of the beam.
    scan : Scan or {'mild', 'typical', 'bad'}
    seed : int, numpy.random.SeedSequence or sequence of int
        Source of randomness. A longer movie does not begin with the shorter one.
    psnr_db : float or array_like, optional
        PSNR of white noise before pixels glow on, one for all detectors or one for each [dB]. The
        range is that of the clean movie's frames, on average.
    dose_e_px : float, optional
        Or electrons that are counted, at this dose [e-/px].
    noise_seed : as `seed`, optional
        Source of the noise alone: the same distortions in other noise.

    Returns
    -------
    ScannedMovie
        In the unit of the clean movie, or in electrons where they are counted.

    Raises
    ------
    ValueError
        The movie is no (T, Y, X, C), or neither or both of the noise levels are given.
    """
    clean, scan = np.asarray(clean, np.float32), as_scan(scan)
    if clean.ndim != 4:
        raise ValueError(f"clean has shape {clean.shape}; expected (T, Y, X, C)")
    if (psnr_db is None) == (dose_e_px is None):
        raise ValueError("give psnr_db or dose_e_px, one of the two")
    rngs = [np.random.default_rng(s) for s in _sequence(seed).spawn(6)]
    if noise_seed is not None:
        rngs[2:] = [np.random.default_rng(s) for s in _sequence(noise_seed).spawn(4)]
    moved_by = displacement(scan, clean.shape[:3], rngs[0])
    specimen = _supported(clean, scan, rngs[1])
    seen = np.stack([_moved(frame, by) for frame, by in zip(specimen, moved_by)])
    if dose_e_px is None:
        span = np.ptp(clean, axis=(1, 2)).mean(axis=0)
        sigma = span / 10 ** (np.broadcast_to(psnr_db, span.shape) / 20)
        noisy = seen + (sigma * rngs[2].standard_normal(seen.shape)).astype(np.float32)
    else:
        seen = np.maximum(seen, 0)  # splines undershoot
        noisy = add_poisson_noise(seen, dose_e_px, rngs[2])
        seen = (seen * np.float32(dose_e_px)).astype(np.float32)
        sigma = (noisy - seen).std(axis=(0, 1, 2))
    noisy, truth = _glowing(noisy, scan), _glowing(seen, scan)
    noisy = _with_rows(noisy, scan, sigma, rngs[3])
    noisy = _hit(noisy, scan, sigma, rngs[4])
    return ScannedMovie(_stored(noisy, scan), truth, moved_by, scan)


def displacement(scan: Scan, shape, rng) -> np.ndarray:
    """Draw where a scan takes its pixels, less their places.

    Parameters
    ----------
    scan : Scan
    shape : (int, int, int)
        (T, Y, X).
    rng : numpy.random.Generator

    Returns
    -------
    (T, Y, X, 2) float32 array
        (y, x) [px].
    """
    from scipy.signal import lfilter

    n_frames, height, width = shape
    found = np.zeros((*shape, 2), np.float32)
    rows = rng.standard_normal((2, n_frames, height, 2))
    # comes back within 64 rows, so that a frame of many does not wander off
    memory = np.exp(-1 / 64)
    rows[1, :, 0] /= np.sqrt(1 - memory**2)  # begins as it goes on
    walk = lfilter([1], [1, -memory], rows[1], axis=1)
    rows = rows[0] * scan.jitter_px + walk * scan.walk_px
    found += rows[:, :, None].astype(np.float32)
    time = np.arange(height)[:, None] + np.arange(width) / width  # [rows]
    for rms, cycles in zip(scan.hum_px, scan.hum_cycles):
        direction, phases = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi, n_frames)
        # mostly along x, since rows are compared with rows
        along = np.array([0.3 * np.sin(direction), 1.0])
        along *= np.sqrt(2) * rms / np.linalg.norm(along)
        wave = np.sin(2 * np.pi * cycles * time + phases[:, None, None])
        found += (wave[..., None] * along).astype(np.float32)
    middle = (height - 1) / 2
    drifting = (np.arange(height) - middle)[:, None] / height * np.array(scan.drift_px)
    found += drifting[:, None].astype(np.float32)
    found[..., 1] -= (scan.flyback_px * np.exp(-np.arange(width) / FLYBACK_DECAY_PX)).astype(
        np.float32
    )
    return found


def _sequence(seed):
    return seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)


def _moved(frame, by):
    """Take the pixels of a frame (Y, X, C) at other places; beyond the border it is mirrored."""
    from scipy.ndimage import map_coordinates

    if not by.any():
        return frame.copy()
    places = np.moveaxis(np.indices(frame.shape[:2]).transpose(1, 2, 0) + by, -1, 0)
    planes = [
        map_coordinates(plane, places, order=3, mode="mirror")
        for plane in np.moveaxis(frame, -1, 0).astype(float)
    ]
    return np.stack(planes, -1).astype(np.float32)


def _supported(clean, scan, rng):
    """Add an uneven support, which stays: where detectors show atoms dark, it is dark, too."""
    from scipy.ndimage import gaussian_filter

    if not scan.support:
        return clean
    # amorphous: rough at all lengths, from a few pixels on
    film = sum(
        gaussian_filter(rng.standard_normal(clean.shape[1:3]), scan.support_px / n, mode="wrap")
        * scan.support_px / n**1.5
        for n in (1, 3, 9)
    )  # fmt: skip
    film = (film - film.mean()) / film.std()
    deviation = clean - clean.mean(axis=(1, 2), keepdims=True)
    sd = deviation.std(axis=(0, 1, 2))
    alike = (deviation * deviation[..., :1]).mean(axis=(0, 1, 2))
    strength = scan.support * sd * np.where(alike < 0, -1, 1)
    # of counted fractions of the beam, too, nothing is below 0
    film = film - film.min() if clean.min() >= 0 else film
    return (clean + film[..., None] * strength).astype(np.float32)


def _glowing(frames, scan):
    frames = after_glow(frames, scan.glow) if scan.glow else frames
    if not scan.long_glow:
        return frames
    late = after_glow(frames, np.exp(-1 / 8))
    return ((1 - scan.long_glow) * frames + scan.long_glow * late).astype(np.float32)


def _with_rows(frames, scan, sigma, rng):
    """Give each row a gain and an offset."""
    shape = (*frames.shape[:2], 1, frames.shape[3])
    gains, offsets = 1 + scan.row_gain * rng.standard_normal(shape), rng.standard_normal(shape)
    return (frames * gains + scan.row_offset * sigma * offsets).astype(np.float32)


def _hit(frames, scan, sigma, rng):
    """Let some pixels be hit, by 8 sigma and more."""
    hit = rng.random(frames.shape) < scan.spikes
    return (frames + hit * sigma * (8 + rng.exponential(8, frames.shape))).astype(np.float32)


def _stored(frames, scan):
    """Clip, and round to levels, detector by detector; in the units they have."""
    if scan.levels is None and not scan.clipped:
        return frames
    low = np.quantile(frames, scan.clipped, axis=(0, 1, 2)).astype(np.float32)
    frames = np.maximum(frames, low)
    if scan.levels is None:
        return frames
    step = np.maximum(frames.max(axis=(0, 1, 2)) - low, 1e-30) / (scan.levels - 1)
    return (low + np.round((frames - low) / step) * step).astype(np.float32)
