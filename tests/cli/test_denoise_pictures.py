"""Which frames are looked at while a movie is denoised, and which part of them is shown."""

from types import SimpleNamespace

import numpy as np
import pytest

from n2v_stem_keras.cli.denoise_pictures import Shown, _within
from n2v_stem_keras.cli.options import UsageError
from n2v_stem_keras.io import Movie


def shown_of(n_frames, **options):
    args = SimpleNamespace(**{"crop": None, "frame": None, "quiet": True, **options})
    rng = np.random.default_rng(0)
    frames = rng.normal(10, 1, (n_frames, 64, 64, 2)).astype(np.float32)
    movie = Movie.from_array(frames, "TYXC", detectors=("ADF", "BF"), pixel_size_nm=0.05)
    return Shown(args, movie, ("ADF", "BF")), frames


def test_a_dozen_frames_of_a_long_movie_are_measured():
    shown, _ = shown_of(60)
    assert [t for t in range(60) if shown.is_looked_at(t)] == list(range(0, 60, 5))


def test_the_frame_that_is_asked_for_is_shown():
    shown, frames = shown_of(30, frame=7)
    for t in range(30):
        shown.look(0, t, frames[t], frames[t])
    assert shown.best[1] == (0, 7)
    assert np.array_equal(shown.best[2], frames[7])


def test_a_frame_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="frames 0 to 4"):
        shown_of(5, frame=5)


def test_a_window_is_counted_from_inside_of_the_margins():
    place = np.s_[10:50, 5:60]
    assert _within(np.s_[20:40, 0:30], place) == np.s_[10:30, 0:25]
    assert _within(np.s_[0:10, 0:30], place) is None
