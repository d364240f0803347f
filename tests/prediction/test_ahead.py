"""Reading ahead and working in the background change nothing but the time."""

import gc
import threading
import time

import numpy as np
import pytest

from n2v_stem_keras import Movie
from n2v_stem_keras.prediction.ahead import Watched, check_wanted, in_background, read_ahead


class Recorded:
    """Frames (Y, X, C) that note when they are read."""

    def __init__(self, n_frames, bad=None):
        self.shape, self.dtype, self.bad = (n_frames, 4, 5, 2), np.dtype(np.float32), bad
        self.read = []

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, t):
        if t == self.bad:
            raise OSError("the disk is gone")
        self.read.append(t)
        return np.full(self.shape[1:], t, np.float32)


def test_frames_are_read_ahead_and_once():
    frames = Recorded(20)
    with read_ahead(Movie.from_array(frames), n_ahead=3) as movie:
        assert movie.frame(0, 0)[0, 0, 0] == 0
        reader = movie.read_frame.__self__
        reader.pool.submit(int).result()  # its one thread has done all that it was asked for
        assert frames.read == [0, 1, 2, 3]
        for t in range(20):
            assert (movie.frame(0, t) == t).all()
            assert (movie.frame(0, max(0, t - 2)) == max(0, t - 2)).all()  # context
    assert frames.read == list(range(20))


def test_few_frames_are_kept(monkeypatch):
    monkeypatch.setattr("n2v_stem_keras.prediction.ahead.KEPT_BYTES", 0)
    frames = Recorded(100)
    with read_ahead(Movie.from_array(frames)) as movie:
        kept, *_ = [movie.frame(0, t) for t in range(100)]
        reader = movie.read_frame.__self__
        assert len(reader._frames) == 8
        assert (movie.frame(0, 0) == kept).all()
        assert frames.read.count(0) == 2
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_a_frame_that_cannot_be_read_fails_when_it_is_asked_for():
    frames = Recorded(6, bad=3)
    with read_ahead(Movie.from_array(frames)) as movie:
        assert (movie.frame(0, 2) == 2).all()
        with pytest.raises(OSError, match="the disk is gone"):
            movie.frame(0, 3)
        assert (movie.frame(0, 4) == 4).all()


def test_items_come_in_order_from_another_thread():
    threads = set()

    def items():
        for i in range(50):
            threads.add(threading.current_thread().name)
            yield i

    assert list(in_background(items())) == list(range(50))
    assert threads == {"in_background"}


def test_few_items_wait(wait_until):
    made, unused, n_used = [], [], 0

    def items():
        for i in range(50):
            made.append(i)
            unused.append(len(made) - n_used)
            yield i

    background = in_background(items(), n_waiting=2)
    for n_used in range(20):
        assert next(background) == n_used
        wait_until(lambda n=n_used: len(made) >= n + 4)  # all that may be made by now
    background.close()
    assert max(unused) == 4  # one in use, two waiting, one in hand
    assert len(made) <= 27


def test_errors_come_through():
    def items():
        yield 1
        raise ValueError("no more")

    background = in_background(items())
    assert next(background) == 1
    with pytest.raises(ValueError, match="no more"):
        next(background)


@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_stopping_leaves_no_thread(how):
    ended = []

    def items():
        try:
            yield from range(10**9)
        finally:
            ended.append(True)

    source = items()
    background = in_background(source)
    next(background)
    if how == "close":
        background.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            background.throw(KeyboardInterrupt)
    assert not [t for t in threading.enumerate() if t.name == "in_background"]
    del source, background
    gc.collect()
    assert ended


def test_what_takes_long_ends_where_nobody_waits():
    """One item is being made of many; closing does not wait for all of them."""
    seen, begun = [], threading.Event()

    def items():
        yield "first"
        for part in Watched(range(10**6)):
            begun.set()
            seen.append(part)
            time.sleep(0.001)
        yield "second"

    background = in_background(items())
    assert next(background) == "first"
    assert begun.wait(10)
    background.close()
    assert len(seen) < 10**5
    assert not [t for t in threading.enumerate() if t.name == "in_background"]


def test_elsewhere_all_is_wanted():
    check_wanted()
    assert list(Watched([1, 2])) == [1, 2]
    assert list(in_background(iter(Watched([1, 2])))) == [1, 2]
