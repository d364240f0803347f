import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import metrics

TRUTH = np.array([[0.0, 1.0], [2.0, 4.0]])
IMAGE = np.array([[1.0, 1.0], [2.0, 2.0]])  # squared errors 1, 0, 0, 4: MSE 1.25, range 4


def test_psnr_and_nrmse_by_hand():
    assert metrics.psnr(TRUTH, IMAGE) == pytest.approx(10 * np.log10(16 / 1.25))
    assert metrics.nrmse(TRUTH, IMAGE) == pytest.approx(np.sqrt(1.25) / 4)
    assert metrics.nrmse(TRUTH, IMAGE) == pytest.approx(10 ** (-metrics.psnr(TRUTH, IMAGE) / 20))
    assert metrics.psnr(TRUTH, IMAGE, data_range=8) == pytest.approx(10 * np.log10(64 / 1.25))
    assert metrics.psnr(TRUTH, TRUTH) == np.inf


def test_each_frame_and_detector_has_its_own_range():
    truth = np.stack([TRUTH, 10 * TRUTH], axis=-1)  # (Y, X, C)
    image = np.stack([IMAGE, 10 * IMAGE], axis=-1)
    one = metrics.psnr(TRUTH, IMAGE)
    assert metrics.psnr(truth, image) == pytest.approx([one, one])
    stack = metrics.psnr(np.stack([truth] * 3), np.stack([image] * 3))
    assert stack.shape == (3, 2)
    assert np.allclose(stack, one)


def test_ssim_is_scikit_images_and_falls_with_noise():
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(0)
    truth = rng.random((20, 30))
    image = truth + 0.3 * rng.normal(size=truth.shape)
    expected = structural_similarity(truth, image, data_range=np.ptp(truth))
    assert metrics.ssim(truth, image) == pytest.approx(expected)
    assert metrics.ssim(truth, truth) == pytest.approx(1)
    stack = metrics.ssim(np.stack([truth, 2 * truth], -1), np.stack([image, 2 * image], -1))
    assert stack == pytest.approx([expected, expected])


def test_score_tabulates_frames_by_detector():
    rng = np.random.default_rng(1)
    truth = rng.random((3, 16, 16, 2))
    image = truth + np.array([0.1, 0.2]) * rng.normal(size=truth.shape)
    table = metrics.score(truth, image, ("ADF", "BF"))
    assert set(table) == {"ADF", "BF"}
    assert set(table["BF"]) == {"psnr", "ssim", "nrmse"}
    assert table["ADF"]["psnr"].shape == (3,)
    for t in range(3):
        expected = metrics.psnr(truth[t, ..., 1], image[t, ..., 1])
        assert table["BF"]["psnr"][t] == pytest.approx(expected)
    with pytest.raises(ValueError, match="ADF"):
        metrics.score(truth, image, ("ADF",))


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="expected twice the same"):
        metrics.psnr(TRUTH, IMAGE[:1])
    with pytest.raises(ValueError, match="constant"):
        metrics.psnr(np.ones((4, 4)), np.zeros((4, 4)))


def test_peak_snr_by_hand():
    image = np.tile([[1.0, -1.0], [-1.0, 1.0]], (10, 10))  # background: mean 0, sd 1
    image[10, 10] = 7.0
    assert metrics.peak_snr(image, [[9.8, 10.3]], 0.9) == pytest.approx(7, abs=0.02)
    dark = metrics.peak_snr(-image, [[10, 10]], 0.9)
    assert dark == pytest.approx(-7, abs=0.02)
    assert np.isnan(metrics.peak_snr(image, np.empty((0, 2)), 3))
    assert np.isnan(metrics.peak_snr(image, [[10, 10]], 100))
    with pytest.raises(ValueError, match="outside"):
        metrics.peak_snr(image, [[20, 3]], 3)


def test_peak_snr_of_noise_is_zero_where_the_places_are_given_beforehand():
    rng = np.random.default_rng(2)
    places = rng.integers(5, 251, (200, 2))
    assert metrics.peak_snr(rng.normal(size=(256, 256)), places, 3) == pytest.approx(0, abs=0.25)


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


def test_the_busiest_window_holds_the_atoms():
    y, x = np.mgrid[:300, :400]
    atoms = np.zeros((300, 400))
    for cy, cx in ((250, 350), (240, 380), (270, 330)):
        atoms += 4 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 2.0**2))
    noise = gaussian_filter(np.random.default_rng(0).normal(0, 1, atoms.shape), 2)
    for sign in (1, -1):
        window, score = metrics.busiest_window(sign * (atoms + noise), 100, dark=sign < 0)
        assert score > metrics.busiest_window(noise, 100)[1]
        assert window[0].start <= 240
        assert window[0].stop > 270
        assert window[1].start <= 330
        assert window[1].stop > 380
    window, score = metrics.busiest_window(noise[:50, :50] * 0, 100)
    assert (window, score) == ((slice(0, 100), slice(0, 100)), 0)
