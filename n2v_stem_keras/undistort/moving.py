"""Rows of a frame, moved: splines for what is denoised, phases for what is noisy."""

from __future__ import annotations

import numpy as np
import scipy.fft
from scipy.ndimage import map_coordinates

BAND = 256  # rows that are moved together


def moved_rows(frame, by_px) -> np.ndarray:
    """Move each row of a frame (Y, X, C) along x by a number of pixels, (Y,); float32.

    By cubic splines; beyond the border lies the border's value.
    """
    moved, columns = np.empty(frame.shape, np.float32), np.arange(frame.shape[1])
    for first in range(0, len(frame), BAND):  # a row knows of no other, and frames may be large
        rows = slice(first, first + BAND)
        places = columns - np.asarray(by_px)[rows, None]
        places = [np.indices(places.shape, float)[0], places]
        for c in range(frame.shape[2]):
            part = frame[rows, :, c].astype(float)
            moved[rows, :, c] = map_coordinates(part, places, order=3, mode="nearest")
    return moved


def shifted(frame, by_px) -> np.ndarray:
    """Move the rows of a noisy frame as `moved_rows`, such that white noise stays white."""
    pad = int(np.ceil(np.abs(by_px).max())) + 8
    odd = 1 - frame.shape[1] % 2  # of an even number the highest frequency cannot be moved
    rows = np.pad(frame, ((0, 0), (pad, pad + odd), (0, 0)), mode="symmetric")
    k = scipy.fft.rfftfreq(rows.shape[1])
    phases = np.exp(-2j * np.pi * np.outer(by_px, k)).astype(np.complex64)[..., None]
    moved = scipy.fft.irfft(scipy.fft.rfft(rows, axis=1) * phases, rows.shape[1], axis=1)
    return np.ascontiguousarray(moved[:, pad : pad + frame.shape[1]], np.float32)


def sorted_rows(image, moved) -> np.ndarray:
    """Interpolate rows (Y, ...) that lie `moved` (Y,) beside their places at these places."""
    rows = np.arange(len(image))
    order = np.argsort(rows + moved, kind="stable")
    places = (rows + moved)[order]
    above = np.clip(np.searchsorted(places, rows, side="right"), 1, len(rows) - 1)
    first, last = places[above - 1], places[above]
    share = np.clip((rows - first) / np.maximum(last - first, 1e-9), 0, 1)
    share = share.reshape(-1, *[1] * (image.ndim - 1))
    return (1 - share) * image[order][above - 1] + share * image[order][above]
