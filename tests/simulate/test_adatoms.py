"""Adatoms: placed with density and distance, moved as the reference says, each with an identity."""

from itertools import pairwise

import numpy as np
import pytest

from n2v_stem_keras.simulate import Motion, Specimen, adatoms, draw_scene, structures


def distances(points):
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return apart


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
