"""A frame with its deviations marked."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from n2v_stem_keras.plot.deviations import COLOURS, deviations_on_frame


def colours(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)


@pytest.mark.parametrize("n", [1, 2])
def test_every_kind_has_its_colour(tmp_path, n):
    raw = np.random.default_rng(0).normal(size=(64, 64, n))
    rows = [{"y": 10.0 + 9 * i, "x": 30.0, "kind": kind} for i, kind in enumerate(COLOURS)]
    path = tmp_path / "a.png"
    deviations_on_frame(path, raw, raw * 0.1, pd.DataFrame(rows), ("ADF", "BF")[:n], 0.046, "title")
    seen = colours(path)
    for colour in COLOURS.values():
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(seen - wanted).max(axis=1) < 40).sum() > 20


def test_without_deviations_there_are_no_marks(tmp_path):
    raw = np.random.default_rng(0).normal(size=(48, 64, 1))
    empty = pd.DataFrame([], columns=["y", "x", "kind"])
    path = deviations_on_frame(tmp_path / "a.png", raw, raw, empty, ("HAADF",))
    assert (np.ptp(colours(path), axis=1) < 12).all()
