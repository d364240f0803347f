"""Evaluation: known errors come out as the scores they are."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from evaluations import DETECTORS, RANGE, clean_movie, result, row

from n2v_stem_keras import baselines, noise
from n2v_stem_keras.evaluation.evaluate import evaluate
from n2v_stem_keras.normalize import DataError


class OffBy:
    """A model that knows the truth and misses it by a constant, another one for each movie."""

    def __init__(self, clean, noisy, errors):
        self.known = [(n, c + e) for c, n, e in zip(clean, noisy, errors, strict=True)]

    def predict(self, movie, axes):
        assert axes == "TYXC"
        return next(answer for question, answer in self.known if np.array_equal(question, movie))


# -- scores ---------------------------------------------------------------------------------------
def test_known_errors_give_the_scores_and_standard_errors_computed_by_hand(clean, noisy):
    """Errors of 1/10, 1/100 and 1/100 of the range: 20, 40 and 40 dB."""
    fractions = (0.1, 0.01, 0.01)
    model = OffBy(clean, noisy, [f * RANGE for f in fractions])
    evaluation = evaluate(clean, DETECTORS, 0.046, noisy, models={"N2V": model}, methods=())
    for detector in DETECTORS:
        psnr = row(evaluation, "N2V", detector, "psnr")
        assert psnr["per_movie"] == pytest.approx([20, 40, 40], abs=1e-3)
        assert psnr["mean"] == pytest.approx(100 / 3, abs=1e-3)
        # deviations -40/3, 20/3, 20/3: variance 400/3, over three movies 400/9
        assert psnr["se"] == pytest.approx(20 / 3, abs=1e-3)
        nrmse = row(evaluation, "N2V", detector, "nrmse")
        assert nrmse["mean"] == pytest.approx(0.04, rel=1e-3)
        assert nrmse["se"] == pytest.approx(0.03, rel=1e-3)
        gain = row(evaluation, "N2V", detector, "fluence_gain")["per_movie"]
        before = row(evaluation, "noisy", detector, "psnr")["per_movie"]
        assert gain == pytest.approx(10 ** ((np.array([20, 40, 40]) - before) / 10), rel=1e-3)


def test_frames_are_averaged_within_a_movie_before_movies_are_compared():
    """40 frames of one movie make no more than one of the two independent values."""
    clean = [clean_movie(0, 8), clean_movie(1, 1)]
    noisy = [c + np.float32(0.1) * RANGE.astype(np.float32) for c in clean]
    noisy[0][:4] = clean[0][:4] + 0.01 * RANGE  # half of the long movie's frames have 40 dB
    evaluation = evaluate(clean, DETECTORS, 0.046, noisy, methods=())
    psnr = row(evaluation, "noisy", "ADF", "psnr")
    assert psnr["per_movie"] == pytest.approx([30, 20], abs=1e-2)
    assert psnr["mean"] == pytest.approx(25, abs=1e-2)
    assert psnr["se"] == pytest.approx(5, abs=1e-2)


def test_one_movie_has_no_standard_error(clean, noisy):
    evaluation = evaluate(clean[0], DETECTORS, 0.046, noisy[:1], methods=())
    assert np.isnan(row(evaluation, "noisy", "ADF", "psnr")["se"])
    assert f"{row(evaluation, 'noisy', 'BF', 'psnr')['mean']:.1f} ± - " in evaluation.table()
    assert evaluation.table().startswith("1 movie, 2 frames of 16x20 px")


def test_a_perfect_model_has_infinite_psnr_and_no_warning(clean, noisy, tmp_path):
    model = OffBy(clean, noisy, [0, 0, 0])
    evaluation = evaluate(clean, DETECTORS, 0.046, noisy, models={"N2V": model}, methods=())
    assert row(evaluation, "N2V", "BF", "psnr")["mean"] == np.inf
    assert row(evaluation, "N2V", "BF", "ssim")["mean"] == 1
    evaluation.to_json(tmp_path / "e.json")
    assert "Infinity" not in (tmp_path / "e.json").read_text()


def test_noise_is_added_at_the_levels_asked_for_and_repeats_with_the_seed(clean):
    levels = [(16, 12), (10, 6)]
    first = evaluate(clean, DETECTORS, 0.046, psnr_db=levels, methods=(), seed=3)
    again = evaluate(clean, DETECTORS, 0.046, psnr_db=levels[1:], methods=(), seed=3)
    other = evaluate(clean, DETECTORS, 0.046, psnr_db=levels[1:], methods=(), seed=4)
    assert [level.label for level in first.levels] == ["16/12 dB", "10/6 dB"]
    for level, psnr in zip(first.levels, levels, strict=True):
        for detector, expected in zip(DETECTORS, psnr, strict=True):
            assert level.psnr[detector] == pytest.approx(expected, abs=0.6)
    values = [row(e, "noisy", "ADF", "psnr", "10/6 dB")["per_movie"] for e in (first, again, other)]
    assert values[0] == values[1]
    assert values[0] != values[2]
    assert len(set(values[0])) == 3  # every movie has noise of its own


def test_a_blank_frame_is_the_true_mean(clean, noisy):
    evaluation = evaluate(clean, DETECTORS, 0.046, noisy, methods=())
    expected = [np.mean(10 * np.log10(16 / m[..., 0].var(axis=(1, 2)))) for m in clean]
    blank = row(evaluation, "mean of the frame", "ADF", "psnr")
    assert blank["per_movie"] == pytest.approx(expected, abs=1e-3)
    assert blank["kind"] == "reference"


def test_adatom_snr_is_height_over_noise():
    """A lone peak of height 2 on a flat ground in noise of sigma 0.5 (measured): A/sigma = 4."""
    y, x = np.mgrid[:48, :48]
    peak = np.exp(-((y - 24) ** 2 + (x - 20) ** 2) / (2 * 1.5**2))
    clean = np.stack([2 * peak, -1 * peak], axis=-1)[None].astype(np.float32)
    rng = np.random.default_rng(0)
    noisy = clean + rng.normal(0, 0.5, clean.shape)
    positions = [[np.array([[24.0, 20.0]])]]
    evaluation = evaluate(clean, DETECTORS, 0.05, [noisy], positions=positions, methods=())
    snr = evaluation.levels[0].adatom_snr
    assert snr["ADF"] == pytest.approx([4], rel=0.05)
    assert snr["BF"] == pytest.approx([-2], rel=0.05)
    assert row(evaluation, "noisy", "ADF", "psnr")["adatom_snr"] == snr["ADF"][0]
    assert "A/sigma 4.0" in evaluation.table()
    unknown = evaluate(clean, DETECTORS, 0.05, [noisy], methods=())
    assert unknown.levels[0].adatom_snr == {}
    assert "adatom A/sigma" not in unknown.table()


def test_classical_methods_do_no_worse_than_any_blur_we_try_and_say_their_parameter(clean):
    from scipy.ndimage import gaussian_filter

    smooth = [gaussian_filter(m, (0, 2, 2, 0)) for m in clean[:2]]
    noisy = [noise.add_white_noise(m, 8, s) for s, m in enumerate(smooth)]
    evaluation = evaluate(smooth, DETECTORS, 0.046, noisy, methods=("gaussian",))
    tuned = result(evaluation, baselines.METHODS["gaussian"].label)
    assert tuned.parameters["ADF"].shape == (2,)
    assert tuned.seconds_per_frame > 0
    assert tuned.tuning_seconds > 0
    for m in range(2):
        for sigma in (0.5, 1, 2, 3):
            blurred = baselines.gaussian(noisy[m][0, ..., 0], sigma)[None]
            other = baselines.gaussian(noisy[m][1, ..., 0], sigma)[None]
            stack = np.concatenate([blurred, other])
            mse = np.mean((stack - smooth[m][..., 0]) ** 2)
            denoised = np.stack(
                [baselines.gaussian(f[..., 0], tuned.parameters["ADF"][m]) for f in noisy[m]]
            )
            assert np.mean((denoised - smooth[m][..., 0]) ** 2) <= mse
    shown = row(evaluation, tuned.label, "BF", "ssim")
    assert shown["parameter_min"] <= shown["parameter"] <= shown["parameter_max"]
    assert f"tuned: {tuned.label}" in evaluation.table()
    assert any("flattered" in note for note in evaluation.notes)


# -- robustness -----------------------------------------------------------------------------------
def test_inputs_stay_as_they_are_even_if_a_model_writes_into_its_movie(clean, noisy):
    def vandal(movie):
        movie[:] = 0
        return movie

    before = [[m.copy() for m in movies] for movies in (clean, noisy)]
    evaluation = evaluate(
        clean, DETECTORS, 0.046, noisy, models={"vandal": vandal, "N2V": np.copy}, methods=()
    )
    for movies, kept in zip((clean, noisy), before, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(movies, kept, strict=True))
    assert (
        row(evaluation, "N2V", "BF", "psnr")["mean"]
        == row(evaluation, "noisy", "BF", "psnr")["mean"]
    )


def test_lazy_movies_of_counts_score_as_arrays_do(clean):
    class Lazy:
        def __init__(self, frames):
            self.frames = frames

        def __len__(self):
            return len(self.frames)

        def __getitem__(self, t):
            return self.frames[t]

    counts = [np.round(100 * m).astype(np.uint16) for m in clean]
    noisy = [c[:, ::-1].copy() for c in counts]
    lazy = evaluate(
        [Lazy(c) for c in counts], DETECTORS, None, [Lazy(n) for n in noisy], methods=()
    )
    array = evaluate(counts, DETECTORS, None, noisy, methods=())
    for label in ("noisy", "mean of the frame"):
        scores = [row(e, label, "BF", "psnr")["per_movie"] for e in (lazy, array)]
        assert scores[0] == scores[1]
    # unsigned differences that wrap around would come out as thousands
    error = (counts[0].astype(float) - noisy[0])[..., 1].reshape(2, -1).std(axis=1)
    expected = np.mean(20 * np.log10(np.ptp(counts[0][..., 1], axis=(1, 2)) / error))
    assert row(array, "noisy", "BF", "psnr")["per_movie"][0] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c, n: (c, n[:2]), "2 noisy movies for 3 clean"),
        (lambda c, n: (c, [n[0][:1], *n[1:]]), "movie 0: the noisy frames"),
        (lambda c, n: ([m[..., :1] for m in c], n), "expected .T, Y, X, 2. with the detectors ADF"),
        (lambda c, n: ([m[:, :7] for m in c], [m[:, :7] for m in n]), "8x8"),
        (lambda c, n: ([], n), "empty"),
    ],
)
def test_movies_that_do_not_match_are_explained(clean, noisy, spoil, message):
    clean, noisy = spoil(clean, noisy)
    with pytest.raises(DataError, match=message):
        evaluate(clean, DETECTORS, 0.046, noisy, methods=())


def test_constant_and_broken_frames_are_named(clean, noisy):
    flat = [m.copy() for m in clean]
    flat[1][1, ..., 1] = 5
    with pytest.raises(DataError, match="movie 1: clean frame 1 of BF has one value"):
        evaluate(flat, DETECTORS, 0.046, noisy, methods=())
    noisy[2][0, 3, 3, 0] = np.nan
    with pytest.raises(DataError, match=r"movie 2, noisy .*frame 0 has 1 NaN"):
        evaluate(clean, DETECTORS, 0.046, noisy, methods=())
    nan = {"N2V": lambda movie: movie * np.nan}
    with pytest.raises(DataError, match="N2V, denoised at 10/10 dB: frame 0"):
        evaluate(clean, DETECTORS, psnr_db=[10], models=nan, methods=())
    short = {"N2V": lambda movie: movie[:1]}
    with pytest.raises(DataError, match="N2V: returned shape"):
        evaluate(clean, DETECTORS, psnr_db=[10], models=short, methods=())


def test_arguments_that_make_no_sense_are_refused(clean, noisy):
    for wrong, message in (
        ({}, "either noisy movies or psnr_db"),
        ({"noisy": noisy, "psnr_db": [10]}, "either noisy movies or psnr_db"),
        ({"psnr_db": [10, (10, 10)]}, "each once"),
        ({"psnr_db": [(1, 2, 3)]}, "one per detector"),
        ({"noisy": noisy, "methods": ("gausian",)}, "gausian"),
        ({"noisy": noisy, "models": {"noisy": np.copy}, "methods": ()}, "called 'noisy'"),
        ({"noisy": noisy, "positions": [[[], []]] * 3, "pixel_size_nm": None}, "pixel size"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(clean, DETECTORS, **wrong)
    with pytest.raises(DataError, match="positions of 1"):
        evaluate(clean, DETECTORS, 0.046, noisy, positions=[[]], methods=())
    with pytest.raises(DataError, match="positions of 1 frame for a movie of 2"):
        evaluate(clean, DETECTORS, 0.046, noisy, positions=[[[]]] * 3, methods=())


def test_progress_counts_every_step_to_the_end(clean):
    seen = []
    evaluate(
        clean,
        DETECTORS,
        psnr_db=[16, 7],
        models={"N2V": np.copy},
        methods=(),
        progress=lambda *step: seen.append(step),
    )
    assert [done for done, _, _ in seen] == list(range(2 * 3 * 3 + 1))
    assert {total for _, total, _ in seen} == {18}
    assert seen[2][2] == "16/16 dB, movie 1, N2V"


# -- output ---------------------------------------------------------------------------------------
def test_csv_and_json_hold_the_rows(clean, noisy, tmp_path):
    model = OffBy(clean, noisy, [0.1 * RANGE] * 3)
    evaluation = evaluate(clean, DETECTORS, 0.046, noisy, models={"N2V": model}, methods=())
    evaluation.to_csv(tmp_path / "e.csv")
    evaluation.to_json(tmp_path / "e.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.csv", "e.json"]
    with open(tmp_path / "e.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    stored = json.loads((tmp_path / "e.json").read_text())
    rows = evaluation.rows()
    assert (
        len(table) == len(stored["rows"]) == len(rows) == 3 * 2 * 4
    )  # methods, detectors, metrics
    for line, kept, fresh in zip(table, stored["rows"], rows, strict=True):
        assert float(line["mean"]) == kept["mean"] == fresh["mean"]
        assert line["parameter"] == ""
        assert kept["parameter"] is None
        assert kept["per_movie"] == fresh["per_movie"]
        assert line["label"] == kept["label"] == fresh["label"]
    assert stored["levels"][0]["psnr_in"]["ADF"]["mean"] == rows[0]["psnr_in"]
    assert stored["movies_TYX"] == [[2, 16, 20]] * 3


def test_tables_fit_a_terminal_and_hold_the_numbers(clean, noisy):
    model = OffBy(clean, noisy, [0.1 * RANGE, 0.01 * RANGE, 0.01 * RANGE])
    label = "a model with a very long name indeed"
    evaluation = evaluate(
        clean, DETECTORS, 0.046, noisy, models={label: model}, methods=("gaussian",)
    )
    table, markdown = evaluation.table(), evaluation.to_markdown()
    assert max(map(len, table.splitlines())) <= 120
    (adf, bf) = [line for line in table.splitlines() if line.startswith("    a model with")]
    assert "33.3 ± 6.7" in adf
    assert "0.0400 ± 0.0300" in bf
    assert markdown.count("33.3 ± 6.7") == 2
    widths = {line.count("|") for line in markdown.splitlines() if line.startswith("|")}
    assert widths == {7}


def test_evaluation_knows_nothing_of_keras():
    code = (
        "import sys, n2v_stem_keras.evaluation.evaluate, n2v_stem_keras.plot.scores\n"
        "assert not {'tensorflow', 'keras', 'matplotlib', 'bm3d'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
