"""Lattices, holes, adatoms: lengths, densities, motion, identities."""

from types import SimpleNamespace

import numpy as np
import pytest

from n2v_stem_keras.simulate import structures

WINDOW = (-1.0, 4.0, -2.0, 3.5)  # y0, y1, x0, x1 [nm]
AREA = 5.0 * 5.5


def distances(points):
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return apart


def inner(points, margin=0.4):
    """Which points (n, 2) lie well inside the window."""
    low, high = np.array(WINDOW[::2]) + margin, np.array(WINDOW[1::2]) - margin
    return np.all((points > low) & (points < high), axis=1)


def sorted_rows(points):
    return points[np.lexsort(np.round(points, 6).T)]


# --- lattices ---


@pytest.mark.parametrize("rotation", [0.0, 0.3, 1.7, -2.0])
def test_graphene_has_its_bond_length_density_and_neighbours(rotation):
    atoms = structures.graphene(WINDOW, 1, rotation, (0.05, -0.1))[:, 1:]
    apart = distances(atoms)
    assert apart.min() == pytest.approx(0.142, abs=1e-4)
    assert np.all(np.sum(apart[inner(atoms)] < 0.15, axis=1) == 3)
    assert len(atoms) / AREA == pytest.approx(38.2, rel=0.02)


def test_bernal_layers_stack_half_of_their_atoms():
    atoms = structures.graphene(WINDOW, 4, 0.4)
    layers = [atoms[np.isclose(atoms[:, 0], n * 0.335), 1:] for n in range(4)]
    assert np.allclose(sorted_rows(layers[0]), sorted_rows(layers[2]))
    assert np.allclose(sorted_rows(layers[1]), sorted_rows(layers[3]))
    nearest = np.linalg.norm(layers[0][:, None] - layers[1][None], axis=-1).min(axis=1)
    within = inner(layers[0])
    assert np.mean(nearest[within] < 1e-9) == pytest.approx(0.5, abs=0.03)
    assert nearest[within & (nearest > 1e-9)] == pytest.approx(0.142, abs=1e-4)


@pytest.mark.parametrize("kind", ["graphene", "mos2"])
def test_rotating_and_shifting_the_lattice_moves_its_atoms_rigidly(kind):
    wide, angle, shift = (-6.0, 6.0, -6.0, 6.0), 0.37, np.array([0.03, -0.08])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    plain = structures.lattice(kind, wide, 1)
    turned = structures.lattice(kind, wide, 1, angle, shift)
    for element, places in plain.items():
        near = places[np.linalg.norm(places[:, 1:], axis=1) < 2]
        near[:, 1:] = near[:, 1:] @ turn + shift
        assert np.abs(near[:, None] - turned[element][None]).max(-1).min(axis=1).max() < 1e-9


def test_hbn_alternates_its_elements_in_plane_and_along_the_beam():
    atoms = structures.lattice("hbn", WINDOW, 2, 0.2)
    boron, nitrogen = ([atoms[e][np.isclose(atoms[e][:, 0], z), 1:] for z in (0, 0.333)]
                       for e in "BN")  # fmt: skip
    assert len(boron[0]) / AREA == pytest.approx(2 / 3**0.5 / 0.2504**2, rel=0.03)
    apart = np.linalg.norm(boron[0][inner(boron[0])][:, None] - nitrogen[0], axis=-1)
    assert apart.min(axis=1) == pytest.approx(0.2504 / 3**0.5)
    assert np.all(np.sum(apart < 0.15, axis=1) == 3)
    assert np.allclose(sorted_rows(boron[0]), sorted_rows(nitrogen[1]))


def test_mos2_is_a_layer_of_mo_between_two_of_s():
    atoms = structures.lattice("mos2", WINDOW, rotation_rad=0.1)
    assert np.unique(atoms["S"][:, 0]) == pytest.approx([0, 0.312])
    assert np.unique(atoms["Mo"][:, 0]) == pytest.approx([0.156])
    assert len(atoms["S"]) / len(atoms["Mo"]) == pytest.approx(2, rel=0.03)
    assert len(atoms["Mo"]) / AREA == pytest.approx(2 / 3**0.5 / 0.316**2, rel=0.03)
    apart = np.linalg.norm(atoms["Mo"][inner(atoms["Mo"][:, 1:])][:, None] - atoms["S"], axis=-1)
    # each Mo has its six S at sqrt(a^2 / 3 + (0.312 / 2)^2) = 0.2400 nm
    assert np.sort(apart, axis=1)[:, :6] == pytest.approx(0.24004, abs=1e-4)
    assert np.sort(apart, axis=1)[:, 6].min() > 0.3


