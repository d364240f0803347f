"""Which frames a diagnosis reads, and which of them it can use."""

import importlib
import json

import numpy as np
import pytest
from scenes import both, movie, words

from n2v_stem_keras import noise
from n2v_stem_keras.io import Movie


def test_bad_frames_are_named_and_left_out():
    frames = movie(6)
    frames[1, 5, 5, 0] = np.nan
    frames[2, 5:7, 5, 1] = np.inf
    frames[4, ..., 1] = 7
    found = noise.diagnose(frames, detectors=("ADF", "BF"))
    assert [bad[:2] for bad in found.bad_frames] == [(0, 1), (0, 2), (0, 4)]
    assert "frame 1: 1 NaN or infinite pixels" in words(found)
    assert "frame 4: one value throughout (BF)" in words(found)
    assert [one.noise.sigma for one in both(found)] == pytest.approx([1, 1], rel=0.05)
    frames[..., 1] = 7
    found = noise.diagnose(frames, detectors=("ADF", "BF"))
    assert found.detectors["BF"].constant
    assert "BF: nothing to measure; was the detector switched on?" in words(found)
    json.dumps(found.as_dict(), allow_nan=False)
    nothing = noise.diagnose(np.full((2, 40, 40), np.nan), "TYX")
    assert nothing.detectors["detector"].noise is None
    assert "nothing to measure" in str(nothing).replace("\n", " ")


def test_a_scan_that_stopped_is_named_and_left_out():
    sound, frames = movie(6), movie(6)
    frames[2, 40:, :, 0] = 100
    frames[3:, ..., 1] = 7
    frames[3:, ..., 1] += np.arange(3)[:, None, None]  # off in half of the frames
    found = noise.diagnose(frames, detectors=("ADF", "BF"))
    assert "frame 2: 56 of 96 rows hold one value, from 40 on (ADF)" in words(found)
    assert "frame 3: one value throughout (BF)" in words(found)
    expected = noise.diagnose(sound[[0, 1, 3, 4, 5]], detectors=("ADF", "BF")).detectors["ADF"]
    one = found.detectors["ADF"]
    assert one.noise.sigma == pytest.approx(expected.noise.sigma, rel=1e-9)
    assert one.justified is True
    assert found.detectors["BF"].noise.sigma == pytest.approx(1, rel=0.05)
    assert found.correlation[0, 1] == pytest.approx(0, abs=3 * found.correlation_se)


def test_of_an_image_that_stopped_the_rest_is_measured():
    frame = movie(1)[0, ..., 0]
    frame[60:] = 0
    found = noise.diagnose(frame, detectors=("ADF",))
    assert found.detectors["ADF"].noise.sigma == pytest.approx(1, rel=0.1)
    assert not found.detectors["ADF"].levels.clipped_low
    assert "36 of 96 rows hold one value, from 60 on (ADF)" in words(found)


def test_long_lazy_movies_are_read_in_a_few_pairs(monkeypatch):
    asked = []

    def read_frame(s, t):
        asked.append((s, t))
        return movie(1, seed=t)[0]

    lazy = Movie("long", "TYXC", (5000, 96, 96, 2), np.float32, read_frame, detectors=("ADF", "BF"))
    found = noise.diagnose(lazy)
    assert len(found.looked_at) == 16
    asked, first_frames = asked[:16], asked[16:]
    assert found.looked_at == asked
    # for the drift, twice
    assert sorted(first_frames) == sorted(2 * [(0, t) for t in range(64)])
    times = [t for _, t in asked]
    assert [b - a for a, b in zip(times[::2], times[1::2])] == [1] * 8
    assert times[0] == 0
    assert times[-1] == 4999
    assert found.detectors["ADF"].gain.n_pairs == 8
    budget = importlib.import_module("n2v_stem_keras.noise.sample")
    monkeypatch.setattr(budget, "MAX_VALUES", 5 * 96 * 96 * 2)  # large frames: fewer
    assert len(noise.diagnose(lazy).looked_at) == 4
    monkeypatch.setattr(budget, "MAX_VALUES", 10)
    assert [t for _, t in noise.diagnose(lazy).looked_at] == [0, 1]


def test_separate_images_are_summed_up_and_the_odd_one_named():
    images = np.concatenate([50.0**k * movie(1, seed=k)[..., 0] for k in range(5)])  # any gain
    found = noise.diagnose(images, "SYX")
    assert both(found)[0].justified is True
    assert found.warnings == []
    images[3] = noise.after_glow(images[3][..., None], 0.09)[..., 0]
    found = noise.diagnose(images, "SYX")
    assert both(found)[0].odd_image[0] == 3
    assert "image 3 is correlated more than the others" in words(found)
