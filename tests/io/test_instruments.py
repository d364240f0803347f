"""Files of microscopes: SER/EMI read here, the rest through RosettaSciIO; each against others."""

import os
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from instrument_files import write_emi, write_mrc, write_ser, write_velox

from n2v_stem_keras.io import Movie, MovieError, read_movie
from n2v_stem_keras.io.tia import SerFile

rsciio = pytest.importorskip("rsciio")
pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file")
RNG = np.random.default_rng(0)
ADF = RNG.integers(0, 60000, (5, 12, 16)).astype("u2")
BF = ADF[::-1, ::-1].copy()


def read_quietly(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_movie(path, **options)


# SER and EMI


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_ser_frames_are_what_rosettasciio_reads(tmp_path, dtype, wide):
    from rsciio.tia import file_reader

    frames = RNG.integers(0, 100, (4, 6, 9)).astype(dtype)
    path = write_ser(tmp_path / "m_1.ser", frames, pixel_size_nm=0.046, wide=wide)
    movie = read_movie(path)
    assert (movie.axes, movie.dtype) == ("TYX", np.dtype(dtype))
    assert movie.axes_guessed
    assert movie.pixel_size_nm == pytest.approx(0.046)
    assert np.array_equal(movie.to_array(), frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(file_reader(str(path))[0]["data"], frames)


def test_ser_reads_one_frame_at_a_time(tmp_path, monkeypatch):
    path, read = write_ser(tmp_path / "m.ser", ADF), []
    movie = read_movie(path)
    monkeypatch.setattr(SerFile, "read", lambda self, t: read.append(t) or ADF[t])
    movie.frame(0, 3)
    assert read == [3]


def test_emi_names_the_files_of_the_detectors_and_the_microscope(tmp_path):
    write_ser(tmp_path / "m_1.ser", ADF)
    write_ser(tmp_path / "m_2.ser", BF)
    write_emi(tmp_path / "m.emi", volts=60000, frame_time=0.25)
    movie = read_movie(tmp_path / "m.emi", detectors=("ADF", "BF"))
    assert (movie.axes, movie.shape) == ("TCYX", (5, 2, 12, 16))
    assert (movie.voltage_kV, movie.frame_time_s) == (60, 0.25)
    assert np.array_equal(movie.to_array(), np.stack([ADF, BF], axis=1))
    assert read_movie(tmp_path / "m_2.ser").voltage_kV == 60
    assert np.array_equal(read_movie(tmp_path / "m.emi::m_2").to_array(), BF)
    with pytest.raises(MovieError, match=r"no series 'm_3'; there are 0: m_1; 1: m_2"):
        read_movie(tmp_path / "m.emi::m_3")
    (tmp_path / "m_1.ser").unlink()
    (tmp_path / "m_2.ser").unlink()
    with pytest.raises(MovieError, match=r"frames of an .emi file lie in m_1.ser"):
        read_movie(tmp_path / "m.emi")


def test_ser_times_are_used_where_whole_seconds_tell(tmp_path):
    assert read_movie(write_ser(tmp_path / "a.ser", ADF, step_s=8)).frame_time_s == 8
    assert read_movie(write_ser(tmp_path / "b.ser", ADF, step_s=1)).frame_time_s is None


def test_ser_of_a_stopped_series(tmp_path):
    path = write_ser(tmp_path / "m.ser", ADF, n_planned=9)
    with pytest.warns(UserWarning, match="5 of 9 planned frames"):
        assert np.array_equal(read_movie(path).to_array(), ADF)


def test_ser_axes_may_be_said(tmp_path):
    path = write_ser(tmp_path / "m.ser", ADF)
    movie = read_movie(path, "SYX")
    assert (movie.n_series, movie.n_frames, movie.axes_guessed) == (5, 1, False)
    assert np.array_equal(movie.to_array(), ADF)
    with pytest.raises(MovieError, match="axes 'TCYX' do not fit shape"):
        read_movie(path, "TCYX")
    single = read_movie(write_ser(tmp_path / "one.ser", ADF[:1]))
    assert (single.axes, single.n_frames, single.axes_guessed) == ("YX", 1, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"hello" + b[5:], "not a .ser file of TIA"),
        (lambda b: b[:6] + (0x4120).to_bytes(4, "little") + b[10:], "spectrum is not a movie"),
        (lambda b: b[:14] + (2**31).to_bytes(4, "little") + b[18:], "frames acquired"),
        (lambda b: b[:22] + (2**31).to_bytes(4, "little") + b[26:], "truncated or damaged"),
        (lambda b: b[:-300], "truncated or damaged: .* bytes found"),
        (lambda b: b[:20], "truncated or damaged"),
    ],
)
def test_damaged_ser_files_are_explained(tmp_path, change, message):
    path = write_ser(tmp_path / "m.ser", ADF)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(MovieError, match=message) as caught:
        read_movie(path)
    assert "m.ser" in str(caught.value)


