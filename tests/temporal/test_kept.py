"""Frames are made once as long as they fit, and forgotten with their movie."""

import numpy as np

from n2v_stem_keras.temporal.kept import Kept

FRAME_BYTES = np.zeros(10).nbytes


class Makes:
    """Makes frames, and counts how often it is asked."""

    def __init__(self):
        self.n = 0

    def __call__(self):
        self.n += 1
        return np.full(10, float(self.n))


def test_a_frame_is_made_once():
    kept, make = Kept(2 * FRAME_BYTES), Makes()
    first = kept.get((1, 0), make)
    assert kept.get((1, 0), make) is first
    assert make.n == 1


def test_the_one_that_was_not_asked_for_longest_goes_first():
    kept, make = Kept(2 * FRAME_BYTES), Makes()
    for number in (0, 1, 0, 2):  # the last one pushes out 1
        kept.get((1, number), make)
    assert make.n == 3
    kept.get((1, 0), make)
    assert make.n == 3
    kept.get((1, 1), make)
    assert make.n == 4


def test_one_that_is_too_large_is_kept_alone():
    kept, make = Kept(1), Makes()
    assert kept.get((1, 0), make) is kept.get((1, 0), make)
    assert make.n == 1


def test_a_movie_is_forgotten_and_the_others_are_not():
    kept, make = Kept(9 * FRAME_BYTES), Makes()
    for owner in (1, 2):
        kept.get((owner, 0), make)
    kept.drop(1)
    kept.get((2, 0), make)
    assert make.n == 2
    kept.get((1, 0), make)
    assert make.n == 3
