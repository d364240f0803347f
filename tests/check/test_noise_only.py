"""Noise alone: waves and atoms that a model makes of it are found and measured, and no others."""

import numpy as np
import pytest
from predictors import blur_more, wave
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.atoms import Criterion, poisson_interval
from n2v_stem_keras.check import (
    noise_only,
)

HIGH = {"ADF": Criterion(3.0), "BF": Criterion(3.0, sign=-1)}


def test_a_blur_makes_no_wave_and_few_atoms_of_noise():
    for found in noise_only(blur_more, HIGH, n_frames=8):
        assert found.wave_sigma == 0
        assert np.isnan(found.wave_period_px)
        assert found.n_atoms == 0
        assert found.interval_95[0] == 0
        assert found.interval_95[1] == pytest.approx(3.69 / (8 * 256**2 / 1e6), rel=0.01)
        assert found.noise_left == pytest.approx(1 / (2 * np.pi**0.5 * 1.2), rel=0.02)


@pytest.mark.parametrize("amplitude", [0.03, 0.3])
def test_a_wave_is_found_and_measured(amplitude):
    adf, bf = noise_only(lambda m: blur_more(m) + [1, 0] * wave(7.0, amplitude), HIGH, n_frames=8)
    assert adf.wave_sigma == pytest.approx(amplitude, rel=0.25)
    assert adf.wave_period_px == pytest.approx(7.0 / np.hypot(1, 0.4), rel=0.03)
    assert bf.wave_sigma == 0


def test_a_wave_of_random_phase_is_found_too():
    def draw(movie):
        shifted = [np.roll(wave(7.0, 0.2), 5 * t, axis=1) for t in range(len(movie))]
        return blur_more(movie) + np.stack(shifted)

    assert noise_only(draw, HIGH, n_frames=8)[0].wave_sigma == pytest.approx(0.2, rel=0.25)


def test_atoms_made_of_noise_are_counted():
    def invent(movie):
        out = 0.1 * blur_more(movie)
        for t in range(len(out)):
            out[t, 50::60, 40 + t :: 70] += [8, -8]
        return gaussian_filter(out, (0, 0.8, 0.8, 0))

    per_frame = len(range(50, 256, 60)) * 4
    for found in noise_only(invent, {k: Criterion(1.0, c.sign) for k, c in HIGH.items()}, 3):
        assert found.n_atoms == 3 * per_frame
        low, high = poisson_interval(found.n_atoms)
        area = 3 * 256**2 / 1e6
        assert found.interval_95 == (low / area, high / area)
        assert found.per_Mpx == pytest.approx(found.n_atoms / area)


def test_blots_are_counted_apart_from_atoms():
    def invent(movie):
        out = 0.1 * blur_more(movie)
        out[:, 50, 40::70] += [-8, 8]  # of the other sign than atoms
        out[:, 150, 40] += [8, -8]
        return gaussian_filter(out, (0, 0.8, 0.8, 0))

    for found in noise_only(invent, {k: Criterion(1.0, c.sign) for k, c in HIGH.items()}, 3):
        assert (found.n_atoms, found.n_blots) == (3, 3 * 4)


def test_blank_output_is_no_artefact():
    for found in noise_only(np.zeros_like, HIGH, n_frames=2):
        assert (found.n_atoms, found.wave_sigma, found.noise_left) == (0, 0, 0)