def test_a_ser_file_cut_anywhere_never_passes_for_another(tmp_path):
    path = write_ser(tmp_path / "m.ser", ADF)
    whole = path.read_bytes()
    for cut in range(1, len(whole) - 9, 61):  # the last 8 bytes are the time of the last frame
        path.write_bytes(whole[:cut])
        with pytest.raises(MovieError, match=r"m\.ser"):
            read_movie(path).to_array()


def test_a_ser_frame_changed_after_opening_is_found(tmp_path):
    path = write_ser(tmp_path / "m.ser", ADF)
    movie = read_movie(path)
    data = bytearray(path.read_bytes())
    offset = SerFile(path).offsets[2]
    data[offset + 40 : offset + 50] = bytes(10)
    path.write_bytes(data)
    movie.frame(0, 1)
    with pytest.raises(MovieError, match="frame t=2 cannot be read: type and size"):
        movie.frame(0, 2)


def test_a_diffraction_pattern_of_tia_is_refused(tmp_path):
    write_ser(tmp_path / "m_1.ser", ADF)
    write_emi(tmp_path / "m.emi", mode="TEM uP SA Zoom Diffraction")
    with pytest.raises(MovieError, match="diffraction pattern"):
        read_movie(tmp_path / "m_1.ser")
    assert read_movie(tmp_path / "m_1.ser", "TYX").n_frames == 5


# through RosettaSciIO


def test_velox_detectors_become_one_movie(tmp_path):
    path = write_velox(tmp_path / "m.emd", {"HAADF": ADF, "BF": BF}, 0.05, 0.4, 60000)
    movie = read_movie(path)
    assert (movie.axes, movie.shape, movie.dtype) == ("TCYX", (5, 2, 12, 16), np.uint16)
    assert movie.detectors == ("HAADF", "BF")
    assert movie.pixel_size_nm == pytest.approx(0.05)
    assert (movie.frame_time_s, movie.voltage_kV) == (pytest.approx(0.4), 60)
    assert not movie.axes_guessed
    assert np.array_equal(movie.to_array(), np.stack([ADF, BF], axis=1))
    assert movie.frame(0, 2).flags.writeable


def test_velox_detectors_are_chosen_by_name_or_number(tmp_path):
    path = write_velox(tmp_path / "m.emd", {"HAADF": ADF, "BF": BF, "DF": ADF})
    assert read_movie(f"{path}::BF").detectors == ("BF",)
    chosen = read_movie(path, series=["bf", 0])
    assert chosen.detectors == ("BF", "HAADF")
    assert np.array_equal(chosen.frame(0, 1)[..., 0], BF[1])
    with pytest.raises(MovieError, match="no image 'ABF'; there are 0: HAADF; 1: BF"):
        read_movie(f"{path}::ABF")
    with pytest.raises(MovieError, match="not both"):
        read_movie(f"{path}::BF", series=1)
    key = f"{0:032x}"
    inside = read_movie(f"{path}::/Data/Image/{key}/Data", axes="YXT")
    assert np.array_equal(inside.frame(0, 3)[..., 0], ADF[3])


def test_computed_images_are_left_out_with_a_word(tmp_path):
    images = {"A": ADF, "B": BF, "iDPC": ADF.astype("f4")}
    path = write_velox(tmp_path / "m.emd", images)
    with pytest.warns(UserWarning, match="iDPC left out: computed"):
        assert read_movie(path).detectors == ("A", "B")
    assert read_movie(f"{path}::iDPC").dtype == np.float32


def test_images_of_other_shapes_are_no_detectors(tmp_path):
    path = write_velox(tmp_path / "m.emd", {"HAADF": ADF, "BF": BF[:, :8]})
    with pytest.raises(MovieError, match=r"shapes differ .*choose with series="):
        read_movie(path)
    assert read_movie(f"{path}::BF").shape == (5, 8, 16)


def test_mrc_frames(tmp_path):
    for dtype in ("u2", "i2", "f4"):
        frames = RNG.integers(0, 100, (4, 6, 9)).astype(dtype)
        path = write_mrc(tmp_path / f"{dtype}.mrc", frames, pixel_size_nm=0.02)
        movie = read_movie(path)
        assert (movie.axes, movie.dtype, movie.axes_guessed) == ("TYX", np.dtype(dtype), True)
        assert movie.pixel_size_nm == pytest.approx(0.02)
        assert np.array_equal(movie.to_array(), frames)


def test_mrc_truncated_before_and_after_opening(tmp_path):
    path = write_mrc(tmp_path / "m.mrc", ADF)
    movie = read_movie(path)
    os.truncate(path, 1500)
    with pytest.raises(MovieError, match=r"1500 bytes found, .* expected"):
        movie.frame(0, 0)
    with pytest.raises(MovieError, match=r"m\.mrc: frame s=0, t=4 cannot be read: .*whole\?"):
        read_movie(path)


