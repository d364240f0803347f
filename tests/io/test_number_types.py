"""Types, signs and byte orders of the formats that say them in codes of their own, with values."""

import numpy as np
import pytest
import tifffile
from instrument_files import DM_TYPES, SER_TYPES, write_gatan, write_ser

from n2v_stem_keras.io import MovieError, read_movie

pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file")


def some_frames(dtype):
    """Values at both ends of the range, and some that tell byte orders apart."""
    frames = np.arange(3 * 6 * 9).reshape(3, 6, 9).astype(dtype)
    if frames.dtype.kind in "iu":
        info = np.iinfo(frames.dtype)
        frames[0, 0, :2], frames[2, 5, -2:] = (info.min, info.max), (info.max, info.min)
    else:
        frames[1, 1] = -frames[1, 1] - 0.5
    return frames


def agree(path, frames):
    movie = read_movie(path)
    assert movie.dtype == frames.dtype.newbyteorder("=")
    assert movie.dtype.isnative
    assert np.array_equal(movie.to_array(), frames)


@pytest.mark.parametrize("dtype", SER_TYPES)
def test_ser(tmp_path, dtype):
    agree(write_ser(tmp_path / "m.ser", some_frames(dtype)), some_frames(dtype))


@pytest.mark.parametrize("code", [9, 10])
def test_complex_ser_is_refused(tmp_path, code):
    path = write_ser(tmp_path / "m.ser", np.ones((1, 4, 8), "f4"))
    content = bytearray(path.read_bytes())
    place = content.index((7).to_bytes(2, "little") + (8).to_bytes(4, "little"))
    content[place : place + 2] = code.to_bytes(2, "little")
    path.write_bytes(bytes(content) + bytes(1024))
    with pytest.raises(MovieError, match=r"complex.* are not intensities"):
        read_movie(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("dtype", DM_TYPES)
def test_gatan(tmp_path, dtype, version, order):
    pytest.importorskip("rsciio")
    path = tmp_path / f"m.dm{version}"
    agree(write_gatan(path, some_frames(dtype), version, order), some_frames(dtype))


@pytest.mark.parametrize("kind", [5, 27, 28])
def test_half_a_fourier_transform_of_gatan_is_refused(tmp_path, kind):
    pytest.importorskip("rsciio")
    path = write_gatan(tmp_path / "m.dm3", np.ones((3, 8, 8), "f4"), data_type=kind)
    with pytest.raises(MovieError, match=r"m\.dm3: "):
        read_movie(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
)
def test_tiff(tmp_path, dtype, compression, order):
    tifffile.imwrite(
        tmp_path / "m.tif",
        some_frames(dtype),
        byteorder=order,
        compression=compression,
        photometric="minisblack",
        metadata={"axes": "TYX"},
    )
    agree(tmp_path / "m.tif", some_frames(dtype))
