"""What frames show: shares of lattice and of what is slow, the sign of peaks, whatever the gain."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.metrics.content import content_of

SIDE, SIGMA = 192, 1.0


def noise(n_frames=3):
    return np.random.default_rng(0).normal(0, SIGMA, (n_frames, SIDE, SIDE))


def lattice(period_px, height=2.0):
    y, x = np.mgrid[:SIDE, :SIDE]
    angles = np.arange(3) * np.pi / 3
    waves = [np.cos(2 * np.pi / period_px * (np.cos(a) * x + np.sin(a) * y)) for a in angles]
    return height * sum(waves)


def slow(height=2.0):
    blurred = gaussian_filter(np.random.default_rng(1).normal(size=(SIDE, SIDE)), 30, mode="wrap")
    return height * blurred / blurred.std()


def peaks(sign, n=40):
    y, x = np.mgrid[:SIDE, :SIDE]
    places = np.random.default_rng(2).uniform(8, SIDE - 8, (n, 2))
    return sign * sum(8 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 8) for a, b in places)


def test_noise_alone_is_nothing_to_be_seen():
    found = content_of(noise(), SIGMA)
    assert not found.is_seen
    assert found.signal_share < 0.02


@pytest.mark.parametrize("period_px", [5.0, 9.0])
def test_a_lattice_is_lattice_with_its_period(period_px):
    found = content_of(noise() + lattice(period_px), SIGMA)
    assert found.is_seen
    assert found.lattice_share > 0.8
    assert found.slow_share < 0.05
    assert found.period_px == pytest.approx(period_px, rel=0.03)
    assert found.contrast > 10 * content_of(noise(), SIGMA).contrast


def test_the_least_lattice_is_one_that_can_just_be_seen():
    """By its spots, of which one this strong shows some, and one a quarter as strong none."""
    found = content_of(noise() + lattice(9.0, 0.2), SIGMA)
    height = 0.2 * np.sqrt(found.least_lattice / found.lattice_share)
    shown = [content_of(noise() + lattice(9.0, f * height), SIGMA) for f in (0.25, 4)]
    assert shown[0].lattice_share < shown[0].least_lattice
    assert shown[1].lattice_share > 0.5
    assert shown[1].contrast > 4 * shown[0].contrast


def test_what_is_slow_is_no_lattice():
    found = content_of(noise() + slow(), SIGMA)
    assert found.slow_share > 0.6
    assert found.lattice_share < 0.1


def edge(slope):
    y, x = np.mgrid[:SIDE, :SIDE]
    return 5.0 * (y > 60 + slope * x)


@pytest.mark.parametrize(
    "specimen",
    [
        *(2 * gaussian_filter(np.random.default_rng(2).normal(size=(SIDE, SIDE)), px) * 4 * px
          for px in (4, 8, 12)),
        *(edge(slope) for slope in (0, 0.2, 0.5)),
        peaks(1),
    ],
)  # fmt: skip
def test_no_lattice_stands_out_of_clouds_edges_and_atoms(specimen):
    """Whose spectra are steep, or streaks."""
    found = content_of(noise() + specimen, SIGMA)
    assert found.is_seen
    assert found.contrast < 0.3 * content_of(noise() + lattice(9.0, 0.5), SIGMA).contrast
    assert found.contrast < 20
    with_lattice = content_of(noise() + specimen + lattice(9.0), SIGMA)
    assert with_lattice.contrast > 100
    assert with_lattice.period_px == pytest.approx(9.0, rel=0.04)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sign_of_peaks_is_that_of_the_skewness(sign):
    found = content_of(noise() + peaks(sign), SIGMA)
    assert sign * found.skewness > 5 * found.skewness_se
    assert abs(content_of(noise(), SIGMA).skewness) < 4 * found.skewness_se


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_no_lattice_has_a_skewness_of_its_own(sign):
    """Gaps of a lattice may stand out more than its columns."""
    gaps = lattice(9.0, -1.0)
    bare = content_of(noise() + gaps, SIGMA)
    assert bare.skewness < -6 * bare.skewness_se
    assert abs(bare.rest_skewness) < 4 * bare.rest_skewness_se
    found = content_of(noise() + gaps + peaks(sign), SIGMA)
    assert sign * found.rest_skewness > 5 * found.rest_skewness_se


def test_gain_and_offset_change_nothing():
    frames = noise() + lattice(7.0) + slow(1.0) + peaks(1)
    one, other = content_of(frames, SIGMA), content_of(250 * frames + 9000, 250 * SIGMA)
    for name in ("signal_share", "slow_share", "lattice_share", "period_px", "skewness"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6), name


@pytest.mark.parametrize("frames", [np.zeros((2, 64, 64)), np.ones((1, 31, 200))])
def test_blank_and_small_frames_tell_nothing(frames):
    assert content_of(frames, SIGMA) is None
