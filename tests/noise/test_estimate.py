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
            limit = 0.02 if n_frames > 1 else 0.03  # three standard errors of 256x256 px
            assert abs(found.lag1_x) < limit
            assert abs(found.lag1_y) < limit
            assert noise.suggest_span(found) == (1, 1)


@pytest.fixture(scope="module")
def turned():
    """Small movies at rotations all over 0 to 60 degrees."""
    rotations = [np.random.default_rng(seed).uniform(0, 60) for seed in range(6)]
    assert np.ptp(rotations) > 40  # as reference_movie draws them
    return [simulate.reference_movie(seed, (160, 160), n_frames=8).clean for seed in range(6)]


@pytest.mark.parametrize("psnr", [10, 20])
def test_white_noise_reads_white_at_every_rotation(turned, psnr):
    """Below 0.02 on movies of some frames, both detectors; sigma within 1.5 %."""
    for seed, clean in enumerate(turned):
        noisy = noise.add_white_noise(clean, psnr, seed)
        sigma = np.sqrt(np.mean((noisy - clean) ** 2, axis=(0, 1, 2)))
        for c in range(2):
            found = noise.estimate_noise(noisy[..., c])
            assert max(abs(found.lag1_x), abs(found.lag1_y)) < 0.02
            assert found.sigma == pytest.approx(sigma[c], rel=0.015)


def test_sigma_from_one_frame_of_bright_field_at_16_db(turned):
    for seed, clean in enumerate(turned):
        noisy = noise.add_white_noise(clean[:1], 16, seed)[0, ..., 1]
        sigma = np.ptp(clean[0, ..., 1]) / 10 ** (16 / 20)
        assert noise.estimate_noise(noisy).sigma == pytest.approx(sigma, rel=0.03)


def test_differences_of_neighbours_take_the_lattice_for_noise(movies):
    """Negative control: what the estimator must not do."""
    noisy = noise.add_white_noise(movies[0].clean, 20, 0)[..., 1]
    lag1 = noise.plain_lag1(noisy)[0]
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


# -- the plain estimator --------------------------------------------------------------------------
def test_plain_estimator_on_a_smooth_image():
    y, x = np.mgrid[:128, :160] / 12
    smooth = 20 * np.sin(y) * np.cos(x)
    assert noise.plain_lag1(smooth + white((3, 128, 160))) == pytest.approx((0, 0), abs=0.008)
    glow = noise.after_glow((smooth + white((3, 128, 160)))[..., None], 0.3)[..., 0]
    assert noise.plain_lag1(glow) == pytest.approx((0.3, 0), abs=0.015)
    assert noise.plain_lag1(glow.transpose(0, 2, 1)) == pytest.approx((0, 0.3), abs=0.015)


def test_plain_estimator_by_hand():
    """A frame whose rows alternate: what is left is +-16 times it, and alternates along x too."""
    y, x = np.mgrid[:12, :12]
    assert noise.plain_lag1((-1.0) ** (x + y)) == pytest.approx((-1, -1))
    assert noise.plain_lag1((-1.0) ** y)[0] == pytest.approx(1)  # all of a row alike
    assert np.isnan(noise.plain_lag1((-1.0) ** y)[1])  # nothing is left across x
    with pytest.raises(ValueError, match="6x6"):
        noise.plain_lag1(np.zeros((5, 9)))


def test_plain_estimator_takes_the_median_over_frames_and_clips():
    frames = white((5, 64, 64))
    frames[2] = noise.after_glow(frames[2][..., None], 0.6)[..., 0]  # one odd image
    assert abs(noise.plain_lag1(frames)[0]) < 0.03
    spiky = white((64, 64))
    before = noise.plain_lag1(spiky)[0]
    spiky[20:24, 10:13] = 1e6
    assert noise.plain_lag1(spiky)[0] == pytest.approx(before, abs=0.1)


