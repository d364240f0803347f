"""Deviations on a frame: where the raw frame shows what the network does not draw."""

from __future__ import annotations

import numpy as np

from .canvas import INK, as_text, grid, save
from .frames import display_range, draw_image, scale_bar

# one colour a kind, told apart by all eyes (Okabe and Ito)
COLOURS = {
    "missing": "#56b4e9",
    "weaker": "#0072b2",
    "brighter": "#e69f00",
    "extra": "#d55e00",
    "too much": "#cc79a7",
}
BLUR_NM = 0.05  # of the residual, so that columns can be seen in it
RADIUS_NM = 0.22  # of the marks


def deviations_on_frame(path, raw, denoised, table, detectors, pixel_size_nm=None, title=None):
    """Draw a frame before and after, and its blurred residual, with a circle at each deviation.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    raw, denoised : array_like
        (Y, X, C).
    table : pandas.DataFrame
        Rows of the frame, as `N2VStem.deviations` returns them.
    detectors : sequence of str
    pixel_size_nm : float, optional
        [nm/px].
    title : str, optional

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    from scipy.ndimage import gaussian_filter

    raw, denoised = np.asarray(raw, float), np.asarray(denoised, float)
    size = pixel_size_nm or 0.046
    kinds = [kind for kind in COLOURS if (table["kind"] == kind).any()]
    heights = [raw.shape[0] / raw.shape[1]] * len(detectors)
    figure, axes = grid(heights, 3, title, None)
    for c, name in enumerate(detectors):
        low, high = display_range(denoised[..., c], False)
        residual = gaussian_filter(raw[..., c] - denoised[..., c], BLUR_NM / size)
        reach = np.percentile(np.abs(residual), 99.9)
        images = (
            ("raw", gaussian_filter(raw[..., c], BLUR_NM / size / 2), low, high),
            ("denoised", denoised[..., c], low, high),
            ("raw - denoised, blurred", residual, -reach, reach),
        )
        for ax, (label, image, least, most) in zip(axes[c], images):
            draw_image(ax, image, least, most, False)
            for kind in kinds:
                here = table[table["kind"] == kind]
                points = 2 * RADIUS_NM / size / raw.shape[1] * ax.get_window_extent().width
                points *= 72 / figure.dpi
                ax.scatter(
                    here["x"],
                    here["y"],
                    s=points**2,
                    facecolors="none",
                    edgecolors=COLOURS[kind],
                    linewidths=0.9,
                    label=f"{kind} ({len(here)})",
                )
            if c == 0:
                ax.set_title(label, fontsize=9, color=INK, pad=4)
        axes[c, 0].set_ylabel(as_text(name), fontsize=10, color=INK)
        scale_bar(axes[c, 0], denoised[..., c], pixel_size_nm)
    if kinds:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        below = {"loc": "outside lower center", "ncols": len(labels), "frameon": False}
        figure.legend(handles, labels, fontsize=8, **below)
    return save(figure, path)
