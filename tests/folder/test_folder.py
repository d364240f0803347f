"""The model folder: created and erased with care, and read as if a stranger had packed it."""

import json
import math
import os
import pickle
import time
import warnings

import h5py
import numpy as np
import pytest

from n2v_stem_keras import N2VStem
from n2v_stem_keras.atomic import write_json
from n2v_stem_keras.config import FORMAT_VERSION, ConfigError
from n2v_stem_keras.folder import folder
from n2v_stem_keras.folder.folder import FolderError
from n2v_stem_keras.folder.record import empty_record, read_record, write_record
from n2v_stem_keras.folder.thresholds import read_thresholds, write_thresholds
from n2v_stem_keras.training.checkpoint import RunState, save_checkpoint

BEST = folder.WEIGHTS_BEST


@pytest.fixture
def config(untrained_config):
    return untrained_config.replace(unet_n_depth=1, unet_n_first=2)


@pytest.fixture
def model_folder(tmp_path, config):
    """A folder with a configuration."""
    path = tmp_path / "models" / "gold"
    folder.create(path, config)
    return path


@pytest.fixture
def network(config):
    from n2v_stem_keras.network.unet import build_network

    return build_network(config)


@pytest.fixture
def trained_folder(model_folder, network):
    """A folder with weights that differ from those of `network`, as after a training."""
    mine = network.get_weights()
    network.set_weights([w + 1 for w in mine])
    folder.save_weights(network, model_folder / BEST)
    network.set_weights(mine)
    return model_folder


def names(path):
    return sorted(p.name for p in path.iterdir())


# Creating and erasing


def test_a_folder_is_created_with_its_configuration(tmp_path, config):
    path = tmp_path / "a" / "b"
    folder.create(path, config)
    assert names(path) == ["config.json"]
    assert folder.read_config(path) == config


def test_an_equal_configuration_opens_the_folder_as_it_is(trained_folder, config):
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in trained_folder.iterdir()}
    folder.create(trained_folder, config.replace())
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in trained_folder.iterdir()} == (
        before
    )


def test_another_configuration_is_refused_with_both_values(model_folder, config):
    before = (model_folder / "config.json").read_bytes()
    other = config.replace(n2v_pitch=12, channels=("HAADF",))
    with pytest.raises(FolderError) as error:
        folder.create(model_folder, other)
    said = str(error.value)
    assert "channels: ['ADF', 'BF'] -> ['HAADF']" in said
    assert "n2v_pitch: 6 -> 12" in said
    assert "unet_n_depth" not in said
    assert "overwrite=True" in said
    assert (model_folder / "config.json").read_bytes() == before


@pytest.mark.parametrize("name", [n for n in folder.OWN_FILES if n != "config.json"])
def test_model_files_without_a_configuration_are_not_adopted(tmp_path, config, name):
    (tmp_path / name).write_text("from somewhere else")
    with pytest.raises(FolderError, match="has model files but no config"):
        folder.create(tmp_path, config)
    assert names(tmp_path) == [name]


def test_a_folder_with_foreign_files_may_become_a_model_folder(tmp_path, config):
    (tmp_path / "notes.txt").write_text("mine")
    folder.create(tmp_path, config)
    assert names(tmp_path) == ["config.json", "notes.txt"]


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path, config):
    (tmp_path / "gold").write_text("mine")
    with pytest.raises(FolderError, match="gold"):
        folder.create(tmp_path / "gold", config)
    assert (tmp_path / "gold").read_text() == "mine"


def test_erasing_leaves_foreign_files(model_folder):
    for name in folder.OWN_FILES[1:]:
        (model_folder / name).write_text("ours")
    (model_folder / "checkpoint" / "epoch-0001").mkdir(parents=True)
    (model_folder / "notes.txt").write_text("mine")
    (model_folder / "raw").mkdir()
    (model_folder / "raw" / "movie.tif").write_text("mine")
    folder.erase(model_folder)
    assert names(model_folder) == ["notes.txt", "raw"]
    assert (model_folder / "raw" / "movie.tif").read_text() == "mine"


