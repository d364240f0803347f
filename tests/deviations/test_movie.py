"""What is drawn all the same although it is missing is found and taken away."""

import crystals
import numpy as np
import pytest
from crystals import Crystal
from scipy.stats import chi2

from n2v_stem_keras.deviations import agreeing


def restored(crystal, block):
    return np.stack([d + block.drawn(t) for t, d in enumerate(crystal.denoised)])


def contrast(crystal, restored):
    """Share of what is missing that is taken away."""
    wanted = crystal.clean - crystal.denoised
    return float(((restored - crystal.denoised) * wanted).sum() / (wanted**2).sum())


def test_missing_columns_are_taken_away_by_the_frames_together():
    crystal = Crystal(n_frames=8, sigma=2.0)  # a signal-to-noise ratio of 2 in one frame
    block = crystal.block()
    found = restored(crystal, block)
    assert contrast(crystal, found) > 0.7
    assert crystal.error(found) < 0.2 * crystal.error(crystal.denoised)


def test_what_is_sure_in_one_frame_needs_no_others():
    crystal = Crystal(n_frames=1, sigma=0.7)
    found = restored(crystal, crystal.block(spans=(0,)))
    assert contrast(crystal, found) > 0.85
    assert crystal.error(found) < 0.2 * crystal.error(crystal.denoised)


def test_where_nothing_deviates_nothing_changes():
    for seed in range(3):
        crystal = Crystal(n_frames=4, n_missing=0, sigma=1.5, seed=seed)
        found = restored(crystal, crystal.block())
        assert crystal.error(found) < 0.002 * 1.5**2


def test_noise_that_glows_on_is_not_taken_for_deviations():
    crystal = Crystal(n_frames=6, n_missing=0, sigma=1.5, glow=0.3)
    assert crystal.error(restored(crystal, crystal.block())) < 0.002 * 1.5**2


@pytest.mark.parametrize("glow", [0.0, 0.3])
def test_false_ones_are_as_many_as_is_asked_for(glow):
    rate, n, area = 2e-4, 0, 0
    for seed in range(6):
        options = {"shape": (192, 192), "seed": seed, "glow": glow}
        crystal = Crystal(n_frames=2, n_missing=0, sigma=1.5, **options)
        crystal.together = np.eye(2, dtype=bool)
        block = crystal.block()
        n += sum(len(which) for t in range(2) for _, which, _ in block.significant(t, rate))
        area += crystal.raw[..., 0].size
    low, high = chi2.ppf(0.005, 2 * n) / 2, chi2.ppf(0.995, 2 * n + 2) / 2
    assert low / 2 < rate * area < high * 2


def test_all_that_is_missing_is_listed():
    crystal = Crystal(n_frames=8, sigma=2.0)
    block = crystal.block()
    found, which, z = block.significant(3, 1e-5)[0]
    places = found.places[which] - crystal.shift[3]
    apart = np.linalg.norm(places[:, None] - crystal.missing, axis=-1)
    assert apart.min(axis=0).max() < 1
    assert (z < 0).all()
    assert (found.n_frames[which] == 8).all()


def test_frames_that_share_noise_are_not_taken_together():
    crystal = Crystal(n_frames=4, sigma=2.0)
    crystal.together = np.eye(4, dtype=bool)
    assert (crystal.block().columns[0].n_frames <= 1).all()


def test_an_atom_where_none_is_drawn_is_drawn():
    crystal = Crystal(n_frames=3, n_missing=0, sigma=0.7)
    extra = np.array([[41.5, 52.0]])
    for t, shift in enumerate(crystal.shift):
        atom = crystals.drawn([extra + shift, np.zeros((0, 2))]) - (1.0, 9.0)
        crystal.raw[t] += atom
        crystal.clean[t] += atom
    block = crystal.block()
    found = restored(crystal, block)
    assert contrast(crystal, found) > 0.8
    assert crystal.error(found) < 0.3 * crystal.error(crystal.denoised)


