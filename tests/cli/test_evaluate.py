"""``n2v-stem evaluate``: movies with truth in; table, CSV, JSON and picture out."""

import csv
import json
import shutil

import numpy as np
import pytest

from n2v_stem_keras import N2VStem, N2VStemConfig, simulate
from n2v_stem_keras.cli import main
from n2v_stem_keras.cli.evaluate import OUTPUTS, StepProgress, model_labels
from n2v_stem_keras.evaluation import evaluate
from n2v_stem_keras.io import Movie, read_movie, write_movie


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained network in a folder that looks trained."""
    basedir = tmp_path_factory.mktemp("models")
    config = N2VStemConfig(
        unet_n_depth=1, unet_n_first=2, unet_kern_size_first=3,
        n2v_pitch=6, n2v_jitter=1, n2v_neighborhood_radius=2, n2v_patch_shape=(32, 32),
    )  # fmt: skip
    made = N2VStem(config, "tiny", basedir)
    made.keras_model.save_weights(made.logdir / "weights_best.weights.h5")
    return made.logdir


def run(*arguments):
    return main(["evaluate", *map(str, arguments)])


def rows_of(out):
    return json.loads((out / "evaluation.json").read_text())["rows"]


def test_a_simulated_folder_and_a_model_from_end_to_end(simulated, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(model, "--simulated", simulated, "--methods", "gaussian", "--out", out) == 0
    pictures = {"evaluation.png"}
    pictures |= {f"evaluation_frames_{level}-dB.png" for level in ("16-16", "7-6")}
    assert {p.name for p in out.iterdir()} == {*OUTPUTS, *pictures}
    printed = capsys.readouterr().out
    assert printed.index("Input 16/16 dB") < printed.index("Input 7/6 dB")
    assert "A/sigma" in printed
    assert "Gaussian" in printed
    assert "tiny" in printed
    rows = rows_of(out)
    found = {(r["level"], r["label"], r["detector"]) for r in rows}
    assert len(found) == 2 * 4 * 2  # levels, noisy + blank + Gaussian + tiny, detectors
    for row in rows:
        assert row["n_movies"] == 2
        if row["label"] == "noisy" and row["metric"] == "psnr":
            level = dict(zip(("ADF", "BF"), row["level"].split()[0].split("/"), strict=True))
            assert row["mean"] == pytest.approx(float(level[row["detector"]]), abs=0.3)
            assert (row["adatom_snr"] > 0) == (row["detector"] == "ADF")
    with open(out / "evaluation.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert (out / "evaluation.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (out / "evaluation.png").stat().st_size > 20_000

    before = (out / "evaluation.json").read_bytes()
    assert run("--simulated", simulated, "--methods", "none", "--out", out) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "evaluation.json").read_bytes() == before


def test_a_frame_of_each_method_is_shown(simulated, model, tmp_path, monkeypatch, no_picture):
    """The one that is asked for, cut as asked for, in the order in which methods are scored."""
    drawn = []
    monkeypatch.setattr("n2v_stem_keras.plot.before_after", lambda *a: drawn.append(a))
    command = [model, "--simulated", simulated, "--methods", "gaussian", "--out", tmp_path / "o"]
    assert run(*command, "--frame", 2, "--crop", "8:40,4:30", "--picture-format", "svg") == 0
    assert [a[0].name for a in drawn] == [
        f"evaluation_frames_{level}-dB.svg" for level in ("16-16", "7-6")
    ]
    truth = read_movie(simulated / "movie-00_clean.ome.tif").frame(0, 2)
    noisy = read_movie(simulated / "movie-00_noisy_7-6dB.ome.tif").frame(0, 2)
    adf, bf = drawn[1][1]
    assert (adf["name"], bf["name"]) == ("ADF", "BF")
    assert [label for label, _ in adf["panels"]] == ["noisy", "Gaussian", "tiny", "truth"]
    for c, row in enumerate((adf, bf)):
        np.testing.assert_allclose(row["panels"][0][1], noisy[8:40, 4:30, c])
        np.testing.assert_allclose(row["panels"][3][1], truth[8:40, 4:30, c])
    assert run(*command, "--frame", 3, "--overwrite") == 2
    assert run(*command, "--crop", "0:200,0:8", "--overwrite") == 2


def test_files_paired_in_order_score_as_the_folder_does(simulated, tmp_path, capsys, no_picture):
    """Detectors are matched by name, positions follow, and a quoted pattern is expanded."""
    swapped = []
    for i in range(2):
        movie = read_movie(simulated / f"movie-0{i}_noisy_7-6dB.ome.tif")
        frames = np.moveaxis(movie.to_array(), movie.axes.index("C"), -1)[..., ::-1]
        swapped.append(tmp_path / f"n{i}.ome.tif")
        write_movie(swapped[-1], Movie.from_array(frames, "TYXC", detectors=("BF", "ADF")))
    by_files, by_folder = tmp_path / "files", tmp_path / "folder"
    tables = [simulated / f"movie-0{i}_positions.csv" for i in range(2)]
    assert run("--truth", simulated / "movie-*_clean.ome.tif", "--noisy", *swapped, "--positions",
               *tables, "--methods", "none", "--out", by_files, "--json") == 0  # fmt: skip
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == rows_of(by_files)
    assert run("--simulated", simulated, "--methods", "none", "--out", by_folder, "--quiet") == 0
    assert capsys.readouterr().out == ""
    files, folder = (
        {(r["label"], r["detector"], r["metric"]): (r["mean"], r["se"], r["adatom_snr"])
         for r in rows_of(out) if r["level"] in ("as given", "7/6 dB")}
        for out in (by_files, by_folder)
    )  # fmt: skip
    assert files.keys() == folder.keys()
    for key, values in files.items():
        assert values == pytest.approx(folder[key], abs=1e-12, nan_ok=True)


def test_noise_is_added_where_asked_for(simulated, tmp_path, capsys, no_picture):
    outs = [tmp_path / name for name in "abc"]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        assert run("--simulated", simulated, "--psnr", "12", "--methods", "none", "--seed", seed,
                   "--out", out) == 0  # fmt: skip
    values = [[r["mean"] for r in rows_of(out) if r["method"] == "noisy"] for out in outs]
    assert values[0] == values[1]
    assert values[0] != values[2]
    assert values[0][0] == pytest.approx(12, abs=0.3)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(simulated / "movie-00_clean.ome.tif", bare)
    assert run("--simulated", bare, "--methods", "none", "--out", tmp_path / "d") == 0
    levels = list(dict.fromkeys(r["level"] for r in rows_of(tmp_path / "d")))
    assert levels == ["16/16 dB", "10/10 dB", "7/6 dB"]


def test_doses_of_the_simulation_tell_the_gain(tmp_path, no_picture, monkeypatch):
    folder = tmp_path / "doses"
    assert main(["simulate", str(folder), "--movies", "1", "--frames", "1", "--size", "32",
                 "--dose", "350", "--psnr", "9", "--quiet"]) == 0  # fmt: skip
    given = {}

    def fake(*movies, **options):
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "evaluate", fake)
    assert run("--simulated", folder, "--methods", "none", "--out", tmp_path / "out") == 130
    assert list(given["noisy"]) == [(9.0, 9.0), "350 e-/px"]
    assert given["gain"] == {"350 e-/px": pytest.approx(1 / 350)}
    # counts times the gain are what the noisy frames hold
    counts = given["noisy"]["350 e-/px"][0][0] * 350
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
    run("--simulated", folder, "--methods", "none", "--gain", "2,3", "--out", tmp_path / "out")
    assert given["gain"] == dict.fromkeys([(9.0, 9.0), "350 e-/px"], (2.0, 3.0))


def test_the_packages_own_movies_are_the_default(tmp_path, monkeypatch, no_picture):
    made = []
    original = simulate.reference_movie

    def small(seed):
        made.append(seed)
        return original(seed, shape=(32, 32), n_frames=2)

    monkeypatch.setattr(simulate, "reference_movie", small)
    out = tmp_path / "out"
    assert run("--reference", 3, "--psnr", "10,8", "--methods", "none", "--out", out) == 0
    assert made == [0, 1, 2]
    assert {r["n_movies"] for r in rows_of(out)} == {3}
    assert {r["level"] for r in rows_of(out)} == {"10/8 dB"}


def test_a_model_of_one_detector_is_scored_on_it(simulated, tmp_path, model, no_picture):
    config = N2VStemConfig(
        channels=("BF",), unet_n_depth=1, unet_n_first=2, unet_kern_size_first=3,
        n2v_pitch=6, n2v_jitter=1, n2v_neighborhood_radius=2,
        n2v_patch_shape=(32, 32),
    )  # fmt: skip
    lone = N2VStem(config, "lone", tmp_path)
    lone.keras_model.save_weights(lone.logdir / "weights_best.weights.h5")
    out = tmp_path / "out"
    assert run(lone.logdir, model, "--simulated", simulated, "--methods", "none", "--out", out) == 0
    detectors = {(r["label"], r["detector"]) for r in rows_of(out) if r["kind"] == "model"}
    assert detectors == {("lone", "BF"), ("tiny", "ADF"), ("tiny", "BF")}


def test_dry_run_writes_nothing_and_checks_the_models(simulated, model, tmp_path, capsys):
    out = tmp_path / "out"
    command = [model, "--simulated", simulated, "--methods", "tv", "--out", out, "--dry-run"]
    assert run(*command) == 0
    printed = capsys.readouterr().out
    assert "tv, tiny on 2 simulated movies" in printed
    assert "16/16 dB, 7/6 dB" in printed
    assert run(*command, "--detectors", "HAADF,LAADF") == 3
    assert "ADF, BF is missing" in capsys.readouterr().err
    assert not out.exists()


def test_options_may_come_from_a_file(simulated, model, tmp_path, capsys):
    file = tmp_path / "run.yaml"
    file.write_text(f"models: [{model}]\nsimulated: {simulated}\nmethods: none\npsnr: ['9,9']")
    assert run("--run", file, "--dry-run") == 0
    assert "Would score tiny" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--methods", "gausian"], 2, "did you mean 'gaussian'"),
        (["--reference", "0"], 2, "--reference 0: expected 1 or more"),
        (["--reference", "1", "--simulated", "x"], 2, "give one of --simulated and --reference"),
        (["--noisy", "x.tif"], 2, "--truth, which is missing"),
        (["--truth", "x.tif", "--noisy", "y.tif", "--psnr", "9"], 2, "--noisy and --psnr"),
        (["--truth", "x*.tif"], 2, "no file matches"),
        (["--truth", "x.tif"], 4, "no such file"),
        (["--simulated", "nowhere"], 3, "expected a folder of n2v-stem simulate"),
        (["--reference", "1", "--psnr", "9,8,7"], 2, "2, one per detector"),
        (["--reference", "1", "--psnr", "x"], 2, "2, one per detector"),
        (["--reference", "1", "--psnr", "9", "--psnr", "9,9"], 2, "each level once"),
        (["--seed", "-1"], 2, "--seed -1"),
        (["a/m", "b/m", "a/m"], 2, "a model is given twice"),
        (["nowhere", "--reference", "1", "--dry-run"], 4, "no such model folder"),
    ],
)
def test_user_errors_are_one_sentence(arguments, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    original = simulate.reference_movie
    small = lambda seed: original(seed, shape=(16, 16), n_frames=1)  # noqa: E731
    monkeypatch.setattr(simulate, "reference_movie", small)
    assert run(*arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_an_interrupted_evaluation_leaves_the_one_before_whole(simulated, tmp_path, monkeypatch):
    out = tmp_path / "out"
    command = ["--simulated", simulated, "--methods", "none", "--out", out, "--overwrite"]
    assert run(*command) == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(StepProgress, "__call__", interrupt)
    assert run(*command) == 130
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_models_of_one_name_are_told_apart():
    assert model_labels(["a/m", "b/m", "c/n"]) == ["a/m", "b/m", "n"]
