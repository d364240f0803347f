"""The amorphous film below a crystal."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from n2v_stem_keras.simulate import Specimen, simulate_movie, support

WINDOW = (-1.0, 5.0, -2.0, 6.0)
AREA = 48.0


@pytest.fixture(scope="module")
def film():
    return support.draw(2.0, WINDOW, 0.5, np.random.default_rng(3))


def test_a_film_is_as_thick_and_dense_as_asked(film):
    # what moves to the next plane up or down does not change the number
    assert len(film) / AREA == pytest.approx(2.0 * support.DENSITY_NM3, rel=0.1)
    assert film[:, 0].min() == pytest.approx(0.5)
    planes = (film[:, 0] - 0.5) / support.PLANE_NM
    np.testing.assert_allclose(planes, np.rint(planes), atol=1e-9)


def test_its_thickness_varies_slowly(film):
    counts, _, _ = np.histogram2d(*film[:, 1:].T, bins=(6, 8), range=((-1, 5), (-2, 6)))
    spread = counts.std() / counts.mean()
    assert 0.5 * support.ROUGHNESS < spread < 1.5 * support.ROUGHNESS
    beside = np.corrcoef(counts[:, :-1].ravel(), counts[:, 1:].ravel())[0, 1]
    assert beside > 0.5


def test_no_atoms_lie_on_each_other():
    # before they were moved to planes; in one plane, so are neighbours farther apart than random
    film = support.draw(1.0, WINDOW, 0.0, np.random.default_rng(4))
    plane = film[film[:, 0] == support.PLANE_NM][:, 1:]
    rng = np.random.default_rng(5)
    random = rng.random(plane.shape) * (6, 8) + (-1, -2)
    closest = [np.quantile(cKDTree(p).query(p, 2)[0][:, 1], 0.1) for p in (plane, random)]
    assert closest[0] > 1.5 * closest[1]


def test_it_repeats_where_the_drift_brings_more_of_it(film):
    there = support.moved(film, WINDOW, np.array([0.4, -0.3]))
    assert (there[:, 1] >= -1).all()
    assert (there[:, 1] < 5).all()
    assert (there[:, 2] >= -2).all()
    assert (there[:, 2] < 6).all()
    back = support.moved(there, WINDOW, np.array([-0.4, 0.3]))
    np.testing.assert_allclose(np.sort(back, axis=0), np.sort(film, axis=0), atol=1e-9)


@pytest.mark.parametrize("lattice", ["none", "graphene", "mos2"])
def test_a_longer_movie_begins_with_the_shorter_one(lattice):
    known = {"lattice": lattice, "support_nm": 1.0, "drift_px": 2.0, "shape": (32, 32)}
    short = simulate_movie(2, n_frames=2, **known)
    long = simulate_movie(2, n_frames=4, **known)
    np.testing.assert_array_equal(short.clean, long.clean[:2])
    bare = simulate_movie(2, n_frames=2, **{**known, "support_nm": 0.0})
    for a, b in zip(short.positions, bare.positions, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (short.clean[..., 0] - bare.clean[..., 0]).min() > 0


def test_without_lattice_and_film_there_are_adatoms_alone():
    movie = simulate_movie(1, lattice="none", shape=(48, 48), n_frames=1)
    assert set(movie.scene.atoms(0)) == {"Au"}


def test_a_negative_thickness_is_refused():
    with pytest.raises(ValueError, match="support_nm is -1"):
        Specimen(support_nm=-1)
