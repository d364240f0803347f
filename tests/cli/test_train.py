"""n2v-stem train --dry-run: the plan and the time it takes, or why it would be refused."""

import re
import sys

import keras
import numpy as np
import pytest
import yaml

from n2v_stem_keras import Movie, N2VStem, N2VStemConfig, write_movie
from n2v_stem_keras.cli import main

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*npy holds no axes"),
    pytest.mark.filterwarnings("ignore:.*does not fit"),
]
COMMAND = ["train", "m.npy", "--axes", "TYXC", "--detectors", "ADF,BF", "--dry-run"]
COMMAND += ["--set", "unet_lattice=none", "--set", "n2v_patch_shape=32,32"]


@pytest.fixture
def here(noisy_movie, tmp_path, monkeypatch):
    """A folder with two movies, which is the working directory."""
    np.save(tmp_path / "m.npy", noisy_movie)
    np.save(tmp_path / "held.npy", noisy_movie[:6] + 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def config():
    """What the command asks for."""
    return N2VStemConfig.preset("laptop", unet_lattice="none", n2v_patch_shape=(32, 32))


def test_it_prints_the_plan_with_the_time_and_writes_nothing(here, capsys):
    assert main(COMMAND) == 0
    said = capsys.readouterr().out
    assert "9 frames, 15 epochs of 100 steps, 1 crop of" in said  # the others are held out
    assert "parameters, detectors ADF, BF" in said
    assert "on this machine" in said
    assert sorted(path.name for path in here.iterdir()) == ["held.npy", "m.npy"]
    assert main([*COMMAND, "--epochs", "1", "--steps-per-epoch", "1"]) == 0
    assert "1 epoch of 1 step, 1 crop of" in capsys.readouterr().out


def test_it_looks_at_the_frames_around_where_there_are_enough(here, noisy_movie, capsys):
    assert main(COMMAND) == 0  # of twelve frames
    assert "frames before and after each seen" in capsys.readouterr().out
    np.save("few.npy", noisy_movie[:9])
    few = ["train", "few.npy", *COMMAND[2:]]
    assert main(few) == 0
    assert "frames before and after" not in capsys.readouterr().out
    assert main([*few, "--set", "unet_context=true"]) == 0
    assert "up to 8 frames before and after each seen" in capsys.readouterr().out
    assert main([*COMMAND, "--set", "unet_context=false"]) == 0
    assert "frames before and after" not in capsys.readouterr().out
    # the longest of several movies counts
    assert main(["train", "few.npy", *COMMAND[1:]]) == 0
    assert "frames before and after each seen" in capsys.readouterr().out


def test_validation_movies_are_planned_with(here, capsys):
    assert main([*COMMAND, "--validation", "held.npy"]) == 0
    assert "12 frames, 15 epochs of 100 steps" in capsys.readouterr().out


def test_it_says_where_an_unfinished_training_would_go_on(here, config, noisy_movie, capsys):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    model = N2VStem(config, "m", "models")
    model.callbacks.append(Stop())
    with pytest.raises(KeyboardInterrupt):
        model.train(noisy_movie, epochs=2, steps_per_epoch=3, verbose=False)
    assert main(COMMAND) == 0
    said = capsys.readouterr().out
    assert "2 epochs of 3 steps" in said  # the unfinished training's, not the preset's
    assert "It would go on after 1 of 2 epochs" in said
    assert main([*COMMAND, "--no-resume"]) == 0
    said = capsys.readouterr().out
    assert "15 epochs of 100 steps" in said
    assert "It would go on" not in said
    assert main([*COMMAND, "--steps-per-epoch", "4"]) == 3
    assert "has 3 steps per epoch, not 4" in capsys.readouterr().err


def test_a_folder_of_another_configuration_is_refused_as_in_training(here, config, capsys):
    N2VStem(config.replace(unet_n_first=8), "m", "models")
    assert main(COMMAND) == 3
    assert "another configuration (unet_n_first: 8 -> 16)" in capsys.readouterr().err
    assert main([*COMMAND, "--overwrite"]) == 0


@pytest.mark.filterwarnings("always:.*px of each detector")
def test_only_a_network_that_has_learnt_nothing_is_said_to_need_more_pixels(
    here, config, monkeypatch, capsys
):
    monkeypatch.setattr("n2v_stem_keras.training.data.FEW_PIXELS", 10**9)
    assert main(COMMAND) == 0
    assert "px of each detector" in capsys.readouterr().err
    model = N2VStem(config, "m", "models")
    model.keras_model.save_weights(model.logdir / "weights_best.weights.h5")
    assert main(COMMAND) == 0
    assert capsys.readouterr().err == ""


def test_a_part_and_some_detectors_are_trained_on(here, capsys):
    command = [*COMMAND, "--frames", "2:10", "--validation", "held.npy"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "frames 2 to 9" in said
    assert "8 frames, 15 epochs" in said  # and those to validate on are whole
    movie = Movie.from_array(np.load("m.npy"), detectors=("ADF", "BF"))
    write_movie("m.ome.tif", movie)
    assert main(["train", "m.ome.tif", *COMMAND[6:], "--detectors", "BF"]) == 0
    said = capsys.readouterr().out
    assert "without ADF" in said
    assert "detectors BF" in said
    assert main(["train", "m.ome.tif", *COMMAND[6:], "--detectors", "HAADF"]) == 3
    assert "no detector 'HAADF'; it has ADF, BF" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*")
def test_a_training_that_is_refused_leaves_the_options_of_the_one_before(here, capsys):
    command = [w for w in COMMAND if w != "--dry-run"]
    command += ["--name", "m", "--set", "unet_n_first=2", "--set", "unet_context=false", "--quiet"]
    assert main([*command, "--epochs", "1", "--steps-per-epoch", "2"]) == 0
    run = here / "models" / "m" / "run.yaml"
    before = run.read_text()
    assert "steps_per_epoch: 2" in before
    command.append("--continue")
    assert main([*command, "--validation", "missing.npy", "--steps-per-epoch", "3"]) != 0
    assert main([*command, "--transfer-from", "nowhere", "--steps-per-epoch", "4"]) != 0
    assert run.read_text() == before


LIVE = ["train", "m.npy", "--axes", "TYXC", "--detectors", "ADF,BF", "--set", "unet_lattice=none"]
LIVE += ["--set", "n2v_patch_shape=32,32", "--set", "unet_n_first=2", "--name", "m", "--quiet"]
LIVE += ["--set", "unet_context=false", "--epochs", "1", "--steps-per-epoch", "2"]


@pytest.mark.filterwarnings("always:.*(px of each detector|holds no axes)")
def test_each_warning_is_said_in_full_once(here, monkeypatch, capsys):
    monkeypatch.setattr("n2v_stem_keras.training.data.FEW_PIXELS", 10**9)
    few, advice = "below about 1,000,000,000 px", "Use more frames"
    assert main([*LIVE, "--dry-run"]) == 0  # nothing follows them: at the end alone
    said = capsys.readouterr().err
    assert said.count("Warning: ") == said.count(few) == said.count(advice) == 1
    assert main(LIVE) == 0  # an hour may follow: at once, and a word at the end
    *_, warning, summary = capsys.readouterr().err.splitlines()
    assert warning.startswith("Warning: training on")
    assert few in warning
    assert advice in warning
    assert summary.startswith("1 warning, see above: training on")
    assert few in summary
    assert advice not in summary


@pytest.mark.filterwarnings("ignore:.*")
def test_a_finished_model_is_trained_on_only_where_that_is_said(here, capsys):
    assert main([*LIVE, "--continue"]) == 3
    assert "no model was trained there" in capsys.readouterr().err
    assert not (here / "models").exists()
    assert main(LIVE) == 0
    weights = here / "models" / "m" / "weights_last.weights.h5"
    before = weights.read_bytes()
    assert main(LIVE) == 3
    said = capsys.readouterr().err
    assert "is finished (1 epoch). Say --continue" in said
    assert "another --name" in said
    assert main([*LIVE, "--dry-run"]) == 3
    assert main([*LIVE, "--continue", "--overwrite"]) == 2
    assert weights.read_bytes() == before

    # and then card and run.yaml say so
    assert main([*LIVE, "--continue", "--seed", "7"]) == 3  # another configuration
    assert "train_seed: 0 -> 7" in capsys.readouterr().err
    more = ["--continue", "--epochs", "2"]
    assert main(["train", "held.npy", *LIVE[2:], *more]) == 0
    card = (here / "models" / "m" / "README.md").read_text()
    assert "2 runs, 3 epochs together; each went on from the weights of the one before" in card
    assert "1. 1 epoch of 2 steps" in card
    assert "2. 2 epochs of 2 steps" in card
    assert "| m | 12 | 64 x 48 |" in card
    assert "| held | 6 | 64 x 48 |" in card
    run = (here / "models" / "m" / "run.yaml").read_text()
    assert yaml.safe_load(run)["continue"] is True
    assert yaml.safe_load(run)["epochs"] == 2
    assert yaml.safe_load(run)["movies"] == ["held.npy"]
    assert "# This training went on from the weights of one with these options:\n# movies:" in run
    assert "# epochs: 1" in run
    assert main(["info", "models/m"]) == 0
    said = capsys.readouterr().out
    assert "2, each from the weights of the one before" in said
    assert re.search(r"trained on +m, held", said)


@pytest.mark.filterwarnings("ignore:.*")
@pytest.mark.parametrize(
    "wrong",
    [
        ["--transfer-from", "other"],  # whose network differs
        ["--detectors", "ADF"],
        ["--set", "train_tensorboard=true"],
        ["--validation", "nan.npy"],
    ],
)
def test_what_is_refused_leaves_no_trace(here, config, wrong, noisy_movie, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    other = N2VStem(config.replace(unet_n_first=4), "other", here)
    other.keras_model.save_weights(other.logdir / "weights_best.weights.h5")
    bad = noisy_movie.copy()
    bad[3, 5, 5] = np.nan
    np.save("nan.npy", bad)
    before = sorted(here.iterdir())
    assert main([*LIVE, *wrong]) == 3
    assert sorted(here.iterdir()) == before
    # nor is a model removed that was to be replaced
    assert main(LIVE) == 0
    files = {path: path.read_bytes() for path in sorted((here / "models" / "m").iterdir())}
    assert main([*LIVE, *wrong, "--overwrite"]) == 3
    assert {p: p.read_bytes() for p in sorted((here / "models" / "m").iterdir())} == files


@pytest.mark.filterwarnings("ignore:.*")
def test_a_start_brings_its_network(here, capsys):
    start = ["--transfer-from", "graphene-au", "--dry-run"]
    command = ["train", "m.npy", "--axes", "TYXC", "--detectors", "ADF,BF", *start]
    assert main([*command, "--set", "unet_n_first=4"]) == 3
    assert "its network differs" in capsys.readouterr().err
    assert main([*command, "--set", "n2v_patch_shape=256,256"]) == 0
