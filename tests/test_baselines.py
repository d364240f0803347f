import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import baselines, metrics, noise, simulate


@pytest.fixture(scope="module")
def frames():
    clean = simulate.reference_movie(0, shape=(96, 96), n_frames=2).clean
    return clean, noise.add_white_noise(clean, 16, seed=1)


def test_gaussian_is_normalised_and_spares_its_input():
    frame = np.zeros((31, 31), np.int32)
    frame[15, 15] = 1000
    before = frame.copy()
    blurred = baselines.gaussian(frame, 2)
    assert blurred.sum() == pytest.approx(1000, rel=1e-4)
    assert blurred.max() == pytest.approx(1000 / (2 * np.pi * 4), rel=0.02)
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("gain", [1e-3, 1.0, 1e4])
def test_tv_weight_means_the_same_at_any_gain_and_offset(gain, frames):
    frame = frames[1][0, ..., 0]
    sigma = noise.estimate_noise(frame).sigma
    plain = baselines.tv(frame, 1.0, sigma)
    scaled = baselines.tv(gain * (frame + 0.5), 1.0, gain * sigma)
    assert np.allclose(scaled / gain - 0.5, plain, atol=0.02 * sigma)


def test_tv_flattens_noise_and_keeps_an_edge():
    rng = np.random.default_rng(0)
    step = np.where(np.arange(40) < 20, 0.0, 10.0) * np.ones((40, 1))
    denoised = baselines.tv(step + rng.normal(size=step.shape), 2.0)
    assert denoised[5:35, 3:17].std() < 0.3
    assert denoised[:, 21].mean() - denoised[:, 18].mean() > 9
    assert np.array_equal(baselines.tv(step, 1.0, noise_sigma=0), step)


@pytest.mark.parametrize("method", ["gaussian", "tv"])
def test_tuned_on_the_truth_nothing_on_the_grid_is_better(method, frames):
    clean, noisy = frames
    sigma = [noise.estimate_noise(noisy[..., c]).sigma for c in range(2)]
    denoised, parameters = baselines.tune(method, noisy, clean, sigma)
    assert denoised.shape == noisy.shape
    gain = metrics.psnr(clean, denoised) - metrics.psnr(clean, noisy)
    assert np.all(gain > 4)
    for c, parameter in enumerate(parameters):
        mse = np.mean((denoised[..., c] - clean[..., c]) ** 2)
        for other in (parameter - 0.1, parameter + 0.1):
            if method == "tv":
                images = [baselines.tv(f, other, sigma[c]) for f in noisy[..., c]]
            else:
                images = [baselines.gaussian(f, other) for f in noisy[..., c]]
            assert np.mean((np.stack(images) - clean[..., c]) ** 2) >= mse


def test_only_the_values_given_are_tried(frames):
    clean, noisy = frames
    found = [
        baselines.tune("gaussian", noisy, clean, values=values, full=True)
        for values in ((0.5, 1, 2), (3, 0.7))
    ]
    assert set(found[0].parameter) <= {0.5, 1, 2}
    assert set(found[1].parameter) <= {0.7, 3}
    for c, parameter in enumerate(found[0].parameter):
        error = {
            v: sum(
                np.mean((baselines.gaussian(n, v) - t) ** 2)
                for n, t in zip(noisy[..., c], clean[..., c])
            )
            for v in (0.5, 1, 2)
        }
        assert parameter == min(error, key=error.get)
    with pytest.raises(ValueError, match="no values"):
        baselines.tune("gaussian", noisy, clean, values=())


def test_one_frame_of_one_detector_gives_one_number(frames):
    clean, noisy = frames[0][0, ..., 1], frames[1][0, ..., 1]
    denoised, parameter = baselines.tune("gaussian", noisy, clean)
    assert denoised.shape == noisy.shape
    assert isinstance(parameter, float)


def test_the_grid_is_widened_until_the_optimum_is_inside():
    truth = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 12)
    noisy = truth + 3 * np.random.default_rng(1).normal(size=truth.shape)
    _, wide = baselines.tune("gaussian", noisy, truth)
    assert wide > baselines.GRIDS["gaussian"][-1]
    _, narrow = baselines.tune("gaussian", noisy, noisy)
    assert narrow < baselines.GRIDS["gaussian"][0]
    for optimum, found in ((4.4, 4.4), (50.0, 6.0)):
        error = lambda grid, at=optimum: [(p - at) ** 2 for p in grid]  # noqa: E731
        assert baselines._search(error, [0.1, 0.2], 6.0) == pytest.approx(found)


def test_few_adatoms_in_strong_noise_are_best_erased_as_psnr_has_it():
    """Why the search has a limit: the widest blur allowed wins, and a blank frame beats it."""
    clean = simulate.reference_movie(1, shape=(96, 96), n_frames=1).clean[0, ..., 0]
    noisy = noise.add_white_noise(clean[..., None], 7, seed=0)[..., 0]
    denoised, sigma_px = baselines.tune("gaussian", noisy, clean)
    assert sigma_px == baselines.LIMITS["gaussian"]
    assert metrics.psnr(clean, np.full_like(clean, clean.mean())) > metrics.psnr(clean, denoised)


def test_without_truth_the_optimum_is_nearly_the_true_one(frames):
    """The self-supervised optimum is the true optimum, for white noise."""
    clean, noisy = frames[0][0, ..., 0], frames[1][0, ..., 0]
    best, _ = baselines.tune("gaussian", noisy, clean)
    blind, _ = baselines.tune("gaussian", noisy)
    assert metrics.psnr(clean, blind) > metrics.psnr(clean, best) - 0.7


def test_without_truth_correlated_noise_deceives():
    """Negative control: neighbours that share noise make the self-supervised search blur less."""
    truth = 3 * gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 3)
    white = np.random.default_rng(1).normal(size=truth.shape)
    glow = noise.after_glow(2 * white[..., None], 0.6)[..., 0]
    lost = []
    for noisy in (truth + white, truth + glow):
        best, _ = baselines.tune("gaussian", noisy, truth)
        blind, _ = baselines.tune("gaussian", noisy)
        lost.append(metrics.psnr(truth, best) - metrics.psnr(truth, blind))
    assert lost[0] < 0.3
    assert lost[1] > 3


def test_mistakes_are_refused(frames):
    with pytest.raises(ValueError, match="gaussian"):
        baselines.tune("median", frames[1])
    with pytest.raises(ValueError, match="truth has shape"):
        baselines.tune("tv", frames[1], frames[0][:1])
