"""Figures of atoms: files appear whole, circles lie on the atoms, numbers stand in the legends."""

import numpy as np
import pytest
from skimage.io import imread

from n2v_stem_keras.plot.atoms import (
    atoms_on_frames,
    localisation_errors,
    precision_recall_curves,
    tracks_over_time,
)

pd = pytest.importorskip("pandas")
FRAME = np.random.default_rng(0).normal(size=(64, 80))


def coloured(path):
    image = imread(path)[..., :3].astype(int)
    return np.ptp(image, axis=-1) > 60


def test_circles_are_drawn_where_they_belong(tmp_path):
    rows = [{"name": "ADF", "panels": [("noisy", FRAME), ("atoms", FRAME)], "sqrt": True}]
    path = atoms_on_frames(tmp_path / "a.png", rows, (None, [[16, 60]]), 0.05, "title")
    marked = coloured(path)
    y, x = np.nonzero(marked)
    left, right = marked[:, : marked.shape[1] // 2], marked[:, marked.shape[1] // 2 :]
    assert not left.any()
    # three quarters of the way along the right panel, a quarter down
    assert x.mean() / marked.shape[1] == pytest.approx(0.5 + 0.5 * 0.75, abs=0.05)
    assert right.any()
    assert y.mean() / marked.shape[0] == pytest.approx(0.35, abs=0.1)
    bare = atoms_on_frames(tmp_path / "b.png", rows, (None, np.zeros((0, 2))))
    assert not coloured(bare).any()


def test_tracks_are_drawn_with_none_too(tmp_path):
    table = pd.DataFrame(
        {"frame": [0, 1, 2, 2], "y": [5.0, 9, 20, 40], "x": [5.0, 6, 20, 40],
         "particle": [0, 0, 0, 1]}
    )  # fmt: skip
    assert coloured(tracks_over_time(tmp_path / "t.png", FRAME, table, 0.05, "t")).sum() > 100
    assert tracks_over_time(tmp_path / "u.png", FRAME, table[:0]).exists()


def test_curves_and_histograms(tmp_path):
    curves = {"raw": (np.linspace(1, 0.2, 9), np.linspace(0, 1, 9))}
    assert precision_recall_curves(tmp_path / "p.png", curves, [(0.9, 0.5, "here")]).exists()
    errors = {"raw": np.random.default_rng(0).normal(0, 8, 400)}
    assert localisation_errors(tmp_path / "l.png", errors, 7.0, "pm").exists()
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".png", ".png"]
