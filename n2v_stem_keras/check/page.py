"""A page with pictures: what `check_model` found, for the lab that gets the model."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np

from ..atomic import write_text

STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 62em; margin: 2em auto; color: #1a1a1a; }
table { border-collapse: collapse; } td, th { padding: .25em .8em; text-align: left; }
tr { border-bottom: 1px solid #ddd; } .pass { color: #1b7f3b; } .fail { color: #c0261c; }
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
        f'<td class="{"pass" if a.passed else "fail"}">{"pass" if a.passed else "FAIL"}</td></tr>'
        for a in report.answers
    )
    n_failed = sum(not a.passed for a in report.answers)
    verdict = (
        "All tests passed." if report.passed else f"{n_failed} of {len(report.answers)} failed."
    )
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{_png(figure)}" alt="{html.escape(caption)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for figure, caption in _figures(report)
    )
    text = (
        f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><p>{verdict} Frames that show "
        f"something: {report.psnr_db:g} dB, {report.pixel_size_nm:g} nm/px, simulated.</p>"
        "<table><tr><th>test</th><th>detector</th><th>found</th><th>allowed</th><th></th></tr>"
        f"{rows}</table>{figures}</html>"
    )
    write_text(path, text)
    return path


def _figures(report):
    """Yield (figure, caption)."""
    from matplotlib.figure import Figure

    n = len(report.noise)
    figure = Figure(figsize=(7, 3.4 * n), layout="constrained")
    for row, found in zip(figure.subplots(n, 2, squeeze=False), report.noise):
        _show(row[0], found.frame, f"{found.detector}: noise, denoised", -1, 1)
        power = np.log10(np.maximum(found.spectrum, found.spectrum.max() * 1e-6))
        _show(row[1], power, "its power spectrum (log)")
    yield (
        figure,
        (
            "Pure noise after denoising, grey from -1 to 1 noise sigma, and the power spectrum "
            "averaged over the frames: spots in it would be a lattice that is not there."
        ),
    )
    n = len(report.points)
    figure = Figure(figsize=(3.4 * n, 3.4 * n), layout="constrained")
    axes = figure.subplots(n, n, squeeze=False)
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
        (
            "Mean response to one adatom-like point; grey spans a fifth of its height, so that "
            "rings show."
        ),
    )
    n = len(report.holes)
    figure = Figure(figsize=(7, 3.4 * n), layout="constrained")
    for row, found in zip(figure.subplots(n, 2, squeeze=False), report.holes):
        low, high = np.percentile(found.denoised, (0.2, 99.8))
        _show(row[0], found.noisy, f"{found.detector}: noisy", low, high)
        _show(row[1], found.denoised, "denoised", low, high)
    yield (
        figure,
        (
            "A hole of 2 nm radius in four layers of graphene without adatoms: nothing may appear "
            "in it."
        ),
    )


def _show(ax, image, title, low=None, high=None):
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
