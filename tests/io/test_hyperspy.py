"""HyperSpy's signals as movies: axes, units and metadata understood, what is no movie refused."""

import subprocess
import sys

import numpy as np
import pytest
from hyperspy_signals import gold, hs

from n2v_stem_keras.io import MovieError, as_movie
from n2v_stem_keras.io.hyperspy import is_signal, to_movie

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def signal(noisy_movie):
    return gold(noisy_movie)


def test_a_signal_is_a_movie(signal):
    movie = as_movie(signal)
    assert (movie.name, movie.axes, movie.shape) == ("gold", "TCYX", (12, 2, 64, 48))
    assert (movie.frame_time_s, movie.pixel_size_nm) == (0.04, 0.046)
    assert movie.voltage_kV == 80
    assert np.array_equal(movie.to_array(), signal.data)
    assert as_movie(signal, detectors=("A", "B")).detectors == ("A", "B")
    assert is_signal(signal)
    assert is_signal(signal.as_lazy())
    assert not is_signal(signal.data)


def test_a_class_built_on_hyperspy_s_is_a_signal(signal):
    class Ours(hs.signals.Signal2D):
        pass

    assert is_signal(Ours(signal.data))


def test_images_of_one_detector():
    image = hs.signals.Signal2D(np.random.default_rng(0).normal(size=(32, 48)))
    image.metadata.General.title = "au HAADF 3"
    assert as_movie(image).detectors == ("HAADF",)
    stack = hs.signals.Signal2D(np.random.default_rng(0).normal(size=(3, 32, 48)))
    assert as_movie(stack).axes_guessed
    assert as_movie(stack, "SYX").n_series == 3


def test_what_is_no_movie():
    with pytest.raises(MovieError, match="is a spectrum"):
        to_movie(hs.signals.Signal1D(np.ones((4, 100))))
    scan = hs.signals.Signal2D(np.ones((4, 5, 16, 16)))
    scan.axes_manager[0].name, scan.axes_manager[1].name = "x", "y"
    with pytest.raises(MovieError, match="4D-STEM"):
        to_movie(scan)


def test_hyperspy_is_not_imported_to_recognise_arrays():
    code = (
        "import sys, numpy as np\n"
        "from n2v_stem_keras.io.hyperspy import is_signal\n"
        "import n2v_stem_keras.prediction.signals\n"
        "assert not is_signal(np.ones(3))\n"
        "assert not {'hyperspy', 'dask', 'rsciio'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
