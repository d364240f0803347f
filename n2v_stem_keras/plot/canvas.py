"""What all figures share: a grid of panels, the check of their rows, and writing a PNG whole.

Drawn through matplotlib's objects, without pyplot: no global state, no window.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np

PANEL_IN = 2.3  # width of a panel [in]
DPI = 200
INK, MARK = "#1a1a1a", "#e08e0b"


def checked_rows(rows, optional=()):
    """Rows with their optional entries filled in and their images as float arrays.

    Parameters
    ----------
    rows : list of dict
        One per detector, with ``name``, ``panels`` - a list of ``(label, image)`` or
        ``(label, image, note)``, image (Y, X) - and optional entries.
    optional : dict
        Optional entries and their defaults.

    Returns
    -------
    list of dict
        New rows, panels as ``(label, image, note)``, note None where there is none.

    Raises
    ------
    ValueError
        For no rows, unknown entries, or images of other or different shapes.
    """
    if not rows:
        raise ValueError("no rows to draw; give one per detector")
    return [_checked(row, dict(optional)) for row in rows]


def _checked(row, optional):
    """One row of `checked_rows`."""
    unknown = set(row) - {"name", "panels", *optional}
    if unknown:
        raise ValueError(f"row {row.get('name')!r} has unknown entries {sorted(unknown)}")
    panels = [(p[0], np.asarray(p[1], float), p[2] if len(p) > 2 else None) for p in row["panels"]]
    if not panels or any(p[1].ndim != 2 or p[1].shape != panels[0][1].shape for p in panels):
        shapes = [p[1].shape for p in panels]
        raise ValueError(f"row {row['name']!r} has images of {shapes}; expected (Y, X), all equal")
    return {**optional, **row, "panels": panels}


def grid(heights, n_columns, title, caption):
    """Figure and its axes (rows, columns), heights in widths of a panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    text_in = 0.3 + 0.25 * len(heights) + 0.3 * bool(title) + 0.3 * bool(caption)
    size = (PANEL_IN * n_columns + 0.4, PANEL_IN * sum(heights) + text_in)
    figure = Figure(figsize=size, dpi=DPI, layout="compressed")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(heights), n_columns, squeeze=False, height_ratios=heights)
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    if caption:
        figure.supxlabel(caption, fontsize=8, color=INK)
    return figure, axes


def bar_length_nm(width_nm):
    """Round length (1, 2 or 5 times a power of ten) of at most a quarter of a width [nm]."""
    target = width_nm / 4
    power = 10.0 ** np.floor(np.log10(target))
    return float(power * max(step for step in (1, 2, 5) if step * power <= target * (1 + 1e-9)))


def save(figure, path):
    """Write a PNG under a temporary name, then give it its own."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(temporary, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.05)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    return path
