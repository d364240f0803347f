"""What the frames before know, kept up to date frame by frame."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from n2v_stem_keras.normalize import MovieStatistics, scan
from n2v_stem_keras.temporal import N_IMAGES
from n2v_stem_keras.temporal.evidence import Sums, moved_by, no_evidence
from n2v_stem_keras.temporal.past import MEMORY, Past

SHAPE = (12, 16, 2)
UNIT = MovieStatistics(np.zeros(2), np.ones(2), (), (), 0)


def noisy(n, seed=0):
    return np.random.default_rng(seed).normal(3, 2, size=(n, *SHAPE)).astype(np.float32)


def past_of(frames):
    past = Past()
    for frame in frames:
        past.add(frame)
    return past


def test_before_the_first_frame_nothing_is_known():
    assert_array_equal(Past().images(SHAPE, UNIT), no_evidence(SHAPE))


@pytest.mark.parametrize("n", [1, 2, 9, MEMORY])
def test_as_long_as_nothing_fades_it_is_the_plain_mean(n):
    frames = noisy(n)
    statistics = scan(noisy(40))
    sums = Sums(SHAPE)
    for i, frame in enumerate(frames):
        part = statistics.standardise(frame)
        sums.add(part, slice(0, 12), slice(0, 16), n - i)
    images, expected = past_of(frames).images(SHAPE, statistics), sums.images()
    share, mean, error, _ = np.split(images, N_IMAGES, axis=-1)
    assert_allclose(share, np.split(expected, N_IMAGES, axis=-1)[0], rtol=1e-5)
    assert_allclose(mean, np.split(expected, N_IMAGES, axis=-1)[1], atol=1e-5)
    assert_allclose(error, np.split(expected, N_IMAGES, axis=-1)[2], rtol=1e-4)


def test_old_frames_fade_and_memory_stays_level():
    past = past_of(noisy(500))
    share = past.images(SHAPE, UNIT)[..., 0]
    # an exponential mean of weight 1 / M is worth 2 M - 1 frames
    assert_allclose(share, 1 / (2 * MEMORY), rtol=1e-4)
    past = past_of([np.full(SHAPE, 100, np.float32), *np.zeros((200, *SHAPE), np.float32)])
    assert np.abs(past.images(SHAPE, UNIT)[..., 2:4]).max() < 1e-3


def test_what_is_known_moves_with_the_specimen():
    frame = noisy(1)[0]
    past = past_of([frame])
    past.move((2, -3))
    images = past.images(SHAPE, UNIT)
    assert_allclose(images[2:, :-3, 2:4], frame[:-2, 3:], rtol=1e-6)
    assert_array_equal(images[:2], no_evidence(SHAPE)[:2])
    assert_array_equal(images[:, -3:], no_evidence(SHAPE)[:, -3:])


def test_gain_and_offset_change_nothing():
    frames = noisy(6)
    a = past_of(frames[:5]).images(SHAPE, scan(frames))
    b = past_of(1000 + 50 * frames[:5]).images(SHAPE, scan(1000 + 50 * frames))
    assert_allclose(a, b, atol=1e-3)


def test_a_frame_of_another_size_shows_another_area():
    past = past_of(noisy(3))
    assert_array_equal(past.images((6, 6, 2), UNIT), no_evidence((6, 6, 2)))
    past.add(np.zeros((6, 6, 2), np.float32))
    assert_allclose(past.images((6, 6, 2), UNIT)[..., 0], 0.5)


@pytest.mark.parametrize("offset", [(0.3, -0.4), (-0.5, 0.5), (0.0, 0.25), (0.04, -0.04)])
def test_the_rest_of_a_drift_moves_by_less_than_a_pixel(offset):
    y, x = np.mgrid[:60, :64]

    def wave(y, x):
        return np.stack([np.sin(2 * np.pi * y / 3) + np.cos(x / 4), np.sin((x + y) / 5)])

    given = wave(y, x).astype(np.float32)
    before = given.copy()
    moved = moved_by(given, offset)
    assert_array_equal(given, before)
    expected = wave(y - offset[0], x - offset[1])
    few = max(map(abs, offset)) < 0.05  # too little to be worth it
    inner = np.s_[:, 12:-12, 12:-12]
    assert_allclose(moved[inner], expected[inner], atol=0.1 if few else 0.03)
    assert moved.dtype == np.float32


def test_frames_are_taken_in_where_they_lie():
    x = np.mgrid[:60, :60][1]

    def wave(rest):
        phase = 2 * np.pi * (x - rest) / 3.5
        return np.stack([np.sin(phase), np.cos(phase)], -1).astype(np.float32)

    past = Past()
    for rest in (0.4, -0.1, 0.3, -0.45):
        past.add(wave(rest), (0.0, rest))
    images = past.images((60, 60, 2), UNIT, (0.0, -0.2))
    for mean in (images[..., 2:4], images[..., 6:8]):
        assert_allclose(mean[:, 12:-12], wave(-0.2)[:, 12:-12], atol=0.06)


def test_margins_say_nothing_of_the_next_frame():
    frame = np.ones(SHAPE, np.float32)
    inside = np.s_[3:, : SHAPE[1] - 2]
    past = Past()
    past.add(frame, inside=inside)
    images = past.images(SHAPE, UNIT)
    outside = np.ones(SHAPE[:2], bool)
    outside[inside] = False
    assert_array_equal(images[outside], no_evidence(SHAPE)[outside])
    assert_array_equal(images[inside][..., :2], 0.5)
    past.add(frame)  # one without margins
    share = past.images(SHAPE, UNIT)[..., 0]
    assert_allclose(share[inside], 1 / 3)
    assert_allclose(share[outside], 0.5)
