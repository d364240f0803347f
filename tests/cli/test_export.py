"""n2v-stem export: a package of bioimage.io from the command line."""

import json

import numpy as np
import pytest
import yaml
from packages import contents, converted, movie_with_lattice

from n2v_stem_keras import N2VStem
from n2v_stem_keras.cli import main
from n2v_stem_keras.cli.export import parse_author
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.prediction import convert as conversion

pytest.importorskip("tf2onnx")


@pytest.fixture(scope="module")
def movie():
    return movie_with_lattice()


@pytest.fixture(scope="module")
def tiny(plain_config):
    """A model that passes for a trained one."""
    made = N2VStem(plain_config, "tiny.model", basedir=None)
    made.trained = True
    return made


@pytest.fixture
def converted_once(tiny, monkeypatch):
    """Spare the seconds that each conversion takes, where another's graph will do."""
    monkeypatch.setattr(conversion, "convert", lambda *_, single: converted(tiny))


def test_on_the_command_line(converted_once, tiny, movie, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = N2VStem(tiny.config, "tiny", tmp_path)
    model_folder.save_weights(made.keras_model, made.logdir / "weights_best.weights.h5")
    np.save("movie.npy", movie)
    command = ["export", "tiny", "--format", "bioimageio"]
    assert main(command) == 2
    assert "no authors given" in capsys.readouterr().err
    command += ["--author", "Jane Doe; affiliation=Somewhere", "--author", "Ada Lovelace",
                "--license", "CC-BY-4.0", "--title", "Gold on graphene", "--test-movie",
                "movie.npy", "--axes", "TYXC", "--pixel-size", "30pm"]  # fmt: skip
    command += ["--detectors", "ADF,BF"]
    assert main(command) == 0
    assert "Wrote tiny.zip" in capsys.readouterr().out
    described = yaml.safe_load(contents("tiny.zip")["rdf.yaml"])
    assert described["name"] == "Gold on graphene"
    assert described["authors"] == [
        {"name": "Jane Doe", "affiliation": "Somewhere"},
        {"name": "Ada Lovelace"},
    ]
    assert described["inputs"][0]["axes"][1]["scale"] == pytest.approx(0.03)
    assert main(command) == 3
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--out", "tiny.zip", "--quiet"]) == 0
    assert main(["export", "tiny", "--author", "Jane Doe"]) == 2
    assert "--author is for --format bioimageio" in capsys.readouterr().err
    assert main([*command, "--author", "Jane; Somewhere", "--overwrite"]) == 2
    assert "expected 'NAME; KEY=VALUE; ...'" in capsys.readouterr().err
    assert main(["export"]) == 2
    assert "which model?" in capsys.readouterr().err


def test_authors_on_the_command_line():
    assert parse_author("Jane Doe;") == {"name": "Jane Doe"}
    assert json.dumps(parse_author("A; orcid=1; email=a=b")) == (
        '{"name": "A", "orcid": "1", "email": "a=b"}'
    )
