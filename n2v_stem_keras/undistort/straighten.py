"""Rows put back where they belong: in a denoised frame, or before anything is done to its noise."""

from __future__ import annotations

import numpy as np

from .moving import moved_rows, shifted, sorted_rows
from .neighbours import row_jitter
from .rows import RowDisplacement, row_displacement

LEAST_SIDE = 64  # of a frame whose rows tell where they lie [px]
ENOUGH_COLUMNS = 1024  # in the middle of a frame, by which its rows are told
DISPLACED = 0.015  # rms displacement of rows that tells, of a period: a tenth of a radian


def undistorted(frame, measured: RowDisplacement) -> np.ndarray:
    """Put the rows of a frame back, by `RowDisplacement.likely_px`.

    Along x a row is moved; between rows, sorted by where they were taken, the frame is
    interpolated. What lies between two rows that are far apart has not been seen. The result is
    interpolated, so its noise is no longer white: undistort what is denoised.

    Parameters
    ----------
    frame : array_like
        (Y, X) or (Y, X, C); left as it is.
    measured : RowDisplacement

    Returns
    -------
    float32 array of the same shape
        Cubic splines along x, lines along y; beyond the border, the border's value.
    """
    frame = np.asarray(frame, np.float32)
    if len(frame) != len(measured.displacement_px):
        raise ValueError(
            f"the frame has {len(frame)} rows, {len(measured.displacement_px)} were measured"
        )
    by = measured.likely_px
    planes = frame[..., None] if frame.ndim == 2 else frame
    straight = sorted_rows(moved_rows(planes, by[:, 1]), by[:, 0])
    return straight.astype(np.float32).reshape(frame.shape)


def straightened(frame) -> tuple[np.ndarray, np.ndarray | None]:
    """Put rows back along x before anything is done to the noise of a frame.

    What the waves of its lattice say of them comes first, if it has one, then what rows say of
    their neighbours. Rows are moved by phases of their Fourier transforms, so that white noise
    stays white; beyond the border they are mirrored.

    Parameters
    ----------
    frame : (Y, X, C) float32 array
        Left as it is.

    Returns
    -------
    frame : (Y, X, C) float32 array
    moved_px : (Y,) array, or None
        By how much; None where nothing tells, and the frame is the one that was given.
    """
    middle = _middle(frame)
    if middle is None:
        return frame, None
    measured, by = row_displacement(middle), np.zeros(len(frame))
    if measured is not None:
        by = measured.likely_px[:, 1]
        middle = shifted(middle, by) if by.any() else middle
    jitter = row_jitter(middle)
    if jitter.stands_out:
        by = by + jitter.likely_px
    return (shifted(frame, by), by) if by.any() else (frame, None)


def rows_lie_beside(frame) -> bool:
    """Return whether rows of a frame (Y, X, C) lie so far beside their places that it tells.

    Farther than is measured wrongly; if a lattice tells, by enough of its period, too.
    """
    middle = _middle(np.asarray(frame, np.float32))
    if middle is None:
        return False
    measured = row_displacement(middle)
    if measured is not None and np.isfinite(measured.rms_px[1]):
        moved, error = measured.rms_px[1], measured.error_px[:, 1]
        wrong = np.sqrt(np.mean(error[np.isfinite(error)] ** 2))
        if moved > max(wrong, DISPLACED * measured.periods_px.max()):
            return True
    return row_jitter(middle).stands_out


def _middle(frame):
    """Return the columns by which rows are told, or None."""
    if min(frame.shape[:2]) < LEAST_SIDE or not np.isfinite(frame).all():
        return None
    width = frame.shape[1]
    return frame[:, max(0, width - ENOUGH_COLUMNS) // 2 : (width + ENOUGH_COLUMNS) // 2]
