"""The picture beside a denoised movie: as wide as a column, nothing hidden, nothing washed out."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from n2v_stem_keras import plot
from n2v_stem_keras.plot import column

PIXEL_NM = 0.05


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Draw with half of the pixels."""
    monkeypatch.setattr(column, "DPI", 200)


@pytest.fixture
def rows():
    """Two detectors of frames that are not square, with a bright rim."""
    rng = np.random.default_rng(0)
    x = np.mgrid[:96, :160][1] * PIXEL_NM
    found = []
    for name, mean, sign in (("ADF", 10.0, 1), ("BF", 300.0, -1)):
        clean = mean + np.cos(2 * np.pi * 4 * x)
        clean[40, 80] += 20 * sign
        clean[:3] += 500  # of the rim
        noisy = clean + rng.normal(0, 4, clean.shape)
        window = (slice(0, 90), slice(0, 150))
        found.append({"name": name, "noisy": noisy, "denoised": clean, "window": window,
                      "sqrt": name == "ADF", "profile_y": 40})  # fmt: skip
    return found


@pytest.fixture
def drawn(rows, tmp_path, monkeypatch):
    """The figure, instead of its file."""
    figures = []
    monkeypatch.setattr(column, "save", lambda figure, path, **_: figures.append(figure))

    def draw(**how):
        plot.column_figure(tmp_path / "a.png", rows, PIXEL_NM, **how)
        figures[-1].canvas.draw()
        return figures[-1]

    return draw


def axes_titled(figure, title):
    return next(ax for ax in figure.axes if ax.get_title() == title)


@pytest.mark.parametrize("width_mm", [180, 85])
def test_it_is_a_landscape_of_the_columns_width(rows, tmp_path, width_mm):
    path = plot.column_figure(tmp_path / "a.png", rows, PIXEL_NM, width_mm, title="a movie")
    with Image.open(path) as image:
        size_mm = [n / dpi * 25.4 for n, dpi in zip(image.size, image.info["dpi"], strict=True)]
    assert size_mm[0] == pytest.approx(width_mm, abs=0.2)
    assert size_mm[1] < 0.8 * width_mm


@pytest.mark.parametrize("width_mm", [180, 85])
def test_texts_can_be_read_and_lie_apart_from_each_other_and_inside(drawn, width_mm):
    figure = drawn(width_mm=width_mm, title="a movie", banner="another specimen " * 12)
    texts = [t for ax in figure.axes for t in [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label,
             *ax.get_xticklabels(), *ax.get_yticklabels()]] + list(figure.texts)  # fmt: skip
    texts = [t for t in texts if t.get_visible() and t.get_text().strip()]
    boxes = [t.get_window_extent() for t in texts]
    assert min(t.get_fontsize() for t in texts) >= 5
    width, height = figure.canvas.get_width_height()
    for text, box in zip(texts, boxes, strict=True):
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, text
    for i, one in enumerate(boxes):
        for j, other in enumerate(boxes[:i]):
            crossing = min(one.x1, other.x1) - max(one.x0, other.x0) > 1
            crossing &= min(one.y1, other.y1) - max(one.y0, other.y0) > 1
            assert not crossing, (texts[i], texts[j])
    images = [ax.get_window_extent() for ax in figure.axes if ax.images]
    for text, box in zip(texts, boxes, strict=True):  # no text on an image
        for image in images:
            assert not (min(box.x1, image.x1) - max(box.x0, image.x0) > 1
                        and min(box.y1, image.y1) - max(box.y0, image.y0) > 1), text  # fmt: skip


