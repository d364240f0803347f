import os
from pathlib import Path

import numpy as np
import pytest

from n2v_stem_keras import noise, simulate

PSNR = [7, 10, 16, 20]


@pytest.fixture(scope="module")
def movies():
    still = [simulate.reference_movie(seed, n_frames=6) for seed in range(2)]
    return [*still, simulate.reference_movie(2, n_frames=3, hops=True)]


def white(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# -- estimate -------------------------------------------------------------------------------------
@pytest.mark.parametrize("axis", ["x", "y"])
def test_spectrum_of_white_noise_is_flat_at_the_variance(axis):
    level = noise.noise_spectrum(3 * white((8, 96, 128)), axis)
    assert level.shape == (128 if axis == "x" else 96,)
    assert level.mean() == pytest.approx(9, rel=0.03)
    assert level.std() < 0.25 * 9


@pytest.mark.parametrize("psnr", PSNR)
@pytest.mark.parametrize("n_frames", [1, 6])
def test_white_noise_on_the_reference_movies(movies, psnr, n_frames):
    """The lattice is not taken for noise, nor for its correlation."""
    for seed, movie in enumerate(movies):
        clean = movie.clean[:n_frames]
        noisy = noise.add_white_noise(clean, psnr, seed)
        sigma = np.sqrt(np.mean(np.ptp(clean, axis=(1, 2)) ** 2, axis=0)) / 10 ** (psnr / 20)
        for c in range(2):
            found = noise.estimate_noise(noisy[..., c])
            assert found.sigma == pytest.approx(sigma[c], rel=0.03)
            limit = 0.02 if n_frames > 1 else 0.04
            assert abs(found.lag1_x) < limit
            assert abs(found.lag1_y) < limit
            assert noise.suggest_span(found) == (1, 1)


def test_differences_of_neighbours_take_the_lattice_for_noise(movies):
    """Negative control: what the estimator must not do."""
    noisy = noise.add_white_noise(movies[0].clean, 20, 0)[..., 1].astype(float)
    rough = np.diff(noisy, n=4, axis=1)
    lag1 = np.mean(rough[..., 1:] * rough[..., :-1]) / rough.var()
    assert abs(lag1) > 3 * abs(noise.estimate_noise(noisy).lag1_x)
    assert abs(lag1) > 0.02


@pytest.mark.parametrize(("rho1", "spans"), [(0.1, {3}), (0.2, {3}), (0.3, {5}), (0.4, {5, 7})])
def test_after_glow_is_recovered(movies, rho1, spans):
    """0.4^3 = 0.064 is above the limit of 0.05 by about three standard errors: either span."""
    for movie in movies[:2]:
        glow = noise.after_glow(noise.add_white_noise(movie.clean, 10, 5), rho1)
        for c in range(2):
            found = noise.estimate_noise(glow[..., c])
            assert found.lag1_x == pytest.approx(rho1, abs=0.03)
            assert found.acf_x[2] == pytest.approx(rho1**2, abs=0.03)
            assert abs(found.lag1_y) < 0.02
            assert noise.suggest_span(found)[0] == 1
            assert noise.suggest_span(found)[1] in spans


def test_row_offsets_show_as_a_plateau_along_x_only():
    frames = noise.row_offsets(white((6, 128, 128, 1)), 0.5, seed=1)[..., 0]
    found = noise.estimate_noise(frames)
    assert found.sigma == pytest.approx(np.sqrt(1.25), rel=0.05)
    assert found.acf_x[1:] == pytest.approx(np.full(15, 0.2), abs=0.06)
    assert abs(found.lag1_y) < 0.03
    assert noise.suggest_span(found) == (1, noise.MAX_SPAN)


@pytest.mark.parametrize("shape", [(1, 64, 96), (4, 64, 64)])
def test_standard_errors_are_the_scatter(shape):
    found = [noise.estimate_noise(white(shape, seed)) for seed in range(80)]
    assert np.mean([e.sigma for e in found]) == pytest.approx(1, abs=0.01)
    assert np.std([e.sigma for e in found]) == pytest.approx(found[0].sigma_se, rel=0.3)
    assert np.std([e.lag1_x for e in found]) == pytest.approx(found[0].lag1_se, rel=0.3)


def test_estimate_follows_gain_and_offset_and_leaves_integers_alone():
    counts = np.random.default_rng(0).poisson(100, (2, 64, 80)).astype(np.uint16)
    before = counts.copy()
    found = noise.estimate_noise(counts)
    assert np.array_equal(counts, before)
    assert found.sigma == pytest.approx(10, rel=0.05)
    scaled = noise.estimate_noise(7.0 * counts - 3)
    assert scaled.sigma == pytest.approx(7 * found.sigma)
    assert scaled.acf_x == pytest.approx(found.acf_x)
    assert noise.estimate_noise(counts[0]).sigma == pytest.approx(10, rel=0.1)


def test_long_movies_are_sampled_evenly():
    class Lazy:
        """Counts the frames that are asked for."""

        shape, ndim = (500, 40, 40), 3
        asked: tuple = ()

        def __len__(self):
            return 500

        def __getitem__(self, index):
            self.asked = (*self.asked, int(index))
            return white((40, 40), int(index))

    lazy = Lazy()
    assert noise.estimate_noise(lazy).sigma == pytest.approx(1, rel=0.1)
    assert len(lazy.asked) == noise.MAX_FRAMES
    assert (lazy.asked[0], lazy.asked[-1]) == (0, 499)
    assert np.ptp(np.diff(lazy.asked)) <= 1


@pytest.mark.parametrize("shape", [(1, 40, 40), (3, 40, 40), (2, 8, 8)])
def test_constant_frames_have_no_noise(shape):
    found = noise.estimate_noise(np.full(shape, 5, np.uint8))
    assert found.sigma == 0
    assert noise.suggest_span(found) == (1, 1)


def test_small_frames_fall_back_to_the_spread_of_the_high_pass():
    found = noise.estimate_noise(2 * white((20, 24, 20)))
    assert found.sigma == pytest.approx(2, rel=0.05)
    assert np.isnan(found.lag1_x)
    assert noise.suggest_span(found) == (1, 1)
    with pytest.raises(ValueError, match="32x32"):
        noise.noise_spectrum(white((1, 20, 20)))


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="one detector"):
        noise.estimate_noise(white((2, 40, 40, 2)))
    with pytest.raises(ValueError, match="axis"):
        noise.noise_spectrum(white((1, 40, 40)), "t")
    with pytest.raises(ValueError, match=r"Y, X, C"):
        noise.after_glow(white((40, 40)), 0.1)


# -- real scans -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def data():
    if "N2V_STEM_DATA" not in os.environ:
        pytest.skip("N2V_STEM_DATA does not name the development data")
    return Path(os.environ["N2V_STEM_DATA"]) / "real"


def test_real_scans_are_white_along_y_and_not_along_x(data):
    strontium = np.load(next((data / "SrTiO3-scanline").glob("*.npy")))
    found = noise.estimate_noise(strontium)
    assert found.lag1_x == pytest.approx(0.42, abs=0.04)
    assert abs(found.lag1_y) < 0.03
    assert noise.suggest_span(found)[1] == noise.MAX_SPAN
    for path in sorted((data / "MoS2-SciLink").glob("*.npy")):
        found = noise.estimate_noise(np.load(path))
        assert found.lag1_x == pytest.approx(0.11, abs=0.03)
        assert abs(found.lag1_y) < 0.03
        assert noise.suggest_span(found) == (1, 3)


def test_platinum_on_carbon_is_nearly_white(data):
    import tifffile

    found = noise.estimate_noise(tifffile.imread(data / "PtNC-HPAI" / "haadf.tif"))
    assert found.lag1_x == pytest.approx(0.05, abs=0.02)
    assert abs(found.lag1_y) < 0.02
