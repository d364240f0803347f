"""Reading and writing single frames of an array on disk: the right bytes, and no others."""

import itertools

import numpy as np
import pytest

from n2v_stem_keras.io import MovieError
from n2v_stem_keras.io.layout import Layout, RawFrames

pytestmark = pytest.mark.filterwarnings("error")

SIZE = {"S": 2, "T": 3, "C": 2, "Y": 5, "X": 7}
ORDERS = ["".join(order) for order in itertools.permutations("STCYX")]


def raw_frames(path, axes, dtype, offset):
    shape = tuple(SIZE[a] for a in axes)
    return RawFrames(path, Layout(axes, shape), np.dtype(dtype), offset)


@pytest.mark.parametrize("dtype", ["<f4", ">u2"])
def test_written_frames_make_up_the_array_and_read_back(tmp_path, dtype):
    rng = np.random.default_rng(0)
    for axes in ORDERS:
        array = rng.integers(0, 1000, [SIZE[a] for a in axes]).astype(dtype)
        by_frame = array.transpose([axes.index(a) for a in "STYXC"])
        path = tmp_path / axes
        path.write_bytes(b"head" + bytes(array.nbytes))
        frames = raw_frames(path, axes, dtype, 4)
        with open(path, "r+b") as file:
            for s, t in np.ndindex(2, 3):
                frames.write(file, s, t, by_frame[s, t])
        assert path.read_bytes() == b"head" + array.tobytes(), axes
        for s, t in np.ndindex(2, 3):
            frame = frames.read(s, t)
            assert np.array_equal(frame, by_frame[s, t]), axes
            assert frame.dtype.isnative


def test_blocks_are_no_larger_than_a_frame_or_a_row_of_all_frames():
    for axes in ORDERS:
        block = np.prod(Layout(axes, tuple(SIZE[a] for a in axes)).block_shape)
        assert block <= max(2 * 5 * 7, 2 * 3 * 2 * 7), axes


def test_leading_frames_are_read_in_one_piece():
    assert list(Layout("TYXC", (3, 5, 7, 2)).blocks(0, 2)) == [(2, ())]
    assert list(Layout("STCYX", (2, 3, 2, 5, 7)).blocks(1, 2)) == [(10, (0,)), (11, (1,))]


def test_a_file_that_shrinks_is_an_error_not_a_crash(tmp_path):
    path = tmp_path / "movie.raw"
    path.write_bytes(bytes(2 * 3 * 2 * 5 * 7 * 4))
    frames = raw_frames(path, "STCYX", "<f4", 0)
    frames.check_size()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MovieError, match="1679 bytes found, 1680 expected"):
        frames.check_size()
    frames.read(1, 1)
    with pytest.raises(MovieError, match="frame s=1, t=2 cannot be read: 139 of 140 bytes"):
        frames.read(1, 2)
    path.unlink()
    with pytest.raises(MovieError, match="frame s=0, t=0 cannot be read"):
        frames.read(0, 0)
