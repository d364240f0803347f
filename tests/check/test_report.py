"""Artefact tests must find the artefact that is there, and none where there is none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.check import detector_crosstalk, hole, lattice_in_hole


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


@pytest.mark.parametrize("radius_nm", [0.8, 2.0])
def test_what_leaves_the_frame_alone_leaves_the_hole_alone(radius_nm):
    for found in lattice_in_hole(lambda m: m, ("BF", "ADF"), radius_nm, psnr_db=40, n_frames=2):
        assert abs(found.inside) < 0.1
        assert found.outside == pytest.approx(1, abs=0.02)
        assert (found.radius_nm, found.psnr_db) == (radius_nm, 40)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_lattice_drawn_over_the_hole_is_measured(share):
    _, _, whole, _ = hole._scene(("ADF", "BF"), 1.0, 60, seed=0, n_frames=3, pixel_size_nm=0.046)

    def draw(movie):
        return share * whole + (1 - share) * movie

    for found in lattice_in_hole(draw, ("ADF", "BF"), 1.0, psnr_db=60, n_frames=3):
        assert found.outside == pytest.approx(1, abs=0.02)
        assert found.inside == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("radius_nm", [0.2, 5.0])
def test_holes_that_tell_nothing_are_refused(radius_nm):
    with pytest.raises(ValueError, match=r"expected more than 0\.3 and less than 4\.89 nm"):
        lattice_in_hole(blur, ("ADF", "BF"), radius_nm)


def test_the_input_movie_is_one_movie_of_the_stated_size():
    shapes = []

    def predict(movie):
        shapes.append(movie.shape)
        return movie

    detector_crosstalk(predict, ("ADF", "BF"), n_frames=3)
    assert shapes == [(3, 256, 256, 2)] * 3
