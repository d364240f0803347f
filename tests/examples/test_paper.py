"""The figure scripts that show frames and scores, run at their smallest scale."""

import json
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow
RECIPES = ["N2V, paper's recipe", "N2V, this package"]
PAPER, PACKAGE = RECIPES
METHODS = ["noisy", "Gaussian", "TV", *RECIPES]
DETECTORS = ["ADF", "BF"]


def check_scores(scores, methods=METHODS):
    """PSNR, SSIM and N-RMSE of each detector and method; N-RMSE is 10^(-PSNR/20)."""
    assert list(scores) == DETECTORS
    for by_method in scores.values():
        assert list(by_method) == methods
        for found in by_method.values():
            assert found["nrmse"] == pytest.approx(10 ** (-found["psnr"] / 20), rel=1e-3)
            assert -1 < found["ssim"] < 1


def test_figure_3_reads_the_lattice_along_a_row_of_bonds(run):
    numbers, pictures = run("figure_03")
    assert list(pictures) == ["figure_03.png"]
    low, high = (numbers["levels"][level] for level in ("7/6 dB", "16/16 dB"))
    check_scores(low["scores"])
    assert low["adatom_snr_A_over_sigma"]["ADF"] > 0 > low["adatom_snr_A_over_sigma"]["BF"]
    for detector in DETECTORS:
        r, profile = low["correlation_with_true_profile"][detector], low["profiles"][detector]
        assert list(r) == METHODS
        assert high["correlation_with_true_profile"][detector]["noisy"] > r["noisy"]
        # an armchair row has the period of three bonds
        x, truth = np.array(profile["x_nm"]), np.array(profile["truth"])
        shifted = np.interp(x + 3 * 0.142, x, truth)[x + 3 * 0.142 <= x[-1]]
        assert np.corrcoef(shifted, truth[: len(shifted)])[0, 1] > 0.9


def test_figure_4_measures_lone_adatoms(run):
    numbers, pictures = run("figure_04")
    assert list(pictures) == ["figure_04.png"]
    check_scores(numbers["scores"])
    snr = numbers["adatom_snr"]["ADF"]
    assert list(snr) == [*METHODS, "truth"]
    assert snr["truth"]["profile"] > 5 > snr["noisy"]["profile"]
    assert snr["noisy"]["frame"] == pytest.approx(
        numbers["adatom_snr_A_over_sigma"]["ADF"], abs=1.5
    )
    assert numbers["adatom_snr"]["BF"]["truth"]["frame"] > 5  # dark there, yet positive
    (y0, _), (y1, _) = numbers["line_yx_px"]
    assert y0 == y1


def test_figures_3_and_4_draw_the_users_own_movie(run, folders, tmp_path):
    from n2v_stem_keras import noise, simulate, write_movie
    from n2v_stem_keras.io import Movie

    simulated = simulate.reference_movie(7, shape=(64, 80), n_frames=2)
    noisy = noise.add_white_noise(simulated.clean, 20, seed=0)
    movie = Movie.from_array(noisy, "TYXC", detectors=DETECTORS, pixel_size_nm=0.046)
    write_movie(tmp_path / "mine.tif", movie)
    run("figure_08")  # trains the model
    options = ["--movie", str(tmp_path / "mine.tif"), "--frame", "1", "--model"]
    options.append(str(folders[1] / "tiny-16-16dB-seed0"))
    numbers, _ = run("figure_03", *options, "--line", "10,5,30,60")
    assert numbers["data"] == "mine.tif, frame 1"
    assert numbers["line_yx_px"] == [[10, 5], [30, 60]]
    profile = numbers["profiles"]["ADF"]
    assert profile["noisy"][0] == pytest.approx(noisy[1, 10, 5, 0], rel=1e-5)
    assert list(profile) == ["x_nm", "noisy", "Gaussian", "TV", PACKAGE]
    for name in ("figure_03", "figure_04"):  # finds a place itself
        numbers, _ = run(name, *options)
        assert np.all(np.array(numbers["line_yx_px"]) <= [63, 79])


def test_figure_5_finds_the_lattice_of_the_truth(run):
    numbers, pictures = run("figure_05")
    assert list(pictures) == ["figure_05.png"]
    for level in numbers["levels"].values():
        check_scores(level["scores"])
        for where in ("drawn_frame", "mean_over_frames"):
            for by_label in level["spot_snr"][where].values():
                first = {label: snr["first order"] for label, snr in by_label.items()}
                assert list(first) == [*METHODS, "truth"]
                assert first["truth"] > 3 * first["noisy"]


