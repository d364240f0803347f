"""Margins of aligned stacks are found, filled for whoever looks, and stay as they were recorded."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.ndimage import rotate

from n2v_stem_keras.noise.margins import FilledFrames, filled, holds, inside, with_margins

RNG = np.random.default_rng(0)
NOISE = RNG.normal(5, 1, (96, 80, 2)).astype("f4")


def moved(frame, top=0, bottom=0, left=0, right=0, fill=0.0):
    frame = frame.copy()
    frame[:top] = fill
    frame[len(frame) - bottom :] = fill
    frame[:, :left] = fill
    frame[:, frame.shape[1] - right :] = fill
    return frame


@pytest.mark.parametrize("fill", [0.0, np.nan, 5.0])
@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ({"top": 4}, np.s_[4:96, 0:80]),
        ({"left": 1}, np.s_[0:96, 1:80]),
        ({"top": 3, "right": 13}, np.s_[3:96, 0:67]),
        ({"bottom": 2, "left": 5}, np.s_[0:94, 5:80]),
        ({"top": 1, "bottom": 2, "left": 3, "right": 4}, np.s_[1:94, 3:76]),
    ],
)
def test_margins_are_found(sides, expected, fill):
    frame = moved(NOISE, **sides, fill=fill)
    before = frame.copy()
    assert inside(frame) == expected
    assert_array_equal(frame, before)
    assert inside(NOISE) is None


def test_ends_of_rows_and_corners_are_margins_too():
    torn = NOISE.copy()
    for row, by in enumerate(RNG.integers(0, 6, 96)):
        torn[row, :by] = 0
    assert inside(torn) == np.s_[0:96, 5:80]
    turned = rotate(NOISE, 3, reshape=False, order=1)
    rows, columns = inside(turned)
    assert 1 <= rows.start <= 6
    assert 74 <= columns.stop <= 79
    assert (turned[rows, columns] != 0).all()


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((64, 64, 1)),
        np.full((64, 64, 1), np.nan),
        moved(NOISE, bottom=40),  # a scan that stopped
        moved(NOISE, bottom=2),
        moved(NOISE, left=60),  # hardly anything is left
        RNG.poisson(0.1, (64, 64, 1)),
        RNG.poisson(np.where(np.arange(96) < 20, 0.05, 9)[:, None, None], (96, 64, 1)),
        np.maximum(RNG.normal(9 * (np.arange(64) > 12)[None, :, None], 1, (64, 64, 1)), 0),
        np.clip(NOISE, 5, None),
    ],
)
def test_what_is_no_margin(frame):
    assert inside(frame) is None


def test_one_detector_that_is_off_is_no_margin_of_the_other():
    frame = NOISE.copy()
    frame[..., 1] = 0
    assert inside(frame) is None
    assert inside(moved(frame, top=3)) == np.s_[3:96, 0:80]


def test_integers_have_margins_too():
    frame = (100 * moved(NOISE, left=4)).astype("u2")
    assert inside(frame) == np.s_[0:96, 4:80]
    assert filled(frame, inside(frame)).dtype == frame.dtype


def test_filled_frames_show_the_mirrored_inside_and_know_where_it_is():
    frames = np.stack([NOISE, moved(NOISE, top=3, right=2, fill=np.nan)])
    lazily = FilledFrames(frames)
    assert lazily.shape == frames.shape
    assert len(lazily) == 2
    assert lazily[0] is not None
    assert_array_equal(lazily[0], NOISE)
    found = lazily[1]
    assert_array_equal(found[3:, :78], NOISE[3:, :78])
    assert_array_equal(found[2, :78], NOISE[3, :78])
    assert_array_equal(found[0], found[5])
    assert_array_equal(found[:, 79], found[:, 76])
    assert lazily.places == {1: np.s_[3:96, 0:78]}


def test_the_result_has_the_margins_that_were_recorded():
    recorded = moved(NOISE, top=3, fill=np.nan)
    found = with_margins(np.ones_like(NOISE), recorded, inside(recorded))
    assert found.dtype == np.float32
    assert np.isnan(found[:3]).all()
    assert (found[3:] == 1).all()


def test_points_lie_inside_or_not():
    assert holds(None, -5, 300)
    assert holds(np.s_[3:96, 0:78], 3, 77)
    assert not holds(np.s_[3:96, 0:78], 2.9, 40)
    assert not holds(np.s_[3:96, 0:78], 40, 78)
