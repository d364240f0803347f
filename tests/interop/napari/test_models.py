"""Models to choose from: ready-made ones first, each folder once, names that differ."""

import pytest
from napari_driving import widgets

from n2v_stem_keras import FolderError
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.folder import pretrained
from n2v_stem_keras.interop.napari import models


@pytest.fixture
def known(app):
    assert widgets.QApplication.instance() is app
    return models.KnownModels()


@pytest.fixture
def folders(tmp_path, tiny_config):
    """Two folders of two models each, one name in common."""
    for name in ("day1/gold", "day1/iron", "day2/gold"):
        model_folder.create(tmp_path / name, tiny_config)
    return tmp_path


def test_ready_made_models_are_there_from_the_start(known):
    assert known.names() == [f"{name} (ready-made)" for name in pretrained.names()]
    assert known.folder(known.names()[0]) == pretrained.find(pretrained.names()[0])


def test_a_folder_of_models_adds_them_all_and_each_once(known, folders):
    told = []
    known.changed.connect(told.append)
    before = len(known.names())
    assert known.add(folders / "day1") == "gold"
    assert told == known.names()[before:] == ["gold", "iron"]
    assert known.add(folders / "day1" / "iron") == "iron"
    assert len(known.names()) == before + 2


def test_two_models_of_one_name_are_told_apart(known, folders):
    known.add(folders / "day1" / "gold")
    second = known.add(folders / "day2" / "gold")
    assert second == f"gold ({folders / 'day2'})"
    assert known.folder(second) == folders / "day2" / "gold"
    assert known.folder("gold") == folders / "day1" / "gold"


def test_what_is_no_model_is_not_added(known, tmp_path):
    before = known.names()
    with pytest.raises(FolderError, match="not a model folder"):
        known.add(tmp_path)
    assert known.names() == before


def test_a_model_without_a_card_says_what_is_known(folders):
    text = models.card(folders / "day1" / "gold")
    assert text.startswith("# gold\n")
    assert "ADF + BF" in text
    assert "There is no card" in text
    (folders / "day1" / "gold" / "README.md").write_text("# My card", encoding="utf-8")
    assert models.card(folders / "day1" / "gold") == "# My card"
