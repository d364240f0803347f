"""The table of the first release: of all items that are asked, each with the line that tells."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import first_release


def test_the_table_has_every_item_with_a_line_that_tells():
    rows = [
        re.split(r"(?<!\\) \| ", line.strip("| "))
        for line in first_release.RESULTS.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| item ")
    ]
    items = first_release.items()
    assert len(rows) == len(items)
    for item, (what, command, before, now) in zip(items, rows, strict=True):
        assert (what, before) == (item.what, item.before)
        assert command == f"`{item.command.replace('{root}/', '')}`".replace("|", "\\|")
        assert now.strip("`")


@pytest.mark.parametrize(
    ("code", "said", "is_right"),
    [
        (3, "one\nn2v-stem: DIR/x: refused\nlast", True),
        (0, "one\nn2v-stem: DIR/x: refused\nlast", False),  # another exit code
        (3, "one\nlast", False),
    ],
)
def test_an_item_is_right_if_line_and_exit_code_are(tmp_path, code, said, is_right):
    item = first_release.Item("section", "what", "before", "command", r"^n2v-stem: .*refused", 3)
    tries = first_release.Tries(tmp_path, "python")
    assert tries.judge(item, code, said.replace("DIR", str(tmp_path))) is is_right
    assert item.said == ("n2v-stem: x: refused" if "refused" in said else "")
