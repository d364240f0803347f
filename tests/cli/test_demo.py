"""n2v-stem demo: the whole job in one command, on movies of known truth, once."""

from types import SimpleNamespace

import numpy as np
import pytest

from n2v_stem_keras import metrics
from n2v_stem_keras.cli import demo, main


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:n2v_patch_shape .* does not fit")
@pytest.mark.usefixtures("few_validation_pixels")
def test_tiny_demo(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--tiny", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for method in ("noisy", "Gaussian", "TV", "Noise2Void"):
        assert method in printed
    names = {p.name for p in out.iterdir()}
    assert {"demo.png", "demo_denoised.ome.tif", "demo_noisy.ome.tif", "demo-model"} <= names
    assert main(["demo", "--tiny", "--out", str(out)]) == 2


def test_an_earlier_demo_is_kept(tmp_path, capsys):
    (tmp_path / "demo_noisy.ome.tif").write_text("of yesterday")
    assert main(["demo", "--tiny", "--out", str(tmp_path)]) == 2
    assert "holds an earlier demo" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["demo_noisy.ome.tif"]
    assert (tmp_path / "demo_noisy.ome.tif").read_text() == "of yesterday"


def test_movies_have_the_noise_that_is_said_and_repeat_with_the_seed():
    first, again, other = (
        demo.make_movies(SimpleNamespace(tiny=True, seed=seed)) for seed in (0, 0, 1)
    )
    clean, noisy, described = first
    for truth, movie in zip(clean, noisy):
        expected = [demo.PSNR_DB[name] for name in described["detectors"]]
        assert metrics.psnr(truth, movie).mean(axis=0) == pytest.approx(expected, abs=0.5)
    assert np.array_equal(noisy, again[1])
    assert not np.array_equal(noisy, other[1])
    assert not np.array_equal(noisy[0] - clean[0], noisy[1] - clean[1])  # noise of its own


def test_its_picture_shows_no_rim(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("n2v_stem_keras.baselines.tune", lambda method, raw, truth: (raw, None))
    monkeypatch.setattr(
        "n2v_stem_keras.plot.before_after", lambda path, rows, **k: drawn.append(rows)
    )
    clean = np.random.default_rng(0).normal(size=(1, 2, 256, 256, 1))
    clean[..., :2, :, :] = clean[..., -2:, :, :] = clean[..., :2, :] = clean[..., -2:, :] = 99
    described = {"detectors": ("ADF",), "pixel_size_nm": 0.046}
    demo.compare(tmp_path, clean, clean + 1, clean, described)
    ((row,),) = drawn
    assert all(panel[1].shape == (200, 200) for panel in row["panels"])
    assert all(panel[1].max() < 90 for panel in row["panels"])
