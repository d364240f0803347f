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
    mean, number = agreeing(shares, np.full(3, 0.1), 4, (0, 1, 3))
    assert mean.tolist() == pytest.approx([0, -1, 0])
    assert number.tolist() == [7, 4, 6]


def test_a_column_that_its_own_frame_does_not_show_says_nothing():
    mean, number = agreeing(np.array([[1.0, np.nan, 1.0]]), np.ones(1), 1, (0, 1))
    assert mean.tolist() == [0]
    assert number.tolist() == [0]
