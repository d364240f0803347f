"""The table of doubts: what is missed, and what is said of right ones, stands below it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import doubts


def test_misses_and_false_warnings_are_named():
    table = doubts.report(
        [
            ("simulated", "a", None, []),
            ("simulated", "b", None, ["pixel size"]),
            ("simulated", "c", "pixel size", ["pixel size", "another specimen"]),
            ("simulated", "d", "pixel size", []),
            ("real", "e", "another specimen", ["another specimen"]),
        ]
    ).splitlines()
    assert "| simulated | nothing | 2 | - | 1 |" in table
    assert "| simulated | pixel size | 2 | 1 | 1 |" in table
    assert "| real | another specimen | 1 | 1 | 0 |" in table
    assert table[-2:] == ["- said falsely: b", "- not said, pixel size: d"]


def test_kinds_are_told_by_what_limits_say():
    said = ["ADF: the lattice repeats after 0.3 nm: another crystal, or the pixel size is wrong"]
    assert doubts.kinds_of(said) == ["pixel size", "another specimen"]
    assert doubts.kinds_of(["are the two detectors swapped?"]) == ["detectors swapped"]
    assert doubts.kinds_of(["ADF: less noise than in training"]) == []
