"""Frames before and after denoising side by side, and what was taken away.

The layout of the paper's Figs 3, 4 and 6: one row of panels per detector, ADF on a square-root
scale, all panels of a row on one intensity range, profiles one pixel wide below, on a linear scale.
The range is that of a *reference* panel, by default the last one (denoised, or the truth where
there is one), since the percentiles of a noisy frame follow its noise and wash the others out.
Values beyond the range are drawn black or white.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ..metrics.fourier import fft_magnitude
from .canvas import INK, as_text, bar_length_nm, checked_rows, grid, save
from .profiles import draw_profiles, mark_line

_PROFILE = 0.42  # height of a profile in widths of a panel
# On a square-root scale the ground is lifted off black by this share of the range, so that noise
# below the ground stays visible instead of being cut at its mean.
# Linear rows (BF) run from the dark atoms to the ground, with room for noise beyond both.
_FOOT = {False: 0.05, True: 0.04}
_HEAD = {False: 0.15, True: 0.05}
_OPTIONAL = {
    "sqrt": False,
    "reference": -1,
    "profile_y": None,
    "line": None,
    "marks": (),
    "compare": None,
    "scaled_by": None,
}
_PERCENTILES = {False: (0.05, 99.5), True: (0.5, 99.9)}


def before_after(path, rows, pixel_size_nm=None, title=None, caption=None, profiles_last=False):
    """Draw frames side by side, one row per detector.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    rows : list of dict
        One per detector, with

        - ``name``: of the detector;
        - ``panels``: list of ``(label, image)`` or ``(label, image, note)``, image (Y, X), note a
          short text below the panel such as its PSNR;
        - ``sqrt``: square-root scale, for bright atoms on a dark ground (default False);
        - ``reference``: which panel sets the intensity range, by default the last (-1);
        - ``line``: ends ((y, x), (y, x)) [px] of a line whose profile is drawn below the panels
          (default none); ``profile_y``: the same of a whole row of pixels;
        - ``marks``: points (n, 2) y, x [px] that triangles point at above the profiles;
        - ``compare``: panel whose profile is drawn behind the others, in colour;
        - ``scaled_by``: panels whose profiles set the scale of all (default all), for features
          far below the noise of the others.
    pixel_size_nm : float, optional
        [nm/px]; without it there is no scale bar.
    title, caption : str, optional
        Above and below the figure.
    profiles_last : bool
        Profiles of all detectors below the images of all, as in the paper, instead of each below
        its own.

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    rows = [_with_line(row) for row in checked_rows(rows, _OPTIONAL)]
    # one line of axes each: what is drawn there, and its height
    drawn = []
    for r, row in enumerate(rows):
        size_y, size_x = row["panels"][0][1].shape
        labelled = r == 0 or _labels(row) != _labels(rows[0])
        drawn.append((partial(_draw_row, labelled=labelled), row, size_y / size_x))
        if row["line"] is not None:
            drawn.append((draw_profiles, row, _PROFILE))
    if profiles_last:
        drawn.sort(key=lambda one: one[0] is draw_profiles)  # keeps the order of all others
    n_columns = max(len(row["panels"]) for row in rows)
    figure, axes = grid([height for *_, height in drawn], n_columns, title, caption)
    for line, (draw, row, _) in zip(axes, drawn):
        draw(line, row, pixel_size_nm)
    return save(figure, path)


def residual_panel(path, raw, denoised, name="", pixel_size_nm=None):
    """Draw what a denoiser took away, and its FFT magnitude.

    White noise taken away is flat in both; structure in the left panel or spots of the lattice in
    the right one are signal lost.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    raw, denoised : array_like
        (Y, X), one unit.
    name : str
        Name of the detector.
    pixel_size_nm : float, optional
        [nm/px], for the scale bar.

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    residual = np.asarray(raw, float) - np.asarray(denoised, float)
    magnitude = fft_magnitude(residual)
    magnitude = np.log10(magnitude + 1e-3 * magnitude.mean() + np.finfo(float).tiny)
    figure, axes = grid([residual.shape[0] / residual.shape[1]], 2, None, None)
    panels = (("raw - denoised", residual, pixel_size_nm), ("its |FFT|, log", magnitude, None))
    for ax, (label, image, bar_nm) in zip(axes[0], panels, strict=True):
        draw_image(ax, image, *np.percentile(image, (0.5, 99.9)), sqrt=False)
        ax.set_title(label, fontsize=9, color=INK, pad=4)
        scale_bar(ax, image, bar_nm)
    axes[0, 0].set_ylabel(as_text(name), fontsize=10, color=INK)
    return save(figure, path)


def display_range(image, sqrt=False):
    """Intensities drawn black and white, from robust percentiles of a reference image.

    Parameters
    ----------
    image : array_like
        (Y, X).
    sqrt : bool
        Whether a square-root scale is meant: few atoms on a dark ground, so that the upper
        percentile is a higher one.

    Returns
    -------
    tuple of float
        Low and high, low < high.
    """
    low, high = np.percentile(np.asarray(image, float), _PERCENTILES[sqrt])
    spread = high - low if high > low else max(abs(low), 1.0)
    return float(low - _FOOT[sqrt] * spread), float(low + (1 + _HEAD[sqrt]) * spread)


def _labels(row):
    """Labels of a row's panels."""
    return [label for label, _, _ in row["panels"]]


