"""Statistics of a movie: exact, read once, and honest about frames that cannot be used."""

import numpy as np
import pytest

from n2v_stem_keras.normalize import DataError, MovieStatistics, check_finite, scan, warn_blank


class Lazy:
    """A movie that reads frames on demand and remembers which."""

    def __init__(self, movie):
        self.movie, self.read = movie, []

    def __len__(self):
        return len(self.movie)

    def __getitem__(self, t):
        self.read.append(t)
        return self.movie[t]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# Mean and standard deviation


MOVIES = {
    "float32 of offset 1e6": (noise(7, 16, 24, 2) * (3, 0.5) + (1e6, -1e6)).astype("f4"),
    "float32 of offset 1e-6": (noise(7, 16, 24, 2) * 1e-9 + 1e-6).astype("f4"),
    "uint32 near 2^31": (noise(7, 16, 24, 2) * 20 + 2.0**31).astype("u4"),
    "uint64 near 2^40": (noise(7, 16, 24, 2) * 20 + 2.0**40).astype("u8"),
    "uint16 counts": np.random.default_rng(0).poisson(3, (7, 16, 24, 2)).astype("u2"),
    "big-endian int16": (noise(7, 16, 24, 2) * 100).astype(">i2"),
    "int8": (noise(7, 16, 24, 2) * 30).astype("i1"),
    "float16": noise(7, 16, 24, 2).astype("f2"),
    "one detector": noise(3, 5, 7, 1),
    "one frame": noise(1, 9, 4, 3),
    "frames of very different level": noise(9, 8, 8, 2) + 1e3 * np.arange(9)[:, None, None, None],
}


@pytest.mark.parametrize("name", MOVIES)
def test_mean_and_standard_deviation_are_those_of_the_whole_movie(name):
    movie = MOVIES[name]
    found = scan(movie)
    # in extended precision; the mean of squares less the square of the mean would fail
    exact = movie.astype(np.longdouble)
    assert found.mean == pytest.approx(exact.mean(axis=(0, 1, 2)).astype(float), rel=1e-13)
    assert found.sd == pytest.approx(exact.std(axis=(0, 1, 2)).astype(float), rel=1e-6)
    assert found.n_frames == len(movie)
    assert (found.constant, found.blank_frames, found.fingerprint) == ((), (), "")


@pytest.mark.parametrize("name", MOVIES)
def test_the_movie_is_left_alone(name):
    movie = MOVIES[name].copy()
    scan(movie, fingerprint=True).standardise(movie[0])
    assert movie.dtype == MOVIES[name].dtype
    assert np.array_equal(movie, MOVIES[name])


