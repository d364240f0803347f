import numpy as np
import pytest

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


def test_fluence_gain_is_a_decade_for_ten_decibels():
    assert metrics.fluence_gain(10, 20) == 10
    assert metrics.fluence_gain([16, 16], [16, 13]) == pytest.approx([1, 0.501187])


def test_fluence_gain_is_what_averaging_needs():
    """The mean of 8 noisy frames gains 9 dB, so it counts as 8 times the fluence."""
    rng = np.random.default_rng(4)
    truth = rng.random((64, 64))
    noisy = truth + rng.normal(size=(8, 64, 64))
    one, mean = metrics.psnr(truth, noisy[0]), metrics.psnr(truth, noisy.mean(0))
    assert metrics.fluence_gain(one, mean) == pytest.approx(8, rel=0.1)


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="expected twice the same"):
        metrics.psnr(TRUTH, IMAGE[:1])
    with pytest.raises(ValueError, match="constant"):
        metrics.psnr(np.ones((4, 4)), np.zeros((4, 4)))
