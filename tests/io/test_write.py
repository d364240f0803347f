"""Written files: whole or absent, and read back equal in every order of axes."""

import errno
import itertools
import shutil
import xml.etree.ElementTree as ElementTree
from collections import namedtuple

import numpy as np
import pytest
import tifffile

from n2v_stem_keras.io import Movie, MovieError, MovieWriter, read_movie, write_movie
from n2v_stem_keras.io.layout import RawFrames

pytestmark = pytest.mark.filterwarnings("error")

SIZE = {"S": 2, "T": 3, "C": 2, "Y": 5, "X": 7}
RNG = np.random.default_rng(0)
AXES = [
    "".join(order)
    for n in range(4)
    for extra in itertools.combinations("STC", n)
    for order in itertools.permutations("YX" + "".join(extra))
]


def some_movie(axes, **keywords):
    array = RNG.normal(size=[SIZE[a] for a in axes]).astype("f4")
    if "C" in axes:
        keywords.setdefault("detectors", ("ADF", "BF µ <&>"))
    return Movie.from_array(array, axes, pixel_size_nm=0.0293, frame_time_s=1 / 3, **keywords)


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_axes_order_comes_back_from_ome_tiff(tmp_path):
    for axes in AXES:
        movie = some_movie(axes)
        path = write_movie(tmp_path / f"{axes}.ome.tif", movie)
        back = read_movie(path)
        assert (back.axes, back.shape, back.dtype) == (axes, movie.shape, np.float32)
        assert back.detectors == movie.detectors
        assert (back.pixel_size_nm, back.frame_time_s) == (0.0293, 1 / 3)
        assert not back.axes_guessed
        assert np.array_equal(back.to_array(), movie.to_array()), axes


def test_every_axes_order_comes_back_from_npy(tmp_path):
    for axes in AXES:
        array = some_movie(axes).to_array()
        path = write_movie(tmp_path / f"{axes}.npy", Movie.from_array(array, axes))
        assert np.array_equal(np.load(path), array), axes
        assert np.array_equal(read_movie(path, axes).to_array(), array), axes


@pytest.mark.parametrize("axes", [a for a in AXES if a.endswith("YX")])
def test_others_read_the_whole_array(tmp_path, axes):
    movie = some_movie(axes)
    path = write_movie(tmp_path / "m.tif", movie)
    assert np.array_equal(tifffile.imread(path), movie.to_array())
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        assert len(tif.series) == 1
        assert tif.series[0].axes == axes.replace("S", "Q")


def test_series_are_marked_as_no_depth(tmp_path):
    path = write_movie(tmp_path / "m.ome.tif", some_movie("STCYX"))
    root = ElementTree.fromstring(tifffile.tiffcomment(path))
    pixels = root.find("{*}Image/{*}Pixels").attrib
    assert (pixels["SizeZ"], pixels["SizeT"], pixels["SizeC"]) == ("2", "3", "2")
    assert pixels["DimensionOrder"] == "XYCTZ"
    along = root.find(".//{*}ModuloAlongZ").attrib
    assert along == {"Type": "other", "TypeDescription": "movie", "Start": "0", "End": "1"}
    references = [a.get("ID") for a in root.iterfind("{*}Image/{*}AnnotationRef")]
    annotations = [a.get("ID") for a in root.find("{*}StructuredAnnotations")]
    assert references == annotations


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (3, 5, 1), (4, 1, 7), (5, 4, 4)])
def test_small_shapes_are_no_colours(tmp_path, shape):
    array = RNG.normal(size=shape).astype("f4")
    movie = read_movie(write_movie(tmp_path / "m.ome.tif", Movie.from_array(array, "TYX")))
    assert (movie.axes, movie.shape) == ("TYX", shape)
    assert np.array_equal(movie.to_array(), array)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("suffix", [".ome.tif", ".npy"])
def test_types(tmp_path, dtype, suffix):
    array = np.arange(60).reshape(3, 4, 5).astype(dtype)
    path = write_movie(tmp_path / f"m{suffix}", Movie.from_array(array, "TYX"), dtype=dtype)
    movie = read_movie(path, "TYX")
    assert movie.dtype == np.dtype(dtype)
    assert np.array_equal(movie.to_array(), array)


def test_values_that_do_not_fit_are_refused(tmp_path):
    movie = Movie.from_array(np.full((3, 4), 1.5), "YX")
    with pytest.raises(MovieError, match="float64, which does not fit into uint16; write float32"):
        write_movie(tmp_path / "m.tif", movie, dtype="u2")
    with pytest.raises(MovieError, match="OME-TIFF holds no float16"):
        write_movie(tmp_path / "m.tif", movie, dtype="f2")
    assert left_behind(tmp_path) == []


