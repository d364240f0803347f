"""How far a model can be trusted: limits learnt at the end of training, checked at prediction.

Two parts of thresholds.json, per detector. ``noise``: how correlated the noise may be before the
blind spot leaks, and how far the mean of the residual may lie from zero. ``domain``: the ranges of
noise level and pixel size seen in training, free of gain: noise sigma over the standard deviation
of the movie, and nm per px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .atoms import sign_of
from .metrics.content import Content, content_of
from .metrics.scales import LEAST, MOST, SPOT, Scales, scales
from .noise import (
    CORRELATION_LIMIT,
    NEIGHBOUR_LIMIT,
    NoiseEstimate,
    combined,
    estimate_noise,
    row_share,
    suggest_span,
    without_rows,
)
from .noise.empty import longest_run
from .temporal.registration import middle

MAX_FRAMES = 16  # enough for a noise estimate of a movie; evenly spaced
FEWEST_ROWS = 8  # of a scan that stopped, to tell noise by
# noise levels and pixel sizes within these factors of those seen in training count as seen
NOISE_MARGIN, PIXEL_MARGIN = 1.25, 1.1
PIXEL_NM = (0.001, 1.0)  # sizes of pixels that columns of atoms are seen with [nm]
PERIOD_NM = (0.06, 2.0)  # periods of crystals along some direction [nm]
# a spot of a lattice beyond doubt has so much more power than what is around; one that training
# may have seen, so much
LATTICE, LATTICE_SEEN = 30.0, 10.0
CLEAR = 0.1  # share of the variance that is no noise, from which on no lattice means there is none
SLOW_MARGIN, LATTICE_FACTOR, PERIOD_FACTOR = 0.4, 4.0, 1.25  # beyond what training saw
SURE, LIKELY = 4.0, 3.0  # standard errors
RESIDUAL_MEAN_MAX_SIGMA = 0.02  # at least; or twice what training frames show
RESIDUAL_MARGIN = 1.25  # of what the residual of training frames holds, by periods
WATCHED_PX = 1024  # of larger frames the middle is looked at


@dataclass(frozen=True)
class DetectorNoise:
    """Noise of one detector of one movie.

    Attributes
    ----------
    estimate : NoiseEstimate
        In the movie's units.
    noise_to_sd : float
        Noise sigma over the standard deviation of the movie.
    content : Content or None
        What there is beside noise.
    """

    estimate: NoiseEstimate
    noise_to_sd: float
    content: Content | None = None


def sample_frames(n_frames: int, blank=(), at_most: int = MAX_FRAMES) -> list[int]:
    """Return evenly spaced frames that are not blank."""
    usable = np.setdiff1d(np.arange(n_frames), np.asarray(blank, int))
    places = np.unique(np.linspace(0, len(usable) - 1, min(at_most, len(usable))).round())
    return usable[places.astype(int)].tolist() if len(usable) else []


def sample_whole(statistics, at_most: int = MAX_FRAMES) -> list[int]:
    """Return evenly spaced frames of which no detector has empty rows; if none, others not blank.

    Parameters
    ----------
    statistics : MovieStatistics
    at_most : int
    """
    n_frames = statistics.n_frames
    whole = sample_frames(n_frames, statistics.incomplete, at_most)
    return whole or sample_frames(n_frames, statistics.blank_frames, at_most)


def measure(
    frames, statistics, at_most: int = MAX_FRAMES, among=None, rows: slice = slice(None)
) -> list[DetectorNoise]:
    """Estimate the noise of each detector of a movie, or of a part of it.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
    statistics : MovieStatistics
    at_most : int
        Number of frames to read.
    among : sequence of int, optional
        Frames of the part; default all.
    rows : slice
        Rows of the part.

    Returns
    -------
    list of DetectorNoise
        One per detector, in units of the whole movie; empty if all frames are blank.
    """
    others = () if among is None else np.setdiff1d(np.arange(len(frames)), among)
    numbers = sample_frames(len(frames), np.union1d(statistics.blank_frames, others), at_most)
    if not numbers:
        return []
    stack = [np.asarray(frames[t]) for t in numbers]
    stack = np.stack(stack) if len(stack) > 1 else stack[0][None]  # (T, Y, X, C)
    found = []
    for c, sd in enumerate(statistics.sd):
        complete = _complete(frames, stack, numbers, statistics, c, at_most, others)
        if stack.shape[1] == complete.shape[1]:  # not cut to what is not empty
            complete = complete[:, rows]
        estimate = estimate_noise(complete)
        content = content_of(np.asarray(complete), estimate.sigma)
        found.append(DetectorNoise(estimate, estimate.sigma / sd, content))
    return found


def _complete(frames, stack, numbers, statistics, c, at_most, others):
    """Return frames (T, Y, X) of a detector without empty rows; cropped if there are no others."""
    left_out = statistics.left_out(c)
    if not set(left_out) & set(numbers):
        return stack[..., c]
    whole = sample_frames(len(frames), np.union1d(left_out, others), at_most)
    if whole:
        return np.stack([np.asarray(frames[t])[..., c] for t in whole])
    partly = [i for i, t in enumerate(numbers) if not _rows(statistics, t, c).all()]
    if not partly:
        return stack[..., c]
    kept = longest_run(~np.any([_rows(statistics, numbers[i], c) for i in partly], axis=0))
    return stack[partly, kept, :, c] if kept.stop - kept.start >= FEWEST_ROWS else stack[..., c]


def _rows(statistics, t, c):
    """Return which rows of a frame are empty, of one detector; none that is not known of."""
    return statistics.empty[t][:, c] if t in statistics.empty else np.zeros(1, bool)


def span_for(measured) -> tuple[int, int]:
    """Choose the blind spot that covers the correlation of the noise of all movies and detectors.

    Parameters
    ----------
    measured : list of list of DetectorNoise
        One entry per movie; the correlations of movies are averaged.

    Returns
    -------
    (int, int)
        (y, x) [px].
    """
    known = [[n.estimate for n in movie] for movie in measured if movie]
    spans = [
        suggest_span(without_rows(combined(list(estimates))))
        for estimates in zip(*known)
        if np.isfinite([e.lag1_x for e in estimates]).all()  # tiny frames tell nothing
    ]
    return max(spans, default=(1, 1))


def learn(measured, pixel_sizes_nm, config, residual_means=(), residuals=None) -> dict:
    """Derive the ``noise`` and ``domain`` parts of thresholds.json from the training movies.

    Parameters
    ----------
    measured : list of list of DetectorNoise
        One entry per movie.
    pixel_sizes_nm : list of float or None
        One entry per movie [nm/px].
    config : N2VStemConfig
    residual_means : list of (C,) arrays
        Means of input minus output of training frames, in units of the noise sigma: what this
        network shifts intensities by where it is at home.
    residuals : dict, optional
        Detector name -> `metrics.scales.Scales` of training frames.

    Returns
    -------
    dict
        Detector name -> {'noise': {...}, 'domain': {...}}.
    """
    sizes = [size for size in pixel_sizes_nm if size]
    result = {}
    for c, name in enumerate(config.channels):
        noises = [movie[c] for movie in measured if movie]
        levels = [noise.noise_to_sd for noise in noises]
        domain = {"noise_to_sd": [min(levels) / NOISE_MARGIN, max(levels) * NOISE_MARGIN]}
        if sizes:
            domain["pixel_size_nm"] = [min(sizes) / PIXEL_MARGIN, max(sizes) * PIXEL_MARGIN]
        domain |= _contents([movie[c].content if movie else None for movie in measured],
                            pixel_sizes_nm)  # fmt: skip
        result[name] = {
            "noise": {
                "lag1_x_max": _lag1_limit(
                    [n.estimate.lag1_x for n in noises], config.span[1], NEIGHBOUR_LIMIT
                ),
                "lag1_y_max": _lag1_limit(
                    [n.estimate.lag1_y for n in noises], config.span[0], CORRELATION_LIMIT
                ),
                "residual_mean_max_sigma": max(
                    [RESIDUAL_MEAN_MAX_SIGMA, *(2 * abs(float(m[c])) for m in residual_means)]
                ),
            },
            "domain": domain,
        }
        if residuals and name in residuals:
            result[name]["noise"] |= _residual_limits(residuals[name])
    return _rounded(result)


def _residual_limits(found: Scales) -> dict:
    """Return what a residual may hold: what noise does, or what that of training frames does."""
    share = found.share if len(found.share) else np.ones(1)
    short = found.share[found.short] if found.short.any() else np.ones(1)
    spots = [share for _, share in found.spots]
    return {
        "residual_most": max(MOST, RESIDUAL_MARGIN * float(share.max())),
        "residual_least": min(LEAST, float(short.min()) / RESIDUAL_MARGIN),
        "residual_spot": max([SPOT, *(RESIDUAL_MARGIN * s for s in spots)]),
    }


def _lag1_limit(values, span: int, limit: float) -> float:
    """White noise if the blind spot is one pixel wide; else what the span was chosen for."""
    if span == 1:
        return limit
    known = [value for value in values if np.isfinite(value)]  # tiny frames have no correlation
    return max([CORRELATION_LIMIT, *known]) + CORRELATION_LIMIT


def _contents(contents, pixel_sizes_nm) -> dict:
    """Return the ranges of what was seen in training beside noise, without margins."""
    seen = [c for c in contents if c and c.is_seen]
    ranges = {}
    if seen:
        shares = [c.slow_share for c in seen]
        ranges["slow_share"] = [min(shares), max(shares)]
    clear = [c.lattice_share for c in seen if c.signal_share > CLEAR]
    if clear:
        ranges["lattice_share"] = [min(clear), max(clear)]
    periods = [
        c.period_px * size
        for c, size in zip(contents, pixel_sizes_nm)
        if c and size and c.contrast > LATTICE_SEEN
    ]
    if periods:
        ranges["period_nm"] = [min(periods), max(periods)]
    return ranges


def swapped(channels, measured) -> list[str]:
    """Complain if a dark-field detector shows dark columns while a bright-field one shows bright.

    Both must be beyond doubt; one alone may be a matter of the specimen. So must the lattice and
    what is in it: the gaps of a bare crystal may stand out more than its columns, and so may
    vacancies, but adatoms and columns together do not.
    """
    skew = {name: n.content for name, n in zip(channels, measured) if n.content is not None}
    found = []
    for bright in (name for name in skew if sign_of(name) > 0):
        for dark in (name for name in skew if sign_of(name) < 0):
            a, b = skew[bright], skew[dark]
            whole = min(-a.skewness / a.skewness_se, b.skewness / b.skewness_se)
            rest = min(-a.rest_skewness / a.rest_skewness_se, b.rest_skewness / b.rest_skewness_se)
            if whole > SURE and rest > LIKELY:
                found.append(
                    f"{bright} shows dark features and {dark} bright ones (skewness "
                    f"{a.skewness:+.2f} and {b.skewness:+.2f}): are the two detectors swapped? "
                    "Name them in the file's order with detectors="
                )
    return found


def wrong_size(channels, measured, pixel_size_nm) -> list[str]:
    """Complain of a pixel size that no atoms are seen with, or no crystal has."""
    if not pixel_size_nm:
        return []
    low, high = PIXEL_NM
    if not low <= pixel_size_nm <= high:
        return [
            f"pixel size {pixel_size_nm:.4g} nm: of atoms {low:g} to {high:g} nm is expected. Is "
            "the unit right? Say the size with pixel_size_nm="
        ]
    low, high = PERIOD_NM
    for name, noise in zip(channels, measured):
        content = noise.content
        if content is None or content.contrast < LATTICE:
            continue
        period = content.period_px * pixel_size_nm
        if not low <= period <= high:
            return [
                f"{name}: the lattice repeats after {content.period_px:.1f} px, which is "
                f"{period:.3g} nm with a pixel size of {pixel_size_nm:.4g} nm; of a crystal "
                f"{low:g} to {high:g} nm is expected. Is it right? Say the size with pixel_size_nm="
            ]
    return []


def without_size(thresholds: dict, channels, pixel_size_nm) -> list[str]:
    """Say that sizes cannot be compared where a movie has none, and its model knows some."""
    ranges = [thresholds.get(n, {}).get("domain", {}).get("pixel_size_nm") for n in channels]
    if pixel_size_nm or not any(ranges):
        return []
    low, high = next(filter(None, ranges))
    return [
        "the pixel size is not known, so whether atoms are as large as the model expects cannot "
        f"be told (trained for {low:.3g} to {high:.3g} nm). Say it with pixel_size_nm="
    ]


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}")


def complaints(measured, thresholds: dict, channels, pixel_size_nm=None) -> list[str]:
    """Compare a movie with the limits of a model.

    Returns
    -------
    list of str
        What is beyond its limits and what to do about it; one sentence each.
    """
    found = []
    for name, noise in zip(channels, measured):
        limits = thresholds.get(name, {})
        found += _noise_complaints(name, noise.estimate, limits.get("noise", {}))
        found += _domain_complaints(name, noise.noise_to_sd, limits.get("domain", {}))
        found += _content_complaints(name, noise, limits.get("domain", {}), pixel_size_nm)
    found += swapped(channels, measured)
    if wrong := wrong_size(channels, measured, pixel_size_nm):
        return found + wrong
    if pixel_size_nm:
        ranges = [thresholds.get(n, {}).get("domain", {}).get("pixel_size_nm") for n in channels]
        for low, high in {tuple(r) for r in ranges if r}:
            if not low <= pixel_size_nm <= high:
                found.append(
                    f"pixel size {pixel_size_nm:.4g} nm, trained for {low:.3g} to {high:.3g} nm; "
                    "the network looks for features of the wrong size. Train on this movie, or "
                    "resample before acquisition, not after"
                )
    return found


def _noise_complaints(name, estimate, limits):
    for axis, lag1 in (("x", estimate.lag1_x), ("y", estimate.lag1_y)):
        limit = limits.get(f"lag1_{axis}_max")
        # three standard errors, so that small frames do not cry wolf
        if limit is not None and lag1 > limit + 3 * estimate.lag1_se:
            yield (
                f"{name}: the noise is correlated along {axis} (lag 1: {lag1:.2f}, limit "
                f"{limit:.2f}), so the blind spot can leak and noise remain in the result. "
                + _cure(axis, estimate)
            )


def _cure(axis, estimate):
    if axis == "y":
        return "Was the movie interpolated, rotated or drift-corrected? Use the raw frames"
    if share := row_share(estimate):
        return (
            f"Rows are offset as a whole ({100 * share:.0f} % of the noise), which no blind spot "
            "covers: train with n2v_level_rows=True, as the laptop preset does where rows stand "
            "out, or subtract the offsets first; n2v-stem info tells more"
        )
    span = suggest_span(estimate)
    return f"Train with n2v_span={span}"


def _domain_complaints(name, noise_to_sd, limits):
    low, high = limits.get("noise_to_sd", (0, np.inf))
    if noise_to_sd < low or noise_to_sd > high:
        side = "less" if noise_to_sd < low else "more"
        yield (
            f"{name}: {side} noise than in training (sigma / sd of the movie {noise_to_sd:.2f}, "
            f"trained for {low:.2f} to {high:.2f}). Train on this movie, or start from this model "
            "(transfer_from)"
        )


def _content_complaints(name, noise, limits, pixel_size_nm):
    """Say where a movie shows something else than those of the training."""
    content = noise.content
    if content is None or not content.is_seen:
        return
    seen = limits.get("slow_share")
    if seen and content.slow_share > seen[1] + SLOW_MARGIN:
        yield (
            f"{name}: {100 * content.slow_share:.0f} % of what is no noise is uneven background, "
            f"in training at most {100 * seen[1]:.0f} %: another specimen, on which the network "
            "may draw clusters or lattice that are not there. Train on this movie"
        )
    seen = limits.get("lattice_share")
    expected = seen[0] / LATTICE_FACTOR if seen and content.signal_share > CLEAR else 0
    if content.lattice_share < expected and content.least_lattice < expected:
        yield (
            f"{name}: {100 * content.lattice_share:.1f} % of what is no noise is lattice, in "
            f"training {100 * seen[0]:.2g} to {100 * seen[1]:.2g} %: another specimen, on which "
            "the network may draw lattice that is not there. Train on this movie"
        )
    seen = limits.get("period_nm")
    if seen and pixel_size_nm and content.contrast > LATTICE:
        period = content.period_px * pixel_size_nm
        if not seen[0] / PERIOD_FACTOR <= period <= seen[1] * PERIOD_FACTOR:
            yield (
                f"{name}: the lattice repeats after {period:.3g} nm, in training after "
                f"{seen[0]:.3g} to {seen[1]:.3g} nm: another crystal, or the pixel size is wrong. "
                "Train on this movie"
            )


class ResidualWatch:
    """Looks at a few frames while a movie is denoised: is what is taken away noise?

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
    statistics : MovieStatistics
    n_frames : int
        Number of frames to look at.
    """

    def __init__(self, frames, statistics, n_frames: int = 4):
        self.frames = frames
        self.numbers = sample_whole(statistics, n_frames)
        self._means, self._parts = [], []

    def see(self, t: int, denoised) -> None:
        """Look at one denoised frame, (Y, X, C), if it is among those chosen."""
        if t in self.numbers:
            raw = np.asarray(self.frames[t])
            planes = ((raw[..., c], denoised[..., c]) for c in range(raw.shape[-1]))
            self._means.append([np.subtract(*pair, dtype=np.float64).mean() for pair in planes])
            part = middle(raw.shape[:2], WATCHED_PX)
            self._parts.append([np.array(v[part], np.float32) for v in (raw, denoised)])

    def scales(self) -> list[Scales]:
        """Return for each detector how much of the noise is taken away, by periods."""
        raw, denoised = (np.stack(parts) for parts in zip(*self._parts))
        return [scales(raw[..., c], denoised[..., c]) for c in range(raw.shape[-1])]

    def mean_in_sigmas(self, measured) -> np.ndarray:
        """Return the mean of input minus output in noise sigmas, (C,); 0 without noise."""
        sigma = np.array([noise.estimate.sigma for noise in measured])
        mean = np.mean(self._means, axis=0)
        return np.divide(mean, sigma, out=np.zeros(len(sigma)), where=sigma > 0)


def scale_complaints(name: str, found: Scales, thresholds: dict, pixel_size_nm) -> list[str]:
    """Complain if the residual holds more or less than noise, and than that of training frames."""
    noise = thresholds.get(name, {}).get("noise", {})
    known = [noise.get(f"residual_{key}") for key in ("most", "least", "spot")]
    if None in known:  # the model knows no limits
        return []
    return [f"{name}: {text}" for text in found.complaints(pixel_size_nm, *known)]


def residual_complaints(name: str, mean_sigma: float, thresholds: dict) -> list[str]:
    """Complain if the mean of input minus output, in units of the noise sigma, is not zero."""
    limit = thresholds.get(name, {}).get("noise", {}).get("residual_mean_max_sigma")
    if limit is None or abs(mean_sigma) <= limit:
        return []
    return [
        f"{name}: the mean of input minus output is {mean_sigma:+.3f} sigma, limit {limit:.3f}: "
        "the network shifts intensities. Train longer or on this movie"
    ]