def test_files_of_a_suffix_that_are_something_else(tmp_path):
    for suffix in ("dm3", "dm4", "emd", "mrc", "hspy", "ser"):
        path = tmp_path / f"m.{suffix}"
        path.write_bytes(b"not what it says" * 200)
        with pytest.raises(MovieError, match=rf"m\.{suffix}"):
            read_movie(path)


def test_without_rosettasciio_the_pip_line_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    (tmp_path / "m.dm4").write_bytes(b"x")
    with pytest.raises(MovieError, match=r'pip install "n2v_stem_keras\[em\]"'):
        read_movie(tmp_path / "m.dm4")
    assert read_movie(write_ser(tmp_path / "m.ser", ADF[:1])).axes == "YX"


# signals as HyperSpy's files hold them


def write_signal(path, data, axes):
    """Write a signal with RosettaSciIO: axes as (name, units, scale, navigate)."""
    hs = pytest.importorskip("hyperspy.api")
    n_signal = sum(not navigate for *_, navigate in axes)
    kind = {1: hs.signals.Signal1D, 2: hs.signals.Signal2D}[n_signal]
    signal = kind(data)
    for axis, (name, units, scale, _) in zip(signal.axes_manager._axes, axes):
        axis.name, axis.units, axis.scale = name, units, scale
    signal.save(path)
    return path


IMAGE = [("y", "nm", 0.05, False), ("x", "nm", 0.05, False)]


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ([("x", "nm", 1, True), ("Energy loss", "eV", 1, False)], "spectrum"),
        ([("y", "nm", 1, True), ("x", "nm", 1, True), ("E", "keV", 1, False)], "spectrum"),
        ([("y", "1/nm", 1, False), ("x", "1/nm", 1, False)], "diffraction pattern"),
        ([("y", "mrad", 1, False), ("x", "mrad", 1, False)], "diffraction pattern"),
        ([("y", "nm", 1, True), ("x", "nm", 1, True), *IMAGE], "4D-STEM"),
        ([("tilt", "", 1, True), ("focus", "", 1, True), *IMAGE], "not clear; say axes="),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_movie_is_refused_with_the_reason(tmp_path, axes, reason):
    data = np.ones(range(4, 4 + len(axes)), "f4")
    path = write_signal(tmp_path / "m.hspy", data, axes)
    with pytest.raises(MovieError, match=reason) as caught:
        read_movie(path)
    assert axes[0][0].lower() in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_what_the_user_says_is_believed(tmp_path):
    axes = [("y", "1/nm", 1, False), ("x", "1/nm", 1, False)]
    path = write_signal(tmp_path / "m.hspy", np.ones((4, 5), "f4"), axes)
    movie = read_movie(path, "YX", pixel_size_nm=0.05)
    assert (movie.axes, movie.pixel_size_nm) == ("YX", 0.05)


@pytest.mark.filterwarnings("ignore")
def test_a_signal_in_time_is_no_guess(tmp_path):
    data = RNG.normal(size=(3, 4, 5)).astype("f4")
    path = write_signal(tmp_path / "m.hspy", data, [("", "ms", 40, True), *IMAGE])
    movie = read_movie(path)
    assert (movie.axes, movie.axes_guessed) == ("TYX", False)
    assert (movie.frame_time_s, movie.pixel_size_nm) == (pytest.approx(0.04), 0.05)
    assert np.array_equal(movie.to_array(), data)


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
    movie = read_quietly(data_file(name))
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
def test_development_data_as_rosettasciio_loads_it(name, plugin):
    import importlib

    path = data_file(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = importlib.import_module(f"rsciio.{plugin}").file_reader(str(path))[0]["data"]
    assert np.array_equal(read_quietly(path).to_array(), expected)


def test_velox_data_as_h5py_loads_it():
    path = data_file("velox_stack.emd")
    with h5py.File(path) as file:
        (image,) = file["Data/Image"].values()
        expected = image["Data"][()].transpose(2, 0, 1)
    assert np.array_equal(read_quietly(path).to_array(), expected)


def test_the_diffraction_pattern_of_the_development_data_is_refused():
    with pytest.raises(MovieError, match=r"y \[1/nm\], x \[1/nm\], is a diffraction pattern"):
        read_movie(data_file("example.hspy"))


def test_a_movie_keeps_its_voltage():
    movie = Movie.from_array(ADF, "TYX", voltage_kV=60)
    assert movie.replace(voltage_kV=80).voltage_kV == 80
    with pytest.raises(MovieError, match=r"voltage_kV -1 is not a positive number \[kV\]"):
        movie.replace(voltage_kV=-1)