def _with_line(row):
    """Return a row whose line is that of `profile_y`, where it gives one."""
    if row["profile_y"] is None:
        return row
    y, last = row["profile_y"], row["panels"][0][1].shape[1] - 1
    return {**row, "line": ((y, 0), (y, last))}


def _draw_row(axes, row, pixel_size_nm, labelled):
    """Draw the images of one detector."""
    low, high = display_range(row["panels"][row["reference"]][1], row["sqrt"])
    for c, ax in enumerate(axes):
        if c >= len(row["panels"]):
            ax.set_axis_off()
            continue
        label, image, note = row["panels"][c]
        draw_image(ax, image, low, high, row["sqrt"])
        if labelled:
            ax.set_title(label, fontsize=9, color=INK, pad=4)
        if note:
            ax.set_xlabel(note, fontsize=8, color=INK, labelpad=3)
        if row["line"] is not None:
            mark_line(ax, row["line"], image.shape)
    axes[0].set_ylabel(row["name"], fontsize=10, color=INK)
    scale_bar(axes[0], row["panels"][row["reference"]][1], pixel_size_nm)


def draw_image(ax, image, low, high, sqrt, interpolation="nearest"):
    """Draw one image in grey without ticks."""
    from matplotlib.colors import PowerNorm

    norm = PowerNorm(0.5 if sqrt else 1.0, vmin=low, vmax=high, clip=True)
    ax.imshow(image, cmap="gray", norm=norm, interpolation=interpolation)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def scale_bar(ax, image, pixel_size_nm):
    """Draw a bar of a round length in the corner that is emptiest; nothing without a pixel size.

    Parameters
    ----------
    ax : matplotlib axes
    image : numpy.ndarray
        (Y, X), in which what stands out shall not be hidden.
    pixel_size_nm : float or None
        [nm/px].
    """
    if pixel_size_nm:
        look = {"color": "white", "box_color": "black", "box_alpha": 0.65, "border_pad": 0.4}
        add_bar(ax, image.shape[1], pixel_size_nm, loc=emptiest_corner(image), **look)


def emptiest_corner(image):
    """Return the corner in which least stands out, 'lower left' where there are several.

    >>> emptiest_corner(np.eye(20)[:, ::-1])
    'lower right'
    """
    unlike = np.abs(np.asarray(image, float) - np.median(image))
    high, wide = (max(1, n) for n in np.multiply(image.shape, (0.2, 0.35)).astype(int))
    rows = {"lower": slice(-high, None), "upper": slice(0, high)}
    columns = {"left": slice(0, wide), "right": slice(-wide, None)}
    hidden = {f"{y} {x}": unlike[rows[y], columns[x]].max() for y in rows for x in columns}
    return min(hidden, key=hidden.get)


def add_bar(ax, width_px, pixel_size_nm, **look):
    """Add a scale bar of a round length; `look` is what `matplotlib_scalebar.ScaleBar` takes."""
    from matplotlib_scalebar.scalebar import ScaleBar

    length = {"fixed_value": bar_length_nm(width_px * pixel_size_nm), "fixed_units": "nm"}
    text = {"font_properties": {"size": 8}, "scale_formatter": lambda value, _: f"{value:g} nm"}
    bar = ScaleBar(pixel_size_nm, "nm", **length, **{**text, "width_fraction": 0.02, **look})
    ax.add_artist(bar)
