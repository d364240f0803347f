"""The real-time benchmark: which network is chosen; floors and filters are what they say."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from live import process, quality, speed, stages, stream


def journal(folder, fps):
    rows = [
        {"key": f"speed | {name} | openvino | {way}", "fps": values}
        for name, ways in fps.items()
        for way, values in ways.items()
    ]
    (folder / "live.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SimpleNamespace(out=folder)


def test_the_largest_student_that_is_fast_enough_is_given_45_frames_a_second(tmp_path):
    small, middle, large = list(quality.STUDENTS)[:3]
    args = journal(
        tmp_path,
        {
            small: {"one after another": [200, 190, 210]},
            middle: {"one after another": [50, 50, 50], "two side by side": [59, 70, 300]},
            large: {"two side by side": [59, 59, 90]},
        },
    )
    assert stream.chosen(args) == (middle, 45.0)


def test_where_none_is_fast_enough_the_fastest_is_given_less(tmp_path):
    small, large = list(quality.STUDENTS)[:2]
    args = journal(
        tmp_path,
        {small: {"one after another": [40, 48, 44]}, large: {"one after another": [20, 20, 20]}},
    )
    assert stream.chosen(args) == (small, pytest.approx(33))


def test_the_source_does_not_wait(monkeypatch):
    """A frame that was asked for late does not delay those behind it."""
    clock = [0.0]
    monkeypatch.setattr(stream.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(stream.time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    came = []
    for frame in stream.paced(["a", "b"], 10, 0.6):
        came.append((frame, round(clock[0], 6)))
        if len(came) == 2:
            clock[0] += 0.25  # the caller was busy
    assert came == [("a", 0), ("b", 0.1), ("a", 0.35), ("b", 0.35), ("a", 0.4), ("b", 0.5)]


def test_floating_point_operations_of_a_known_network():
    """A stem of 2, depth 0 or 1: the first layer alone is counted by hand."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    config = N2VStemConfig.preset(
        "live",
        channels=("A", "B"),
        unet_stem=1,
        unet_n_depth=1,
        unet_n_first=4,
        unet_lattice="none",
        unet_kern_size=1,
        unet_kern_size_first=1,
    )
    model = N2VStem(config, basedir=None)
    small = stages.network_flop(model, (32, 32))
    assert stages.network_flop(model, (64, 64)) == pytest.approx(4 * small, rel=0.05)
    kernels = [w for w in model.keras_model.get_weights() if w.ndim == 4]
    most = sum(2 * w.size * 32 * 32 for w in kernels)  # as if every layer ran at full size
    assert 0.3 * most < small < 1.5 * most


def test_filters_are_those_they_are_called():
    frame = np.random.default_rng(0).normal(100, 5, (32, 40, 2)).astype(np.float32)
    sigma = np.array([5.0, 5.0])
    found = quality.filter_frame("gaussian", frame, [1.0, 2.0], sigma)
    for c, width in enumerate([1.0, 2.0]):
        np.testing.assert_allclose(found[..., c], gaussian_filter(frame[..., c], width), rtol=1e-6)
    for kind in ("tv", "tv_default"):
        calm = quality.filter_frame(kind, frame, [1.0, 0.01], sigma)
        assert calm[..., 0].std() < 0.5 * frame[..., 0].std()
        assert calm[..., 1].std() > 0.9 * frame[..., 1].std()


def test_the_best_way_of_a_contestant_is_that_of_the_highest_median():
    rows = {
        "speed | x | onnx | one after another": {"fps": [10, 11, 500]},
        "speed | x | openvino | two side by side": {"fps": [12, 13, 14]},
        "speed | y | onnx | one after another": {"fps": [99, 99, 99]},
    }
    assert speed.best(rows, "x") == (13.0, "openvino", "two side by side")
    assert speed.best(rows, "z") is None
    table = speed.report(rows)
    assert "| x | openvino | - | 13 (12 to 14) | - | - |" in table


def test_a_measurement_runs_in_a_process_of_its_own(tmp_path):
    args = SimpleNamespace(models=tmp_path, tiny=True)
    found = process.call(speed.trial, args, 1, "Gaussian, sigma 1", "one after another")
    assert len(found["fps"]) == speed.REPEATS
    assert min(found["fps"]) > 0