def test_spectra_are_square_in_true_proportion_with_an_axis_in_1_nm(drawn):
    figure = drawn()
    ax = axes_titled(figure, "|FFT| denoised")
    box = ax.get_window_extent()
    assert box.width == pytest.approx(box.height, rel=0.01)
    assert ax.get_aspect() == 1
    assert ax.get_xlabel() == "1/nm"
    assert ax.get_xlim() == (-10, 10)
    magnitude = np.asarray(ax.images[0].get_array())
    _, x = np.unravel_index(np.argmax(magnitude[:, magnitude.shape[1] // 2 + 8 :]), (96, 72))
    assert 20 * (x + 8) / magnitude.shape[1] == pytest.approx(4, abs=0.15)


def test_the_rim_sets_no_range_and_the_difference_is_grey(drawn):
    figure = drawn()
    denoised, difference = (axes_titled(figure, t).images[0] for t in ("denoised", "difference"))
    assert denoised.norm.vmax < 40  # the rim is 500 higher
    shown = np.asarray(difference.norm(np.asarray(difference.get_array())))
    assert 0.45 < np.median(shown) < 0.55
    assert np.mean((shown <= 0) | (shown >= 1)) < 0.01
    assert difference.norm.vmin < -8 < 8 < difference.norm.vmax
    texts = [[t.get_text() for t in ax.texts if t.get_text()] for ax in figure.axes]
    said = [[float(text) for text in both] for both in texts if len(both) == 2]
    assert [denoised.norm.vmin, denoised.norm.vmax] == pytest.approx(said[0], rel=0.01)
    assert [difference.norm.vmin, difference.norm.vmax] == pytest.approx(said[1], rel=0.01)


def test_scale_bars_stand_below_the_images_and_have_their_length(drawn):
    from matplotlib_scalebar.scalebar import ScaleBar

    figure = drawn()
    ax = axes_titled(figure, "noisy")
    (bar,) = (a for a in ax.artists if isinstance(a, ScaleBar))
    assert (bar.fixed_value, bar.fixed_units) == (1, "nm")  # of 7.5
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].max(axis=-1)
    box, height = ax.get_window_extent(), pixels.shape[0]
    below = pixels[int(height - box.y0) + 2 : int(height - box.y0) + 60]
    below = below[:, int(box.x0) - 2 : int(box.x0 + box.width / 2)]
    runs = ["".join("x" if dark else " " for dark in row).split() for row in below < 100]
    length = max(len(run) for row in runs for run in row)
    assert length == pytest.approx(box.width * 1 / (150 * PIXEL_NM), rel=0.08)


def test_svg_has_text_and_pdf_is_one_and_both_are_the_same_again(rows, tmp_path):
    svg = plot.column_figure(tmp_path / "a.svg", rows, PIXEL_NM, title="a $movie")
    text = svg.read_text(encoding="utf-8")
    assert ">difference<" in text.replace("\n", "")
    width = float(re.search(r'width="([\d.]+)pt"', text).group(1))
    assert width == pytest.approx(180 / 25.4 * 72, abs=0.5)
    pdf = plot.column_figure(tmp_path / "a.pdf", rows, PIXEL_NM)
    assert pdf.read_bytes().startswith(b"%PDF")
    for first, suffix in ((svg, "svg"), (pdf, "pdf")):
        again = plot.column_figure(tmp_path / f"b.{suffix}", rows, PIXEL_NM,
                                   title="a $movie" if suffix == "svg" else None)  # fmt: skip
        assert again.read_bytes() == first.read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


def test_warnings_stand_below_on_a_coloured_ground(rows, tmp_path):
    plain, warned = (
        np.array(Image.open(plot.column_figure(tmp_path / f"{n}.png", rows, banner=text)))
        for n, text in enumerate((None, "no atoms " * 40))
    )
    assert warned.shape[0] > plain.shape[0] + 50
    with Image.open(tmp_path / "1.png") as image:
        red, _, blue = np.asarray(image.convert("RGB"), float)[plain.shape[0] :].transpose(2, 0, 1)
    assert ((red - blue) > 100).mean() > 0.2


def test_one_column_leaves_the_difference_out(drawn):
    titles = {ax.get_title() for ax in drawn(width_mm=85).axes} - {""}
    assert titles == {"noisy", "denoised", "|FFT| noisy", "|FFT| denoised"}
    with pytest.raises(ValueError, match="100 mm; expected one of"):
        drawn(width_mm=100)


def test_a_difference_of_nothing_and_a_tall_crop_are_drawn(rows, tmp_path):
    for row in rows:
        row.update(noisy=row["denoised"], window=(slice(0, 90), slice(0, 20)), profile_y=None)
    assert plot.column_figure(tmp_path / "a.png", rows).exists()


def test_spectra_of_frames_that_are_not_square_and_of_large_ones(rows):
    axes = Figure().subplots(1, 2)
    y, x = np.mgrid[:1200, :600]
    wave = np.cos(2 * np.pi * (0.1 * x + 0.2 * y))
    plot.spectra.draw_magnitudes(axes, [wave, 2 * wave], None)
    first, second = (ax.images[0] for ax in axes)
    assert first.get_array().shape == (600, 600)  # every other is taken with its neighbour
    assert first.get_extent() == [-0.5, 0.5, 0.5, -0.5]
    assert axes[0].get_xlabel() == "1/px"
    assert first.get_clim() == second.get_clim()
    spot = np.unravel_index(np.argmax(first.get_array()), (600, 600))
    assert spot in {(420, 360), (180, 240)}
    assert second.get_array()[spot] - first.get_array()[spot] == pytest.approx(np.log10(2))
    plot.spectra.draw_magnitudes(axes, [wave, wave], 0.016)
    assert axes[0].get_xlim() == (-15, 15)  # beyond, there is noise