def test_erasing_what_is_no_model_folder_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FolderError, match=r"is not a model folder .* nothing was removed"):
        folder.erase(tmp_path)
    assert names(tmp_path) == ["README.md"]


@pytest.mark.parametrize("content", ['{"model_type": "bert"}', "[1]", "{}"])
def test_a_configuration_of_another_program_does_not_make_a_folder_ours(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FolderError, match=r"is not a model folder .* nothing was removed"):
        folder.erase(tmp_path)
    assert names(tmp_path) == ["README.md", "config.json"]


def test_a_damaged_model_can_be_erased(trained_folder):
    """`overwrite=True` is the way out of a folder that cannot be opened any more."""
    stored = json.loads((trained_folder / "config.json").read_text())
    (trained_folder / "config.json").write_text(json.dumps({**stored, "n2v_pitch": "lots"}))
    folder.erase(trained_folder)
    assert names(trained_folder) == []


def test_erasing_nothing_is_fine(tmp_path):
    folder.erase(tmp_path / "not there")
    folder.erase(tmp_path)
    assert names(tmp_path) == []


def test_a_checkpoint_that_is_a_link_is_never_followed(model_folder, tmp_path):
    """A checkpoint removes the one before it: through a link, folders of the user's."""
    precious = tmp_path / "home" / "thesis"
    precious.mkdir(parents=True)
    (precious / "chapter.tex").write_text("years of work")
    (model_folder / "checkpoint").symlink_to(tmp_path / "home")
    state = RunState(epoch=1, first_epoch=0, epochs=2, steps_per_epoch=1, fingerprints=[])
    with pytest.raises(FolderError, match="link"):
        save_checkpoint(model_folder, state, {"a": np.zeros(3)})
    folder.erase(model_folder)
    assert names(tmp_path / "home") == ["thesis"]
    assert (precious / "chapter.tex").read_text() == "years of work"
    assert names(model_folder) == []


# Which files are read


def test_files_are_found_in_the_folder_only(model_folder, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "models" / "gold2").mkdir()
    (tmp_path / "models" / "gold2" / "secret.json").write_text("{}")
    assert folder.own_file(model_folder, "config.json") == model_folder / "config.json"
    outside = [
        "../../secret.json",
        str(tmp_path / "secret.json"),
        "../gold2/secret.json",
        "..",
        ".",
    ]
    for name in outside:
        with pytest.raises(FolderError, match="leads out of the model folder"):
            folder.own_file(model_folder, name)


@pytest.mark.parametrize("name", ["config.json", "thresholds.json", "training.json", BEST])
def test_links_that_leave_the_folder_are_refused(trained_folder, network, tmp_path, name):
    write_thresholds(trained_folder, {})
    write_record(trained_folder, empty_record())
    outside = tmp_path / "outside"
    (trained_folder / name).rename(outside)
    (trained_folder / name).symlink_to(outside)
    readers = {
        "config.json": lambda: folder.read_config(trained_folder),
        "thresholds.json": lambda: read_thresholds(trained_folder, ("ADF", "BF")),
        "training.json": lambda: read_record(trained_folder),
        BEST: lambda: folder.load_weights(network, trained_folder, BEST),
    }
    with pytest.raises(FolderError, match="leads out of the model folder") as error:
        readers[name]()
    assert str(trained_folder / name) in str(error.value)
    assert str(outside) in str(error.value)


def test_links_within_the_folder_and_to_the_folder_are_fine(model_folder, config, tmp_path):
    (model_folder / "config.json").rename(model_folder / "real.json")
    (model_folder / "config.json").symlink_to("real.json")
    (tmp_path / "elsewhere").symlink_to(model_folder)
    assert folder.read_config(model_folder) == config
    assert folder.read_config(tmp_path / "elsewhere") == config


