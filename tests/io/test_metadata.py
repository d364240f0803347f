"""Pixel size, frame time and detector names, from and to ImageJ's and OME's tags."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile

from n2v_stem_keras.io import Movie, MovieError, parse_length_nm, read_movie
from n2v_stem_keras.io.metadata import guess_detector, ome_tags, ome_xml

pytestmark = pytest.mark.filterwarnings("error")

ARRAY = np.zeros((3, 2, 8, 9), "f4")  # TCYX


@pytest.mark.parametrize(
    "text",
    [
        "0.0293nm", "0.0293 nm", " 0.0293 ", "0.0293", 0.0293, "0.293 A", "0.293Å", "0.293 \u212b",
        "0.293 angstrom", "0.293 Angstrom", "29.3pm", "2.93e-5 um", "2.93e-5 µm", "2.93E-5 \u03bcm",
        "2.93e-5 micron", "2.93e-11m", "2.93e-8 mm", ".0293nm", "+29.3 pm", r"2.93e-5 \u00B5m",
    ],
)  # fmt: skip
def test_lengths(text):
    assert parse_length_nm(text) == pytest.approx(0.0293, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["", "nm", "0 nm", "-1 nm", "nan", "inf", "1e999", "1 inch", "1 px", "1,5 nm", "1 nm/px",
     "1 2 nm", "0x1 nm", "1e nm", None, "1_0 nm", "1 M"],
)  # fmt: skip
def test_no_lengths(text):
    with pytest.raises(MovieError, match=r"is not a positive number with a unit; expected"):
        parse_length_nm(text)


@pytest.mark.parametrize(
    ("name", "detector"),
    [
        ("haadf", "HAADF"), ("Au_ADF_0012", "ADF"), ("scan-1 (BF)", "BF"), ("x.idpc", "iDPC"),
        ("maadf2", None), ("ADF_BF", None), ("buff", None), ("", None), ("HAADF-haadf", "HAADF"),
    ],
)  # fmt: skip
def test_detector_in_a_file_name(name, detector):
    assert guess_detector(name) == detector


# ImageJ


def imagej(path, resolution=(20, 20), labels=None, **metadata):
    metadata |= {"axes": "TCYX"} | ({"Labels": labels} if labels else {})
    tifffile.imwrite(path, ARRAY, imagej=True, resolution=resolution, metadata=metadata)
    return read_movie(path)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("nm", 0.05), ("pm", 5e-5), ("A", 0.005), ("angstrom", 0.005), ("um", 50), ("micron", 50),
        (r"\u00B5m", 50), ("mm", 5e4), ("inch", None), ("pixel", None), ("", None),
    ],
)  # fmt: skip
def test_imagej_units(tmp_path, unit, expected):
    movie = imagej(tmp_path / "m.tif", unit=unit)
    assert movie.pixel_size_nm == pytest.approx(expected)


def test_imagej_without_calibration(tmp_path):
    movie = imagej(tmp_path / "m.tif", finterval=0)
    assert (movie.pixel_size_nm, movie.frame_time_s, movie.detectors) == (None, None, None)


def test_imagej_unknown_unit(tmp_path):
    with pytest.warns(UserWarning, match="'parsec' is not understood; say pixel_size_nm="):
        assert imagej(tmp_path / "m.tif", unit="parsec").pixel_size_nm is None


def test_unequal_pixels(tmp_path):
    with pytest.warns(UserWarning, match=r"0.05 nm in X but 0.04 nm in Y; X is used"):
        assert imagej(tmp_path / "m.tif", (20, 25), unit="nm").pixel_size_nm == 0.05


@pytest.mark.parametrize(
    ("unit", "expected"), [({}, 0.5), ({"tunit": "ms"}, 5e-4), ({"tunit": "min"}, 30)]
)
def test_imagej_frame_time(tmp_path, unit, expected):
    assert imagej(tmp_path / "m.tif", finterval=0.5, **unit).frame_time_s == pytest.approx(expected)


def test_imagej_unknown_time_unit(tmp_path):
    with pytest.warns(UserWarning, match="frame time 0.5 'moon' is not understood"):
        assert imagej(tmp_path / "m.tif", finterval=0.5, tunit="moon").frame_time_s is None


def test_imagej_labels_name_detectors_if_there_is_one_each(tmp_path):
    assert imagej(tmp_path / "m.tif", labels=["ADF", "BF"]).detectors == ("ADF", "BF")
    assert imagej(tmp_path / "m.tif", labels=[str(i) for i in range(6)]).detectors is None
    with pytest.warns(UserWarning, match="repeat and are not used"):
        assert imagej(tmp_path / "m.tif", labels=["ADF", "adf"]).detectors is None


# OME


def ome(path, **metadata):
    tifffile.imwrite(path, ARRAY, ome=True, metadata={"axes": "TCYX"} | metadata)
    return read_movie(path)


def test_ome_by_another_program(tmp_path):
    movie = ome(
        tmp_path / "m.ome.tif",
        PhysicalSizeX=29.3, PhysicalSizeXUnit="pm", PhysicalSizeY=0.0293, PhysicalSizeYUnit="nm",
        TimeIncrement=250, TimeIncrementUnit="ms", Channel={"Name": ["ADF", "BF"]},
    )  # fmt: skip
    assert movie.pixel_size_nm == pytest.approx(0.0293)
    assert movie.frame_time_s == pytest.approx(0.25)
    assert movie.detectors == ("ADF", "BF")


def test_ome_default_units_and_nothing(tmp_path):
    assert ome(tmp_path / "m.ome.tif", PhysicalSizeX=2e-4).pixel_size_nm == pytest.approx(0.2)
    movie = ome(tmp_path / "n.ome.tif")
    assert (movie.pixel_size_nm, movie.frame_time_s, movie.detectors) == (None, None, None)
    movie = ome(tmp_path / "p.ome.tif", PhysicalSizeX=1, PhysicalSizeXUnit="pixel")
    assert movie.pixel_size_nm is None


def test_ome_of_the_chosen_image(tmp_path):
    with tifffile.TiffWriter(tmp_path / "m.ome.tif") as tif:
        for size in (1.0, 2.0):
            metadata = {"axes": "TYX", "PhysicalSizeX": size, "PhysicalSizeXUnit": "nm"}
            tif.write(ARRAY[:, 0], metadata=metadata, photometric="minisblack")
    assert read_movie(tmp_path / "m.ome.tif", series=1).pixel_size_nm == 2.0


def test_own_xml_says_everything_exactly():
    movie = Movie.from_array(
        ARRAY, "TCYX", detectors=("ADF", "µ<&>"), pixel_size_nm=0.1 + 0.2, frame_time_s=1e-7
    )
    xml = ome_xml(movie)
    assert xml.isascii()
    tags = ome_tags(xml, 0, "here")
    assert (tags.detectors, tags.pixel_size_nm) == (("ADF", "µ<&>"), 0.1 + 0.2)
    assert (tags.frame_time_s, tags.axes, tags.shape) == (1e-7, "TCYX", (3, 2, 8, 9))
    assert tags.provenance is None


def test_broken_xml():
    with pytest.raises(MovieError, match="here: its OME-XML cannot be read"):
        ome_tags("<OME><Image></OME>", 0, "here")


def test_import_is_cheap():
    code = (
        "import sys, n2v_stem_keras.io; "
        "print([m for m in ('tensorflow', 'keras', 'tifffile', 'h5py') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
