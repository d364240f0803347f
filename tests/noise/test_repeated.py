"""Frames that are the same to the last bit are named: by `info`, and by training."""

import re

import numpy as np
import pytest
from scenes import movie, words

from n2v_stem_keras import noise
from n2v_stem_keras.noise.repeated import find_repeated, frame_key
from n2v_stem_keras.normalize import scan, warn_blank

MOVIE = movie(12, shape=(48, 40))


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (np.repeat(range(12), 2), "12 of 24 frames equal one before them .*: 1, 3, 5, 7, 9 and 7"),
        ([0, 1, 2, 3, 4, 5, 5, 6, 7], r"1 of 9 frames equal one before them to the last bit: 6\."),
        ([0, 1, 2, 3, 0, 1, 2], "3 of 7 frames equal one before them to the last bit: 4, 5, 6"),
    ],
)
def test_info_and_training_name_repeated_frames(order, said):
    frames = MOVIE[list(order)]
    with pytest.warns(UserWarning, match=f"film: {said}"):
        warn_blank(scan(frames), "film", ("ADF", "BF"))
    assert re.search(said, words(noise.diagnose(frames)))


def test_small_frames_and_separate_movies_too():
    found = noise.diagnose(np.repeat(movie(6, shape=(24, 24)), 2, axis=0))
    assert "6 of 12 frames equal one before them" in words(found)
    both = np.stack([MOVIE[:4], MOVIE[[4, 5, 5, 6]]])
    assert "movie 1: 1 of 4 frames equal" in words(noise.diagnose(both, "STYXC"))


def test_blank_and_sound_frames_are_not_called_repeated():
    frames = MOVIE.copy()
    frames[2:5] = 7
    assert scan(frames).repeated == ()
    assert "equal one before" not in words(noise.diagnose(frames))
    assert scan(MOVIE).repeated == ()
    assert noise.diagnose(MOVIE).warnings == []


def test_a_key_tells_values_shape_and_type():
    frame = np.arange(24, dtype="i4").reshape(4, 6, 1)
    others = [frame + 1, frame.reshape(6, 4, 1), frame.view("f4"), frame[::-1], frame.astype("i8")]
    assert len({frame_key(one) for one in (frame, *others)}) == 6
    assert frame_key(frame) == frame_key(np.asfortranarray(frame))
    assert find_repeated({0: b"a", 3: b"b", 1: b"b", 5: b"a"}) == (3, 5)
