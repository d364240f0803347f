"""Offsets of rows: found where there are any, and nothing else taken for one."""

import numpy as np
import pytest

from n2v_stem_keras.noise.rows import find_row_offsets, level_rows, rows_stand_out

SIDE = 256


def noise(seed=0, n=1):
    return np.random.default_rng(seed).normal(size=(SIDE, SIDE, n))


@pytest.mark.parametrize(("strength", "left"), [(0.1, 0.5), (0.3, 0.25), (1.0, 0.2)])
def test_offsets_are_found(strength, left):
    offsets = strength * np.random.default_rng(1).normal(size=(SIDE, 1))
    found = find_row_offsets(noise() + offsets[:, None])
    assert np.mean((found - offsets) ** 2) < left * np.mean(offsets**2)


def test_levelling_takes_them_off_a_copy():
    frame = noise() + np.random.default_rng(1).normal(size=(SIDE, 1, 1))
    before = frame.copy()
    levelled = level_rows(frame)
    np.testing.assert_array_equal(frame, before)
    assert levelled.dtype == np.float32
    # of 256 pixels: a sixteenth of sigma is noise
    assert levelled.mean(axis=1).std() < 0.35 * frame.mean(axis=1).std()


def test_white_noise_has_none():
    found = [rows_stand_out(noise(seed)).any() for seed in range(40)]
    assert sum(found) <= 1


def test_a_lattice_and_an_edge_along_the_rows_are_no_offsets():
    y, x = np.mgrid[:SIDE, :SIDE]
    lattice = 2 * np.sin(2 * np.pi * y / 9.3) + np.sin(2 * np.pi * (x + y / 2) / 7.1)
    assert not rows_stand_out(noise() + lattice[..., None]).any()
    edge = 6.0 * (y > SIDE // 2)
    assert not rows_stand_out(noise() + edge[..., None]).any()
    both = find_row_offsets(noise() + (edge + lattice)[..., None])
    assert np.abs(both).max() < 0.3  # of 9
    offsets = 0.2 * np.random.default_rng(1).normal(size=(SIDE, 1))
    found = find_row_offsets(noise() + (edge + lattice)[..., None] + offsets[:, None])
    assert found.any()
    assert np.abs(found).max() < 0.8  # the edge is 6 high


def test_detectors_are_looked_at_one_by_one():
    frame = noise(n=2)
    frame[..., 1] += np.random.default_rng(1).normal(size=(SIDE, 1))
    assert rows_stand_out(frame).tolist() == [False, True]
    np.testing.assert_array_equal(level_rows(frame)[..., 0], frame[..., 0].astype(np.float32))


@pytest.mark.parametrize("shape", [(16, 200, 1), (200, 16, 1), (1, 1, 2)])
def test_small_frames_are_left_alone(shape):
    frame = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(level_rows(frame), frame)


def test_even_frames_are_left_alone():
    frame = np.full((64, 64, 1), 7.0, np.float32)
    np.testing.assert_array_equal(level_rows(frame), frame)
