"""n2v-stem info: what a folder or a movie holds, in words and as JSON."""

import json
import re

import numpy as np
import pytest

from n2v_stem_keras import Movie, write_movie
from n2v_stem_keras.cli import main
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.folder import pretrained
from n2v_stem_keras.folder.record import write_record
from n2v_stem_keras.folder.thresholds import write_thresholds


@pytest.fixture
def folder(tmp_path, tiny_config):
    path = tmp_path / "m"
    model_folder.create(path, tiny_config)
    return path


def facts(capsys, *words):
    assert main(["info", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_without_a_path_the_ready_made_models_are_listed(capsys):
    assert facts(capsys) == pretrained.names()
    assert main(["info"]) == 0
    *lines, _, use = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == pretrained.names()
    assert all("nm/px" in line for line in lines)  # what each is for
    assert use == f"Use one: n2v-stem denoise MOVIE --model {pretrained.names()[0]}"


def test_a_model_that_was_never_trained_says_so(folder, tiny_config, capsys):
    found = facts(capsys, folder)
    assert found["state"] == "never trained"
    assert found["detectors"] == list(tiny_config.channels)
    assert main(["info", str(folder)]) == 0
    assert "ADF, BF" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("finished", "state"), [(True, "trained"), (False, "training not finished")]
)
def test_the_last_training_and_the_thresholds_are_told(folder, capsys, finished, state):
    movies = [{"name": f"movie {n}"} for n in range(7)]
    run = {"finished": finished, "movies": movies, "seed": 3, "noise_floor": 0.5}
    history = {"epoch": [0, 1, 2], "val_loss": [0.9, None, 0.7]}
    write_record(folder, {"runs": [run], "history": history})
    write_thresholds(folder, {"ADF": {"atoms": {"height_sigma": 4.1}}})
    found = facts(capsys, folder)
    assert (found["state"], found["epochs"], found["seed"]) == (state, 3, 3)
    assert found["trained on"] == ["movie 0", "movie 1", "movie 2", "and 4 more"]
    assert (found["best validation loss"], found["noise floor"]) == (0.7, 0.5)
    assert found["ADF atoms height_sigma"] == 4.1


def test_a_movie_is_what_its_file_says_and_its_noise_is_diagnosed(tmp_path, noisy_movie, capsys):
    movie = Movie.from_array(noisy_movie, "TYXC", detectors=("ADF", "BF"), pixel_size_nm=0.05)
    path = write_movie(tmp_path / "m.ome.tif", movie, provenance={"software": "ours"})
    found = facts(capsys, path)
    assert (found["frames"], found["separate movies"]) == (12, 1)
    assert (found["detectors"], found["pixel size [nm]"]) == (["ADF", "BF"], 0.05)
    assert found["made by: software"] == "ours"
    assert found["diagnosis"]
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^frame time \[s\] +unknown$", printed, re.M)
    assert re.search(r"^pixel size \[nm\] +0\.05$", printed, re.M)


def test_many_are_shown_one_after_the_other(tmp_path, noisy_movie, folder, capsys):
    for name in ("a_ADF.npy", "b_ADF.npy"):
        np.save(tmp_path / name, noisy_movie[:2, ..., 0])
    many = [str(tmp_path / "a_ADF.npy"), str(tmp_path / "b_ADF.npy"), "--axes", "TYX"]
    shown = facts(capsys, str(folder), *many)
    assert [one.get("movie", one.get("model")) for one in shown] == [str(folder), *many[:2]]
    assert shown[1]["diagnosis"]
    assert main(["info", *many]) == 0
    assert capsys.readouterr().out.count("frames ") >= 2
    pairs = facts(capsys, "--pair", str(tmp_path / "{name}_{detector}.npy"), "--axes", "TYX")
    assert [one["movie"] for one in pairs] == ["a", "b"]


def test_one_that_cannot_be_read_stops_nothing(tmp_path, noisy_movie, capsys):
    np.save(tmp_path / "a.npy", noisy_movie[:2, ..., 0])
    many = [str(tmp_path / "missing.npy"), str(tmp_path / "a.npy"), "graphen-au"]
    assert main(["info", *many, "--axes", "TYX"]) == 4
    said = capsys.readouterr()
    assert "missing.npy: no such file" in said.err
    assert "did you mean graphene-au" in said.err
    assert str(tmp_path / "a.npy") in said.out


def test_a_folder_of_movies_stands_for_them(tmp_path, noisy_movie, capsys):
    (tmp_path / "day").mkdir()
    np.save(tmp_path / "day" / "a.npy", noisy_movie[:2, ..., 0])
    assert facts(capsys, tmp_path / "day", "--axes", "TYX")["shape"] == [2, 64, 48]


def test_a_part_and_what_is_left_out_is_said(tmp_path, noisy_movie, capsys):
    movie = Movie.from_array(noisy_movie, "TYXC", detectors=("ADF", "BF"))
    path = write_movie(tmp_path / "m.ome.tif", movie)
    found = facts(capsys, path, "--frames", "2:5", "--detectors", "BF")
    assert found["shape"] == [3, 64, 48, 1]
    assert found["frames"] == "3, those from 2 to 4"
    assert (found["detectors"], found["left out"]) == (["BF"], ["ADF"])


def test_values_beyond_float32_are_refused(tmp_path, capsys):
    frames = 1e300 * np.random.default_rng(0).normal(size=(4, 32, 32))
    np.save(tmp_path / "a.npy", frames)
    assert main(["info", str(tmp_path / "a.npy"), "--axes", "TYX"]) == 3
    assert "frame 0, detector C0" in capsys.readouterr().err
