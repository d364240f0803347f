"""Atoms on the frames they were found in (the paper's Fig. 1b), tracks, and how good they are."""

from __future__ import annotations

import numpy as np

from ..counting import counted
from .canvas import INK, MARK, as_text, checked_rows, grid, new_figure, save
from .frames import display_range, draw_image, scale_bar


def atoms_on_frames(path, rows, positions, pixel_size_nm=None, title=None):
    """Draw frames with a circle around every atom.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    rows : list of dict
        As in `before_after`: ``name``, ``panels`` of ``(label, image)``, ``sqrt``. All panels of a
        row have the intensity range of the last one.
    positions : sequence
        For each panel of a row, (n, 2) y, x [px] of its atoms; None for a panel without circles.
    pixel_size_nm : float, optional
        [nm/px].
    title : str, optional

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    rows = checked_rows(rows, {"sqrt": False})
    heights = [row["panels"][0][1].shape[0] / row["panels"][0][1].shape[1] for row in rows]
    figure, axes = grid(heights, len(rows[0]["panels"]), title, None)
    for r, row in enumerate(rows):
        low, high = display_range(row["panels"][-1][1], row["sqrt"])
        for ax, (label, image, _), places in zip(axes[r], row["panels"], positions, strict=True):
            draw_image(ax, image, low, high, row["sqrt"])
            if places is not None:
                y, x = np.asarray(places, float).reshape(-1, 2).T
                radius = 0.15 / (pixel_size_nm or 0.046)
                size = (2 * radius / image.shape[1] * ax.get_window_extent().width) ** 2
                size *= (72 / figure.dpi) ** 2  # points
                ax.scatter(x, y, s=size, facecolors="none", edgecolors=MARK, linewidths=0.7)
            if r == 0:
                ax.set_title(label, fontsize=9, color=INK, pad=4)
        axes[r, 0].set_ylabel(row["name"], fontsize=10, color=INK)
        scale_bar(axes[r, 0], row["panels"][-1][1], pixel_size_nm)
    return save(figure, path)


def tracks_over_time(path, frame, table, pixel_size_nm=None, title=None):
    """Draw tracks on a frame, coloured by time, and how many atoms each frame holds.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    frame : array_like
        (Y, X) behind the tracks.
    table : pandas.DataFrame
        Columns ``frame``, ``y``, ``x`` [px], ``particle``.
    pixel_size_nm : float, optional
        [nm/px].
    title : str, optional

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    frame = np.asarray(frame, float)
    figure = new_figure((9.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    draw_image(left, frame, *display_range(frame), False)
    scale_bar(left, frame, pixel_size_nm)
    last = int(table["frame"].max()) if len(table) else 1
    lines = LineCollection([], cmap="viridis", linewidths=1.2)
    segments, times = [], []
    for _, track in table.sort_values("frame").groupby("particle"):
        places = track[["x", "y"]].to_numpy(float)
        segments += list(np.stack([places[:-1], places[1:]], axis=1))
        times += track["frame"].to_numpy()[1:].tolist()
    lines.set_segments(segments)
    lines.set_array(np.asarray(times, float))
    lines.set_clim(0, max(1, last))
    left.add_collection(lines)
    if len(table):
        left.scatter(table["x"], table["y"], s=1.5, c=table["frame"], cmap="viridis", linewidths=0)
    whole = MaxNLocator(integer=True)
    figure.colorbar(lines, ax=left, label="frame", shrink=0.8, ticks=whole)
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_title("tracks", fontsize=9, color=INK)
    counts = np.bincount(table["frame"].to_numpy(int), minlength=last + 1)
    right.step(np.arange(last + 1), counts, where="mid", color=INK)
    right.set(xlabel="frame", ylabel="atoms", ylim=(0, None))
    lengths = table.groupby("particle").size() if len(table) else []
    right.set_title(
        f"{counted(len(table), 'atom')} in {counted(len(lengths), 'track')}", fontsize=9, color=INK
    )
    right.grid(alpha=0.3)
    if title:
        figure.suptitle(as_text(title), fontsize=11, color=INK)
    return save(figure, path)


def precision_recall_curves(path, curves, marks=(), title=None):
    """Draw precision against recall.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    curves : dict
        Label -> (precision, recall), arrays.
    marks : sequence of (float, float, str), optional
        Points (precision, recall, label).
    title : str, optional

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    figure, ax = _one(title)
    for label, (precision, recall) in curves.items():
        ax.plot(recall, precision, label=as_text(label), linewidth=1.4)
    for precision, recall, label in marks:
        ax.plot([recall], [precision], "o", color=INK, markersize=4)
        ax.annotate(as_text(label), (recall, precision), fontsize=7, xytext=(4, -8),
                    textcoords="offset points")  # fmt: skip
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    ax.legend(fontsize=7, loc="lower left")
    return save(figure, path)


def localisation_errors(path, errors_pm, bound_pm=None, title=None):
    """Draw histograms of position errors per axis.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    errors_pm : dict
        Label -> errors of y and x [pm].
    bound_pm : float, optional
        Cramer-Rao bound [pm]: its normal distribution is drawn.
    title : str, optional

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    figure, ax = _one(title)
    reach = max(1.0, *(np.percentile(np.abs(e), 99) for e in errors_pm.values() if len(e)))
    bins = np.linspace(-reach, reach, 61)
    for label, errors in errors_pm.items():
        rms = np.sqrt(np.mean(np.square(errors)))
        ax.hist(
            errors, bins, density=True, histtype="step", label=f"{as_text(label)}: RMS {rms:.1f} pm"
        )
    if bound_pm:
        x = np.linspace(-reach, reach, 300)
        normal = np.exp(-((x / bound_pm) ** 2) / 2) / (bound_pm * np.sqrt(2 * np.pi))
        ax.plot(x, normal, "--", color=INK, label=f"Cramér-Rao bound {bound_pm:.1f} pm")
    ax.set(xlabel="position error per axis [pm]", ylabel="density [1/pm]")
    ax.legend(fontsize=7)
    return save(figure, path)


def _one(title):

    figure = new_figure((5.2, 4), layout="constrained")
    ax = figure.subplots()
    ax.grid(alpha=0.3)
    if title:
        ax.set_title(as_text(title), fontsize=10, color=INK)
    return figure, ax
