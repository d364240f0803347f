"""npy files: read frame by frame, axes guessed and said."""

import numpy as np
import pytest
from tiff_files import LAST, MOVIE, bytes_read

from n2v_stem_keras.io import MovieError, read_movie

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<u2", ">i4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, dtype, order):
    array = np.asarray(MOVIE, dtype=dtype, order=order)
    np.save(tmp_path / "m.npy", array)
    movie = read_movie(tmp_path / "m.npy", "TCYX")
    assert (movie.shape, movie.axes_guessed) == (array.shape, False)
    assert movie.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(movie.to_array(), array)


def test_npy_axes_are_guessed_and_said(tmp_path):
    for array, axes in ((MOVIE[:, 0], "TYX"), (LAST, "TYXC")):
        np.save(tmp_path / "m.npy", array)
        with pytest.warns(UserWarning, match=f"read as axes '{axes}', a guess"):
            movie = read_movie(tmp_path / "m.npy")
        assert (movie.axes, movie.axes_guessed) == (axes, True)
    np.save(tmp_path / "m.npy", MOVIE[0, 0])
    assert not read_movie(tmp_path / "m.npy").axes_guessed


def test_npy_reads_one_frame(tmp_path, monkeypatch):
    np.save(tmp_path / "m.npy", MOVIE)
    counted = bytes_read(monkeypatch)
    read_movie(tmp_path / "m.npy", "TCYX").frame(0, 5)
    assert sum(counted) == MOVIE[5].nbytes


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[None]]), "object are not intensities"),
        (np.zeros((2, 2), complex), "complex128 are not intensities"),
        (np.zeros((2, 2), [("a", "f4")]), "are not intensities"),
        (np.zeros(5), r"1 axes of shape \(5,\); npy files do not name them"),
        (np.zeros((1, 1, 1, 2, 2)), "5 axes of shape"),
        (np.zeros((0, 5)), "holds no pixels"),
    ],
)
def test_npy_refusals(tmp_path, array, message):
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(MovieError, match=message):
        read_movie(tmp_path / "m.npy")
