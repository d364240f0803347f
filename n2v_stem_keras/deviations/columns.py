"""Columns of atoms that a denoised frame draws: where they are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

FINE_NM = 0.03  # pixels that columns are found between without a finer grid [nm]
SMOOTH_NM, APART_NM = 0.02, 0.1  # before columns are looked for; least distance of two [nm]
BAND = 256  # rows of an image that are gone through together, so that large ones take less memory


@dataclass(frozen=True)
class Columns:
    """Columns of a frame.

    Attributes
    ----------
    places : (n, 2) array
        y, x [px].
    heights : (n, F) array
        By which their kinds are told: what each detector shows there, neighbours included; or where
        lattices lie over each other, what that shows of which it is, and 0 for the others.
    """

    places: np.ndarray
    heights: np.ndarray

    def some(self, which) -> Columns:
        """Return those of some indices, or where a mask is true."""
        return Columns(self.places[which], self.heights[which])


def columns_of(frame, signs, pixel_size_nm: float) -> np.ndarray:
    """Find the columns that a denoised frame draws.

    Parameters
    ----------
    frame : (Y, X, C) array
    signs : sequence of int
        1 where columns are bright in a detector, -1 where dark.
    pixel_size_nm : float

    Returns
    -------
    (n, 2) array
        y, x [px], to a fraction of a pixel. What a detector shows beyond 0.1 nm of those of the
        detectors before it is added to them.
    """
    found, apart_px = np.zeros((0, 2)), APART_NM / pixel_size_nm
    for c, sign in enumerate(signs):
        found = beyond(found, maxima_of(frame[..., c], sign, pixel_size_nm), apart_px)
    return found


def beyond(places, others, apart_px) -> np.ndarray:
    """Return places, and those others that lie farther from all of them."""
    from scipy.spatial import cKDTree

    if len(places) and len(others):
        others = others[cKDTree(places).query(others)[0] > apart_px]
    return np.concatenate([places, others])


def maxima_of(image, sign, pixel_size_nm: float) -> np.ndarray:
    """Find the maxima of an image (Y, X), or minima, to a fraction of a pixel: (n, 2) [px]."""
    from scipy.ndimage import gaussian_filter, zoom

    # between coarse pixels a faint column may be lower than the flank of a bright one beside it
    finer = 2 if pixel_size_nm > FINE_NM and min(image.shape) > 3 else 1
    sigma, apart_px = SMOOTH_NM / pixel_size_nm, APART_NM / pixel_size_nm
    reach = max(1, round(apart_px / 2 * finer))
    # of a spline, 0.27 times as much is left a pixel farther on
    more = int(np.ceil(4 * sigma)) + reach + (30 if finer > 1 else 1)
    parts = []
    for first, last in bands(len(image)):
        top = max(0, first - more)
        part = sign * image[top : last + more].astype(np.float32)
        part = gaussian_filter(part, sigma)
        if finer > 1:
            part = zoom(part, [(finer * (n - 1) + 1) / n for n in part.shape], order=3)
        rows = (first - top) * finer, (last - top) * finer
        parts.append(_maxima(part, reach, rows) / finer + np.array([top, 0]))
    return np.concatenate(parts)


def bands(n_rows: int) -> list[tuple[int, int]]:
    """Divide the rows of an image: first row of each part, and the one after its last.

    >>> bands(500)
    [(0, 500)]
    >>> bands(600)
    [(0, 300), (300, 600)]
    """
    n = max(1, n_rows // BAND)
    edges = [round(i * n_rows / n) for i in range(n + 1)]
    return list(pairwise(edges))


def _maxima(image, reach, rows):
    """Return the maxima of an image in some rows, (n, 2)."""
    from scipy.ndimage import maximum_filter

    highest = image == maximum_filter(image, 2 * reach + 1, mode="nearest")
    highest[[0, -1]] = highest[:, [0, -1]] = False
    highest[: rows[0]] = highest[rows[1] :] = False
    found = np.argwhere(highest)
    y, x = found.T
    plain = (image[y, x] == image[y - 1, x]) | (image[y, x] == image[y, x - 1])
    return between_pixels(image, found[~plain])


def between_pixels(image, maxima) -> np.ndarray:
    """Move maxima (n, 2) of an image to those of parabolas through their neighbours."""
    y, x = maxima.T
    place = maxima.astype(float)
    for axis, (dy, dx) in enumerate(((1, 0), (0, 1))):
        low, mid, high = image[y - dy, x - dx], image[y, x], image[y + dy, x + dx]
        bend = low - 2 * mid + high
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.where(bend < 0, (low - high) / (2 * bend), 0)
        place[:, axis] += np.clip(shift, -0.5, 0.5)
    return place


def heights_at(frame, places) -> np.ndarray:
    """Interpolate a frame (Y, X, C) at places, (n, C)."""
    from scipy.ndimage import map_coordinates

    planes = np.moveaxis(frame, -1, 0)
    found = [map_coordinates(p, places.T, order=1, mode="nearest") for p in planes]
    return np.stack(found, axis=1).astype(float)
