"""Rows that hold nothing: found where a scan stopped, and not where a background is dark."""

import numpy as np
import pytest

from n2v_stem_keras.noise.empty import empty_rows, longest_run

RNG = np.random.default_rng(0)


def noisy(height=64, width=48):
    return RNG.normal(size=(height, width, 2)) + 5


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("kept", [slice(0, 20), slice(50, 64), slice(0, 63), slice(1, 64)])
def test_a_scan_that_stopped(kept, dtype):
    frame = (20 * noisy()).astype(dtype)
    whole = frame[..., 0].copy()
    frame[..., 0] = 0
    frame[kept, :, 0] = whole[kept]
    found = empty_rows(frame)
    assert np.array_equal(~found[:, 0], np.isin(np.arange(64), np.arange(64)[kept]))
    assert not found[:, 1].any()


def test_rows_that_dropped_out_at_several_values():
    frame = noisy()
    frame[10:13, :, 1], frame[30, :, 1] = 0, 77
    found = empty_rows(frame)
    assert np.flatnonzero(found[:, 1]).tolist() == [10, 11, 12, 30]


def test_a_blank_detector_is_empty_throughout():
    frame = noisy()
    frame[..., 1] = 3
    assert empty_rows(frame).all(axis=0).tolist() == [False, True]
    assert empty_rows(np.full((4, 1, 1), 2)).all()


def test_dark_backgrounds_and_few_counts_are_no_gaps():
    counts = RNG.poisson(0.05, (200, 40, 1))
    assert (counts == 0).all(axis=(1, 2)).any()
    assert not empty_rows(counts).any()
    y, x = np.mgrid[:64, :64] - 32
    particle = np.where(np.hypot(y, x) < 20, RNG.poisson(3.0, (64, 64)), 0)[..., None]
    assert (particle == 0).all(axis=(1, 2)).sum() > 20
    assert not empty_rows(particle).any()


def test_what_varies_along_y_alone_and_one_column_are_no_gaps():
    ramp = np.repeat(np.arange(9.0)[:, None, None], 5, axis=1)
    assert not empty_rows(ramp).any()
    assert not empty_rows(ramp[:, :1]).any()


def test_sound_frames_have_none():
    assert not empty_rows(noisy()).any()
    assert not empty_rows(RNG.integers(0, 4, (64, 64, 1))).any()


def test_the_longest_run():
    kept = np.array([1, 1, 0, 1, 1, 1, 0], bool)
    assert longest_run(kept) == slice(3, 6)
    assert longest_run(np.zeros(4, bool)) == slice(0, 0)
