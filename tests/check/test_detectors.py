"""Which detector shows adatoms bright and which dark: told by name, or refused."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.check import detector_crosstalk, lattice_in_hole


def blur(movie):
    return gaussian_filter(movie, (0, 1, 1, 0))


def leaky(share_to_bf, share_to_adf=0.0, order=(0, 1)):
    """Draw a share of each detector's detail into the other, in the other's own contrast."""

    def predict(movie):
        detail = movie - movie.mean(axis=(1, 2), keepdims=True)
        adf, bf = order
        own = np.array([1.0, 1.0])
        own[adf], own[bf] = 0.0233, -0.0198  # a lone adatom, blurred [fraction of the beam]
        out = movie.copy()
        out[..., bf] += share_to_bf * detail[..., adf] / own[adf] * own[bf]
        out[..., adf] += share_to_adf * detail[..., bf] / own[bf] * own[adf]
        return blur(out)

    return predict


def test_detectors_are_told_apart_by_name():
    to_adf, to_bf = detector_crosstalk(leaky(0.3, order=(1, 0)), ("bf", "ADF"), n_frames=2)
    assert to_bf.target == "bf"
    assert to_bf.share == pytest.approx(0.3, rel=0.1)
    assert abs(to_adf.share) < 1e-6


def test_two_detectors_of_a_kind_are_refused():
    for test in (detector_crosstalk, lattice_in_hole):
        with pytest.raises(ValueError, match=r"'HAADF'.* one in which they are dark"):
            test(blur, ("HAADF", "ADF"))
        with pytest.raises(ValueError, match="ADF and BF"):
            test(blur, ("ADF", "adf"))
    with pytest.raises(ValueError, match="expected ADF and BF"):
        detector_crosstalk(blur, ("ADF",))
