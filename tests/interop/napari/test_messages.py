"""What the user is told of an error: its own words, or that it is to be reported."""

import logging

import pytest

from n2v_stem_keras import ConfigError, DataError, FolderError, MovieError
from n2v_stem_keras.interop.napari.messages import Failed, sentence


@pytest.mark.parametrize(
    "kind", [ConfigError, DataError, Failed, FolderError, MemoryError, MovieError, ValueError]
)
def test_what_a_user_can_mend_is_said_as_it_is(kind, caplog):
    assert sentence(kind("choose another file")) == "choose another file"
    assert not caplog.records


def test_what_nobody_expected_is_named_and_logged_whole(caplog):
    with caplog.at_level(logging.ERROR):
        assert sentence(KeyError("x")) == "KeyError: 'x' (please report it)"
        assert sentence(ValueError()) == "ValueError:  (please report it)"  # it says nothing
    assert [record.exc_info[0] for record in caplog.records] == [KeyError, ValueError]
