"""MRC: each mode in both byte orders, as the standard says, and what IMOD and FEI add."""

import os

import numpy as np
import pytest
from instrument_files import write_mrc

from n2v_stem_keras.io import MovieError, read_movie

pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file")
RNG = np.random.default_rng(0)
# mode: type, and values at both ends of its range
MODES = {
    0: ("i1", (-128, 127)),
    1: ("i2", (-32768, 32767)),
    2: ("f4", (-1e30, 1e30)),
    6: ("u2", (0, 65535)),
    12: ("f2", (-60000, 60000)),
    101: ("u1", (0, 15)),
}


def some_frames(dtype, ends, width=9):
    frames = RNG.integers(0, 16, (4, 6, width)).astype(dtype)
    frames[0, 0, :2], frames[-1, -1, -2:] = ends, ends
    return frames


@pytest.mark.parametrize("stamp", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [9, 8])
def test_each_mode_in_both_byte_orders(tmp_path, mode, order, stamp, width):
    frames = some_frames(*MODES[mode], width)
    path = write_mrc(tmp_path / "m.mrc", frames, 0.02, mode, order, stamp)
    movie = read_movie(path)
    assert (movie.axes, movie.shape, movie.axes_guessed) == ("TYX", frames.shape, True)
    assert movie.dtype == frames.dtype.newbyteorder("=")
    assert movie.pixel_size_nm == pytest.approx(0.02)
    assert np.array_equal(movie.to_array(), frames)
    assert movie.frame(0, 1).flags.writeable
    images = read_movie(path, "SYX")
    assert (images.n_series, images.n_frames) == (4, 1)
    assert np.array_equal(images.frame(3, 0)[..., 0], frames[3])


def test_bytes_of_imod_say_whether_they_have_a_sign(tmp_path):
    frames = np.array([[[0, 127], [128, 255]]], "u1")
    path = write_mrc(tmp_path / "m.mrc", frames, mode=0, imod_flags=0)
    assert np.array_equal(read_movie(path).to_array(), frames[0])
    path = write_mrc(tmp_path / "m.mrc", frames, mode=0, imod_flags=1)
    assert np.array_equal(read_movie(path).to_array(), frames[0].astype("i1"))


@pytest.mark.parametrize(("mode", "numbers"), [(3, 2), (4, 4)])
def test_fourier_transforms_are_refused(tmp_path, mode, numbers):
    path = write_mrc(tmp_path / "m.mrc", np.ones((2, 4, 4 * numbers), "u2"), mode=mode)
    with pytest.raises(MovieError, match=f"of mode {mode}, the complex numbers of a Fourier"):
        read_movie(path)


def test_what_is_no_mrc_file(tmp_path):
    path = write_mrc(tmp_path / "m.mrc", np.ones((2, 4, 4), "u2"), mode=9)
    with pytest.raises(MovieError, match=r"not an MRC file: 2 sections of 4 x 4 px in mode 9"):
        read_movie(path)
    path.write_bytes(b"not what it says" * 10)
    with pytest.raises(MovieError, match=r"160 bytes found, 1024 expected of an MRC header"):
        read_movie(path)
    path.write_bytes(b"not what it says" * 200)
    with pytest.raises(MovieError, match="not an MRC file"):
        read_movie(path)


def test_truncated_before_and_after_opening(tmp_path):
    frames = RNG.integers(0, 60000, (5, 12, 16)).astype("u2")
    path = write_mrc(tmp_path / "m.mrc", frames)
    movie = read_movie(path)
    os.truncate(path, 1500)
    with pytest.raises(MovieError, match=r"frame s=0, t=3 cannot be read"):
        movie.frame(0, 3)
    with pytest.raises(MovieError, match=r"truncated: 1500 bytes found, 2944 expected"):
        read_movie(path)


def test_columns_that_are_y(tmp_path):
    """MAPC and MAPR say which axis of the specimen columns and rows are."""
    frames = some_frames("i2", (0, 1))
    path = write_mrc(tmp_path / "m.mrc", frames)
    content = bytearray(path.read_bytes())
    content[64:72] = np.array([2, 1], "<i4").tobytes()
    path.write_bytes(content)
    movie = read_movie(path)
    assert movie.axes == "TXY"
    assert np.array_equal(movie.frame(0, 1)[..., 0], frames[1].T)


def test_one_section_is_an_image_and_no_cell_no_pixel_size(tmp_path):
    frames = some_frames("i2", (0, 1))[:1]
    path = write_mrc(tmp_path / "m.mrc", frames, pixel_size_nm=0)
    for axes in (None, "YX", "TYX"):
        movie = read_movie(path, axes)
        assert (movie.axes, movie.axes_guessed, movie.pixel_size_nm) == ("YX", False, None)
        assert np.array_equal(movie.to_array(), frames[0])
    with pytest.raises(MovieError, match="no series 2"):
        read_movie(path, series=2)


def test_an_extended_header_is_skipped_and_fei_s_says_the_pixel_size(tmp_path):
    frames = some_frames("i2", (0, 1))
    path = write_mrc(tmp_path / "m.mrc", frames, pixel_size_nm=0.02)
    content = path.read_bytes()

    def with_extended(extended):
        head = content[:92] + np.array([len(extended)], "<i4").tobytes() + content[96:1024]
        path.write_bytes(head + extended + content[1024:])
        return read_movie(path)

    assert np.array_equal(with_extended(bytes(999)).to_array(), frames)
    assert with_extended(bytes(999)).pixel_size_nm == pytest.approx(0.02)
    fei = bytes(44) + np.array([0.03e-9], "<f4").tobytes()
    movie = with_extended(fei.ljust(1024 * 128, b"\0"))
    assert movie.pixel_size_nm == pytest.approx(0.03)
    assert np.array_equal(movie.to_array(), frames)
