"""Noise drawn like that of a frame."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.noise import add_poisson_noise, after_glow, estimate_noise
from n2v_stem_keras.noise.alike import noise_like


@pytest.fixture
def scene():
    return 100 + 20 * gaussian_filter(np.random.default_rng(0).normal(size=(256, 256)), 6)


def drawn(raw, clean):
    return noise_like(raw, clean, estimate_noise(raw), np.random.default_rng(9))


def test_it_is_as_strong_and_as_correlated_along_x(scene):
    white = np.random.default_rng(1).normal(size=(1, 256, 256, 1))
    noise = 3.0 * after_glow(white, 0.3)[0, ..., 0]
    found = estimate_noise(drawn(scene + noise, scene))
    assert found.sigma == pytest.approx(noise.std(), rel=0.03)
    assert found.lag1_x == pytest.approx(0.3, abs=0.03)
    assert found.lag1_y == pytest.approx(0.0, abs=0.03)


def test_it_is_stronger_where_more_electrons_are_counted():
    x = np.indices((256, 256))[1]
    clean = 30 + 25 * np.cos(2 * np.pi * x / 16)
    raw = add_poisson_noise(clean[None, ..., None], 1.0, seed=2)[0, ..., 0]
    noise = drawn(raw, clean)
    bright, dark = noise[clean > 50].var(), noise[clean < 10].var()
    assert bright == pytest.approx(clean[clean > 50].mean(), rel=0.1)
    assert dark == pytest.approx(clean[clean < 10].mean(), rel=0.4)


def test_it_is_stronger_where_the_frame_is_noisier(scene):
    strength = np.where(np.indices((256, 256))[0] < 128, 1.0, 3.0)
    noise = drawn(scene + strength * np.random.default_rng(3).normal(size=(256, 256)), scene)
    assert noise[:100].std() == pytest.approx(1.0, rel=0.1)
    assert noise[-100:].std() == pytest.approx(3.0, rel=0.1)


def test_offsets_of_rows_are_noise(scene):
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(256, 256)) + rng.normal(size=(256, 1))
    found = drawn(scene + noise, scene)
    assert found.mean(axis=1).std() == pytest.approx(1.0, rel=0.15)
    assert found.std() == pytest.approx(2**0.5, rel=0.1)


def test_a_constant_detector_has_none():
    raw = np.full((64, 64), 7.0)
    np.testing.assert_array_equal(drawn(raw, raw), 0)


def test_small_frames_have_white_noise():
    raw = np.random.default_rng(5).normal(size=(20, 24))
    noise = drawn(raw, np.zeros((20, 24)))
    assert noise.shape == (20, 24)
    assert noise.std() == pytest.approx(1.0, rel=0.2)
