"""What the training benchmarks share: journals that resume, scores that say what they claim."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import trials

from n2v_stem_keras.config import N2VStemConfig

TINY = N2VStemConfig.preset("laptop", **trials.SINGLE, **trials.TINY)
BARE = TINY.replace(unet_lattice="none")  # predicts nothing where its last layer is zero


@pytest.fixture(autouse=True)
def _no_machine(monkeypatch):
    monkeypatch.setattr(trials, "machine", lambda: "here")


def movies(n=2, seed=0):
    """Clean frames of smooth images, and noisy ones: (S, T, Y, X, C)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((32, 32))
    phase = rng.uniform(0, 6, (n, 9, 1, 1, 2))
    clean = np.sin(0.4 * y[..., None] + phase) + np.cos(0.3 * x[..., None] + phase)
    return clean, (clean + 0.5 * rng.standard_normal(clean.shape)).astype(np.float32)


def test_a_finished_trial_is_not_run_again(tmp_path):
    journal, runs = trials.Journal(tmp_path / "j.jsonl"), []

    def trial():
        runs.append(1)
        return {"value": len(runs)}

    first = journal.run("a", trial)
    assert journal.run("a", trial) == first == {"key": "a", "value": 1, "machine": "here"}
    assert journal.run("b", trial)["value"] == 2
    assert list(trials.Journal(tmp_path / "j.jsonl").rows()) == ["a", "b"]


def test_a_line_cut_short_is_run_again(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_text(json.dumps({"key": "a", "value": 1}) + '\n{"key": "b", "va\n')
    assert list(trials.Journal(path).rows()) == ["a"]
    assert trials.Journal(path).run("b", lambda: {"value": 7})["value"] == 7


def test_a_trial_that_fails_leaves_no_line(tmp_path):
    journal = trials.Journal(tmp_path / "j.jsonl")
    with pytest.raises(ZeroDivisionError):
        journal.run("a", lambda: 1 / 0)
    assert journal.rows() == {}


def test_contrast_is_the_factor_of_an_overshoot():
    truth, _ = movies()
    mean = truth.mean((2, 3), keepdims=True)
    stretched = mean + 1.25 * (truth - mean)
    frames = iter(stretched)
    found = trials.score(lambda m, n, tta: next(frames)[list(n)], truth, truth, variants=False)
    assert np.allclose(found["contrast"], 1.25)
    assert np.min(found["psnr_rescaled"]) > 100 > np.max(found["psnr"])
    assert np.shape(found["psnr"]) == (2, 2)


def test_restoring_frame_means_mends_an_offset():
    truth, noisy = movies()
    frames = {id(m): t for m, t in zip(noisy, truth)}

    def offset(movie, numbers, tta):
        return frames[id(movie)][list(numbers)] + 0.3

    noisy = list(noisy)
    frames = {id(m): t for m, t in zip(noisy, truth)}
    found = trials.score(offset, truth, noisy)
    # the mean of a noisy frame of 1024 px is known to 0.5 / 32
    assert np.min(np.subtract(found["psnr_mean"], found["psnr"])) > 10
    assert found["psnr_flips"] == found["psnr"]


@pytest.mark.slow
def test_clean_targets_are_learnt_where_blind_training_sees_noise_only():
    truth, _ = movies()
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(truth.shape).astype(np.float32)
    config = TINY.replace(
        n2v_patch_shape=(32, 32), train_learning_rate=1e-2, train_augment=False, unet_n_first=4
    )
    # the target is a copy of the input: learnable with targets, forbidden to the blind
    told = trials.train(config, noise, 300, targets=noise)
    blind = trials.train(config, noise, 300)

    def error(trained):
        return np.mean((trained(noise[0], [0, 1]) - noise[0][:2]) ** 2)

    assert error(told) < 0.5
    assert error(blind) > 0.85


@pytest.mark.slow
def test_the_last_layer_from_zeros_predicts_the_mean():
    _, noisy = movies()
    config = BARE.replace(train_learning_rate=1e-12, n2v_patch_shape=(32, 32))
    out = trials.train(config, noisy, 2, zero_head=True)(noisy[0], [0])
    assert np.allclose(out, noisy[0].mean((0, 1, 2)), atol=1e-3)


@pytest.mark.slow
def test_weighting_by_noise_restores_units():
    _, noisy = movies()
    noisy = noisy * np.float32([1, 1000]) + np.float32([0, 5e4])
    config = BARE.replace(train_learning_rate=1e-12, n2v_patch_shape=(32, 32))
    out = trials.train(config, noisy, 2, zero_head=True, noise_weighted=True)(noisy[0], [0])
    assert np.allclose(out, noisy[0].mean((0, 1, 2)), rtol=1e-3, atol=0.01)


def test_noise_of_other_structures_is_that_of_the_reference():
    sigma = trials.reference_sigma((20, 10), tiny=True)
    frames = np.zeros((2, 4, 64, 64, 2))
    noisy = trials.white_sigma(frames, sigma, "training")
    assert np.allclose(noisy.std((0, 1, 2, 3)), sigma, rtol=0.02)
    assert not np.array_equal(noisy[0], noisy[1])
    clean = trials.clean(trials.structures("reference", "training", tiny=True))
    white = trials.white(clean, (20, 10), "training")
    assert np.allclose((white - clean).std((0, 1, 2, 3)), sigma, rtol=0.1)


def test_sets_of_movies_share_nothing():
    training, test = (trials.structures("reference", w, tiny=True) for w in ("training", "test"))
    assert not np.allclose(training[0].clean, test[0].clean)
    for name in trials.STRUCTURES:
        found = trials.structures(name, "test", tiny=True)
        assert trials.clean(found).shape[2:] == (64, 64, 2)
        assert np.isfinite(trials.clean(found)).all()
    zero = np.zeros((1, 2, 16, 16, 2))
    a, b = (trials.white_sigma(zero, np.ones(2), w) for w in ("training", "test"))
    assert not np.allclose(a, b)


def test_mean_and_standard_error():
    mean, se = trials.mean_and_se([[1.0, 5.0], [3.0, 5.0]])
    assert mean == [2.0, 5.0]
    assert se == [1.0, 0.0]
