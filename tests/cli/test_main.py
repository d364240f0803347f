"""The command line: files in, files out, one sentence for what a user can mend."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from n2v_stem_keras.cli import main
from n2v_stem_keras.io import read_movie

pytestmark = pytest.mark.usefixtures("few_validation_pixels")
SMALL = [
    "--set", "unet_n_depth=1", "--set", "unet_n_first=2", "--set", "n2v_patch_shape=32,32",
    "--set", "unet_lattice=none", "--set", "train_batch_size=2", "--epochs", "1",
    "--steps-per-epoch", "2",
]  # fmt: skip


@pytest.fixture(scope="module")
def movie_file(tmp_path_factory, same_noisy_movie):
    """An ImageJ hyperstack of two detectors, as Fiji writes it."""
    path = tmp_path_factory.mktemp("movie") / "movie.tif"
    tifffile.imwrite(
        path,
        same_noisy_movie[:6].transpose(0, 3, 1, 2),
        imagej=True,
        resolution=(1 / 0.046, 1 / 0.046),
        metadata={"axes": "TCYX", "unit": "nm", "finterval": 0.5},
    )
    return path


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory, movie_file, few_validation_pixels):
    basedir = tmp_path_factory.mktemp("models")
    code = main(
        ["train", str(movie_file), "--basedir", str(basedir), "--name", "m", "--detectors",
         "ADF,BF", *SMALL, "--quiet"]
    )  # fmt: skip
    assert code == 0
    return basedir / "m"


def test_train_then_denoise(movie_file, model_folder, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["denoise", str(movie_file), "--model", str(model_folder), "--out", str(out),
               "--detectors", "ADF,BF", "--residual"]  # fmt: skip
    assert main(command) == 0
    names = {p.name for p in out.iterdir()}
    assert names == {"movie_denoised.ome.tif", "movie_residual.ome.tif", "movie_denoised.png"}
    denoised = read_movie(out / "movie_denoised.ome.tif")
    assert denoised.axes == "TCYX"
    assert denoised.detectors == ("ADF", "BF")
    assert denoised.pixel_size_nm == pytest.approx(0.046)
    assert denoised.frame_time_s == pytest.approx(0.5)
    assert denoised.dtype == np.float32
    raw, residual = read_movie(movie_file), read_movie(out / "movie_residual.ome.tif")
    np.testing.assert_allclose(denoised.to_array() + residual.to_array(), raw.to_array(), rtol=1e-5)
    assert "Wrote" in capsys.readouterr().out

    before = (out / "movie_denoised.ome.tif").read_bytes()
    assert main(command) == 3
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "movie_denoised.ome.tif").read_bytes() == before
    assert main([*command, "--overwrite"]) == 0


@pytest.mark.filterwarnings("ignore:.*the file does not name its detectors")
@pytest.mark.filterwarnings("ignore:.*npy holds no axes")
@pytest.mark.filterwarnings("ignore:.*pixel size is not known")
def test_npy_in_and_out(model_folder, noisy_movie, tmp_path, capsys):
    np.save(tmp_path / "frames.npy", noisy_movie[:2])
    command = ["denoise", str(tmp_path / "frames.npy"), "--model", str(model_folder), "--axes",
               "TYXC", "--out", str(tmp_path), "--format", "npy", "--no-picture"]  # fmt: skip
    assert main(command) == 0
    denoised = np.load(tmp_path / "frames_denoised.npy")
    assert denoised.shape == (2, 64, 48, 2)
    assert denoised.dtype == np.float32


def test_the_options_used_are_in_the_folder_and_can_be_run_again(
    movie_file, model_folder, tmp_path, capsys
):
    run = model_folder / "run.yaml"
    text = run.read_text()
    assert "unet_n_depth: 1" in text
    # its movie has six frames
    assert not json.loads((model_folder / "config.json").read_text())["unet_context"]
    assert "detectors: ADF,BF" in text
    again = tmp_path / "again"
    assert main(["train", "--run", str(run), "--basedir", str(again), "--quiet"]) == 0
    first, second = ((p / "config.json").read_text() for p in (model_folder, again / "m"))
    assert first == second


@pytest.mark.filterwarnings("ignore:n2v_patch_shape .* does not fit")
def test_the_command_line_overrules_the_run_file(movie_file, tmp_path, capsys):
    run = tmp_path / "run.yaml"
    run.write_text(f"movies: {movie_file}\ndetectors: [ADF, BF]\nepochs: 7\nset: {{n2v_pitch: 9}}")
    assert main(["train", "--run", str(run), "--dry-run", "--basedir", str(tmp_path)]) == 0
    assert "7 epochs" in capsys.readouterr().out
    assert main(
        ["train", "--run", str(run), "--dry-run", "--epochs", "3", "--basedir", str(tmp_path)]
    ) == 0  # fmt: skip
    assert "3 epochs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "unknown option 'epoch'; did you mean 'epochs'?"),
        ("quiet: maybe", "quiet: found 'maybe', expected true or false"),
        ("- 3", "found list, expected"),
        ("a: [", "not valid YAML"),
        ("!!python/object/apply:os.system ['echo hacked']", "not valid YAML"),
    ],
)
def test_bad_run_files_are_explained(tmp_path, capsys, text, message):
    run = tmp_path / "run.yaml"
    run.write_text(text)
    assert main(["train", "--run", str(run)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:n2v_patch_shape .* does not fit")
def test_dry_run_writes_nothing(movie_file, tmp_path, capsys):
    before = set(tmp_path.rglob("*"))
    assert main(["train", str(movie_file), "--dry-run", "--basedir", str(tmp_path / "x")]) == 0
    out = capsys.readouterr().out
    assert "Would train" in out
    assert "0.046 nm/px" in out
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train"], 2, "no movie given"),
        (["train", "missing.tif"], 4, "missing.tif"),
        (["denoise", "x.tif"], 2, "--model FOLDER is missing"),
        (["denoise", "x.tif", "--model", "nowhere"], 4, "no such model folder"),
        (["denoise", "a/x.tif", "b/x.tif", "--model", "m"], 2, "two movies"),
        (["info", "nowhere"], 4, "nowhere"),
        (["denoise", __file__, "--model", __file__], 3, "is a file, expected the folder"),
        (["info", "graphen-au"], 4, "did you mean graphene-au"),
        (["atoms", "x.tif", "--model", "graphene-au"], 4, "x.tif: no such file"),
        (["denoise", "x.tif", "--model", "graphene-au"], 4, "x.tif: no such file"),
    ],
)
def test_user_errors_are_one_sentence(arguments, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train movi.tif", "did you mean movie.tif?"),
        ("train movie.tif --detectors ADF,BF --validation movie.tiff", "did you mean movie.tif?"),
        ("train movie.tif --detectors ADF,BF --transfer-from mdoel", "did you mean model?"),
        ("denoise movie.tif --model mdoel", "did you mean model?"),
        ("denoise moovie.tif --model model", "did you mean movie.tif?"),
        ("atoms movie.tif --model graphene_au", "did you mean graphene-au?"),
        ("atoms Movies.tif --model model", "did you mean movie.tif?"),
        ("check haadf-genera", "did you mean haadf-general?"),
        ("export haadf-genera", "did you mean haadf-general?"),
        ("evaluate modl --reference 1", "did you mean model?"),
        ("info movie.tff", "did you mean movie.tif?"),
    ],
)
def test_a_slip_of_the_pen_is_answered_before_tensorflow_starts(
    arguments, message, movie_file, model_folder, tmp_path
):
    """A process of its own: what it imports is what a user waits for."""
    (tmp_path / "movie.tif").symlink_to(movie_file)
    (tmp_path / "model").symlink_to(model_folder)
    code = (
        "import sys; from n2v_stem_keras.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(99 if 'tensorflow' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert message in done.stderr
    assert done.returncode == 4


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("denoise m.tif --model graphene-au --n-tiles a", "--n-tiles a: expected two whole"),
        ("denoise m.tif --model graphene-au --n-tiles 0,2", "--n-tiles 0,2: expected two whole"),
        ("denoise m.tif --model graphene-au --pixel-size abc", "--pixel-size: length 'abc' is not"),
        ("atoms m.tif --model graphene-au --search-range x", "--search-range: length 'x' is not"),
        ("atoms m.tif --model graphene-au --frame-time x", "--frame-time: time 'x' is not"),
        ("info m.tif --voltage x", "--voltage: "),
        ("info m.tif --axes XQ", "--axes XQ: expected letters of STCYX"),
        ("info m.tif --frames 5", "--frames 5: expected FIRST:END"),
        ("train m.tif --epochs 0", "--epochs 0: expected a whole number of at least 1"),
        ("train m.tif --steps-per-epoch -1", "--steps-per-epoch -1: expected a whole number"),
        ("simulate out --pixel-size abc", "--pixel-size: length 'abc' is not"),
    ],
)
def test_values_that_make_no_sense_are_wrong_options(
    movie_file, command, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tif").symlink_to(movie_file)
    assert main(command.split()) == 2
    assert message in capsys.readouterr().err


def test_unknown_settings_and_presets_suggest_the_nearest(movie_file, capsys):
    assert main(["train", str(movie_file), "--set", "n2v_pich=6"]) == 2
    assert "did you mean 'n2v_pitch'" in capsys.readouterr().err
    assert main(["train", str(movie_file), "--preset", "laptp"]) == 2
    assert "did you mean 'laptop'" in capsys.readouterr().err


def test_info_on_models_and_movies(movie_file, model_folder, capsys):
    capsys.readouterr()
    assert main(["info", str(model_folder), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["state"] == "trained"
    assert facts["detectors"] == ["ADF", "BF"]
    assert main(["info", "graphene-au", "--json"]) == 0
    trained_on = json.loads(capsys.readouterr().out)["trained on"]
    assert len(trained_on) == 4
    assert trained_on[-1] == "and 33 more"
    assert main(["info", str(movie_file), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["shape"] == [6, 2, 64, 48]
    assert facts["pixel size [nm]"] == pytest.approx(0.046)
    assert main(["info"]) == 0


def test_one_bad_file_does_not_stop_the_others(movie_file, model_folder, tmp_path, capsys):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(movie_file.read_bytes()[:3000])
    out = tmp_path / "out"
    code = main(["denoise", str(bad), str(movie_file), "--model", str(model_folder), "--out",
                 str(out), "--detectors", "ADF,BF", "--no-picture"])  # fmt: skip
    assert code == 3
    assert "bad.tif" in capsys.readouterr().err
    assert [p.name for p in out.iterdir()] == ["movie_denoised.ome.tif"]
