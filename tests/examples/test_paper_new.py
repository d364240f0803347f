"""The figure scripts of variants, chequerboards, transfer, holes and adatoms, at their smallest."""

import json

import numpy as np
import pytest

DETECTORS = ["ADF", "BF"]
RECIPES = ["N2V, paper's recipe", "N2V, this package"]


@pytest.mark.slow
def test_figure_1b_counts_what_is_there(run):
    numbers, pictures = run("figure_01b")
    assert list(pictures) == ["figure_01b.png"]
    labels = ["noisy", "Gaussian, 1 px", *RECIPES]
    for by_label in numbers["levels"].values():
        assert list(by_label) == labels
        for found in by_label.values():
            assert 0 <= found["tracked"] <= found["found"] <= found["adatoms"]
            assert found["false"] <= 0.06 * max(found["found"], 1)
    assert numbers["levels"]["16/16 dB"]["Gaussian, 1 px"]["found"] > 0


def test_adatoms_that_are_drawn_are_all_found_and_tracked(functions):
    from types import SimpleNamespace

    script = functions("figure_01b")
    y, x = np.mgrid[:64, :64]
    known = np.array([[20.0, 20.0], [44.0, 40.0]])
    frame = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 4) for a, b in known)
    movie = SimpleNamespace(positions=[known] * 4, clean=np.zeros((4, 64, 64, 2)))
    noise = 1e-3 * np.random.default_rng(0).standard_normal((4, 64, 64))
    found = script["count"](script["peaks_of"]((frame + noise)[None]), [movie])
    assert (found["adatoms"], found["found"], found["tracked"], found["false"]) == (8, 8, 8, 0)
    # what is seen once is found, but not tracked
    once = np.stack([frame, *(0 * frame for _ in range(3))]) + noise
    one = SimpleNamespace(positions=[known, *[np.empty((0, 2))] * 3], clean=movie.clean)
    found = script["count"](script["peaks_of"](once[None]), [one])
    assert (found["found"], found["tracked"]) == (2, 0)


@pytest.mark.slow
def test_figure_2_measures_chequerboards(run):
    numbers, pictures = run("figure_02")
    assert sorted(pictures) == ["figure_02.png", "figure_02b.png", "figure_02d.png"]
    assert numbers["models"]["b: transposed, no jitter"].endswith("unjittered-seed0")
    for by_detector in numbers["chequerboard"].values():
        for found in by_detector.values():
            assert list(found["mesh_in_sigma"]) == ["2", "16", "24"]
            assert len(found["peaks"]["Nyquist corners"]) == 3


def test_a_chequerboard_is_measured_and_noise_is_not(functions):
    script = functions("figure_02")
    mesh, describe = script["mesh"], script["describe"]
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((40, 240, 240))
    y, x = np.mgrid[:240, :240]
    board = 0.1 * (-1.0) ** (y + x)
    assert mesh(noise, 2) < 0.01
    assert mesh(noise + board, 2) == pytest.approx(0.1, rel=0.05)
    assert mesh(noise + board, 16) == pytest.approx(0.1, rel=0.1)  # 16 px hold 8 of its periods
    cell = np.zeros((24, 24))
    cell[3, 5] = 2.0
    grid = np.tile(cell, (10, 10))
    assert mesh(noise + grid, 24) == pytest.approx(cell.std(), rel=0.1)
    plain, boarded, gridded = (
        describe(one[None])["peaks"] for one in (noise, noise + board, noise + grid)
    )
    assert plain["Nyquist corners"][0] < 5 < 20 < boarded["Nyquist corners"][0]
    assert boarded["Nyquist corners"][1] < 5
    name = "grid of blind pixels, mean"
    assert plain[name] == pytest.approx(1, abs=0.3)
    assert gridded[name] > 3


@pytest.mark.slow
def test_figure_10_scores_networks_on_another_session(run):
    numbers, pictures = run("figure_10")
    assert list(pictures) == ["figure_10.png"]
    scores = numbers["scores"]
    kinds = ["as it is", "trained on, half", "fresh, half", "fresh, all"]
    assert list(scores) == ["noisy", *kinds]
    assert scores["noisy"]["psnr"]["ADF"][0] == pytest.approx(13, abs=0.3)
    assert scores["noisy"]["adatom"]["ADF"][0] == pytest.approx(1, abs=0.15)
    assert list(numbers["psnr_gained_by_training"]) == kinds[1:]
    gained = numbers["psnr_gained_by_training"]["fresh, all"]["BF"][0]
    psnr = [scores[kind]["psnr"]["BF"][0] for kind in ("fresh, all", "as it is")]
    assert gained == pytest.approx(psnr[0] - psnr[1], abs=1e-4)


