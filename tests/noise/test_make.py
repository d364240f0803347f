"""Noise and distortions that are made: known statistics, the same for the same seed."""

import numpy as np
import pytest

from n2v_stem_keras import noise


def white(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def ripple(shape=(3, 40, 64), period=12.0):
    """(T, Y, X, 2): a wave along x, whose displacement shows; two detectors of opposite sign."""
    wave = np.sin(2 * np.pi * np.arange(shape[-1]) / period)
    return np.broadcast_to(np.stack([wave, -2 * wave], axis=-1), (*shape, 2))


# -- white noise ----------------------------------------------------------------------------------
def test_white_noise_has_the_psnr_per_frame_and_detector():
    clean = np.random.default_rng(0).random((3, 64, 64, 2)) * [1, 50]
    before = clean.copy()
    noisy = noise.add_white_noise(clean, [16, 7], seed=1)
    assert noisy.dtype == np.float32
    assert np.array_equal(clean, before)
    mse = np.mean((noisy - clean) ** 2, axis=(1, 2))
    psnr = 10 * np.log10(np.ptp(clean, axis=(1, 2)) ** 2 / mse)
    assert psnr == pytest.approx(np.tile([16.0, 7.0], (3, 1)), abs=0.2)
    assert np.array_equal(noisy, noise.add_white_noise(clean, [16, 7], seed=1))
    assert not np.array_equal(noisy, noise.add_white_noise(clean, [16, 7], seed=2))


# -- counted electrons ----------------------------------------------------------------------------
@pytest.mark.parametrize(("gain", "offset", "readout"), [(1, 0, 0), (2.5, 100, 3.0)])
def test_poisson_noise_has_the_mean_and_variance_of_counted_electrons(gain, offset, readout):
    clean = np.full((4, 100, 100, 2), [0.02, 0.7])
    before = clean.copy()
    noisy = noise.add_poisson_noise(clean, 350, 3, gain, offset, readout)
    assert noisy.dtype == np.float32
    assert np.array_equal(clean, before)
    electrons = 350 * np.array([0.02, 0.7])
    variance = gain**2 * (electrons + readout**2)
    error = np.sqrt(variance / 40_000)
    assert np.all(np.abs(noisy.mean(axis=(0, 1, 2)) - gain * electrons - offset) < 4 * error)
    assert noisy.var(axis=(0, 1, 2)) == pytest.approx(variance, rel=0.05)
    expected = noise.expected_counts(clean, 350, gain, offset)
    assert expected[0, 0, 0] == pytest.approx(gain * electrons + offset)
    # the formula of the docstring
    mean = gain * electrons + offset
    assert gain * mean + gain**2 * readout**2 - gain * offset == pytest.approx(variance)


def test_poisson_noise_takes_values_per_detector_and_a_seed():
    clean = np.full((2, 60, 60, 2), 0.5)
    noisy = noise.add_poisson_noise(
        clean, [10, 1000], 0, gain=[1, 3], offset=[0, 7], readout_e=[0, 2]
    )
    assert np.array_equal(noisy[..., 0], np.rint(noisy[..., 0]))  # whole electrons
    assert noisy.mean(axis=(0, 1, 2)) == pytest.approx([5, 1507], rel=0.02)
    assert noisy.var(axis=(0, 1, 2)) == pytest.approx([5, 9 * 504], rel=0.06)
    again = noise.add_poisson_noise(clean, [10, 1000], 0, [1, 3], [0, 7], [0, 2])
    assert np.array_equal(noisy, again)
    assert not np.array_equal(noisy[..., 0], noise.add_poisson_noise(clean, 10, 1)[..., 0])


def test_liquid_is_signal_that_is_counted_too():
    clean = np.full((3, 64, 64, 2), [0.01, 0.7])
    liquid = noise.liquid_background((64, 64), 3, [0.05, -0.2], seed=1, correlation_px=20)
    expected = noise.expected_counts(clean, 400, liquid=liquid)
    assert expected == pytest.approx(400 * (clean + liquid), rel=1e-5)
    noisy = noise.add_poisson_noise(clean, 400, 2, liquid=liquid)
    assert (noisy - expected).mean(axis=(0, 1, 2)) == pytest.approx([0, 0], abs=0.6)
    # its variance is that of the whole signal, 24 e- instead of 4
    assert np.var(noisy[..., 0] - expected[..., 0]) == pytest.approx(24, rel=0.1)
    shared = noise.expected_counts(clean, 400, liquid=liquid[..., :1])
    assert shared[..., 1] == pytest.approx(400 * (0.7 + liquid[..., 0]), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dose_e_px": 0}, r"dose_e_px is 0.0; expected a positive number \[e-/px\]"),
        ({"gain": [1, -1]}, "gain is"),
        ({"readout_e": -1}, "readout_e is -1"),
        ({"clean": np.full((4, 4, 2), -0.1)}, "0 or more"),
        ({"clean": np.full((4, 4, 2), np.nan)}, "finite"),
        ({"liquid": np.ones((5, 4, 4, 2))}, "liquid has shape"),
        ({"liquid": -np.ones((4, 4, 1))}, "clean plus liquid ranges from -0.5"),
    ],
)
def test_impossible_counts_are_refused(changes, message):
    arguments = {"clean": np.full((4, 4, 2), 0.5), "dose_e_px": 10, "seed": 0, **changes}
    with pytest.raises(ValueError, match=message):
        noise.add_poisson_noise(**arguments)


