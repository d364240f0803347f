"""Rows that hold nothing: of a detector that was off, or of a scan that stopped in the middle.

They are constant: the beam was blanked, one detector dropped out, or the frame was never written to
its end. They say nothing of the specimen or the noise, and are left out of statistics, training and
diagnosis, each for the detector that they belong to. In what is denoised they stand as they were
recorded. A row of a dark background that was cut off, or of few counts, may be constant, too; it is
told by the rows beside it.
"""

from __future__ import annotations

import numpy as np

BESIDE = 4  # rows on either side that tell
MOST_ALIKE = 0.5  # share of their pixels of the same value, from which on it is a dark background
LIKELY = 0.01  # rows that chance makes constant, in a frame


def empty_rows(frame) -> np.ndarray:
    """Find the rows that hold nothing.

    Parameters
    ----------
    frame : (Y, X, C) array
        As recorded.

    Returns
    -------
    (Y, C) bool array
        All of a detector that has one value throughout. Else rows of one value, where the four rows
        on either side hold that value too seldom to have it throughout by chance.
    """
    frame = np.asarray(frame)
    candidates = frame[:, 0] == frame[:, -1]  # nearly all others are out at once
    found = np.zeros(candidates.shape, bool)
    for c in np.flatnonzero(candidates.any(axis=0)):
        plane = frame[..., c]
        rows = np.flatnonzero(candidates[:, c])
        rows = rows[(plane[rows] == plane[rows, :1]).all(axis=1)]
        if len(rows) < len(plane):
            rows = [row for run in _runs(rows) for row in _unlikely(plane, run)]
        elif (plane[:, 0] != plane[0, 0]).any():
            continue  # varies along y alone: drawn, not scanned
        found[rows, c] = True
    return found


def with_empty_rows(denoised, recorded) -> np.ndarray:
    """Return a denoised frame (Y, X, C) with the empty rows as they were recorded."""
    recorded = np.asarray(recorded)
    empty = empty_rows(recorded)
    if not empty.any():
        return denoised
    return np.where(empty[:, None], recorded, denoised).astype(np.float32, copy=False)


def longest_run(kept) -> slice:
    """Return the longest run of rows that are kept, (Y,) bool; empty if none is."""
    runs = _runs(np.flatnonzero(kept))
    longest = max(runs, key=len, default=[0])
    return slice(int(longest[0]), int(longest[-1]) + 1 if runs else 0)


def _runs(rows):
    """Divide sorted numbers where they do not follow each other."""
    return np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else []


def _unlikely(plane, run):
    """Yield the rows of a run of constant ones that are not so by chance."""
    height, width = plane.shape
    sides = plane[max(0, run[0] - BESIDE) : run[0]], plane[run[-1] + 1 :][:BESIDE]
    unlikely = {}
    for row in run:
        value = plane[row, 0]
        if value not in unlikely:
            alike = max(float((side == value).mean()) for side in sides if len(side))
            unlikely[value] = alike < MOST_ALIKE and height * alike**width < LIKELY
        if unlikely[value]:
            yield row
