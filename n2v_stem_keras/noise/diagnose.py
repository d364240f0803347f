"""Say of a movie what its noise is like, and whether a blind spot of one pixel may be used on it.

Noise2Void hides a pixel and predicts it from the others, so noise that neighbours share comes
through. In raw scans they share it along the fast axis x, for one of three reasons that the
autocorrelation tells apart: detector after-glow decays at once, scan-line jitter slowly, row
offsets never (a plateau). The first two are covered by a blind spot that is long along x
(structN2V; Broaddus et al., ISBI 2020); the third by none.

The paper assumes independent noise and does not test for it; this module is the test.
Few frames are read, evenly spaced: consecutive pairs where the movie has them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np

from ..io import as_movie
from ..io.movie import float32_problem
from ..temporal.registration import register
from ..undistort import (
    find_hum,
    row_displacement,
    row_jitter,
    rows_lie_beside,
    straightened,
)
from . import pixels, report
from .estimate import (
    CORRELATION_LIMIT,
    MIN_SIDE,
    NEIGHBOUR_LIMIT,
    NoiseEstimate,
    combined,
    detector_correlation,
    estimate_noise,
    noise_spectrum,
    row_share,
    suggest_span,
    without_rows,
)
from .gain import MIN_SIDE as GAIN_SIDE
from .gain import GainEstimate, fit_pairs
from .repeated import find_repeated, frame_key, say_repeated
from .rows import level_rows
from .sample import read_samples
from .spikes import find_spikes

RESAMPLED = 0.3  # lag-1 autocorrelation along both axes from which on frames were interpolated
FRAMES_REGISTERED, MOVIES_REGISTERED = 64, 3  # the first ones, for their drift
ROWS_SIDE = 64  # of frames whose rows are compared with a lattice [px]
SMALL = 0.005  # correlation that counts for nothing in how it decays
DOUBT = 2.0  # standard errors from which on a correlation is not called chance
NO_NOISE = 0.01  # noise sigma over standard deviation of the frames below which there is none


@dataclass(frozen=True)
class DetectorDiagnosis:
    """What was found of one detector. Numbers of separate images are their mean or median.

    Attributes
    ----------
    noise : NoiseEstimate or None
        None if no frame could be used. Of separate images the median sigma and mean correlations.
    noise_to_sd : float
        Noise sigma over the standard deviation of the frames.
    row_noise : float
        Variance of row means over what white noise of the same strength gives: 1 if white.
    row_share : float
        Share of the noise variance that whole rows have in common, the plateau of the
        autocorrelation along x; 0 if it is not significant.
    odd_image : tuple of (int, float) or None
        The one of separate images that is correlated most, and its lag 1 along x, if it is beyond
        the limit while the mean is not.
    cause : str
        Why pixels along x correlate, row offsets left aside: ``"white"`` (they do not),
        ``"after-glow"`` (decays from pixel to pixel), ``"jitter"`` (slowly), ``"periodic"`` (comes
        back), ``"sharpened"`` (neighbours are opposed) or ``"unknown"`` (frames too small).
    justified : bool or None
        Whether a blind spot of one pixel is; None if that cannot be known, as the frames are too
        small or a correlation above the limit is within its error. Not so with row offsets either,
        though no wider one helps.
    span : tuple of int
        Blind spot (y, x) [px] to use, ``n2v_span``.
    resampled, noise_free : bool
        Correlated by 0.3 or more along both axes; hardly any noise.
    gain : GainEstimate or None
        var = gain * mean + intercept; None without consecutive frames.
    levels : pixels.Levels or None
        Values as stored; of separate images the one with the fewest.
    dead, bright, dark : list of (int, int)
        Pixels (y, x) that never change, and that stand out in all frames.
    spikes : list of (int, int, int, int)
        Pixels that stand out of single frames: series, frame, y, x. They do not count as noise.
    constant : bool
        The detector has one value throughout each frame.
    """

    noise: NoiseEstimate | None = None
    noise_to_sd: float = np.nan
    row_noise: float = np.nan
    row_share: float = 0.0
    odd_image: tuple[int, float] | None = None
    cause: str = "unknown"
    justified: bool | None = None
    span: tuple[int, int] = (1, 1)
    resampled: bool = False
    noise_free: bool = False
    gain: GainEstimate | None = None
    levels: pixels.Levels | None = None
    dead: list = field(default_factory=list)
    bright: list = field(default_factory=list)
    dark: list = field(default_factory=list)
    constant: bool = False
    spikes: list = field(default_factory=list)


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found; ``print`` it.

    Attributes
    ----------
    name, axes, shape, pixel_size_nm
        As the movie's.
    looked_at : list of (int, int)
        Frames read, (series, frame).
    detectors : dict
        Name -> `DetectorDiagnosis`.
    correlation : numpy.ndarray or None
        (C, C), of the detectors' noise; None with one detector or without usable frames.
    correlation_se : float
        Its standard error.
    bad_frames : list of (int, int, str)
        Frames left out: series, frame, why.
    rows : str
        By how much rows lie beside their places, and the frequencies of hum in that, or beside
        those around them; empty where nothing tells.
    drift : str
        How the specimen moves from frame to frame; empty if there is one frame alone.
    warnings : list of str
        What needs attention and what to do, one sentence or two each.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    pixel_size_nm: float | None
    looked_at: list
    detectors: dict[str, DetectorDiagnosis]
    correlation: np.ndarray | None
    correlation_se: float
    bad_frames: list
    rows: str
    drift: str
    warnings: list[str]

    def __str__(self):
        return report.text(self)

    def as_dict(self):
        """Return all of it as numbers, strings, lists and dicts, for JSON; nan becomes None."""
        return _plain(
            {
                **{key: getattr(self, key) for key in ("name", "axes", "shape", "pixel_size_nm")},
                "looked_at": self.looked_at,
                "detectors": {
                    name: {**asdict(found), "blind_spot": report.blind_spot(found)}
                    for name, found in self.detectors.items()
                },
                "correlation": self.correlation,
                "correlation_se": self.correlation_se,
                "bad_frames": self.bad_frames,
                "rows": self.rows,
                "drift": self.drift,
                "warnings": self.warnings,
            }
        )


def diagnose(movie, axes=None, detectors=None, pixel_size_nm=None):
    """Measure the noise of a movie and say in words what it means for Noise2Void.

    Parameters
    ----------
    movie : array_like, path, io.Movie or lazy sequence of frames
        Left as it is. At most 16 frames are read (fewer of very large frames, two at least),
        evenly spaced, as consecutive pairs where there are such.
    axes : str, optional
        Letters of ``STCYX``; of arrays ``"TYXC"``, ``"TYX"`` or ``"YX"`` by default. Separate
        images (S) are diagnosed one by one and summarised.
    detectors : sequence of str, optional
        Their names, if the movie has none.
    pixel_size_nm : float, optional
        [nm/px], if the movie does not say.

    Returns
    -------
    Diagnosis

    Raises
    ------
    io.MovieError
        The file cannot be read, axes and shape do not fit, or `axes` are not those of an
        `io.Movie`.
    """
    if axes is None and hasattr(movie, "ndim"):
        axes = {2: "YX", 3: "TYX"}.get(movie.ndim)
    movie = as_movie(movie, axes, detectors, pixel_size_nm)
    names = movie.detectors or tuple(f"detector {c}" for c in range(movie.n_detectors))
    if movie.detectors is None and movie.n_detectors == 1:
        names = ("detector",)
    samples = read_samples(movie)
    usable = [sample.without_bad() for sample in samples]
    straight = _straightened(usable)
    found = {
        name: _diagnose_detector(*([s.of_detector(c) for s in many] for many in (usable, straight)))
        for c, name in enumerate(names)
    }
    correlation, correlation_se = _correlation([sample.complete() for sample in usable])
    diagnosis = Diagnosis(
        name=movie.name,
        axes=movie.axes,
        shape=movie.shape,
        pixel_size_nm=movie.pixel_size_nm,
        looked_at=[(s.series, t) for s in samples for t in s.times],
        detectors=found,
        correlation=correlation,
        correlation_se=correlation_se,
        bad_frames=[bad for s in samples for bad in s.bad(names)],
        rows=_rows(samples, movie.frame_time_s),
        drift="",
        warnings=[],
    )
    drift, complaints = _frames_together(movie, samples)
    diagnosis = replace(diagnosis, drift=drift)
    complaints = _beyond_float32(usable, names) + complaints
    return replace(diagnosis, warnings=report.warnings(diagnosis) + complaints)


def _beyond_float32(samples, names):
    """Say what keeps a movie from being denoised as it is, once."""
    for sample in samples:
        for frame in sample.frames:
            if problem := float32_problem(frame):
                return [f"{names[problem[0]]}: {problem[1]}"]
    return []


def _straightened(samples):
    """Return samples with rows put back where they lie beside their places in most.

    What displaces rows differs from row to row and passes for noise that is correlated along x.
    """
    looked_at = [s.frames[len(s.frames) // 2] for s in samples[:MOVIES_REGISTERED] if len(s.frames)]
    told = [rows_lie_beside(level_rows(frame.astype(np.float32))) for frame in looked_at]
    if not told or np.mean(told) <= 0.5:
        return samples
    return [
        replace(s, frames=np.stack([straightened(f.astype(np.float32))[0] for f in s.frames]))
        if len(s.frames)
        else s
        for s in samples
    ]


def _rows(samples, frame_time_s):
    """Say where the rows of a frame of the first few movies lie, by their lattice or each other."""
    found = []
    for sample in samples[:MOVIES_REGISTERED]:
        if not len(sample.frames) or min(sample.frames.shape[1:3]) < ROWS_SIDE:
            continue
        frame = sample.frames[len(sample.frames) // 2]
        measured = row_displacement(frame)
        if measured is None or not np.isfinite(measured.rms_px[1]):
            jitter = row_jitter(frame)
            if not jitter.stands_out:
                continue
            words = f"rows lie {jitter.rms_px:.2f} px rms beside those around them along x"
        else:
            a_second = len(measured.displacement_px) / frame_time_s if frame_time_s else None
            hums = [_hum_in_words(hum, a_second) for hum in find_hum(measured)]
            words = f"rows lie {measured.rms_px[1]:.2f} px rms beside their places along x"
            if hums:
                words += f"; hum of {' and '.join(hums)}"
        found.append(f"movie {sample.series}: {words}" if len(samples) > 1 else words)
    return "; ".join(found)


def _hum_in_words(hum, rows_a_second):
    """Say how fast a hum is, in Hz where the time of a frame is known, and how large."""
    words = f"{hum.cycles:.3f} cycles a row"
    if rows_a_second:
        words += f", {hum.cycles * rows_a_second:.3g} Hz by the frame time"
    return f"{words} ({hum.rms_px:.2f} px)"


def _frames_together(movie, samples):
    """Say how the first frames of each movie move, and what keeps them from being compared."""
    drifts, complaints = [], []
    read = {s.series: dict(zip(s.times, map(frame_key, s.frames))) for s in samples if s.times}
    blank = {s.series: {t for t, f in zip(s.times, s.frames) if not np.ptp(f)} for s in samples}
    together = movie.n_frames > 1 and min(movie.frame_shape) >= MIN_SIDE
    for s, frames in enumerate(movie.series()):
        where = f"movie {s}: " if movie.n_series > 1 else ""
        keys, said = read.get(s, {}), []
        if together and s < MOVIES_REGISTERED:
            first = _First(frames, FRAMES_REGISTERED)
            registration = register(first)
            drifts.append(where + registration.drift())
            said, keys = registration.complaints(), keys | first.keys
        keys = {t: key for t, key in keys.items() if t not in blank.get(s, ())}
        if repeated := find_repeated(keys):
            said = [say_repeated(repeated, len(keys)), *said]
        complaints += [where + text for text in said]
    return "; ".join(drifts), complaints


class _First:
    """The first frames of a movie, without what cannot be compared; `keys` are those of frames.

    Drift has no unit: what float32 cannot hold is told from its least value, in its range.
    """

    def __init__(self, frames, n):
        self.frames, self.shape = frames, (min(n, len(frames)), *frames.shape[1:])
        self.keys, self._range = {}, None

    def __getitem__(self, t):
        frame = np.asarray(self.frames[t])
        if np.ptp(frame):
            self.keys[t] = frame_key(frame)
        if self._range is None and float32_problem(frame):
            low = frame.min(axis=(0, 1)).astype(np.longdouble)
            self._range = low, frame.max(axis=(0, 1)).astype(np.longdouble) - low
        if self._range is not None:
            low, size = self._range
            frame = (frame.astype(np.longdouble) - low) / np.where(size > 0, size, 1)
        return np.nan_to_num(frame.astype(np.float32), posinf=0, neginf=0)


def _diagnose_detector(samples, straight):
    """Diagnose one detector from the samples of each series, with frames (T, Y, X).

    The noise is that of the `straight` ones, whose rows were put back.
    """
    constant = all(len(s.frames) == 0 for s in samples)
    samples = [s for s in samples if len(s.frames)]
    if constant:
        return DetectorDiagnosis(constant=True)
    estimates = [estimate_noise(s.frames) for s in straight if len(s.frames)]
    noise, defects = combined(estimates), _defects(samples, estimates)
    spikes = _spikes(samples, estimates, defects)
    stored, samples = samples, [s.without_spikes(spikes) for s in samples]
    sd = np.median([np.mean([np.std(f, dtype=float) for f in s.frames]) for s in samples])
    pairs = [pair for s in samples for pair in s.pairs()]
    big_enough = min(samples[0].frames.shape[1:]) >= GAIN_SIDE
    return DetectorDiagnosis(
        noise=noise,
        noise_to_sd=float(noise.sigma / sd),
        odd_image=_odd_image(samples, estimates),
        gain=fit_pairs(pairs) if pairs and big_enough else None,
        levels=_levels(stored),
        spikes=spikes,
        **_correlated(noise, noise.sigma / sd),
        **_row_noise(samples),
        **defects,
    )


def _correlated(noise, noise_to_sd):
    """Cause of the correlation, blind spot, and whether there is noise at all."""
    if not np.isfinite(noise.lag1_x):
        return {}
    slack = CORRELATION_LIMIT + 3 * noise.lag1_se
    resampled = min(noise.lag1_x, noise.lag1_y) > RESAMPLED
    plateau = row_share(noise)
    rest = without_rows(noise)
    span = suggest_span(rest)
    noise_free = noise_to_sd < NO_NOISE
    is_white = span == (1, 1) and not plateau and abs(noise.lag1_y) <= slack
    # more than is allowed, and not by chance, but too little to be sure of
    doubtful = rest.acf_x[1] > max(NEIGHBOUR_LIMIT, DOUBT * noise.lag1_se)
    justified = bool(is_white and not resampled and not noise_free)
    return {
        "row_share": plateau,
        "cause": "white" if span == (1, 1) else _cause(rest),
        "span": span,
        "resampled": resampled,
        "noise_free": bool(noise_free),
        "justified": None if justified and doubtful else justified,
    }


def _cause(noise):
    """Name what an autocorrelation that is not white looks like, row offsets left aside."""
    lags, error = noise.acf_x[1:], 3 * noise.lag1_se
    if np.abs(lags[1:]).max() > abs(lags[0]) + NEIGHBOUR_LIMIT + error:
        return "periodic"
    if lags[0] < 0:
        return "sharpened"
    # after-glow decays by half or more from pixel to pixel, or by what is left at the first of them
    decay = lags[0] * max(lags[0], 0.5) ** np.arange(len(lags))
    return "jitter" if np.any(np.abs(lags) > decay + SMALL + error) else "after-glow"


def _row_noise(samples):
    """Variance of row means over that of white noise of the same strength, mean over images."""
    if min(samples[0].frames.shape[1:]) < MIN_SIDE:
        return {}
    spectra = [noise_spectrum(s.frames) for s in samples]
    ratios = [spectrum[0] / spectrum.mean() for spectrum in spectra if spectrum.mean() > 0]
    return {"row_noise": float(np.mean(ratios)) if ratios else np.nan}


def _odd_image(samples, estimates):
    """Of separate images the one with the most correlation, if only it and few are beyond."""
    lags = np.array([e.lag1_x for e in estimates])
    if len(lags) < 2 or not np.isfinite(lags).all():
        return None
    worst = int(np.argmax(lags))
    slack = NEIGHBOUR_LIMIT + 3 * estimates[worst].lag1_se
    if lags[worst] <= slack or lags.mean() > NEIGHBOUR_LIMIT:
        return None
    return samples[worst].series, float(lags[worst])


def _levels(samples):
    """Levels of the image that has the fewest, clipped if any is."""
    found = [pixels.levels(s.frames) for s in samples]
    low = max(found, key=lambda one: (one.clipped_low, one.share_lowest))
    high = max(found, key=lambda one: (one.clipped_high, one.share_highest))
    return replace(
        min(found, key=lambda one: one.number),
        lowest=min(one.lowest for one in found),
        highest=max(one.highest for one in found),
        share_lowest=low.share_lowest,
        clipped_low=low.clipped_low,
        share_highest=high.share_highest,
        clipped_high=high.clipped_high,
    )


def _defects(samples, estimates):
    """Dead, bright and dark pixels, at the same place in all frames of all images."""
    scale = [e.sigma or 1.0 for e in estimates]
    frames = np.concatenate([s.frames / one for s, one in zip(samples, scale)])
    has_noise = all(e.sigma > 0 for e in estimates)
    bright, dark = pixels.isolated_pixels(frames, 1.0 if has_noise else 0.0)
    dead = pixels.stuck_pixels(np.concatenate([s.frames for s in samples]))
    return {"dead": dead.tolist(), "bright": bright.tolist(), "dark": dark.tolist()}


def _spikes(samples, estimates, defects):
    """Pixels that stand out of single frames, but not of all."""
    hot = {tuple(place) for kind in ("bright", "dark") for place in defects[kind]}
    return [
        (s.series, t, int(y), int(x))
        for s, one in zip(samples, estimates)
        for t, frame in zip(s.times, s.frames)
        for y, x in find_spikes(frame, one.sigma)
        if (y, x) not in hot
    ]


def _correlation(samples):
    """Correlation of the detectors' noise, mean over images, and its standard error."""
    samples = [s for s in samples if len(s.frames)]
    if not samples:
        return None, np.nan
    *side, n_detectors = samples[0].frames.shape[1:]
    if n_detectors < 2 or min(side) < MIN_SIDE:
        return None, np.nan
    found = [detector_correlation(s.frames) for s in samples]
    n_values = sum(s.frames[..., 0].size for s in samples)
    return np.mean(found, axis=0), float(2 / np.sqrt(n_values))


def _plain(value):
    """As plain numbers, strings, lists and dicts; what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value
