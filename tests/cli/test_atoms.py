"""``n2v-stem atoms`` and ``n2v-stem check``: movies in; tables, tracks, pictures, a page out."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import N2VStem
from n2v_stem_keras.cli import check, main, options
from n2v_stem_keras.folder.folder import WEIGHTS_BEST, save_weights
from n2v_stem_keras.io import Movie, write_movie

PLACES = np.array([[20.3, 30.7], [50.0, 40.25], [70.6, 12.1], [30.2, 62.9]])


class Blur:
    """Stands in for a network."""

    def __init__(self, config):
        self.config = config

    def frames_per_call(self, shape):
        return 1

    def __call__(self, batch, n_tiles=None, tta=False, around=None):
        return gaussian_filter(batch[..., : self.config.n_channel_out], (0, 1.4, 1.4, 0))


@pytest.fixture
def model(tiny_config, tmp_path, monkeypatch):
    model = N2VStem(tiny_config, "blur", tmp_path / "models")
    model._denoiser, model.trained = Blur(model.config), True
    monkeypatch.setattr(options, "open_model", lambda name: model)
    return model


@pytest.fixture
def movie(tmp_path):
    """Four atoms that step by 0.5 px a frame, with a pixel size."""
    y, x = np.indices((96, 80))
    rng = np.random.default_rng(0)
    frames = []
    for t in range(4):
        adf = sum(12 * np.exp(-((y - a) ** 2 + (x - b - t / 2) ** 2) / 4) for a, b in PLACES)
        frames.append(np.stack([adf, 90 - adf], axis=-1) + 2 * rng.standard_normal((96, 80, 2)))
    path = tmp_path / "movie.ome.tif"
    described = Movie.from_array(
        np.array(frames, np.float32), "TYXC", detectors=("ADF", "BF"), pixel_size_nm=0.046
    )
    write_movie(path, described)
    return path


def run(*arguments):
    return main(["atoms", *map(str, arguments)])


def test_from_movie_to_table_tracks_and_pictures(model, movie, tmp_path, capsys):
    pytest.importorskip("trackpy")
    out = tmp_path / "out"
    options = ["--model", "m", "--out", out, "--calibrate", "--false-alarms", 300]
    assert run(movie, *options, "--track") == 0
    names = {"movie_atoms.csv", "movie_atoms.png", "movie_tracks.csv", "movie_tracks.png"}
    assert {p.name for p in out.iterdir()} == names
    table = pd.read_csv(out / "movie_atoms.csv")
    assert list(table.columns[:4]) == ["frame", "y", "x", "mass"]
    assert len(table) >= 16
    tracks = pd.read_csv(out / "movie_tracks.csv")
    long = tracks.groupby("particle").filter(lambda track: len(track) == 4)
    assert long["particle"].nunique() == 4
    steps = long.sort_values("frame").groupby("particle")["x"].diff().dropna()
    assert steps.mean() == pytest.approx(0.5, abs=0.1)
    printed = capsys.readouterr().out
    assert "raw noise sigma" in printed
    assert "frames long (median)" in printed
    assert json.loads((model.logdir / "thresholds.json").read_text())["ADF"]["atoms"]


def test_tables_alone_and_one_detector(model, movie, tmp_path):
    assert run(movie, "--model", "m", "--out", tmp_path / "o", "--height", 1.5, "--look-in", "BF",
               "--no-picture", "--quiet") == 0  # fmt: skip
    assert [p.name for p in (tmp_path / "o").iterdir()] == ["movie_atoms.csv"]
    assert set(pd.read_csv(tmp_path / "o" / "movie_atoms.csv")["detector"]) == {"BF"}


def test_frames_of_a_part_keep_their_numbers(model, movie, tmp_path, capsys):
    pytest.importorskip("trackpy")
    command = [movie, "--model", "m", "--height", 1.5, "--no-picture", "--track", "--quiet"]
    assert run(*command, "--out", tmp_path / "part", "--frames", "2:4") == 0
    for name in ("movie_atoms.csv", "movie_tracks.csv"):
        assert set(pd.read_csv(tmp_path / "part" / name)["frame"]) == {2, 3}


def test_nothing_is_overwritten_unless_asked(model, movie, tmp_path, capsys):
    options = [movie, "--model", "m", "--out", tmp_path / "o", "--height", 1.5, "--no-picture"]
    assert run(*options) == 0
    assert run(*options) == 3
    assert "use --overwrite" in capsys.readouterr().err
    assert run(*options, "--overwrite") == 0


def test_a_dry_run_writes_nothing(model, movie, tmp_path, capsys):
    save_weights(model.keras_model, model.logdir / WEIGHTS_BEST)
    assert run(movie, "--model", model.logdir, "--out", tmp_path / "o", "--dry-run") == 0
    assert not (tmp_path / "o").exists()
    assert "Would write" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "m", "--false-alarms", "5"], "--false-alarms is for --calibrate"),
        (["--model", "m", "--height", "2", "--calibrate"], "exclude each other"),
        ([], "--model FOLDER is missing"),
        (["--model", "m", "--calibrate", "--false-alarms", "0"], "--false-alarms is 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(model, movie, tmp_path, options, message, capsys):
    assert run(movie, "--out", tmp_path / "o", *options) == 2
    assert message in capsys.readouterr().err


def test_a_movie_that_cannot_be_read_does_not_stop_the_others(model, movie, tmp_path, capsys):
    out = tmp_path / "o"
    options = ["--model", "m", "--out", out, "--height", 1.5, "--no-picture", "--quiet"]
    assert run(tmp_path / "missing.tif", movie, *options) == 4
    assert "no such file" in capsys.readouterr().err
    assert [p.name for p in out.iterdir()] == ["movie_atoms.csv"]


def test_bad_criteria_leave_nothing_behind(model, movie, tmp_path, capsys):
    assert run(movie, "--model", "m", "--out", tmp_path / "o", "--height", "nan") == 2
    assert not (tmp_path / "o").exists()


def test_a_wrong_detector_is_named(model, movie, tmp_path, capsys):
    assert run(movie, "--model", "m", "--out", tmp_path, "--look-in", "HAADF") == 2
    assert "no detector 'HAADF'" in capsys.readouterr().err


# -- check ----------------------------------------------------------------------------------------
def test_check_writes_a_page_and_tells_by_its_exit_code(model, movie, tmp_path, capsys):
    model.thresholds = {
        "ADF": {"atoms": {"height_sigma": 3.0, "sign": 1, "min_distance_nm": 0.15,
                          "false_alarms_per_Mpx": 1.0},
                "domain": {"pixel_size_nm": [0.04, 0.05]}},
        "BF": {"atoms": {"height_sigma": 3.0, "sign": -1, "min_distance_nm": 0.15}},
    }  # fmt: skip
    out = tmp_path / "check"
    asked = ["check", "m", "--frames", "2", "--psnr", "30", "--lattice", "mos2"]
    code = main([*asked, "--pixel-size", "0.045", "--movie", str(movie), "--out", str(out)])
    printed = capsys.readouterr().out
    assert {p.name for p in out.iterdir()} == {"check.html", "check.json"}
    found = json.loads((out / "check.json").read_text())
    assert code == (0 if found["passed"] else check.FAILED)
    assert (found["pixel_size_nm"], found["lattice"]) == (0.045, "mos2")
    assert "atoms in pure noise" in printed
    verdicts = {a["question"]: a["passed"] for a in found["answers"]}
    assert any(question.startswith("column of Mo missing") for question in verdicts)
    assert verdicts["columns taken out of your movie"] is None  # four atoms are no lattice
    assert "not asked" in printed
    lattice = [a for a in found["answers"] if "lattice in a hole" in a["question"]]
    assert len(lattice) == 4  # of two holes, in two detectors
    assert main(["check", "m", "--out", str(out)]) == 2
    assert "use --overwrite" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*")
def test_check_takes_frames_and_pixel_size_of_a_movie(model, movie, tmp_path, capsys):
    frames, size = check._frames_of(movie, ("BF", "ADF"))
    assert frames.shape == (4, 96, 80, 2)
    assert frames[..., 0].mean() > frames[..., 1].mean()  # BF first
    assert size == 0.046
    bare = tmp_path / "bare.npy"
    np.save(bare, frames)
    assert main(["check", "m", "--movie", str(bare), "--out", str(tmp_path / "c")]) == 2
    assert "says no pixel size; say it as --pixel-size" in capsys.readouterr().err
    missing = str(tmp_path / "missing.tif")
    assert main(["check", "m", "--movie", missing, "--out", str(tmp_path / "c"), "--dry-run"]) == 4
    assert "missing.tif" in capsys.readouterr().err


def test_check_takes_the_middle_of_the_pixel_sizes_of_a_model(model):
    model.thresholds = {"ADF": {"domain": {"pixel_size_nm": [0.04, 0.05]}}, "BF": {}}
    assert check.pixel_size_of(model) == pytest.approx((0.04 * 0.05) ** 0.5)


def test_check_as_json_and_bad_options(model, tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        main(["check", "m", "--frames", "2", "--json", "--quiet", "--out", str(tmp_path / "c")])
    printed = capsys.readouterr()
    assert json.loads(printed.out)["model"] == "blur"
    assert "no threshold for atoms in ADF, BF" in printed.err
    assert main(["check", "m", "--frames", "1", "--out", str(tmp_path / "d")]) == 2
    assert main(["check", "--out", str(tmp_path / "d")]) == 2
    assert main(["check", "m", "--dry-run", "--out", str(tmp_path / "d")]) == 0
    assert not (tmp_path / "d").exists()
