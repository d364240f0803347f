"""Atoms: what is found, where, how sure, and that thresholds keep what they promise."""

import numpy as np
import pytest
from atom_images import PLACES, PX, image_of

from n2v_stem_keras.atoms import (
    Criterion,
    find_atoms,
    match,
)
from n2v_stem_keras.atoms.find import columns, measure


def both(places=PLACES, noise=0.0, seed=0, **changes):
    """Bright in ADF, dark and half as high in BF, on offsets, (2, Y, X, 2)."""
    adf = image_of(places, **changes)
    frame = np.stack([adf + 5, 100 - 0.5 * adf], axis=-1)
    return frame + noise * np.random.default_rng(seed).standard_normal((2, *frame.shape))


CRITERIA = {"ADF": Criterion(3.0), "BF": Criterion(3.0, sign=-1)}


def test_bright_and_dark_atoms_are_found_once_and_placed_below_a_pixel():
    table = find_atoms(both(), (1.0, 1.0), CRITERIA, pixel_size_nm=PX)
    assert list(table.columns) == columns(("ADF", "BF"))
    assert table["frame"].tolist() == [0] * 4 + [1] * 4
    for _, atoms in table.groupby("frame"):
        found = match(atoms[["y", "x"]], PLACES, 0.01)
        assert found.recall == found.precision == 1
    assert (table["detector"] == "ADF").all()
    assert table["signal"].to_numpy() == pytest.approx(np.full(8, 10), abs=0.5)  # its pixel's
    assert table["background"].to_numpy() == pytest.approx(np.full(8, 5), abs=0.01)
    assert table["size"].to_numpy() == pytest.approx(np.full(8, 1.4), abs=1e-3)
    assert table["mass"].to_numpy() == pytest.approx(np.full(8, 2 * np.pi * 1.4**2 * 10), rel=1e-3)
    assert (table["snr_BF"] > 4).all()
    assert np.allclose(table["y_nm"], table["y"] * PX)


def test_dark_atoms_alone_give_positive_heights_in_the_units_of_the_frames():
    frames = both()[..., 1:] * 3
    table = find_atoms(frames, (2.0,), {"BF": Criterion(3.0, sign=-1)}, pixel_size_nm=PX)
    assert len(table) == 8
    assert table["signal"].to_numpy() == pytest.approx(np.full(8, 15), abs=0.8)
    assert table["background"].to_numpy() == pytest.approx(np.full(8, 300), abs=0.01)
    assert table["snr_BF"].to_numpy() == pytest.approx(table["signal"].to_numpy() / 2)


def test_an_atom_in_one_detector_only_is_found_and_the_other_says_so():
    frames = both()
    frames[..., 1] = 100
    table = find_atoms(frames, (1.0, 1.0), CRITERIA, pixel_size_nm=PX)
    assert len(table) == 8
    assert (table["snr_BF"] == 0).all()
    none = find_atoms(frames, (1.0, 1.0), {**CRITERIA, "ADF": None}, pixel_size_nm=PX)
    assert len(none) == 0
    assert list(none.columns) == list(table.columns)


def test_a_slope_is_no_atom_and_hides_none():
    y, x = np.indices((96, 80))
    frames = both() + (0.4 * y + 0.2 * x)[..., None]
    table = find_atoms(frames, (1.0, 1.0), CRITERIA, pixel_size_nm=PX)
    found = match(table[table["frame"] == 0][["y", "x"]], PLACES, 0.2)
    assert found.recall == found.precision == 1
    heights, _ = measure(frames[0], [[48, 60], [95, 40], [60, 79], [95, 79]], PX)
    assert np.abs(heights[:3]).max() < 0.5  # also at the border, where a ring is cut
    assert np.isnan(heights[3]).all()


def test_atoms_at_the_border_are_found():
    places = np.array([[0.4, 20.0], [95.0, 60.0], [40.0, 1.0]])
    table = find_atoms(both(places), (1.0, 1.0), CRITERIA, pixel_size_nm=PX)
    found = match(table[table["frame"] == 0][["y", "x"]], places, 0.1)
    assert found.recall == found.precision == 1


def test_two_atoms_nearer_than_the_distance_are_one():
    places = [[40.0, 40.0], [40.0, 47.0]]
    count = {}
    for distance in (0.2, 0.4):
        criteria = {"ADF": Criterion(3.0, min_distance_nm=distance), "BF": None}
        count[distance] = len(find_atoms(both(places)[:1], (1.0, 1.0), criteria, pixel_size_nm=PX))
    assert count == {0.2: 2, 0.4: 1}


def test_gain_and_offset_of_a_detector_change_no_position_and_no_snr():
    frames = both(noise=0.1)
    one = find_atoms(frames, (0.5, 0.5), CRITERIA, pixel_size_nm=PX)
    other = find_atoms(7 * frames + 1000, (3.5, 3.5), CRITERIA, pixel_size_nm=PX)
    for column in ("y", "x", "snr_ADF", "snr_BF", "ep", "size"):
        assert np.allclose(one[column], other[column], atol=1e-6), column
    assert np.allclose(7 * one["signal"], other["signal"])


def test_input_is_left_alone_and_frames_are_numbered_on():
    frames = both()
    before = frames.copy()
    table = find_atoms(frames, (1.0, 1.0), CRITERIA, first_frame=10)
    assert np.array_equal(frames, before)
    assert set(table["frame"]) == {10, 11}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.zeros((2, 8, 8))}, r"frames of shape \(2, 8, 8\)"),
        ({"raw": np.zeros((1, 96, 80, 2))}, "raw frames of shape"),
        ({"noise_sigma": (1.0, 0.0)}, "expected 2 above 0"),
        ({"noise_sigma": (1.0,)}, "expected 2 above 0"),
        ({"criteria": {"ADF": Criterion(3.0)}}, "the frames have 2 detectors"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    given = {"frames": both(), "noise_sigma": (1.0, 1.0), "criteria": CRITERIA, **changes}
    with pytest.raises(ValueError, match=message):
        find_atoms(**given)


def test_criteria_are_checked():
    with pytest.raises(ValueError, match="sign is 0"):
        Criterion(3.0, sign=0)
    with pytest.raises(ValueError, match="min_distance_nm is 0"):
        Criterion(3.0, min_distance_nm=0)
    with pytest.raises(ValueError, match="height_sigma is nan"):
        Criterion(float("nan"))
