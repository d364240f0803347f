"""Files that hold more, or less, than their header says: read as far as is sure, and named."""

import logging

import numpy as np
import pytest
import tifffile
from hyperspy_signals import hs
from instrument_files import write_mrc

from n2v_stem_keras.io import MovieError, as_movie, read_movie

pytestmark = pytest.mark.usefixtures("quiet_tifffile")
FRAMES = np.random.default_rng(0).integers(0, 60000, (6, 8, 10)).astype("u2")
DETECTORS = np.random.default_rng(1).integers(0, 60000, (5, 12, 8, 10)).astype("u2")


@pytest.fixture
def quiet_tifffile(caplog):
    with caplog.at_level(logging.CRITICAL, "tifffile"):
        yield


def ome_xml(n_frames, order="XYCZT", n_detectors=1, planes="<TiffData/>"):
    channels = "".join(
        f'<Channel ID="Channel:0:{c}" SamplesPerPixel="1"/>' for c in range(n_detectors)
    )
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint16" SizeX="10" SizeY="8" '
        f'SizeZ="1" SizeC="{n_detectors}" SizeT="{n_frames}">{channels}{planes}</Pixels></Image>'
        "</OME>"
    )


DESCRIPTIONS = {
    "ome": lambda n: ome_xml(n),
    "ome, pages counted": lambda n: ome_xml(
        n, planes=f'<TiffData IFD="0" PlaneCount="{min(n, 6)}"/>'
    ),
    "imagej": lambda n: f"ImageJ=1.54f\nimages={n}\nframes={n}\nhyperstack=true\n",
    "shaped": lambda n: f'{{"shape": [{n}, 8, 10], "axes": "TYX"}}',
}


def write_pages(path, pages, description, **keywords):
    with tifffile.TiffWriter(path) as tif:
        for number, page in enumerate(pages):
            tif.write(
                page,
                description=None if number else description,
                metadata=None,
                photometric="minisblack",
                **keywords,
            )
    return path


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_pages_that_are_not_described_are_named(tmp_path, kind, compression):
    path = write_pages(tmp_path / "m.tif", FRAMES, DESCRIPTIONS[kind](4), compression=compression)
    with pytest.warns(UserWarning, match="holds 6 images, 4 of which its description names"):
        movie = read_movie(path)
    assert np.array_equal(movie.to_array(), FRAMES[:4])


