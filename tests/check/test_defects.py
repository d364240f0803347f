"""Point defects: what is drawn of them is measured, and how much the pixels say."""

import numpy as np
import pytest

from n2v_stem_keras.check.defects import DEFECTS, Crystal, defects_drawn

BOTH = ("ADF", "BF")


def by_name(found):
    return {f.name: f for f in found}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("lattice", DEFECTS)
def test_what_leaves_the_frame_alone_draws_every_defect(lattice, together):
    known = {"psnr_db": 50, "n_frames": 2, "lattice": lattice, "together": together}
    found = by_name(defects_drawn(lambda m: m, BOTH, **known))
    assert list(found) == list(DEFECTS[lattice])
    for one in found.values():
        assert one.contrast == pytest.approx(1, abs=0.1)
        low, high = one.interval_95
        assert low < one.contrast < high
        assert one.n_frames == (2 if together else 1)
        assert one.n_defects >= (3 if together else 5)
        assert one.d_prime_together == pytest.approx(one.d_prime * one.n_frames**0.5)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_crystal_drawn_as_perfect_shows_none_of_it_however_weakly_it_is_drawn(share):
    crystal = Crystal(BOTH, 0, 3, 0.046, "graphene", together=False)
    there = crystal.clean - crystal.perfect

    def paint(movie):
        ground = crystal.perfect.mean(axis=(1, 2), keepdims=True)
        return ground + 0.6 * (crystal.perfect - ground) + share * there

    for found in defects_drawn(paint, BOTH, n_frames=3):
        assert found.contrast == pytest.approx(share, abs=0.05), found.name


def test_d_prime_is_that_of_a_matched_filter():
    quiet, loud = (by_name(defects_drawn(np.zeros_like, BOTH, db, n_frames=2)) for db in (16, 10))
    for name, found in quiet.items():
        assert found.d_prime / loud[name].d_prime == pytest.approx(10**0.3, rel=1e-3)
    assert loud["Si3_C"].d_prime > loud["V2_C"].d_prime > loud["V_C"].d_prime > 1
    # each detector adds to what both say
    one = by_name(defects_drawn(np.zeros_like, ("ADF",), 10, n_frames=2))
    other = by_name(defects_drawn(np.zeros_like, ("BF",), 10, n_frames=2))
    for name, found in loud.items():
        both = np.hypot(one[name].d_prime, other[name].d_prime)
        assert found.d_prime == pytest.approx(both, rel=1e-3)


def test_defects_of_a_movie_stay_and_those_of_frames_do_not():
    still = Crystal(BOTH, 0, 4, 0.046, "mos2", together=True)
    other = Crystal(BOTH, 0, 4, 0.046, "mos2", together=False)
    assert np.array_equal(still.sites[0][0][-1], still.sites[3][0][-1])
    assert len({of[0][2] for of in still.sites}) == 1
    assert len({of[0][2] for of in other.sites}) == 4
    # half of the places are intact
    assert not np.allclose(still.clean, still.perfect)
    there = [still._is_there(site) for site in still.sites[0]]
    assert sum(there) == len(there) / 2


@pytest.mark.parametrize("size", [0.01, 0.0176, 0.06])
def test_other_pixel_sizes_have_as_many_kinds_as_there_is_room_for(size):
    known = {"psnr_db": 30, "n_frames": 1, "pixel_size_nm": size, "together": True}
    found = defects_drawn(lambda m: m, ("HAADF",), **known)
    assert len(found) >= 3
    for one in found:
        assert one.contrast == pytest.approx(1, abs=0.2)


def test_an_unknown_lattice_is_refused():
    with pytest.raises(ValueError, match="expected one of graphene, hbn, mos2"):
        defects_drawn(lambda m: m, BOTH, lattice="none")
