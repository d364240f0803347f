"""Movies of known range to evaluate on, and what to find in an evaluation."""

import numpy as np

DETECTORS = ("ADF", "BF")
RANGE = np.array([4.0, 0.5])  # max - min of every clean frame


def clean_movie(seed, n_frames=2, shape=(16, 20)):
    """(T, Y, X, 2) with the range 4 in ADF and 0.5 in BF in each frame."""
    frames = np.random.default_rng(seed).random((n_frames, *shape, 2))
    low, high = frames.min((1, 2), keepdims=True), frames.max((1, 2), keepdims=True)
    return ((frames - low) / (high - low) * RANGE + (1, 100)).astype(np.float32)


def result(evaluation, label, level=None):
    found = [r for r in evaluation.results if r.label == label and level in (None, r.level)]
    assert len(found) == 1
    return found[0]


def row(evaluation, label, detector, metric, level=None):
    return next(
        r
        for r in evaluation.rows()
        if (r["label"], r["detector"], r["metric"]) == (label, detector, metric)
        and level in (None, r["level"])
    )
