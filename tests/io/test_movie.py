"""Movies of arrays: lazy, faithful to the caller's axes, and never touching the caller's data."""

import itertools

import numpy as np
import pytest

from n2v_stem_keras.io import Movie, MovieError

pytestmark = pytest.mark.filterwarnings("error")

SIZE = {"S": 2, "T": 3, "C": 2, "Y": 5, "X": 7}


class CountingArray:
    """Stands for an h5py, dask or zarr array: shape, dtype, basic indexing; counts what is read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim
        self.values_read = []

    def __getitem__(self, index):
        part = self.array[index]
        self.values_read.append(part.size)
        return part


class Frames:
    """A lazy sequence of frames without ndim, shape or dtype."""

    def __init__(self, array):
        self.array, self.read = array, []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, t):
        self.read.append(t)
        return self.array[t]


def some_array(axes, dtype="float32"):
    shape = [SIZE[a] for a in axes]
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def expected_frame(array, axes, s, t):
    """Frame (Y, X, C), by plain transposition."""
    full = [a for a in "STCYX" if a not in axes]
    array = array.reshape(array.shape + (1,) * len(full))
    array = array.transpose([(axes + "".join(full)).index(a) for a in "STYXC"])
    return array[s, t]


def all_axes():
    for n in range(4):
        for extra in itertools.combinations("STC", n):
            for order in itertools.permutations("YX" + "".join(extra)):
                yield "".join(order)


def test_every_axes_order_gives_the_right_frames_and_comes_back_whole():
    for axes in all_axes():
        array = some_array(axes)
        movie = Movie.from_array(array, axes)
        assert (movie.axes, movie.shape, movie.dtype) == (axes, array.shape, array.dtype)
        for s, t in np.ndindex(movie.n_series, movie.n_frames):
            frame = movie.frame(s, t)
            assert np.array_equal(frame, expected_frame(array, axes, s, t)), (axes, s, t)
        assert np.array_equal(movie.to_array(), array), axes


def test_derived_sizes():
    movie = Movie.from_array(some_array("TCSYX"), "TCSYX")
    assert (movie.n_series, movie.n_frames, movie.n_detectors) == (2, 3, 2)
    assert movie.frame_shape == (5, 7)
    image = Movie.from_array(some_array("XY"), "xy")
    assert (image.axes, image.n_series, image.n_frames, image.n_detectors) == ("XY", 1, 1, 1)
    assert image.frame_shape == (5, 7)


def test_only_the_requested_frame_is_read():
    array = CountingArray(some_array("CTYX"))
    movie = Movie.from_array(array, "CTYX")
    assert array.values_read == []
    movie.frame(0, 1)
    assert array.values_read == [2 * 5 * 7]


def test_frames_are_copies_in_native_order():
    array = some_array("TYXC", ">u2")
    before = array.copy()
    movie = Movie.from_array(array)
    frame = movie.frame(0, 0)
    assert frame.dtype == np.dtype("=u2")
    assert frame.dtype.isnative
    frame += 1
    assert np.array_equal(array, before)
    assert np.array_equal(movie.frame(0, 0), before[0])


def test_numpy_memmap_and_h5py(tmp_path):
    h5py = pytest.importorskip("h5py")
    array = some_array("TYXC")
    np.save(tmp_path / "m.npy", array)
    assert np.array_equal(
        Movie.from_array(np.load(tmp_path / "m.npy", mmap_mode="r")).to_array(), array
    )
    with h5py.File(tmp_path / "m.h5", "w") as file:
        dataset = file.create_dataset("movie", data=array)
        assert np.array_equal(Movie.from_array(dataset).to_array(), array)


@pytest.mark.parametrize("axes", ["TYX", "TYXC"])
def test_sequence_of_frames_is_lazy(axes):
    array = some_array(axes)
    frames = Frames(array)
    movie = Movie.from_array(frames)
    assert (movie.axes, movie.shape) == (axes, array.shape)
    assert frames.read == [0], "the first frame tells shape and type"
    assert np.array_equal(movie.frame(0, 2), array[2].reshape(5, 7, -1))
    assert frames.read == [0, 2]


def test_sequence_that_changes_is_refused():
    frames = [np.zeros((5, 7)), np.zeros((5, 8)), np.zeros((5, 7), "f4")]
    movie = Movie.from_array(frames, name="live")
    for t in (1, 2):
        with pytest.raises(MovieError, match=f"live: frame {t} is .* expected float64 of shape"):
            movie.frame(0, t)


def test_series_are_lazy_sequences():
    array = CountingArray(some_array("STYX"))
    first, second = Movie.from_array(array, "STYX").series()
    assert (len(second), second.shape, second.dtype) == (3, (3, 5, 7, 1), array.dtype)
    shorter = second[1:]
    assert (len(shorter), shorter.shape) == (2, (2, 5, 7, 1))
    assert array.values_read == []
    assert np.array_equal(shorter[0][..., 0], array.array[1, 1])
    assert np.array_equal(second[-1][..., 0], array.array[1, 2])
    assert np.array_equal(np.stack(list(first))[..., 0], array.array[0])
    with pytest.raises(IndexError):
        first[3]
    assert np.array_equal(Movie.from_array(second).to_array()[..., 0], array.array[1])


def test_replace_changes_a_copy():
    movie = Movie.from_array(some_array("TYXC"))
    named = movie.replace(detectors=["ADF", "BF"], pixel_size_nm=0.03, name="au")
    assert (named.detectors, named.pixel_size_nm, named.name) == (("ADF", "BF"), 0.03, "au")
    assert (movie.detectors, movie.pixel_size_nm) == (None, None)
    assert np.array_equal(named.frame(0, 1), movie.frame(0, 1))
    with pytest.raises(MovieError, match=r"replace\(\) changes .* not \['axes'\]"):
        movie.replace(axes="YX")
    with pytest.raises(AttributeError):
        movie.name = "other"


def test_one_name_may_be_a_string():
    assert Movie.from_array(some_array("TYX"), "TYX", detectors="ADF").detectors == ("ADF",)


@pytest.mark.parametrize(
    ("array", "keywords", "message"),
    [
        (np.zeros((4, 5)), {}, r"2 axes of shape \(4, 5\), but axes 'TYXC' name 4.*'TYX'"),
        (np.zeros((4, 5)), {"axes": "YZ"}, "axes 'YZ' are not valid"),
        (np.zeros((4, 5)), {"axes": "TT"}, "axes 'TT' are not valid"),
        (np.zeros((4, 5)), {"axes": "TX"}, "axes 'TX' are not valid"),
        (np.zeros((0, 5)), {"axes": "YX"}, "holds no pixels"),
        (np.zeros((4, 5), complex), {"axes": "YX"}, "complex128 are not intensities"),
        (np.zeros((4, 5), bool), {"axes": "YX"}, "bool are not intensities"),
        (np.zeros((4, 5), object), {"axes": "YX"}, "object are not intensities"),
        (np.zeros((4, 5)), {"axes": "YX", "detectors": ["ADF", "BF"]}, "2 detector names"),
        (np.zeros((4, 5, 2)), {"axes": "YXC", "detectors": ["ADF", "adf"]}, "repeat"),
        (np.zeros((4, 5)), {"axes": "YX", "detectors": ["A\nB"]}, "plain words"),
        (np.zeros((4, 5)), {"axes": "YX", "pixel_size_nm": 0}, r"pixel_size_nm 0 .*\[nm/px\]"),
        (np.zeros((4, 5)), {"axes": "YX", "pixel_size_nm": "wide"}, "pixel_size_nm 'wide'"),
        (np.zeros((4, 5)), {"axes": "YX", "frame_time_s": float("nan")}, r"frame_time_s .*\[s\]"),
        ([], {}, "holds no frames"),
        ([1.0, 2.0], {}, r"the first frame has shape \(\); expected"),
        ([np.zeros((4, 5))], {"axes": "SYX"}, "has axes 'TYX', not 'SYX'"),
        (iter([np.zeros((4, 5))]), {}, "neither an array nor a sequence"),
    ],
)
def test_complaints_say_what_and_where(array, keywords, message):
    with pytest.raises(MovieError, match=message) as caught:
        Movie.from_array(array, name="mine", **keywords)
    assert str(caught.value).startswith("mine: ")


def test_frame_out_of_range():
    movie = Movie.from_array(some_array("TYX"), "TYX")
    for s, t in ((0, 3), (1, 0), (0, -1)):
        with pytest.raises(IndexError, match="no frame"):
            movie.frame(s, t)


def test_a_part_has_its_frames_and_knows_their_numbers():
    array = some_array("TYXC")
    movie = Movie.from_array(array, "TYXC").part(slice(1, 9))
    assert movie.shape == (2, *array.shape[1:])
    np.testing.assert_array_equal(movie.to_array(), array[1:])
    assert movie.place_in_file(0, 1) == (0, 2)
    again = movie.part(slice(1, None))
    np.testing.assert_array_equal(again.to_array(), array[2:])
    assert again.place_in_file(0, 0) == (0, 2)
    assert Movie.from_array(array, "TYXC").place_in_file(0, 1) == (0, 1)


def test_a_part_of_separate_movies_is_cut_in_time_and_one_of_separate_images_takes_some():
    array = some_array("STYX")
    movie = Movie.from_array(array, "STYX").part(slice(1, None))
    np.testing.assert_array_equal(movie.to_array(), array[:, 1:])
    array = some_array("SYX")
    movie = Movie.from_array(array, "SYX").part(slice(1, None))
    np.testing.assert_array_equal(movie.to_array(), array[1:])
    assert movie.place_in_file(0, 0) == (1, 0)


def test_a_part_without_frames_is_refused():
    with pytest.raises(MovieError, match="frames 3:5 were asked for, but it has 3"):
        Movie.from_array(some_array("TYX"), "TYX").part(slice(3, 5))


def test_detectors_are_taken_by_the_names_that_the_movie_knows():
    array = some_array("TYXC")
    movie = Movie.from_array(array, detectors=("ADF", "BF"))
    bf = movie.with_detectors(["bf"])
    assert (bf.detectors, bf.left_out) == (("BF",), ("ADF",))
    np.testing.assert_array_equal(bf.to_array(), array[..., 1:])
    assert movie.with_detectors(["HAADF", "ABF"]).detectors == ("HAADF", "ABF")
    with pytest.raises(MovieError, match="no detector 'HAADF'; it has ADF, BF"):
        movie.with_detectors(["HAADF"])
    with pytest.raises(MovieError, match=r"1 detector names .* for 2 detectors"):
        Movie.from_array(array).with_detectors(["ADF"])


def test_names_of_the_file_in_another_order_are_taken_with_a_warning():
    movie = Movie.from_array(some_array("TYXC"), detectors=("ADF", "BF"))
    with pytest.warns(UserWarning, match="calls its detectors ADF, BF, and they are taken as BF,"):
        swapped = movie.with_detectors(["BF", "ADF"])
    assert swapped.detectors == ("BF", "ADF")
    assert movie.with_detectors(["adf", "bf"]).detectors == ("adf", "bf")
