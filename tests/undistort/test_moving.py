"""Rows are moved: denoised ones by splines, noisy ones such that white noise stays white."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter1d

from n2v_stem_keras.undistort.moving import moved_rows, shifted, sorted_rows

BY = np.random.default_rng(0).normal(0, 1.5, 60)


@pytest.mark.parametrize("move", [moved_rows, shifted])
@pytest.mark.parametrize("width", [80, 81])
def test_rows_go_where_they_are_told_and_come_back(move, width):
    frame = gaussian_filter1d(np.random.default_rng(1).standard_normal((60, width, 2)), 3, axis=1)
    frame = frame.astype("f4")
    moved = move(frame, BY)
    row = int(np.argmax(np.abs(BY)))
    x = np.arange(width)
    expected = np.interp(x - BY[row], x, frame[row, :, 0])
    assert_allclose(moved[row, 8:-8, 0], expected[8:-8], atol=0.02)
    assert_allclose(move(moved, -BY)[:, 12:-12], frame[:, 12:-12], atol=0.02)


def test_white_noise_stays_white_where_it_is_shifted():
    noise = np.random.default_rng(2).standard_normal((60, 400, 1)).astype("f4")
    moved = shifted(noise, BY)
    assert moved.std() == pytest.approx(1, abs=0.02)
    assert abs(np.mean(moved[:, 1:] * moved[:, :-1])) < 0.02


def test_rows_whose_order_changed_are_sorted():
    image = np.arange(40.0)[:, None] * np.ones(3)
    moved = np.array([0.0, 1.4, -0.9, 0.3, 0.0] * 8)
    scanned = np.arange(40)[:, None] + moved[:, None] * np.ones(3)
    found = sorted_rows(scanned, moved)
    assert_allclose(found[2:-2], image[2:-2], atol=1e-9)
    assert_array_equal(sorted_rows(image, np.zeros(40)), image)