def test_what_is_no_file_is_said(model_folder):
    (model_folder / "folder.json").mkdir()
    os.mkfifo(model_folder / "pipe.json")
    (model_folder / "circle.json").symlink_to("circle.json")
    (model_folder / "nowhere.json").symlink_to("not there")
    for name, expected in [
        ("missing.json", "missing"),
        ("nowhere.json", "missing"),
        ("folder.json", "found a directory or device, expected a file"),
        ("pipe.json", "found a directory or device, expected a file"),
        ("circle.json", "circle|missing"),
    ]:
        with pytest.raises(FolderError, match=f"{name}: .*({expected})"):
            folder.read_json(model_folder, name)


def test_a_missing_folder_names_its_neighbours(model_folder, tmp_path):
    (tmp_path / "models" / "empty").mkdir()
    with pytest.raises(FolderError, match=r"silver: no such model folder; models in .*: gold$"):
        folder.read_config(model_folder.parent / "silver")
    with pytest.raises(FolderError, match=r"empty: not a model folder \(no config\.json\); models"):
        folder.read_config(model_folder.parent / "empty")
    with pytest.raises(FolderError, match=r"x: no such model folder$"):
        folder.read_config(tmp_path / "nowhere" / "x")


# JSON


def test_numbers_that_json_lacks_become_null(tmp_path):
    values = {"a": math.nan, "b": [math.inf, {"c": (-math.inf, 1.5)}], "d": "ü", "e": None}
    write_json(tmp_path / "x.json", values)
    assert folder.read_json(tmp_path, "x.json") == {
        "a": None,
        "b": [None, {"c": [None, 1.5]}],
        "d": "ü",
        "e": None,
    }
    assert math.isnan(values["a"]), "the dictionary is the caller's"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "a": 2}', "key 'a' appears twice"),
        ('{"a": {"b": 1, "c": 2, "b": 1}}', "key 'b' appears twice"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": [Infinity]}', "Infinity is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ("[1, 2]", "found list, expected a JSON object"),
        ('"text"', "found str, expected a JSON object"),
        ("null", "found NoneType, expected a JSON object"),
        ("", "not valid JSON"),
        ('{"a": 1', "not valid JSON"),
        ('{"a": 1} {"b": 2}', "not valid JSON"),
        ("{'a': 1}", "not valid JSON"),
        ('{"a": 1,}', "not valid JSON"),
        ('{"a": 1} // no comments', "not valid JSON"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "not valid JSON"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "not valid JSON"),
        ("\ufeff{}", "not valid JSON"),
        ("\x00\x01", "not valid JSON"),
    ],
)
def test_json_that_is_not_plain_is_refused(tmp_path, text, expected):
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(FolderError) as error:
        folder.read_json(tmp_path, "x.json")
    assert str(error.value).startswith(str(tmp_path / "x.json"))
    assert expected in str(error.value)
    assert len(str(error.value)) < 500


def test_json_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "x.json").write_bytes(b'{"a": "\xff\xfe"}')
    with pytest.raises(FolderError, match="not valid JSON"):
        folder.read_json(tmp_path, "x.json")


def test_json_of_unreasonable_size_is_not_even_read(tmp_path):
    with open(tmp_path / "x.json", "wb") as file:
        file.truncate(2**40)  # a sparse file: takes no space
    with pytest.raises(FolderError, match=f"{2**40} bytes, expected at most"):
        folder.read_json(tmp_path, "x.json")


def test_an_object_of_very_many_keys_is_read_in_no_time(tmp_path):
    """Looking each key up among all others would take an hour."""
    (tmp_path / "x.json").write_text(json.dumps({str(i): i for i in range(300_000)}))
    began = time.monotonic()
    assert len(folder.read_json(tmp_path, "x.json")) == 300_000
    assert time.monotonic() - began < 10


