"""Files read through RosettaSciIO: detectors by name, frames lazily, damage explained."""

import sys

import numpy as np
import pytest
from instrument_files import write_ser, write_velox

from n2v_stem_keras.io import MovieError, read_movie

pytest.importorskip("rsciio")
pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file")
RNG = np.random.default_rng(0)
ADF = RNG.integers(0, 60000, (5, 12, 16)).astype("u2")
BF = ADF[::-1, ::-1].copy()


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
