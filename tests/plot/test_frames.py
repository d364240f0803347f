from pathlib import Path

import numpy as np
import pytest

from n2v_stem_keras import noise, plot, simulate


def picture(path):
    from matplotlib.image import imread

    return imread(path)


@pytest.fixture(scope="module")
def rows():
    movie = simulate.reference_movie(3, shape=(64, 96), n_frames=1)
    noisy = noise.add_white_noise(movie.clean, 16, seed=0)
    return [
        {
            "name": name,
            "panels": [("noisy", noisy[0, ..., c], "16.0 dB"), ("truth", movie.clean[0, ..., c])],
            "sqrt": name == "ADF",
        }
        for c, name in enumerate(movie.detectors)
    ]


def test_a_figure_is_a_whole_png_and_leaves_no_temporary_file(tmp_path, rows):
    path = plot.before_after(tmp_path / "a.png", rows, 0.046, title="title", caption="caption")
    image = picture(path)
    assert image.shape[0] > 500
    assert image.shape[1] > 700
    assert image[..., :3].std() > 0.1
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_profiles_and_scale_bar_are_optional(tmp_path, rows):
    plain = picture(plot.before_after(tmp_path / "plain.png", rows))
    profiled = [{**row, "profile_y": 20} for row in rows]
    taller = picture(plot.before_after(tmp_path / "profiled.png", profiled, 0.046))
    assert taller.shape[0] > 1.2 * plain.shape[0]


def test_nothing_is_left_of_a_figure_that_failed(tmp_path, rows, monkeypatch):
    from PIL import Image

    save = Image.Image.save

    def fail(image, file, *args, **kwargs):
        if not isinstance(file, Path):  # matplotlib draws into memory
            return save(image, file, *args, **kwargs)
        file.write_bytes(b"half a picture")
        raise OSError("disk full")

    target = tmp_path / "a.png"
    target.write_bytes(b"the picture before")
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        plot.before_after(target, rows)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert target.read_bytes() == b"the picture before"


