"""Made-up jumps, by which a network learns not to believe others where the frame contradicts.

In a movie most of what is there stays where it is, so that a network trained on it as it is learns
to trust the frames around, and draws an atom that has just hopped where it was. Hops are rare: it
would take many movies to learn of them. So in training samples some discs of the frames before, and
others of those after, show another place of the movie, with the lattice alike: atoms were there
that are not, and were not that are. The frame itself, and what it is compared with, stay as they
are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.ndimage import maximum_filter, uniform_filter

RADII = (8, 24)  # of the discs [px]
# area of all discs over that of the sample, of the frames before and of those after; and where none
# of those is seen, so that nothing else contradicts the ones before
COVERED, COVERED_ALONE = 0.6, 1.5
NEAREST = 4  # a place nearer than that is the same [px]
BEST = 0.25  # of the places where the lattice is alike


@dataclass(frozen=True)
class Jump:
    """A disc of the frames before, or after, that shows another place.

    Attributes
    ----------
    before : bool
    y, x : slice
        The square around the disc, in the sample [px].
    inside : (y, x, 1) bool array
        The disc.
    offset : (int, int)
        Of the other place (y, x) [px].
    """

    before: bool
    y: slice
    x: slice
    inside: np.ndarray
    offset: tuple[int, int]


def alike(mean) -> np.ndarray:
    """Return offsets (n, 2) by which an image (Y, X, C) lies best on itself [px]."""
    size = np.array(mean.shape[:2])
    image = mean - uniform_filter(mean, (33, 33, 0), mode="nearest")
    padded = tuple(scipy.fft.next_fast_len(int(n), real=True) for n in 2 * size)

    def correlate(planes):
        power = np.square(np.abs(scipy.fft.rfft2(planes, padded, axes=(0, 1)))).sum(axis=2)
        return scipy.fft.irfft2(power, padded)

    overlap = np.maximum(correlate(np.ones((*size, 1), np.float32)), 0.5)
    # per pixel: of images that overlap by half along each axis, at least
    likeness = scipy.fft.fftshift(correlate(image) / overlap)
    middle = np.array(padded) // 2
    reach = size // 2
    likeness = likeness[tuple(slice(m - r, m + r + 1) for m, r in zip(middle, reach))]
    peaks = np.argwhere(maximum_filter(likeness, 5) == likeness) - reach
    peaks = peaks[np.hypot(*peaks.T) > NEAREST]
    order = np.argsort(-likeness[tuple((peaks + reach).T)], kind="stable")
    return peaks[order[: max(1, round(BEST * len(peaks)))]]


def draw(rng, offsets, size, place, covered=COVERED) -> list[Jump]:
    """Draw jumps for a sample.

    Parameters
    ----------
    rng : numpy.random.Generator
    offsets : (n, 2) int array
        See `alike`.
    size : (int, int)
        Of the frames [px].
    place : ((y0, x0), (height, width))
        Of the sample [px].
    covered : float
        Area of the discs over that of the sample; they overlap.
    """
    first, shape = np.array(place)
    largest = min(RADII[1], *(n // 4 for n in size))
    smallest = min(RADII[0], largest)
    found = []
    for before in (True, False):
        area = covered * shape.prod()
        while area > 0 and len(offsets):
            radius = int(rng.integers(smallest, largest + 1))
            area -= np.pi * radius**2
            centre = rng.integers(0, shape)
            offset = offsets[rng.integers(len(offsets))]
            there = first + centre + offset
            if (there < radius).any() or (there >= np.array(size) - radius).any():
                offset, there = -offset, first + centre - offset
                if (there < radius).any() or (there >= np.array(size) - radius).any():
                    continue
            y, x = (
                slice(max(0, int(c) - radius), min(int(n), int(c) + radius + 1))
                for c, n in zip(centre, shape)
            )
            dy, dx = (np.arange(s.start, s.stop) - c for s, c in zip((y, x), centre))
            inside = (dy[:, None] ** 2 + dx**2 <= radius**2)[..., None]
            found.append(Jump(before, y, x, inside, (int(offset[0]), int(offset[1]))))
    return found
