"""Intensity profiles along a line through frames, and how the line is shown on them.

As in the paper's Figs 3, 4, 6 and 8: one pixel wide, at the same place in all images, on a linear
scale that they share. Values between pixels are interpolated linearly, which lowers the noise of a
profile that is oblique; one along a row or a column of pixels has the pixels' own values.
"""

from __future__ import annotations

import numpy as np

from .canvas import INK, MARK

_ARROW = 0.09  # length of an arrow in widths of a panel
_TICK = 0.07


def line_points(line):
    """Points along a line, as `line_profile` samples it.

    Parameters
    ----------
    line : array_like
        (2, 2) ends y, x [px].

    Returns
    -------
    numpy.ndarray
        (n, 2) y, x [px], both ends included, at most 1 px apart.
    """
    start, stop = np.asarray(line, float)
    return np.linspace(start, stop, int(np.ceil(np.linalg.norm(stop - start))) + 1)


def line_profile(image, line):
    """Intensity along a line, 1 px wide.

    Parameters
    ----------
    image : array_like
        (Y, X).
    line : array_like
        (2, 2) ends y, x [px], inside the image.

    Returns
    -------
    distance : numpy.ndarray
        (n,) from the first end [px].
    intensity : numpy.ndarray
        (n,) interpolated linearly at `line_points`.

    Raises
    ------
    ValueError
        An end of the line lies outside the image.
    """
    from scipy.ndimage import map_coordinates

    image, line = np.asarray(image, float), np.asarray(line, float)
    if np.any(line < 0) or np.any(line > np.subtract(image.shape, 1)):
        raise ValueError(f"line {line.tolist()} leaves the image of {image.shape} px")
    points = line_points(line)
    distance = np.linalg.norm(points - points[0], axis=1)
    return distance, map_coordinates(image, points.T, order=1, mode="nearest")


def mark_line(ax, line, shape):
    """Point at the ends of a line with arrows, which leave the line itself free.

    Where an arrow has no room inside the image (Y, X), a tick on the line stands in.
    """
    line = np.asarray(line, float)
    along = (line[1] - line[0]) / np.linalg.norm(line[1] - line[0])
    for end, outward in zip(line, (-along, along)):
        tail, style = end + _ARROW * shape[1] * outward, "-|>"
        if np.any(tail < 0) or np.any(tail > np.subtract(shape, 1)):
            tail, style = end - _TICK * shape[1] * outward, "-"
        arrow = {"arrowstyle": style, "color": MARK, "linewidth": 1.2, "mutation_scale": 8}
        arrow |= {"shrinkA": 0, "shrinkB": 0}
        ax.annotate("", end[::-1], tail[::-1], arrowprops=arrow).set_in_layout(False)


def draw_profiles(axes, row, pixel_size_nm):
    """Draw the profiles of one detector, all on one linear scale; what exceeds it is cut.

    Parameters
    ----------
    axes : sequence of matplotlib axes
        One per panel; any left over are switched off.
    row : dict
        As `plot.before_after` takes it, with ``line``; without ``name`` it is not named.
    pixel_size_nm : float or None
        [nm/px].
    """
    scale = pixel_size_nm or 1
    lines = [line_profile(image, row["line"]) for _, image, _ in row["panels"]]
    scaling = lines if row["scaled_by"] is None else [lines[c] for c in row["scaled_by"]]
    low, high = (f([f(values) for _, values in scaling]) for f in (np.min, np.max))
    pad = 0.05 * (high - low) or 1.0
    compared = None if row["compare"] is None else lines[row["compare"]]
    for c, ax in enumerate(axes):
        if c >= len(lines):
            ax.set_axis_off()
            continue
        distance, values = lines[c]
        if compared is not None and compared is not lines[c]:
            ax.plot(compared[0] * scale, compared[1], color=MARK, linewidth=0.8)
        ax.plot(distance * scale, values, color=INK, linewidth=0.8)
        marks = _places(row["marks"], row["line"]) * scale
        if len(marks):
            top = np.full(len(marks), high + 2 * pad)
            ax.plot(marks, top, "v", color=MARK, markersize=3.5, clip_on=False)
        ax.set(xlim=(0, distance[-1] * scale), ylim=(low - pad, high + 2 * pad), yticks=[])
        ax.tick_params(labelsize=7, length=2, pad=2)
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
        ax.set_xlabel("x [nm]" if pixel_size_nm else "x [px]", fontsize=7, labelpad=1)
    label = "\n".join([*filter(None, [row.get("name")]), "intensity"])
    axes[0].set_ylabel(label, fontsize=7, color=INK)


def _places(marks, line):
    """Where points (n, 2) stand along a line, from its first end [px]."""
    line = np.asarray(line, float)
    along = (line[1] - line[0]) / np.linalg.norm(line[1] - line[0])
    return (np.asarray(marks, float).reshape(-1, 2) - line[0]) @ along
