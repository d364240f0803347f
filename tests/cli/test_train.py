"""n2v-stem train --dry-run: the plan and the time it takes, or why it would be refused."""

import keras
import numpy as np
import pytest

from n2v_stem_keras import N2VStem, N2VStemConfig
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


@pytest.mark.filterwarnings("ignore:.*")
def test_a_training_that_is_refused_leaves_the_options_of_the_one_before(here, capsys):
    command = [w for w in COMMAND if w != "--dry-run"]
    command += ["--name", "m", "--set", "unet_n_first=2", "--set", "unet_context=false", "--quiet"]
    assert main([*command, "--epochs", "1", "--steps-per-epoch", "2"]) == 0
    run = here / "models" / "m" / "run.yaml"
    before = run.read_text()
    assert "steps_per_epoch: 2" in before
    assert main([*command, "--validation", "missing.npy", "--steps-per-epoch", "3"]) != 0
    assert main([*command, "--transfer-from", "nowhere", "--steps-per-epoch", "4"]) != 0
    assert run.read_text() == before
