"""Crosstalk: what one detector shows of the other is measured, and nothing where there is none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.check import detector_crosstalk


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


@pytest.mark.parametrize("psnr_db", [16.0, 7.0])
def test_detectors_denoised_apart_do_not_talk(psnr_db):
    for found in detector_crosstalk(blur, ("ADF", "BF"), psnr_db, n_frames=2):
        assert abs(found.share) < 1e-6
        assert found.share_95 < 1e-6
        assert found.n_adatoms > 15
        assert found.psnr_db == psnr_db


def test_what_is_drawn_into_the_other_detector_is_measured():
    to_bf, to_adf = detector_crosstalk(leaky(0.3, 0.1), ("ADF", "BF"), n_frames=2)
    assert (to_bf.source, to_bf.target) == ("ADF", "BF")
    assert (to_adf.source, to_adf.target) == ("BF", "ADF")
    # an adatom that leaks is drawn with the shape that the other detector gives it
    assert to_bf.share / to_adf.share == pytest.approx(3, rel=0.1)
    assert to_bf.share == pytest.approx(0.3, rel=0.1)
    assert to_bf.share_95 >= to_bf.share


def test_the_input_movie_is_one_movie_of_the_stated_size():
    shapes = []

    def predict(movie):
        shapes.append(movie.shape)
        return movie

    detector_crosstalk(predict, ("ADF", "BF"), n_frames=3)
    assert shapes == [(3, 256, 256, 2)] * 3
