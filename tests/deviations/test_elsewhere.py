"""Maxima of filtered noise are as many as is expected; more are real."""

import crystals
import numpy as np
import pytest

from n2v_stem_keras.deviations.elsewhere import Field, expected, height_at, real
from n2v_stem_keras.deviations.elsewhere import maxima_of as maxima_with


def maxima_of(maps, kinds, apart_px):
    return maxima_with(maps, np.ones_like(maps), kinds, np.zeros(len(maps)), apart_px)


def field_of(image):
    return Field.of(image, np.ones_like(image))


def noise(seed, shape=(512, 512), width=1.5):
    return crystals.blurred_noise(shape, width, seed)


def test_chance_makes_as_many_maxima_as_expected():
    n, seen = 0.0, 0
    for seed in range(4):
        field = field_of(7 * noise(seed))
        n += 2 * expected(3.5, field.density) * field.z.size
        seen += sum(len(field.maxima(sign, 2)[1]) for sign in (1, -1))
    assert n > 60
    assert 0.7 < seen / n < 1.3


def test_a_height_belongs_to_a_rate():
    density = field_of(noise(0)).density
    height = height_at(1e-6, density)
    assert expected(height, density) == pytest.approx(1e-6)
    assert height_at(1.0, density) == 3.5


def test_a_constant_field_has_no_maxima():
    field = field_of(np.zeros((40, 40)))
    assert field.density == 0
    assert not len(maxima_of(np.zeros((1, 40, 40)), [0], 2.0).heights)


def test_what_exceeds_chance_is_real_and_noise_is_not():
    n_px = 512 * 512
    chance = [maxima_of(noise(seed)[None], [0], 2.0) for seed in range(3)]
    doubtful = np.concatenate(real(chance, 3 * n_px))
    assert doubtful.max() < 0.5
    image = noise(9)
    image[100, 200] += 0
    bump = np.exp(-((np.indices(image.shape).T - (100, 200)) ** 2).sum(-1).T / (2 * 2.1**2))
    maxima = maxima_of((image - 9 * bump)[None], [0], 2.0)
    (p,) = real([maxima], n_px)
    first = np.abs(maxima.heights).argmax()
    assert maxima.heights[first] < -6
    np.testing.assert_allclose(maxima.places[first], (100, 200), atol=1)
    assert p[first] > 0.99


def test_of_two_maps_the_better_one_tells_the_kind():
    shape = (80, 80)
    bump = np.exp(-((np.indices(shape).T - (40, 30)) ** 2).sum(-1).T / (2 * 2.0**2))
    maps = np.stack([noise(1, shape) + 5 * bump, noise(2, shape) + 9 * bump])
    maxima = maxima_of(maps, [0, 1], 3.0)
    assert maxima.kinds[0] == 1
    apart = np.linalg.norm(maxima.places - (40, 30), axis=1)
    assert (apart < 2).sum() == 1
