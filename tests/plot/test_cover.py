"""The picture that stands for a model: noisy on the left, denoised on the right, no writing."""

import io

import matplotlib.image
import numpy as np
import pytest

from n2v_stem_keras.plot import cover


def drawn(*images, **options):
    """Return the two halves, grey, without the line between them."""
    picture = matplotlib.image.imread(io.BytesIO(cover.cover(*images, **options)))
    assert picture.shape[:2] == (256, 512)
    assert np.allclose(picture[..., 0], picture[..., 1])
    return picture[:, :250, 0], picture[:, -250:, 0]


@pytest.fixture
def ramp():
    """Brighter from left to right, with the range of the denoised frame."""
    return np.tile(np.linspace(0, 1, 64), (64, 1))


def test_noisy_is_left_and_denoised_right(ramp):
    noisy = ramp + np.random.default_rng(0).normal(0, 0.3, ramp.shape)
    left, right = drawn(noisy, ramp)
    assert np.diff(right.mean(axis=0)).min() > -0.01
    assert np.abs(np.diff(left, axis=1)).mean() > 5 * np.abs(np.diff(right, axis=1)).mean()


def test_both_halves_have_the_intensities_of_the_denoised_frame(ramp):
    """Else noise would fade what is seen of it."""
    left, right = drawn(ramp, ramp)
    assert np.abs(left[:, :240] - right[:, 10:250]).mean() < 0.1
    brighter, _ = drawn(ramp + 10, ramp)
    assert brighter.min() > 0.95


def test_of_a_frame_that_is_not_square_the_middle_is_drawn(ramp):
    wide = np.full((64, 192), 5.0)
    wide[:, 64:128] = ramp
    assert np.array_equal(cover._square(wide), ramp)
    assert np.array_equal(cover._square(wide.T), ramp.T)


def test_the_same_frames_give_the_same_bytes(ramp):
    assert cover.cover(ramp, ramp) == cover.cover(ramp, ramp)