def test_bigtiff_where_needed(tmp_path, monkeypatch):
    monkeypatch.setattr("n2v_stem_keras.io.formats.BIGTIFF_NBYTES", 100)
    movie = some_movie("TYX")
    path = write_movie(tmp_path / "m.tif", movie)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_provenance_and_odd_names_come_back(tmp_path):
    provenance = {"model": "au µ\x00", "sigma": np.float32(0.5), "tiles": np.arange(2), "at": None}
    path = tmp_path / "odd\x01 µ<&>.ome.tif"
    write_movie(path, some_movie("TYX", detectors="ADF"), provenance=provenance)
    movie = read_movie(path)
    assert movie.provenance == {"model": "au µ\x00", "sigma": 0.5, "tiles": [0, 1], "at": None}
    assert movie.name == "odd\x01 µ<&>"
    assert read_movie(path).detectors == ("ADF",)


def test_axes_may_be_said_anew(tmp_path):
    movie = some_movie("YXC")
    path = write_movie(tmp_path / "m.ome.tif", movie)
    again = read_movie(path, "YXT")
    assert (again.axes, again.shape, again.detectors) == ("YXT", (5, 7, 2), None)
    assert np.array_equal(again.to_array(), movie.to_array())


def test_a_file_changed_by_another_program(tmp_path):
    path = write_movie(tmp_path / "m.ome.tif", some_movie("CTYX"))
    xml = tifffile.tiffcomment(path).replace("[2, 3, 5, 7]", "[2, 4, 5, 7]")
    tifffile.tiffcomment(path, xml.encode())
    with pytest.warns(UserWarning, match="the file was changed"):
        assert read_movie(path).axes == "CTYX"
    tifffile.tiffcomment(path, xml.replace("[2, 4, 5, 7]", "gone").encode())
    assert read_movie(path).axes == "CTYX"


def test_npy_says_what_it_cannot_hold(tmp_path):
    with pytest.warns(UserWarning, match="npy holds no axes, detectors"):
        write_movie(tmp_path / "m.npy", some_movie("TYXC"))


# What may be written


def test_frames_like_a_movie(tmp_path):
    movie = some_movie("CTSYX")
    frames = (frame * 2 for sequence in movie.series() for frame in sequence)
    back = read_movie(write_movie(tmp_path / "m.ome.tif", frames, like=movie))
    assert (back.axes, back.detectors, back.pixel_size_nm) == ("CTSYX", movie.detectors, 0.0293)
    assert np.array_equal(back.to_array(), movie.to_array() * 2)


def test_array_like_a_movie(tmp_path):
    movie = some_movie("CTYX")
    back = read_movie(write_movie(tmp_path / "m.tif", movie.to_array(), like=movie))
    assert (back.axes, back.detectors, back.frame_time_s) == ("CTYX", movie.detectors, 1 / 3)
    with pytest.raises(MovieError, match=r"an array of shape \(3, 5, 7, 2\), but like= has \(2, 3"):
        write_movie(tmp_path / "n.tif", np.zeros((3, 5, 7, 2)), like=movie)


def test_array_alone_and_sequence_alone(tmp_path):
    movie = some_movie("TYXC")
    for number, frames in enumerate([movie.to_array(), movie.series()[0], list(movie.to_array())]):
        back = read_movie(write_movie(tmp_path / f"{number}.tif", frames))
        assert back.axes == "TYXC"
        assert np.array_equal(back.to_array(), movie.to_array())


def test_the_array_is_unchanged(tmp_path):
    array = RNG.integers(0, 9, (3, 5, 7)).astype(">u2")
    before = array.copy()
    write_movie(tmp_path / "m.tif", Movie.from_array(array, "TYX"))
    assert np.array_equal(array, before)


def test_a_file_may_be_replaced_by_what_is_made_of_it(tmp_path):
    movie = some_movie("TYX")
    path = write_movie(tmp_path / "m.ome.tif", movie)
    write_movie(path, read_movie(path), overwrite=True)
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())
    assert left_behind(tmp_path) == ["m.ome.tif"]


def test_one_frame_is_in_memory_at_a_time(tmp_path):
    alive = []

    def frames():
        for t in range(3):
            assert (tmp_path / "m.npy").exists() is False
            alive.append(t)
            yield np.full((5, 7), t, "f4")

    like = Movie.from_array(np.zeros((3, 5, 7), "f4"), "TYX")
    path = write_movie(tmp_path / "m.npy", frames(), like=like)
    assert alive == [0, 1, 2]
    assert np.array_equal(np.load(path)[:, 0, 0], [0, 1, 2])


# Whole or not at all


