"""The level of a place tells of holes that the lattice itself is too faint to tell of."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import minimum_filter

from n2v_stem_keras.lattice import window_levels
from n2v_stem_keras.lattice.windows import LocalWienerFilter

SIDE, RADIUS = 256, 22
Y, X = np.indices((SIDE, SIDE)) - SIDE / 2 + 0.5
HOLE = np.hypot(Y, X)[None, :, :, None] < RADIUS
BESIDE = np.hypot(Y, X)[None, :, :, None] > 2 * RADIUS


def crystal(height, seed=0):
    """A hexagonal lattice of this standard deviation, noise 1, and the lattice alone."""
    angles = 0.4 + np.arange(3) / 3 * np.pi
    waves = [np.cos(2 * np.pi * (X * np.cos(a) + Y * np.sin(a)) / 5) for a in angles]
    truth = (height * np.sum(waves, axis=0) / 1.5**0.5)[None, :, :, None]
    return truth + np.random.default_rng(seed).normal(size=truth.shape), truth


def presence(frame, monkeypatch):
    """What levels say of a frame (1, Y, X, C), and the lattice image that comes of it."""
    said, of = [], LocalWienerFilter._presence_by_level

    def kept(*args):
        said.append(of(*args))
        return said[-1]

    monkeypatch.setattr(LocalWienerFilter, "_presence_by_level", kept)
    found = LocalWienerFilter(SIDE, 16)(tf.constant(frame.astype(np.float32))).numpy()
    monkeypatch.undo()
    return said[0].numpy(), found


def contrast(found, truth, where):
    return (found * truth)[where].sum() / (truth**2)[where].sum()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("height", "depth"), [(0.1, 0.4), (0.2, 0.4)])
def test_in_a_hole_that_the_level_tells_of_no_lattice_is_drawn(height, depth, sign, monkeypatch):
    frame, truth = crystal(height)
    frame = np.where(HOLE, frame - truth - sign * depth, frame)
    said, found = presence(frame, monkeypatch)
    inside, beside = (contrast(found, truth, where) for where in (HOLE, BESIDE))
    assert inside < 0.1 * beside
    assert said[BESIDE].mean() > 0.98
    # were it not for the level, it would be drawn there
    monkeypatch.setattr(LocalWienerFilter, "_presence_by_level", lambda *_: 1.0)
    without = LocalWienerFilter(SIDE, 16)(tf.constant(frame.astype(np.float32))).numpy()
    assert contrast(without, truth, HOLE) > 2 * max(inside, 0.05)
    assert contrast(without, truth, BESIDE) == pytest.approx(beside, rel=0.03)


@pytest.mark.parametrize("height", [0.05, 0.1, 0.3])
def test_a_perfect_crystal_stays_as_it_is(height, monkeypatch):
    said = [presence(crystal(height, seed)[0], monkeypatch)[0] for seed in range(4)]
    assert np.mean(said) > 0.95
    assert np.mean(np.array(said) < 0.5) < 0.05


def test_a_bright_place_on_the_crystal_keeps_its_lattice(monkeypatch):
    """A thicker support, or a contamination, under the same lattice."""
    frame, _ = crystal(0.3)
    said, _ = presence(np.where(HOLE, frame + 1, frame), monkeypatch)
    assert said[HOLE].mean() > 0.9


def test_few_places_of_a_level_say_nothing(monkeypatch):
    """An adatom: its level is its own."""
    frame, _ = crystal(0.1)
    frame += 8 * np.exp(-(X**2 + Y**2) / 2 / 2.5**2)[None, :, :, None]
    said, _ = presence(frame, monkeypatch)
    assert said[:, 118:138, 118:138].mean() > 0.9


def test_it_does_not_depend_on_offset_and_scale(monkeypatch):
    frame, truth = crystal(0.2)
    frame = np.where(HOLE, frame - truth - 0.4, frame)
    said, _ = presence(frame, monkeypatch)
    other, _ = presence(3 * frame + 5, monkeypatch)
    assert np.mean(np.abs(said - other)) < 1e-3
    assert said.min() < 0.1


def test_levels_are_means_over_more_pixels_in_larger_windows():
    assert window_levels.half_box(256) == 12
    assert window_levels.half_box(16) == 1


def test_atoms_on_the_crystal_say_nothing_of_the_lattice_under_them(monkeypatch):
    """They sit where the lattice is dark, so that they look like less of it."""
    frame, truth = crystal(0.2)
    sites = np.argwhere(truth[0, ..., 0] == minimum_filter(truth[0, ..., 0], 7))
    sites = sites[np.random.default_rng(1).permutation(len(sites))[:30]]
    for y, x in sites - SIDE / 2 + 0.5:
        frame += 8 * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / 2 / 1.5**2)[None, :, :, None]
    said, _ = presence(frame, monkeypatch)
    assert said.mean() > 0.95
    monkeypatch.setattr(window_levels, "STANDS_OUT", 1e9)
    assert presence(frame, monkeypatch)[0].mean() < said.mean() - 0.02
