"""The figure scripts of pairs, clusters, counts and artefacts, run at their smallest scale."""

import json

import numpy as np
import pytest

DETECTORS = ["ADF", "BF"]
LEVELS = ["16/16 dB", "7/6 dB"]
RECIPES = ["N2V, paper's recipe", "N2V, this package"]
METHODS = ["noisy", "Gaussian 1 px", "Gaussian tuned", "TV", *RECIPES]


def check_scores(scores):
    """PSNR, SSIM and N-RMSE of each method and detector, means over frames."""
    assert list(scores) == METHODS
    for by_detector in scores.values():
        assert list(by_detector) == DETECTORS
        for found in by_detector.values():
            assert found["nrmse"] == pytest.approx(10 ** (-found["psnr"] / 20), rel=0.05)
            assert -1 < found["ssim"] < 1


def levels_of(numbers):
    """All levels of both recipes."""
    assert list(numbers["recipes"]) == RECIPES
    for levels in numbers["recipes"].values():
        assert list(levels) == LEVELS
        yield from levels.values()


@pytest.mark.slow
def test_figure_s1_measures_pairs_beside_their_truth(run):
    numbers, pictures = run("figure_s1")
    assert sorted(pictures) == ["figure_s1.png", "figure_s1b.png"]
    assert list(numbers["levels"]) == LEVELS
    for level in numbers["levels"].values():
        check_scores(level["scores"])
        pairs = level["pairs"]["ADF"]
        assert list(pairs) == [*METHODS, "truth"]
        assert pairs["truth"]["resolved"] == 1
        assert pairs["truth"]["lower_adatom_over_true"]["median"] == 1
        assert pairs["truth"]["dip"]["median"] == pytest.approx(0.95, abs=0.08)
        assert pairs["noisy"]["dip"]["median"] > pairs["Gaussian 1 px"]["dip"]["median"]
    high, low = (numbers["levels"][name]["adatom_snr"]["ADF"] for name in LEVELS)
    assert high / low == pytest.approx(10 ** (9 / 20), rel=1e-3)


def test_pairs_are_found_where_they_stand_clear(functions):
    from n2v_stem_keras.simulate import simulate_movie

    script = functions("figure_s1")
    movie = simulate_movie(3, (96, 96), 2, 0.046, pairs=(2, 0.34), density_nm2=0.1)
    pairs = script["clear_pairs"](movie, 0)
    assert len(pairs) in (1, 2)
    assert np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1) * 0.046 == pytest.approx(0.34)
    empty = script["empty_pairs"](movie, 0)
    apart = np.linalg.norm(empty[:, :, None] - movie.positions[0], axis=-1).min()
    assert apart * 0.046 > 0.5
    held = np.array([[1.0, 5.0, 0.9], [0.2, 5.0, 0.9], [1.0, 5.0, 0.1], [np.nan, -1.0, -0.2]])
    assert script["resolved"](held) == 0.25


@pytest.mark.slow
def test_figure_s4_keeps_the_intensity_of_clusters_where_nothing_is_done(run):
    numbers, pictures = run("figure_s4")
    assert list(pictures) == ["figure_s4.png"]
    for level in numbers["levels"].values():
        assert list(level["clusters"]) == ["7 atoms", "19 atoms"]
        for found in level["clusters"].values():
            check_scores(found["scores"])
            on = found["on_the_cluster"]["ADF"]
            assert on["noisy"]["signal_over_true"]["median"] == pytest.approx(1, abs=0.1)
            assert on["noisy"]["rms_error_in_sigma"]["median"] == pytest.approx(1, abs=0.15)
            assert on["noisy"]["signal_over_true"]["n"] >= 3


@pytest.mark.slow
def test_figure_s5_states_the_dose_that_averaging_would_need(run):
    numbers, _ = run("figure_s5")
    assert list(numbers["doses"]) == ["350 e-/px", "1860 e-/px"]
    for level in numbers["doses"].values():
        for by_method in level["scores"].values():
            assert by_method["noisy"]["fluence_gain"] == 1
            assert "Anscombe + BM3D" in by_method
            for label in RECIPES:
                ours = by_method[label]
                # averaging is Poisson at a higher dose: ten times the dose are 10 dB
                assert ours["psnr_counted_at_equivalent_dose"] == pytest.approx(
                    ours["psnr"]["mean"], abs=0.3
                )
    low, high = (level["scores"]["BF"]["noisy"]["psnr"] for level in numbers["doses"].values())
    assert high["mean"] - low["mean"] == pytest.approx(10 * np.log10(1860 / 350), abs=0.2)


