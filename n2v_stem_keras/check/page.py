"""A page with pictures: what `check_model` found, for the lab that gets the model."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np

from ..atomic import write_text

LATTICES = {
    "graphene": "four layers of graphene",
    "hbn": "a layer of hBN",
    "mos2": "a layer of MoS2",
}
STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 62em; margin: 2em auto; color: #1a1a1a; }
table { border-collapse: collapse; } td, th { padding: .25em .8em; text-align: left; }
tr { border-bottom: 1px solid #ddd; } .pass { color: #1b7f3b; } .FAIL { color: #c0261c; }
.not { color: #777; }
img { max-width: 100%; } figcaption { color: #555; } figure { margin: 1.5em 0; }
"""


def write_page(path, report, title):
    """Write a report as one HTML file, pictures included.

    Parameters
    ----------
    path : path
        It appears whole or not at all.
    report : Report
    title : str
        E.g. the model's name.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    rows = "".join(
        f"<tr><td>{html.escape(a.question)}</td><td>{html.escape(a.detector)}</td>"
        f"<td>{html.escape(a.found)}</td><td>{html.escape(a.allowed)}</td>"
        f'<td class="{a.verdict}">{a.verdict}</td></tr>'
        for a in report.answers
    )
    n_failed, n_asked = (
        sum(a.passed in which for a in report.answers) for which in ((False,), (True, False))
    )
    verdict = "All tests passed." if report.passed else f"{n_failed} of {n_asked} failed."
    if n_asked < len(report.answers):
        verdict += f" {len(report.answers) - n_asked} could not be asked."
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{_png(figure)}" alt="{html.escape(caption)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for figure, caption in _figures(report)
    )
    text = (
        f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><p>{verdict} Frames that show "
        f"something: {LATTICES[report.lattice]}, {report.psnr_db:g} dB, "
        f"{report.pixel_size_nm:g} nm/px, simulated.</p>"
        "<table><tr><th>test</th><th>detector</th><th>found</th><th>allowed</th><th></th></tr>"
        f"{rows}</table>{figures}</html>"
    )
    write_text(path, text)
    return path


def _figures(report):
    """Yield (figure, caption)."""
    for pictures in (
        _noise,
        _points,
        _amorphous,
        _holes,
        _false_holes,
        _lines,
        _defects,
        _implants,
    ):
        yield from pictures(report)


def _panels(rows, columns, width=3.5):
    """Make a figure of panels that are as wide as high; returns it and its axes (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, (width - 0.1) * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _noise(report):
    if not report.noise:
        return
    figure, axes = _panels(len(report.noise), 2)
    for row, found in zip(axes, report.noise):
        _show(row[0], found.frame, f"{found.detector}: noise, denoised", -1, 1)
        _show(row[1], _log(found.spectrum), "its power spectrum (log)")
    yield (
        figure,
        "Pure noise after denoising, grey from -1 to 1 noise sigma, and the power spectrum "
        "averaged over the frames: spots in it would be a lattice that is not there.",
    )


def _points(report):
    if not report.points:
        return
    n = len(report.points)
    figure, axes = _panels(n, n)
    for row, found in zip(axes, report.points):
        reach = 0.2 * np.abs(found.response).max()
        for c, ax in enumerate(row):
            side = found.response.shape[0] // 4
            part = found.response[side:-side, side:-side, c]
            _show(
                ax, part, f"point in {found.detector}: {report.points[c].detector}", -reach, reach
            )
    yield (
        figure,
        "Mean response to one adatom-like point; grey spans a fifth of its height, so that rings "
        "show.",
    )


def _amorphous(report):
    if not report.amorphous:
        return
    figure, axes = _panels(len(report.amorphous), 3)
    for row, found in zip(axes, report.amorphous):
        low, high = np.percentile(found.denoised, (0.2, 99.8))
        _show(row[0], found.noisy, f"{found.detector}: noisy", low, high)
        _show(row[1], found.denoised, "denoised", low, high)
        _show(row[2], _log(found.spectrum), "its power spectrum (log)")
    yield (
        figure,
        "A film of amorphous carbon of 3 nm, the frame with the strongest single wave: spots in "
        "the spectrum would be a lattice that is not there.",
    )


def _holes(report):
    if not report.holes:
        return
    figure, axes = _panels(len(report.holes), 2)
    for row, found in zip(axes, report.holes):
        low, high = np.percentile(found.denoised, (0.2, 99.8))
        _show(row[0], found.noisy, f"{found.detector}: noisy", low, high)
        _show(row[1], found.denoised, "denoised", low, high)
    yield (
        figure,
        f"A hole of {report.holes[0].radius_nm:g} nm radius in {LATTICES[report.lattice]} without "
        "adatoms: nothing may appear in it.",
    )


def _false_holes(report):
    if not report.false_holes:
        return
    figure, axes = _panels(len(report.false_holes), 2)
    for row, found in zip(axes, report.false_holes):
        low, high = np.percentile(found.denoised, (0.2, 99.8))
        _show(row[0], found.noisy, f"{found.detector}: noisy", low, high)
        _show(row[1], found.denoised, "denoised", low, high)
    yield (
        figure,
        "A perfect lattice without adatoms, the frame whose faintest place is faintest: no place "
        "may look as if the lattice had ended.",
    )


def _lines(report):
    if not report.lines:
        return
    figure, axes = _panels(len(report.lines), 3)
    for row, found in zip(axes, report.lines):
        low, high = np.percentile(found.truth, (0.2, 99.8))
        _show(row[0], found.truth, f"{found.kind}, {found.detector}: truth", low, high)
        _show(row[1], found.noisy, "noisy", *np.percentile(found.noisy, (1, 99)))
        _show(row[2], found.denoised, "denoised", low, high)
    yield (
        figure,
        "Crystals that turn at a tilt boundary or end at an edge, a frame of a movie each: the "
        "lattice may not go on behind the line.",
    )


def _defects(report):
    """One of each kind, each frame by itself and in a movie."""
    if not report.defects:
        return
    figure, axes = _panels(len(report.defects), 3, 2.2)
    for row, found in zip(axes, report.defects):
        low, high = np.percentile(found.truth, (0.5, 99.5))
        how = "one frame" if found.n_frames == 1 else f"{found.n_frames} frames"
        _show(row[0], found.truth, f"{found.words}: truth", low, high)
        _show(row[1], found.noisy, f"{how}, d' {found.d_prime:.1f} each: noisy",
              *np.percentile(found.noisy, (1, 99)))  # fmt: skip
        _show(row[2], found.denoised, f"drawn {100 * found.contrast:.0f} % on average", low, high)
    yield (
        figure,
        "One point defect of each kind in the middle of each panel, in the first detector, where "
        "each frame is by itself and in a movie in which it stays.",
    )


def _implants(report):
    """Columns taken out of a movie of the user's, each kind in frames before and after."""
    for found in report.implants:
        figure, axes = _panels(1, 2, 5.5)
        low, high = np.percentile(found.denoised, (0.2, 99.8))
        _show(axes[0, 0], found.noisy, "noisy", *np.percentile(found.noisy, (0.5, 99.5)))
        _show(axes[0, 1], found.denoised, "denoised", low, high)
        for ax in axes[0]:
            y, x = found.places.T
            ax.scatter(x, y, s=60, facecolors="none", edgecolors="#d55e00", linewidths=0.8)
        yield (
            figure,
            f"The middle of your movie, {found.words} taken out where the circles are: "
            f"{100 * found.contrast:.0f} % of that is drawn.",
        )


def _log(power):
    return np.log10(np.maximum(power, power.max() * 1e-6))


def _show(ax, image, title, low=None, high=None):
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
