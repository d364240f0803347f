"""Names of axes win over their positions: in signals of HyperSpy, .hspy and EMD alike."""

import itertools

import numpy as np
import pytest
from hyperspy_signals import hs
from instrument_files import write_berkeley

from n2v_stem_keras.io import MovieError, as_movie

pytest.importorskip("rsciio")
SIZE = {"T": 3, "C": 2, "Y": 6, "X": 8}
NAMES = {"T": "time", "C": "detector", "Y": "y", "X": "x"}
UNITS = {"T": "s", "C": "", "Y": "nm", "X": "nm"}
ORDERS = ["".join(o) for n in ("YX", "TYX", "TCYX") for o in itertools.permutations(n)]


def array(order):
    """Values that tell where they belong, whatever the order."""
    places = np.meshgrid(*(np.arange(SIZE[a]) for a in order), indexing="ij")
    weight = {"T": 1000, "C": 500, "Y": 20, "X": 1}
    return sum(p * weight[a] for p, a in zip(places, order)).astype("u2")


def signal(folder, order, n_signal=2):
    """A signal whose signal axes are the last ones, whatever their names are."""
    kind = {1: hs.signals.Signal1D, 2: hs.signals.Signal2D}[n_signal]
    made = kind(array(order))
    for axis, letter in zip(made.axes_manager._axes, order):
        axis.name, axis.units, axis.scale = NAMES[letter], UNITS[letter], 0.05
    return made


def spectrum_like(folder, order):
    return signal(folder, order, n_signal=1)


def hspy(folder, order):
    signal(folder, order).save(folder / "m.hspy")
    return folder / "m.hspy"


def berkeley(folder, order):
    steps = {a: np.arange(n) * (1 if a == "C" else 0.05) for a, n in SIZE.items()}
    dims = [(NAMES[a], UNITS[a], steps[a]) for a in order]
    return write_berkeley(folder / "m.emd", {"scan": array(order)}, dims)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("write", [signal, spectrum_like, hspy, berkeley])
def test_names_say_which_axis_is_which(tmp_path, write, order):
    movie = as_movie(write(tmp_path, order))
    assert sorted(movie.axes) == sorted(order)
    assert not movie.axes_guessed
    assert movie.pixel_size_nm == pytest.approx(0.05)
    assert movie.frame_time_s == (pytest.approx(0.05) if "T" in order else None)
    last = movie.frame(0, movie.n_frames - 1)
    assert last.shape == (6, 8, movie.n_detectors)
    frame = array("YX").astype(int)
    for c in range(movie.n_detectors):
        assert np.array_equal(last[..., c], frame + (movie.n_frames - 1) * 1000 + 500 * c)


def test_a_time_axis_is_told_by_its_unit_and_the_image_is_what_is_left(tmp_path):
    made = hs.signals.Signal2D(array("YXT"))
    made.axes_manager._axes[2].name = "time"
    movie = as_movie(made)
    assert movie.axes == "YXT"
    assert np.array_equal(movie.frame(0, 2)[..., 0], array("YX") + 2000)


@pytest.mark.filterwarnings("ignore:.*a guess, as the file")
def test_unnamed_axes_are_taken_by_position():
    movie = as_movie(hs.signals.Signal2D(array("TYX")))
    assert (movie.axes, movie.axes_guessed) == ("TYX", True)


def test_a_pattern_for_each_position_stays_refused():
    """Scan axes called x and y, patterns with none of their own names: no movie."""
    made = hs.signals.Signal2D(np.ones((3, 6, 8, 10)))
    for axis, name in zip(made.axes_manager._axes, ("y", "x", "height", "width")):
        axis.name = name
    with pytest.raises(MovieError, match="4D-STEM"):
        as_movie(made)
    for axis, name in zip(made.axes_manager._axes, ("y", "x", "ky", "kx")):
        axis.name = name
    with pytest.raises(MovieError, match="4D-STEM"):
        as_movie(made)
