"""A threshold from what is found where there is nothing: a stated rate of false atoms.

Frames without atoms go the way that frames with atoms go, and the heights of the peaks that come
out are counted. The threshold is read off these counts; nothing is assumed about how heights are
distributed, and the interval of the rate is the exact one of a counted number (Garwood 1936).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """A threshold and the rate of false atoms that it lets through.

    Attributes
    ----------
    height_sigma : float
        The threshold [the heights' unit].
    false_alarms_per_Mpx : float
        Peaks at least as high per 10^6 px that were looked at.
    interval_95 : (float, float)
        95 % interval of that rate.
    n_events : int
        Number of these peaks.
    area_Mpx : float
        Pixels that were looked at [10^6].
    """

    height_sigma: float
    false_alarms_per_Mpx: float
    interval_95: tuple[float, float]
    n_events: int
    area_Mpx: float


def calibrate(heights, area_px, rate_per_Mpx):
    """Find the lowest threshold that lets at most a given rate of false atoms through.

    Parameters
    ----------
    heights : array_like
        (n,) heights of all peaks in frames without atoms.
    area_px : float
        Pixels that were looked at.
    rate_per_Mpx : float
        Allowed false atoms per 10^6 px.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If so little was looked at that fewer than ten peaks are expected above the threshold.
    """
    heights = np.sort(np.asarray(heights, float))[::-1]
    area = area_px / 1e6
    allowed = int(rate_per_Mpx * area)
    if allowed < 10:
        raise ValueError(
            f"{area:.3g} Mpx without atoms hold {rate_per_Mpx * area:.1f} false atoms at "
            f"{rate_per_Mpx:g} per Mpx, expected at least 10; use "
            f"{int(np.ceil(10 / rate_per_Mpx / area)) if area else 'some'} times as many frames, "
            "or allow a higher rate"
        )
    if len(heights) <= allowed:
        raise ValueError(f"only {len(heights)} peaks in {area:.3g} Mpx; the rate is never reached")
    # between the last peak allowed and the first one too many
    threshold = (heights[allowed - 1] + heights[allowed]) / 2
    n = int((heights >= threshold).sum())
    low, high = poisson_interval(n)
    return Calibration(float(threshold), n / area, (low / area, high / area), n, float(area))


def poisson_interval(n, level=0.95):
    """Exact interval of the expected number where `n` events were counted (Garwood 1936).

    Examples
    --------
    >>> [round(v, 2) for v in poisson_interval(0)], [round(v, 2) for v in poisson_interval(10)]
    ([0.0, 3.69], [4.8, 18.39])
    """
    from scipy.stats import chi2

    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * n) / 2 if n else 0.0
    return float(low), float(chi2.ppf(1 - tail, 2 * (n + 1)) / 2)
