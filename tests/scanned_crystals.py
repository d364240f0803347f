"""A crystal of three waves, scanned: its rows lie beside their places."""

import numpy as np

from n2v_stem_keras.noise import Scan, scan_movie

SHAPE = (200, 240)


def crystal(angle=0.2, period=7.0):
    """A movie of one frame, (1, Y, X, 1)."""
    y, x = np.indices(SHAPE, float)
    image = 0
    for turn in (0, np.pi / 3, 2 * np.pi / 3):
        k = 2 * np.pi / period * np.array([np.sin(angle + turn), np.cos(angle + turn)])
        image = image + np.cos(k[0] * y + k[1] * x)
    return image[None, ..., None].astype(np.float32)


def straight(moved):
    """Take the mean and the slope of each column away: drift looks like another lattice."""
    rows = np.arange(len(moved))
    return moved - np.stack([np.polyval(np.polyfit(rows, d, 1), rows) for d in moved.T], -1)


def scanned(psnr_db=14, seed=0, **scan):
    """Scan the crystal; `scan` is what `Scan` takes."""
    return scan_movie(crystal(), Scan(**scan), seed, psnr_db=psnr_db)