def test_gain_and_offset_change_nothing_in_standardised_frames():
    movie = noise(4, 12, 12, 2)
    other = movie * (250, 1e-3) + (1e4, -7)
    ours = scan(movie).standardise(movie)
    assert np.allclose(scan(other).standardise(other), ours, rtol=0, atol=1e-5)
    assert ours.mean(axis=(0, 1, 2)) == pytest.approx(0, abs=1e-6)
    assert ours.std(axis=(0, 1, 2)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", MOVIES)
def test_restoring_undoes_standardising(name):
    movie = MOVIES[name]
    statistics = scan(movie)
    standard = statistics.standardise(movie[0])
    back = statistics.restore(standard)
    assert standard.dtype == back.dtype == np.float32
    # to float32's resolution, of the noise and of the value itself
    allowed = 1e-6 * statistics.sd + 6e-8 * np.abs(movie[0].astype(float))
    assert (np.abs(back - movie[0].astype(float)) <= allowed).all()


def test_standardising_is_linear_in_every_detector():
    statistics = MovieStatistics(np.array([10.0, -1]), np.array([4.0, 0.5]), (), (), 3)
    assert np.array_equal(statistics.standardise([[[18, -2]]]), [[[2, -2]]])
    assert np.array_equal(statistics.restore([[[2, -2]]]), [[[18, -2]]])


# Frames and detectors without information


def test_blank_frames_are_left_out():
    movie = noise(6, 8, 10, 2) + 5
    blank = movie.copy()
    blank[2] = (0, 4)  # each detector one value throughout
    blank[5] = 1e6
    found, expected = scan(blank), scan(movie[[0, 1, 3, 4]])
    assert found.blank_frames == (2, 5)
    assert found.n_frames == 6
    assert np.allclose(found.mean, expected.mean, rtol=1e-12)
    assert np.allclose(found.sd, expected.sd, rtol=1e-12)


def test_a_blank_detector_is_left_out_of_its_own_statistics_alone():
    movie = noise(6, 8, 10, 2) + 5
    sound = movie.copy()
    movie[2, ..., 0] = 0
    movie[4, ..., 0] = 1e6
    found, others = scan(movie), [0, 1, 3, 5]
    assert found.blank_frames == ()
    assert (found.left_out(0), found.left_out(1), found.incomplete) == ((2, 4), (), (2, 4))
    assert found.mean[0] == pytest.approx(sound[others, ..., 0].mean(), rel=1e-12)
    assert found.sd[0] == pytest.approx(sound[others, ..., 0].std(), rel=1e-12)
    assert found.mean[1] == pytest.approx(sound[..., 1].mean(), rel=1e-12)


@pytest.mark.parametrize("kept", [slice(0, 5), slice(3, None), slice(2, 6)])
def test_rows_of_a_scan_that_stopped_are_left_out(kept):
    movie = noise(4, 8, 10, 2) + 5
    sound = movie.copy()
    movie[1, ..., 1] = 0
    movie[1, kept, :, 1] = sound[1, kept, :, 1]
    found = scan(movie)
    assert (found.blank_frames, found.left_out(0), found.left_out(1)) == ((), (), (1,))
    assert np.flatnonzero(~found.empty[1][:, 1]).tolist() == list(range(8))[kept]
    values = np.concatenate([sound[[0, 2, 3], ..., 1].ravel(), sound[1, kept, :, 1].ravel()])
    assert found.mean[1] == pytest.approx(values.mean(), rel=1e-12)
    assert found.sd[1] == pytest.approx(values.std(), rel=1e-12)
    assert found.mean[0] == pytest.approx(sound[..., 0].mean(), rel=1e-12)


@pytest.mark.parametrize("value", [0, 1 / 3, 1e6 + 0.1, -4.7e9])
def test_a_constant_detector_becomes_zeros_and_is_restored(value):
    movie = noise(5, 9, 11, 2)
    movie[..., 1] = value
    found = scan(movie)
    assert (found.constant, found.blank_frames) == ((1,), ())
    assert found.sd[1] == 1
    assert np.allclose(found.standardise(movie[0])[..., 1], 0, atol=1e-6)
    restored = found.restore(found.standardise(movie[0]))[..., 1]
    assert np.allclose(restored, value, rtol=1e-7, atol=0)


def test_a_detector_that_is_constant_in_each_frame_is_constant():
    movie = noise(5, 9, 11, 2)
    movie[..., 1] = np.arange(5)[:, None, None]
    found = scan(movie)
    assert (found.constant, found.blank_frames, found.incomplete) == ((1,), (), ())
    assert found.sd[1] == 1
    back = found.restore(found.standardise(movie[3]))
    assert np.allclose(back[..., 1], 3, atol=1e-6)


@pytest.mark.parametrize("values", [(3, 3, 3), (1, 2, 3)])
def test_a_movie_of_blank_frames_is_constant_but_no_error(values):
    movie = np.ones((3, 4, 5, 2)) * np.array(values)[:, None, None, None]
    found = scan(movie)
    assert found.blank_frames == (0, 1, 2)
    assert found.constant == (0, 1)
    assert np.isfinite(found.standardise(movie[0])).all()


def test_blank_frames_and_constant_detectors_are_said():
    movie = noise(9, 8, 10, 2)
    movie[:7] = 0
    with pytest.warns(UserWarning, match="blank") as said:
        warn_blank(scan(movie), "film.tif", ("ADF", "BF"))
    assert [str(w.message) for w in said] == [
        "film.tif: 7 of 9 frames are blank (one value throughout): 0, 1, 2, 3, 4, ...; they are "
        "left out of statistics and training"
    ]
    movie = noise(9, 8, 10, 2)
    movie[..., 1] = 0
    with pytest.warns(UserWarning, match="film.tif: detector BF has one value throughout"):
        warn_blank(scan(movie), "film.tif", ("ADF", "BF"))


def test_what_is_left_out_of_a_detector_is_said_by_name():
    movie = noise(9, 8, 10, 2)
    movie[[3, 4], ..., 1] = 0
    movie[7, 5:, :, 0] = 0
    with pytest.warns(UserWarning, match="detector") as said:
        warn_blank(scan(movie), "film.tif", ("ADF", "BF"))
    assert [str(w.message) for w in said] == [
        "film.tif: detector ADF has rows of one value (a scan that stopped?) in 1 of 9 frames: 7; "
        "these are left out of statistics and training of this detector",
        "film.tif: detector BF is blank in 2 of 9 frames: 3, 4; these are left out of statistics "
        "and training of this detector",
    ]


def test_nothing_is_said_of_a_sound_movie(recwarn):
    warn_blank(scan(noise(9, 8, 10, 2)), "film.tif", ("ADF", "BF"))
    assert recwarn.list == []


# Frames that cannot be used


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([np.nan], "1 NaN and 0 infinite"),
        ([np.inf], "0 NaN and 1 infinite"),
        ([-np.inf], "0 NaN and 1 infinite"),
        ([np.inf, -np.inf], "0 NaN and 2 infinite"),
        ([np.nan, np.inf, np.nan, -np.inf, np.nan], "3 NaN and 2 infinite"),
    ],
)
def test_what_is_not_finite_is_named_by_frame_and_number(values, said):
    movie = noise(5, 6, 7, 2).astype("f4")
    movie[3].reshape(-1)[1 : 1 + 3 * len(values) : 3] = values
    with pytest.raises(DataError) as error:
        scan(movie, "film.tif")
    assert str(error.value).startswith(f"film.tif: frame 3 has {said} pixels, expected finite")


