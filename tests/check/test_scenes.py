"""Test frames: large enough at any pixel size, and contrasts measured in them."""

import numpy as np
import pytest

from n2v_stem_keras.check import scenes


@pytest.mark.parametrize("size", [0.01, 0.0137, 0.0176, 0.03, 0.046, 0.06])
def test_frames_have_room_for_holes_and_lattice_beside_them(size):
    side = scenes.side_of(size)
    assert 256 <= side <= 512
    radius = scenes.hole_that_fits(2.0, size)
    assert 0.3 < radius <= 2.0
    assert radius < side * size / 2 - scenes.BESIDE_NM
    if size >= 0.046:
        assert (side, radius) == (256, 2.0)


def test_noise_is_that_of_the_psnr():
    clean = np.zeros((3, 64, 64, 2))
    clean[:, 5, 5] = 10, 100
    sigma = scenes.sigma_of(clean, 20)
    assert sigma == pytest.approx([1, 10])
    noise = scenes.noisy(clean, sigma, 0) - clean
    assert noise.std(axis=(0, 1, 2)) == pytest.approx(sigma, rel=0.02)


def test_lattices_that_overlap_are_told_apart():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 3, 40, 40))
    other += 0.7 * one
    mask = rng.random((3, 40, 40)) < 0.3
    found = scenes.waves_in(0.8 * one + 0.3 * other + 5, [one, other], mask)
    assert found == pytest.approx([0.8, 0.3])
    assert np.isnan(scenes.waves_in(one, [0 * one], mask)).all()
