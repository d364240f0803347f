import numpy as np
import pytest

from n2v_stem_keras.plot import scores as plot_scores

LABELS = {"noisy": "noisy", "blank": "mean of the frame", "tv": "TV", "n2v": "Noise2Void"}


def rows_at(levels, methods=tuple(LABELS), detectors=("ADF", "BF")):
    return [
        {
            "level": f"{psnr} dB", "method": method, "label": LABELS[method], "kind": "",
            "detector": detector, "metric": metric, "psnr_in": psnr, "se": 0.01,
            "mean": psnr if metric == "psnr" else 0.5,
        }
        for psnr in levels for method in methods for detector in detectors
        for metric in plot_scores.SHOWN
    ]  # fmt: skip


def picture(path):
    from matplotlib.image import imread

    return imread(path)[..., :3]


def has_colour(image, name):
    wanted = np.array([int(name[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.mean(np.abs(image - wanted).max(axis=-1) < 0.01)


def test_bars_are_drawn_in_the_methods_own_colours(tmp_path):
    path = plot_scores.draw(tmp_path / "e.png", rows_at([16, 10]), title="t", caption="c")
    image = picture(path)
    assert image.shape[0] > 900
    assert image.shape[1] > 900
    for method in ("noisy", "tv"):
        assert has_colour(image, plot_scores._COLOURS[method]) > 0.003
    assert has_colour(image, plot_scores._MODEL_COLOURS[0]) > 0.003
    assert has_colour(image, plot_scores._COLOURS["gaussian"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["e.png"]


def test_bars_are_as_high_as_their_scores(tmp_path):
    """A method of twice the score has twice the colour."""
    rows = rows_at([10], ("noisy", "tv"), ("ADF",))
    rows = [{**r, "mean": 1.0 if r["method"] == "noisy" else 2.0, "se": None} for r in rows]
    image = picture(plot_scores.method_bars(tmp_path / "e.png", rows, ("psnr",)))
    image = image[image.shape[0] // 5 :]  # without the legend
    areas = [has_colour(image, plot_scores._COLOURS[m]) for m in ("noisy", "tv")]
    assert areas[1] / areas[0] == pytest.approx(2, rel=0.1)


def test_many_levels_become_lines(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(plot_scores, "method_lines", lambda *args: called.append("lines"))
    monkeypatch.setattr(plot_scores, "method_bars", lambda *args: called.append("bars"))
    plot_scores.draw("e.png", rows_at(range(7, 12)))
    plot_scores.draw("e.png", rows_at(range(7, 11)))
    assert called == ["lines", "bars"]


def test_lines_are_drawn(tmp_path):
    image = picture(plot_scores.method_lines(tmp_path / "e.png", rows_at(range(20, 6, -2))))
    assert 0 < has_colour(image, plot_scores._COLOURS["tv"]) < 0.02


def test_rows_without_a_score_are_left_out(tmp_path):
    rows = rows_at([10])
    for row in rows:
        if row["method"] == "tv":
            row["mean"] = None
    image = picture(plot_scores.method_bars(tmp_path / "e.png", rows))
    assert has_colour(image, plot_scores._COLOURS["tv"]) == 0
    with pytest.raises(ValueError, match="no scores"):
        plot_scores.method_bars(tmp_path / "f.png", [{**r, "mean": float("nan")} for r in rows])
    with pytest.raises(ValueError, match="expected some of"):
        plot_scores.method_bars(tmp_path / "f.png", rows, ("snr",))
    assert not (tmp_path / "f.png").exists()