def test_large_finite_values_are_no_error():
    frame = np.full((4, 4, 1), 3e38, np.float32).astype(np.float64)
    check_finite(frame, "film", 0)
    check_finite(np.full((4, 4, 1), 1.7e308), "film", 0)  # their sum is infinite, they are not


@pytest.mark.parametrize("movie", [[], np.empty((0, 8, 8, 2))])
def test_an_empty_movie_is_said_to_be_empty(movie):
    with pytest.raises(DataError, match=r"film\.tif: the movie has no frames"):
        scan(movie, "film.tif")


# Reading


@pytest.mark.parametrize("fingerprint", [False, True])
def test_every_frame_is_read_exactly_once_and_in_order(fingerprint):
    movie = Lazy(noise(6, 5, 4, 2))
    seen = []
    scan(movie, fingerprint=fingerprint, progress=lambda: seen.append(len(movie.read)))
    assert movie.read == list(range(6))
    assert seen == list(range(1, 7))


# Fingerprint


def fingerprint(movie):
    return scan(movie, fingerprint=True).fingerprint


def test_the_fingerprint_does_not_depend_on_how_frames_are_held(tmp_path):
    movie = noise(5, 6, 7, 2).astype("f4")
    expected = fingerprint(movie)
    assert expected.startswith("sha256:")
    assert len(expected) == len("sha256:") + 64
    np.save(tmp_path / "movie.npy", movie)
    assert fingerprint(Lazy(movie)) == expected
    assert fingerprint(list(movie)) == expected
    assert fingerprint(np.load(tmp_path / "movie.npy", mmap_mode="r")) == expected
    assert fingerprint(np.asfortranarray(movie)) == expected
    assert fingerprint(np.stack([movie, movie], axis=-1)[..., 0]) == expected


CHANGES = {
    "one pixel": lambda m: np.where(np.arange(m.size).reshape(m.shape) == 77, m + 1, m),
    "number type": lambda m: m.astype("i4"),
    "number type of the same bytes": lambda m: m.astype("i2"),
    "order of frames": lambda m: m[[0, 2, 1, 3, 4]],
    "order of detectors": lambda m: m[..., ::-1],
    "one frame fewer": lambda m: m[:-1],
    "shape": lambda m: m.reshape(5, 7, 6, 2),
    "transposed": lambda m: m.swapaxes(1, 2),
    "a blank frame": lambda m: np.concatenate([m, np.zeros_like(m[:1])]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_changes_with(change):
    movie = np.random.default_rng(0).integers(0, 1000, (5, 6, 7, 2)).astype("u2")
    changed = CHANGES[change](movie)
    assert (changed.dtype != movie.dtype) == change.startswith("number type")
    assert fingerprint(changed) != fingerprint(movie)
