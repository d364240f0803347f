"""FFT magnitudes of frames and their folded polar maps, the paper's Fig. 5.

Like there, all panels of a row have one intensity range, logarithmic. Unlike there, the two rows of
a detector stand together (unless `maps_last`), axes are in nm^-1, and the SNR of the lattice spots
is written below.
"""

from __future__ import annotations

import numpy as np

from ..metrics.fourier import (
    CLEAR_SNR,
    GRAPHENE_ORDERS_NM,
    fft_magnitude,
    fold,
    frequencies,
    lattice_spots,
    polar_transform,
    radial_profile,
)
from .canvas import INK, MARK, bar_length_nm, checked_rows, grid, save

_POLAR = 0.6  # height of a folded polar map in widths of a panel
_PROFILE_INK = "#4fc3f7"
_N_GREYS = 32  # speckle hides the steps between them
FINEST_NM = 15.0  # [1/nm]; beyond it, 0.07 nm, there is noise in all images
_BELOW_NOISE = 30  # black is this factor below the median magnitude of the noisy frame


def fourier_panels(
    path,
    rows,
    pixel_size_nm,
    orders_nm=GRAPHENE_ORDERS_NM,
    n_fold=6,
    max_frequency=None,
    title=None,
    caption=None,
    maps_last=False,
):
    """Draw the FFT magnitude of frames and its folded polar map, as in the paper's Fig. 5.

    Two rows per detector, both logarithmic and on one intensity range each: magnitudes, with arcs
    at the lattice's orders, and below them the polar maps folded n-fold, with the radial profile
    over them (one scale per row, logarithmic), marks at the orders, a circle around each spot
    that noise alone would hardly make, and the SNR of each order
    (`metrics.fourier.lattice_spots`). Black is a thirtieth of the first panel's median, so that
    what a denoiser left of the noise stays visible; a spot that is no higher than that has a dash
    for its SNR, however clear it may be among still less.

    Parameters
    ----------
    path : str, os.PathLike or None
        File to write, .png, .svg or .pdf; without one the figure is given back.
    rows : list of dict
        One per detector, with ``name``, of the detector, and ``panels``, a list of
        ``(label, image)`` or ``(label, image, note)``, image (Y, X), the noisy frame first, note
        a short text below the magnitude.
    pixel_size_nm : float
        [nm/px].
    orders_nm : sequence of float
        Orders of the lattice [nm^-1].
    n_fold : int
        Its rotational symmetry.
    max_frequency : float, optional
        Edge of the panels [nm^-1]; by default Nyquist.
    title, caption : str, optional
        Above and below the figure.
    maps_last : bool
        Polar maps of all detectors below the magnitudes of all, as in the paper, instead of each
        below its own.

    Returns
    -------
    pathlib.Path or matplotlib.figure.Figure
    """
    rows = checked_rows(rows)
    edge = min(max_frequency or np.inf, 0.5 / pixel_size_nm)
    n_columns = max(len(row["panels"]) for row in rows)
    n = len(rows)
    heights = [1.0] * n + [_POLAR] * n if maps_last else [1.0, _POLAR] * n
    figure, axes = grid(heights, n_columns, title, caption)
    for ax in axes[:, 1:].flat:
        ax.set_axis_off()  # until something is drawn
    images, maps = (axes[:n], axes[n:]) if maps_last else (axes[::2], axes[1::2])
    labels = [[label for label, _, _ in row["panels"]] for row in rows]
    for r, row in enumerate(rows):
        for c, (label, _, note) in enumerate(row["panels"]):
            if r == 0 or labels[r] != labels[0]:
                images[r, c].set_title(label, fontsize=9, color=INK, pad=4)
            under = "$f_x$ [nm$^{-1}$]" + (f"    {note}" if note else "")
            images[r, c].set_xlabel(under, fontsize=7, color=INK, labelpad=1)
        magnitudes = [fft_magnitude(image) for _, image, _ in row["panels"]]
        _draw_magnitudes(images[r], magnitudes, pixel_size_nm, orders_nm, edge)
        spots = [lattice_spots(p[1], pixel_size_nm, orders_nm, n_fold) for p in row["panels"]]
        _draw_polar_maps(maps[r], magnitudes, spots, pixel_size_nm, n_fold, edge)
        images[r, 0].set_ylabel(f"{row['name']}\n$f_y$ [nm$^{{-1}}$]", fontsize=8, color=INK)
        angle = f"{row['name']}\nangle [deg]" if maps_last else "angle [deg]"
        maps[r, 0].set_ylabel(angle, fontsize=8, color=INK)
    return save(figure, path, _N_GREYS)


