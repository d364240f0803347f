"""Figures: frames before and after, as the paper shows them.

Square-root intensity scale for dark field, linear for bright field, one intensity range for all
panels of a row (taken from the denoised frame or the truth, so that noise does not wash it out), a
scale bar.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np

BAR_LENGTHS_NM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
PANEL_INCHES = 2.6


def before_after(path, rows, pixel_size_nm=None, title=None, crop_px=200) -> Path:
    """Draw panels of the same frame side by side, a row per detector.

    Parameters
    ----------
    path : path
        PNG to write; replaced only when complete.
    rows : list of dict
        ``name``: detector. ``panels``: list of (label, (Y, X) image). ``sqrt``: square-root scale.
        ``notes``: optional list of texts under the panels. A panel labelled 'difference' gets a
        symmetric range of its own.
    pixel_size_nm : float, optional
        [nm/px]; adds a scale bar.
    title : str, optional
    crop_px : int
        The central square of this side is shown [px], so that single atoms can be judged.

    Returns
    -------
    Path
    """
    from matplotlib.figure import Figure

    n_columns = max(len(row["panels"]) for row in rows)
    size = (PANEL_INCHES * n_columns, PANEL_INCHES * len(rows) + 0.4 + 0.25 * len(rows))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.subplots(len(rows), n_columns, squeeze=False)
    for line, row in zip(axes, rows):
        images = [_centre(np.asarray(image, float), crop_px) for _, image in row["panels"]]
        low, high = _intensity_range(images, [label for label, _ in row["panels"]])
        notes = row.get("notes") or [""] * len(images)
        for axis, image, (label, _), note in zip(line, images, row["panels"], notes):
            _panel(axis, image, label, low, high, row.get("sqrt", False))
            axis.set_xlabel(note, fontsize=8)
        line[0].set_ylabel(row["name"], fontsize=11)
        for axis in line[len(images) :]:
            axis.set_axis_off()
        if pixel_size_nm:
            _scale_bar(line[0], images[0].shape[1], pixel_size_nm)
    if title:
        figure.suptitle(title, fontsize=11)
    return save(figure, path)


def save(figure, path, dpi=200) -> Path:
    """Write a figure as PNG under a temporary name, then rename it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    path = Path(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    FigureCanvasAgg(figure)
    try:
        figure.savefig(temporary, dpi=dpi, format="png")
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    return path


def _centre(image, side):
    top, left = (max(0, (n - side) // 2) for n in image.shape)
    return image[top : top + side, left : left + side]


def _intensity_range(images, labels):
    """Return the range of the last frame that is no difference: the denoised one, or the truth."""
    reference = [i for i, label in zip(images, labels) if label != "difference"][-1]
    low, high = np.percentile(reference, [0.2, 99.9])
    margin = 0.1 * (high - low) or 1.0
    return low - margin, high + margin


def _panel(axis, image, label, low, high, sqrt):
    if label == "difference":
        reach = np.percentile(np.abs(image), 99.5) or 1.0
        axis.imshow(image, cmap="gray", vmin=-reach, vmax=reach, interpolation="nearest")
    else:
        shown = np.clip((image - low) / (high - low), 0, 1)
        shown = np.sqrt(shown) if sqrt else shown
        axis.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(label, fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])


def _scale_bar(axis, width_px, pixel_size_nm):
    """Draw a bar of a round length, about a fifth of the panel."""
    wanted = 0.25 * width_px * pixel_size_nm
    fitting = [length for length in BAR_LENGTHS_NM if length <= wanted]
    length = fitting[-1] if fitting else wanted
    bar = length / pixel_size_nm / width_px
    axis.plot(
        [0.05, 0.05 + bar], [0.06, 0.06], transform=axis.transAxes, color="white", linewidth=3,
        solid_capstyle="butt", path_effects=_outline(5),
    )  # fmt: skip
    axis.text(
        0.05 + bar / 2, 0.09, f"{length:g} nm", transform=axis.transAxes, color="white",
        ha="center", va="bottom", fontsize=8, path_effects=_outline(2),
    )  # fmt: skip


def _outline(width):
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=width, foreground="black")]