@pytest.mark.slow
def test_figure_s7_measures_noise_in_heights_of_adatoms(run):
    numbers, pictures = run("figure_s7")
    assert list(pictures) == ["figure_s7.png"]
    for level in levels_of(numbers):
        for c, detector in enumerate(DETECTORS):
            noise = level["noise"][detector]
            assert noise["rms_over_input_noise"] == pytest.approx(1, abs=0.03)
            # the highest of 4096 normal numbers
            largest = noise["largest_of_a_frame_median_in_heights"]
            assert largest * abs(level["adatom_snr"][detector]) == pytest.approx(3.6, abs=0.7), c
        peaks = level["adf_peaks_of_half_a_height_per_frame"]
        assert peaks["noise"] > peaks["noise_denoised"]
        assert peaks["test_movie_truth"] > 0


def test_excursions_towards_adatoms_are_bright_in_adf_and_dark_in_bf(functions):
    class Bench:
        sigma, height = np.array([0.1, 0.2]), np.array([2.0, -4.0])

    frames = np.zeros((2, 8, 8, 2))
    frames[0, 2, 2] = 1.0  # ADF bright, BF bright
    frames[1, 3, 3] = -2.0
    found = functions("figure_s7")["excursions"](frames, 0.0, Bench)
    mean = -1 / 128
    assert found["ADF"]["largest_towards_adatoms_in_heights"] == pytest.approx((1 - mean) / 2)
    assert found["BF"]["largest_towards_adatoms_in_heights"] == pytest.approx((2 + mean) / 4)
    assert found["BF"]["largest_away_in_heights"] == pytest.approx((1 - mean) / 4)


@pytest.mark.slow
def test_figure_s8_reads_white_noise_as_white(run):
    numbers, pictures = run("figure_s8")
    assert list(pictures) == ["figure_s8.png"]
    for level in levels_of(numbers):
        for detector in DETECTORS:
            noise = level["noise"][detector]
            assert 2.5 < noise["highest_over_surroundings"] < 4.5
            assert noise["ring_at_graphene_orders"] == pytest.approx([1, 1], abs=0.2)


def test_a_period_stands_out_of_the_spectrum(functions):
    from n2v_stem_keras.metrics.fourier import fft_magnitude

    rng = np.random.default_rng(0)
    noise = rng.standard_normal((128, 128))
    x = np.arange(128) * 0.046
    script = functions("figure_s8")
    plain, _ = script["sharpness"](fft_magnitude(noise))
    wave = noise + 0.3 * np.sin(2 * np.pi * 4.076 * x)
    ratio, frequency = script["sharpness"](fft_magnitude(wave))
    assert plain < 4.5
    assert ratio > 8
    assert frequency == pytest.approx(4.076, abs=0.1)


@pytest.mark.slow
def test_figure_s9_compares_what_comes_out_with_the_point(run):
    numbers, pictures = run("figure_s9")
    assert sorted(pictures) == ["figure_s9.png", "figure_s9b.png"]
    for level in levels_of(numbers):
        assert list(level["response"]) == ["flat frame", "noise"]
        for by_point in level["response"].values():
            assert len(by_point) == 3
            for by_height in by_point.values():
                assert list(by_height) == ["1 adatoms", "3 adatoms", "10 adatoms"]
                assert by_height["1 adatoms"]["width_in_px"] >= 1


def test_a_response_that_is_the_point_itself(functions):
    class Bench:
        height = np.array([2.0, -4.0])

    script = functions("figure_s9")
    y, x = np.indices((33, 33)) - 16
    point = np.exp(-(y**2 + x**2) / (2 * 2.0**2))
    response = np.stack([3 * 2.0 * point, 0.5 * -4.0 * point], axis=-1)
    found = script["describe"](response, point, 3, Bench)
    assert found["height_out_over_in"] == pytest.approx(1)
    assert found["sum_out_over_in"] == pytest.approx(1)
    assert found["width_out_px"] == pytest.approx(2.355 * 2, rel=0.01)
    assert found["bf_at_the_point_percent_of_adatom"] == pytest.approx(50)
    assert found["bf_largest_percent_of_adf_answer"] == pytest.approx(100 * 0.5 / 3)
    assert found["reach_5_percent_px"] == pytest.approx(2 * np.sqrt(2 * np.log(20)), abs=0.7)
    pixel = np.zeros((5, 5))
    pixel[2, 2] = 1
    assert script["width"](pixel) == 1
    assert np.isnan(script["width"](np.ones((5, 5))))


@pytest.mark.slow
def test_findings_are_judged_by_what_these_scripts_wrote(run, functions, folders):
    judged = functions("make_readme")["judged"]
    findings = functions("findings")["FINDINGS"]
    known = [f for f in findings if f.judge and (folders[0] / f"{f.source}.json").exists()]
    assert known
    for finding in known:
        numbers = json.loads((folders[0] / f"{finding.source}.json").read_text(encoding="utf-8"))
        measured, verdicts = judged(finding, numbers)
        assert measured.startswith("(tiny scale)")
        assert verdicts
