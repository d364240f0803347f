"""Numbers of things, in words."""

import pytest

from n2v_stem_keras.counting import counted


@pytest.mark.parametrize(
    ("number", "names", "expected"),
    [
        (0, ("frame",), "0 frames"),
        (1, ("frame",), "1 frame"),
        (2, ("frame",), "2 frames"),
        (1, ("series", "series"), "1 series"),
        (3, ("boundary", "boundaries"), "3 boundaries"),
    ],
)
def test_one_is_singular_and_others_are_plural(number, names, expected):
    assert counted(number, *names) == expected
