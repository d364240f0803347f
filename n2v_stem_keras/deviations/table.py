"""Deviations as a table, one row each, with trackpy's names of columns."""

from __future__ import annotations

import numpy as np

from .movie import Block

MISSING = 0.7  # share of a column from which on it is missing, not weaker
KINDS = ("missing", "weaker", "brighter", "extra", "too much")


def columns(detectors) -> list[str]:
    """Return the names of the columns."""
    return [
        *("frame", "y", "x", "y_nm", "x_nm", "kind", "share", "z", "probability", "n_frames"),
        *(f"height_{name}" for name in detectors),
    ]


def as_table(rows, detectors, of_series: bool):
    """Return a pandas.DataFrame of rows.

    Parameters
    ----------
    rows : sequence of (int, dict)
        Number of the series, and what `rows_of` returns.
    detectors : sequence of str
    of_series : bool
        Whether a column ``movie`` says of which series each is.
    """
    import pandas as pd

    first = ["movie"] if of_series else []
    names = first + columns(detectors)
    table = pd.DataFrame([{"movie": s, **row} for s, row in rows], columns=names)
    kinds = dict.fromkeys(names, float) | {"kind": object}
    return table.astype(kinds | dict.fromkeys([*first, "frame", "n_frames"], int))


def rows_of(block: Block, t: int, frame: int, rate: float, pixel_size_nm: float, detectors):
    """Return what a frame of a block deviates by, a dict a row, the surest first.

    Parameters
    ----------
    block : Block
    t : int
        Place of the frame in it.
    frame : int
        Its number in the movie.
    rate : float
        Of false deviations, per pixel.
    pixel_size_nm : float
    detectors : sequence of str
    """
    rows = []
    for found, which, z in block.significant(t, rate):
        at_column = block.at_columns(t, found.places[which])
        for i, score, at, heights in zip(which, z, at_column, block.heights(found, which)):
            y, x = found.places[i]
            share = float(found.shares[i])
            row = {"frame": frame, "y": y, "x": x}
            row |= {"y_nm": y * pixel_size_nm, "x_nm": x * pixel_size_nm}
            row |= {"kind": _kind(share, at), "share": share, "z": float(score)}
            row |= {"probability": found.probability[i], "n_frames": int(found.n_frames[i])}
            rows.append(row | {f"height_{d}": float(h) for d, h in zip(detectors, heights)})
    return sorted(rows, key=lambda row: -np.abs(row["z"]))


def _kind(share, at_column):
    """Say what a deviation is."""
    if not at_column:
        return "extra" if share > 0 else "too much"
    if share > 0:
        return "brighter"
    return "missing" if share < -MISSING else "weaker"
