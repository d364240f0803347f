"""Tracks: atoms are followed by trackpy; steps, residence, births and deaths are counted."""

import sys

import numpy as np
import pytest

from n2v_stem_keras.atoms.track import link

pd = pytest.importorskip("pandas")
pytest.importorskip("trackpy")


def table_of(*tracks):
    """From tracks {frame: (y, x)} [nm]."""
    rows = [(t, *place) for track in tracks for t, place in track.items()]
    return pd.DataFrame(rows, columns=["frame", "y_nm", "x_nm"])


STILL = {t: (1.0, 1.0 + 0.1 * t) for t in range(6)}
GAP = {0: (5.0, 5.0), 1: (5.0, 5.1), 3: (5.0, 5.3)}
LATE = {4: (9.0, 9.0), 5: (9.1, 9.0)}


def test_atoms_are_followed_over_gaps_and_counted():
    atoms = table_of(STILL, GAP, LATE)
    found = link(atoms, search_range_nm=0.3, memory=1)
    assert "particle" not in atoms.columns
    assert sorted(found.residence.tolist()) == [2, 4, 6]
    assert len(found.lengths_nm) == 5 + 2 + 1
    assert found.frames_between.max() == 2
    assert np.allclose(sorted(found.lengths_nm), [0.1] * 7 + [0.2])
    assert found.births.tolist() == [0, 0, 0, 0, 1, 0]
    assert found.deaths.tolist() == [0, 0, 0, 1, 0, 0]
    assert found.table.groupby("particle").size().tolist() == [6, 3, 2]


def test_without_memory_a_gap_ends_a_track():
    found = link(table_of(STILL, GAP), search_range_nm=0.3, memory=0)
    assert sorted(found.residence.tolist()) == [1, 2, 6]


def test_short_tracks_may_be_left_out():
    found = link(table_of(STILL, LATE), search_range_nm=0.3, min_frames=3)
    assert found.residence.tolist() == [6]


def test_a_hop_beyond_the_range_is_another_atom():
    far = {0: (1.0, 1.0), 1: (1.0, 2.0)}
    assert len(link(table_of(far), search_range_nm=0.5).residence) == 2
    assert len(link(table_of(far), search_range_nm=1.5).residence) == 1


def test_frames_without_atoms_count():
    found = link(table_of({2: (1.0, 1.0)}), n_frames=8)
    assert found.births.tolist() == [0, 0, 1, 0, 0, 0, 0, 0] == found.deaths.tolist()
    assert len(link(table_of(), n_frames=3).residence) == 0


def test_atoms_too_dense_to_link_are_explained():
    crowd = {i: [(t, 0.02 * i, 0.0) for t in range(2)] for i in range(60)}
    atoms = pd.DataFrame([row for rows in crowd.values() for row in rows],
                         columns=["frame", "y_nm", "x_nm"])  # fmt: skip
    with pytest.raises(ValueError, match="use a shorter search range"):
        link(atoms, search_range_nm=1.0)


def test_bad_ranges_and_a_missing_trackpy_are_named(monkeypatch):
    with pytest.raises(ValueError, match="search_range_nm is 0"):
        link(table_of(STILL), search_range_nm=0)
    monkeypatch.setitem(sys.modules, "trackpy", None)
    with pytest.raises(ImportError, match=r"n2v_stem_keras\[track\]"):
        link(table_of(STILL))
