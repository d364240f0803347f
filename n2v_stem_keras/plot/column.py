"""A frame before and after denoising, as wide as a column of a journal: 180 or 85 mm.

One line per detector: noisy, denoised and what was taken away, then the FFT magnitudes of the whole
frame, or of its middle 2048 px. Below the images stand their profiles through one line of pixels,
the same in all detectors, and below the magnitudes their means over all directions, the noisy one
in colour.
Scale bars and grey scales stand below the images and hide nothing. All text has its size at the
width of the column. A single column is too narrow for the difference and for profiles.
"""

from __future__ import annotations

import textwrap

import numpy as np

from ..metrics.window import RIM_PX, middle
from .canvas import INK, MARK, as_text, bar_length_nm, new_figure, save
from .frames import add_bar, display_range, draw_image
from .profiles import draw_profiles, mark_line
from .spectra import draw_magnitudes, draw_means

WIDTHS_MM = (180, 85)
DPI = 400
LARGEST_PX = 2048  # of larger frames the spectra are of the middle
MM = 1 / 25.4  # [in]
SIGMAS = 3.5  # of the difference, black and white
GAP, LEFT, RIGHT, TICKS, TOP = 1.5, 5.0, 1.0, 7.0, 4.5  # margins [mm]
BELOW, PROFILE, AXIS = 8.0, 9.0, 8.0  # heights of what is below an image, a profile, its axis [mm]


def column_figure(path, rows, pixel_size_nm=None, width_mm=180, title=None, banner=None):
    """Draw a frame before and after denoising, as wide as a column.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    rows : list of dict
        One per detector, with

        - ``name``: of the detector;
        - ``noisy``, ``denoised``: whole frames (Y, X);
        - ``window``: (slice, slice), what is shown of them;
        - ``sqrt``: square-root scale, for bright atoms on a dark ground (default False);
        - ``profile_y``: row of the window [px] whose profile is drawn (default none).
    pixel_size_nm : float, optional
        [nm/px]; without it there is no scale bar, and frequencies are in 1/px.
    width_mm : {180, 85}
        Two columns or one.
    title : str, optional
        Above the figure.
    banner : str, optional
        What must be seen with it: warnings, on a coloured ground below the figure.

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    if width_mm not in WIDTHS_MM:
        raise ValueError(f"a width of {width_mm} mm; expected one of {WIDTHS_MM}")
    wide = width_mm == max(WIDTHS_MM)
    size = 7 if wide else 6  # of text [pt]
    parts = [_parts(row, wide) for row in rows]
    n = len(parts[0]["panels"])
    side = (width_mm - LEFT - TICKS - RIGHT - 2 * (n - 1) * GAP) / (2 * n)
    profiled = wide and any(row.get("profile_y") is not None for row in rows)
    heights = [_height(part, side) + BELOW + (PROFILE + AXIS) * profiled for part in parts]
    top = TOP * (1 + bool(title))
    lines = []
    if banner:
        lines = textwrap.wrap(f"Warning: {as_text(banner)}", int(4.6 * width_mm / size))
    below = len(lines) * size * 0.45 + 3 if banner else 0
    height_mm = top + sum(heights) + below
    figure = new_figure((width_mm * MM, height_mm * MM))
    place = _Place(figure, width_mm, height_mm)
    if title:
        text = {"ha": "left", "va": "top", "fontsize": size + 1, "color": INK}
        figure.text(LEFT / width_mm, 1 - 1 / height_mm, as_text(title), **text)
    y = top
    for r, (part, height) in enumerate(zip(parts, heights, strict=True)):
        _draw_detector(place, part, y, side, pixel_size_nm, size, headed=r == 0, profiled=profiled)
        y += height
    if banner:
        _warn(figure, lines, size, 1.5 / height_mm)
    return save(figure, path, cut=False, dpi=DPI)


class _Place:
    """Axes of a figure by their place [mm], from the left and from the top."""

    def __init__(self, figure, width_mm, height_mm):
        self.figure, self.width, self.height = figure, width_mm, height_mm

    def __call__(self, x, y, width, height):
        """Add axes with this upper left corner and size."""
        box = (x / self.width, 1 - (y + height) / self.height)
        return self.figure.add_axes((*box, width / self.width, height / self.height))


def _parts(row, wide):
    """Return a detector's panels, their grey ranges, and the frames of its spectra."""
    noisy, denoised = np.asarray(row["noisy"]), np.asarray(row["denoised"])
    window, sqrt = row["window"], row.get("sqrt", False)
    # the rim, where the network sees one side only, sets no range
    inner = _inner(window, denoised.shape)
    whole = middle(denoised.shape, LARGEST_PX)
    shared = (*display_range(denoised[inner].astype(float), sqrt), sqrt)
    frames = {"noisy": noisy, "denoised": denoised}
    panels = [(name, frame[window].astype(float), shared) for name, frame in frames.items()]
    frames = {name: frame[whole].astype(float) for name, frame in frames.items()}
    if wide:
        frames["difference"] = frames["noisy"] - frames["denoised"]
        shown = noisy[inner].astype(float) - denoised[inner]
        centre = np.median(shown)
        reach = SIGMAS * 1.4826 * np.median(np.abs(shown - centre)) or 1.0
        difference = panels[0][1] - panels[1][1]
        panels.append(("difference", difference, (centre - reach, centre + reach, False)))
    line = None
    if row.get("profile_y") is not None:
        line = ((row["profile_y"], 0), (row["profile_y"], panels[0][1].shape[1] - 1))
    return {"name": as_text(row["name"]), "panels": panels, "frames": frames, "line": line}


