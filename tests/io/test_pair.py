"""One file per detector: found by their names, joined if they are of one scan."""

import numpy as np
import pytest

from n2v_stem_keras.io import Movie, MovieError, pair_files, read_movie, write_movie

RNG = np.random.default_rng(0)
MOVIE = RNG.normal(size=(5, 2, 12, 16)).astype("f4")


def write_pair(folder, name="au", **changes):
    paths = {}
    for c, detector in enumerate(("BF", "ADF")):
        size = changes.get(detector, 0.05)
        movie = Movie.from_array(MOVIE[:, c], "TYX", pixel_size_nm=size, frame_time_s=0.5)
        paths[detector] = write_movie(folder / f"{name}_{detector}.ome.tif", movie)
    return paths


def test_one_file_per_detector(tmp_path):
    movie = read_movie(write_pair(tmp_path))
    assert (movie.axes, movie.shape) == ("TCYX", (5, 2, 12, 16))
    assert (movie.detectors, movie.name) == (("BF", "ADF"), "au")
    assert (movie.pixel_size_nm, movie.frame_time_s) == (0.05, 0.5)
    assert np.array_equal(movie.to_array(), MOVIE)


def test_files_that_are_no_detectors_of_one_scan(tmp_path):
    with pytest.raises(MovieError, match=r"one pixel size, found BF 0.05, ADF 0.06 nm/px"):
        read_movie(write_pair(tmp_path, ADF=0.06))
    paths = write_pair(tmp_path, "b")
    other = Movie.from_array(MOVIE[:3, 0], "TYX")
    paths["ADF"] = write_movie(tmp_path / "short.ome.tif", other)
    with pytest.raises(MovieError, match=r"ADF has shape \(3, 12, 16\).*\(5, 12, 16\)"):
        read_movie(paths)
    both = write_movie(tmp_path / "both.ome.tif", Movie.from_array(MOVIE, "TCYX"))
    with pytest.raises(MovieError, match="holds 2 detectors, expected one, ADF"):
        read_movie({**paths, "ADF": both})
    with pytest.raises(MovieError, match="no detectors given"):
        read_movie({})


def test_pairs_are_found_by_their_names(tmp_path):
    for name in ("au_1", "au_2"):
        write_pair(tmp_path, name)
    (tmp_path / "notes.txt").write_text("x")
    found = pair_files(str(tmp_path / "{name}_{detector}.ome.tif"))
    assert list(found) == ["au_1", "au_2"]
    assert list(found["au_2"]) == ["ADF", "BF"]
    assert found["au_2"]["BF"] == str(tmp_path / "au_2_BF.ome.tif")
    some = [tmp_path / "au_1_BF.ome.tif", tmp_path / "au_1_ADF.ome.tif"]
    assert list(pair_files("{name}_{detector}.ome.tif", some)) == ["au_1"]
    assert list(pair_files("{detector}_{name}.tif", ["ADF_au_1.tif"])["au_1"]) == ["ADF"]


def test_pairs_that_do_not_fit(tmp_path):
    paths = write_pair(tmp_path)
    pattern = "{name}_{detector}.ome.tif"
    with pytest.raises(MovieError, match=r"must hold {name} and {detector} once each"):
        pair_files("{name}.tif")
    with pytest.raises(MovieError, match="does not fit the pattern"):
        pair_files(pattern, [*paths.values(), "other.dm4"])
    with pytest.raises(MovieError, match="b: no file of BF fits"):
        pair_files(pattern, [*paths.values(), "b_ADF.ome.tif"])
    with pytest.raises(MovieError, match="no file fits the pattern"):
        pair_files(str(tmp_path / "{name}-{detector}.dm4"))
    with pytest.raises(MovieError, match="two files of ADF of one movie"):
        pair_files(pattern, ["x/au_ADF.ome.tif", "y/au_ADF.ome.tif"])


def test_a_file_name_may_hold_colons(tmp_path):
    np.save(tmp_path / "a::b.npy", MOVIE[0, 0])
    assert np.array_equal(read_movie(tmp_path / "a::b.npy").to_array(), MOVIE[0, 0])
