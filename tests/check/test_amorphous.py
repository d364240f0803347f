"""Amorphous carbon: a wave that a model draws into a single frame is found, carbon is none."""

import numpy as np
import pytest
from predictors import blur_more, wave

from n2v_stem_keras.check import AmorphousWaves, amorphous_waves, report
from n2v_stem_keras.check.noise_only import single_wave

BOTH = ("ADF", "BF")


@pytest.mark.parametrize("predict", [blur_more, lambda m: m])
def test_carbon_has_no_waves(predict):
    for found in amorphous_waves(predict, BOTH, n_frames=5):
        assert found.wave_share == 0
        assert np.isnan(found.wave_period_px)
        assert found.n_frames == 5


def test_a_wave_of_one_frame_is_found():
    def draw(movie):
        out = blur_more(movie)
        out[3, ..., 0] += 0.3 * out[3, ..., 0].std() * wave(7.0, 1.0)[..., 0]
        return out

    adf, bf = amorphous_waves(draw, BOTH, n_frames=5)
    assert adf.wave_share == pytest.approx(0.3, rel=0.3)
    assert adf.wave_period_px == pytest.approx(7.0 / np.hypot(1, 0.4), rel=0.03)
    assert bf.wave_share == 0
    # the picture is that of the frame
    along_x = np.abs(np.fft.rfft(adf.denoised, axis=1)).mean(axis=0)
    assert along_x[20:].argmax() + 20 == pytest.approx(256 / 7, abs=1)


def test_noise_of_single_frames_makes_a_wave_in_few_tests():
    rng = np.random.default_rng(0)
    found = [single_wave(rng.standard_normal((4, 128, 128)))[2] for _ in range(12)]
    assert np.count_nonzero(found) <= 1


def test_a_wave_is_allowed_where_it_is_hardly_seen():
    image = np.zeros((4, 4))
    known = ("ADF", 7.0, 12, 10.0, image, image, image)
    verdicts = [
        report._amorphous(AmorphousWaves(known[0], share, *known[1:])).verdict
        for share in (0.0, 0.1, 0.3)
    ]
    assert verdicts == ["pass", "pass", "FAIL"]