# -- liquid ---------------------------------------------------------------------------------------
def test_liquid_is_positive_smooth_and_has_the_level_and_correlation_asked_for():
    film = noise.liquid_background((256, 256), 30, 0.05, 0, 0.3, 12, 0.2)  # independent frames
    assert film.shape == (30, 256, 256, 1)
    assert film.min() > 0
    assert film.mean() == pytest.approx(0.05, rel=0.02)
    g = np.log(film[..., 0] / 0.05)
    g = g - g.mean()
    assert g.std() == pytest.approx(0.3, rel=0.05)
    at = [np.mean(g * np.roll(g, k, axis)) / g.var() for k in (12, 36) for axis in (1, 2)]
    assert at == pytest.approx([np.exp(-1)] * 2 + [np.exp(-9)] * 2, abs=0.04)
    assert abs(np.diff(film, axis=2)).max() < 0.1 * np.ptp(film)  # no jump between neighbours


def test_liquid_stands_still_or_changes_slowly():
    still = noise.liquid_background((64, 64), 3, 0.05, 0)
    assert np.array_equal(still[0], still[2])
    slow = noise.liquid_background((64, 64), 60, 0.05, 0, 0.2, 4, 5.0)[..., 0]
    g = np.log(slow) - np.log(slow).mean()
    at = [np.mean(g[:-k] * g[k:]) / g.var() for k in (5, 20)]
    assert at == pytest.approx([np.exp(-1), np.exp(-4)], abs=0.08)
    two = noise.liquid_background((64, 64), 2, [0.05, -0.1], 0)
    assert two[..., 1] == pytest.approx(-2 * two[..., 0])  # one film, two detectors
    assert np.array_equal(two[..., :1], still[:2])
    with pytest.raises(ValueError, match="correlation_px"):
        noise.liquid_background((8, 8), 1, 0.1, 0, correlation_px=0)


# -- after-glow -----------------------------------------------------------------------------------
@pytest.mark.parametrize("rho1", [0.0, 0.1, 0.4])
def test_after_glow_is_causal_along_x_and_keeps_the_mean(rho1):
    point = np.zeros((1, 5, 40, 2))
    point[0, 2, 10] = 1
    glow = noise.after_glow(point, rho1)
    assert np.all(glow[:, [0, 1, 3, 4]] == 0)
    assert np.all(glow[0, 2, :10] == 0)
    assert glow[0, 2, 10:, 1] == pytest.approx((1 - rho1) * rho1 ** np.arange(30), abs=1e-6)
    assert noise.after_glow(np.full((4, 9, 1), 3.0), rho1) == pytest.approx(3.0)


def test_after_glow_gives_white_noise_its_autocorrelation_and_strength():
    frames = white((4, 200, 200, 1))
    glow = noise.after_glow(frames, 0.3).astype(float)
    lag = [np.mean(glow[:, :, :-k] * glow[:, :, k:]) / glow.var() for k in (1, 2)]
    assert lag == pytest.approx([0.3, 0.09], abs=0.015)
    assert glow.std() == pytest.approx(np.sqrt(0.7 / 1.3), rel=0.02)
    with pytest.raises(ValueError, match="rho1"):
        noise.after_glow(frames, 1.0)


