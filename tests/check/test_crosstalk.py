"""Crosstalk: what one detector shows of the other is measured, and nothing where there is none."""

import pytest
from predictors import blur, leaky

from n2v_stem_keras.check import detector_crosstalk


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
