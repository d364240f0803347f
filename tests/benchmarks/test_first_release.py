"""The table of the first release: of all items that are asked, each with the line that tells."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import first_release


def test_the_table_has_every_item_with_a_line_that_tells():
    rows, items = first_release.rows_of(first_release.RESULTS), first_release.items()
    assert [row[:3] for row in rows] == [first_release.cells(item)[:3] for item in items]
    assert all(row[3].strip("`") for row in rows)


def test_a_run_goes_on_with_what_failed(tmp_path):
    items = first_release.items()
    for number, item in enumerate(items):
        item.said = f"a | {number}" if number % 2 else ""
    path = tmp_path / "table.md"
    path.write_text(first_release.report(items), encoding="utf-8")
    fresh = first_release.items()
    left = first_release.take_over(fresh, path)
    assert [item.what for item in left] == [item.what for item in items[::2]]
    assert [item.said for item in fresh] == [item.said for item in items]


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
    assert item.said == ("n2v-stem: x: refused" if is_right else "")
