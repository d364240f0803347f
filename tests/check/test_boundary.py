"""Tilt boundaries and edges: a lattice that goes on beyond them is measured."""

import numpy as np
import pytest

from n2v_stem_keras.check import boundary, lattice_at_line

BOTH = ("ADF", "BF")
KINDS = ("tilt boundary", "edge")


@pytest.mark.parametrize("kind", KINDS)
def test_what_leaves_the_frame_alone_draws_no_lattice_beyond(kind):
    for found in lattice_at_line(lambda m: m, BOTH, kind, 40, n_frames=2):
        assert found.kind == kind
        assert abs(found.beyond) < 0.12
        assert found.own == pytest.approx(1, abs=0.12)
        assert found.crystal == pytest.approx(1, abs=0.02)
        assert found.d_prime > 300  # as the noise is, at 40 dB


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_lattice_that_goes_on_is_measured(share):
    scenes = [boundary._scene(BOTH, "edge", [0, 29, i], 1, 0.046, "graphene") for i in range(2)]

    numbers = iter((0, 1))

    def draw(movie):
        clean, (whole,), _ = scenes[next(numbers)]
        return share * whole + (1 - share) * clean

    for found in lattice_at_line(draw, BOTH, "edge", 40, n_frames=2):
        assert found.beyond == pytest.approx(share, abs=0.06)
        assert found.own == pytest.approx(1, abs=0.06)


def test_one_crystal_drawn_over_the_other_is_measured():
    scenes = [
        boundary._scene(BOTH, "tilt boundary", [0, 29, i], 1, 0.046, "graphene") for i in range(2)
    ]

    numbers = iter((0, 1))

    def draw(movie):
        return scenes[next(numbers)][1][0]

    for found in lattice_at_line(draw, BOTH, n_frames=2):
        # it is right on its own side, and goes on all through the other
        assert found.own == pytest.approx(0.5, abs=0.1)
        assert found.beyond == pytest.approx(0.5, abs=0.1)


def test_the_crystals_of_both_sides_are_those_of_the_frames():
    clean, grains, away = boundary._scene(BOTH, "tilt boundary", 3, 3, 0.046, "mos2")
    for grain, side in zip(grains, (away < -0.9, away > 0.9)):
        assert np.allclose(clean[side], grain[side], atol=1e-3 * np.ptp(clean))
        assert side[0].mean() > 0.1
    assert not np.allclose(away[0], away[2])  # they drift


def test_d_prime_is_that_of_a_square_in_one_frame():
    at_10, at_16 = (lattice_at_line(np.zeros_like, BOTH, "edge", db, n_frames=2) for db in (10, 16))
    for found, quiet in zip(at_10, at_16):
        assert quiet.d_prime / found.d_prime == pytest.approx(10**0.3, rel=1e-3)
    alone = [lattice_at_line(np.zeros_like, (c,), "edge", n_frames=2)[0].d_prime for c in BOTH]
    assert at_10[0].d_prime == pytest.approx(np.hypot(*alone), rel=1e-3)
