"""Deviations as rows."""

import numpy as np
from crystals import SIZE_NM, Crystal

from n2v_stem_keras.deviations import KINDS, columns, rows_of


def test_rows_say_where_what_and_how_sure():
    crystal = Crystal(n_frames=4, sigma=1.0)
    rows = rows_of(crystal.block(), 2, 17, 1e-5, SIZE_NM, ("ADF", "BF"))
    assert len(rows) >= 8
    for row in rows:
        assert list(row) == columns(("ADF", "BF"))
        assert row["frame"] == 17
        assert row["y_nm"] == row["y"] * SIZE_NM
        assert row["kind"] in KINDS
    missing = [row for row in rows if row["kind"] == "missing"]
    assert len(missing) >= 7
    heights = np.array([[row["height_ADF"], row["height_BF"]] for row in missing])
    np.testing.assert_allclose(heights.mean(axis=0), (-1.6, 0.9), atol=0.3)
    scores = [abs(row["z"]) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_more_and_less_have_their_own_names():
    crystal = Crystal(n_frames=4, n_missing=8, sigma=0.7)
    crystal.raw[:] = 2 * crystal.denoised - crystal.clean + (crystal.raw - crystal.clean)
    kinds = {r["kind"] for r in rows_of(crystal.block(), 0, 0, 1e-6, SIZE_NM, ("ADF", "BF"))}
    assert kinds == {"brighter"}
