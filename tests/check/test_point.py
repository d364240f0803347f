"""One bright point: its height, its width, rings around it, and what the other detector shows."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.check import (
    point,
)


def test_a_point_left_alone_keeps_height_and_width():
    for found in point(lambda m: m, ("ADF", "BF"), n_frames=2):
        assert found.height == pytest.approx(1, abs=1e-4)
        assert found.width == pytest.approx(1, abs=0.01)
        assert found.ring < 1e-4
        assert found.other < 1e-4


def test_a_blur_widens_it_and_a_leak_shows():
    def leaky(movie):
        out = gaussian_filter(movie, (0, 1.3, 1.3, 0))
        out[..., 1] -= 0.2 * out[..., 0]
        return out

    adf, bf = point(leaky, ("ADF", "BF"), n_frames=2)
    assert adf.width == pytest.approx(2**0.5, rel=0.1)
    assert adf.height == pytest.approx(0.5, rel=0.1)
    assert adf.other == pytest.approx(0.2, rel=0.01)
    assert bf.other < 1e-4


def test_rings_are_measured():
    def ringing(movie):
        return movie + 0.3 * np.roll(movie, 12, axis=1)

    assert point(ringing, ("HAADF",), n_frames=2)[0].ring == pytest.approx(0.3, abs=0.01)
    assert np.isnan(point(ringing, ("HAADF",), n_frames=2)[0].other)