def draw_magnitudes(axes, images, pixel_size_nm, fontsize=7):
    """Draw the FFT magnitudes of images in a row, logarithmic, on one intensity range.

    Parameters
    ----------
    axes : sequence of matplotlib axes
        One per image.
    images : list of array_like
        (Y, X), the noisy one first. Shown in true proportion, square whatever the shape of the
        image: both edges are at the Nyquist frequency, or at `FINEST_NM`.
    pixel_size_nm : float or None
        [nm/px]; frequencies are in 1/nm, without it in 1/px.
    fontsize : float
        [pt].
    """
    unit = "1/nm" if pixel_size_nm else "1/px"
    nyquist = 0.5 / (pixel_size_nm or 1.0)
    edge = min(nyquist, FINEST_NM) if pixel_size_nm else nyquist
    magnitudes = [_few(fft_magnitude(np.asarray(image, float))) for image in images]
    low, high = _log_range(magnitudes)
    step = bar_length_nm(4 * 0.8 * edge)  # of which one stands well inside of each edge
    for c, (ax, magnitude) in enumerate(zip(axes, magnitudes, strict=True)):
        shown = {"cmap": "gray", "vmin": low, "vmax": high, "interpolation": "antialiased"}
        ax.imshow(_log(magnitude), extent=(-nyquist, nyquist, nyquist, -nyquist), **shown)
        ax.set(xlim=(-edge, edge), ylim=(edge, -edge))
        _ticks(ax, [-step, 0, step], [-step, 0, step], c == 0, fontsize)
        ax.set_xlabel(unit, fontsize=fontsize, color=INK, labelpad=1)


def draw_means(axes, images, pixel_size_nm, fontsize=7):
    """Draw the means over all directions of what `draw_magnitudes` draws, the first behind all."""
    nyquist = 0.5 / (pixel_size_nm or 1.0)
    edge = min(nyquist, FINEST_NM) if pixel_size_nm else nyquist
    means = [
        radial_profile(fft_magnitude(np.asarray(image, float)), pixel_size_nm or 1.0)
        for image in images
    ]
    ends = _log(np.array([f(values[1:]) for _, values in means for f in (np.nanmin, np.nanmax)]))
    step = bar_length_nm(2 * edge)
    for c, (ax, (radii, values)) in enumerate(zip(axes, means, strict=True)):
        if c:
            ax.plot(means[0][0][1:], _log(means[0][1][1:]), color=MARK, linewidth=0.8)
        ax.plot(radii[1:], _log(values[1:]), color=INK, linewidth=0.8)
        pad = 0.05 * np.ptp(ends) + 0.1
        ax.set(xlim=(0, edge), ylim=(ends.min() - pad, ends.max() + pad), yticks=[])
        ticks = np.arange(0, 0.9 * edge, step)  # none at the end, near to the next panel
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.tick_params(labelsize=fontsize, length=2, pad=2)
        ax.spines[["top", "right", "left"]].set_visible(False)
        unit = "1/nm" if pixel_size_nm else "1/px"
        ax.set_xlabel(f"|f| [{unit}]", fontsize=fontsize, color=INK, labelpad=1)
    axes[0].set_ylabel("log mean", fontsize=fontsize, color=INK)