def test_every_truncated_configuration_is_refused(model_folder):
    whole = (model_folder / "config.json").read_bytes().rstrip()
    for length in range(0, len(whole), 7):
        (model_folder / "config.json").write_bytes(whole[:length])
        with pytest.raises(FolderError, match="not valid JSON"):
            folder.read_config(model_folder)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"n2v_pitch": 10**400}, "n2v_pitch: found 1000"),
        ({"train_learning_rate": 10**400}, "train_learning_rate: found 1000"),
        ({"n2v_pich": 1}, "unknown name 'n2v_pich'; did you mean 'n2v_pitch'?"),
        ({"format_version": FORMAT_VERSION + 1}, "written by a newer n2v_stem_keras"),
        ({"unet_n_first": 2**40}, "unet_n_first: found"),
        ({"module": "os", "class_name": "system"}, "unknown name 'module'"),
        ({"__class__": "x"}, "unknown name '__class__'"),
    ],
)
def test_a_configuration_from_a_stranger_is_checked(model_folder, config, changes, expected):
    write_json(model_folder / "config.json", {**config.to_dict(), **changes})
    with pytest.raises(ConfigError) as error:
        folder.read_config(model_folder)
    assert str(error.value).startswith(str(model_folder / "config.json"))
    assert expected in str(error.value)


# Weights


def test_weights_come_back_to_the_bit(trained_folder, network):
    expected = [w + 1 for w in network.get_weights()]
    folder.load_weights(network, trained_folder, BEST)
    for found, wanted in zip(network.get_weights(), expected, strict=True):
        assert np.array_equal(found, wanted)


def refuse_weights(network, path, expected=""):
    """Loading is a `FolderError` that names the file, and changes nothing."""
    before = network.get_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FolderError) as error:
            folder.load_weights(network, path, BEST)
    assert str(error.value).startswith(str(path / BEST))
    assert expected in str(error.value)
    for found, wanted in zip(network.get_weights(), before, strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("share", [0, 0.001, 0.2, 0.5, 0.9, 0.99])
def test_truncated_weights_are_refused(trained_folder, network, share):
    whole = (trained_folder / BEST).read_bytes()
    (trained_folder / BEST).write_bytes(whole[: int(share * len(whole))])
    refuse_weights(network, trained_folder, "not a readable HDF5 file")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", pickle.dumps([1])])
def test_other_files_are_no_weights(trained_folder, network, content):
    (trained_folder / BEST).write_bytes(content)
    refuse_weights(network, trained_folder, "not a readable HDF5 file")


def test_missing_weights_are_said(model_folder, network):
    refuse_weights(network, model_folder, "missing")


@pytest.mark.parametrize(
    "changes",
    [
        {"unet_n_first": 3},
        {"unet_n_depth": 2},
        {"channels": ("ADF",)},
        {"unet_kern_size_first": 3},
        {"unet_top_skip": False},
        {"unet_context": True},
        {"unet_block": "separable"},
        {"unet_bottleneck": "aspp"},
    ],
    ids=str,
)
def test_weights_of_another_network_are_refused(trained_folder, network, config, changes):
    from n2v_stem_keras.network.unet import build_network

    folder.save_weights(build_network(config.replace(**changes)), trained_folder / BEST)
    refuse_weights(network, trained_folder, "network of config.json")


def test_the_shapes_that_do_not_fit_are_named(trained_folder, network):
    with h5py.File(trained_folder / BEST, "r+") as file:
        del file["layers/conv2d_1/vars/1"]
        file["layers/conv2d_1/vars/1"] = np.zeros(7, "f4")
    refuse_weights(network, trained_folder, "enc0_conv1")
    refuse_weights(network, trained_folder, "(2,)")
    refuse_weights(network, trained_folder, "(7,)")


def test_each_missing_part_is_noticed(trained_folder, network):
    whole, parts = (trained_folder / BEST).read_bytes(), []
    with h5py.File(trained_folder / BEST) as file:
        file.visit(lambda name: parts.append(name) if "conv2d" in name else None)
    assert len(parts) == 7 * 4  # for each convolution itself, its vars, kernel and bias
    for name in ("layers", *parts):
        (trained_folder / BEST).unlink()  # Keras may still hold the file it could not load
        (trained_folder / BEST).write_bytes(whole)
        with h5py.File(trained_folder / BEST, "r+") as file:
            del file[name]
        refuse_weights(network, trained_folder, "network of config.json")


def test_a_warning_of_keras_that_parts_stay_random_is_an_error(
    trained_folder, network, monkeypatch
):
    load = network.load_weights

    def load_and_warn(path):
        load(path)
        warnings.warn("Affected layers will retain their freshly-initialized weights", stacklevel=2)

    monkeypatch.setattr(network, "load_weights", load_and_warn)
    refuse_weights(network, trained_folder, "will retain their freshly-initialized weights")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_weights_that_are_not_finite_are_refused(trained_folder, network, value):
    kernel = np.zeros((5, 5, 2, 2))
    kernel[4, 4, 1, 1] = value
    with h5py.File(trained_folder / BEST, "r+") as file:
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars/0"] = kernel
    refuse_weights(network, trained_folder, "not finite")


def external_storage(file, tmp_path):
    """A dataset whose bytes are those of another file of the user's."""
    (tmp_path / "secret").write_bytes(bytes(1000))
    return file.create_dataset("x", (2,), "f4", external=[(str(tmp_path / "secret"), 0, 8)])


def virtual(file, tmp_path):
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (2,))
    return file.create_virtual_dataset("x", layout)


