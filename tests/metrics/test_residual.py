import numpy as np
import pytest

from n2v_stem_keras import simulate
from n2v_stem_keras.metrics import residual_statistics


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_white_noise_taken_away_reads_white_with_mean_zero_and_variance_one():
    sigma = np.array([2.0, 0.5])
    clean = 10 + noise((4, 1, 1, 2), 1) * np.ones((4, 96, 80, 2))
    found = residual_statistics(clean + sigma * noise(clean.shape), clean, sigma)
    assert found.n_pixels == 4 * 96 * 80
    assert np.all(np.abs(found.mean) < 4 * found.mean_se)
    assert np.all(np.abs(found.variance - 1) < 4 * found.variance_se)
    assert np.all(np.abs([found.lag1_x, found.lag1_y]) < 4 * found.lag1_se)
    assert np.all(found.p_white > 0.001)
    assert found.whiteness == pytest.approx([1, 1], abs=4 * np.sqrt(2 / 12))


def test_whiteness_follows_its_null_distribution():
    """Chi square with 12 degrees of freedom over 12: mean 1, standard deviation 0.408."""
    found = [residual_statistics(noise((48, 64), n), np.zeros((48, 64)), 1.0) for n in range(300)]
    whiteness = np.array([f.whiteness for f in found])
    assert whiteness.mean() == pytest.approx(1, abs=4 * 0.408 / np.sqrt(300))
    assert whiteness.std() == pytest.approx(np.sqrt(2 / 12), rel=0.2)
    assert np.mean([f.p_white < 0.05 for f in found]) == pytest.approx(0.05, abs=0.04)


def test_offset_and_gain_by_hand():
    """A constant 0.5 too much taken away, and noise of twice the sigma assumed."""
    raw = noise((64, 64))
    found = residual_statistics(raw, np.full_like(raw, -0.5), 2.0)
    assert found.mean == pytest.approx((0.5 + raw.mean()) / 2)
    assert found.variance == pytest.approx(raw.var() / 4)
    free = residual_statistics(raw, np.full_like(raw, -0.5))
    assert np.isnan(free.variance)
    assert free.mean == pytest.approx((0.5 + raw.mean()) / raw.std())
    assert free.lag1_x == found.lag1_x


def test_autocorrelation_by_hand():
    """Rows of 1, -1, 1, ... that are all alike: -1 along x, +1 along y."""
    raw = np.tile([1.0, -1.0], (8, 5))
    found = residual_statistics(raw, 0 * raw)
    assert (found.lag1_x, found.lag1_y) == pytest.approx((-1, 1))
    assert found.p_white < 1e-6


def test_after_glow_shows_along_x_only():
    white = noise((128, 129))
    raw = white[:, 1:] + 0.2 * white[:, :-1]
    found = residual_statistics(raw, 0 * raw, np.sqrt(1.04))
    assert found.lag1_x == pytest.approx(0.2 / 1.04, abs=4 * found.lag1_se)
    assert abs(found.lag1_y) < 4 * found.lag1_se
    assert found.whiteness > 20


def test_an_average_of_neighbours_leaves_the_lag_that_algebra_gives():
    """Residual n - (n_left + n + n_right) / 3: rho_1 = (-4/9 + 2/9 - 1/9) / (6/9) at lag 1."""
    raw = noise((256, 256))
    denoised = (np.roll(raw, 1, 1) + raw + np.roll(raw, -1, 1)) / 3
    found = residual_statistics(raw, denoised, 1.0)
    weights = np.array([-1, 2, -1]) / 3
    rho = np.sum(weights[1:] * weights[:-1]) / np.sum(weights**2)
    assert found.lag1_x == pytest.approx(rho, abs=0.02)
    assert found.variance == pytest.approx(2 / 3, abs=0.02)


def test_a_lattice_lost_is_found_in_the_residual():
    movie = simulate.reference_movie(0, shape=(128, 128), n_frames=1)
    clean = movie.clean[..., 1].astype(float)[0]
    sigma = np.ptp(clean) / 10 ** (20 / 20)
    raw = clean + sigma * noise(clean.shape)
    right = residual_statistics(raw, clean, sigma)
    lost = residual_statistics(raw, np.full_like(raw, raw.mean()), sigma)
    assert right.p_white > 0.01
    assert lost.p_white < 1e-6
    assert lost.variance > 1 + 3 * lost.variance_se
    assert lost.lag1_x > 3 * lost.lag1_se


def test_sigma_may_differ_between_frames_and_inputs_are_spared():
    sigma = np.array([[1.0], [10.0]])
    raw = sigma[:, None, None] * noise((2, 96, 96, 1))
    before = raw.copy()
    found = residual_statistics(raw, 0 * raw, sigma)
    assert found.variance == pytest.approx([1], abs=4 * found.variance_se)
    assert np.array_equal(raw, before)


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="expected twice the same"):
        residual_statistics(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="3 at least"):
        residual_statistics(np.zeros((2, 4)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="positive"):
        residual_statistics(np.ones((4, 4)), np.zeros((4, 4)), 0.0)
