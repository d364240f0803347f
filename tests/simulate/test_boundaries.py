"""Tilt boundaries and edges: where they are, and what they change."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from n2v_stem_keras.simulate import Specimen, simulate_movie
from n2v_stem_keras.simulate.boundaries import CLOSEST_NM

SIZE = 0.046
KNOWN = {"shape": (128, 128), "n_frames": 3, "density_nm2": 0.0, "drift_px": 0.7, "n_layers": 1}


def nearest(atoms):
    """Distance of each atom to the next one [nm]."""
    places = np.concatenate(list(atoms.values()))
    return cKDTree(places).query(places, 2)[0][:, 1]


@pytest.mark.parametrize("lattice", ["graphene", "mos2"])
def test_the_crystal_is_turned_beyond_a_boundary_and_as_it_was_before(lattice):
    plain = simulate_movie(3, lattice=lattice, **KNOWN)
    found = simulate_movie(3, lattice=lattice, boundary_rad=0.4, **KNOWN)
    for t, drift in enumerate(found.drift_px):
        old = plain.scene.lattice(t)
        for element, places in found.scene.lattice(t).items():
            away = found.boundary.distance(places[:, 1:] / SIZE, drift)
            apart, _ = cKDTree(old[element]).query(places)
            assert (apart[away <= 0] < 1e-9).all()
            assert (apart[away > 0] > 1e-3).mean() > 0.95
        assert nearest(found.scene.lattice(t)).min() >= CLOSEST_NM


def test_frames_show_the_boundary_where_it_is_said_to_be():
    plain = simulate_movie(5, **KNOWN)
    found = simulate_movie(5, boundary_rad=0.4, **KNOWN)
    places = np.moveaxis(np.indices(found.clean.shape[1:3]), 0, -1)
    for t, drift in enumerate(found.drift_px):
        away = found.boundary.distance(places, drift) * SIZE
        changed = np.abs(found.clean[t] - plain.clean[t]).max(-1)
        assert changed[away < -0.9].max() < 1e-6  # beyond the reach of an atom's image
        assert np.median(changed[away > 0.3]) > 0.1 * np.ptp(plain.clean[t, ..., 0])


def test_beyond_an_edge_there_is_nothing():
    movie = simulate_movie(4, edge=True, **(KNOWN | {"density_nm2": 1.0}))
    places = np.moveaxis(np.indices(movie.clean.shape[1:3]), 0, -1)
    for t, drift in enumerate(movie.drift_px):
        away = movie.boundary.distance(places, drift) * SIZE
        assert np.ptp(movie.clean[t][away > 0.9], axis=0).max() < 1e-6
        assert np.ptp(movie.clean[t][away < 0], axis=0).min() > 1e-3
        assert (movie.hole_mask(t) == (away > 0)).mean() > 0.999


def test_all_else_stays_the_same():
    options = {"clusters": (1, 4), "defects": {"V_C": 2}}
    plain = simulate_movie(6, **KNOWN, **options)
    found = simulate_movie(6, boundary_rad=0.3, **KNOWN, **options)
    for a, b in zip(plain.positions, found.positions, strict=True):
        np.testing.assert_array_equal(a, b)
    assert plain.boundary is None
    sites = np.concatenate([d.sites for d in found.defects]) * SIZE
    atoms = simulate_movie(6, boundary_rad=0.3, **KNOWN, clusters=(1, 4)).scene.lattice(0)["C"]
    assert cKDTree(atoms[:, 1:]).query(sites)[0].max() < 1e-9


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="boundary_rad is nan"):
        Specimen(boundary_rad=float("nan"))
    with pytest.raises(ValueError, match="a view has one line"):
        Specimen(boundary_rad=0.2, edge=True)
