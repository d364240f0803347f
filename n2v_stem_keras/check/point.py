"""What does a model make of one bright point? (Fig. S9)

The paper puts a bright point into the middle of an ADF frame of noise and looks for patterns around
it. Here the same noise is denoised with and without the point, and the difference, averaged over
frames, is the model's response to it: how high, how wide, what rings surround it, what appears in
the other detector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..atoms import sign_of

SIDE = 128  # of a test frame [px]
ATOM_NM = 0.06  # standard deviation of the point, an adatom's [nm]
FAR_NM = 0.35  # what lies farther from it is no part of it [nm]


@dataclass(frozen=True)
class Point:
    """How a model shows one adatom-like point on noise.

    Attributes
    ----------
    detector : str
        The detector that holds the point.
    height_sigma : float
        Its height [noise sigma].
    height : float
        Height of the response over that of the point; 1 is right.
    width : float
        Width of the response over that of the point, from its sum within 0.35 nm over its height;
        1 is right.
    ring : float
        Greatest absolute response farther than 0.35 nm away, over the response's height.
    other : float
        Greatest absolute response in another detector, over the response's height; nan if there
        is none.
    response : numpy.ndarray
        (Y, X, C) mean response [noise sigma].
    """

    detector: str
    height_sigma: float
    height: float
    width: float
    ring: float
    other: float
    response: np.ndarray


def point(predict, detectors, height_sigma=6.0, n_frames=32, seed=0, pixel_size_nm=0.046):
    """Put one point into each detector in turn.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape.
    detectors : sequence of str
    height_sigma : float
        Height of the point [noise sigma]; dark in BF.
    n_frames : int
        Frames of 128x128 px, each with noise of its own, that the response is averaged over.
    seed : int
    pixel_size_nm : float
        [nm/px].

    Returns
    -------
    list of Point
        One for each detector.
    """
    shape = (n_frames, SIDE, SIDE, len(detectors))
    noise = np.random.default_rng([seed, 8]).standard_normal(shape).astype(np.float32)
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    distance = np.hypot(y, x) * pixel_size_nm
    near = distance <= FAR_NM
    bump = np.exp(-((distance / ATOM_NM) ** 2) / 2)
    without = np.asarray(predict(noise), float)
    found = []
    for c, detector in enumerate(detectors):
        movie = noise.copy()
        movie[..., c] += sign_of(detector) * height_sigma * bump
        response = (np.asarray(predict(movie), float) - without).mean(axis=0)
        own = sign_of(detector) * response[..., c]
        peak = own[distance < ATOM_NM].max()
        others = np.delete(response, c, axis=-1)
        found.append(
            Point(
                detector,
                float(height_sigma),
                float(peak / height_sigma),
                _width(own, near) / _width(bump, near),
                float(np.abs(own[~near]).max() / abs(peak)),
                float(np.abs(others).max() / abs(peak)) if others.size else float("nan"),
                response,
            )
        )
    return found


def _width(image, near):
    """Side of the square that holds as much as a peak does at its height [px]; nan for a dip."""
    total, peak = image[near].sum(), image[near].max()
    return float(np.sqrt(total / peak)) if peak > 0 and total > 0 else float("nan")