def test_figure_6_shows_one_frame_by_every_method(run):
    numbers, _ = run("figure_06")
    check_scores(numbers["scores"])
    assert numbers["scores"]["ADF"]["noisy"]["psnr"] == pytest.approx(7, abs=0.3)
    assert numbers["scores"]["BF"]["noisy"]["psnr"] == pytest.approx(6, abs=0.3)
    assert numbers["scores"]["ADF"]["TV"]["psnr"] > 12
    assert len(numbers["profiles"]["BF"]["truth"]) == 64
    assert numbers["tuned"]["Gaussian"]["ADF"] in (0.5, 1, 2)


def test_figure_7_scores_all_test_movies(run):
    numbers, _ = run("figure_07")
    labels = {record["label"] for record in numbers["scores"]}
    assert {"noisy", "mean of the frame", "Gaussian", "TV", "BM3D", *RECIPES} == labels
    scores = {r["label"]: r for r in numbers["scores"] if r["detector"] == "ADF"}
    for label in RECIPES:
        assert numbers["improvement"][label]["ADF"]["nrmse"] == pytest.approx(
            scores["noisy"]["nrmse"][0] / scores[label]["nrmse"][0], rel=1e-3
        )
        assert scores[label]["adatom_snr"] > 0
        assert scores[label]["seconds_per_frame"] > 0


def test_figure_8_applies_one_model_at_two_levels(run):
    numbers, _ = run("figure_08")
    names = ["tiny-paper-recipe-16-16dB-seed0", "tiny-16-16dB-seed0"]
    assert numbers["models"] == dict(zip(RECIPES, names))
    for level, found in numbers["levels"].items():
        psnr = found["scores"]["ADF"]["frame_drawn"]
        assert psnr["noisy"]["psnr"] == pytest.approx(float(level), abs=0.3)
        assert all(psnr[label]["psnr"] > psnr["noisy"]["psnr"] for label in RECIPES)
    strength = [found["adatom_snr_A_over_sigma"]["ADF"] for found in numbers["levels"].values()]
    assert strength[0] / strength[1] == pytest.approx(10 ** (6.1 / 20), rel=1e-3)


def test_figure_s3_draws_the_very_sweep_of_figure_9(run, folders):
    ours, pictures = run("figure_s3")
    assert list(pictures) == ["figure_s3.png"]
    nine = json.loads((folders[0] / "figure_09.json").read_text(encoding="utf-8"))
    assert (folders[0] / "figure_09.png").exists()
    assert (folders[0] / "figure_09b.png").exists()
    assert ours["scores"] == nine["scores"]
    for by_method in nine["ratio_of_psnr"].values():
        assert {"Gaussian", "TV"} < set(by_method)
        assert "paper's recipe, trained at 16 dB" in by_method
        shared, own = (by_method[f"this package, trained at {k}"] for k in ("16 dB", "the level"))
        assert shared["16/16 dB"] == own["16/16 dB"]  # the same model
        assert shared["7/6 dB"] != own["7/6 dB"]
    for levels in ours["beats_tv_at"]["ADF"]["ssim"].values():
        assert set(levels) <= {"7/6 dB", "16/16 dB"}


@pytest.mark.parametrize("missing", [False, True])
def test_figure_s6_compares_with_bm3d_or_says_how_to_install_it(run, monkeypatch, capsys, missing):
    if missing:
        monkeypatch.setitem(sys.modules, "bm3d", None)
    numbers, _ = run("figure_s6")
    shown = ["noisy", *RECIPES] if missing else ["noisy", "BM3D", *RECIPES]
    check_scores(numbers["drawn"]["scores"], shown)
    ratio = numbers["bm3d_time_over_noise2void_time"]
    if missing:
        assert ratio is None
        assert "pip install" in numbers["missing"]
        assert "pip install" in capsys.readouterr().out
    else:
        assert all(ratio[label] > 0 for label in RECIPES)


def test_findings_are_judged_by_what_these_scripts_wrote(run, functions, folders):
    judged = functions("make_readme")["judged"]
    findings = functions("findings")["FINDINGS"]
    known = [f for f in findings if f.judge and (folders[0] / f"{f.source}.json").exists()]
    assert known
    for finding in known:
        numbers = json.loads((folders[0] / f"{finding.source}.json").read_text(encoding="utf-8"))
        if "data" in numbers:  # of a movie of the user's, by a test before
            continue
        measured, verdicts = judged(finding, numbers)
        assert measured.startswith("(tiny scale)")
        assert verdicts
