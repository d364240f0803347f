"""Checkpoints: whole or absent, one at a time, and never believed blindly."""

import json
import os

import numpy as np
import pytest

from n2v_stem_keras.folder.folder import FolderError
from n2v_stem_keras.training.checkpoint import (
    RunState,
    load_checkpoint,
    remove_checkpoint,
    remove_leftovers,
    save_checkpoint,
)

ARRAYS = {"weight_0000": np.arange(6, dtype=np.float32).reshape(2, 3)}


def state(epoch=3):
    return RunState(
        epoch=epoch, first_epoch=0, epochs=9, steps_per_epoch=5, fingerprints=["sha256:ab"],
        history={"epoch": list(range(epoch)), "loss": [0.1] * epoch},
        best={"epoch": 1, "val_loss": 0.1}, seconds=4.5,
    )  # fmt: skip


def test_round_trip(tmp_path):
    save_checkpoint(tmp_path, state(), ARRAYS)
    loaded, arrays = load_checkpoint(tmp_path)
    assert loaded == state()
    np.testing.assert_array_equal(arrays["weight_0000"], ARRAYS["weight_0000"])
    assert load_checkpoint(tmp_path / "nowhere") is None


def test_only_the_newest_is_kept(tmp_path):
    for epoch in (8, 9, 10, 10000):
        save_checkpoint(tmp_path, state(epoch), ARRAYS)
        assert [p.name for p in (tmp_path / "checkpoint").iterdir()] == [f"epoch-{epoch:04d}"]
    remove_checkpoint(tmp_path)
    assert load_checkpoint(tmp_path) is None


def test_a_failed_write_leaves_the_one_before(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, state(3), ARRAYS)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(tmp_path, state(4), ARRAYS)
    assert [p.name for p in (tmp_path / "checkpoint").iterdir()] == ["epoch-0003"]


def test_leftovers_of_a_killed_process_do_not_matter(tmp_path):
    save_checkpoint(tmp_path, state(3), ARRAYS)
    (tmp_path / "checkpoint" / ".tmp-1-epoch-0004").mkdir()
    (tmp_path / ".tmp-1-weights_best.weights.h5").write_bytes(b"half")
    assert load_checkpoint(tmp_path)[0].epoch == 3
    remove_leftovers(tmp_path)
    assert not list(tmp_path.glob(".tmp-*"))
    save_checkpoint(tmp_path, state(4), ARRAYS)
    assert len(list((tmp_path / "checkpoint").iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [{"epoch": "3"}, {"history": [1]}, {"extra": 1}, {"best": 3}, {"fingerprints": None}],
)
def test_bad_values_are_refused_with_a_way_out(tmp_path, change):
    save_checkpoint(tmp_path, state(3), ARRAYS)
    path = tmp_path / "checkpoint" / "epoch-0003" / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FolderError, match="resume=False"):
        load_checkpoint(tmp_path)


def test_pickled_arrays_and_links_are_refused(tmp_path):
    save_checkpoint(tmp_path, state(3), ARRAYS)
    arrays = tmp_path / "checkpoint" / "epoch-0003" / "arrays.npz"
    np.savez(arrays, evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FolderError, match="damaged"):
        load_checkpoint(tmp_path)
    arrays.unlink()
    outside = tmp_path.parent / f"{tmp_path.name}-outside.npz"
    np.savez(outside, **ARRAYS)
    os.symlink(outside, arrays)
    with pytest.raises(FolderError, match="leads out"):
        load_checkpoint(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.symlink(tmp_path / "checkpoint", elsewhere / "checkpoint")
    with pytest.raises(FolderError, match="link"):
        load_checkpoint(elsewhere)


@pytest.mark.parametrize(
    "change",
    [
        {"first_epoch": 10**12, "epoch": 10**12},
        {"epoch": -1},
        {"epoch": 10},
        {"epochs": 0},
        {"steps_per_epoch": True},
        {"history": {"loss": ["a"]}},
        {"history": {"loss": [1.0] * 1000}},
        {"history": {"loss": 3}},
        {"best": {"epoch": "x", "val_loss": 1.0}},
        {"best": {"epoch": 1, "val_loss": "low"}},
        {"fingerprints": [1]},
        {"seconds": -1.0},
    ],
    ids=str,
)
def test_states_that_cannot_be_are_damaged(tmp_path, change):
    save_checkpoint(tmp_path, state(3), ARRAYS)
    path = tmp_path / "checkpoint" / "epoch-0003" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FolderError, match="resume=False"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK" + bytes(500)])
def test_arrays_that_are_none_are_damaged(tmp_path, content):
    save_checkpoint(tmp_path, state(3), ARRAYS)
    (tmp_path / "checkpoint" / "epoch-0003" / "arrays.npz").write_bytes(content)
    with pytest.raises(FolderError, match="resume=False"):
        load_checkpoint(tmp_path)


def test_an_epoch_of_elsewhere_is_not_read(tmp_path):
    (tmp_path / "theirs").mkdir()
    save_checkpoint(tmp_path / "theirs", state(3), ARRAYS)
    (tmp_path / "mine" / "checkpoint").mkdir(parents=True)
    link = tmp_path / "mine" / "checkpoint" / "epoch-0003"
    link.symlink_to(tmp_path / "theirs" / "checkpoint" / "epoch-0003", target_is_directory=True)
    with pytest.raises(FolderError, match="leads out of the model folder"):
        load_checkpoint(tmp_path / "mine")
