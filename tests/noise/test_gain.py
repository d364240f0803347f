"""Noise against signal: gain and offset of known detectors, with atoms that move."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import noise, simulate


def blobs(shape=(128, 160), seed=0, level=0.2, height=1.0, number=90):
    """(Y, X) atoms on a background [fraction of the beam]."""
    rng = np.random.default_rng(seed)
    points = np.zeros(shape)
    points[rng.integers(0, shape[0], number), rng.integers(0, shape[1], number)] = 1
    image = gaussian_filter(points, 2.0, mode="wrap")
    return level + height * image / image.max()


def movie(clean, n_frames=6):
    return np.repeat(clean[None, ..., None], n_frames, axis=0)


@pytest.mark.parametrize(
    ("gain", "offset", "readout"), [(1.0, 0.0, 0.0), (2.5, 100.0, 3.0), (0.01, -3.0, 10.0)]
)
def test_gain_and_offset_are_recovered_within_their_errors(gain, offset, readout):
    clean = movie(blobs())
    counts = noise.add_poisson_noise(clean, 100, 1, gain, offset, readout)[..., 0]
    before = counts.copy()
    found = noise.gain_and_offset(counts)
    assert np.array_equal(counts, before)
    assert found.n_pairs == 3
    assert abs(found.gain - gain) < 4 * found.gain_se
    assert found.gain_se < 0.16 * gain
    intercept = gain**2 * readout**2 - gain * offset
    assert abs(found.intercept - intercept) < 4 * found.intercept_se
    assert found.is_significant
    mean = gain * 100 * 0.5 + offset
    assert found.variance(mean) == pytest.approx(gain**2 * (50 + readout**2), rel=0.1)


def test_errors_are_the_scatter():
    clean = movie(blobs((96, 96), number=50), 2)
    counts = [noise.add_poisson_noise(clean, 50, seed)[..., 0] for seed in range(25)]
    found = [noise.gain_and_offset(one) for one in counts]
    gains = np.array([one.gain for one in found])
    assert gains.std() == pytest.approx(np.mean([one.gain_se for one in found]), rel=0.5)
    assert gains.mean() == pytest.approx(1, abs=4 * gains.std() / 5)


def test_white_noise_does_not_depend_on_the_signal():
    """Readout noise alone: neither the binning nor the image may make a slope."""
    frames = 40 * movie(blobs())[..., 0]
    frames = frames + 5 * np.random.default_rng(0).normal(size=frames.shape)
    found = noise.gain_and_offset(frames)
    assert not found.is_significant
    assert abs(found.gain) < 4 * found.gain_se
    assert found.variance(20) == pytest.approx(25, rel=0.1)


@pytest.mark.parametrize("hops", [False, True])
def test_moving_adatoms_and_drift_hardly_matter(hops):
    """At 1860 e-/px ADF has few electrons on the support, many on adatoms, half of which move."""
    ratios, plain = [], []
    for seed in range(2):
        clean = simulate.reference_movie(seed, (160, 200), n_frames=2, hops=hops).clean[..., :1]
        counts = noise.add_poisson_noise(clean, 1860, seed, gain=3.0)[..., 0]
        found = noise.gain_and_offset(counts)
        assert abs(found.gain - 3) < 4 * found.gain_se
        ratios.append(found.gain / 3)
        # negative control: variance of plain differences over bins of the mean
        d, m = (counts[0] - counts[1]) ** 2 / 2, (counts[0] + counts[1]) / 2
        bright = m > np.quantile(m, 0.95)
        slope = (d[bright].mean() - d[~bright].mean()) / (m[bright].mean() - m[~bright].mean())
        plain.append(slope / 3)
    assert np.mean(ratios) == pytest.approx(1, abs=0.3)
    assert np.mean(plain) > 2


def test_drift_by_whole_pixels_is_followed():
    wide = blobs((128, 200))
    frames = np.stack([wide[:, 4 * t : 4 * t + 150] for t in range(4)])[..., None]
    counts = noise.add_poisson_noise(frames, 200, 0)[..., 0]
    found = noise.gain_and_offset(counts)
    assert found.gain == pytest.approx(1, abs=4 * found.gain_se)
    assert found.gain_se < 0.15


def test_row_offsets_are_not_counting_noise():
    """Unless they are as strong as the image: the mean is then not the signal's."""
    counts = noise.add_poisson_noise(movie(blobs()), 100, 1)
    striped = noise.row_offsets(counts, 2.0, seed=2)[..., 0]
    found, plain = noise.gain_and_offset(striped), noise.gain_and_offset(counts[..., 0])
    assert found.gain == pytest.approx(plain.gain, abs=2 * plain.gain_se)
    assert found.intercept == pytest.approx(plain.intercept, abs=3 * plain.intercept_se)


def test_what_cannot_be_fitted_is_said():
    one = np.zeros((1, 40, 40))
    with pytest.raises(ValueError, match="at least two consecutive frames of one movie"):
        noise.gain_and_offset(one)
    with pytest.raises(ValueError, match="16x16"):
        noise.gain_and_offset(np.zeros((3, 8, 40)))
    still = noise.gain_and_offset(np.zeros((2, 40, 40)))
    assert np.isnan(still.gain)
    assert not still.is_significant
    assert np.isnan(noise.gain_and_offset(np.repeat(blobs()[None], 2, 0)).gain)  # no noise


def test_long_movies_are_sampled_in_pairs():
    class Lazy:
        shape, ndim = (101, 40, 40), 3
        asked: tuple = ()

        def __len__(self):
            return 101

        def __getitem__(self, t):
            self.asked = (*self.asked, int(t))
            return np.random.default_rng(int(t)).poisson(50, (40, 40))

    lazy = Lazy()
    assert noise.gain_and_offset(lazy).n_pairs == 8
    pairs = set(lazy.asked)
    assert len(pairs) == 16
    assert {t + 1 for t in pairs if t % 2 == 0} <= pairs
    assert max(pairs) > 95
