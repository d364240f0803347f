"""Margins of frames that hold nothing: of stacks that were aligned, of rows that were put back.

Software that takes the drift out of a movie moves each frame and fills what it leaves empty with a
constant, or with NaN; what aligns rows leaves ends of rows. Such pixels at the border say nothing
of the specimen or the noise. The rows and columns in which there are any are filled with the
mirrored frame before anything looks at it, are not learnt from, say nothing of other frames, and
stand in the result as they were recorded.

Rows at the lower end alone may be a scan that stopped: `empty` tells of these.
"""

from __future__ import annotations

import numpy as np

SMALLEST_PX = 32  # side of what lies inside, or there is no margin
LEAST_SHARE = 0.2  # of a line at the border that has the value
DEEPEST = 0.25  # of a side: so far inside the value is nowhere
ALONE = 0.01  # share of the pixels of the value that may not hang together with the border


def inside(frame) -> tuple[slice, slice] | None:
    """Return the rows and columns of a frame that lie between its margins, or None if it has none.

    Parameters
    ----------
    frame : (Y, X, C) array
        As recorded.

    Notes
    -----
    Pixels hold nothing that have one value, or none, hang together with the border along their row
    or column, and lie nowhere in the middle. A dark background that was cut off, or one of few
    counts, holds its value here and there, or in the middle, too.
    """
    frame = np.asarray(frame)
    nothing = np.zeros(frame.shape[:2], bool)
    for c in range(frame.shape[-1]):
        plane = frame[..., c]
        lines = plane[0], plane[-1], plane[:, 0], plane[:, -1]
        for value in {v for v in map(_common, lines) if v is not None}:
            found = np.isnan(plane) if value != value else plane == value
            if _is_margin(found):
                nothing |= found
    if not nothing.any():
        return None
    rows, columns = _largest(nothing)
    if min(rows.stop - rows.start, columns.stop - columns.start) < SMALLEST_PX:
        return None
    stopped = rows.start == 0 and columns == slice(0, frame.shape[1])
    if stopped and not np.isnan(frame[-1]).any():
        return None
    return rows, columns


def _common(line):
    """Return the value that a line at the border has most often, if often enough, or None."""
    if line.dtype.kind == "f" and np.isnan(line).mean() >= LEAST_SHARE:
        return np.nan
    line = np.sort(line)
    step = max(1, int(LEAST_SHARE * len(line)))
    often = line[step:] == line[:-step]  # that many in a row
    return line[step:][often][0].item() if often.any() else None


def _is_margin(found):
    """Whether pixels (Y, X) hang together with the border and are nowhere in the middle."""
    deep = tuple(slice(int(DEEPEST * n), n - int(DEEPEST * n)) for n in found.shape)
    if found[deep].any():
        return False
    hanging = np.zeros(found.shape, bool)
    for axis in (0, 1):
        hanging |= np.logical_and.accumulate(found, axis=axis)
        back = np.logical_and.accumulate(np.flip(found, axis), axis=axis)
        hanging |= np.flip(back, axis)
    return bool(hanging.sum() >= (1 - ALONE) * found.sum())


def _largest(nothing):
    """Return rows and columns in which no pixel holds nothing; lines that have most go first."""
    top, left, (bottom, right) = 0, 0, nothing.shape
    while top < bottom and left < right:
        part = nothing[top:bottom, left:right]
        shares = [part[0].mean(), part[-1].mean(), part[:, 0].mean(), part[:, -1].mean()]
        most = int(np.argmax(shares))
        if shares[most] == 0:
            break
        top, bottom = top + (most == 0), bottom - (most == 1)
        left, right = left + (most == 2), right - (most == 3)
    return slice(top, bottom), slice(left, right)


def filled(frame, place) -> np.ndarray:
    """Return a frame (Y, X, C) whose margins show what lies inside, mirrored."""
    frame = np.asarray(frame)
    pads = [(s.start, n - s.stop) for s, n in zip(place, frame.shape)]
    return np.pad(frame[place], (*pads, (0, 0)), mode="symmetric")


def without_margins(frame) -> np.ndarray:
    """Return a frame (Y, X, C) with its margins filled, itself if it has none."""
    place = inside(frame)
    return frame if place is None else filled(frame, place)


def holds(place, y: float, x: float) -> bool:
    """Whether a point (y, x) [px] lies between the margins of a frame; None: it has none."""
    return place is None or all(s.start <= at < s.stop for s, at in zip(place, (y, x)))


def with_margins(denoised, recorded, place) -> np.ndarray:
    """Return a denoised frame (Y, X, C) with the margins of the recorded one; float32."""
    whole = np.array(recorded, np.float32)
    whole[place] = denoised[place]
    return whole


class FilledFrames:
    """A lazy sequence of frames whose margins are filled.

    Parameters
    ----------
    frames : lazy sequence of (Y, X, C) arrays
        As recorded, with attribute `shape`.

    Attributes
    ----------
    places : dict
        Of each frame that was read and has margins, what lies inside: (rows, columns).
    """

    def __init__(self, frames):
        self.frames, self.shape, self.places = frames, frames.shape, {}

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, t):
        frame = np.asarray(self.frames[t])
        place = inside(frame)
        if place is None:
            return frame
        self.places[t] = place
        return filled(frame, place)
