"""How common deviations are is learnt, and each is drawn as far as it is sure."""

import numpy as np
import pytest

from n2v_stem_keras.deviations.prior import Prior

ERROR = 0.2


def seen(n, n_missing, seed=0):
    shares = np.zeros(n)
    shares[:n_missing] = -1
    return shares + ERROR * np.random.default_rng(seed).normal(size=n), np.full(n, ERROR)


def test_of_noise_nothing_is_learnt_and_nothing_drawn():
    for seed in range(5):
        shares, errors = seen(4000, 0, seed)
        prior = Prior.of(shares, errors)
        assert not prior.rates.any()
        assert not prior.mean(shares, errors).any()
        assert not prior.probability(shares, errors).any()


def test_the_rate_is_found_and_what_is_sure_is_drawn():
    shares, errors = seen(4000, 40)
    prior = Prior.of(shares, errors)
    assert prior.rates.sum() == pytest.approx(0.01, rel=0.2)
    drawn = prior.mean(shares, errors)
    assert drawn[:40].mean() == pytest.approx(-0.95, abs=0.08)
    assert np.abs(drawn[40:]).mean() < 0.003
    assert prior.probability(shares, errors)[:40].mean() > 0.9


def test_of_what_is_drawn_wrongly_or_hidden_by_noise_nothing_is_said():
    assert not Prior.of(*seen(4000, 40)).mute
    assert not Prior.of(*seen(4000, 0)).mute
    assert Prior.of(*seen(4000, 1600)).mute
    shares, errors = seen(4000, 40)
    assert Prior.of(4 * shares, 4 * errors).mute


def test_what_is_drawn_lies_nearer_to_the_truth_than_nothing_and_than_all():
    shares, errors = seen(3000, 100, 1)
    truth = np.where(np.arange(3000) < 100, -1.0, 0.0)
    drawn = Prior.of(shares, errors).mean(shares, errors)
    error = np.mean((drawn - truth) ** 2)
    assert error < 0.3 * np.mean(truth**2)
    assert error < 0.3 * np.mean((shares - truth) ** 2)


def test_it_grows_without_a_step():
    prior = Prior.of(*seen(4000, 40))
    share = np.linspace(-1.5, 0.0, 301)
    drawn = prior.mean(share, np.full(301, ERROR))
    assert np.abs(np.diff(drawn)).max() < 0.06
    assert (np.diff(drawn) > -1e-3).all()


def test_the_square_is_no_less_than_that_of_the_mean():
    shares, errors = seen(4000, 40)
    prior = Prior.of(shares, errors)
    mean, square = prior.mean(shares, errors), prior.mean(shares, errors, power=2)
    assert (square >= mean**2 - 1e-12).all()


def test_one_column_seen_in_many_frames_counts_once():
    shares, errors = seen(400, 2, 3)
    again = np.tile(shares, 12), np.tile(errors, 12)
    once = Prior.of(shares, errors)
    assert Prior.of(*again, n_alike=12).rates == pytest.approx(once.rates, abs=1e-3)


def test_what_most_columns_deviate_by_is_no_deviation():
    rng = np.random.default_rng(0)
    shares = np.where(rng.random(3000) < 0.4, 2.0, 0.0) + 0.3 * rng.standard_normal(3000)
    errors = np.full(3000, 0.3)
    assert not Prior.of(shares, errors).rates.any()
    few = np.where(np.arange(3000) < 30, 2.0, 0.0) + 0.3 * rng.standard_normal(3000)
    prior = Prior.of(few, errors)
    assert prior.rates.sum() == pytest.approx(0.01, abs=0.004)
    assert prior.gain > 100
