"""Made-up jumps show other places of the movie, alike in their lattice, on one side alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from n2v_stem_keras.normalize import scan
from n2v_stem_keras.temporal import jumps
from n2v_stem_keras.temporal.context import Draw, MovieContext
from n2v_stem_keras.temporal.registration import MAX_LAG, Registration, still

SHAPE, N = (64, 80, 1), 7
PLACE = ((0, 0), SHAPE[:2])


def lattice(shape=SHAPE, period=8):
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = np.cos(2 * np.pi * y / period) + np.cos(2 * np.pi * x / period)
    return np.repeat(waves[..., None], shape[2], axis=2)


def context_of(frames, registration=None):
    return MovieContext(frames, scan(frames), registration or still(len(frames)), reach=24)


def noisy(seed=0):
    noise = np.random.default_rng(seed).normal(size=(N, *SHAPE))
    return (lattice() + 0.1 * noise).astype(np.float32)


def test_places_are_alike_where_they_lie_a_lattice_vector_apart():
    offsets = jumps.alike(lattice())
    assert len(offsets) > 5
    assert_array_equal(offsets % 8, 0)
    assert np.hypot(*offsets.T).min() > jumps.NEAREST


def test_any_place_is_as_good_as_another_where_nothing_repeats():
    offsets = jumps.alike(np.random.default_rng(0).normal(size=SHAPE))
    assert len(offsets) > 20
    assert offsets.std(axis=0).min() > 5


@pytest.mark.parametrize("shape", [(8, 8, 1), (40, 300, 2)])
def test_frames_of_any_size(shape):
    offsets = jumps.alike(np.random.default_rng(0).normal(size=shape))
    for jump in jumps.draw(np.random.default_rng(1), offsets, shape[:2], ((0, 0), shape[:2])):
        assert jump.inside.shape[:2] == (jump.y.stop - jump.y.start, jump.x.stop - jump.x.start)
        assert jump.y.stop <= shape[0]
        assert jump.x.stop <= shape[1]


def test_discs_cover_the_share_they_should():
    offsets = jumps.alike(lattice((256, 256, 1)))
    rng, covered = np.random.default_rng(0), []
    for _ in range(20):
        for before in (True, False):
            seen = np.zeros((256, 256), bool)
            for jump in jumps.draw(rng, offsets, seen.shape, ((0, 0), seen.shape)):
                if jump.before == before:
                    seen[jump.y, jump.x] |= jump.inside[..., 0]
            covered.append(seen.mean())
    # discs overlap, and some that would reach beyond the frame are left out
    assert 0.4 * jumps.COVERED < np.mean(covered) < 0.8 * jumps.COVERED


def test_a_disc_shows_the_other_place_before_or_after_alone():
    frames = noisy()
    context = context_of(frames)
    inside = np.ones((5, 5, 1), bool)
    jump = jumps.Jump(True, slice(10, 15), slice(20, 25), inside, (16, 32))
    plain, changed = context.images(3), context.images(3, made_up=[jump])
    here, there = np.s_[10:15, 20:25], np.s_[26:31, 52:57]
    seen = scan(frames).standardise(frames)
    expected = (seen[(np.s_[:3], *there)].sum(0) + seen[(np.s_[4:], *here)].sum(0)) / (N - 1)
    assert_allclose(changed[here][..., 1:2], expected, atol=1e-5)
    away = np.ones(SHAPE[:2], bool)
    away[9:16, 19:26] = False  # the error is smoothed over 3x3 px
    assert_array_equal(changed[away], plain[away])
    # the first frame has none before it
    assert_array_equal(context.images(0, made_up=[jump]), context.images(0))


def test_a_drifting_specimen_takes_its_other_places_along():
    moved = np.array([[0, 0], [3, -2], [6, -4]])
    wide = np.random.default_rng(5).normal(size=(90, 120, 1))
    frames = np.stack([wide[y + 10 :, x + 10 :][: SHAPE[0], : SHAPE[1]] for y, x in -moved])
    path = Registration(moved.astype(float), np.zeros(3, int), np.zeros((3, MAX_LAG)))
    context = context_of(frames.astype(np.float32), path)
    inside = np.ones((9, 9, 1), bool)
    jump = jumps.Jump(True, slice(20, 29), slice(30, 39), inside, (10, 12))
    mean = context.images(2, made_up=[jump])[..., 1:2]
    assert_allclose(mean[20:29, 30:39], context.frame(2)[30:39, 42:51], atol=1e-5)


def test_a_seed_draws_the_same_jumps():
    context = context_of(noisy())
    both = Draw(3, 3)
    first, second = (context.draw_jumps(np.random.default_rng(3), PLACE, both) for _ in range(2))
    assert len(first) == len(second) > 0
    for a, b in zip(first, second):
        assert (a.before, a.y, a.x, a.offset) == (b.before, b.y, b.x, b.offset)


def test_there_are_more_where_frames_before_are_all_that_is_seen():
    context, rngs = context_of(noisy()), (np.random.default_rng(3) for _ in range(2))
    few, many = (
        context.draw_jumps(rng, PLACE, draw) for rng, draw in zip(rngs, (Draw(3, 3), Draw(3, 0)))
    )
    assert len(many) > 1.5 * len(few)
