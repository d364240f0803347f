"""Figures of scores: bars per method (the paper's Fig. 7), lines against input PSNR (its Fig. 9).

One column of panels per detector, one row per metric, error bars of one standard error over
movies. The blank frame (mean of the true frame) is no method but a yardstick: a dashed line.
Colours are those of Okabe and Ito (2008), which the colour-blind tell apart; a classical method has
the same colour in every figure, and lines differ in their markers as well.

Rows are those of `evaluation.scores.Evaluation.rows`, or of the JSON file: dicts with ``level,
method, label, kind, detector, metric, mean, se, psnr_in``. Rows without a score are left out.
"""

from __future__ import annotations

import textwrap

import numpy as np

from ..evaluation.scores import METRICS
from .canvas import as_text, new_figure, save

SHOWN = ("psnr", "ssim", "nrmse")
MANY_LEVELS = 4  # more are drawn as lines against the input PSNR
_INK, _GRID, _DASHES = "#1a1a1a", "#dddddd", (0, (3, 2))
_COLOURS = {
    "noisy": "#b3b3b3",
    "gaussian": "#56b4e9",
    "tv": "#009e73",
    "bm3d": "#e69f00",
    "anscombe_bm3d": "#f0e442",
    "temporal": "#cc79a7",
}
_MODEL_COLOURS = ("#0072b2", "#d55e00", "#000000", "#7f3c8d", "#80611a")
_MARKERS = "osD^vP*X<>"
_HEADROOM = 1.2  # of a panel, for the number above its highest bar
_NARROWEST_IN = 4.5  # of a figure, so that legend and texts have room


def draw(path, rows, metrics=SHOWN, title=None, caption=None):
    """Draw bars, or lines where there are more than four noise levels; see `method_bars`."""
    n_levels = len({row["level"] for row in rows})
    figure = method_lines if n_levels > MANY_LEVELS else method_bars
    return figure(path, rows, metrics, title, caption)


def method_bars(path, rows, metrics=SHOWN, title=None, caption=None):
    """Draw one bar per method, grouped by input level.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    rows : list of dict
        See the module; order of levels, methods and detectors is that of first appearance.
    metrics : sequence of {"psnr", "ssim", "nrmse", "fluence_gain"}
        One row of panels each.
    title, caption : str, optional
        Above and below the figure.

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure

    Raises
    ------
    ValueError
        There is no score to draw.
    """
    table = _Table(rows, metrics)
    width = 0.84 / len(table.methods)
    figure, axes = _panels(table, 0.9 + 0.22 * len(table.levels) * (len(table.methods) + 1))
    for ax, metric, detector in _each(axes, table):
        for g, level in enumerate(table.levels):
            for i, method in enumerate(table.methods):
                row = table.score(level, method, detector, metric)
                if row is None:
                    continue
                x = g + (i - (len(table.methods) - 1) / 2) * width
                _bar(ax, x, row, 0.9 * width, table.colour(method))
            blank = table.score(level, "blank", detector, metric)
            if blank is not None:
                ax.hlines(blank["mean"], g - 0.44, g + 0.44, _INK, _DASHES, lw=1)
        ax.set_xlim(-0.55, len(table.levels) - 0.45)
        ax.set_xticks(range(len(table.levels)), [_tick(table, lv, detector) for lv in table.levels])
        ax.set_ylim(0, _HEADROOM * table.top(metric))
    return _finish(figure, axes, table, path, title, caption, "input level")


def method_lines(path, rows, metrics=SHOWN, title=None, caption=None):
    """Draw one line per method against the PSNR of the noisy frames.

    Parameters
    ----------
    path, rows, metrics, title, caption
        As in `method_bars`.

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure

    Raises
    ------
    ValueError
        There is no score to draw.
    """
    table = _Table(rows, metrics)
    figure, axes = _panels(table, 3.4)
    for ax, metric, detector in _each(axes, table):
        for method in [*table.methods, "blank"]:
            found = [table.score(level, method, detector, metric) for level in table.levels]
            found = sorted((row for row in found if row is not None), key=lambda r: r["psnr_in"])
            if not found:
                continue
            x, y = ([row[key] for row in found] for key in ("psnr_in", "mean"))
            if method == "blank":
                ax.plot(x, y, color=_INK, linestyle=_DASHES, lw=1)
                continue
            style = {"color": table.colour(method), "marker": table.marker(method), "ms": 4}
            ax.errorbar(x, y, [_error(row) for row in found], lw=1.2, capsize=2, **style)
        if metric != "psnr":
            ax.set_ylim(bottom=0)
    return _finish(figure, axes, table, path, title, caption, "PSNR of the noisy frames [dB]")