ATTACKS = {
    "a soft link": (lambda f, t: f.update(x=h5py.SoftLink("/layers/conv2d/vars/1")), "SoftLink"),
    "a dangling link": (lambda f, t: f.update(x=h5py.SoftLink("/nowhere")), "SoftLink"),
    "a link to another file": (
        lambda f, t: f.update(x=h5py.ExternalLink(str(t / "other.h5"), "/x")),
        "ExternalLink",
    ),
    "external storage": (external_storage, "keeps its data outside the file"),
    "a virtual dataset": (virtual, "keeps its data outside the file"),
    "too many numbers": (
        lambda f, t: f.create_dataset("x", (2**20, 2**20), "f4", chunks=(1024, 1024)),
        "holds 1099511",
    ),
    "rather many numbers": (
        lambda f, t: f.update(x=np.zeros(2000, "f4")),
        "numbers, expected 582 for the network",
    ),
    "too many complex numbers": (
        lambda f, t: f.create_dataset("x", (2**20, 2**20), "c8", chunks=(1024, 1024)),
        "no array of numbers",
    ),
    "too many truth values": (
        lambda f, t: f.create_dataset("x", (2**20, 2**20), "?", chunks=(1024, 1024)),
        "no array of numbers",
    ),
    "text": (lambda f, t: f.update(x=np.full(2, b"1.5")), "no array of numbers"),
    "structures": (lambda f, t: f.update(x=np.zeros(2, [("a", "f4")])), "no array of numbers"),
    "references": (lambda f, t: f.create_dataset("x", (2,), h5py.ref_dtype), "no array of numbers"),
    "ragged arrays": (
        lambda f, t: f.create_dataset("x", (2,), h5py.vlen_dtype("f4")),
        "no array of numbers",
    ),
    "nothing": (lambda f, t: f.update(x=h5py.Empty("f4")), "no array of numbers"),
    "a type": (lambda f, t: f.update(x=np.dtype("f8")), "no array of numbers"),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", ["in the place of a weight", "beside the weights"])
def test_weights_with_something_else_inside_are_refused(
    trained_folder, network, tmp_path, attack, place
):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros(2, "f4")
    put, expected = ATTACKS[attack]
    with h5py.File(trained_folder / BEST, "r+") as file:
        put(file, tmp_path)
        if place == "in the place of a weight":
            del file["layers/conv2d/vars/1"]
            file.move("x", "layers/conv2d/vars/1")
    refuse_weights(network, trained_folder, expected)


def test_groups_within_groups_within_groups_are_refused(trained_folder, network):
    with h5py.File(trained_folder / BEST, "r+") as file:
        group = file
        for _ in range(3000):
            group = group.create_group("x")
    refuse_weights(network, trained_folder, "nested too deeply")


def test_groups_that_hold_each_other_are_refused_at_once(trained_folder, network):
    with h5py.File(trained_folder / BEST, "r+") as file:
        file["layers/conv2d/circle"] = file["layers"]
    began = time.monotonic()
    refuse_weights(network, trained_folder, "linked twice")
    # 2^60 ways through 60 groups, each held twice by the one before
    with h5py.File(trained_folder / BEST, "r+") as file:
        del file["layers/conv2d/circle"]
        group = file
        for i in range(60):
            below = file.create_group(f"x{i}")
            group["a"] = group["b"] = group = below
    refuse_weights(network, trained_folder, "linked twice")
    assert time.monotonic() - began < 10


def test_damaged_weights_never_load_half(trained_folder, network):
    """Bytes flipped anywhere: either all weights load and are finite, or none."""
    whole, rng = (trained_folder / BEST).read_bytes(), np.random.default_rng(0)
    before, refused = network.get_weights(), 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 20):
            damaged[place] ^= int(rng.integers(1, 256))
        (trained_folder / BEST).write_bytes(damaged)
        try:
            folder.load_weights(network, trained_folder, BEST)
        except FolderError:
            refused += 1
            assert all(np.array_equal(a, b) for a, b in zip(network.get_weights(), before))
        else:
            assert all(np.isfinite(w).all() for w in network.get_weights())
            network.set_weights(before)
    assert refused > 10