@pytest.mark.parametrize("suffix", [".ome.tif", ".npy"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interruption_leaves_nothing(tmp_path, suffix, error):
    def frames():
        yield np.zeros((5, 7, 1))
        (part,) = left_behind(tmp_path)
        assert part.startswith(".m")
        assert part.endswith(".part")
        raise error

    like = Movie.from_array(np.zeros((3, 5, 7), "f4"), "TYX")
    with pytest.raises(error):
        write_movie(tmp_path / f"m{suffix}", frames(), like=like)
    assert left_behind(tmp_path) == []


def test_interruption_keeps_the_previous_version(tmp_path):
    path = write_movie(tmp_path / "m.tif", some_movie("TYX"))
    before = path.read_bytes()
    too_few = [np.zeros((5, 7, 1))]
    with pytest.raises(MovieError, match="1 frame arrived, 3 were promised"):
        write_movie(path, too_few, like=some_movie("TYX"), overwrite=True)
    assert path.read_bytes() == before
    assert left_behind(tmp_path) == ["m.tif"]


def test_missing_frames_leave_nothing(tmp_path):
    with (
        pytest.raises(MovieError, match="1 frame arrived, 3 were promised"),
        MovieWriter(tmp_path / "m.tif", "TYX", (3, 5, 7)) as writer,
    ):
        writer.write(np.zeros((5, 7, 1)))
    assert left_behind(tmp_path) == []


def test_wrong_frames(tmp_path):
    writer = MovieWriter(tmp_path / "m.tif", "YXC", (5, 7, 2))
    with pytest.raises(MovieError, match="inside 'with"):
        writer.write(np.zeros((5, 7, 2)))
    with writer:
        with pytest.raises(
            MovieError, match=r"frame 0 has shape \(7, 5, 2\), expected \(5, 7, 2\)"
        ):
            writer.write(np.zeros((7, 5, 2)))
        writer.write(np.zeros((5, 7, 2)))
        with pytest.raises(MovieError, match="all 1 promised frames"):
            writer.write(np.zeros((5, 7, 2)))
    assert left_behind(tmp_path) == ["m.tif"]


def test_existing_file(tmp_path):
    path = write_movie(tmp_path / "m.tif", some_movie("TYX"))
    with pytest.raises(MovieError, match="exists; choose another name or overwrite=True"):
        write_movie(path, some_movie("TYX"))
    (tmp_path / "d.tif").mkdir()
    with pytest.raises(MovieError, match="is a directory"):
        write_movie(tmp_path / "d.tif", some_movie("TYX"), overwrite=True)


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "m.npy"

    def frames():
        yield np.zeros((5, 7))
        path.write_text("somebody else's")

    with pytest.raises(MovieError, match="exists"):
        write_movie(path, frames(), like=Movie.from_array(np.zeros((5, 7)), "YX"))
    assert left_behind(tmp_path) == ["m.npy"]
    assert path.read_text() == "somebody else's"


def test_places_that_do_not_exist(tmp_path):
    with pytest.raises(MovieError, match="does not exist; make it first"):
        write_movie(tmp_path / "a" / "m.tif", some_movie("YX"))
    with pytest.raises(MovieError, match=r"unknown suffix '.png'; written are"):
        write_movie(tmp_path / "m.png", some_movie("YX"))


def test_no_room(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(100, 90, 10))
    with pytest.raises(MovieError, match="420 bytes needed, 10 bytes free"):
        write_movie(tmp_path / "m.npy", np.zeros((3, 5, 7, 1)))
    assert left_behind(tmp_path) == []


def test_disk_full_while_writing(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RawFrames, "write", full)
    with pytest.raises(MovieError, match=r"the disk is full: 420 bytes needed, \d+ bytes free"):
        write_movie(tmp_path / "m.tif", np.zeros((3, 5, 7, 1)))
    assert left_behind(tmp_path) == []


@pytest.mark.filterwarnings("default")  # of the libraries that read and judge
@pytest.mark.parametrize("axes", ["YX", "TYXC", "CTYX", "STCYX", "SYX"])
def test_ome_types_agrees_with_what_is_written(tmp_path, axes):
    """It judges by the schema, and reads the numbers that we meant."""
    ome_types = pytest.importorskip("ome_types")
    pytest.importorskip("lxml")

    movie = some_movie(axes, voltage_kV=80.0)
    xml = tifffile.tiffcomment(write_movie(tmp_path / "m.ome.tif", movie, provenance={"a": "<b>"}))
    ome_types.validate_xml(xml)
    with pytest.raises(Exception, match="SizeQ"):  # it does look
        ome_types.validate_xml(xml.replace("SizeT", "SizeQ"))
    [image] = ome_types.from_xml(xml).images
    pixels = image.pixels
    assert (pixels.size_y, pixels.size_x) == movie.frame_shape
    sizes = (pixels.size_z, pixels.size_t, pixels.size_c)
    assert sizes == (movie.n_series, movie.n_frames, movie.n_detectors)
    assert pixels.type.numpy_dtype == movie.dtype.name
    for size, unit in (
        (pixels.physical_size_x, pixels.physical_size_x_unit),
        (pixels.physical_size_y, pixels.physical_size_y_unit),
    ):
        assert (size, unit.value) == (movie.pixel_size_nm, "nm")
    assert (pixels.time_increment, pixels.time_increment_unit.value) == (movie.frame_time_s, "s")
    names = tuple(channel.name for channel in pixels.channels)
    assert names == (movie.detectors or (None,) * movie.n_detectors)
