"""Point defects: their names, and what they change."""

import numpy as np
import pytest

from n2v_stem_keras.simulate import Specimen, draw_scene, simulate_movie
from n2v_stem_keras.simulate.defects import parsed

SHAPE, SIZE = (128, 128), 0.046


def scene(seed=0, **specimen):
    known = {"density_nm2": 0.0, "drift_px": 0.5} | specimen
    return draw_scene(Specimen(**known), seed, SHAPE, 3, SIZE, 0.5)


def numbers(scene, t=0):
    return {element: len(places) for element, places in scene.lattice(t).items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("V_S", (None, 1, "S")),
        ("V2_C", (None, 2, "C")),
        ("Si_C", ("Si", 1, "C")),
        ("Si3_C", ("Si", 3, "C")),
        ("Se_S", ("Se", 1, "S")),
    ],
)
def test_names_say_what_stands_where(name, expected):
    assert parsed(name) == expected


@pytest.mark.parametrize("name", ["S", "v_S", "V_", "V0_C", "V-S", "V12_C", "Si_C_C", 5])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="no point defect"):
        parsed(name)


def test_a_vacancy_of_s_lacks_both_s_of_its_column():
    without, found = scene(lattice="mos2"), scene(lattice="mos2", defects={"V_S": 3, "V_Mo": 2})
    for t in (0, 2):
        assert numbers(found, t)["S"] == numbers(without, t)["S"] - 6
        assert numbers(found, t)["Mo"] == numbers(without, t)["Mo"] - 2


def test_of_several_layers_the_topmost_is_changed():
    lattice = {"lattice": "graphene", "n_layers": 4}
    without, found = scene(**lattice), scene(**lattice, defects={"V2_C": 2, "Si3_C": 1, "N_C": 1})
    assert numbers(found)["C"] == numbers(without)["C"] - 2 * 2 - 3 - 1
    assert numbers(found)["Si"] == 3
    assert numbers(found)["N"] == 1
    top = min(places[:, 0].min() for places in without.lattice(0).values())
    assert np.ptp(found.lattice(0)["Si"][:, 0]) == 0
    assert found.lattice(0)["Si"][0, 0] == pytest.approx(top)


def test_neighbours_go_together():
    found = scene(lattice="graphene", n_layers=1, defects={"V2_C": 3})
    for defect in found.defects:
        assert np.linalg.norm(np.diff(defect.sites, axis=0)) == pytest.approx(0.142, abs=1e-3)


def test_they_lie_apart_and_inside():
    found = scene(lattice="mos2", defects={"V_S": 8, "V_Mo": 4})
    centres = np.array([defect.centre for defect in found.defects])
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) + 9 * np.eye(12)
    assert apart.min() > 0.9
    assert centres.min() > 0.5
    assert centres.max() < SHAPE[0] * SIZE - 0.5


def test_with_and_without_defects_all_else_is_the_same():
    options = {"shape": (96, 96), "n_frames": 2, "lattice": "mos2", "density_nm2": 0.5}
    without = simulate_movie(5, **options)
    found = simulate_movie(5, defects={"V_Mo": 1}, **options)
    assert np.array_equal(found.positions[1], without.positions[1])
    change = np.abs(found.clean - without.clean)[0].sum(axis=-1)
    (y, x) = found.defects[0].centre
    assert np.hypot(*(np.array(np.unravel_index(change.argmax(), change.shape)) - (y, x))) < 2
    far = np.hypot(*(np.indices(change.shape).T - (y, x)).T) > 20
    assert change[far.T].max() < 5e-3 * change.max()


def test_twisted_layers_make_a_moire():
    flat = scene(lattice="graphene", n_layers=2)
    twisted = scene(lattice="graphene", n_layers=2, twist_rad=0.2)
    top = [s.lattice(0)["C"] for s in (flat, twisted)]
    top = [atoms[atoms[:, 0] < atoms[:, 0].min() + 0.01] for atoms in top]
    np.testing.assert_allclose(top[0], top[1])
    bottom = twisted.lattice(0)["C"]
    bottom = bottom[bottom[:, 0] > bottom[:, 0].min() + 0.01, 1:]
    assert len(bottom) == pytest.approx(len(top[0]), rel=0.03)
    assert not np.isin(bottom.round(3), flat.lattice(0)["C"][:, 1:].round(3)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"defects": {"V_Au": 1}}, "has no Au, but"),
        ({"defects": {"V_C": 4000}}, "no room for 4000 defects V_C"),
        ({"defects": {"V_C": -1}}, "numbers of point defects"),
        ({"defects": ["V_C"]}, "numbers of point defects"),
        ({"defects": {"vacancy": 1}}, "no point defect"),
        ({"twist_rad": np.inf}, "an angle"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        scene(**options)