def fake_ase(cell, positions, symbols):
    """What of an ase.Atoms object is used; lengths in 0.1 nm."""
    return SimpleNamespace(
        cell=np.array(cell, float),
        positions=np.array(positions, float),
        get_chemical_symbols=lambda: symbols,
    )


def test_any_two_dimensional_cell_is_tiled():
    square = fake_ase([[4, 0, 0], [0, 5, 0], [0, 0, 20]], [[0, 0, 9], [9, 2.5, 7]], ["O", "Sr"])
    atoms = structures.lattice_from_ase(square, (0.0, 5.0, 0.0, 4.0))
    assert len(atoms["O"]) == len(atoms["Sr"]) == 100  # 20 nm^2 over 0.2 nm^2
    assert np.all(atoms["O"][:, 0] == 0)
    assert atoms["Sr"][:, 0] == pytest.approx(0.2)  # below the topmost atom
    assert np.allclose(np.unique(atoms["O"][:, 1].round(9)), np.arange(10) * 0.5)
    assert np.allclose(np.unique(atoms["O"][:, 2].round(9)), np.arange(10) * 0.4)
    # x = 0.9 nm is 2.25 cells of 0.4 nm; y = 0.25 nm half a cell of 0.5
    assert np.unique((atoms["Sr"][:, 2] % 0.4).round(6)) == pytest.approx(0.1)
    assert np.unique((atoms["Sr"][:, 1] % 0.5).round(6)) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([[4, 0, 0], [8, 0, 0], [0, 0, 20]], "span the xy plane"),
        ([[4, 0, 0], [0, 0, 5], [0, 5, 0]], "span the xy plane"),
    ],
)
def test_cells_that_are_not_in_the_plane_are_refused(cell, message):
    with pytest.raises(ValueError, match=message):
        structures.lattice_from_ase(fake_ase(cell, [[0, 0, 0]], ["C"]), WINDOW)
    with pytest.raises(ValueError, match="no atoms"):
        structures.lattice_from_ase(fake_ase(np.eye(3), [], []), WINDOW)


def test_structures_that_ase_builds_equal_the_named_ones():
    build = pytest.importorskip("ase.build")
    from_ase = structures.lattice_from_ase(build.graphene(a=2.46), WINDOW, 0.3)
    named = structures.graphene(WINDOW, 1, 0.3)
    assert list(from_ase) == ["C"]
    assert len(from_ase["C"]) == pytest.approx(len(named), rel=0.02)
    apart = distances(from_ase["C"][:, 1:])
    assert np.all(np.sum(apart[inner(from_ase["C"][:, 1:])] < 0.15, axis=1) == 3)
    assert apart.min() == pytest.approx(0.142, abs=1e-4)

    sheet = build.mx2("MoS2", kind="2H", a=3.16, thickness=3.12, vacuum=5)
    from_ase, named = structures.lattice_from_ase(sheet, WINDOW), structures.lattice("mos2", WINDOW)
    for element in ("Mo", "S"):
        mine, theirs = named[element], from_ase[element]
        assert sorted(set(theirs[:, 0].round(6))) == sorted(set(mine[:, 0].round(6)))
        assert len(theirs) == pytest.approx(len(mine), rel=0.05)
    within = inner(from_ase["Mo"][:, 1:])
    apart = np.linalg.norm(from_ase["Mo"][within][:, None] - from_ase["S"], axis=-1)
    assert np.sort(apart, axis=1)[:, :6] == pytest.approx(0.24004, abs=1e-4)


def test_unknown_lattices_and_layers_are_refused():
    with pytest.raises(ValueError, match="did you mean 'mos2'"):
        structures.lattice("MoS", WINDOW)
    with pytest.raises(ValueError, match="n_layers is 0"):
        structures.graphene(WINDOW, 0)
    cell = fake_ase(np.eye(3), [[0, 0, 0]], ["C"])
    with pytest.raises(ValueError, match="brings its own layers"):
        structures.lattice(cell, WINDOW, 2)


# --- holes ---


def test_holes_know_their_inside():
    points = np.array([[0.0, 0.0], [0.9, 0.0], [0.0, 1.1], [2.5, 2.5], [3.5, 2.5]])
    holes = [structures.circle((0, 0), 1.0), np.array([[2.0, 2], [3, 2], [3, 3], [2, 3]])]
    assert structures.in_holes(points, holes).tolist() == [True, True, False, True, False]
    assert not structures.in_holes(points, []).any()
    outline = structures.circle((1.0, -2.0), 1.5)
    assert np.linalg.norm(outline - [1.0, -2.0], axis=1) == pytest.approx(1.5)
