import numpy as np
import pytest

from n2v_stem_keras import baselines


def needs_bm3d(method):
    if "bm3d" in method:
        pytest.importorskip("bm3d", reason="a bare install; the extra 'test' brings it")


@pytest.fixture(scope="module")
def small(frames):
    """One small frame of the first detector, its truth and its noise."""
    clean, noisy = (f[0, :64, :64, 0] for f in frames)
    return clean, noisy, np.ptp(frames[0][0, ..., 0]) / 10**0.8


def run(method, frame, parameter, sigma, gain=1.0, offset=0.0):
    """One method on one frame; for counts the detector's constants follow gain and offset."""
    if method == "gaussian":
        return baselines.gaussian(frame, parameter)
    if method == "temporal":
        return baselines.temporal_mean(np.stack([frame, frame[::-1], frame[:, ::-1]]), parameter)
    if method == "anscombe_bm3d":
        about = {"gain": gain * sigma, "offset": offset, "readout": gain * sigma}
        return baselines.anscombe_bm3d(frame, parameter, **about)
    return getattr(baselines, method)(frame, parameter, gain * sigma)


def test_gaussian_is_normalised_and_spares_its_input():
    frame = np.zeros((31, 31), np.int32)
    frame[15, 15] = 1000
    before = frame.copy()
    blurred = baselines.gaussian(frame, 2)
    assert blurred.sum() == pytest.approx(1000, rel=1e-4)
    assert blurred.max() == pytest.approx(1000 / (2 * np.pi * 4), rel=0.02)
    assert np.array_equal(frame, before)


@pytest.mark.parametrize(
    ("method", "parameter"),
    [("gaussian", 1.3), ("tv", 1.0), ("bm3d", 0.9), ("anscombe_bm3d", 0.9), ("temporal", 3)],
)
def test_gain_and_offset_change_nothing_else(method, parameter, small):
    """f(a x + b) = a f(x) + b, at the gains of raw counts and of fractions of the beam."""
    needs_bm3d(method)
    _, noisy, sigma = small
    before = noisy.copy()
    plain = run(method, noisy, parameter, sigma)
    assert np.std(plain - noisy) > 0.3 * sigma  # it does something
    for gain, offset in ((1e-4, 0.0), (1e4, 3e3 * sigma)):
        scaled = run(method, gain * noisy + offset, parameter, sigma, gain, offset)
        assert np.allclose((scaled - offset) / gain, plain, atol=0.02 * sigma)
    assert np.array_equal(noisy, before)


@pytest.mark.parametrize("method", ["tv", "bm3d"])
def test_without_noise_nothing_is_removed(method, small):
    needs_bm3d(method)
    assert np.array_equal(getattr(baselines, method)(small[0], 1.0, 0.0), small[0])


def test_tv_flattens_noise_and_keeps_an_edge():
    rng = np.random.default_rng(0)
    step = np.where(np.arange(40) < 20, 0.0, 10.0) * np.ones((40, 1))
    denoised = baselines.tv(step + rng.normal(size=step.shape), 2.0)
    assert denoised[5:35, 3:17].std() < 0.3
    assert denoised[:, 21].mean() - denoised[:, 18].mean() > 9


def test_tv_has_converged(small):
    """The defaults of scikit-image stop far from the minimum and leave the noise half removed."""
    from skimage.restoration import denoise_tv_chambolle

    def cost(image):  # Rudin-Osher-Fatemi, for weight 1 and noise 1
        dy, dx = (np.diff(image, axis=a, append=image.take([-1], a)) for a in (0, 1))
        return np.sum(np.hypot(dy, dx)) + np.sum((image - scaled) ** 2) / 2

    _, noisy, sigma = small
    scaled = (noisy - noisy.mean()).astype(float) / sigma
    ours = cost(baselines.tv(scaled, 1.0))
    best = cost(denoise_tv_chambolle(scaled, weight=1.0, eps=0, max_num_iter=6000))
    default = cost(denoise_tv_chambolle(scaled, weight=1.0))
    assert ours - best < 0.05 * (default - best)


def test_the_temporal_mean_of_a_still_movie_gains_ten_log_k():
    rng = np.random.default_rng(0)
    noisy = rng.normal(size=(9, 64, 64))
    truth = np.zeros_like(noisy)
    truth[:, 0, 0] = 1  # a range for PSNR
    for k in (1, 3, 5):
        mean = baselines.temporal_mean(truth + noisy, k)
        middle = slice(k // 2, 9 - k // 2)
        gain = np.mean(noisy[middle] ** 2) / np.mean((mean - truth)[middle] ** 2)
        assert 10 * np.log10(gain) == pytest.approx(10 * np.log10(k), abs=0.2)
    ends = baselines.temporal_mean(noisy, 3)
    assert np.allclose(ends[0], noisy[:2].mean(axis=0), atol=1e-5)
    assert np.allclose(ends[-1], noisy[-2:].mean(axis=0), atol=1e-5)
    assert np.allclose(baselines.temporal_mean(noisy, 99), noisy.mean(axis=0), atol=1e-5)