def test_frames_without_columns_stay_as_they_are():
    crystal = Crystal(n_frames=2)
    crystal.denoised[:] = 5.0
    block = crystal.block()
    assert block.filter is None
    assert block.significant(0, 1e-5) == []
    assert np.array_equal(restored(crystal, block), crystal.denoised)


def test_nothing_given_is_changed():
    crystal = Crystal(n_frames=3)
    copies = crystal.raw.copy(), crystal.denoised.copy()
    block = crystal.block()
    block.drawn(1)
    assert np.array_equal(crystal.raw, copies[0])
    assert np.array_equal(crystal.denoised, copies[1])


def test_frames_are_averaged_as_far_as_they_agree():
    shares = np.zeros((3, 9))
    shares[1, 4:] = -1.0  # went away in frame 4
    shares[2, 6] = np.nan
    mean, error, number = agreeing(shares, np.full((3, 9), 0.1), 4, (0, 1, 3))
    assert mean.tolist() == pytest.approx([0, -1, 0])
    assert number.tolist() == [7, 4, 6]
    assert error == pytest.approx(0.1 / np.sqrt(number))


def test_frames_that_are_noisier_count_less():
    errors = np.array([[0.1, 0.1, 1.0]])
    mean, error, number = agreeing(np.array([[0.1, 0.0, 1.0]]), errors, 1, (0, 1))
    assert number.tolist() == [3]
    assert mean[0] == pytest.approx((0.1 + 0.01) / 2.01)
    assert error[0] == pytest.approx(2.01**-0.5 / 10)


def test_a_column_that_its_own_frame_does_not_show_says_nothing():
    shares = np.array([[1.0, np.nan, 1.0]])
    mean, error, number = agreeing(shares, np.ones((1, 3)), 1, (0, 1))
    assert (mean.tolist(), error.tolist(), number.tolist()) == ([0], [np.inf], [0])


def false(crystal, raw, rate=4e-6, **options):
    """Deviations per 10^6 px of frames that a network draws as they are, and their error."""
    crystal.raw = raw.astype(np.float32)
    block = crystal.block(**options)
    n = sum(len(which) for t in range(len(raw)) for _, which, _ in block.significant(t, rate))
    return n / raw[..., 0].size * 1e6, crystal.error(restored(crystal, block))


def perfect(n_frames=6, **options):
    return Crystal(n_frames=n_frames, n_missing=0, shape=(160, 160), **options)


@pytest.mark.parametrize("n_repeats", [2, 4])
def test_repeated_frames_are_no_further_evidence(n_repeats):
    crystal = perfect(4)
    for name in ("raw", "denoised", "clean", "shift"):
        setattr(crystal, name, np.repeat(getattr(crystal, name), n_repeats, axis=0))
    of = np.arange(len(crystal.raw)) // n_repeats
    crystal.together = of[:, None] != of
    found, error = false(crystal, crystal.raw)
    assert found < 30
    assert error < 1e-3
    assert crystal.block().columns[0].n_frames.max() <= 4


def test_noise_may_differ_from_frame_to_frame_and_from_side_to_side():
    rng = np.random.default_rng(0)
    for scale in (np.repeat([0.5, 2.0], [4, 2])[:, None, None, None],
                  np.linspace(0.4, 1.6, 160)[None, None, :, None]):  # fmt: skip
        crystal = perfect()
        noise = rng.normal(size=crystal.clean.shape) * scale
        found, error = false(crystal, crystal.clean + noise)
        assert found < 40
        assert error < 2e-3


@pytest.mark.parametrize("counts", [0.1, 0.5, 3.0])
def test_few_counts_are_skewed(counts):
    crystal = perfect(4)
    signal = crystals.drawn(crystals.places((160, 160)), (160, 160))[..., :1] - 0.7
    signal = np.repeat(signal[None] * counts / signal.mean(), 4, axis=0)
    crystal.denoised, crystal.clean, crystal.shift = signal, signal, np.zeros((4, 2))
    raw = np.random.default_rng(1).poisson(signal)
    found, error = false(crystal, raw, signs=(1,))
    assert found < 40
    assert error < 1e-2 * signal.var()


