"""Who is compared: classical methods, and models at the levels and detectors they are for."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from evaluations import DETECTORS, RANGE, result, row

from n2v_stem_keras import baselines, metrics, noise
from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.evaluation.evaluate import evaluate
from n2v_stem_keras.evaluation.scores import mean_and_se
from n2v_stem_keras.normalize import DataError, scan


def test_tuning_once_a_level_shares_one_parameter_and_scores_with_it(clean):
    noisy = [noise.add_white_noise(m, 8, s) for s, m in enumerate(clean)]
    each = evaluate(clean, DETECTORS, 0.046, noisy, methods=("gaussian",))
    shared = evaluate(clean, DETECTORS, 0.046, noisy, methods=("gaussian",), tune_per="level")
    label = baselines.METHODS["gaussian"].label
    found = result(shared, label).parameters["ADF"]
    assert len(found) == len(clean)
    assert len(set(found)) == 1
    blurred = np.stack([baselines.gaussian(f[..., 0], found[0]) for f in noisy[1]])
    scores = metrics.psnr(clean[1][..., :1], blurred[..., None]).mean()
    assert result(shared, label).scores["ADF"]["psnr"][1] == pytest.approx(scores, rel=1e-6)
    means = [row(e, label, "ADF", "psnr")["mean"] for e in (shared, each)]
    assert means[0] <= means[1] + 0.05
    assert any("per noise level" in note for note in shared.notes)
    with pytest.raises(ValueError, match="tune_per is 'frame'"):
        evaluate(clean, DETECTORS, 0.046, noisy, methods=(), tune_per="frame")


def test_a_missing_package_gives_its_sentence_instead_of_numbers(
    clean, noisy, monkeypatch, tmp_path
):
    sentence = "needs bm3d: pip install 'n2v_stem_keras[baselines]'"
    monkeypatch.setattr(baselines, "available", lambda name: sentence if name == "bm3d" else None)
    evaluation = evaluate(clean, DETECTORS, 0.046, noisy, methods=("bm3d",))
    lines = evaluation.table().splitlines()
    assert sum(sentence in line for line in lines) == len(DETECTORS)
    assert row(evaluation, "BM3D", "ADF", "psnr")["note"] == sentence
    assert np.isnan(row(evaluation, "BM3D", "ADF", "psnr")["mean"])
    assert sentence in evaluation.to_markdown()
    assert not any("flattered" in note for note in evaluation.notes)
    evaluation.to_csv(tmp_path / "e.csv")
    assert sentence in (tmp_path / "e.csv").read_text()


def test_electrons_are_counted_where_the_gain_is_known(clean, monkeypatch):
    given = []

    def tune(method, noisy, truth, noise_sigma, gain, full):
        given.append((method, gain, noise_sigma))
        return SimpleNamespace(denoised=truth, parameter=[0.5, 3.0], at_limit=[False, True])

    monkeypatch.setattr(baselines, "tune", tune)
    monkeypatch.setattr(baselines, "available", lambda name: None)
    monkeypatch.setattr(baselines, "anscombe_bm3d", lambda frame, strength, gain: frame)
    movies = {"350 e-/px": [m + 1 for m in clean], "unknown": [m + 2 for m in clean]}
    counted = {"methods": ("anscombe_bm3d",), "gain": {"350 e-/px": (0.1, 0.2)}}
    evaluation = evaluate(clean, DETECTORS, 0.046, movies, **counted)
    label = baselines.METHODS["anscombe_bm3d"].label
    assert [(method, gain) for method, gain, _ in given] == [("anscombe_bm3d", (0.1, 0.2))] * 3
    # the noise is as strong as it is: here an offset of 1
    np.testing.assert_allclose(given[0][2], np.ones((1, 2, 2)), rtol=1e-4)
    known = row(evaluation, label, "BF", "psnr", "350 e-/px")
    assert (known["parameter"], known["movies_at_limit"]) == (3, 3)
    assert "at the end of the search in 3 of 3 movies" in evaluation.table()
    assert result(evaluation, label, "unknown").note == "no gain given for this level"
    unknown = evaluate(clean, DETECTORS, 0.046, movies, methods=("anscombe_bm3d",))
    assert "gain" in result(unknown, label, "350 e-/px").note


def test_models_per_level_are_used_at_their_level_only(clean):
    def biased(fraction):
        return lambda movie: movie.mean((1, 2), keepdims=True) + 0 * movie + fraction * RANGE

    models = {"N2V": {(16, 16): biased(0.0), (7, 6): biased(1.0)}, "half": {"7/6 dB": biased(2.0)}}
    evaluation = evaluate(
        clean, DETECTORS, 0.046, psnr_db=[(16, 16), (7, 6)], models=models, methods=()
    )
    nrmse = [row(evaluation, "N2V", "ADF", "nrmse", lv)["mean"] for lv in ("16/16 dB", "7/6 dB")]
    assert nrmse[0] == pytest.approx(1 / 12**0.5, abs=0.03)  # of a uniform distribution
    assert nrmse[1] == pytest.approx((1 + 1 / 12) ** 0.5, abs=0.03)
    assert result(evaluation, "half", "16/16 dB").note == "no model given for this level"
    assert result(evaluation, "half", "7/6 dB").scores
    with pytest.raises(ValueError, match=r"10/10 dB.*the levels are"):
        evaluate(clean, DETECTORS, psnr_db=[16], models={"N2V": {10: np.copy}}, methods=())


def test_a_model_of_one_detector_is_given_and_scored_on_that_one(clean, noisy):
    seen = []

    class Lone:
        config = SimpleNamespace(channels=("bf",))

        def predict(self, movie, axes, pixel_size_nm):
            seen.append((movie, pixel_size_nm))
            return movie

    evaluation = evaluate(clean, DETECTORS, 0.046, noisy, models={"N2V": Lone()}, methods=())
    assert list(result(evaluation, "N2V").scores) == ["BF"]
    np.testing.assert_array_equal(seen[0][0], noisy[0][..., 1:])
    assert seen[0][1] == 0.046
    per_movie = [row(evaluation, label, "BF", "psnr")["per_movie"] for label in ("N2V", "noisy")]
    assert per_movie[0] == per_movie[1]
    assert "N2V" not in evaluation.table().split("BF:")[0]
    Lone.config = SimpleNamespace(channels=("HAADF",))
    with pytest.raises(DataError, match="HAADF is missing"):
        evaluate(clean, DETECTORS, 0.046, noisy, models={"N2V": Lone()}, methods=())


def test_notes_say_whether_a_model_was_trained_on_the_very_frames(clean, noisy):
    def model(movies):
        prints = [scan(m, fingerprint=True).fingerprint for m in movies]
        run = {"movies": [{"fingerprint": p} for p in prints], "training_frames": 7, "seed": 5}
        predict = lambda movie, axes, pixel_size_nm=None: movie  # noqa: E731
        channels = SimpleNamespace(channels=DETECTORS)
        return SimpleNamespace(record={"runs": [run]}, predict=predict, config=channels)

    models = {"same": model(noisy[:2]), "held": model(clean), "unknown": np.copy}
    notes = evaluate(clean, DETECTORS, 0.046, noisy, models=models, methods=()).notes
    (same,) = [note for note in notes if note.startswith("same")]
    assert "7 frames, seed 5" in same
    assert "these very frames" in same
    assert "2 of 3" in same
    (held,) = [note for note in notes if note.startswith("held")]
    assert "none of the noisy movies" in held
    (unknown,) = [note for note in notes if note.startswith("unknown")]
    assert "nothing is known" in unknown


def test_what_a_model_warns_of_is_noted_once_per_level(clean):
    def model(movie):
        warnings.warn("array: ADF: noisier than any training movie", stacklevel=2)
        return movie

    notes = evaluate(clean, DETECTORS, psnr_db=[16, 7], models={"N2V": model}, methods=()).notes
    assert [note for note in notes if "warned" in note] == [
        f"N2V at {level} warned: ADF: noisier than any training movie"
        for level in ("16/16 dB", "7/7 dB")
    ]


def test_levels_are_named_by_their_psnr():
    assert level_label(16, 1) == "16 dB"
    assert level_label((7, 6), 2) == "7/6 dB"
    assert mean_and_se([2.0, np.nan, 4.0]) == (3.0, 1.0)
    assert np.isnan(mean_and_se([5.0])[1])
