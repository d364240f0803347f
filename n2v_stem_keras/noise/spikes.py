"""Spikes: single pixels of single frames that an X-ray, a cosmic ray or a bit error has hit.

They are no noise of the detector, but a few of them are as much variance: sigma would come out too
large, and with it all that is measured in it. So they are found, counted, and replaced where noise
is estimated. What stands out in all frames at the same place is a hot pixel (`pixels`).
"""

from __future__ import annotations

import numpy as np

LEAST_SIGMA = 6.0  # height over the highest neighbour [standard deviations of the noise]
LEAST_USUAL = 8.0  # ... over the median height of all pixels that are higher than their neighbours
ISOLATION = 0.7  # ... over the height above the median around: more than any probe draws
BAND = 512  # rows that are looked at together
MOST = 0.01  # share of pixels; more are no spikes but single counts


def find_spikes(frame, sigma: float) -> np.ndarray:
    """Find pixels that stand out of a frame, above or below, as nothing imaged by a probe can.

    Parameters
    ----------
    frame : (Y, X) array
        One detector.
    sigma : float
        Standard deviation of its noise, spikes and all [the frame's unit].

    Returns
    -------
    (n, 2) array
        Their y and x [px]; none where more than 1 % of the pixels are like that, as where single
        electrons are counted.

    Notes
    -----
    A spike is six sigma higher than its highest neighbour, eight times as high as pixels usually
    are that are higher than all their neighbours (few counts have a long tail), and 70 % of its
    height above the median of the surrounding 5x5 px (a peak of 2 px width has 50 % at most).
    """
    frame = np.asarray(frame)
    if min(frame.shape) < 5 or not sigma > 0:
        return np.empty((0, 2), int)
    found = np.concatenate([_bright(frame, sign, sigma) for sign in (1, -1)])
    return found if len(found) <= MOST * frame.size else found[:0]


def without_spikes(frame, places) -> np.ndarray:
    """Return a frame (Y, X), or a copy with the median of the 5x5 px around in these places."""
    if not len(places):
        return frame
    frame = np.array(frame, float)
    frame[tuple(places.T)] = [around(frame, y, x) for y, x in places]
    return frame


def over_neighbours(frame) -> np.ndarray:
    """Return the height of each pixel over the highest of its eight neighbours, (Y, X).

    It is not above 0 on the border, where half of an atom may stand as steep as a spike.
    """
    from scipy.ndimage import maximum_filter

    others = np.ones((3, 3), bool)
    others[1, 1] = False
    return frame - maximum_filter(frame, footprint=others, mode="nearest")


def around(frame, y, x) -> float:
    """Return the median of the 5x5 px around a pixel."""
    return np.median(np.asarray(frame[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3], float))


def is_isolated(frame, height, y, x, sign: int = 1) -> bool:
    """Return whether a pixel of some height over its neighbours is no peak that a probe draws.

    With `sign` -1 a dip.
    """
    return height > ISOLATION * sign * (float(frame[y, x]) - around(frame, y, x))


def _bright(frame, sign, sigma):
    """Find them above, or with sign -1 below, in bands of rows: frames may be large."""
    peaks, places, heights = [], [], []
    for first in range(0, len(frame), BAND):
        top = max(0, first - 1)
        height = over_neighbours(sign * np.asarray(frame[top : first + BAND + 1], float))
        height = height[first - top :][:BAND]
        peaks.append(height[height > 0])
        found = np.argwhere(height > LEAST_SIGMA * sigma)
        heights.append(height[tuple(found.T)])
        places.append(found + np.array([first, 0]))
    peaks, places, heights = map(np.concatenate, (peaks, places, heights))
    usual = float(np.median(peaks)) if len(peaks) else 0.0
    places = places[heights > LEAST_USUAL * usual]
    heights = heights[heights > LEAST_USUAL * usual]
    if len(places) > MOST * frame.size:
        return places
    kept = [is_isolated(frame, h, y, x, sign) for h, (y, x) in zip(heights, places)]
    return places[np.array(kept, bool)]
