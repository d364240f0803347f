"""A small picture that stands for a model: noisy on the left, denoised on the right."""

from __future__ import annotations

import io

import numpy as np

from .frames import display_range, draw_image

SIDE_PX = 256  # of each half
DPI = 100


def cover(noisy, denoised, sqrt: bool = False) -> bytes:
    """Draw a frame before and after denoising, without any writing on it.

    Parameters
    ----------
    noisy, denoised : array_like
        (Y, X), one unit; of a frame that is not square, the middle is drawn.
    sqrt : bool
        Square-root scale, for bright atoms on a dark ground.

    Returns
    -------
    bytes
        A PNG of 512 x 256 px.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 * SIDE_PX / DPI, SIDE_PX / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    low, high = display_range(denoised, sqrt)
    for half, image in enumerate((noisy, denoised)):
        ax = figure.add_axes((half / 2, 0, 0.5, 1))
        draw_image(ax, _square(np.asarray(image, float)), low, high, sqrt)
    figure.add_artist(_line())
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def _square(image):
    """Return the middle of a frame."""
    side = min(image.shape)
    y, x = ((n - side) // 2 for n in image.shape)
    return image[y : y + side, x : x + side]


def _line():
    from matplotlib.lines import Line2D

    return Line2D([0.5, 0.5], [0, 1], color="white", linewidth=1.5)
