"""Files of microscopes: SER/EMI read here, the rest through RosettaSciIO; each against others."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from n2v_stem_keras.io import Movie, MovieError, read_movie

pytest.importorskip("rsciio")
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*a guess, as the file"),
    pytest.mark.filterwarnings("ignore:.*left out. computed images"),
    pytest.mark.filterwarnings("ignore:.*pixel size -1.0 'nm' is not understood"),
]
RNG = np.random.default_rng(0)
ADF = RNG.integers(0, 60000, (5, 12, 16)).astype("u2")


# the development data


def data_file(name):
    if "N2V_STEM_DATA" not in os.environ:
        pytest.skip("needs third-party data")
    return Path(os.environ["N2V_STEM_DATA"]) / "formats" / name


@pytest.mark.parametrize(
    ("name", "axes", "shape", "dtype", "pixel_size_nm", "frame_time_s", "voltage_kV", "detectors"),
    [
        ("16x16x5_STEM_BF_DF_preview_1.ser", "TYX", (5, 16, 16), "u2", 21.51, 0.004915, 200, None),
        ("16x16x5_STEM_BF_DF_preview_2.ser", "TYX", (5, 16, 16), "u2", 21.51, 0.004915, 200, None),
        ("16x16x5_STEM_BF_DF_preview.emi", "TCYX", (5, 2, 16, 16), "u2", 21.51, 0.004915, 200,
         None),
        ("fei_haadf.dm3", "YX", (4, 16), "u2", 5.506, None, 200, ("HAADF",)),
        ("imagestack.dm3", "TYX", (3, 2, 16), "u4", 59.98, None, 200, None),
        ("stack_3d.dm4", "TYX", (2, 2, 2), "u2", None, None, None, None),
        ("si_survey_haadf.dm3", "YX", (512, 512), "u4", None, None, 200, ("HAADF",)),
        ("HAADFscan.mrc", "YX", (16, 16), "u2", 5.679, None, None, None),
        ("20241021_00405_movie.mrc", "TYX", (32, 4, 8), "u2", None, None, None, None),
        ("velox_stack.emd", "TYX", (2, 3, 3), "i2", 0.008173, 0.8, 300, ("Ceta",)),
        ("velox_dpc.emd", "CYX", (4, 2, 2), "u2", 0.09962, None, 300,
         ("DF4-C", "DF4-B", "DF4-A", "DF4-D")),
        ("berkeley_signal.emd", "TYX", (3, 3, 3), "i4", None, None, None, None),
    ],
)  # fmt: skip
def test_development_data(
    name, axes, shape, dtype, pixel_size_nm, frame_time_s, voltage_kV, detectors
):
    movie = read_movie(data_file(name))
    assert (movie.axes, movie.shape, movie.dtype) == (axes, shape, np.dtype(dtype))
    assert movie.detectors == detectors
    for found, expected in (
        (movie.pixel_size_nm, pixel_size_nm),
        (movie.frame_time_s, frame_time_s),
        (movie.voltage_kV, voltage_kV),
    ):
        assert found == (None if expected is None else pytest.approx(expected, rel=1e-3))
    assert movie.axes_guessed == (movie.n_frames > 1 and name != "velox_stack.emd")
    assert movie.to_array().any()


@pytest.mark.parametrize(
    ("name", "plugin"),
    [("16x16x5_STEM_BF_DF_preview_2.ser", "tia"), ("imagestack.dm3", "digitalmicrograph"),
     ("stack_3d.dm4", "digitalmicrograph"), ("20241021_00405_movie.mrc", "mrc"),
     ("HAADFscan.mrc", "mrc"), ("berkeley_signal.emd", "emd"), ("velox_stack.emd", "emd")],
)  # fmt: skip
# RosettaSciIO leaves files of MRC open
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_development_data_as_rosettasciio_loads_it(name, plugin):
    import importlib

    path = data_file(name)
    expected = importlib.import_module(f"rsciio.{plugin}").file_reader(str(path))[0]["data"]
    assert np.array_equal(read_movie(path).to_array(), expected)


def test_velox_data_as_h5py_loads_it():
    path = data_file("velox_stack.emd")
    with h5py.File(path) as file:
        (image,) = file["Data/Image"].values()
        expected = image["Data"][()].transpose(2, 0, 1)
    assert np.array_equal(read_movie(path).to_array(), expected)


def test_the_diffraction_pattern_of_the_development_data_is_refused():
    with pytest.raises(MovieError, match=r"y \[1/nm\], x \[1/nm\], is a diffraction pattern"):
        read_movie(data_file("example.hspy"))


def test_a_movie_keeps_its_voltage():
    movie = Movie.from_array(ADF, "TYX", voltage_kV=60)
    assert movie.replace(voltage_kV=80).voltage_kV == 80
    with pytest.raises(MovieError, match=r"voltage_kV -1 is not a positive number \[kV\]"):
        movie.replace(voltage_kV=-1)
