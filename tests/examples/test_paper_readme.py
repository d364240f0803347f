"""The index page of the paper's figures: verdicts follow from the numbers by the stated rules."""

import json

import pytest

DETECTORS = ["ADF", "BF"]
RECIPES = ["N2V, paper's recipe", "N2V, this package"]
HOLDS, PART, NOT = "holds", "holds in part", "does not hold"


@pytest.fixture
def page(functions):
    return functions("make_readme")


def test_the_readme_is_made_of_the_results_that_are_there(page, tmp_path):
    scripts = [figure.script for figure in page["FIGURES"] if figure.script]
    text = page["readme"](tmp_path)
    table = text.split("## Findings")[0]
    assert table.count("| not run | not run |") == len(scripts)
    assert page["README"].read_text(encoding="utf-8") == page["readme"]()
    for script in scripts:
        assert (page["README"].parent / f"{script}.py").exists()
    sources = {finding.source for finding in page["FINDINGS"]} - {""}
    assert sources <= set(scripts)


def test_a_figure_has_the_verdict_of_its_numbers(page, tmp_path):
    def level(ours, theirs):
        found = {"noisy": 16.0, RECIPES[0]: theirs, RECIPES[1]: ours}
        psnr = {label: {"psnr": value} for label, value in found.items()}
        return {"scores": {"ADF": {"mean_over_frames": psnr}}}

    numbers = {"scale": "paper", "levels": {"16.0": level(31.2, 30.0), "9.9": level(27.6, 27.4)}}
    (tmp_path / "figure_08.json").write_text(json.dumps(numbers), encoding="utf-8")
    (tmp_path / "figure_08.png").touch()
    text = page["readme"](tmp_path)
    row = next(line for line in text.splitlines() if line.startswith("| ADF from 16.0"))
    assert "(paper scale) 16.0 dB: paper's recipe 30.0, this package 31.2" in row
    assert row.endswith(f"| paper's recipe: {PART}<br>this package: {HOLDS} |")
    row = next(line for line in text.splitlines() if line.startswith("| [8](figure_08.py)"))
    assert f"| paper's recipe: {PART}<br>this package: {HOLDS} |" in row
    assert "](../../benchmarks/results/paper/figure_08.png)" in text


def test_a_finding_is_the_mean_of_its_seeds_and_holds_only_at_all_of_them(page, tmp_path):
    def write(folder, ours, theirs):
        by = {
            level: {"scores": {"ADF": {"mean_over_frames": {
                RECIPES[0]: {"psnr": theirs}, RECIPES[1]: {"psnr": ours}}}}}
            for level in ("16.0", "9.9")
        }  # fmt: skip
        folder.mkdir(exist_ok=True)
        numbers = {"scale": "laptop", "levels": by}
        (folder / "figure_08.json").write_text(json.dumps(numbers), encoding="utf-8")

    write(tmp_path, 31.2, 30.0)
    write(tmp_path / "seed1", 31.6, 32.0)
    row = next(
        line for line in page["readme"](tmp_path).splitlines() if line.startswith("| ADF from 16.0")
    )
    assert "16.0 dB: paper's recipe 31.0 ± 1.0, this package 31.4 ± 0.2; 9.9 dB" in row
    assert "(2 seeds); paper's recipe, by seed: holds in part, holds |" in row
    assert row.endswith(f"| paper's recipe: {PART}<br>this package: {HOLDS} |")


def test_other_seeds_run_the_scripts_that_train_one_model_and_take_no_time(functions, page):
    seeds = functions("seeds")
    names = seeds["scripts"]()
    assert {"figure_02", "figure_05", "figure_09", "figure_s10"} <= set(names)
    assert not set(names) & set(seeds["OWN_SEEDS"])
    known = {figure.script for figure in page["FIGURES"]}
    assert set(names) | set(seeds["OWN_SEEDS"]) <= known
    assert set(seeds["QUICK"]) <= set(names)


def test_classical_scores_are_taken_from_the_first_seed_alone(functions, tmp_path):
    from types import SimpleNamespace

    from n2v_stem_keras import __version__

    script = functions("evaluation")
    numbers = {"scale": "tiny", "seed": 0, "version": __version__, "scores": [{"label": "TV"}]}
    (tmp_path / "figure_07.json").write_text(json.dumps(numbers), encoding="utf-8")

    def known(seed, folder, scale="tiny"):
        args = SimpleNamespace(seed=seed, out=folder, scale=SimpleNamespace(name=scale))
        return script["classical_of_first_seed"](args, "figure_07")

    assert known(1, tmp_path / "seed1") == numbers["scores"]
    assert known(0, tmp_path) == []
    assert known(1, tmp_path / "elsewhere") == []
    assert known(1, tmp_path / "seed1", "laptop") == []


def test_numbers_of_seeds_are_averaged_where_the_words_agree(page):
    averaged = page["averaged"]
    assert averaged(["12 of 48, x3, -1.50 dB", "14 of 48, x3, +0.50 dB"]) == (
        "13 ± 1 of 48, x3, -0.50 ± 1.00 dB"
    )
    assert averaged(["share 0.00-0.07", "share 0.00-0.09"]) == "share 0.00-0.08 ± 0.01"
    assert averaged(["found 3", "found -"]) == "found 3; found -"
    assert averaged(["the same 1", "the same 1"]) == "the same 1"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"ADF": [-0.5, 0.1], "BF": [-0.3, 0.1]}, HOLDS),
        ({"ADF": [-0.5, 0.1], "BF": [-0.1, 0.1]}, PART),
        ({"ADF": [0.1, 0.1], "BF": [0.0, 0.1]}, "cannot be tested here, because no difference"),
        ({"ADF": [0.5, 0.1], "BF": [0.3, 0.1]}, NOT),
        ({"ADF": [-0.5, None], "BF": [-0.3, None]}, "cannot be tested here"),
    ],
)
def test_a_variant_is_worse_by_more_than_twice_its_error(functions, changes, verdict):
    judge = functions("findings")["worse"]("max pooling")
    numbers = {"rows": {"max pooling": {"change": changes, "seeds": 3}}}
    measured, found = judge(numbers)
    assert found[""].startswith(verdict)
    assert "(3 seeds)" in measured


def test_verdicts_of_a_figure_are_those_of_its_findings(page):
    together, written = page["together"], page["written"]
    ours = {"paper's recipe": HOLDS, "this package": HOLDS}
    mixed = {"paper's recipe": NOT, "this package": HOLDS}
    assert together([ours, mixed]) == {"paper's recipe": PART, "this package": HOLDS}
    assert written(ours) == "holds (both)"
    assert written(mixed) == "paper's recipe: does not hold<br>this package: holds"
    assert together([{"": HOLDS}, {"": "cannot be tested here, because"}]) == {"": HOLDS}


def test_atoms_in_holes_are_compared_with_what_the_thresholds_allow(functions):
    judge = functions("findings")["no_adatoms_in_holes"]

    def numbers(inside):
        one = {"adatoms_in_holes": inside, "holes": 48, "interval_95": [0.0, 0.1],
               "expected_if_as_outside": 40.0, "expected_of_the_threshold": 1.4}  # fmt: skip
        return {"recipes": {r: {"16/16 dB": {"ten times the dose": one}} for r in RECIPES}}

    assert set(judge(numbers(3))[1].values()) == {HOLDS}
    assert set(judge(numbers(20))[1].values()) == {NOT}
