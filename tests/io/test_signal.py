"""Signals of HyperSpy's files as movies: what is no movie is refused with the reason."""

import numpy as np
import pytest

from n2v_stem_keras.io import MovieError, read_movie

pytest.importorskip("rsciio")
pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file")
RNG = np.random.default_rng(0)


def write_signal(path, data, axes):
    """Write a signal with RosettaSciIO: axes as (name, units, scale, navigate)."""
    hs = pytest.importorskip("hyperspy.api")
    n_signal = sum(not navigate for *_, navigate in axes)
    kind = {1: hs.signals.Signal1D, 2: hs.signals.Signal2D}[n_signal]
    signal = kind(data)
    for axis, (name, units, scale, _) in zip(signal.axes_manager._axes, axes):
        axis.name, axis.units, axis.scale = name, units, scale
    signal.save(path)
    return path


IMAGE = [("y", "nm", 0.05, False), ("x", "nm", 0.05, False)]


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ([("x", "nm", 1, True), ("Energy loss", "eV", 1, False)], "spectrum"),
        ([("y", "nm", 1, True), ("x", "nm", 1, True), ("E", "keV", 1, False)], "spectrum"),
        ([("y", "1/nm", 1, False), ("x", "1/nm", 1, False)], "diffraction pattern"),
        ([("y", "mrad", 1, False), ("x", "mrad", 1, False)], "diffraction pattern"),
        ([("y", "nm", 1, True), ("x", "nm", 1, True), *IMAGE], "4D-STEM"),
        ([("tilt", "", 1, True), ("focus", "", 1, True), *IMAGE], "not clear; say axes="),
    ],
)
def test_what_is_no_movie_is_refused_with_the_reason(tmp_path, axes, reason):
    data = np.ones(range(4, 4 + len(axes)), "f4")
    path = write_signal(tmp_path / "m.hspy", data, axes)
    with pytest.raises(MovieError, match=reason) as caught:
        read_movie(path)
    assert axes[0][0].lower() in str(caught.value)


def test_what_the_user_says_is_believed(tmp_path):
    axes = [("y", "1/nm", 1, False), ("x", "1/nm", 1, False)]
    path = write_signal(tmp_path / "m.hspy", np.ones((4, 5), "f4"), axes)
    movie = read_movie(path, "YX", pixel_size_nm=0.05)
    assert (movie.axes, movie.pixel_size_nm) == ("YX", 0.05)


def test_a_signal_in_time_is_no_guess(tmp_path):
    data = RNG.normal(size=(3, 4, 5)).astype("f4")
    path = write_signal(tmp_path / "m.hspy", data, [("", "ms", 40, True), *IMAGE])
    movie = read_movie(path)
    assert (movie.axes, movie.axes_guessed) == ("TYX", False)
    assert (movie.frame_time_s, movie.pixel_size_nm) == (pytest.approx(0.04), 0.05)
    assert np.array_equal(movie.to_array(), data)
