"""The part of a frame that tells most: where it differs from its own lattice, for a picture.

Adatoms, vacancies and dopants are what is left when the waves of the lattice are taken away;
boundaries and edges are where these waves begin or end.
"""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np

SPOT = 8.0  # how far a spot of the lattice stands out of the magnitudes around it
STANDS_OUT = 3.0  # robust standard deviations of what is no lattice
N_WAVES = 6  # the strongest, by which boundaries are seen
LARGEST_PX = 1024  # larger frames are looked at part by part
RIM_PX = 16  # of a frame that is not shown where there is more: the network sees one side there


def telling_window(image, side_px, pixel_size_nm=None):
    """Find the square of a frame that shows most of what is not repeated, for a picture.

    Parameters
    ----------
    image : array_like
        (Y, X), denoised.
    side_px : int
        Side of the square [px].
    pixel_size_nm : float, optional
        [nm/px]; 0.046, as in the paper, if unknown.

    Returns
    -------
    window : (slice, slice)
        It lies `RIM_PX` inside of the frame where that is large enough; the central square where
        nothing stands out; the whole frame if it is smaller. Of frames of more than `LARGEST_PX`
        it is that of the best part.
    score : float
        Mean square of what stands out in it, in units of its variance.
    """
    image = np.asarray(image)
    best = None
    for part in _parts(image.shape, max(LARGEST_PX, 2 * side_px)):
        here, score = _best_square(image[part].astype(float), side_px, pixel_size_nm or 0.046)
        if best is None or score > best[1]:
            moved = (slice(p.start + h.start, p.start + h.stop) for p, h in zip(part, here))
            best = tuple(moved), score
    return best


def middle(shape, most_px):
    """Return the middle of a frame, of at most so many pixels a side, as slices.

    >>> middle((100, 30), 50)
    (slice(25, 75, None), slice(0, 30, None))
    """
    first = [max(0, n - most_px) // 2 for n in shape]
    return tuple(slice(f, min(f + most_px, n)) for f, n in zip(first, shape))


def _parts(shape, most_px):
    """Divide a frame into parts of so many pixels a side at most, as equal as can be."""
    sides = []
    for n in shape:
        edges = np.linspace(0, n, -(-n // most_px) + 1).astype(int)
        sides.append([slice(int(a), int(b)) for a, b in pairwise(edges)])
    return list(product(*sides))


def _best_square(image, side_px, size):
    """Find the square of one part; the result is `telling_window`'s."""
    from scipy.ndimage import gaussian_filter

    inner = _inside(image.shape, side_px)
    shown = image[inner]
    flat = shown - gaussian_filter(shown, 0.5 / size)
    rest, spots = _without_lattice(flat)
    height = np.abs(rest)
    # noise stands out of nothing, and one cluster is not everything
    ground = STANDS_OUT * 1.4826 * np.median(height)
    energy = np.clip(height - ground, 0, np.quantile(height, 0.999) - ground) ** 2
    if min(shown.shape) > 4 * RIM_PX:  # waves of a lattice do not end well at the rim
        energy *= np.pad(np.ones(np.subtract(shown.shape, 2 * RIM_PX)), RIM_PX)
    told = _share(energy) + _share(_changes(flat, spots, size))
    told = gaussian_filter(told, side_px / 4, mode="constant")
    places = np.unravel_index(np.argmax(told), told.shape)
    corner = []
    for place, n in zip(places, shown.shape, strict=True):
        # most of it in the middle of the square, as far as the square may be moved
        room = max(0, n - side_px)
        corner.append(int(np.clip(place - side_px // 2, 0, room)) if told.any() else room // 2)
    here = tuple(slice(c, min(c + side_px, n)) for c, n in zip(corner, shown.shape))
    variance = shown[here].var()
    window = tuple(slice(p.start + i.start, p.stop + i.start) for p, i in zip(here, inner))
    return window, float(energy[here].mean() / variance) if variance > 0 else 0.0


def _inside(shape, side_px):
    """Return the part of a frame in which a square may lie."""
    rims = [RIM_PX if n > side_px + 2 * RIM_PX else 0 for n in shape]
    return tuple(slice(rim, n - rim) for rim, n in zip(rims, shape))


def _share(values):
    """Return values scaled to a mean of one, or zero where there are none."""
    mean = values.mean()
    return values / mean if mean > 0 else np.zeros_like(values)


def _without_lattice(flat):
    """Return what is no wave of the lattice, and the magnitudes of its spots (all else zero)."""
    from scipy.ndimage import maximum_filter, uniform_filter

    taper = np.outer(*(np.hanning(n + 2)[1:-1] for n in flat.shape))
    magnitude = np.abs(np.fft.fft2(flat * taper))
    floor = 1e-3 * magnitude.max() + np.finfo(float).tiny
    around = np.exp(uniform_filter(np.log(magnitude + floor), 15, mode="wrap"))
    spots = np.where(magnitude > SPOT * around, magnitude, 0.0)
    near = maximum_filter(spots, 5, mode="wrap") > 0
    return flat - np.fft.ifft2(np.where(near, np.fft.fft2(flat), 0)).real, spots


def _changes(flat, spots, pixel_size_nm):
    """Squared slope of the amplitudes of the strongest waves, where they change by much."""
    from scipy.ndimage import gaussian_filter, zoom

    width = max(1.0 / pixel_size_nm, 8.0)  # over which an amplitude is known [px]
    block = max(1, int(width / 4))
    shape = [n // block for n in flat.shape]
    if min(shape) < 2:
        return np.zeros(flat.shape)
    y, x = (np.arange(n) for n in flat.shape)
    left, strongest = spots.copy(), spots.max()
    left[:, flat.shape[1] // 2 + 1 :] = 0  # the other half of the plane is the same
    total, swings = np.zeros(shape), []
    while len(swings) < N_WAVES and left.max() > 0.1 * strongest:
        ky, kx = np.unravel_index(np.argmax(left), left.shape)
        left[np.ix_(np.arange(ky - 4, ky + 5) % len(y), np.arange(kx - 4, kx + 5) % len(x))] = 0
        down, along = (np.exp(-2j * np.pi * k / len(at) * at) for k, at in ((ky, y), (kx, x)))
        blocks = (flat * down[:, None] * along)[: shape[0] * block, : shape[1] * block]
        blocks = blocks.reshape(shape[0], block, shape[1], block).mean(axis=(1, 3))
        parts = (gaussian_filter(part, width / block) for part in (blocks.real, blocks.imag))
        amplitude = np.hypot(*parts)
        amplitude /= amplitude.max()
        total += sum(slope**2 for slope in np.gradient(amplitude))
        swings.append(np.ptp(amplitude))
    if not swings:
        return np.zeros(flat.shape)
    # amplitudes that only waver are no boundary
    weight = np.clip(2 * np.mean(swings) - 1, 0, 1)
    factors = np.divide(flat.shape, shape)
    grown = zoom(weight * total, factors, order=1, grid_mode=True, mode="nearest")
    return np.maximum(grown, 0)
