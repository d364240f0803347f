"""A hole in the lattice: what is drawn into it is measured, and nothing where nothing is drawn."""

import numpy as np
import pytest
from predictors import blur
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.atoms import Criterion
from n2v_stem_keras.check import atoms_in_hole, hole, lattice_in_hole


@pytest.mark.parametrize("radius_nm", [0.8, 2.0])
def test_what_leaves_the_frame_alone_leaves_the_hole_alone(radius_nm):
    for found in lattice_in_hole(lambda m: m, ("BF", "ADF"), radius_nm, psnr_db=40, n_frames=2):
        assert abs(found.inside) < 0.1
        assert found.outside == pytest.approx(1, abs=0.02)
        assert (found.radius_nm, found.psnr_db) == (radius_nm, 40)


@pytest.mark.parametrize("share", [0.0, 0.5, pytest.param(1.0, marks=pytest.mark.slow)])
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


def test_atoms_drawn_into_the_hole_are_counted_apart_from_those_outside():
    low = {"ADF": Criterion(0.5), "BF": None}
    flat = atoms_in_hole(np.zeros_like, low, n_frames=2)
    assert [(f.detector, f.inside, f.outside) for f in flat] == [("ADF", 0, 0)]

    def invent(movie):
        out = 1e-6 * movie
        out[:, 128, 118:139:10] = 1.0  # three in the hole
        out[:, 20, 20:120:20] = 1.0  # five outside
        out[:, 140, 118:129:10] = -1.0  # two blots in the hole
        out[:, 240, 120] = -1.0
        return gaussian_filter(out, (0, 1, 1, 0))

    (found,) = atoms_in_hole(invent, low, n_frames=2)
    assert (found.inside, found.outside, found.blots) == (6, 10, 4)
    assert found.radius_nm == 2.0
    assert found.inside_Mpx == pytest.approx(2 * np.pi * (1.85 / 0.046) ** 2 / 1e6, rel=0.01)