def test_no_pyplot_is_imported_and_inputs_are_spared(tmp_path, rows):
    import subprocess
    import sys

    before = rows[0]["panels"][0][1].copy()
    plot.before_after(tmp_path / "a.png", rows)
    assert np.array_equal(rows[0]["panels"][0][1], before)
    code = (
        "import sys, numpy as np; from n2v_stem_keras import plot;"
        "plot.before_after(sys.argv[1], [{'name': 'BF', 'panels': [('a', np.eye(8))]}]);"
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b.png")], check=True)


def test_range_follows_the_reference_not_the_noise():
    rng = np.random.default_rng(0)
    clean = np.where(rng.random((64, 64)) < 0.01, 10.0, 1.0)
    noisy = clean + 5 * rng.normal(size=clean.shape)
    low, high = plot.display_range(clean)
    noisy_low, noisy_high = plot.display_range(noisy)
    assert low < 1 < 10 < high
    assert noisy_high - noisy_low > 1.5 * (high - low)
    low, high = plot.display_range(np.full((8, 8), 3.0))
    assert low < 3 < high


@pytest.mark.parametrize(
    ("width_nm", "bar_nm"),
    [(11.8, 2), (4.0, 1), (40.0, 10), (0.83, 0.2), (20.0, 5), (2.1, 0.5)],
)
def test_scale_bar_is_round_and_at_most_a_quarter(width_nm, bar_nm):
    assert plot.bar_length_nm(width_nm) == pytest.approx(bar_nm)


def test_scale_bar_has_its_length_in_pixels(tmp_path):
    """Drawn on a black 100 px frame of 10 nm: white over 2 nm of 10, a fifth of its width."""
    black = np.zeros((100, 100))
    black[0, 0] = 1.0
    row = {"name": "BF", "panels": [("a", black)]}
    image = picture(plot.before_after(tmp_path / "a.png", [row], 0.1))[..., :3].min(axis=-1)
    height, width = image.shape
    y, x = (np.flatnonzero(line < 0.5) for line in (image[:, width // 2], image[height // 2]))
    panel = image[y[0] : y[-1] + 1, x[-1] - (y[-1] - y[0]) : x[-1] + 1]
    bar = np.sum(panel[len(panel) // 2 :] > 0.98, axis=1).max()
    assert bar == pytest.approx(0.2 * panel.shape[1], rel=0.03)


def test_the_scale_bar_hides_no_atom(tmp_path, monkeypatch):
    """It stands in the corner in which nothing stands out, wherever that is."""
    from matplotlib_scalebar.scalebar import ScaleBar

    places = []
    monkeypatch.setattr(ScaleBar, "draw", lambda bar, *args: places.append(bar.location))
    for corner, row in {"upper right": 2, "lower right": -3}.items():
        frame = np.zeros((60, 60))
        frame[[2, 2, -3, -3], [2, -3, 2, -3]] = 5.0
        frame[row, -3] = 0
        rows = [{"name": "ADF", "panels": [("noisy", 0 * frame), ("denoised", frame)]}]
        plot.before_after(tmp_path / "a.png", rows, 0.046)
        assert ScaleBar._LOCATIONS[corner] == places[-1]


def test_residual_panel_is_drawn(tmp_path, rows):
    raw, truth = rows[1]["panels"][0][1], rows[1]["panels"][1][1]
    assert picture(plot.residual_panel(tmp_path / "r.png", raw, truth, "BF", 0.046)).size > 0


def test_fourier_panels_show_the_spots_of_the_lattice(tmp_path, rows):
    """Two rows a detector; a circle round each clear spot of BF's truth, none in pure noise."""
    panels = [(label, image) for label, image, *_ in rows[1]["panels"]]
    row = {"name": "BF", "panels": panels}
    image = picture(plot.fourier_panels(tmp_path / "f.png", [row], 0.046, title="title"))
    two = picture(plot.fourier_panels(tmp_path / "f.png", [row, row], 0.046))
    assert two.shape[0] > 1.7 * image.shape[0]
    assert [p.name for p in tmp_path.iterdir()] == ["f.png"]
    with pytest.raises(ValueError, match="unknown"):
        plot.fourier_panels(tmp_path / "g.png", [rows[0]], 0.046)


def test_circles_and_snr_only_for_spots_that_can_be_seen(tmp_path, rows, monkeypatch):
    from matplotlib.axes import Axes

    circles, labels = [], []
    draw, label = Axes.plot, Axes.set_xlabel

    def drawn(ax, *args, **kwargs):
        circles.append(isinstance(args[-1], str) and args[-1] == "o")
        return draw(ax, *args, **kwargs)

    def labelled(ax, text, **kwargs):
        labels.append(text)
        return label(ax, text, **kwargs)

    monkeypatch.setattr(Axes, "plot", drawn)
    monkeypatch.setattr(Axes, "set_xlabel", labelled)
    truth = rows[1]["panels"][1][1]
    noise = np.ptp(truth) * np.random.default_rng(0).normal(size=truth.shape)
    for image, n_circles, spots in ((truth, 2, 2), (noise, 0, 2), (1e-9 * truth, 0, 0)):
        circles.clear()
        panels = [("noisy", noise), ("a", image)]
        plot.fourier_panels(tmp_path / "a.png", [{"name": "BF", "panels": panels}], 0.046)
        assert sum(circles) == n_circles
        assert len([n for n in labels[-1].split("SNR")[1].split("/") if n.strip() != "-"]) == spots


def test_mistakes_are_refused(tmp_path, rows):
    panels = [("a", np.eye(4)), ("b", np.eye(5))]
    with pytest.raises(ValueError, match="expected"):
        plot.before_after(tmp_path / "a.png", [{"name": "BF", "panels": panels}])
    with pytest.raises(ValueError, match="unknown"):
        plot.before_after(tmp_path / "a.png", [{**rows[0], "squareroot": True}])
    with pytest.raises(ValueError, match="one of png, svg, pdf"):
        plot.before_after(tmp_path / "a.jpg", rows)
    with pytest.raises(ValueError, match="no rows"):
        plot.before_after(tmp_path / "a.png", [])
    assert not list(tmp_path.iterdir())


def test_profiles_of_all_detectors_stand_below_all_images_where_asked(tmp_path, rows, monkeypatch):
    figures = []
    monkeypatch.setattr(plot.frames, "save", lambda figure, path: figures.append(figure))
    profiled = [{**row, "profile_y": 20} for row in rows]
    for last in (False, True):
        plot.before_after(tmp_path / "f.png", profiled, 0.046, profiles_last=last)
    # the axes of a line that hold an image
    order = [[bool(ax.images) for ax in figure.axes[::2]] for figure in figures]
    assert order == [[True, False, True, False], [True, True, False, False]]
    names = [ax.get_ylabel().split("\n")[0] for ax in figures[1].axes[::2]]
    assert names == ["ADF", "BF", "ADF", "BF"]