# -- scan lines -----------------------------------------------------------------------------------
def displacement(frames, period=12.0):
    """Phase of a wave along x in each row [px], (T, Y)."""
    inside = frames[:, :, 2 * int(period) : 4 * int(period)]
    wave = np.exp(-2j * np.pi * np.arange(2 * int(period), 4 * int(period)) / period)
    phase = np.angle(np.sum(inside * wave, axis=-1) * 1j)
    return phase * period / (2 * np.pi)


def test_scan_lines_are_displaced_by_the_sigma_asked_for_on_all_detectors_alike():
    frames = ripple((6, 400, 64))
    jittered = noise.scan_line_jitter(frames, 0.5, seed=0)
    assert jittered.dtype == np.float32
    found = displacement(jittered[..., 0])
    assert found.std() == pytest.approx(0.5, rel=0.05)
    assert abs(np.corrcoef(found[:, 1:].ravel(), found[:, :-1].ravel())[0, 1]) < 0.06
    assert not np.allclose(found[0], found[1])  # anew in each frame
    assert jittered[..., 1] == pytest.approx(-2 * jittered[..., 0], abs=1e-5)
    assert noise.scan_line_jitter(frames, 0.0, 0) == pytest.approx(frames, abs=1e-6)


def test_neighbouring_scan_lines_may_move_together():
    jittered = noise.scan_line_jitter(ripple((6, 400, 64)), 0.5, seed=0, correlation=0.8)
    found = displacement(jittered[..., 0])
    assert found.std() == pytest.approx(0.5, rel=0.1)
    assert np.corrcoef(found[:, 1:].ravel(), found[:, :-1].ravel())[0, 1] == pytest.approx(
        0.8, abs=0.04
    )
    with pytest.raises(ValueError, match=r"correlation 1.0; expected"):
        noise.scan_line_jitter(ripple(), 0.5, 0, correlation=1.0)


def test_a_ramp_is_shifted_as_a_whole_and_edges_keep_their_value():
    ramp = np.broadcast_to(np.arange(40.0)[:, None], (1, 50, 40, 1))
    jittered = noise.scan_line_jitter(ramp, 1.0, seed=0)[0, ..., 0]
    shift = jittered[:, 20] - 20  # the value at x becomes that at x + shift
    assert np.ptp(shift) > 2
    assert jittered[:, 8:-8] == pytest.approx(ramp[0, :, 8:-8, 0] + shift[:, None], abs=1e-3)
    assert jittered[shift < -1, 0] == pytest.approx(0, abs=0.05)
    assert jittered[shift > 1, -1] == pytest.approx(39, abs=0.05)


@pytest.mark.parametrize(
    "distort",
    [
        lambda frames, seed: noise.scan_line_jitter(frames, 0.7, seed),
        lambda frames, seed: noise.row_offsets(frames, [0.5, 2.0], seed),
    ],
)
def test_the_same_seed_distorts_clean_and_noisy_frames_alike(distort):
    """So that distorted noisy frames can be scored against the equally distorted clean one."""
    clean = ripple()
    noisy = noise.add_white_noise(clean, 20, seed=5)
    both = distort(clean + noisy, 3)
    apart = distort(clean, 3) + distort(noisy, 3) - distort(0 * clean, 3)
    assert both == pytest.approx(apart, abs=1e-5)
    # the noise that is left after subtracting the equally distorted truth has no trace of it
    left = distort(noisy, 3) - distort(clean, 3)
    assert abs(np.mean(left * clean)) < 0.01
    assert np.std(left) < 1.05 * np.std(noisy - clean)
    wrong = distort(noisy, 3) - distort(clean, 4)  # negative control: another seed
    assert np.std(wrong) > 1.5 * np.std(noisy - clean)


def test_row_offsets_are_one_number_a_row():
    rows = noise.row_offsets(np.zeros((3, 400, 5, 2)), [1, 4], seed=0)
    assert np.all(rows == rows[:, :, :1])
    assert rows[:, :, 0].std(axis=(0, 1)) == pytest.approx([1, 4], rel=0.1)
    assert abs(np.corrcoef(rows[:, :, 0, 0].ravel(), rows[:, :, 0, 1].ravel())[0, 1]) < 0.1


def test_frames_without_a_detector_axis_are_refused():
    for make in (noise.after_glow, lambda f, a: noise.scan_line_jitter(f, a, 0)):
        with pytest.raises(ValueError, match=r"Y, X, C"):
            make(white((40, 40)), 0.1)
