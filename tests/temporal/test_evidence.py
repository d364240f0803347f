"""The mean of other frames at each pixel: its share, its error, what lies outside."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from n2v_stem_keras.temporal import N_IMAGES
from n2v_stem_keras.temporal.evidence import Sums, no_evidence, overlap

SHAPE = (12, 16, 2)
WHOLE = slice(0, 12), slice(0, 16)


def images_of(frames, distances=None):
    sums = Sums(SHAPE)
    for i, frame in enumerate(frames):
        sums.add(frame, *WHOLE, distances[i] if distances else 9)
    return split(sums.images())


def split(images):
    """Share, mean, error, near, each (Y, X, C)."""
    return np.split(images, N_IMAGES, axis=-1)


def noisy(n, seed=0):
    return list(np.random.default_rng(seed).normal(size=(n, *SHAPE)).astype(np.float32))


def test_a_frame_alone_has_the_movies_mean_and_spread():
    share, mean, error, near = split(no_evidence(SHAPE))
    assert_array_equal(share, 1)
    assert_array_equal(error, 1)
    assert not mean.any()
    assert not near.any()


@pytest.mark.parametrize("n", [1, 2, 7])
def test_share_and_mean_are_those_of_the_frames(n):
    frames = noisy(n)
    share, mean, _, _ = images_of(frames)
    assert_allclose(share, 1 / (1 + n), rtol=1e-6)
    assert_allclose(mean, np.mean(frames, axis=0), atol=1e-6)


def test_the_error_is_the_standard_error_of_the_mean():
    frames = noisy(400)
    _, mean, error, _ = images_of(frames)
    assert_allclose(np.sqrt(np.mean(error**2)), 1 / 20, rtol=0.02)
    assert_allclose(mean.std(), 1 / 20, rtol=0.1)


def test_the_error_is_large_where_something_moved():
    frames = noisy(20)
    for frame in frames[:10]:
        frame[4:7, 4:7] += 6
    error = images_of(frames)[2]
    assert error[5, 5].min() > 2 * np.median(error)


def test_near_frames_count_for_more_and_far_ones_not_at_all():
    frames = [np.full(SHAPE, value, np.float32) for value in (1, 10, 100)]
    near = images_of(frames, distances=[1, 2, 4])[3]
    assert_allclose(near, (1 * 1 + 10 * 0.5) / 1.5, rtol=1e-6)


def test_outside_of_all_frames_nothing_is_known():
    sums = Sums(SHAPE)
    sums.add(np.full((12, 6, 2), 5, np.float32), slice(0, 12), slice(0, 6), 1)
    images = sums.images()
    assert_array_equal(images[:, 6:], no_evidence(SHAPE)[:, 6:])
    assert_allclose(split(images)[1][:, :6], 5)


@pytest.mark.parametrize("offset", [-20, -12, -3, 0, 5, 12, 30])
def test_overlap_is_where_both_axes_have_a_pixel(offset):
    here, there = overlap(12, offset)
    pixels = [y for y in range(12) if 0 <= y + offset < 12]
    assert list(range(12))[here] == pixels
    assert list(range(12))[there] == [y + offset for y in pixels]
