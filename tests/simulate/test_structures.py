"""Lattices, holes, adatoms: lengths, densities, motion, identities."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from n2v_stem_keras.simulate import Motion, Scene, Specimen, adatoms, draw_scene, structures

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


@pytest.mark.filterwarnings("ignore")
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


@pytest.mark.parametrize("motion", ["steps", "hops"])
def test_no_atom_ever_lies_in_a_hole_and_the_hole_goes_with_the_drift(motion):
    square = [(1.0, 6.0), (1.0, 8.0), (3.0, 8.0), (3.0, 6.0)]
    specimen = Specimen(
        hole_radius_nm=2.0, holes_nm=[square], density_nm2=2.0, drift_px=(2.0, -9.0), motion=motion
    )
    scene = draw_scene(specimen, 4, (180, 220), 12, 0.046, 0.5)
    assert len(scene.holes_nm) == 2
    for t in (0, 11):
        holes = [hole + scene.path_nm[t] for hole in scene.holes_nm]
        for places in scene.atoms(t).values():
            assert not structures.in_holes(places[:, 1:], holes).any()
    # control: the same places at the wrong time
    first = scene.lattice(0)["C"][:, 1:]
    assert structures.in_holes(first, [h + scene.path_nm[11] for h in scene.holes_nm]).any()
    assert structures.in_holes(scene.positions_nm[0], [scene.holes_nm[0] + 3.0]).any()
    # beside the holes nothing is missing
    drawn = scene.specimen
    full = structures.graphene(scene.window_nm, 4, drawn.rotation_rad, drawn.origin_nm)[:, 1:]
    radius = np.linalg.norm(full - scene.holes_nm[1].mean(axis=0), axis=1)
    in_square = np.all((full > [1.0, 6.0]) & (full < [3.0, 8.0]), axis=1)
    assert np.sum(~in_square & (radius > 2)) <= len(first)
    assert len(first) <= np.sum(~in_square & (radius > 1.997))
    assert len(first) < 0.9 * len(full)


def test_adatoms_that_wrap_into_a_hole_are_placed_elsewhere():
    """A hole at the very edge, into which the drift carries what left at the other side."""
    window, rng = (0.0, 10.0, 0.0, 10.0), np.random.default_rng(0)
    hole = np.array([[-1.0, -3.0], [11.0, -3.0], [11.0, 1.0], [-1.0, 1.0]])
    swarm = adatoms.Adatoms(window, rng, 0.2, [hole])
    swarm.scatter(2.0)
    for t in range(1, 6):
        moved = hole + np.array([0.0, 0.5 * t])
        swarm.step(Motion(), (0.0, 0.5), [moved])
        assert not structures.in_holes(swarm.positions, [moved]).any()


# --- adatoms ---


def scattered(window, density, seed, min_distance=0.2):
    swarm = adatoms.Adatoms(window, np.random.default_rng(seed), min_distance)
    swarm.scatter(density)
    return swarm


def test_adatoms_keep_density_and_distance():
    placed = scattered((0.0, 30.0, 0.0, 20.0), 0.25, 0, 0.3).positions
    assert len(placed) == pytest.approx(150, abs=4 * 150**0.5)
    assert distances(placed).min() >= 0.3
    with pytest.raises(ValueError, match="no room"):
        scattered((0, 1, 0, 1), 100.0, 0, 0.5)


def test_density_counts_outside_the_holes():
    hole = np.array([[0.0, 0.0], [30.0, 0.0], [30.0, 10.0], [0.0, 10.0]])
    swarm = adatoms.Adatoms((0.0, 30.0, 0.0, 20.0), np.random.default_rng(1), 0.1, [hole])
    swarm.scatter(1.0)
    assert len(swarm.positions) == pytest.approx(300, abs=4 * 300**0.5)


@pytest.mark.parametrize("n_atoms", [2, 3, 7, 13, 40])
def test_islands_are_close_packed_and_compact(n_atoms):
    sites = adatoms.island(n_atoms, np.random.default_rng(n_atoms))
    assert sites.shape == (n_atoms, 2)
    apart = distances(sites)
    assert apart.min() == pytest.approx(0.288)
    # bonds of the best island of n discs: 3 n - sqrt(12 n - 3) (Harborth 1974); ours come close
    bonds = np.sum(apart < 0.29) / 2
    assert bonds >= 0.85 * np.floor(3 * n_atoms - np.sqrt(12 * n_atoms - 3))
    assert sites.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)


def test_a_pair_has_its_separation_and_direction():
    pair = adatoms.adatom_pair(0.34, np.pi / 6, (1.0, 2.0))
    assert pair[1] - pair[0] == pytest.approx([0.17, 0.34 * 3**0.5 / 2])
    assert pair.mean(axis=0) == pytest.approx([1.0, 2.0])


def scene_of(n_frames=1, seed=0, shape=(220, 220), **specimen):
    return draw_scene(Specimen(**specimen), seed, shape, n_frames, 0.046, 0.5)


@pytest.mark.parametrize("motion", ["steps", "none"])
def test_clusters_stay_together_slightly_disordered(motion):
    scene = scene_of(8, clusters=(3, 13), density_nm2=0.3, motion=motion, drift_px=0.5)
    bonds = []
    for t in range(8):
        clustered = scene.positions_nm[t][:39]
        for group in clustered.reshape(3, 13, 2):
            apart = distances(group)
            assert np.sum(apart < 0.4) / 2 >= 22
            bonds.append(apart[apart < 0.4])
            assert np.ptp(group, axis=0).max() < 1.6
    assert np.mean(np.concatenate(bonds)) == pytest.approx(0.288, abs=0.006)
    assert np.std(np.concatenate(bonds)) == pytest.approx(2**0.5 * 0.015, rel=0.2)
    assert np.all((scene.positions_nm[0][:39] > -0.1) & (scene.positions_nm[0][:39] < 10.2))
    jumps = np.diff([places[:39] for places in scene.positions_nm], axis=0)
    jumps -= np.diff(scene.path_nm, axis=0)[:, None]
    still = np.all(np.abs(jumps) < 1e-9, axis=-1).mean()
    # 53 % move in each frame; displacements about fixed sites, so steps have sqrt(2) * 0.015
    assert still == pytest.approx(0.47 if motion == "steps" else 1.0, abs=0.1)
    if motion == "steps":
        assert jumps[np.abs(jumps) > 1e-9].std() == pytest.approx(0.0212, rel=0.12)
        assert np.std(jumps.sum(axis=0)) < 0.04  # bound, no random walk
    assert all(np.array_equal(ids[:39], np.arange(39)) for ids in scene.ids)


def test_pairs_stay_put_on_the_drifting_specimen():
    scene = scene_of(5, pairs=(4, 0.34), density_nm2=0.5, motion="hops", drift_px=0.7)
    for t in range(5):
        ends = scene.positions_nm[t][:8].reshape(4, 2, 2)
        assert np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) == pytest.approx(0.34)
        moved = scene.positions_nm[t][:8] - scene.positions_nm[0][:8]
        assert moved == pytest.approx(np.broadcast_to(scene.path_nm[t], (8, 2)))
        assert distances(scene.positions_nm[t]).min() >= 0.2
    angles = np.arctan2(*(ends[:, 1] - ends[:, 0]).T)
    assert np.ptp(angles) > 0.1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="no room for another group of 40"):
        scene_of(clusters=(1, 40), shape=(30, 30))
    with pytest.raises(ValueError, match=r"hole of radius 6 nm does not fit"):
        scene_of(hole_radius_nm=6.0)
    with pytest.raises(ValueError, match="no room for another adatom"):
        scene_of(density_nm2=100.0, shape=(40, 40), min_distance_nm=0.5)


# --- motion ---


def steps_of(movie, size):
    steps = np.concatenate([after - before for before, after in pairwise(movie)])
    return steps - size * np.rint(steps / size)


@pytest.mark.parametrize("kind", ["steps", "hops"])
def test_adatoms_move_as_the_reference_says(kind):
    swarm = scattered((0.0, 60.0, 0.0, 60.0), 0.25, 1)
    movie, ids = [swarm.positions.copy()], [swarm.ids.copy()]
    for _ in range(3):
        swarm.step(adatoms.MOTIONS[kind])
        movie.append(swarm.positions.copy())
        ids.append(swarm.ids.copy())
    steps = steps_of(movie, 60.0)
    length = np.linalg.norm(steps, axis=1)
    moved = steps[length > 0]
    far = np.linalg.norm(moved, axis=1) > (0.2 if kind == "hops" else 0.5)
    renewed = np.mean(np.diff(ids, axis=0) != 0)
    if kind == "hops":
        assert np.mean(length > 0) == pytest.approx(0.35, abs=0.03)
        assert np.mean(length > 0.2) == pytest.approx(0.05, abs=0.015)
        assert np.linalg.norm(moved[far], axis=1).min() >= 0.246
        assert np.linalg.norm(moved[far], axis=1).max() <= 0.492
        assert moved[~far].std() == pytest.approx(0.03, rel=0.07)
        assert renewed < 0.01  # only those that cross the window's edge
    else:
        assert np.mean(length > 0) == pytest.approx(0.53, abs=0.03)
        assert np.mean(length > 0.5) == pytest.approx(0.03, abs=0.01)
        assert moved[~far].std() == pytest.approx(0.06, rel=0.07)
        assert renewed == pytest.approx(0.03, abs=0.01)


def test_adatoms_keep_their_distance_while_they_move():
    swarm = scattered((0.0, 8.0, 0.0, 8.0), 6.0, 2)
    for _ in range(4):
        swarm.step(Motion(jitter_fraction=1.0, jitter_nm=0.2))
        assert distances(swarm.positions).min() >= 0.2


def test_motion_refuses_what_is_no_motion():
    with pytest.raises(ValueError, match="sum to at most 1"):
        Motion(jitter_fraction=0.8, hop_fraction=0.3)
    with pytest.raises(ValueError, match="the shorter hop first"):
        Motion(hop_nm=(0.5, 0.2))


def test_an_id_belongs_to_one_adatom_that_can_be_followed():
    scene = scene_of(30, density_nm2=1.0, drift_px=3.0, shape=(120, 140), seed=3)
    seen, n_new = {}, 0
    for t, (places, ids) in enumerate(zip(scene.positions_nm, scene.ids, strict=True)):
        assert len(set(ids)) == len(ids)
        for place, number in zip(places, ids, strict=True):
            if number in seen:
                before, last = seen[number]
                assert t == last + 1  # an id never comes back
                step = place - before - (scene.path_nm[t] - scene.path_nm[t - 1])
                assert np.linalg.norm(step) < 6 * 0.06
            else:
                n_new += t > 0
            seen[number] = place, t
    # 3 % vanish a frame, and 3 px of drift carry 0.138 nm of the window over its edge
    window = np.array([6.52, 7.44])
    carried = np.abs(scene.path_nm[1]) / window
    expected = 29 * len(places) * (0.03 + carried.sum())
    assert n_new == pytest.approx(expected, rel=0.3)


# --- scenes ---


def test_drift_has_the_speed_or_vector_asked_for():
    speed = scene_of(6, drift_px=2.0).path_nm / 0.046
    assert np.linalg.norm(np.diff(speed, axis=0), axis=1) == pytest.approx(2.0)
    vector = scene_of(6, drift_px=(1.0, -0.5)).path_nm / 0.046
    assert vector[3] == pytest.approx([3.0, -1.5])
    walk = scene_of(400, shape=(9, 9), density_nm2=0.0, drift_walk_px=0.3).path_nm / 0.046
    assert np.diff(walk, axis=0).std(axis=0) == pytest.approx(0.3, rel=0.12)
    assert np.all(walk[0] == 0)


def test_lattice_and_adatoms_drift_together():
    scene = scene_of(4, drift_px=(1.5, 2.5), motion="none", shape=(80, 90))
    shift = scene.path_nm[3] - scene.path_nm[0]
    for places in (Scene.lattice, Scene.adatoms):
        (first,), (last,) = (list(places(scene, t).values()) for t in (0, 3))
        moved = first[:, 1:] + shift
        kept = moved[np.all((moved > 0) & (moved < [3.6, 4.1]), axis=1)]
        assert len(kept)
        nearest = np.linalg.norm(kept[:, None] - last[:, 1:], axis=-1).min(axis=1)
        assert nearest.max() < 1e-9


def test_adatoms_lie_on_the_surface_in_focus_above_the_lattice():
    atoms = scene_of(lattice="mos2", density_nm2=1.0).atoms(0)
    assert np.all(atoms["Au"][:, 0] == 0)
    assert atoms["S"][:, 0].min() == pytest.approx(0.25)
    assert atoms["Mo"][:, 0].min() == pytest.approx(0.25 + 0.156)
    both = scene_of(adatom="C", density_nm2=1.0)
    atoms = both.atoms(0)
    assert list(atoms) == ["C"]
    assert np.sum(atoms["C"][:, 0] == 0) == len(both.positions_nm[0])


@pytest.mark.parametrize(
    "specimen",
    [
        {"clusters": (1, 7), "hole_radius_nm": 1.0},
        {"drift_walk_px": 0.4, "drift_px": 1.0},
        {"motion": "hops", "pairs": (2, 0.34)},
    ],
)
def test_a_longer_scene_begins_with_the_shorter_one(specimen):
    short, again = (scene_of(n, seed=[3, 1], **specimen) for n in (3, 6))
    other = scene_of(3, seed=[3, 2], **specimen)
    for t in range(3):
        assert np.array_equal(short.positions_nm[t], again.positions_nm[t])
        assert np.array_equal(short.ids[t], again.ids[t])
    assert np.array_equal(short.path_nm, again.path_nm[:3])
    assert np.array_equal(short.lattice(0)["C"], again.lattice(0)["C"])
    assert short.specimen.rotation_rad != other.specimen.rotation_rad
    assert not np.array_equal(short.positions_nm[0], other.positions_nm[0])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("density_nm2", -1.0),
        ("density_nm2", np.nan),
        ("min_distance_nm", -0.1),
        ("hole_radius_nm", 0.0),
        ("clusters", (2, 1)),
        ("clusters", (1.5, 3)),
        ("clusters", 3),
        ("pairs", (2, 0.0)),
        ("pairs", (-1, 0.3)),
        ("motion", "jumps"),
        ("drift_px", -1.0),
        ("drift_px", (1, 2, 3)),
        ("drift_walk_px", -1.0),
        ("holes_nm", [[(0, 0), (1, 1)]]),
        ("lattice", "graphite"),
        ("n_layers", 2.5),
    ],
)
def test_ranges_are_checked(field, value):
    name = {"lattice": "unknown lattice"}.get(field, field)
    with pytest.raises(ValueError, match=rf"^{name}.*(expected|known)"):
        Specimen(**{field: value})
