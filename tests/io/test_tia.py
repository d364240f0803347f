"""SER and EMI files, read here: frames, detectors and times, against RosettaSciIO."""

import numpy as np
import pytest
from instrument_files import write_emi, write_ser

from n2v_stem_keras.io import MovieError, read_movie
from n2v_stem_keras.io.tia import SerFile

pytest.importorskip("rsciio")
pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file")
RNG = np.random.default_rng(0)
ADF = RNG.integers(0, 60000, (5, 12, 16)).astype("u2")
BF = ADF[::-1, ::-1].copy()


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
    with pytest.raises(MovieError, match="was written to or replaced after it was opened"):
        movie.frame(0, 1)
    with pytest.raises(MovieError, match="frame t=2 cannot be read: type and size"):
        movie.frame(0, 2)


def test_a_diffraction_pattern_of_tia_is_refused(tmp_path):
    write_ser(tmp_path / "m_1.ser", ADF)
    write_emi(tmp_path / "m.emi", mode="TEM uP SA Zoom Diffraction")
    with pytest.raises(MovieError, match="diffraction pattern"):
        read_movie(tmp_path / "m_1.ser")
    assert read_movie(tmp_path / "m_1.ser", "TYX").n_frames == 5