def test_a_large_file_of_imagej_that_holds_more(tmp_path):
    """One page stands for all; the others follow it without one."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, FRAMES[:4], imagej=True, metadata={"axes": "TYX"}, truncate=True)
    with tifffile.TiffFile(path) as tif:
        n_pages = len(tif.pages)
    assert n_pages == 1
    with open(path, "ab") as file:
        file.write(FRAMES[4:].tobytes() + bytes(1000))
    with pytest.warns(UserWarning, match="4 of which its description names"):
        movie = read_movie(path)
    assert np.array_equal(movie.to_array(), FRAMES[:4])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_of_an_aborted_movie_what_was_acquired_is_read(tmp_path, kind, compression):
    path = write_pages(tmp_path / "m.tif", FRAMES, DESCRIPTIONS[kind](10), compression=compression)
    with pytest.warns(UserWarning, match="6 of 10 planned frames were acquired; these are read"):
        movie = read_movie(path)
    assert (movie.axes, movie.shape) == ("TYX", (6, 8, 10))
    assert np.array_equal(movie.to_array(), FRAMES)


@pytest.mark.parametrize("order", ["XYCZT", "XYCTZ"])
def test_a_frame_of_which_a_detector_is_missing_is_not_read(tmp_path, order):
    pages = DETECTORS[:, :2].reshape(10, 8, 10)[:7]
    path = write_pages(tmp_path / "m.tif", pages, ome_xml(5, order, 2))
    with pytest.warns(UserWarning, match="3 of 5 planned frames were acquired"):
        movie = read_movie(path)
    assert np.array_equal(movie.to_array(), DETECTORS[:3, :2])


def test_planes_missing_in_between_are_refused(tmp_path):
    """All frames of the first detector, and some of the second: no frame is whole at the end."""
    pages = DETECTORS[:, :2].swapaxes(0, 1).reshape(10, 8, 10)
    path = write_pages(tmp_path / "m.tif", pages[:5], ome_xml(5, "XYTZC", 2))
    with pytest.raises(MovieError, match="5 of 10 planes are missing, in it"):
        read_movie(path)
    planes = "".join(
        f'<TiffData IFD="{i}" FirstT="{t}" PlaneCount="1"/>' for i, t in enumerate((0, 1, 4))
    )
    path = write_pages(tmp_path / "n.tif", FRAMES[:3], ome_xml(5, planes=planes))
    with pytest.raises(MovieError, match="2 of 5 planes are missing"):
        read_movie(path)


def test_a_description_in_another_file_is_said(tmp_path):
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly '
        'MetadataFile="scan.companion.ome" UUID="urn:uuid:00000000-0000-0000-0000-000000000001"/>'
        "</OME>"
    )
    path = write_pages(tmp_path / "m.ome.tif", FRAMES, xml)
    with pytest.warns(UserWarning, match=r"lies in another file, scan\.companion\.ome"):
        movie = read_movie(path, "TYX")
    assert np.array_equal(movie.to_array(), FRAMES)


@pytest.mark.filterwarnings("ignore:.*a guess, as the file")
def test_arrays_behind_a_header_that_says_less(tmp_path):
    np.save(tmp_path / "m.npy", FRAMES[:4])
    write_mrc(tmp_path / "m.mrc", FRAMES[:4])
    for path in (tmp_path / "m.npy", tmp_path / "m.mrc"):
        read_movie(path)  # nothing is said
        with open(path, "ab") as file:
            file.write(FRAMES[4:].tobytes())
        with pytest.warns(UserWarning, match="320 bytes more .* enough for 2 more frames"):
            movie = read_movie(path)
        assert np.array_equal(movie.to_array(), FRAMES[:4])


# Frames that were written as channels


def ome_tiff(folder):
    tifffile.imwrite(folder / "m.ome.tif", DETECTORS, ome=True, metadata={"axes": "TCYX"})
    return folder / "m.ome.tif"


def imagej(folder):
    tifffile.imwrite(folder / "m.tif", DETECTORS, imagej=True, metadata={"axes": "TCYX"})
    return folder / "m.tif"


def npy(folder):
    np.save(folder / "m.npy", DETECTORS.transpose(0, 2, 3, 1))
    return folder / "m.npy"


def hdf5(folder):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "m.h5", "w") as file:
        file.create_dataset("scan", data=DETECTORS).attrs["axes"] = "TCYX"
    return folder / "m.h5"


def signal(folder):
    made = hs.signals.Signal2D(DETECTORS.copy())
    for axis, name in zip(made.axes_manager._axes, ("time", "channel", "y", "x")):
        axis.name = name
    return made


def hspy(folder):
    signal(folder).save(folder / "m.hspy")
    return folder / "m.hspy"


@pytest.mark.filterwarnings("ignore:.*a guess, as the file")
@pytest.mark.parametrize("write", [ome_tiff, imagej, npy, hdf5, signal, hspy])
def test_twelve_detectors_without_names_are_asked_about(tmp_path, write, recwarn):
    source = write(tmp_path)
    with pytest.warns(UserWarning, match="has 12 detectors .* are they frames, written as chan"):
        movie = as_movie(source)
    assert movie.n_detectors == 12
    recwarn.clear()
    names = [f"segment {c}" for c in range(12)]
    assert as_movie(source, detectors=names).n_detectors == 12
    assert as_movie(source, movie.axes.replace("T", "S").replace("C", "T")).n_frames == 12
    assert not [w for w in recwarn if "has 12 detectors" in str(w.message)]
