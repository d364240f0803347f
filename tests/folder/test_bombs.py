"""Folders are refused by sizes, links and missing weights, before anything large is made."""

import itertools
import shutil

import h5py
import numpy as np
import pytest

from n2v_stem_keras import N2VStem, N2VStemConfig
from n2v_stem_keras.cli import main
from n2v_stem_keras.config import MAX_PARAMETERS, ConfigError
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.folder.folder import CONFIG, WEIGHTS_BEST, FolderError, own_folder
from n2v_stem_keras.folder.record import read_record
from n2v_stem_keras.network.unet import build_network


@pytest.fixture
def folder(exported_model, tmp_path):
    shutil.copytree(exported_model[0] / "m", tmp_path / "m")
    return tmp_path / "m"


VARIANTS = [
    dict(zip(("unet_block", "unet_bottleneck", "unet_n_depth", "unet_n_first"), values))
    for values in itertools.product(
        ("plain", "separable", "aspp"), ("plain", "aspp"), (1, 3), (1, 24)
    )
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_bounds_of_parameters_hold(changes):
    config = N2VStemConfig(unet_lattice="none", n2v_patch_shape=(64, 64), **changes)
    n = build_network(config).count_params()
    assert config.least_parameters <= n <= config.most_parameters
    if changes["unet_n_first"] > 1:  # near enough that what passes fits into the memory
        assert n < 40 * config.least_parameters


def test_a_network_larger_than_its_weights_is_not_built(folder, monkeypatch):
    config = model_folder.read_config(folder).replace(unet_n_first=128, unet_n_depth=4)
    model_folder.write_config(folder, config)
    monkeypatch.setattr("n2v_stem_keras.model.build_network", pytest.fail)
    with pytest.raises(FolderError, match=r"has room for \d+ numbers, expected at least 37748736"):
        N2VStem(None, "m", folder.parent)


def test_networks_beyond_all_memory_are_refused():
    with pytest.raises(ConfigError, match=f"parameters, expected at most {MAX_PARAMETERS}"):
        N2VStemConfig(unet_n_first=512, unet_n_depth=6).check()
    N2VStemConfig(unet_n_first=128, unet_n_depth=4).check()


@pytest.mark.parametrize("options", [{"chunks": True}, {"compression": "gzip"}, {"shuffle": True}])
def test_weights_are_plain_arrays(folder, options):
    with h5py.File(folder / WEIGHTS_BEST, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "dtype") else None)
        kernel = next(name for name in names if file[name].ndim == 4)
        value = file[kernel][()]
        del file[kernel]
        file.create_dataset(kernel, data=value, **options)
    with pytest.raises(FolderError, match="stored in chunks, compressed or not at all"):
        N2VStem(None, "m", folder.parent)


@pytest.mark.parametrize("place", ["logs", "logs/train", "checkpoint", "checkpoint/epoch-0001"])
def test_folders_in_a_folder_are_no_links(tmp_path, place):
    (tmp_path / "outside").mkdir()
    link = tmp_path / "m" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(FolderError, match=r"is a link; refused|leads out"):
        own_folder(tmp_path / "m", place.partition("/")[0])


def test_tensorboard_writes_into_no_linked_folder(tmp_path, plain_config, noisy_movie):
    pytest.importorskip("tensorboard")
    (tmp_path / "outside").mkdir()
    model = N2VStem(plain_config.replace(train_tensorboard=True), "m", tmp_path)
    (model.logdir / "logs").symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(FolderError, match="logs: is a link"):
        model.train(noisy_movie, verbose=False)
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("action", ["predict", "stream", "find_atoms"])
def test_a_folder_without_weights_predicts_nothing(tmp_path, plain_config, noisy_movie, action):
    model = N2VStem(plain_config, "m", tmp_path)
    call = getattr(model, action)
    with pytest.raises(FolderError, match="was never trained"):
        list(call(noisy_movie, height_sigma=3) if action == "find_atoms" else call(noisy_movie))
    # a network in memory is its owner's
    bare = N2VStem(plain_config, basedir=None)
    with pytest.warns(UserWarning, match="never trained"):
        assert bare.predict(noisy_movie).shape == noisy_movie.shape


def test_dry_runs_refuse_what_runs_refuse(tmp_path, plain_config, noisy_movie, capsys):
    movie = tmp_path / "m.npy"
    np.save(movie, noisy_movie)
    N2VStem(plain_config, "empty", tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    for command, said in {
        ("denoise", str(movie), "--model", str(tmp_path / "no")): "no such model folder",
        ("denoise", str(movie), "--model", str(tmp_path / "empty")): "was never trained",
        ("atoms", str(movie), "--model", str(tmp_path / "empty")): "was never trained",
        ("denoise", str(movie), "--model", "graphene-au", "--threads", "5000"): "at most 256",
        ("denoise", str(movie), "--model", "graphene-au", "--n-tiles", "a"): "--n-tiles a",
        ("atoms", str(movie), "--model", "graphene-au", "--look-in", "x"): "no detector 'x'",
        ("atoms", str(movie), "--model", "graphene-au", "--height", "inf"): "--height is inf",
        ("live", "--watch", str(tmp_path), "--out", "o", "--model", "no"): "no such model folder",
        ("train", str(movie), "--basedir", str(file), "--name", "x"): "is a file, expected",
        ("train", str(movie), "--basedir", str(tmp_path), "--name", "a/b"): "is a path",
        ("train", str(movie), "--transfer-from", str(tmp_path / "empty")): "never trained",
        ("train", str(movie), "--epochs", "0"): "--epochs 0",
    }.items():
        known = ["--axes", "TYXC", "--detectors", "ADF,BF", "--dry-run"]
        known += ["--set", "n2v_patch_shape=32,32"] if command[0] == "train" else []
        assert main([*command, *known]) in (2, 3, 4)
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "run",
    [
        {"movies": [{}]},
        {"movies": 3},
        {"movies": [{"name": 1}]},
        {"early_epochs": "x"},
        {"seed": [1]},
        {"noise_floor": "low"},
        {"best": 1},
        {"first_epoch": -1},
    ],
)
def test_runs_of_odd_shapes_are_damaged(tmp_path, run):
    record = {"runs": [{"finished": True, **run}], "history": {}}
    model_folder.write_json(tmp_path / "training.json", {"format_version": 1, **record})
    with pytest.raises(FolderError, match=r"runs\[0\]"):
        read_record(tmp_path)


def test_distances_beyond_a_frame_are_its_sides():
    from n2v_stem_keras.atoms.find import Criterion, peak_heights

    with pytest.raises(ValueError, match="at most 1000"):
        Criterion(3.0, 1, 1e6)
    image = np.random.default_rng(0).normal(size=(40, 40))
    positions, _ = peak_heights(image, min_distance_nm=1000)
    assert len(positions) <= 1
    with pytest.raises(ValueError, match=r"an atom is about 4\.5e\+08 px wide"):
        peak_heights(image, pixel_size_nm=1e-9)


def test_the_configuration_comes_first(tmp_path):
    """A folder with weights alone is damaged, not empty."""
    (tmp_path / WEIGHTS_BEST).write_bytes(b"")
    with pytest.raises(FolderError, match=CONFIG):
        model_folder.read_config(tmp_path)
