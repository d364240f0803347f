"""The numbered examples, run in their order at their smallest scale, in one process."""

import contextlib
import io
import json
import re
import runpy
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from n2v_stem_keras import Movie, N2VStem, read_movie, write_movie

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ["1_data", "2_training", "3_prediction", "4_atoms", "5_live", "6_trust"]
N_FRAMES, SIDE = 8, 64


def run_example(name, *options):
    """Run an example as from the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *map(str, options)])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


@pytest.fixture(scope="module")
def quick():
    """Make quick what is slow and tested elsewhere: TV, validation, the size of pictures."""
    from n2v_stem_keras.baselines import denoisers
    from n2v_stem_keras.plot import canvas
    from n2v_stem_keras.training import data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(denoisers, "_TV_ITERATIONS", 20)
        patch.setattr(data, "MIN_VALIDATION_PIXELS", 2000)
        patch.setattr(canvas, "DPI", 50)
        yield


@pytest.fixture(scope="module")
def said(quick, tmp_path_factory):
    """Run all of them; return the folder, and what each printed."""
    out, texts = tmp_path_factory.mktemp("examples"), {}
    for name in NAMES:
        with contextlib.redirect_stdout(io.StringIO()) as text:
            run_example(name, "--tiny", "--out", out)
        texts[name] = text.getvalue()
    return out, texts


@pytest.mark.slow
def test_each_says_what_to_look_at(said):
    out, texts = said
    assert list(texts) == NAMES
    for name, text in texts.items():
        assert f"Wrote {out}" in text, name
        assert any(png.name.startswith(name[0]) for png in out.glob("*.png")), name
    for png in out.glob("*.png"):
        assert matplotlib.image.imread(png).std() > 0.02, png.name


@pytest.mark.slow
def test_data(said):
    out, texts = said
    noisy, clean = (read_movie(out / f"{name}.ome.tif") for name in ("noisy", "clean"))
    assert noisy.shape == clean.shape == (N_FRAMES, SIDE, SIDE, 2)
    assert (noisy.axes, noisy.detectors) == ("TYXC", ("ADF", "BF"))
    assert (noisy.pixel_size_nm, noisy.frame_time_s) == (pytest.approx(0.046), pytest.approx(0.5))
    truth = pd.read_csv(out / "truth.csv")
    assert list(truth.columns) == ["frame", "particle", "y", "x"]
    # an adatom is bright in ADF where the table says so
    frame, places = clean.frame(0, 0), truth[truth["frame"] == 0]
    y, x = np.rint(places[["y", "x"]].to_numpy()).astype(int).T
    assert frame[y, x, 0].min() > np.median(frame[..., 0]) + 3 * frame[..., 0].std()
    assert "one pixel is justified" in (out / "1_noise.txt").read_text(encoding="utf-8")
    assert "n2v_span=(1, 3)" in texts["1_data"].replace("span=(1, 1)", "")


@pytest.mark.slow
def test_training_stops_and_resumes(said):
    out, texts = said
    model = N2VStem(None, "model", basedir=out)
    assert model.trained
    assert model.record["runs"][-1]["finished"]
    assert len(model.record["runs"]) == 1
    assert len(model.history().epoch) == 2
    assert not (model.logdir / "checkpoint").exists()
    assert "Stopped after 1 epoch" in texts["2_training"]
    assert "Resuming 'model'" in texts["2_training"]


@pytest.mark.slow
def test_prediction(said):
    out, texts = said
    noisy, denoised = (read_movie(out / f"{name}.ome.tif") for name in ("noisy", "denoised"))
    assert denoised.shape == noisy.shape
    assert denoised.pixel_size_nm == noisy.pixel_size_nm
    model = N2VStem(None, "model", basedir=out)
    assert denoised.provenance["model_fingerprint"] == model.fingerprint
    np.testing.assert_allclose(
        denoised.to_array(), model.predict(noisy), rtol=0, atol=1e-4 * noisy.to_array().std()
    )
    for name in ("ADF", "BF"):
        assert (out / f"3_residual_{name}.png").exists()
        line = rf"{name} PSNR: noisy (9|10)\.\d dB, Gaussian [\d.]+ dB, TV .*, Noise2Void [\d.]+ dB"
        assert re.search(line, texts["3_prediction"])


@pytest.mark.slow
def test_atoms(said):
    out, texts = said
    table = pd.read_csv(out / "atoms.csv")
    assert {"frame", "y", "x", "ep", "detector", "snr_ADF", "snr_BF"} <= set(table.columns)
    assert table["frame"].between(0, N_FRAMES - 1).all()
    assert "precision" in texts["4_atoms"]
    thresholds = json.loads((out / "model" / "thresholds.json").read_text(encoding="utf-8"))
    assert thresholds["ADF"]["atoms"]["false_alarms_per_Mpx"] <= 1000


@pytest.mark.slow
def test_tracks(said):
    pytest.importorskip("trackpy")
    out, _ = said
    tracks = pd.read_csv(out / "tracks.csv")
    assert len(tracks) == len(pd.read_csv(out / "atoms.csv"))
    assert tracks.groupby(["frame", "particle"]).size().max() == 1


@pytest.mark.slow
def test_live(said):
    out, texts = said
    student = N2VStem(None, "model-live", basedir=out)
    teacher = N2VStem(None, "model", basedir=out)
    taught_by = student.record["runs"][-1]["teacher"]
    assert (taught_by["name"], taught_by["fingerprint"]) == ("model", teacher.fingerprint)
    live = read_movie(out / "live.ome.tif")
    line = next(line for line in texts["5_live"].splitlines() if "frames a second came:" in line)
    n_used, n_dropped = map(int, re.search(r"came: (\d+) frames, (\d+) dropped", line).groups())
    assert n_used + n_dropped == N_FRAMES
    assert live.n_frames == n_used


def test_your_own_file_needs_no_truth(quick, tmp_path):
    """One detector that no name is known of, separate images: the first movie is taken."""
    frames = np.random.default_rng(0).normal(100, 10, (2, 3, 48, 40)).astype(np.float32)
    write_movie(tmp_path / "own.ome.tif", Movie.from_array(frames, "STYX", pixel_size_nm=0.02))
    run_example("1_data", tmp_path / "own.ome.tif", "--out", tmp_path / "out")
    movie = read_movie(tmp_path / "out" / "noisy.ome.tif")
    assert (movie.shape, movie.detectors) == ((3, 48, 40, 1), ("C0",))
    assert movie.pixel_size_nm == pytest.approx(0.02)
    np.testing.assert_array_equal(movie.to_array()[..., 0], frames[0])
    assert not (tmp_path / "out" / "truth.csv").exists()


@pytest.mark.slow
def test_a_file_of_yours_goes_through_a_ready_made_model(quick, tmp_path, capsys):
    rng = np.random.default_rng(0)
    frames = rng.normal(100, 10, (2, 64, 64, 2)).astype(np.float32)
    known = {"detectors": ("ADF", "BF"), "pixel_size_nm": 0.046}
    write_movie(tmp_path / "own.ome.tif", Movie.from_array(frames, "TYXC", **known))
    own, out = tmp_path / "own.ome.tif", tmp_path / "out"
    run_example("3_prediction", own, "--model", "graphene-au", "--out", out)
    denoised = read_movie(tmp_path / "out" / "denoised.ome.tif")
    assert denoised.provenance["model"] == "graphene-au"
    assert denoised.to_array().std() < 0.5 * frames.std()
    assert "PSNR" not in capsys.readouterr().out  # nobody knows the truth


@pytest.mark.slow
def test_trust(said):
    out, texts = said
    text = texts["6_trust"]
    assert "Warning: " in text  # of the pixel size
    assert "pixel" in text.split("Warning: ")[1]
    assert re.search(r"ADF: taken away [\d.]+ sigma\^2, correlation of neighbours [+-]", text)
    assert re.search(r"(pass|FAIL)  waves in pure noise, BF: ", text)
    assert "deviations in 8 frames" in text
    assert "Artefact tests" in (out / "6_check.html").read_text(encoding="utf-8")
    assert (out / "6_deviations.csv").exists()


@pytest.mark.slow
def test_an_earlier_run_is_not_overwritten(said):
    out, _ = said
    with pytest.raises(FileExistsError, match="holds an earlier run"):
        run_example("1_data", "--tiny", "--out", out)
