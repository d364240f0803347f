import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import metrics


def test_find_peaks_finds_atoms_and_leaves_noise_alone():
    rng = np.random.default_rng(3)
    image = rng.normal(size=(64, 64))
    assert len(metrics.find_peaks(image, threshold_sigma=6)) == 0
    grid = np.indices(image.shape)
    places = np.array([[10, 12], [40, 50], [30, 5], [0, 33]])
    for place, height in zip(places, (30, 20, 15, 12), strict=True):
        image += height * np.exp(-((grid - place[:, None, None]) ** 2).sum(0) / 4)
    found = metrics.find_peaks(image, 4, 7)
    assert found.tolist() == places.tolist()


@pytest.mark.parametrize("dark", [False, True])
def test_peak_gain_sees_what_denoising_gains_on_a_sloping_support(dark):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :200]
    atoms = np.zeros((200, 200))
    for cy, cx in rng.uniform(15, 185, (12, 2)):
        atoms += 4 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 2.0**2))
    sign = -1 if dark else 1
    clean = sign * atoms + 0.2 * x
    raw = clean + rng.normal(0, 1, clean.shape)
    left = gaussian_filter(rng.normal(0, 1, clean.shape), 3)  # what a denoiser leaves is smooth
    denoised = clean + 0.2 * left / left.std()
    before, after, n_peaks = metrics.peak_gain(raw, denoised, dark=dark)
    assert 10 <= n_peaks <= 16
    assert after > 2 * before > 4
    assert metrics.peak_gain(0 * raw, 0 * raw) is None


def test_of_large_frames_the_middle_tells(monkeypatch):
    rng = np.random.default_rng(0)
    denoised, grid = np.zeros((300, 200)), np.indices((300, 200))
    for place in ([100, 60], [140, 120], [170, 90], [25, 100], [270, 40]):
        denoised += np.exp(-((grid - np.array(place)[:, None, None]) ** 2).sum(0) / 8)
    denoised += 0.02 * gaussian_filter(rng.normal(0, 1, denoised.shape), 2)
    raw = denoised + rng.normal(0, 0.2, denoised.shape)
    whole = metrics.peak_gain(raw, denoised)[2]
    monkeypatch.setattr(metrics.peaks, "LARGEST_PX", 200)
    assert metrics.peak_gain(raw, denoised)[2] == whole - 2
