"""The Anscombe transform of counts: unbiased, and of use on counts only."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import baselines, metrics

COUNTS = {"gain": 2.0, "offset": 5.0, "readout": 0.6}


def counts(electrons, seed, gain=1.0, offset=0.0, readout=0.0):
    rng = np.random.default_rng(seed)
    return gain * rng.poisson(electrons) + offset + readout * rng.normal(size=electrons.shape)


@pytest.mark.parametrize("readout", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("mean", [0.5, 1, 3, 20])
def test_the_inverse_anscombe_transform_is_unbiased(mean, readout):
    """The mean of the transformed counts, perfectly denoised, comes back as the mean count."""
    about = {**COUNTS, "readout": readout * COUNTS["gain"]}
    reading = counts(np.full((1000, 1000), float(mean)), seed=3, **about)
    transformed = baselines.anscombe(reading, **about)
    back = baselines.inverse_anscombe(transformed.mean(), **about)
    electrons = (back - about["offset"]) / about["gain"]
    assert electrons == pytest.approx(mean, abs=0.06)
    if mean >= 3:
        assert transformed.std() == pytest.approx(1, abs=0.05)
        algebraic = (transformed.mean() / 2) ** 2 - 3 / 8 - readout**2
        assert mean - algebraic > 0.2  # negative control: what a plain inverse loses


def test_the_inverse_anscombe_transform_never_goes_below_no_electron():
    low = baselines.inverse_anscombe(np.array([-1.0, 0.0, 0.5, 1.2]), **COUNTS)
    assert np.array_equal(low, np.full(4, COUNTS["offset"]))


@pytest.mark.slow
def test_the_transform_helps_bm3d_on_counts_but_not_in_white_noise():
    """Bright atoms of 25 electrons on a dark ground of 0.2, each at the best of four strengths."""
    pytest.importorskip("bm3d")
    rng = np.random.default_rng(3)
    atoms = np.zeros((64, 64))
    for y, x in np.mgrid[8:64:16, 8:64:16].reshape(2, -1).T + rng.integers(-3, 4, (16, 2)):
        atoms[y, x] = 1
    electrons = 0.2 + 25 * gaussian_filter(atoms, 2) * 2 * np.pi * 4
    clean = COUNTS["gain"] * electrons + COUNTS["offset"]
    about = {**COUNTS, "readout": 0.1}
    noisy = counts(electrons, 4, **about)
    sigma = np.std(noisy - clean)
    advantage = []
    for frame in (noisy, clean + sigma * rng.normal(size=clean.shape)):
        psnr = [
            max(metrics.psnr(clean, denoise(frame, strength)) for strength in strengths)
            for denoise, strengths in (
                (lambda f, s: baselines.bm3d(f, s, sigma), (1.0, 1.5, 2.0, 3.0)),
                (lambda f, s: baselines.anscombe_bm3d(f, s, **about), (1.0, 1.25, 1.5, 2.0)),
            )
        ]
        advantage.append(psnr[1] - psnr[0])
    assert advantage[0] > 1
    assert advantage[1] < 0.4
