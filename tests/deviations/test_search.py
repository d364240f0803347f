"""How unlikely a filtered residual is, and which pixels say something."""

import numpy as np
import pytest
from scipy.stats import norm, poisson

from n2v_stem_keras.deviations import search


def test_a_normal_distribution_stays_as_it_is():
    z = np.linspace(-9, 9, 37)
    assert np.array_equal(search.plain(z, 0.0), z)


@pytest.mark.parametrize("skew", [0.1, 0.5, 1.5])
def test_of_a_skewed_one_the_long_tail_is_drawn_in_and_nothing_else(skew):
    z = np.linspace(-9, 9, 361)
    found = search.plain(z, skew)
    assert (np.diff(found) > 0).all()
    assert np.array_equal(found[z <= 0], z[z <= 0])
    assert (found[z > 3] < z[z > 3]).all()
    np.testing.assert_allclose(search.plain(-z, -skew), -found)


def test_sums_of_counts_are_as_unlikely_as_it_says():
    mean = 20.0
    for count in (35, 40, 50):
        chance = poisson.sf(count - 1, mean)
        found = search.plain((count - mean) / np.sqrt(mean), mean**-0.5)
        assert found == pytest.approx(norm.isf(chance), abs=0.35)


def test_where_an_image_is_constant_it_says_nothing():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(60, 80, 1)).astype(np.float32)
    raw[:, 50:] = 3
    _, weights = search.residual_of(raw, 0 * raw, np.ones(1), 0.05)
    assert (weights[:, 50:] == 0).all()
    assert (weights[:, :50] > 0.7).all()
    assert np.median(weights[:, :50]) == pytest.approx(1, abs=0.1)


def test_a_single_pixel_is_a_spike_and_an_atom_is_none():
    residual = np.zeros((40, 40, 1), np.float32)
    y, x = np.indices((40, 40))
    atom = 20 * np.exp(-((y - 10) ** 2 + (x - 10) ** 2) / (2 * 1.0**2))
    residual[..., 0] = atom
    residual[30, 30] = 50
    raw = residual + np.random.default_rng(0).normal(0, 1e-3, residual.shape)
    found, _ = search.residual_of(raw, 0 * raw, np.ones(1), 0.05)
    assert abs(found[30, 30, 0]) < 0.1
    assert found[10, 10, 0] == pytest.approx(20, abs=0.1)
