"""Files as others write them: axes, series, byte orders, damage. What is unclear must be said."""

import contextlib
import logging
import os
import re
import types
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tiff_files import LAST, MOVIE, TCYX, TIFFS, write_tiff

from n2v_stem_keras.io import Movie, MovieError, as_movie, read_movie, write_movie
from n2v_stem_keras.io.read import READERS, SUFFIXES, is_movie_file, is_movie_folder

pytestmark = pytest.mark.filterwarnings("error")


# name: (array, axes that must be found, whether read straight from the file, tifffile's arguments)


# Axes that files do not tell


@pytest.mark.parametrize(
    "keywords", [{}, {"metadata": None}, {"imagej": True, "metadata": {"axes": "ZYX"}}]
)
def test_unnamed_axis_is_taken_as_time_and_said(tmp_path, keywords):
    path = write_tiff(tmp_path / "stack.tif", MOVIE[:, 0], **keywords)
    with pytest.warns(UserWarning, match="read as axes 'TYX', a guess"):
        movie = read_movie(path)
    assert (movie.axes, movie.axes_guessed) == ("TYX", True)
    assert np.array_equal(movie.to_array(), MOVIE[:, 0])
    told = read_movie(path, "syx")
    assert (told.axes, told.axes_guessed, told.n_series) == ("SYX", False, 6)
    assert np.array_equal(told.to_array(), MOVIE[:, 0])


def test_axes_may_count_those_of_length_one_or_not(tmp_path):
    path = write_tiff(tmp_path / "m.tif", MOVIE[:, :1], metadata=TCYX)
    assert (read_movie(path).axes, read_movie(path).shape) == ("TCYX", (6, 1, 16, 24))
    assert read_movie(path, "SYX").shape == (6, 16, 24)
    assert read_movie(path, "SCYX").shape == (6, 1, 16, 24)
    with pytest.raises(MovieError, match=r"'YX' name 2 axes, but the file's shape is \(6, 1, 16"):
        read_movie(path, "YX")


def test_two_unclear_axes_are_refused(tmp_path):
    path = write_tiff(tmp_path / "m.tif", MOVIE, imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(MovieError, match=r"axes TZYX as TIFF names them, are not clear; say axes="):
        read_movie(path)
    assert read_movie(path, "TCYX").n_detectors == 2


def test_colours_are_refused_unless_named(tmp_path):
    path, rgb = tmp_path / "rgb.tif", LAST[0, ..., [0, 1, 0]].astype("u1")
    rgb = np.ascontiguousarray(np.moveaxis(rgb, 0, -1))
    tifffile.imwrite(path, rgb, photometric="rgb")
    with pytest.raises(MovieError, match="is an RGB image"):
        read_movie(path)
    assert np.array_equal(read_movie(path, "YXC").to_array(), rgb)
    tifffile.imwrite(path, rgb.astype("u2"), photometric="rgb")
    with pytest.warns(UserWarning, match="read as axes 'YXC', a guess"):
        assert read_movie(path).axes_guessed


# What the caller says, and names


def test_overrides_win(tmp_path):
    path = write_movie(
        tmp_path / "m.ome.tif",
        Movie.from_array(LAST, detectors=["A", "B"], pixel_size_nm=1, frame_time_s=2),
    )
    movie = read_movie(path, detectors=["ADF", "BF"], pixel_size_nm=0.03, frame_time_s=0.5)
    assert (movie.detectors, movie.pixel_size_nm, movie.frame_time_s) == (("ADF", "BF"), 0.03, 0.5)
    with pytest.raises(MovieError, match=r"m.ome.tif: no detector 'ADF'; it has A, B"):
        read_movie(path, detectors=["ADF"])
    assert read_movie(path, detectors=["b"]).detectors == ("B",)


def test_detector_from_the_file_name(tmp_path):
    write_tiff(tmp_path / "au_haadf-2.tif", MOVIE[0, 0])
    movie = read_movie(tmp_path / "au_haadf-2.tif")
    assert (movie.detectors, movie.detectors_guessed) == (("HAADF",), True)
    told = read_movie(tmp_path / "au_haadf-2.tif", detectors="ABF")
    assert (told.detectors, told.detectors_guessed) == (("ABF",), False)
    write_tiff(tmp_path / "haadf.tif", MOVIE, metadata=TCYX)
    assert read_movie(tmp_path / "haadf.tif").detectors is None


# Damage and other complaints


@pytest.mark.parametrize("name", ["shaped", "ome.ome", "imagej", "zlib", "last", "own.ome", "npy"])
def test_a_truncated_file_never_passes_for_a_shorter_movie(tmp_path, name, caplog):
    caplog.set_level(logging.CRITICAL, "tifffile")
    path = tmp_path / f"{name}.tif"
    if name == "own.ome":
        write_movie(path, Movie.from_array(MOVIE, "TCYX"))
    elif name == "npy":
        path = tmp_path / "m.npy"
        np.save(path, MOVIE)
    else:
        write_tiff(path, TIFFS[name][0], **TIFFS[name][3])
    axes = "TCYX" if name == "npy" else None
    whole, array = path.read_bytes(), read_movie(path, axes).to_array()
    cuts = [1, 7, 9, 100, 300, *range(500, len(whole), 487), len(whole) - 40, len(whole) - 1]
    for cut in cuts:
        path.write_bytes(whole[:cut])
        with contextlib.suppress(MovieError):
            found = read_movie(path, axes).to_array()
            assert np.array_equal(found, array), f"{cut} of {len(whole)} bytes"


def test_a_file_truncated_after_opening_names_the_frame(tmp_path):
    for compression in (None, "zlib"):
        path = write_tiff(tmp_path / "m.tif", MOVIE, metadata=TCYX, compression=compression)
        movie = read_movie(path)
        os.truncate(path, 5000)
        with pytest.raises(
            MovieError, match=r"replaced after it was opened \(\d+ bytes then, 5000"
        ):
            movie.frame(0, 0)  # which is there as it was
        with pytest.raises(MovieError, match="frame s=0, t=5 cannot be read"):
            movie.frame(0, 5)


def test_damaged_compressed_data_name_the_frame(tmp_path):
    path = write_tiff(tmp_path / "m.tif", MOVIE, metadata=TCYX, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[6].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + 30] = bytes(30)
    path.write_bytes(data)
    movie = read_movie(path)
    movie.frame(0, 2)
    with pytest.raises(MovieError, match="frame s=0, t=3 cannot be read"):
        movie.frame(0, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.tif", b"", "the file is empty"),
        ("m.npy", b"", "the file is empty"),
        ("m.tif", b"hello world", "cannot be read as TIFF"),
        ("m.npy", b"hello world", "not a readable npy file"),
        ("m.xyz", b"x", r"unknown suffix '.xyz'; supported are .ome.tif, .tif, .*'em' extra"),
        ("m", b"x", "unknown suffix ''"),
        ("m.tif", None, "no such file"),
    ],
)
def test_files_that_cannot_be_movies(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MovieError, match=message) as caught:
        read_movie(tmp_path / name)
    assert name in str(caught.value)


