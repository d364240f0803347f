"""Neighbours that are missing together are learnt of, where chance does not explain them."""

import numpy as np
import pytest

from n2v_stem_keras.deviations.motifs import Motifs
from n2v_stem_keras.deviations.pairs import Pairs, rate_of
from n2v_stem_keras.deviations.prior import Prior

ERROR, SIDE, APART_PX = 0.4, 60, 6.0


def grid(n_kinds=1):
    """Columns on a square grid: places, kinds and pairs of one kind."""
    places = APART_PX * np.indices((SIDE, SIDE)).reshape(2, -1).T
    kinds = np.arange(len(places)) % n_kinds
    weights = np.full((n_kinds, 1, 1), 1.0)
    motifs = Motifs(np.array([2.0]), weights, np.zeros((n_kinds, 1)), 1.0, False)
    return places, kinds, Pairs.of(places, kinds, motifs)


def seen(pairs, missing, seed=0):
    """Shares of columns, each of which sees its neighbours, and their errors."""
    from scipy.sparse import csr_matrix

    n = SIDE**2
    rows, columns = np.r_[pairs.first, pairs.second], np.r_[pairs.second, pairs.first]
    sees = csr_matrix((np.tile(pairs.overlaps, 2), (rows, columns)), (n, n))
    shares = ERROR * np.random.default_rng(seed).normal(size=n)
    shares[missing] -= 1
    return shares - sees @ np.isin(np.arange(n), missing), np.full(n, ERROR)


def learnt(pairs, shares, errors):
    """Learn how common single ones and pairs are: likelihoods, rate and gain of pairs, means."""
    prior = Prior.of(shares, errors)
    mean, probability = prior.mean(shares, errors), prior.probability(shares, errors)
    likelihoods = pairs.likelihoods(shares, errors, mean, probability)
    return likelihoods, *rate_of(likelihoods), mean


def test_pairs_are_nearest_neighbours_of_one_kind():
    places, _, pairs = grid()
    assert len(pairs.first) == 2 * SIDE * (SIDE - 1)
    apart = np.linalg.norm(places[pairs.first] - places[pairs.second], axis=1)
    assert apart == pytest.approx(APART_PX)
    assert pairs.overlaps == pytest.approx(np.exp(-(APART_PX**2) / (4 * 2.0**2)))
    _, kinds, pairs = grid(2)
    assert len(pairs.first)
    assert (kinds[pairs.first] == kinds[pairs.second]).all()


def test_few_columns_have_no_pairs():
    _, kinds, _ = grid()
    motifs = Motifs(np.array([2.0]), np.ones((1, 1, 1)), np.zeros((1, 1)), 1.0, False)
    pairs = Pairs.of(np.array([[3.0, 3.0], [3.0, 9.0]]), kinds[:2], motifs)
    assert not len(pairs.first)
    likelihoods = pairs.likelihoods(*np.zeros((4, 2)))
    assert rate_of(likelihoods) == (0, 0)
    assert not pairs.probability(likelihoods, 0.1, 2).any()


def test_how_common_pairs_are_is_found_and_more_of_them_is_drawn():
    _, _, pairs = grid()
    chosen = np.arange(3, len(pairs.first), 200)
    missing = np.unique(np.r_[pairs.first[chosen], pairs.second[chosen]])
    shares, errors = seen(pairs, missing)
    likelihoods, rate, gain, alone = learnt(pairs, shares, errors)
    assert rate == pytest.approx(len(chosen) / len(pairs.first), rel=0.4)
    assert gain > 10
    both = pairs.probability(likelihoods, rate, len(shares))
    drawn = (1 - both) * alone - both
    assert drawn[missing].mean() < alone[missing].mean() - 0.08
    truth = np.where(np.isin(np.arange(len(shares)), missing), -1.0, 0.0)
    assert np.mean((drawn - truth) ** 2) < 0.9 * np.mean((alone - truth) ** 2)


@pytest.mark.parametrize("seed", range(5))
def test_single_ones_and_noise_make_no_pairs(seed):
    _, _, pairs = grid()
    some = np.random.default_rng(seed).choice(SIDE**2, 40, replace=False)
    for missing in ([], some):
        assert learnt(pairs, *seen(pairs, missing, seed))[1] == 0


def test_unseen_columns_are_in_no_pair():
    _, _, pairs = grid()
    shares, errors = seen(pairs, [])
    errors[:] = np.inf
    likelihoods = pairs.likelihoods(shares, errors, np.zeros(len(shares)), np.zeros(len(shares)))
    assert rate_of(likelihoods) == (0, 0)
    assert (pairs.probability(likelihoods, 0.01, len(shares)) < 1e-9).all()
