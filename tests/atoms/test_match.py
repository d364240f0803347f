"""Atoms found against atoms known: one to one, the most pairs first."""

import numpy as np

from n2v_stem_keras.atoms import (
    match,
    precision_recall,
)


def test_pairs_are_one_to_one_and_the_most_possible():
    # greedily, 0 would take the known atom between and leave 1 without
    found = match([[0, 0], [0, 3]], [[0, 1.4], [0, -2.5]], 2.6)
    assert sorted(zip(found.found.tolist(), found.known.tolist())) == [(0, 1), (1, 0)]
    assert (found.recall, found.precision, found.f1) == (1, 1, 1)
    far = match([[0, 0], [9, 9], [5, 5]], [[0, 1], [50, 50]], 2)
    assert (far.recall, far.precision, far.f1) == (1 / 2, 1 / 3, 2 / 5)
    assert len(match(np.zeros((0, 2)), [[1, 1]], 2).found) == 0
    assert np.isnan(match([], [], 2).recall)


def test_precision_and_recall_follow_the_threshold():
    known = [[[0, 0], [10, 10]], [[5, 5]]]
    found = [[[0, 1], [20, 20], [10, 9]], [[5, 5], [5, 6]]]
    scores = [[5, 4, 2], [3, 1]]
    thresholds, precision, recall = precision_recall(found, known, scores, 2)
    assert thresholds.tolist() == [5, 4, 3, 2, 1]
    assert precision.tolist() == [1, 1 / 2, 2 / 3, 3 / 4, 3 / 5]
    assert recall.tolist() == [1 / 3, 1 / 3, 2 / 3, 1, 1]
    thresholds, precision, _ = precision_recall([[[0, 0], [1, 9]]], [[[0, 0]]], [[2, 2]], 1)
    assert (thresholds.tolist(), precision.tolist()) == ([2], [1 / 2])
    assert [len(part) for part in precision_recall([[]], [[[1, 1]]], [[]], 1)] == [0, 0, 0]