# -- the residual ---------------------------------------------------------------------------------
def test_residual_autocorrelation_by_hand():
    acf_x, acf_y = noise.residual_autocorrelation(np.array([[1.0, -1, 1, -1]] * 4), n_lags=3)
    assert acf_x == pytest.approx([1, -1, 1])
    assert acf_y == pytest.approx([1, 1, 1])
    flat = noise.residual_autocorrelation(np.full((2, 20, 20), 3.0), 4)
    assert np.array_equal(flat, [[1, 0, 0, 0]] * 2)
    with pytest.raises(ValueError, match="n_lags is 5"):
        noise.residual_autocorrelation(np.zeros((4, 9)), 5)


def test_residual_autocorrelation_tells_white_from_correlated_and_from_signal(movies):
    rough = white((4, 128, 128))
    for acf in noise.residual_autocorrelation(rough):
        assert acf.shape == (16,)
        assert np.abs(acf[1:]).max() < 4 / np.sqrt(rough.size)
    glow = noise.after_glow(rough[..., None], 0.4)[..., 0]
    acf_x, acf_y = noise.residual_autocorrelation(glow + 5)  # the mean does not matter
    assert acf_x[1:4] == pytest.approx([0.4, 0.16, 0.064], abs=0.02)
    assert abs(acf_y[1]) < 0.02
    clean = movies[0].clean[..., 1]  # a denoiser that takes the lattice away
    noisy = clean + clean.std() * white(clean.shape)
    assert noise.residual_autocorrelation(noisy - clean)[0][1] == pytest.approx(0, abs=0.01)
    assert noise.residual_autocorrelation(noisy - clean.mean())[0][1] > 0.1


# -- between detectors ----------------------------------------------------------------------------
@pytest.mark.parametrize("n_frames", [1, 6])
@pytest.mark.parametrize("rho", [0.0, 0.06])
def test_detectors_share_the_image_and_part_of_the_noise(movies, n_frames, rho):
    clean = movies[0].clean[:n_frames]
    shared = np.sqrt(rho) * white(clean.shape[:3])[..., None]
    noisy = clean + np.ptp(clean, axis=(0, 1, 2)) / 10 * (
        shared + np.sqrt(1 - rho) * white(clean.shape, 1)
    )
    before = noisy.copy()
    found = noise.detector_correlation(noisy)
    assert np.array_equal(noisy, before)
    error = 2 / np.sqrt(noisy[..., 0].size)
    assert np.diag(found) == pytest.approx([1, 1])
    assert found[0, 1] == found[1, 0] == pytest.approx(rho, abs=3 * error)
    plain = np.corrcoef(noisy.reshape(-1, 2).T)[0, 1]  # negative control: it finds the image
    assert abs(plain - rho) > 0.05
    glow = noise.after_glow(noisy, 0.3)  # correlation along x changes nothing between them
    assert noise.detector_correlation(glow)[0, 1] == pytest.approx(found[0, 1], abs=error)


def test_detector_correlation_scatters_as_stated_and_knows_a_silent_detector():
    found = [noise.detector_correlation(white((2, 48, 64, 2), s))[0, 1] for s in range(50)]
    assert np.std(found) == pytest.approx(2 / np.sqrt(2 * 48 * 64), rel=0.3)
    three = white((2, 48, 64, 3))
    three[..., 1] = 7
    found = noise.detector_correlation(three)
    assert np.isnan(found[1]).all()
    assert abs(found[0, 2]) < 0.1
    with pytest.raises(ValueError, match="T, Y, X, C"):
        noise.detector_correlation(white((48, 64, 2)))


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


def test_the_plain_estimator_reproduces_the_index_of_the_data(data):
    """The column 'noise lag-1 x / y', within 0.02; medians over the images of a set."""
    import tifffile

    sets = {
        (0.05, 0.00): tifffile.imread(data / "PtNC-HPAI" / "haadf.tif"),
        (0.11, 0.00): [np.load(p) for p in sorted((data / "MoS2-SciLink").glob("*.npy"))],
        (0.42, -0.01): [np.load(p) for p in (data / "SrTiO3-scanline").glob("*.npy")],
    }
    for lags, frames in sets.items():
        assert noise.plain_lag1(np.asarray(frames)) == pytest.approx(lags, abs=0.02)
