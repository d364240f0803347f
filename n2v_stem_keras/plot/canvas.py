"""What all figures share: a grid of panels, the check of their rows, writing a small PNG, SVG, PDF.

Drawn through matplotlib's objects, without pyplot: no global state, no window.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np

from ..atomic import atomic
from ..escaping import escaped

PANEL_IN = 2.3  # width of a panel [in]
DPI = 200
FORMATS = ("png", "svg", "pdf")  # by the suffix of the file's name
N_GREYS = 64  # of a picture: enough that no step is seen, and a third less than 256 take
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
    row = {**row, "name": as_text(row["name"])}
    panels = [
        (as_text(p[0]), np.asarray(p[1], float), p[2] if len(p) > 2 else None)
        for p in row["panels"]
    ]
    if not panels or any(p[1].ndim != 2 or p[1].shape != panels[0][1].shape for p in panels):
        shapes = [p[1].shape for p in panels]
        raise ValueError(f"row {row['name']!r} has images of {shapes}; expected (Y, X), all equal")
    return {**optional, **row, "panels": panels}


@functools.cache
def _shown():
    """Return the class of figures that notebooks show, whether or not pyplot is in use."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        def _repr_png_(self):
            drawn = io.BytesIO()
            self.savefig(drawn, format="png", bbox_inches="tight", pad_inches=0.05)
            return drawn.getvalue()

    return Picture


def new_figure(size, **how):
    """Return an empty figure of a size [in], of no window; `how` is matplotlib's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _shown()(figsize=size, dpi=DPI, **how)
    FigureCanvasAgg(figure)
    return figure


def grid(heights, n_columns, title, caption):
    """Figure and its axes (rows, columns), heights in widths of a panel."""
    text_in = 0.3 + 0.25 * len(heights) + 0.3 * bool(title) + 0.3 * bool(caption)
    size = (PANEL_IN * n_columns + 0.4, PANEL_IN * sum(heights) + text_in)
    figure = new_figure(size, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(heights), n_columns, squeeze=False, height_ratios=heights)
    if title:
        figure.suptitle(as_text(title), fontsize=11, color=INK)
    if caption:
        figure.supxlabel(caption, fontsize=8, color=INK)
    return figure, axes


def bar_length_nm(width_nm):
    """Round length (1, 2 or 5 times a power of ten) of at most a quarter of a width [nm]."""
    target = width_nm / 4
    power = 10.0 ** np.floor(np.log10(target))
    return float(power * max(step for step in (1, 2, 5) if step * power <= target * (1 + 1e-9)))


def save(figure, path, n_greys=N_GREYS, cut=True, dpi=DPI):
    """Write a figure, whole or not at all: what it is follows from the suffix of the path.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like or None
        .png, written by `write_png`; .svg or .pdf, with text that can be edited, and pixels that
        are pixels at any size. None gives the figure back, and notebooks show it.
    n_greys : int
        Of a PNG, see `few_colours`.
    cut : bool
        Cut or widen the margins to what is drawn. Otherwise the figure keeps its size.
    dpi : int
        Of a PNG.

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure

    Raises
    ------
    ValueError
        The suffix is none of `FORMATS`.
    """
    if path is None:
        return figure
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"{path}: a picture is written as one of {', '.join(FORMATS)}")
    margins = {"bbox_inches": "tight", "pad_inches": 0.05} if cut else {}
    if kind == "png":
        return _save_png(figure, path, n_greys, margins, dpi)
    import matplotlib

    for ax in figure.axes:
        for image in ax.images:
            image.set_interpolation("none")
    # no date, and numbers that follow from the contents: the same picture is the same file
    undated = {"Date": None} if kind == "svg" else {"CreationDate": None}
    plain = {"svg.fonttype": "none", "svg.hashsalt": "n2v", "pdf.fonttype": 42}
    with atomic(path) as temporary, matplotlib.rc_context(plain):
        figure.savefig(temporary, format=kind, metadata=undated, **margins)
    return Path(path)


def _save_png(figure, path, n_greys, margins, dpi):
    from PIL import Image

    drawn, quick = io.BytesIO(), {"compress_level": 1}
    figure.savefig(drawn, format="png", dpi=dpi, pil_kwargs=quick, **margins)
    with Image.open(drawn) as image:
        return write_png(path, np.asarray(image.convert("RGB")), n_greys, dpi)


def as_text(name) -> str:
    r"""Return a name from a file as matplotlib shows it: dollars in it begin no formula.

    Examples
    --------
    >>> print(as_text("a$b\x1b"))
    a\$b\u001b
    """
    return escaped(name).replace("$", r"\$")


def write_png(path, pixels, n_greys=N_GREYS, dpi=DPI):
    """Write a PNG with a palette, whole or not at all.

    Parameters
    ----------
    path : path-like
    pixels : numpy.ndarray
        (Y, X, 3), uint8.
    n_greys : int
        Grey levels at most; colours take the rest of 256.
    dpi : int
        Said in the file.

    Returns
    -------
    pathlib.Path
    """
    from PIL import Image

    numbers, palette = few_colours(pixels, n_greys)
    image = Image.fromarray(numbers)
    image.putpalette(palette.tobytes())
    with atomic(path) as temporary:
        image.save(temporary, "PNG", optimize=True, dpi=(dpi, dpi))
    return Path(path)


def few_colours(pixels, n_greys=N_GREYS):
    """Bring the colours of a picture down to a palette of 256, greys apart from all others.

    So many greys are chosen that they cannot push out the few pixels of a coloured line. Their
    density follows the cube root of how often a grey occurs, which makes the squared error least
    (Panter and Dite, Proc. IRE 39, 44 (1951)): faint contrast in a large dark area keeps its steps,
    and a few bright atoms keep theirs. What has few colours stays as it is.

    Parameters
    ----------
    pixels : numpy.ndarray
        (Y, X, 3), uint8.
    n_greys : int
        Grey levels at most.

    Returns
    -------
    numbers : numpy.ndarray
        (Y, X), uint8, into the palette.
    palette : numpy.ndarray
        (n, 3), uint8, n at most 256.
    """
    from PIL import Image

    flat = pixels.reshape(-1, 3)
    is_grey = (flat == flat[:, :1]).all(axis=1)
    greys = flat[is_grey, 0]
    level_of, levels = _few_greys(np.bincount(greys, minlength=256), n_greys)
    palette = np.repeat(levels[:, None], 3, axis=1)
    numbers = np.empty(len(flat), np.uint8)
    numbers[is_grey] = level_of[greys]
    if not is_grey.all():
        rest = Image.fromarray(flat[~is_grey][None])
        rest = rest.quantize(256 - len(levels), dither=Image.Dither.NONE)
        numbers[~is_grey] = np.asarray(rest)[0] + len(levels)
        colours = np.array(rest.getpalette("RGB"), np.uint8).reshape(-1, 3)
        palette = np.concatenate([palette, colours[: np.asarray(rest).max() + 1]])
    return numbers.reshape(pixels.shape[:2]), palette


def _few_greys(counts, n):
    """Return the number of the level of each grey (256,), and at most n levels, uint8."""
    there = counts > 0
    if there.sum() <= n:
        number = np.cumsum(there) - there
    else:
        density = np.cbrt(counts)
        place = (np.cumsum(density) - density / 2) / density.sum()
        number = np.unique((n * place).astype(int), return_inverse=True)[1]
    weight = np.bincount(number, counts)
    levels = np.bincount(number, counts * np.arange(256)) / np.maximum(weight, 1)
    return number.astype(np.uint8), np.rint(levels).astype(np.uint8)
