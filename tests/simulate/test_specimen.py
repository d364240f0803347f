"""Specimens and scenes: lattice, holes and adatoms drift together, and ranges are checked."""

import numpy as np
import pytest

from n2v_stem_keras.simulate import Scene, Specimen, draw_scene, structures


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


def scene_of(n_frames=1, seed=0, shape=(220, 220), **specimen):
    return draw_scene(Specimen(**specimen), seed, shape, n_frames, 0.046, 0.5)


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
