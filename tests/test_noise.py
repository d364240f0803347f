"""Noise: made to a stated strength, and found again in the noisy movie alone."""

import os
from pathlib import Path

import numpy as np
import pytest

from n2v_stem_keras.noise import (
    add_white_noise,
    after_glow,
    estimate_noise,
    noise_spectrum,
    suggest_span,
)
from n2v_stem_keras.simulate import reference_movie

DATA = os.environ.get("N2V_STEM_DATA")


@pytest.fixture(scope="module")
def clean():
    """(S, T, Y, X, C): four lattices at four rotations."""
    return np.stack([reference_movie(seed, n_frames=4).clean for seed in range(4)])


def test_noise_has_the_psnr_it_was_made_for(clean):
    noisy = add_white_noise(clean, (16, 7), seed=1)
    mse = ((noisy - clean) ** 2).mean(axis=(-3, -2))
    psnr = 10 * np.log10(np.ptp(clean, axis=(-3, -2)) ** 2 / mse)
    np.testing.assert_allclose(psnr, np.broadcast_to([16, 7], psnr.shape), atol=0.1)
    np.testing.assert_array_equal(noisy, add_white_noise(clean, (16, 7), seed=1))
    assert not np.array_equal(noisy, add_white_noise(clean, (16, 7), seed=2))


@pytest.mark.parametrize("psnr_db", [7, 10, 16, 20])
def test_white_noise_on_a_lattice_is_measured_within_three_percent(clean, psnr_db):
    noisy = add_white_noise(clean, psnr_db, seed=0)
    for movie, truth in zip(noisy, clean):
        for c in range(2):
            found = estimate_noise(movie[..., c])
            sigma = (movie - truth)[..., c].std()
            assert found.sigma == pytest.approx(sigma, rel=0.03)
            assert abs(found.lag1_x) < 0.02
            assert abs(found.lag1_y) < 0.02
            assert suggest_span(found) == (1, 1)


@pytest.mark.parametrize(("rho1", "span"), [(0.1, 3), (0.2, 3), (0.3, 5), (0.45, 7)])
def test_after_glow_is_found_along_x_and_not_along_y(clean, rho1, span):
    noisy = after_glow(add_white_noise(clean[0], 10, seed=0), rho1)
    for c in range(2):
        found = estimate_noise(noisy[..., c])
        assert found.lag1_x == pytest.approx(rho1, abs=0.02)
        assert abs(found.lag1_y) < 0.02
        assert suggest_span(found) == (1, span)


def test_after_glow_on_white_noise_has_the_stated_autocorrelation():
    white = np.random.default_rng(0).normal(size=(1, 512, 512, 1)).astype(np.float32)
    smeared = after_glow(white, 0.3)[0, ..., 0]
    assert np.corrcoef(smeared[:, 50:-1].ravel(), smeared[:, 51:].ravel())[0, 1] == pytest.approx(
        0.3, abs=0.01
    )
    np.testing.assert_array_equal(after_glow(white, 0.0), white)
    flat = np.full((1, 8, 64, 1), 5.0)
    np.testing.assert_allclose(after_glow(flat, 0.5), flat, rtol=1e-6)  # normalised to one
    with pytest.raises(ValueError, match="expected 0 <= rho1 < 1"):
        after_glow(white, 1.0)


def test_the_spectrum_integrates_to_the_variance():
    frames = np.random.default_rng(0).normal(10, 3, (4, 128, 200))
    for axis, length in (("x", 200), ("y", 128)):
        spectrum = noise_spectrum(frames, axis)
        assert spectrum.shape == (length,)
        assert spectrum.mean() == pytest.approx(9, rel=0.03)


def test_row_noise_is_seen_as_long_correlation_along_x():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(4, 128, 128)) + rng.normal(size=(4, 128, 1))
    found = estimate_noise(frames)
    assert found.acf_x[10] > 0.2
    assert abs(found.lag1_y) < 0.05


def test_standard_errors_cover_the_scatter():
    rng = np.random.default_rng(0)
    found = [estimate_noise(rng.normal(size=(1, 128, 128))) for _ in range(40)]
    assert np.std([e.sigma for e in found]) < 1.5 * found[0].sigma_se
    assert np.std([e.lag1_x for e in found]) < 1.6 * found[0].lag1_se


def test_scale_offset_integers_and_input():
    rng = np.random.default_rng(0)
    counts = rng.poisson(400, (2, 64, 64)).astype(np.uint16)
    before = counts.copy()
    found = estimate_noise(counts)
    assert found.sigma == pytest.approx(20, rel=0.05)
    assert estimate_noise(3.0 * counts + 7).sigma == pytest.approx(3 * found.sigma)
    np.testing.assert_array_equal(counts, before)


def test_constant_and_small_frames_have_an_answer():
    assert estimate_noise(np.full((2, 64, 64), 7)).sigma == 0
    small = np.random.default_rng(0).normal(0, 2, (50, 16, 16))
    assert estimate_noise(small).sigma == pytest.approx(2, rel=0.1)
    assert suggest_span(estimate_noise(small)) == (1, 1)


@pytest.mark.skipif(not DATA, reason="needs real data (N2V_STEM_DATA)")
@pytest.mark.parametrize(
    ("pattern", "lag1_x"),
    [("real/PtNC-HPAI/haadf.tif", 0.05), ("real/MoS2-SciLink/*.npy", 0.11),
     ("real/SrTiO3-scanline/*.npy", 0.42)],
)  # fmt: skip
def test_real_scans_are_correlated_along_x_only(pattern, lag1_x):
    from n2v_stem_keras.io import read_movie

    for path in Path(DATA).glob(pattern):
        axes = "SYX" if path.suffix == ".tif" else "YX"
        movie = read_movie(path, axes)
        found = estimate_noise(np.concatenate([movie.frame(s, 0)[None, ..., 0]
                                               for s in range(movie.n_series)]))  # fmt: skip
        assert found.lag1_x == pytest.approx(lag1_x, abs=0.025)
        assert abs(found.lag1_y) < 0.02