def test_vacuum_beside_a_crystal():
    """Of the second half nothing is seen but a few counts."""
    crystal = perfect(4)
    signal = 10 * (crystals.drawn(crystals.places((160, 160)), (160, 160))[..., :1] - 0.7)
    signal[:, 60:] = 0.3
    signal = np.repeat(signal[None], 4, axis=0)
    crystal.denoised, crystal.clean, crystal.shift = signal, signal, np.zeros((4, 2))
    raw = np.random.default_rng(1).poisson(signal)
    found, error = false(crystal, raw, signs=(1,))
    assert found < 80
    assert error < 2e-3 * signal.var()


def test_spikes_are_no_columns():
    crystal, rng = perfect(4), np.random.default_rng(0)
    raw = crystal.clean + rng.normal(0, 0.5, crystal.clean.shape)
    raw[rng.random(raw.shape) < 2e-4] += 50
    found, error = false(crystal, raw)
    assert found < 60
    assert error < 2e-3


@pytest.mark.parametrize("part", ["a detector", "half of each frame", "a detector in some frames"])
def test_what_is_constant_says_nothing(part):
    crystal = Crystal(n_frames=6, sigma=0.7)
    leak = 0.02 * (crystal.denoised[..., 0] - crystal.denoised[..., 0].mean())
    where = {
        "a detector": np.s_[..., 1],
        "half of each frame": np.s_[:, :, 48:],
        "a detector in some frames": np.s_[:2, ..., 1],
    }[part]
    crystal.raw[where] = 0
    crystal.clean[where] = 0
    given = np.broadcast_to(leak[..., None], crystal.denoised.shape)
    crystal.denoised[where] = given[where]
    block = crystal.block()
    found = restored(crystal, block)
    assert crystal.error(found) < 0.7 * crystal.error(crystal.denoised)
    listed = sum(len(which) for t in range(6) for _, which, _ in block.significant(t, 4e-6))
    assert listed <= 6 * 8 + 6


def test_columns_are_found_whatever_their_place_between_pixels():
    from n2v_stem_keras.deviations.columns import columns_of

    numbers = set()
    for phase in (0, 0.25, 0.45, 0.49, 0.5, 0.51, 0.75):
        frame = crystals.drawn(crystals.places((96, 96), (phase, phase)), (96, 96))
        numbers.add(len(columns_of(frame, (1, -1), crystals.SIZE_NM)))
    assert max(numbers) - min(numbers) < 0.12 * max(numbers)


def test_a_network_that_keeps_noise_is_not_taken_for_one_that_loses_signal():
    from scipy.ndimage import gaussian_filter

    raw = np.random.default_rng(0).normal(size=(4, 160, 160, 1)).astype(np.float32)
    kept = gaussian_filter(raw, (0, 1, 1, 0))
    crystal = perfect(4)
    crystal.denoised = crystal.clean = kept
    crystal.shift, crystal.together = np.zeros((4, 2)), np.eye(4, dtype=bool)
    found, error = false(crystal, raw, signs=(1,))
    assert found < 200
    assert error < 0.05 * kept.var()


def test_columns_may_be_noisier_than_what_lies_between():
    from n2v_stem_keras.simulate import simulate_movie

    movie = simulate_movie(0, (160, 160), 4, lattice="mos2", density_nm2=0.0)
    counts = 2000 * movie.clean
    crystal = perfect(4)
    crystal.denoised, crystal.clean, crystal.shift = counts, counts, np.zeros((4, 2))
    raw = np.random.default_rng(2).poisson(counts)
    found, error = false(crystal, raw, pixel_size_nm=movie.pixel_size_nm)
    assert found < 40
    assert error < 1e-3 * counts.var()
