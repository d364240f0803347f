"""Plane waves in windows: found where they are, drawn as they are, and not made of noise."""

import numpy as np
import pytest
import tensorflow as tf

from n2v_stem_keras.lattice.waves import draw_waves, find_peaks

W = 32
ALONG = (np.arange(W) - (W - 1) / 2) / W
TAPER = np.sin(np.pi * (np.arange(W) + 0.5) / W)
ALLOWED = np.ones((W, W // 2 + 1), np.float32)
ALLOWED[:2, :2] = ALLOWED[-1:, :2] = 0  # next to zero frequency


def wave(k_y, k_x, height=1.0, phase=0.3):
    """A plane wave of so many periods a window along y and x."""
    angle = 2 * np.pi * (k_y * ALONG[:, None] + k_x * ALONG) + phase
    return height * np.cos(angle)


def found(window, n_waves=1, background=1.0):
    """Peaks of one window, and the waves drawn there; (W, W)."""
    weight = tf.constant((TAPER**2)[None], tf.float32)
    tapered = window * np.outer(TAPER, TAPER)
    power = np.abs(np.fft.rfft2(tapered)) ** 2
    ratio = tf.constant(power[None, None, None] / background, tf.float32)
    peaks = find_peaks(ratio, ALLOWED, n_waves)
    twice = tf.constant((tapered * np.outer(TAPER, TAPER))[None, None, None, None], tf.float32)
    noise = tf.fill((1, 1, 1, 1, W, W // 2 + 1), np.float32(background))
    drawn = draw_waves(twice, weight, weight, noise, peaks, shifts=(tf.zeros(1), tf.zeros(1)))
    return [part.numpy().ravel() for part in peaks], drawn.numpy()[0, 0, 0, 0]


@pytest.mark.parametrize(("k_y", "k_x"), [(5, 7), (-6, 4), (0, 9), (8, 0)])
def test_a_wave_is_found_and_drawn_whatever_its_phase(k_y, k_x):
    for phase in (0.0, 1.0, 2.5):
        truth = wave(k_y, k_x, 2.0, phase)
        (y, x, _), drawn = found(truth)
        assert (y[0], x[0]) == (k_y % W, k_x)
        assert np.abs(drawn - truth).max() < 0.02


@pytest.mark.parametrize("off", [0.1, 0.3, 0.45])
def test_a_frequency_between_coefficients_is_followed(off):
    truth = wave(5 + off, 7 - off)
    _, drawn = found(truth)
    middle = slice(W // 4, 3 * W // 4)
    error = np.abs(drawn - truth)[middle, middle].max()
    assert error < 0.1
    # the control: the coefficient's own frequency runs out of step
    assert np.abs(wave(5, 7) - truth)[middle, middle].max() > error


def test_waves_add_up_and_no_more_are_drawn_than_asked_for():
    strong, weak = wave(5, 7, 2.0), wave(-9, 3, 1.0, 1.0)
    _, both = found(strong + weak, n_waves=2)
    assert np.abs(both - strong - weak).max() < 0.1
    _, one = found(strong + weak, n_waves=1)
    assert np.abs(one - strong).max() < 0.1


def test_nothing_is_drawn_of_noise_nor_of_nothing():
    noise = np.random.default_rng(0).standard_normal((W, W))
    background = float(np.sum(np.outer(TAPER, TAPER) ** 2))  # the power of white noise
    _, drawn = found(0.5 * noise, 4, background)
    assert np.abs(drawn).max() < 0.02
    (_, _, strength), drawn = found(np.zeros((W, W)))
    assert strength.max() == 0
    assert np.array_equal(drawn, np.zeros((W, W)))


def test_no_wave_is_looked_for_where_none_may_be():
    """Next to zero frequency, where what varies slowly is strongest."""
    y, x, strength = found(wave(1, 0, 5.0), n_waves=8)[0]
    assert (strength > 0).any()
    assert (ALLOWED[y, x][strength > 0] == 1).all()


def test_peaks_are_maxima_that_lie_apart_strongest_first():
    spectrum = np.ones((1, 1, 1, W, W // 2 + 1), np.float32)
    for y, x, height in ((5, 7, 50), (6, 7, 40), (20, 3, 30), (31, 9, 20), (1, 9, 60)):
        spectrum[..., y, x] = height
    y, x, strength = (part.numpy().ravel() for part in find_peaks(spectrum, ALLOWED, 3))
    # (6, 7) is on the shoulder of (5, 7), and so is (31, 9) of (1, 9), across the edge
    assert list(zip(y, x, strength)) == [(1, 9, 60), (5, 7, 50), (20, 3, 30)]
