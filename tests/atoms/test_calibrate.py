"""Thresholds keep the rate of false atoms that they promise."""

import numpy as np
import pytest

from n2v_stem_keras.atoms import (
    calibrate,
    poisson_interval,
)
from n2v_stem_keras.atoms.find import peak_heights

PX = 0.046


def test_a_threshold_keeps_its_rate_on_fresh_noise():
    def heights(seed, n_frames):
        noise = np.random.default_rng(seed).standard_normal((n_frames, 128, 128))
        return np.concatenate([peak_heights(frame, PX)[1] for frame in noise])

    found = calibrate(heights(0, 40), 40 * 128**2, 100)
    assert 10 <= found.n_events <= 65
    assert found.false_alarms_per_Mpx <= 100
    assert found.interval_95[0] < 100
    fresh = (heights(1, 40) >= found.height_sigma).sum()
    low, high = poisson_interval(int(fresh))
    assert low / (40 * 128**2 / 1e6) < 200
    assert high / (40 * 128**2 / 1e6) > 50


def test_too_little_is_refused_with_what_is_needed():
    with pytest.raises(ValueError, match=r"hold 1\.0 false atoms .* use 10 times as many frames"):
        calibrate(np.arange(100.0), 1e6, 1)
    with pytest.raises(ValueError, match="never reached"):
        calibrate(np.arange(5.0), 1e6, 10)


def test_the_threshold_is_between_the_last_allowed_and_the_next():
    found = calibrate(np.arange(100.0), 1e6, 20)
    assert found.height_sigma == 79.5
    assert (found.n_events, found.false_alarms_per_Mpx) == (20, 20)
    assert found.interval_95 == pytest.approx((12.22, 30.89), abs=0.01)