def test_no_code_of_a_folder_runs(trained_folder, network, config, tmp_path, monkeypatch):
    """Whatever lies beside the weights, or is written into them, is not executed."""
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w').close()"

    class Evil:
        def __reduce__(self):
            return exec, (code,)

    evil = pickle.dumps(Evil())
    pickle.loads(evil)
    assert ran.exists(), "the control: it would work"
    ran.unlink()
    for name in ("__init__.py", "config.py", "model.py", "sitecustomize.py", "h5py.py", "numpy.py"):
        (trained_folder / name).write_text(code)
    for name in ("config.pkl", "weights.pkl", "model.keras", "metadata.json", "saved_model.pb"):
        (trained_folder / name).write_bytes(evil)
    with h5py.File(trained_folder / BEST, "r+") as file:
        for place in (file, file["layers/conv2d"], file["layers/conv2d/vars"]):
            place.attrs["model_config"] = json.dumps(
                {"module": "builtins", "class_name": "exec", "config": {"code": code}}
            )
            place.attrs["pickle"] = np.void(evil)
    monkeypatch.chdir(trained_folder)
    assert folder.read_config(trained_folder) == config
    folder.load_weights(network, trained_folder, BEST)
    assert read_thresholds(trained_folder, config.channels) == {"ADF": {}, "BF": {}}
    assert read_record(trained_folder) == empty_record()
    write_json(
        trained_folder / "config.json",
        {**config.to_dict(), "unet_pool": {"module": "builtins", "class_name": "exec"}},
    )
    with pytest.raises(ConfigError, match="unet_pool: found"):
        folder.read_config(trained_folder)
    assert not ran.exists()


def test_two_trainings_do_not_share_a_folder(plain_config, tmp_path, noisy_movie):
    model = N2VStem(plain_config, "m", tmp_path)
    with folder.for_one_training(model.logdir):
        before = sorted(p.name for p in model.logdir.rglob("*"))
        with pytest.raises(FolderError, match=r"is being trained by process \d+ on .*another name"):
            model.train(noisy_movie, verbose=False)
        assert sorted(p.name for p in model.logdir.rglob("*")) == before
    assert not (model.logdir / folder.LOCK).exists()
    with folder.for_one_training(model.logdir):
        pass


def test_a_lock_that_leads_out_of_the_folder_is_not_followed(plain_config, tmp_path):
    model, outside = N2VStem(plain_config, "m", tmp_path), tmp_path / "outside"
    outside.write_text("mine")
    (model.logdir / folder.LOCK).symlink_to(outside)
    with folder.for_one_training(model.logdir):
        pass
    assert outside.read_text() == "mine"


def test_a_training_that_was_killed_keeps_nobody_out(plain_config, tmp_path):
    model = N2VStem(plain_config, "m", tmp_path)
    (model.logdir / folder.LOCK).write_text("process 1 on here, since 03:00")
    with folder.for_one_training(model.logdir):
        pass
