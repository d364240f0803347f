"""Folders that several commands are tried on."""

import numpy as np
import pytest

from n2v_stem_keras.cli import main
from n2v_stem_keras.plot import scores as plot_scores


@pytest.fixture
def archive(tmp_path, noisy_movie):
    """Three movies in two folders, and what is none."""
    root = tmp_path / "archive"
    (root / "day1" / "raw").mkdir(parents=True)
    for i, name in enumerate(("a.npy", "day1/b.npy", "day1/raw/c.npy")):
        np.save(root / name, noisy_movie[i : i + 3])
    np.save(root / "a_denoised.npy", noisy_movie[:1])
    np.save(root / ".hidden.npy", noisy_movie[:1])
    (root / "notes.txt").write_text("no movie")
    return root


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Two movies of three frames, at two noise levels, with positions."""
    folder = tmp_path_factory.mktemp("data") / "simulated"
    code = main(
        ["simulate", str(folder), "--movies", "2", "--frames", "3", "--size", "48,40", "--psnr",
         "7,6", "--psnr", "16,16", "--density", "0.5", "--quiet"]
    )  # fmt: skip
    assert code == 0
    return folder


@pytest.fixture
def no_picture(monkeypatch):
    """Leave out the figure, which takes most of the time."""
    monkeypatch.setattr(plot_scores, "draw", lambda *args, **kwargs: None)
