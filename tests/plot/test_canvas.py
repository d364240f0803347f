"""Pictures are written with few colours, of which nobody sees that they are few."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from n2v_stem_keras.plot import canvas


def shown(pixels, n_greys=canvas.N_GREYS):
    numbers, palette = canvas.few_colours(pixels, n_greys)
    assert len(palette) <= 256
    return palette[numbers]


def greys(values):
    return np.repeat(np.asarray(values, np.uint8)[..., None], 3, axis=-1)


def test_few_colours_stay_as_they_are():
    rng = np.random.default_rng(0)
    pixels = greys(4 * rng.integers(0, 64, (40, 50)))
    pixels[3, :40] = rng.integers(0, 256, (40, 3))
    np.testing.assert_array_equal(shown(pixels), pixels)


def test_a_ramp_is_even():
    ramp = greys(np.tile(np.arange(256), (8, 1)))
    assert np.abs(shown(ramp).astype(int) - ramp).max() <= 2


def test_faint_contrast_and_few_bright_atoms_keep_their_steps():
    """A large dark area of sd 3 with an atom in it, and noise over all greys beside it."""
    rng = np.random.default_rng(0)
    image = np.concatenate(
        [rng.normal(50, 3, (400, 400)), rng.uniform(0, 255, (400, 400))], axis=1
    ).clip(0, 255)
    y, x = np.mgrid[-8:9, -8:9]
    image[100:117, 100:117] += 180 * np.exp(-(y**2 + x**2) / 18)
    pixels = greys(np.rint(image))
    error = shown(pixels).astype(float) - pixels
    assert np.sqrt(np.mean(error[:, :400] ** 2)) < 0.6
    assert np.abs(error).max() <= 6


def test_a_thin_coloured_line_among_greys_keeps_its_colour():
    rng = np.random.default_rng(0)
    pixels = greys(rng.integers(0, 256, (200, 200)))
    pixels[50, 20:30] = 224, 142, 11
    assert (shown(pixels)[50, 20:30] == (224, 142, 11)).all()


def test_a_png_holds_them_whole_with_its_size_in_inches(tmp_path):
    pixels = greys(np.arange(32 * 64).reshape(32, 64) % 60)
    path = canvas.write_png(tmp_path / "a.png", pixels)
    with Image.open(path) as image:
        assert image.mode == "P"
        assert np.rint(image.info["dpi"]).tolist() == [canvas.DPI] * 2
        np.testing.assert_array_equal(image.convert("RGB"), pixels)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("kind", canvas.FORMATS)
def test_the_suffix_says_what_is_written_and_a_failure_leaves_what_was_there(
    tmp_path, monkeypatch, kind
):
    figure, path = Figure(figsize=(2, 1)), tmp_path / f"a.{kind}"
    figure.subplots().imshow(np.eye(4))
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind]
    assert canvas.save(figure, path).read_bytes().startswith(begins)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        canvas.save(figure, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_without_a_path_figures_are_given_back_and_shown():
    """By notebooks, which ask for a PNG where pyplot has not told them how to draw figures."""
    import pandas as pd

    from n2v_stem_keras import plot
    from n2v_stem_keras.plot import scores
    from n2v_stem_keras.plot.atoms import tracks_over_time
    from n2v_stem_keras.plot.deviations import deviations_on_frame

    image = np.random.default_rng(0).normal(size=(48, 48))
    panels = [("noisy", image), ("denoised", image / 2)]
    row = {"name": "ADF", "panels": panels}
    column = {"name": "ADF", "noisy": image, "denoised": image / 2, "sqrt": False}
    column["window"] = (slice(0, 48), slice(0, 48))
    score = {"level": "10 dB", "method": "noisy", "label": "noisy", "detector": "ADF"}
    score |= {"metric": "psnr", "mean": 10.0, "se": 0.1}
    table = pd.DataFrame({"frame": [0, 1], "y": [3.0, 4], "x": [5.0, 5], "particle": [0, 0]})
    kinds = pd.DataFrame({"frame": [], "y": [], "x": [], "kind": [], "detector": []})
    drawn = [
        plot.before_after(None, [row]),
        plot.column_figure(None, [column]),
        plot.fourier_panels(None, [row], 0.046),
        plot.residual_panel(None, image, image / 2),
        scores.method_bars(None, [score], ("psnr",)),
        tracks_over_time(None, image, table),
        deviations_on_frame(None, image[..., None], image[..., None] / 2, kinds, ["ADF"]),
    ]
    for figure in drawn:
        assert isinstance(figure, Figure)
        assert figure._repr_png_().startswith(b"\x89PNG")
