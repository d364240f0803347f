"""Intensities as integers: one slope and one offset per detector, stated in the file."""

import numpy as np
import pytest
from some_movies import some_movie

from n2v_stem_keras.io import (
    Movie,
    MovieError,
    Scaling,
    intensities,
    read_movie,
    write_movie,
)

RNG = np.random.default_rng(0)


def test_scaling_keeps_what_rounding_to_counts_loses(tmp_path):
    counts = RNG.integers(100, 130, (3, 2, 16, 16)).astype("u2")
    counts[:, 1] += 5000
    noisy = Movie.from_array(counts, "TCYX", detectors=("ADF", "BF"))
    fine = counts * 0.5 + counts.mean((2, 3), keepdims=True) * 0.5
    denoised = Movie.from_array(fine.astype("f4"), "TCYX")
    scaling = Scaling.of_movie(noisy)
    assert len(set(scaling.slope)) == 2 or len(set(scaling.offset)) == 2
    for form, name in (("imagej", "m.tif"), ("ome", "m.ome.tif"), ("hspy", "m.hspy")):
        path = write_movie(tmp_path / name, denoised, scaling=scaling, format=form)
        stored = read_movie(path)
        assert stored.dtype == np.uint16
        assert stored.provenance["scaling"]["type"] == "uint16"
        np.testing.assert_allclose(intensities(stored).to_array(), fine, atol=max(scaling.slope))
    assert max(scaling.slope) < 1e-3


def test_values_beyond_the_range_are_counted(tmp_path):
    movie = Movie.from_array(np.array([[[0, 255]]], "u1"), "TYX")
    scaling = Scaling.of_movie(movie)
    beyond = np.array([[[-7.0, 300.0]]], "f4")
    with pytest.warns(UserWarning, match="2 values lay beyond the range of uint8"):
        path = write_movie(tmp_path / "m.tif", Movie.from_array(beyond, "TYX"), scaling=scaling)
    assert read_movie(path).to_array().ravel().tolist() == [0, 255]


def test_scaling_of_signed_and_constant_movies():
    signed = Movie.from_array(np.array([[[-3, 5]]], "i2"), "TYX")
    scaling = Scaling.of_movie(signed)
    stored, beyond = scaling.encode(np.array([[[-3.0], [5.0]]]))
    assert (stored.ravel().tolist(), beyond) == ([-32768, 32767], 0)
    flat = Scaling.of_movie(Movie.from_array(np.full((1, 2, 2), 9, "u2"), "TYX"))
    assert flat.encode(np.full((2, 2, 1), 9.0))[0].ravel().tolist() == [9] * 4
    with pytest.raises(MovieError, match="holds float32, expected integers"):
        Scaling.of_movie(some_movie("YX"))


def test_a_damaged_scaling_is_refused():
    movie = some_movie("YX").replace(provenance={"scaling": {"slope": [1], "type": "u1"}})
    with pytest.raises(MovieError, match="states the scaling"):
        intensities(movie)
    plain = some_movie("YX")
    assert intensities(plain) is plain
