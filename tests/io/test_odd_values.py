"""Masked arrays, and values that float32 cannot hold: refused by name, not lost without a word."""

import ast
import re

import numpy as np
import pytest

from n2v_stem_keras.atoms import Criterion, find_atoms
from n2v_stem_keras.config import N2VStemConfig
from n2v_stem_keras.io import Movie, MovieError, as_movie, write_movie
from n2v_stem_keras.io.movie import float32_problem
from n2v_stem_keras.noise import diagnose, estimate_noise
from n2v_stem_keras.normalize import DataError, scan
from n2v_stem_keras.prediction import lazily
from n2v_stem_keras.series import collect_series

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(4, 40, 40, 2))
TWO = N2VStemConfig(channels=("ADF", "BF"))


def masked(n=3):
    found = np.ma.array(NOISE, mask=False)
    found[2, 5, 5 : 5 + n, 1] = np.ma.masked
    return found


class Frames:
    """A sequence of frames, some of them masked."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def __getitem__(self, t):
        return self.array[t]


def of_dask():
    return pytest.importorskip("dask.array").from_array(masked(), chunks=(1, -1, -1, -1))


USES = {
    "array": lambda path: as_movie(masked()),
    "sequence of frames": lambda path: as_movie(Frames(masked())).to_array(),
    "dask": lambda path: as_movie(of_dask()).to_array(),
    "writing": lambda path: write_movie(path, iter(masked()), like=Movie.from_array(NOISE)),
    "collecting": lambda path: collect_series(masked(), TWO),
    "noise": lambda path: estimate_noise(masked()[..., 1]),
    "atoms": lambda path: find_atoms(masked()[..., 1:], [1.0], {"BF": Criterion(3.0)}),
    "moments": lambda path: lazily._moments(masked(), masked(), 0, "m", ("ADF", "BF")),
}


@pytest.mark.parametrize("use", USES)
def test_masked_values_are_refused(tmp_path, use):
    with pytest.raises(MovieError, match=r"3 of \d+ values are masked; expected a plain array"):
        USES[use](tmp_path / "m.npy")


def test_a_mask_that_masks_nothing_is_no_mask():
    movie = as_movie(np.ma.array(NOISE))
    assert type(movie.frame(0, 1)) is np.ndarray
    assert np.array_equal(movie.to_array(), NOISE)


WIDE = {
    "float64 of 1e37": (NOISE * 1e37, "beyond what is computed in float32.*multiply the movie by"),
    "float32 of 1e20": ((NOISE * 1e20).astype("f4"), "multiply the movie by 1e-2"),
    "float64 of 1e-30": (NOISE * 1e-30, "multiply the movie by 1e"),
    "float64 of offset 1e9": (NOISE + 1e9, "has steps of 64 there.*subtract 9"),
    "uint64 near 2^60": (
        (NOISE * 20 + 200).astype("u8") + 2**60,
        "has steps of .* subtract 11529215046068",
    ),
    "int32 near 2^30": ((NOISE * 20).astype("i4") + 2**30, "has steps of "),
}


@pytest.mark.parametrize("name", WIDE)
def test_what_float32_cannot_hold_is_refused_with_the_way_out(tmp_path, name):
    movie, said = WIDE[name]
    with pytest.raises(DataError, match=f"array: frame 0, detector ADF: values from .*{said}"):
        collect_series(movie, TWO)
    prepared = TWO.replace(n2v_background_px=16.0)
    with pytest.raises(DataError, match=said):
        collect_series(movie, prepared)
    if movie.dtype == np.float64:
        with pytest.raises(MovieError, match=f"frame 0: values from .*{said}"):
            write_movie(tmp_path / "m.npy", movie)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("name", WIDE)
def test_info_says_so(name):
    movie, said = WIDE[name]
    assert any(re.search(f"detector 0: .*{said}", text) for text in diagnose(movie).warnings)


def test_the_way_out_works():
    for movie in (NOISE * 1e37, NOISE + 1e9, (NOISE * 20 + 200).astype("u8") + 2**60):
        _, why = float32_problem(movie.min(axis=0, keepdims=True)[0])
        verb, number = re.search(r"(subtract|multiply the movie by) (\S+)", why).groups()
        if verb == "subtract":
            mended = movie - np.array(ast.literal_eval(number), movie.dtype)
            mended = np.maximum(mended, 0) if movie.dtype.kind == "u" else mended
        else:
            mended = movie * float(number)
        (series,) = collect_series(mended, TWO)
        back = series.statistics.restore(series.statistics.standardise(mended[1]))
        np.testing.assert_allclose(back, mended[1].astype(float), rtol=1e-5, atol=1e-5)


SOUND = {
    "uint16": (NOISE * 20 + 60000).astype("u2"),
    "float32 of offset 1e6": (NOISE + 1e6).astype("f4"),
    "uint32": RNG.integers(0, 2**32, (3, 40, 40, 2)).astype("u4"),
    "uint64": RNG.integers(0, 2**62, (3, 40, 40, 2)).astype("u8") // 2**13,
    "float64": NOISE * 1e-6,
    "float16": NOISE.astype("f2"),
    "constant": np.full((3, 40, 40, 2), 1e300),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_float32_holds_is_taken(name):
    assert [float32_problem(frame) for frame in SOUND[name]] == [None] * len(SOUND[name])
    found = scan(SOUND[name], detectors=("ADF", "BF"))
    assert np.isfinite(found.sd).all()