def _few(magnitude):
    """Take pixels of a large spectrum together by their maximum, which keeps spots."""
    step = [max(1, n // 512) for n in magnitude.shape]
    shape = [n // k for n, k in zip(magnitude.shape, step)]
    cut = magnitude[: shape[0] * step[0], : shape[1] * step[1]]
    return cut.reshape(shape[0], step[0], shape[1], step[1]).max(axis=(1, 3))


def _draw_magnitudes(axes, magnitudes, pixel_size_nm, orders_nm, edge):
    """Draw the FFT magnitudes of one detector, with a quarter of a ring at each order."""
    from matplotlib.patches import Arc

    low, high = _log_range(magnitudes)
    fy, fx = frequencies(magnitudes[0].shape, pixel_size_nm)
    half_y, half_x = (fy[1] - fy[0]) / 2, (fx[1] - fx[0]) / 2
    extent = (fx[0] - half_x, fx[-1] + half_x, fy[-1] + half_y, fy[0] - half_y)
    ring = {"theta1": 0, "theta2": 90, "color": MARK, "linewidth": 0.8, "linestyle": ":"}
    shown = {"cmap": "gray", "vmin": low, "vmax": high, "interpolation": "nearest"}
    step = bar_length_nm(2 * edge)
    for c, (ax, magnitude) in enumerate(zip(axes, magnitudes)):
        ax.imshow(_log(magnitude), extent=extent, **shown)
        for order in orders_nm:
            ax.add_patch(Arc((0, 0), 2 * order, 2 * order, **ring))
        ax.set(xlim=(-edge, edge), ylim=(edge, -edge))
        _ticks(ax, [-step, 0, step], [-step, 0, step], c == 0)


def _draw_polar_maps(axes, magnitudes, spots, pixel_size_nm, n_fold, edge):
    """Draw the folded polar maps of one detector, with radial profile and spots."""
    polars = [polar_transform(m, pixel_size_nm, max_frequency=edge) for m in magnitudes]
    folded = [fold(polar, n_fold) for polar, _, _ in polars]
    profiles = [radial_profile(m, pixel_size_nm) for m in magnitudes]
    low, high = _log_range(folded)
    bottom, top = _log_range([profile[1:] for _, profile in profiles])
    sector, half_angle, half_step = 360 / n_fold, 180 / len(polars[0][0]), polars[0][2][1] / 2
    extent = (-half_step, polars[0][2][-1] + half_step, -half_angle, sector + half_angle)
    step = bar_length_nm(2 * edge)
    for c, (ax, polar, (radii, profile)) in enumerate(zip(axes, folded, profiles)):
        closed = _log(np.concatenate([polar, polar[:1]]))  # the sector's end is its beginning
        image = {"vmin": low, "vmax": high, "interpolation": "nearest"}
        ax.imshow(closed, cmap="gray", extent=extent, origin="lower", aspect="auto", **image)
        over = ax.twinx()
        over.plot(radii[1:], _log(profile[1:]), color=_PROFILE_INK, linewidth=0.9)
        over.set(ylim=(bottom, top + 0.05 * (top - bottom)), yticks=[])
        over.spines[:].set_visible(False)
        seen = [spot.order_nm <= edge and spot.height >= 10**low for spot in spots[c]]
        _mark_spots(ax, spots[c], seen, sector, edge)
        ax.set(xlim=(0, edge), ylim=(0, sector))
        _ticks(ax, [0, step, 2 * step], [0, sector / 2, sector], c == 0)
        snr = " / ".join(f"{s.snr:.1f}" if clear else "-" for s, clear in zip(spots[c], seen))
        under = f"$|f|$ [nm$^{{-1}}$]    spot SNR {snr}"
        ax.set_xlabel(under, fontsize=7, color=INK, labelpad=1)


def _mark_spots(ax, spots, seen, sector, edge):
    """Mark the orders along the upper side, and circle the spots that are seen and clear."""
    ring = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 0.8}
    for spot, visible in zip(spots, seen):
        if spot.order_nm <= edge:
            ax.plot(spot.order_nm, sector, "v", color=MARK, markersize=4, clip_on=False)
        if visible and spot.snr >= CLEAR_SNR:
            ax.plot(spot.frequency_nm, spot.angle_deg, "o", color=MARK, **ring)


def _ticks(ax, x, y, labelled_y, fontsize=7):
    """Set few ticks, those along y labelled in the first column only."""
    ax.set_xticks(x, [f"{tick:g}" for tick in x])
    ax.set_yticks(y, [f"{tick:g}" if labelled_y else "" for tick in y])
    ax.tick_params(labelsize=fontsize, length=2, pad=2)
    ax.spines[:].set_visible(False)
    ax.set_axis_on()


def _log(magnitude):
    """Logarithm to base ten, finite at zero."""
    return np.log10(np.maximum(magnitude, np.finfo(float).tiny))


def _log_range(magnitudes):
    """Shared range of a row's logarithms: what the noisy panel has, and some decades below."""
    high = max(np.nanpercentile(magnitude, 99.95) for magnitude in magnitudes)
    low = np.nanmedian(magnitudes[0]) / _BELOW_NOISE
    return (*_log(np.array([low, max(high, 2 * low)])),)