def test_a_directory_is_no_movie(tmp_path):
    with pytest.raises(MovieError, match="is a directory"):
        read_movie(tmp_path)


def test_as_movie_takes_paths_of_any_class(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((2, 8, 8)))
    with os.scandir(tmp_path) as entries:
        (entry,) = entries
    assert as_movie(entry, "TYX").shape == (2, 8, 8)
    both = as_movie(types.MappingProxyType({"ADF": entry, "BF": entry.path}), "TYX")
    assert both.detectors == ("ADF", "BF")


def test_as_movie_takes_metadata(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((4, 8, 8)))
    read = as_movie(tmp_path / "m.npy", "TYX", ("ADF",), 0.05)
    assert (read.axes, read.detectors, read.pixel_size_nm) == ("TYX", ("ADF",), 0.05)
    assert as_movie(read) is read
    assert as_movie(read, pixel_size_nm=0.1).pixel_size_nm == 0.1
    with pytest.raises(MovieError, match="axes are TYX, not SYX"):
        as_movie(read, "SYX")


def test_what_stands_for_a_movie_where_a_folder_is_searched(tmp_path):
    for name in ("a.ome.tif", "B.TIF", "c_1.ser", "c.emi", ".hidden.tif", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "d.zarr").mkdir()
    (tmp_path / "e.tif").mkdir()
    found = sorted(path.name for path in tmp_path.iterdir() if is_movie_file(path))
    assert found == ["B.TIF", "a.ome.tif", "c_1.ser"]
    assert [path.name for path in tmp_path.iterdir() if is_movie_folder(path)] == ["d.zarr"]


def test_a_suffix_has_one_reader():
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    for reader in READERS:
        assert {*reader.folders, *reader.companions} <= set(reader.suffixes)
        assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in reader.suffixes)


@pytest.mark.skipif("N2V_STEM_DATA" not in os.environ, reason="needs third-party data")
def test_real_areas():
    path = Path(os.environ["N2V_STEM_DATA"]) / "real/PtNC-HPAI/haadf.tif"
    movie = read_movie(path, axes="SYX", pixel_size_nm=0.0293)
    assert (movie.shape, movie.dtype) == ((12, 512, 512), np.uint32)
    assert (movie.n_series, movie.n_frames) == (12, 1)
    assert (movie.detectors, movie.detectors_guessed) == (("HAADF",), True)
    assert np.array_equal(movie.to_array(), tifffile.imread(path))
