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
    assert capsys.readouterr().out.split() == pretrained.names()


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


def test_one_movie_is_shown_at_a_time(tmp_path, capsys):
    for name in ("a_ADF.npy", "b_ADF.npy"):
        np.save(tmp_path / name, np.zeros((2, 8, 8)))
    assert main(["info", "--pair", str(tmp_path / "{name}_{detector}.npy")]) == 2
    assert "2 movies named; info shows one at a time" in capsys.readouterr().err


def test_values_beyond_float32_are_refused(tmp_path, capsys):
    frames = 1e300 * np.random.default_rng(0).normal(size=(4, 32, 32))
    np.save(tmp_path / "a.npy", frames)
    assert main(["info", str(tmp_path / "a.npy"), "--axes", "TYX"]) == 3
    assert "frame 0, detector C0" in capsys.readouterr().err
