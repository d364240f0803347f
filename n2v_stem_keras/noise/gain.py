"""How the noise depends on the signal: var = a * mean + b, from pairs of consecutive frames.

For counted electrons a is the gain [counts/e-] (photon transfer curve; Janesick, Photon Transfer,
SPIE 2007), and b = gain^2 readout^2 - gain * offset. What consecutive frames do not share is noise,
but also drift and atoms that moved, so:

- the second frame is shifted to the nearest pixel of drift, if that brings the two closer;
- the difference is taken through a fourth difference along y (1, -4, 6, -4, 1), along which noise
  is white: what a smooth image leaves after shifting, or a moved atom, is next to nothing there.
  The mean is weighted with the squares of these coefficients, so that the line stays exact;
- places where the smoothed difference leaves its noise by four standard deviations are left out,
  with their surroundings: atoms that moved. Smoothing and fourth difference share no frequencies,
  so that this does not bias the variance;
- pixels are binned by the mean of pixels beside them, whose noise is another's: binned by their
  own noisy mean the line would be too flat (regression dilution).

On simulated movies of moving adatoms (350 and 1860 e-/px; still, random steps, or hops and drift) a
is right to 4 % on average, and scatters as its standard error says; plain differences make it
1.5-6 times too large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .estimate import _stack, evenly

MAX_PAIRS = 8
N_BINS = 12
MIN_SIDE = 16
_WEIGHTS = np.array([1, -4, 6, -4, 1]) / np.sqrt(70)  # noise keeps its variance
_NEIGHBOURS = sum(  # squared differences of neighbours share noise: sum of squared correlations
    (np.correlate(_WEIGHTS, _WEIGHTS, "full")) ** 2
)
_MOVED = 4.0  # smoothed difference from which on an atom has moved [its noise sigma]
_MOVED_PX = 5  # side of the square that is then left out [px]


@dataclass(frozen=True)
class GainEstimate:
    """Variance of the noise as a line over the mean: var = gain * mean + intercept.

    Attributes
    ----------
    gain, gain_se : float
        Slope and its standard error [counts/e-] if electrons are counted one by one; else gain
        times the excess noise factor of the detector.
    intercept, intercept_se : float
        Variance at mean 0 and its standard error [counts^2].
    mean_range : tuple of float
        Lowest and highest mean of a bin [counts]: the line is known between them.
    n_pairs : int
        Pairs of frames used.
    """

    gain: float
    gain_se: float
    intercept: float
    intercept_se: float
    mean_range: tuple[float, float]
    n_pairs: int

    def variance(self, mean):
        """Variance of the noise at a mean [counts^2], 0 at least."""
        return np.maximum(self.gain * np.asarray(mean, float) + self.intercept, 0.0)

    @property
    def is_significant(self):
        """Whether the noise grows with the signal, by three standard errors."""
        return bool(self.gain > 3 * self.gain_se)

    @property
    def falls(self):
        """Whether the noise falls as the signal grows, by three standard errors."""
        return bool(0 < 3 * self.gain_se < -self.gain)


def gain_and_offset(frames):
    """Fit var = gain * mean + intercept to pairs of consecutive frames of one movie.

    Parameters
    ----------
    frames : array_like or lazy sequence
        (T, Y, X), one detector, consecutive frames of the same place, two at least, 16 px a side
        at least; left as they are. Of long movies 8 evenly spaced pairs are read.

    Returns
    -------
    GainEstimate
        Row offsets, which are no counting noise, are not in the variance; those as strong as the
        contrast of the image make the line too flat. Gain and errors are nan if consecutive
        frames are equal, or differ by more than noise everywhere.

    Raises
    ------
    ValueError
        There are fewer than two frames, or they are too small.
    """
    frames = _stack(frames)
    if len(frames) < 2:
        raise ValueError(
            "one frame; var = a*mean + b needs at least two consecutive frames of one movie "
            "(separate images do not show the same place)"
        )
    if min(frames[0].shape) < MIN_SIDE:
        raise ValueError(
            f"frames of {frames[0].shape} px; var = a*mean + b needs {MIN_SIDE}x{MIN_SIDE}"
        )
    starts = [2 * i for i in evenly(len(frames) // 2, MAX_PAIRS)]
    return fit_pairs([(frames[t], frames[t + 1]) for t in starts])


def fit_pairs(pairs):
    """Fit var = gain * mean + intercept to pairs of frames.

    Parameters
    ----------
    pairs : list of tuple of array_like
        Two frames (Y, X) of the same place each; no frame in two pairs.

    Returns
    -------
    GainEstimate
    """
    parts = [_compare(*(np.asarray(frame, float) for frame in pair)) for pair in pairs]
    rough, mean, beside, smooth = (np.concatenate([p[k].ravel() for p in parts]) for k in range(4))
    centre = float(mean.mean())  # a line is fitted about it, as an offset may be far from 0
    mean, beside = mean - centre, beside - centre
    edges = np.quantile(beside, np.linspace(0, 1, N_BINS + 1)[1:-1])
    bins = np.searchsorted(edges, beside, side="right")
    keep, line, floor = np.ones(len(rough), bool), None, 0.0
    for step in range(6):  # the line says where the difference leaves its noise, and so on
        if step:
            sigma = np.sqrt(np.maximum(np.polyval(line, mean), floor))
            keep = _still(np.abs(smooth) > _MOVED * sigma, parts)
        means, variances, relative = _binned(rough[keep], mean[keep], bins[keep])
        if not variances.max(initial=0) > 0 or np.ptp(means) == 0:
            ends = float(mean.min()) + centre, float(mean.max()) + centre
            return GainEstimate(*[np.nan] * 4, ends, len(pairs))
        floor = 0.1 * variances.min()  # a line may run below zero
        expected = variances if line is None else np.polyval(line, means)
        error = np.maximum(expected, 0.1 * variances.mean()) * relative
        line, covariance = np.polyfit(means, variances, 1, w=1 / error, cov="unscaled")
    gain, at_centre = line
    variance_of_gain, together, variance = covariance[0, 0], covariance[0, 1], covariance[1, 1]
    intercept = at_centre - gain * centre
    variance += centre * (centre * variance_of_gain - 2 * together)
    errors = np.sqrt(variance_of_gain), np.sqrt(max(variance, 0.0))
    numbers = (float(v) for v in (gain, errors[0], intercept, errors[1]))
    ends = float(means.min()) + centre, float(means.max()) + centre
    return GainEstimate(*numbers, ends, len(pairs))


def _compare(first, second):
    """Compare two frames for noise and mean at each pixel: four arrays (Y - 4, X - 6).

    The difference as noise of one frame; the mean with the same pixels' weights; the mean beside,
    2 and 3 px away along x; the smoothed difference in units that make its noise that of one frame.
    """
    from scipy.ndimage import gaussian_filter

    first, second = _aligned(first, second)
    difference = (first - second) / np.sqrt(2)
    difference -= np.median(difference, axis=1, keepdims=True)  # row offsets
    mean = (first + second) / 2
    height = len(mean) - 4
    rough = sum(w * difference[k : k + height] for k, w in enumerate(_WEIGHTS))
    mean = sum(w**2 * mean[k : k + height] for k, w in enumerate(_WEIGHTS))
    beside = (mean[:, :-6] + mean[:, 1:-5] + mean[:, 5:-1] + mean[:, 6:]) / 4
    smooth = gaussian_filter(difference, 1.0) * 2 * np.sqrt(np.pi)
    return rough[:, 3:-3], mean[:, 3:-3], beside, smooth[2:-2, 3:-3]


def _aligned(first, second):
    """Cut two frames to what they share, to the nearest pixel of drift."""
    from scipy.ndimage import gaussian_filter
    from skimage.registration import phase_cross_correlation

    centred = [frame - frame.mean() for frame in (first, second)]
    if not all(frame.any() for frame in centred):
        return first, second
    shift, _, _ = phase_cross_correlation(*centred, normalization=None)
    dy, dx = (int(s) for s in shift)  # second[y - dy, x - dx] shows what first[y, x] does
    height, width = first.shape
    if (dy, dx) == (0, 0) or abs(dy) > height // 4 or abs(dx) > width // 4:
        return first, second
    moved = (
        first[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)],
        second[max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)],
    )
    spread = [np.var(gaussian_filter(a - b, 1.0)) for a, b in ((first, second), moved)]
    return moved if spread[1] < spread[0] else (first, second)


def _still(moved, parts):
    """Which pixels are far from any that moved, (n,) as the flattened parts."""
    from scipy.ndimage import maximum_filter

    keep, start = [], 0
    for rough, *_ in parts:
        here = moved[start : start + rough.size].reshape(rough.shape)
        keep.append(~maximum_filter(here, _MOVED_PX).ravel())
        start += rough.size
    return np.concatenate(keep)


def _binned(rough, mean, bins):
    """Mean, variance, and relative standard error of the variance in each bin that is filled."""
    squares = rough**2
    number = np.bincount(bins, minlength=N_BINS)
    filled = number > 20
    number = np.maximum(number, 1)
    variance, fourth, means = (
        (np.bincount(bins, values, N_BINS) / number)[filled]
        for values in (squares, squares**2, mean)
    )
    kurtosis = np.divide(fourth, variance**2, out=np.full(len(variance), 3.0), where=variance > 0)
    relative = np.sqrt(np.maximum(kurtosis - 1, 0.5) * _NEIGHBOURS / number[filled])
    return means, variance, relative
