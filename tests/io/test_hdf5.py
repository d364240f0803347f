"""HDF5 and zarr by the path inside."""

import h5py
import numpy as np
import pytest

from n2v_stem_keras.io import MovieError, read_movie

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
    with (
        pytest.warns(UserWarning, match="a guess"),
        pytest.warns(UserWarning, match="has 16 detectors"),
        pytest.warns(UserWarning, match=r"pixel_size_nm is -1, not a positive number \[nm/px\]"),
    ):
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
