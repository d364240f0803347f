"""Values and pixels: saturation, few levels, dead and standing-out pixels, and no false alarms."""

import numpy as np
import pytest
from scenes import both, movie, words

from n2v_stem_keras import noise
from n2v_stem_keras.noise import pixels


def test_saturated_frames_are_reported():
    frames = np.rint(20 * movie()).astype(np.int16)
    top = int(np.quantile(frames[..., 0], 0.99))
    clipped = frames.copy()
    clipped[..., 0] = np.minimum(clipped[..., 0], top)
    clipped[..., 1] = np.maximum(clipped[..., 1], int(np.quantile(frames[..., 1], 0.03)))
    first, second = both(noise.diagnose(clipped))
    assert first.levels.clipped_high
    assert first.levels.share_highest == pytest.approx(0.01, rel=0.1)
    assert first.levels.highest == top
    assert not first.levels.clipped_low
    assert second.levels.clipped_low
    assert not second.levels.clipped_high
    found = noise.diagnose(clipped)
    assert "detector 0: saturated: 1" in words(found)
    assert "detector 1: cut off below: 3" in words(found)
    assert "saturated" not in words(noise.diagnose(frames))


def test_few_levels_are_called_quantised():
    frames = movie()[..., 0]
    low, high = frames.min(), frames.max()
    coarse = np.rint(31 * (frames - low) / (high - low)) * 8  # 32 levels in 8 bits
    found = noise.diagnose(coarse.astype(np.uint8), "TYX")
    (one,) = both(found)
    assert one.levels.number == 32
    assert one.levels.step == 8
    assert "quantised: 32 levels only" in words(found)
    assert not any([one.levels.clipped_low, one.levels.clipped_high])
    fine = np.rint(127 * (frames - low) / (high - low)).astype(np.uint8)
    assert noise.diagnose(fine, "TYX").warnings == []


def test_counted_zeros_are_not_called_cut_off():
    counts = np.random.default_rng(0).poisson(0.5, (1, 128, 128))
    found = pixels.levels(counts)
    assert found.share_lowest == pytest.approx(np.exp(-0.5), abs=0.02)
    assert not found.clipped_low
    assert not found.clipped_high


def test_dead_and_standing_out_pixels_are_found_at_their_place():
    frames = movie(12)
    frames[:, 20, 31, 0] = 2.5  # stuck within the range of the noise
    frames[:, 40, 50, 0] += 25
    frames[:, 70, 11, 1] -= 25
    frames[3, 60, 60, 0] += 60  # a passing spark
    first, second = both(noise.diagnose(frames))
    assert first.dead == [[20, 31]]
    assert first.bright == [[40, 50]]
    assert first.dark == second.dead == second.bright == []
    assert second.dark == [[70, 11]]
    found = words(noise.diagnose(frames))
    assert "1 pixel never changing: (y 20, x 31)" in found
    assert "1 pixel brighter than all around" in found
    single = noise.diagnose(frames[3:4])  # one frame: the spark counts too, stuck cannot be known
    assert both(single)[0].bright == [[40, 50], [60, 60]]
    assert both(single)[0].dead == []


def test_atoms_and_counting_noise_do_not_stand_out_and_dark_counts_are_not_dead():
    """Atoms of 2.4 px at half maximum, 100 sigma high; a dose of a tenth of an electron."""
    y, x = np.mgrid[:96, :96]
    atoms = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 2) for a, b in [(20, 20), (50.5, 60.5)])
    sharp = 100 * atoms + np.random.default_rng(0).normal(size=(8, 96, 96))
    bright, dark = pixels.isolated_pixels(sharp, 1.0)
    assert len(bright) == len(dark) == 0
    counts = np.random.default_rng(0).poisson(0.1, (1, 256, 256))
    assert len(pixels.isolated_pixels(counts, np.sqrt(0.1))[0]) == 0
    zeros = np.random.default_rng(0).poisson(0.05, (8, 64, 64))
    assert np.any(np.ptp(zeros, axis=0) == 0)  # many pixels never change, by chance
    assert len(pixels.stuck_pixels(zeros)) == 0
    assert len(pixels.stuck_pixels(np.zeros((4, 32, 32)))) == 0