def test_truth_itself_has_full_contrast_and_lattice(functions):
    script = functions("figure_10")
    session = script["Session"](functions("common")["SCALES"]["tiny"])
    found = session.score(session.clean)
    for d in DETECTORS:
        assert found["adatom"][d] == pytest.approx(1)
        assert found["lattice"][d] == pytest.approx(1)
    flat = np.broadcast_to(session.clean.mean(axis=(2, 3), keepdims=True), session.clean.shape)
    blank = session.score(flat + 1e-3 * np.random.default_rng(0).standard_normal(flat.shape))
    assert abs(blank["adatom"]["ADF"]) < 0.01
    assert abs(blank["lattice"]["ADF"]) < 0.1


@pytest.mark.slow
def test_figure_s10_counts_adatoms_in_holes(run):
    numbers, pictures = run("figure_s10")
    assert list(pictures) == ["figure_s10.png"]
    assert list(numbers["recipes"]) == RECIPES
    for by_level in numbers["recipes"].values():
        for by_dose in by_level.values():
            for one in by_dose.values():
                low, high = one["interval_95"]
                assert low <= one["holes_with_one"] / one["holes"] <= high
                assert one["holes_with_one"] <= one["adatoms_in_holes"]
                assert one["hole_area_nm2"] > 0


def test_adatoms_are_counted_where_they_lie(functions):
    from types import SimpleNamespace

    import pandas as pd

    script = functions("figure_s10")
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    movie = SimpleNamespace(clean=np.zeros((2, 64, 64, 2)), hole_mask=lambda t: mask)
    rows = [(0, 30, 30), (0, 21, 21), (0, 5, 5), (1, 50, 50)]  # the second is on the rim
    table = pd.DataFrame(rows, columns=["frame", "y", "x"])
    found = script["count"]([movie], [table], 5.0)
    assert (found["adatoms_in_holes"], found["found_outside"]) == (1, 2)
    assert (found["holes"], found["holes_with_one"]) == (2, 1)
    inner = 14 * 14
    assert found["hole_area_nm2"] == pytest.approx(2 * inner * 0.046**2)
    assert found["expected_if_as_outside"] == pytest.approx(2 * inner / (64 * 64 - 400))
    low, high = script["clopper_pearson"](0, 48)  # the rule of three, nearly
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 48))


@pytest.mark.slow
def test_figure_s12_draws_the_three_example_points(run, folders):
    numbers, _ = run("figure_s12")
    assert list(numbers["levels"]) == ["7/6 dB", "13/13 dB", "20/20 dB"]
    for name in ("figure_s12", "figure_s13", "figure_s14"):
        assert (folders[0] / f"{name}.png").exists()
    for level in numbers["levels"].values():
        for by_label in level["scores"].values():
            assert list(by_label) == ["noisy", "TV", *RECIPES]


@pytest.mark.slow
def test_variants_are_compared_seed_by_seed_and_resumed(run, folders):
    numbers, _ = run("variants")
    journal = folders[0] / "variants.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines()
    rows = {row["key"]: row for row in map(json.loads, lines)}
    base = "as chosen: depth 4, average, 5x5 first, bilinear"
    found = numbers["rows"]["max pooling"]
    assert found["seeds"] == 2
    for d in DETECTORS:
        changes = [
            rows[f"max pooling | {s}"]["psnr"][d] - rows[f"{base} | {s}"]["psnr"][d] for s in (0, 1)
        ]
        mean, se = found["change"][d]
        assert mean == pytest.approx(np.mean(changes), abs=1e-4)
        assert se == pytest.approx(abs(changes[0] - changes[1]) / 2, abs=1e-4)
    two = numbers["rows"]["two networks, one detector each"]
    assert two["parameters"] > 1.9 * numbers["rows"][base]["parameters"]
    assert numbers["speed"]["two mono over dual"]["network_ms"] > 1
    losses, pictures = run("figure_s11")
    assert list(pictures) == ["figure_s11.png"]
    assert losses["losses"]["BF"]["last_loss"]["dual"][0] > 0
    # nothing was trained again
    assert journal.read_text(encoding="utf-8").splitlines() == lines


def test_a_line_cut_short_is_trained_again(functions, tmp_path):
    journal = functions("reduced")["Journal"](tmp_path / "j.jsonl")
    assert journal.run("a", lambda: {"x": 1}) == {"key": "a", "x": 1}
    with journal.path.open("a") as file:
        file.write('{"key": "b", "x"')
    assert list(journal.rows()) == ["a"]
    assert journal.run("a", lambda: 1 / 0)["x"] == 1


def test_updates_to_reach_a_loss(functions):
    reach = functions("figure_s11")["reach"]
    assert reach([4.0, 3.0, 2.0, 1.0], 2.5) == 0.625
    assert reach([4.0, 3.0, 2.0, 1.0], 0.5) == 1
    assert reach([4.0, 3.0], 5.0) == 0.5


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
