"""The part of a frame that tells most: atoms, defects, boundaries; never the rim."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import metrics
from n2v_stem_keras.metrics.window import RIM_PX

SIDE, PIXEL_NM = 100, 0.046


def inside(window, y, x):
    return all(part.start + 5 <= v < part.stop - 5 for part, v in zip(window, (y, x), strict=True))


def lattice(shape, turned=0.0):
    """Waves of graphene, (Y, X)."""
    y, x = np.mgrid[: shape[0], : shape[1]] * PIXEL_NM
    angles = turned + np.arange(3) * np.pi / 3
    return sum(np.cos(2 * np.pi * 4.69 * (np.cos(a) * x + np.sin(a) * y)) for a in angles)


def spot(shape, y, x, width=2.0):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2))


@pytest.mark.parametrize("sign", [1, -1])
def test_atoms_bright_or_dark_are_in_it(sign):
    atoms = sum(4 * spot((300, 400), *at) for at in ((250, 350), (240, 320), (220, 330)))
    noise = 0.5 * gaussian_filter(np.random.default_rng(0).normal(0, 1, atoms.shape), 2)
    window, score = metrics.telling_window(sign * (atoms + noise), SIDE, PIXEL_NM)
    assert [part.stop - part.start for part in window] == [SIDE, SIDE]
    assert all(inside(window, *at) for at in ((250, 350), (240, 320), (220, 330)))
    assert score > 5 * metrics.telling_window(noise, SIDE, PIXEL_NM)[1]


def test_a_vacancy_is_found_in_a_lattice_that_is_stronger():
    frame = lattice((320, 320)) * (1 - spot((320, 320), 90, 240, 3))
    assert inside(metrics.telling_window(frame, SIDE, PIXEL_NM)[0], 90, 240)


@pytest.mark.parametrize("place", [(200, 900), (1100, 300)])
def test_of_large_frames_the_best_part_is_shown(place):
    shape = (1300, 1100)
    rng = np.random.default_rng(0)
    perfect = lattice(shape) + gaussian_filter(rng.normal(0, 0.5, shape), 1)
    frame = perfect + sum(4 * spot(shape, *at) for at in place + rng.uniform(-30, 30, (9, 2)))
    window, score = metrics.telling_window(frame, SIDE, PIXEL_NM)
    assert [part.stop - part.start for part in window] == [SIDE, SIDE]
    assert inside(window, *place)
    assert score > metrics.telling_window(perfect, SIDE, PIXEL_NM)[1]


def test_a_boundary_is_shown_where_the_lattice_turns():
    shape = (320, 320)
    frame = np.where(np.arange(320) < 230, lattice(shape), lattice(shape, 0.4))
    window, _ = metrics.telling_window(frame, SIDE, PIXEL_NM)
    assert window[1].start + 15 < 230 < window[1].stop - 15


def test_the_rim_is_neither_shown_nor_counted():
    frame = spot((300, 300), 150, 140)
    frame[:6] += 50 * np.random.default_rng(0).random((6, 300))
    frame[:, -6:] -= 40
    window, _ = metrics.telling_window(frame, SIDE, PIXEL_NM)
    assert inside(window, 150, 140)
    for part in window:
        assert part.start >= RIM_PX
        assert part.stop <= 300 - RIM_PX


@pytest.mark.parametrize("shape", [(40, 300), (60, 50), (8, 8)])
def test_small_and_flat_frames(shape):
    window, score = metrics.telling_window(np.full(shape, 3.0), SIDE)
    assert score == 0
    assert np.zeros(shape)[window].shape == tuple(min(n, SIDE) for n in shape)
    assert abs(window[1].start + window[1].stop - shape[1]) <= 1  # the middle


def test_a_frame_that_holds_more_atoms_scores_higher():
    few, many = (lattice((200, 200)) + n * spot((200, 200), 90, 90) for n in (1, 6))
    scores = [metrics.telling_window(frame, SIDE, PIXEL_NM)[1] for frame in (few, many)]
    assert scores[1] > 2 * scores[0]
