"""TIFF of many kinds: the right frames, one at a time, from an unchanged file."""

import hashlib
import logging
import threading

import numpy as np
import pytest
import tifffile
from tiff_files import LAST, MOVIE, TCYX, TIFFS, bytes_read, write_tiff

from n2v_stem_keras.io import MovieError, read_movie
from n2v_stem_keras.io.layout import PagedFrames, RawFrames
from n2v_stem_keras.io.tiff import open_tiff

pytestmark = pytest.mark.filterwarnings("error")
# name: (array, axes that must be found, whether read straight from the file, tifffile's arguments)


def write_images(path, arrays, **keywords):
    with tifffile.TiffWriter(path) as tif:
        for array in arrays:
            tif.write(array, photometric="minisblack", **keywords)
    return path


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_frames_are_right_and_the_file_is_unchanged(tmp_path, name):
    array, axes, straight, keywords = TIFFS[name]
    path = write_tiff(tmp_path / f"{name}.tif", array, **keywords)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    movie = read_movie(path)
    assert (movie.axes, movie.shape, movie.dtype) == (axes, array.shape, array.dtype)
    assert movie.name == name.removesuffix(".ome")
    assert movie.source == str(path)
    assert not movie.axes_guessed
    reader = open_tiff(path, None, None).read_frame.__self__
    assert isinstance(reader, RawFrames if straight else PagedFrames)
    assert np.array_equal(movie.to_array(), array)
    assert movie.to_array().dtype.isnative
    frame = movie.frame(0, 3)
    frame[:] = 0
    assert np.array_equal(movie.to_array(), array), "a frame is the caller's to change"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_only_the_requested_frame_is_read(tmp_path, monkeypatch, compression):
    raw, pages, read_page = bytes_read(monkeypatch), [], PagedFrames._read_page
    monkeypatch.setattr(
        PagedFrames, "_read_page", lambda self, n: pages.append(n) or read_page(self, n)
    )
    movie = read_movie(
        write_tiff(tmp_path / "m.tif", MOVIE, metadata=TCYX, compression=compression)
    )
    assert (raw, pages) == ([], [])
    movie.frame(0, 4)
    assert (raw, pages) == (([16 * 24 * 2] * 2, []) if compression is None else ([], [8, 9]))


@pytest.mark.parametrize("name", ["shaped", "zlib"])
def test_frames_can_be_read_from_many_threads(tmp_path, name):
    array, _, _, keywords = TIFFS[name]
    movie, wrong = read_movie(write_tiff(tmp_path / "m.tif", array, **keywords)), []

    def read(seed):
        for t in np.random.default_rng(seed).integers(0, 6, 20):
            if not np.array_equal(movie.frame(0, t), LAST[t]):
                wrong.append(t)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", ["m.tif", "m.ome.tif"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_equal_images_become_series(tmp_path, name, compression):
    arrays = [MOVIE[:, 0], MOVIE[:, 1], MOVIE[:, 0] + 1]
    metadata = {"axes": "TYX"}
    path = write_images(tmp_path / name, arrays, metadata=metadata, compression=compression)
    movie = read_movie(path)
    assert (movie.axes, movie.shape) == ("STYX", (3, 6, 16, 24))
    assert np.array_equal(movie.to_array(), np.stack(arrays))
    assert np.array_equal(read_movie(path, series=1).to_array(), arrays[1])
    assert read_movie(path, "SCYX").axes == "SCYX"
    with pytest.raises(MovieError, match="axes 'TCYX' must begin with S"):
        read_movie(path, "TCYX")
    with pytest.raises(MovieError, match="no series 3; there are 0: "):
        read_movie(path, series=3)


def test_unequal_images_are_refused_with_a_way_out(tmp_path):
    path = write_images(tmp_path / "m.tif", [MOVIE[0, 0], MOVIE[0, 0, :9]])
    with pytest.raises(MovieError, match=r"0: \(16, 24\) YX uint16, 1: \(9, 24\).*series="):
        read_movie(path)
    assert read_movie(path, series=1).shape == (9, 24)


def multi_file_set(folder):
    """Two OME-TIFF files, one movie: the second frame is in the second file."""
    uuid = ["urn:uuid:00000000-0000-0000-0000-00000000000" + end for end in "12"]
    planes = "".join(
        f'<TiffData IFD="0" FirstT="{i}" PlaneCount="1"><UUID FileName="{i}.ome.tif">{u}</UUID>'
        "</TiffData>"
        for i, u in enumerate(uuid)
    )
    for i, u in enumerate(uuid):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{u}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
            'SizeX="24" SizeY="16" SizeZ="1" SizeC="1" SizeT="2">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        write_tiff(folder / f"{i}.ome.tif", MOVIE[i, 0], description=xml, metadata=None)
    return folder / "0.ome.tif"


def test_a_movie_in_several_files(tmp_path, caplog):
    path = multi_file_set(tmp_path)
    with pytest.warns(UserWarning, match=r"frames are also read from 1\.ome\.tif"):
        movie = read_movie(path)
    assert (movie.axes, movie.shape) == ("TYX", (2, 16, 24))
    assert np.array_equal(movie.to_array(), MOVIE[:2, 0])
    (tmp_path / "1.ome.tif").unlink()
    with (
        caplog.at_level(logging.CRITICAL, "tifffile"),
        pytest.raises(
            MovieError,
            match=r"1 of 2 planes are missing, in other files that it points to: 1\.ome\.tif",
        ),
    ):
        read_movie(path)


@pytest.mark.parametrize("dtype", ["bool", "complex64"])
def test_tiff_of_other_values(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "m.tif", np.ones((16, 16), dtype))
    with pytest.raises(MovieError, match=f"{dtype} are not intensities"):
        read_movie(tmp_path / "m.tif")
