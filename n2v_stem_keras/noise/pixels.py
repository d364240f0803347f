"""The values as the file holds them: clipped, few levels, pixels that are stuck or stand out.

None of it is noise that a blind spot could deal with, and each has a cure at the instrument or in
how files are exported, so it is worth knowing before a network is trained on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .estimate import evenly
from .spikes import is_isolated, over_neighbours

FEW_LEVELS = 64  # fewer are called quantised
_MAX_VALUES = 2**22  # values whose levels are counted
_LEAST_COUNT = 10  # pixels at an end of the range that can be called clipped
_LEAST_HIGH, _LEAST_LOW = 1e-4, 1e-2  # ... and their least share
_HEIGHT_SIGMA, _HEIGHT_RATIO = 6.0, 3.0


@dataclass(frozen=True)
class Levels:
    """Values that occur in the frames of one detector.

    Attributes
    ----------
    number : int
        Distinct values.
    lowest, highest : float
        Their range [the frames' unit].
    step : float
        Median distance of neighbouring values [the frames' unit]; 0 if there is one value.
    share_lowest, share_highest : float
        Share of the pixels that hold the lowest and the highest value.
    clipped_low, clipped_high : bool
        Whether these are more than the falling end of a histogram holds.
    """

    number: int
    lowest: float
    highest: float
    step: float
    share_lowest: float
    share_highest: float
    clipped_low: bool
    clipped_high: bool

    @property
    def quantised(self):
        """Whether there are fewer than 64 levels."""
        return self.number < FEW_LEVELS


def levels(frames):
    """Count the distinct values, and those at both ends of the range.

    Parameters
    ----------
    frames : array_like
        (T, Y, X), finite; left as they are. Of more than 4 million pixels, evenly spaced frames.

    Returns
    -------
    Levels

    Notes
    -----
    Towards its end a histogram falls, and ever faster (Gaussian and Poisson probabilities are
    log-concave: n1^2 >= n0 n2 for the outermost level 0 and the next two). Clipping piles the lost
    tail up on the outermost level. It is called clipped if n0 > n1, n0 n2 > 1.5 n1^2, and at least
    10 pixels and 0.01 % of all hold the highest value, or 1 % the lowest (dark background is often
    cut off, and where single electrons are counted zeros are common).
    """
    keep = evenly(len(frames), max(1, _MAX_VALUES // frames[0].size))
    values, counts = np.unique(np.stack([frames[t] for t in keep]), return_counts=True)
    share = counts / counts.sum()
    return Levels(
        number=len(values),
        lowest=float(values[0]),
        highest=float(values[-1]),
        step=float(np.median(np.diff(values.astype(float)))) if len(values) > 1 else 0.0,
        share_lowest=float(share[0]),
        share_highest=float(share[-1]),
        clipped_low=_piled_up(counts[:3]) and share[0] >= _LEAST_LOW,
        clipped_high=_piled_up(counts[:-4:-1]) and share[-1] >= _LEAST_HIGH,
    )


def _piled_up(counts):
    """Whether the first of three counts holds a tail cut off."""
    if len(counts) < 3 or counts[0] < _LEAST_COUNT:
        return False
    n0, n1, n2 = (int(n) for n in counts)
    return n0 > n1 and n0 * n2 > 1.5 * n1**2


def stuck_pixels(frames):
    """Pixels that never change while those around them do.

    Parameters
    ----------
    frames : array_like
        (T, Y, X) of one place, T at least 2; left as they are.

    Returns
    -------
    numpy.ndarray
        (n, 2) y, x [px]. Empty where standing still may be chance, as with few frames, few levels
        or few counts: with q the share of neighbours (9x9 px) that do not change from one frame to
        the next, q^(T-1) Y X must be below 0.01.
    """
    from scipy.ndimage import uniform_filter

    frames = np.asarray(frames)
    if len(frames) < 2:
        return np.empty((0, 2), int)
    same = np.mean(frames[1:] == frames[:-1], axis=0)
    around = (81 * uniform_filter(same, 9) - same) / 80
    chance = np.clip(around, 0, 1) ** (len(frames) - 1)
    return np.argwhere((same == 1) & (chance * same.size < 0.01))


def isolated_pixels(frames, sigma):
    """Pixels that stand out from all eight neighbours as nothing imaged by a probe can.

    Parameters
    ----------
    frames : array_like
        (T, Y, X) of one place or one frame (1, Y, X); left as they are. With several, the pixel
        must stand out in nine of ten, so that a passing atom does not count.
    sigma : float
        Standard deviation of the noise of one frame [the frames' unit].

    Returns
    -------
    bright, dark : numpy.ndarray
        (n, 2) each, y, x [px].

    Notes
    -----
    Judged is the height over the highest neighbour (below the lowest), in the mean frame. It must
    be six standard deviations of the noise, three times what 99.9 % of the pixels have (counting
    noise has a long tail), and 70 % of the height above the median of the surrounding 5x5 px: a
    peak whose width at half maximum is 2 px has 50 % at most.
    """
    frames = np.asarray(frames, float)
    noise = sigma / np.sqrt(len(frames))
    return _standing_out(frames, noise), _standing_out(-frames, noise)


def _standing_out(frames, noise):
    """Bright isolated pixels, (n, 2)."""
    mean = frames.mean(axis=0)
    height = over_neighbours(mean)
    usual = max(float(np.quantile(height, 0.999)), 0.0)
    limit = max(_HEIGHT_SIGMA * noise, _HEIGHT_RATIO * usual)
    found = [
        (y, x) for y, x in np.argwhere(height > limit) if is_isolated(mean, height[y, x], y, x)
    ]
    if len(frames) > 1 and found:
        above = np.mean([[_is_peak(frame, y, x) for y, x in found] for frame in frames], axis=0)
        found = [place for place, share in zip(found, above) if share >= 0.9]
    return np.array(found, int).reshape(-1, 2)


def _is_peak(frame, y, x):
    """Whether a pixel is the highest of its 3x3 px."""
    return frame[y, x] >= frame[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max()
