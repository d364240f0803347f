"""The mean of the other frames at each pixel of a frame, and how far it can be trusted.

Frames are standardised, (Y, X, C), and moved by parts of a pixel, too: a strong lattice a tenth
of a pixel beside its place is worse than none. No pixel of a frame knows the noise of the others,
interpolated or not.

Four images are made, each of all detectors, in this order:

share
    1 / (1 + n), where n frames show the place: the share of a frame in the mean of it and them; 1
    where none does.
mean
    Of these frames; 0, the mean of the movie, where there is none.
error
    Standard error of that mean, from how the frames differ; 1, the standard deviation of the movie,
    where there is none. It is large where something moved.
near
    Mean of the nearest frames, half as much weight for each frame farther away.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from . import ERROR, N_IMAGES, SHARE

NEAR = 3  # frames away, at most, in the mean of the nearest ones
LEAST_SHIFT = 0.05  # [px]
MIRRORED = 16  # so far beyond the border, at least, before a frame is moved [px]


def no_evidence(shape) -> np.ndarray:
    """Return the images of a frame (Y, X, C) that stands alone, (Y, X, 4 C).

    They are the same everywhere, and take no memory: a view that cannot be written to.
    """
    height, width, n = shape
    images = np.zeros((N_IMAGES, n), np.float32)
    images[[SHARE - 1, ERROR - 1]] = 1
    return np.broadcast_to(images.ravel(), (height, width, N_IMAGES * n))


def overlap(n: int, offset: int) -> tuple[slice, slice]:
    """Return where an axis of n pixels and the same one moved by `offset` meet, in both.

    Examples
    --------
    >>> overlap(5, 2)
    (slice(0, 3, None), slice(2, 5, None))
    """
    first, last = max(0, -offset), max(0, min(n, n - offset))
    first = min(first, last)
    return slice(first, last), slice(first + offset, last + offset)


class Sums:
    """Sums over the frames around one, from which its images are made.

    Parameters
    ----------
    shape : (int, int, int)
        Of the frame, (Y, X, C).
    """

    def __init__(self, shape):
        self._count, self._near_weight = np.zeros((2, *shape[:2]), np.float32)
        self._sum, self._squares, self._near = np.zeros((3, *shape), np.float32)

    def add(self, part, y: slice, x: slice, distance: int) -> None:
        """Add what another frame shows at the pixels [y, x].

        Parameters
        ----------
        part : (y, x, C) float32 array
        y, x : slice
        distance : int
            How many frames it is away.
        """
        self._count[y, x] += 1
        self._sum[y, x] += part
        self._squares[y, x] += part * part
        if distance <= NEAR:
            weight = np.float32(2.0 ** (1 - distance))
            self._near[y, x] += weight * part
            self._near_weight[y, x] += weight

    def images(self, offset=(0.0, 0.0)) -> np.ndarray:
        """Return the images, (Y, X, 4 C) float32.

        Parameters
        ----------
        offset : (float, float)
            By what part of a pixel (y, x) the frame lies beside where the others have been moved.
        """
        n = np.maximum(self._count, 1)
        mean, squares, near = (as_planes(x) for x in (self._sum, self._squares, self._near))
        mean /= n
        # as if one more frame differed from the mean by the standard deviation of the movie: of one
        # frame alone nothing else is known
        variance = (1 / n + np.maximum(squares / n - mean * mean, 0)) / n
        near /= np.maximum(self._near_weight, np.float32(1e-6))
        mean, near = moved_by(np.stack([mean, near]), offset)
        return stacked(self._count, mean, variance, near)


def moved_by(planes, offset) -> np.ndarray:
    """Move planes (..., Y, X) by a part of a pixel (y, x), in Fourier space.

    Splines would lose what repeats over three pixels. Less than 0.05 px is left. The border is
    mirrored.
    """
    if max(abs(part) for part in offset) < LEAST_SHIFT:
        return planes
    size = planes.shape[-2:]
    # the same on both sides, so that a flipped image is moved as the image is
    pads = [_mirrored(n) for n in size]
    whole = [n + 2 * pad for n, pad in zip(size, pads)]
    inside = tuple(slice(pad, pad + n) for pad, n in zip(pads, size))
    ky, kx = scipy.fft.fftfreq(whole[0])[:, None], scipy.fft.rfftfreq(whole[1])
    along_y, along_x = (
        # what alternates from pixel to pixel has no direction
        np.where(abs(k) == 0.5, np.cos(np.pi * part), np.exp(-2j * np.pi * k * part))
        for k, part in zip((ky, kx), offset)
    )
    ramp = along_y.astype(np.complex64) * along_x.astype(np.complex64)
    moved = np.empty(planes.shape, np.float32)
    # one after the other, so that a plane stays near the processor
    for number in np.ndindex(planes.shape[:-2]):
        wide = np.pad(planes[number], [(pad, pad) for pad in pads], mode="symmetric")
        spectrum = scipy.fft.rfft2(wide)
        spectrum *= ramp
        moved[number] = scipy.fft.irfft2(spectrum, whole, overwrite_x=True)[inside]
    return moved


def _mirrored(n: int) -> int:
    """Return how far to mirror n pixels on each side: 16 px, or what is faster to transform."""
    return next(
        pad
        for pad in range(MIRRORED, MIRRORED + n + 1)
        if scipy.fft.next_fast_len(n + 2 * pad, real=True) == n + 2 * pad or pad == MIRRORED + n
    )


def as_planes(image) -> np.ndarray:
    """Return a copy of (Y, X, C) as (C, Y, X): numpy is fast along the last axis, if it is long."""
    return np.array(np.moveaxis(image, -1, 0), np.float32, order="C")


def stacked(count, mean, squared_error, near) -> np.ndarray:
    """Return the images of a frame, (Y, X, 4 C), a view of planes.

    Parameters
    ----------
    count : (Y, X) array
        Number of frames, or what they are worth.
    mean, squared_error, near : (C, Y, X) arrays
    """
    images = np.empty((N_IMAGES, *mean.shape), np.float32)
    images[0] = 1 / (1 + count)
    images[1], images[3] = mean, near
    for plane, error in zip(squared_error, images[2]):
        np.sqrt(_smooth(plane), out=error)
        error[count == 0] = 1
    return np.moveaxis(images.reshape(-1, *mean.shape[1:]), 0, -1)


def joined(frame, images) -> np.ndarray:
    """Return a frame (Y, X, C) and its images (Y, X, 4 C) as one, (Y, X, 5 C), a view of planes."""
    n = frame.shape[-1]
    planes = np.empty((n + images.shape[-1], *frame.shape[:2]), np.float32)
    planes[:n], planes[n:] = np.moveaxis(frame, -1, 0), np.moveaxis(images, -1, 0)
    return np.moveaxis(planes, 0, -1)


def _smooth(plane):
    """Mean over 3x3 pixels; the border's own pixels stand for those outside."""
    wide = np.pad(plane, 1, mode="edge")
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)
