"""Tuned baselines: at their best where the truth is known, nearly so where it is not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import baselines, metrics, noise
from n2v_stem_keras.baselines import tuning


def needs_bm3d(method):
    if "bm3d" in method:
        pytest.importorskip("bm3d", reason="a bare install; the extra 'test' brings it")


@pytest.mark.slow
def test_tv_suits_lone_adatoms_and_bm3d_the_lattice(frames):
    """Tuned on the truth, in white noise at 20 dB: adatoms on a flat ground, and a lattice."""
    pytest.importorskip("bm3d")
    clean = frames[0][:1, :64, :64]
    noisy = noise.add_white_noise(frames[0], 20, seed=1)[:1, :64, :64]
    psnr = {}
    for method in ("gaussian", "tv", "bm3d"):
        tuned = baselines.tune(method, noisy, clean, full=True)
        psnr[method] = metrics.psnr(clean, tuned.denoised)[0]
        assert not any(tuned.at_limit) or method == "gaussian"
    assert np.all(psnr["gaussian"] > metrics.psnr(clean, noisy)[0] + 4)
    assert psnr["tv"][0] > psnr["gaussian"][0] + 1.5
    assert psnr["bm3d"][0] > psnr["gaussian"][0] + 2
    assert psnr["bm3d"][1] > max(psnr["tv"][1], psnr["gaussian"][1]) + 1


@pytest.mark.parametrize("method", ["gaussian", pytest.param("tv", marks=pytest.mark.slow)])
def test_tuned_on_the_truth_nothing_on_the_grid_is_better(method, frames):
    clean, noisy = (f[:, :48, :48] for f in frames)
    sigma = [noise.estimate_noise(noisy[..., c]).sigma for c in range(2)]
    denoised, parameters = baselines.tune(method, noisy, clean, sigma)
    assert denoised.shape == noisy.shape
    for c, parameter in enumerate(parameters):
        mse = np.mean((denoised[..., c] - clean[..., c]) ** 2)
        for other in (parameter - 0.1, min(parameter + 0.1, baselines.METHODS[method].limit)):
            if method == "tv":
                images = [baselines.tv(f, other, sigma[c]) for f in noisy[..., c]]
            else:
                images = [baselines.gaussian(f, other) for f in noisy[..., c]]
            assert np.mean((np.stack(images) - clean[..., c]) ** 2) >= mse


@pytest.mark.slow
def test_noise_is_told_or_estimated_per_frame():
    """Frames of one detector whose noise differs tenfold share a weight all the same."""
    rng = np.random.default_rng(0)
    truth = 40 * gaussian_filter(rng.normal(size=(96, 96)), 3)
    white = rng.normal(size=truth.shape)
    clean = np.stack([truth, 10 * truth])[..., None]
    noisy = clean + np.stack([white, 10 * white])[..., None]
    told, weight = baselines.tune("tv", noisy, clean, noise_sigma=[[1.0], [10.0]])
    found, _ = baselines.tune("tv", noisy, clean)
    assert np.allclose(told[1], 10 * told[0], atol=0.1)
    for ours, theirs, noise_sigma in zip(found, told, (1, 10)):
        assert np.std(ours - theirs) < 0.15 * noise_sigma
    assert np.allclose(told[0, ..., 0], baselines.tv(noisy[0, ..., 0], weight[0], 1.0), atol=1e-2)


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
    truth = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 7)
    noisy = 10 * truth + np.random.default_rng(1).normal(size=truth.shape)
    grid = baselines.METHODS["gaussian"].grid
    wide = baselines.tune("gaussian", noisy, 10 * truth, full=True)
    assert wide.parameter > grid[-1]
    assert not wide.at_limit
    _, narrow = baselines.tune("gaussian", noisy, noisy)
    assert narrow < grid[0]


@pytest.mark.parametrize(
    ("method", "optimum", "found"),
    [
        ("gaussian", 4.4, 4.4),  # above the grid
        ("gaussian", 50.0, 6.0),  # beyond the limit
        ("gaussian", 0.1, 0.075),  # below the grid, by halving
        ("tv", 0.72, 0.7),
        ("tv", 7.0, 7.0),
        ("bm3d", 0.87, 0.85),  # between the values of a coarse grid
        ("bm3d", 1.93, 1.95),
        ("temporal", 7, 7),
        ("temporal", 21, 21),
        ("temporal", 0, 1),
    ],
)
def test_the_search_ends_within_a_step_of_the_optimum(method, optimum, found):
    about, tried = baselines.METHODS[method], []

    def error(parameters):
        tried.extend(parameters)
        return [(parameter - optimum) ** 2 for parameter in parameters]

    assert tuning._search(error, about) == pytest.approx(found)
    assert len(tried) == len(set(tried)) < len(about.grid) + 16


def test_few_adatoms_in_strong_noise_are_best_erased_as_psnr_has_it():
    """Why the search has a limit: the widest blur allowed wins, and a blank frame beats it."""
    clean = gaussian_filter(np.eye(1, 96 * 96, 40 * 96 + 50).reshape(96, 96), 2)
    noisy = noise.add_white_noise(clean[..., None], 7, seed=0)[..., 0]
    tuned = baselines.tune("gaussian", noisy, clean, full=True)
    assert tuned.parameter == baselines.METHODS["gaussian"].limit
    assert tuned.at_limit
    blank = np.full_like(clean, clean.mean())
    assert metrics.psnr(clean, blank) > metrics.psnr(clean, tuned.denoised)


def test_without_truth_the_optimum_is_nearly_the_true_one(frames):
    """The self-supervised optimum is the true optimum, for white noise."""
    clean, noisy = (f[0, ..., 0] for f in frames)
    best, parameter = baselines.tune("gaussian", noisy, clean)
    blind, guess = baselines.tune("gaussian", noisy)
    assert guess == pytest.approx(parameter, abs=0.4)
    assert metrics.psnr(clean, blind) > metrics.psnr(clean, best) - 0.4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "values"),
    [("tv", [0.1, 0.8, 6]), ("bm3d", [0.4, 0.9, 4])],
)
def test_without_truth_the_error_is_nearly_the_true_one(method, values):
    """The error found without a truth, less the noise, falls and rises with the true one."""
    needs_bm3d(method)
    rng = np.random.default_rng(0)
    truth = 25 * gaussian_filter(rng.normal(size=(40, 40)), 3)
    noisy = truth + rng.normal(size=truth.shape)
    filters = tuning._filters(method, 1, [1.0], {})
    blind = np.array(tuning._self_supervised_errors(noisy[None], filters, values))
    blind = blind / truth.size - np.mean((noisy - truth) ** 2)
    true = np.array(tuning._true_errors(noisy[None], truth[None], filters, 1, values))
    assert np.argmin(true) == np.argmin(blind) == 1
    assert blind[1] == pytest.approx(true[1], abs=0.15)
    assert blind[1] + 0.03 < min(blind[0], blind[2])


def test_the_hidden_pixels_are_every_pixel_once():
    hidden = np.zeros((9, 14), int)
    for mask in tuning._masks(1000):
        hidden[mask] += 1
    assert np.all(hidden == 1)
    assert [len(tuning._masks(n)) for n in (0, 1, 4, 16)] == [1, 1, 4, 16]


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


@pytest.mark.parametrize("with_truth", [True, False])
def test_the_temporal_window_follows_the_motion(with_truth):
    """All frames where nothing moves, few where the specimen drifts, one where frames differ."""
    rng = np.random.default_rng(0)
    scene = 20 * gaussian_filter(rng.normal(size=(64, 64)), 2, mode="wrap")
    still = np.stack([scene] * 9)
    drifting = np.stack([np.roll(scene, t, axis=1) for t in range(9)])
    unlike = 5 * rng.normal(size=still.shape)
    found = []
    for clean in (still, drifting, unlike):
        truth = clean[..., None].astype(np.float32)
        noisy = truth + rng.normal(size=truth.shape)
        sigma = None if clean is not unlike else 1.0
        _, k = baselines.tune("temporal", noisy, truth if with_truth else None, sigma)
        found.append(k[0])
    assert found[0] >= 13
    assert 1 < found[1] <= 7
    assert found[2] == 1


def test_the_blind_error_of_the_temporal_mean_is_the_true_one():
    rng = np.random.default_rng(1)
    truth = np.stack([np.roll(np.eye(64) * 5, t, axis=0) for t in range(7)])[None]
    noisy = truth + rng.normal(size=truth.shape)
    windows = [1, 3, 5, 7]
    true = tuning._temporal_errors(noisy, truth, None, windows)
    blind = tuning._temporal_errors(noisy, None, np.ones((1, 7)), windows)
    assert np.allclose(true, blind, atol=0.03)
    assert np.ptp(true) > 0.3


def test_the_temporal_mean_never_mixes_movies():
    still = np.zeros((2, 6, 32, 32, 1), np.float32)
    still[1] = 100
    noisy = still + np.random.default_rng(0).normal(size=still.shape).astype(np.float32)
    denoised, k = baselines.tune("temporal", noisy, still)
    assert k[0] >= 9
    assert np.abs(denoised - still).max() < 3


def test_mistakes_are_refused(frames):
    clean, noisy = frames
    with pytest.raises(ValueError, match="gaussian"):
        baselines.tune("median", noisy)
    with pytest.raises(ValueError, match="gaussian"):
        baselines.available("median")
    with pytest.raises(ValueError, match="truth has shape"):
        baselines.tune("tv", noisy, clean[:1])
    with pytest.raises(ValueError, match="one per detector"):
        baselines.tune("tv", noisy, clean, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="needs gain"):
        baselines.tune("anscombe_bm3d", noisy, clean)
    with pytest.raises(ValueError, match="3 values for 2 detectors"):
        baselines.tune("anscombe_bm3d", noisy, clean, gain=[1, 2, 3])
    with pytest.raises(ValueError, match="NaN"):
        baselines.tune("gaussian", np.full((8, 8), np.nan))
    for single in (noisy[0, ..., 0], noisy[0]):
        with pytest.raises(ValueError, match="needs a movie"):
            baselines.tune("temporal", single)
    for k in (0, 2, 2.5, -1):
        with pytest.raises(ValueError, match="odd"):
            baselines.temporal_mean(noisy[..., 0], k)
    for gain, readout in ((0, 0), (-1, 0), (np.nan, 0), (1, -0.1)):
        with pytest.raises(ValueError, match="expected"):
            baselines.anscombe(noisy, gain, readout=readout)
