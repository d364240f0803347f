"""training.json: what a training was made of, read back as if a stranger had written it."""

import numpy as np
import pytest

from n2v_stem_keras.atomic import write_json
from n2v_stem_keras.folder.folder import FORMAT_VERSION, FolderError
from n2v_stem_keras.folder.record import empty_record, read_record, write_record

RECORD = {
    "runs": [{"finished": True, "seed": 0, "versions": {"keras": "3.15"}}, {"finished": False}],
    "history": {
        "epoch": [0, 1, 2],
        "loss": [1.0, 0.5, 0.25],
        "val_loss": [1.1, None, 0.3],
        "seconds": [3, 2.5, 2.25],
    },
}


def test_the_record_comes_back_as_written(tmp_path):
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD


def test_a_missing_record_is_empty_and_each_empty_record_is_new(tmp_path):
    assert read_record(tmp_path) == {"runs": [], "history": {}}
    empty_record()["runs"].append("changed")
    assert empty_record() == {"runs": [], "history": {}}
    write_record(tmp_path, empty_record())
    assert read_record(tmp_path) == {"runs": [], "history": {}}


def test_the_history_is_also_a_table(tmp_path):
    write_record(tmp_path, RECORD)
    assert (tmp_path / "training_log.csv").read_text().splitlines() == [
        "epoch,loss,val_loss,seconds",
        "0,1.0,1.1,3",
        "1,0.5,,2.5",
        "2,0.25,0.3,2.25",
    ]
    table = np.genfromtxt(tmp_path / "training_log.csv", delimiter=",", names=True)
    assert np.array_equal(table["loss"], RECORD["history"]["loss"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"runs": {}}, "runs: expected a list of objects with 'finished' true or false"),
        ({"runs": ["x"]}, "runs: expected a list of objects with 'finished' true or false"),
        ({"runs": [{}]}, "runs: expected a list of objects with 'finished' true or false"),
        ({"runs": [{"finished": 1}]}, "runs: expected a list of objects with 'finished'"),
        ({"history": []}, "history: expected lists of numbers of one length"),
        ({"history": {"loss": 3}}, "history.loss: expected a list of numbers"),
        ({"history": {"loss": ["3"]}}, "history.loss: expected a list of numbers"),
        ({"history": {"loss": [True]}}, "history.loss: expected a list of numbers"),
        ({"history": {"loss": [10**400]}}, "history.loss: expected a list of numbers"),
        ({"history": {"loss": [1], "epoch": [1, 2]}}, "history: expected lists of numbers of one"),
        ({"history": {"epoch": [None]}}, "history.epoch: expected a list of whole numbers"),
        ({"history": {"epoch": [0.5]}}, "history.epoch: expected a list of whole numbers"),
        ({"more": 1}, "found keys ['history', 'more', 'runs'], expected history and runs"),
    ],
)
def test_a_record_that_was_tampered_with_is_refused(tmp_path, changes, expected):
    stored = {"format_version": FORMAT_VERSION, "runs": [], "history": {}, **changes}
    write_json(tmp_path / "training.json", stored)
    with pytest.raises(FolderError) as error:
        read_record(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'training.json'}: {expected}")


@pytest.mark.parametrize("version", [0, "1", 1.0, True, None])
def test_an_unknown_format_is_refused(tmp_path, version):
    write_json(tmp_path / "training.json", {"format_version": version, "runs": [], "history": {}})
    expected = rf"format_version is {version!r}, expected {FORMAT_VERSION}$"
    with pytest.raises(FolderError, match=expected):
        read_record(tmp_path)


def test_a_missing_format_is_said(tmp_path):
    write_json(tmp_path / "training.json", {"runs": [], "history": {}})
    with pytest.raises(FolderError, match="format_version is None, expected"):
        read_record(tmp_path)


def test_a_newer_format_asks_for_an_update(tmp_path):
    newer = FORMAT_VERSION + 1
    write_json(
        tmp_path / "training.json", {"format_version": newer, "new": 3, "runs": [], "history": {}}
    )
    expected = rf"format_version {newer} was written by a newer .*pip install"
    with pytest.raises(FolderError, match=expected):
        read_record(tmp_path)