def _inner(window, shape):
    """Return what of a window lies inside of the frame's rim, or all of it."""
    ends = [(part.indices(n)[:2], n) for part, n in zip(window, shape, strict=True)]
    inner = [(max(a, RIM_PX), min(b, n - RIM_PX)) for (a, b), n in ends]
    return window if any(b - a < 8 for a, b in inner) else tuple(slice(a, b) for a, b in inner)


def _height(part, side):
    """Height of a detector's images [mm]: the spectra are square."""
    size_y, size_x = part["panels"][0][1].shape
    return max(side, min(side * size_y / size_x, 2 * side))


def _draw_detector(place, part, y, side, pixel_size_nm, size, headed, profiled):
    """Draw what there is of one detector, its images at y [mm] from the top."""
    panels, height = part["panels"], _height(part, side)
    size_y, size_x = panels[0][1].shape
    width = min(side, side * 2 * size_x / size_y)  # of images taller than twice their width
    tall = width * size_y / size_x
    axes, profiles = [], []
    for c, (label, image, (low, high, sqrt)) in enumerate(panels):
        x = LEFT + c * (side + GAP)
        ax = place(x, y, width, tall)
        draw_image(ax, image, low, high, sqrt, "antialiased")
        if headed:
            ax.set_title(label, fontsize=size, color=INK, pad=3)
        if part["line"] is not None and profiled:
            mark_line(ax, part["line"], image.shape)
            profiles.append(place(x, y + height + BELOW, width, PROFILE))
        if c > 0:
            _grey_scale(place(x, y + tall + 1, width, 1.3), ax.images[0], size)
        axes.append(ax)
    axes[0].set_ylabel(part["name"], fontsize=size + 1, color=INK)
    if pixel_size_nm:
        look = {"loc": "upper left", "scale_loc": "right", "frameon": False, "color": INK}
        look |= {"bbox_to_anchor": (0, -1 / tall), "bbox_transform": axes[0].transAxes}
        look |= {"pad": 0, "border_pad": 0}
        add_bar(axes[0], size_x, pixel_size_nm, font_properties={"size": size}, sep=3, **look)
    if profiles:
        # the difference is moved onto the others' scale, which has no numbers
        moved = [
            image + (panels[1][1].mean() if c == 2 else 0) for c, (_, image, _) in enumerate(panels)
        ]
        row = {"panels": [("", image, None) for image in moved], "line": part["line"], "marks": ()}
        draw_profiles(profiles, {**row, "compare": None, "scaled_by": None}, pixel_size_nm)
        for ax in profiles:  # no number so near to an end that it meets the next panel's
            end = ax.get_xlim()[1]
            ax.set_xticks(np.arange(0, 0.9 * end, bar_length_nm(2 * end)))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.tick_params(labelsize=size)
            ax.xaxis.label.set_size(size)
        profiles[0].yaxis.label.set_size(size)
    first = LEFT + len(panels) * (side + GAP) - GAP + TICKS
    spectra = [place(first + c * (side + GAP), y, side, side) for c in range(len(panels))]
    draw_magnitudes(spectra, list(part["frames"].values()), pixel_size_nm, size)
    for ax, (label, *_) in zip(spectra, panels, strict=True):
        if headed:
            ax.set_title(f"|FFT| {label}", fontsize=size, color=INK, pad=3)
    if profiles:
        x = [first + c * (side + GAP) for c in range(len(panels))]
        means = [place(at, y + height + BELOW, side, PROFILE) for at in x]
        draw_means(means, list(part["frames"].values()), pixel_size_nm, size)


def _grey_scale(ax, image, size):
    """Draw which intensity is which grey, from black to white."""
    bar = ax.figure.colorbar(image, cax=ax, orientation="horizontal", ticks=[])
    bar.outline.set_linewidth(0.3)
    low, high = image.norm.vmin, image.norm.vmax
    text = {"fontsize": size - 1, "color": INK, "va": "top", "transform": ax.transAxes}
    for x, side, value in ((0, "left", low), (1, "right", high)):
        ax.text(x, -0.4, _number(value), ha=side, **text)


def _number(value):
    """Return three digits of a number, as a person writes it.

    >>> _number(8561.2), _number(0.00123456), _number(-2e9)
    ('8560', '0.00123', '-2e+09')
    """
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3g}"
    return np.format_float_positional(value, 3, fractional=False, trim="-")


def _warn(figure, lines, size, y):
    """Write what must not be overlooked on a coloured ground at the foot of a figure."""
    box = {"facecolor": MARK, "edgecolor": "none", "boxstyle": "square,pad=0.3"}
    text = {"ha": "center", "va": "bottom", "fontsize": size, "color": INK, "bbox": box}
    figure.text(0.5, y, "\n".join(lines), **text)
