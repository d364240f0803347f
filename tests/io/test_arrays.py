"""HDF5 and zarr by the path inside, and one file per detector."""

import warnings

import h5py
import numpy as np
import pytest

from n2v_stem_keras.io import Movie, MovieError, pair_files, read_movie, write_movie

RNG = np.random.default_rng(0)
MOVIE = RNG.normal(size=(5, 2, 12, 16)).astype("f4")


def write_h5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array)
    return path


def test_the_only_array_of_a_file_is_the_movie(tmp_path):
    path = write_h5(tmp_path / "m.h5", scan__adf=MOVIE, note=np.array([1.0]), name=b"text")
    movie = read_movie(path, "TCYX", pixel_size_nm=0.05)
    assert np.array_equal(movie.to_array(), MOVIE)
    movie = read_movie(f"{path}::/scan/adf", "TCYX")
    assert movie.frame(0, 1).shape == (12, 16, 2)


def test_several_arrays_are_listed(tmp_path):
    path = write_h5(tmp_path / "m.h5", adf=MOVIE[:, 0], bf=MOVIE[:, 1])
    with pytest.raises(MovieError, match=r"2 arrays; say which, .*m.h5::/adf; .*/bf \(5, 12, 16\)"):
        read_movie(path)
    with pytest.warns(UserWarning, match="read as axes 'TYX', a guess"):
        movie = read_movie(f"{path}::bf")
    assert np.array_equal(movie.to_array(), MOVIE[:, 1])
    with pytest.raises(MovieError, match="holds no array 'df'; there are /adf"):
        read_movie(f"{path}::df")


def test_a_group_is_no_array(tmp_path):
    path = write_h5(tmp_path / "m.h5", scan__adf=MOVIE)
    with pytest.raises(MovieError, match="'/scan' is a group"):
        read_movie(f"{path}::/scan")
    empty = write_h5(tmp_path / "e.h5", spectrum=np.ones(9))
    with pytest.raises(MovieError, match="no array of numbers with two or more axes"):
        read_movie(empty)


@pytest.mark.parametrize("where", ["labels", "attribute", "list"])
def test_axes_and_numbers_from_attributes(tmp_path, where):
    path = write_h5(tmp_path / "m.h5", data=MOVIE)
    with h5py.File(path, "r+") as file:
        data = file["data"]
        if where == "labels":
            for dimension, label in zip(data.dims, ("time", "detector", "y", "x")):
                dimension.label = label
        else:
            data.attrs["axes"] = "TCYX" if where == "attribute" else ["t", "c", "y", "x"]
        data.attrs.update({"pixel_size_nm": 0.05, "frame_time_s": "0.5", "voltage_kV": 80})
        data.attrs["detectors"] = ["ADF", "BF"]
    movie = read_movie(path)
    assert (movie.axes, movie.axes_guessed, movie.detectors) == ("TCYX", False, ("ADF", "BF"))
    assert (movie.pixel_size_nm, movie.frame_time_s, movie.voltage_kV) == (0.05, 0.5, 80)


def test_odd_attributes_are_not_believed(tmp_path):
    path = write_h5(tmp_path / "m.h5", data=MOVIE)
    with h5py.File(path, "r+") as file:
        file["data"].attrs.update({"axes": "QQQQ", "pixel_size_nm": -1, "provenance": "{"})
        file["data"].attrs["detectors"] = [1, 2]
    with pytest.warns(UserWarning, match="a guess"):
        movie = read_movie(path)
    assert (movie.axes, movie.pixel_size_nm, movie.detectors) == ("TYXC", None, None)


def test_compressed_and_big_endian_and_single_frames(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        chunks = (2, 2, 5, 7)
        file.create_dataset("z", data=MOVIE.astype(">f4"), chunks=chunks, compression="gzip")
        file.create_dataset("one", data=MOVIE[0, 0].astype(">i8"))
    movie = read_movie(f"{tmp_path / 'm.h5'}::z", "TCYX")
    assert np.array_equal(movie.to_array(), MOVIE)
    assert movie.dtype.isnative
    assert movie.frame(0, 0).dtype.isnative
    one = read_movie(f"{tmp_path / 'm.h5'}::one")
    assert (one.axes, one.n_frames, one.dtype) == ("YX", 1, np.int64)


def test_truncated_and_foreign_hdf5(tmp_path):
    path = write_h5(tmp_path / "m.h5", data=MOVIE)
    whole = path.read_bytes()
    for cut in (10, 600, len(whole) // 2, len(whole) - 100):
        path.write_bytes(whole[:cut])
        with pytest.raises(MovieError, match=r"m\.h5: cannot be read as HDF5"):
            read_movie(path, "TCYX")
    path.write_bytes(b"hello" * 100)
    with pytest.raises(MovieError, match="is it a whole, valid HDF5 file"):
        read_movie(path)


def test_other_values_are_refused(tmp_path):
    path = write_h5(tmp_path / "m.h5", data=MOVIE[0].astype("c8"), more=MOVIE)
    with pytest.raises(MovieError, match="complex64 are not intensities"):
        read_movie(f"{path}::data")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "m.zarr"), mode="w")
    array = group.create_array("scan/adf", shape=MOVIE.shape, chunks=(1, 1, 12, 16), dtype="f4")
    array[:] = MOVIE
    movie = read_movie(tmp_path / "m.zarr", "TCYX")
    assert np.array_equal(movie.to_array(), MOVIE)
    assert read_movie(f"{tmp_path / 'm.zarr'}::scan/adf", "TCYX").shape == MOVIE.shape
    with pytest.raises(MovieError, match="holds no array 'bf'"):
        read_movie(f"{tmp_path / 'm.zarr'}::bf")
    scale = [{"type": "scale", "scale": [0.5, 1.0, 0.05, 0.05]}]
    axes = [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "nanometer"},
        {"name": "x", "type": "space", "unit": "nanometer"},
    ]
    dataset = {"path": "scan/adf", "coordinateTransformations": scale}
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [dataset]}]
    group.attrs["omero"] = {"channels": [{"label": "ADF"}, {"label": "BF"}]}
    movie = read_movie(tmp_path / "m.zarr")
    assert (movie.axes, movie.axes_guessed, movie.detectors) == ("TCYX", False, ("ADF", "BF"))
    assert (movie.pixel_size_nm, movie.frame_time_s) == (0.05, 0.5)
    (tmp_path / "bad.zarr").mkdir()
    with pytest.raises(MovieError, match=r"bad\.zarr: cannot be read as zarr"):
        read_movie(tmp_path / "bad.zarr")


# one file per detector


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(read_movie(tmp_path / "a::b.npy").to_array(), MOVIE[0, 0])
