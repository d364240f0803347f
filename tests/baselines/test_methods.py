"""The table of baselines: where their parameters are searched, and what can run here."""

import builtins
import sys

import numpy as np
import pytest

from n2v_stem_keras import baselines


def test_the_grids_cover_what_the_paper_searched():
    grids = {name: np.array(about.grid) for name, about in baselines.METHODS.items()}
    assert {0.5, 1.0, 2.0} <= set(grids["gaussian"])
    assert np.allclose(grids["tv"], np.arange(1, 21) / 10)
    assert (grids["bm3d"][0], grids["bm3d"][-1]) == (0.4, 1.2)


def test_without_the_package_bm3d_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    for method in ("bm3d", "anscombe_bm3d"):
        assert "pip install 'n2v_stem_keras[baselines]'" in baselines.available(method)
        with pytest.raises(ImportError, match="pip install"):
            baselines.tune(method, np.zeros((16, 16)), gain=1)
    assert [baselines.available(m) for m in ("gaussian", "tv", "temporal")] == [None] * 3


def test_a_library_that_does_not_load_is_told_apart(monkeypatch):
    def refuse(name, *rest, plain=builtins.__import__):
        if name == "bm3d":
            raise OSError("wrong ELF class")
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert "does not load on this machine: wrong ELF class" in baselines.available("bm3d")


def test_bm3d_is_available_where_it_is_installed_and_imported_only_then():
    pytest.importorskip("bm3d")
    assert baselines.available("bm3d") is None
    with pytest.raises(ValueError, match="8x8"):
        baselines.bm3d(np.zeros((7, 30)), 1.0, 1.0)
    assert baselines.bm3d(np.ones((8, 9)), 1.0, 1.0) == pytest.approx(np.ones((8, 9)))
