"""Rows put back where they belong: in a denoised frame, or before anything is done to its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .moving import moved_rows, shifted, sorted_rows
from .neighbours import LEAST_SIDE, RowJitter, row_jitter
from .rows import RowDisplacement, row_displacement

ENOUGH_COLUMNS = 1024  # in the middle of a frame, by which its rows are told
DISPLACED = 0.015  # rms displacement of rows that tells, of a period: a tenth of a radian


@dataclass(frozen=True)
class DisplacedRows:
    """Where the rows of a frame were taken, less their places, by all that tells.

    Attributes
    ----------
    lattice : RowDisplacement or None
        What the waves of a lattice say.
    jitter : RowJitter
        What rows say of each other, once that is put back.
    n_beside : (int, int)
        Rows before and behind those that tell, which hold nothing and stay.
    """

    lattice: RowDisplacement | None
    jitter: RowJitter
    n_beside: tuple[int, int] = (0, 0)

    @property
    def likely_px(self) -> np.ndarray:
        """Displacement of least expected error (y, x) [px], (Y, 2); 0 where all may be noise."""
        found = np.zeros((len(self.jitter.likely_px), 2))
        if self.lattice is not None:
            found += self.lattice.likely_px
        if self.jitter.stands_out:
            found[:, 1] += self.jitter.likely_px
        return np.pad(found, (self.n_beside, (0, 0)))

    @property
    def rms_px(self) -> float:
        """Rms displacement along x beyond the noise of its measurement [px]; nan if none is known.

        The lattice's where it tells, else that beside the rows around.
        """
        of_lattice = np.nan if self.lattice is None else self.lattice.rms_px[1]
        of_jitter = self.jitter.rms_px if self.jitter.stands_out else np.nan
        return float(of_lattice if np.isfinite(of_lattice) else of_jitter)

    @property
    def measured_px(self) -> tuple[np.ndarray, np.ndarray]:
        """Displacements as they were measured, and their standard errors (y, x) [px], (Y, 2) each.

        The lattice's, where there is one; infinite errors where nothing is known.
        """
        if self.lattice is not None:
            moved, error = self.lattice.displacement_px, self.lattice.error_px
        else:
            along_y = np.zeros_like(self.jitter.error_px)
            moved = np.stack([along_y, self.jitter.likely_px], axis=-1)
            error = np.stack([along_y + np.inf, self.jitter.error_px], axis=-1)
        beside = (self.n_beside, (0, 0))
        return np.pad(moved, beside), np.pad(error, beside, constant_values=np.inf)


def displaced_rows(frame) -> DisplacedRows | None:
    """Measure the displacement of each row of a frame, by its lattice and by the rows around.

    Parameters
    ----------
    frame : array_like
        (Y, X) or (Y, X, C); left as it is. Of wide frames the middle tells; of a scan that stopped,
        the rows that were recorded.

    Returns
    -------
    DisplacedRows, or None
        If there is no lattice, and nothing stands out of the noise.
    """
    frame = np.asarray(frame, np.float32)
    planes = frame[..., None] if frame.ndim == 2 else frame
    rows = _recorded(planes)
    middle = _middle(planes[rows])
    if middle is None:
        return None
    lattice = row_displacement(middle)
    if lattice is not None and (by := lattice.likely_px[:, 1]).any():
        middle = shifted(middle, by)
    jitter = row_jitter(middle)
    if lattice is None and not jitter.stands_out:
        return None
    return DisplacedRows(lattice, jitter, (rows.start, len(frame) - rows.stop))


def undistorted(frame, measured: RowDisplacement | DisplacedRows) -> np.ndarray:
    """Put the rows of a frame back, by what is likely of what was measured.

    Along x a row is moved; between rows, sorted by where they were taken, the frame is
    interpolated. What lies between two rows that are far apart has not been seen. The result is
    interpolated, so its noise is no longer white: undistort what is denoised.

    Parameters
    ----------
    frame : array_like
        (Y, X) or (Y, X, C); left as it is.
    measured : RowDisplacement or DisplacedRows

    Returns
    -------
    float32 array of the same shape
        Cubic splines along x, lines along y; beyond the border, the border's value.
    """
    frame = np.asarray(frame, np.float32)
    by = measured.likely_px
    if len(frame) != len(by):
        raise ValueError(f"the frame has {len(frame)} rows, {len(by)} were measured")
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
    measured = displaced_rows(frame)
    by = np.zeros(0) if measured is None else measured.likely_px[:, 1]
    return (shifted(frame, by), by) if by.any() else (frame, None)


def rows_lie_beside(frame) -> bool:
    """Return whether rows of a frame (Y, X, C) lie so far beside their places that it tells.

    Farther than is measured wrongly; if a lattice tells, by enough of its period, too.
    """
    frame = np.asarray(frame, np.float32)
    middle = _middle(frame[_recorded(frame)])
    if middle is None:
        return False
    measured = row_displacement(middle)
    if measured is not None and np.isfinite(measured.rms_px[1]):
        moved, error = measured.rms_px[1], measured.error_px[:, 1]
        wrong = np.sqrt(np.mean(error[np.isfinite(error)] ** 2))
        if moved > max(wrong, DISPLACED * measured.periods_px.max()):
            return True
    return row_jitter(middle).stands_out


def _recorded(frame) -> slice:
    """Return the rows of a frame (Y, X, C) from the first to the last that were recorded.

    These hold more than one value, in all detectors but those that show nothing at all.
    """
    flat = np.ptp(frame, axis=1) == 0
    told = np.flatnonzero(~flat[:, ~flat.all(axis=0)].any(axis=1))
    return slice(int(told[0]), int(told[-1]) + 1) if len(told) else slice(0, 0)


def _middle(frame):
    """Return the columns by which rows are told, or None."""
    if min(frame.shape[:2]) < LEAST_SIDE or not np.isfinite(frame).all():
        return None
    width = frame.shape[1]
    return frame[:, max(0, width - ENOUGH_COLUMNS) // 2 : (width + ENOUGH_COLUMNS) // 2]