class _Table:
    """Rows sorted by what they are of."""

    def __init__(self, rows, metrics):
        unknown = sorted(set(metrics) - set(METRICS))
        if unknown or not len(metrics):
            raise ValueError(f"metrics {unknown}; expected some of {sorted(METRICS)}")
        rows = [r for r in rows if r["mean"] is not None and np.isfinite(r["mean"])]
        rows = [r for r in rows if r["metric"] in metrics]
        if not rows:
            raise ValueError("no scores to draw")
        self.metrics = list(metrics)
        self.levels, self.detectors = (_in_order(rows, key) for key in ("level", "detector"))
        self.labels = {r["method"]: r["label"] for r in rows}
        self.methods = [m for m in _in_order(rows, "method") if m != "blank"]
        self._models = [m for m in self.methods if m not in _COLOURS]
        self._rows = {(r["level"], r["method"], r["detector"], r["metric"]): r for r in rows}

    def score(self, level, method, detector, metric):
        """Return one row, or None."""
        return self._rows.get((level, method, detector, metric))

    def colour(self, method):
        """Return a method's own colour, or a model's by its place among the models."""
        if method in _COLOURS:
            return _COLOURS[method]
        return _MODEL_COLOURS[self._models.index(method) % len(_MODEL_COLOURS)]

    def marker(self, method):
        """Return a marker by the method's place."""
        return _MARKERS[self.methods.index(method) % len(_MARKERS)]

    def psnr_in(self, level, detector):
        """PSNR of the noisy frames [dB]."""
        rows = self._rows.values()
        found = (r for r in rows if (r["level"], r["detector"]) == (level, detector))
        return next(found)["psnr_in"]

    def top(self, metric):
        """Largest mean plus error of a metric in all panels, which share their scale."""
        rows = [row for row in self._rows.values() if row["metric"] == metric]
        return max(row["mean"] + _error(row) for row in rows) or 1.0


def _in_order(rows, key):
    """Return the values of a key, each once, in the order of first appearance."""
    return list(dict.fromkeys(row[key] for row in rows))


def _error(row):
    """Half length of an error bar; none where the standard error is unknown."""
    se = row["se"]
    return 0.0 if se is None or not np.isfinite(se) else se


def _panels(table, panel_in):
    """Figure and its axes (metrics, detectors)."""
    shape = (len(table.metrics), len(table.detectors))
    width = max(panel_in * shape[1] + 0.5, _NARROWEST_IN)
    entries = len(table.methods) + ("blank" in table.labels)
    rows = -(-entries // _n_columns(table, width))
    size = (width, 1.9 * shape[0] + 0.7 + 0.17 * rows)
    figure = new_figure(size, layout="constrained")
    return figure, figure.subplots(*shape, squeeze=False, sharex="col", sharey="row")


def _each(axes, table):
    """Yield every panel with its metric and detector, with what all panels have in common."""
    for r, metric in enumerate(table.metrics):
        heading, _, higher = METRICS[metric]
        for c, detector in enumerate(table.detectors):
            ax = axes[r, c]
            ax.grid(axis="y", color=_GRID, lw=0.6)
            ax.set_axisbelow(True)
            ax.tick_params(labelsize=8, length=2)
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
            if r == 0:
                ax.set_title(as_text(detector), fontsize=10, color=_INK)
            if c == 0:
                cue = "higher is better" if higher else "lower is better"
                ax.set_ylabel(f"{heading}\n{cue} {'↑' if higher else '↓'}", fontsize=8.5)
            yield ax, metric, detector


def _bar(ax, x, row, width, colour):
    """Draw one bar with its error and its number."""
    from matplotlib.patheffects import withStroke

    error = _error(row)
    ax.bar(x, row["mean"], width, color=colour, edgecolor=_INK, linewidth=0.4)
    if error:
        ax.errorbar(x, row["mean"], error, color=_INK, lw=0.9, capsize=1.8, capthick=0.9)
    decimals = {"psnr": 1, "fluence_gain": 0}.get(row["metric"], 2 if row["mean"] >= 0.095 else 3)
    text = {"ha": "center", "va": "bottom", "fontsize": 5.5, "rotation": 90, "color": _INK}
    number = f"{row['mean']:.{decimals}f}"
    text["path_effects"] = [withStroke(linewidth=1.5, foreground="white")]
    ax.annotate(
        number, (x, max(row["mean"] + error, 0)), (0, 2), textcoords="offset points", **text
    )


def _tick(table, level, detector):
    """Label of a group: the level's, with the PSNR measured where the label is no PSNR."""
    return level if level.endswith(" dB") else f"{level}\n{table.psnr_in(level, detector):.1f} dB"


def _n_columns(table, width_in):
    """Return how many entries of the legend stand beside each other in a width [in]."""
    longest = max(len(as_text(label)) for label in table.labels.values())
    return max(1, int(width_in / (0.55 + 0.065 * longest)))


def _finish(figure, axes, table, path, title, caption, xlabel):
    """Add the legend and the texts, write the PNG."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    lines = xlabel.startswith("PSNR")
    handles = []
    for method in table.methods:
        known = {"color": table.colour(method), "label": as_text(table.labels[method])}
        handles.append(
            Line2D([], [], marker=table.marker(method), ms=4, lw=1.2, **known)
            if lines
            else Patch(edgecolor=_INK, linewidth=0.4, facecolor=known.pop("color"), **known)
        )
    if "blank" in table.labels:
        dashes = {"color": _INK, "linestyle": _DASHES, "lw": 1}
        handles.append(Line2D([], [], label=as_text(table.labels["blank"]), **dashes))
    columns = min(len(handles), _n_columns(table, figure.get_figwidth()))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=columns,
        fontsize=8,
        frameon=False,
        title=title,
        title_fontsize=11,
    )
    for ax in axes[-1]:
        ax.set_xlabel(xlabel, fontsize=8.5)
    if caption:
        lines = textwrap.wrap(caption, int(19 * figure.get_figwidth()))
        figure.supxlabel("\n".join(lines), fontsize=7.5, color=_INK)
    return save(figure, path)
