"""The process that computes: it asks for frames, hears when to stop, and never raises."""

import threading
import warnings

import numpy as np
import pytest

from n2v_stem_keras import FolderError, Movie
from n2v_stem_keras.interop.napari import child, work
from n2v_stem_keras.interop.napari.messages import Stopped


class Viewer:
    """The other end of the connection: answers from a movie, and keeps what it was told."""

    def __init__(self, movies, stop_at=None):
        self.movies, self.stop_at, self.told = movies, stop_at, []

    def send(self, message):
        self.message = message
        if message[0] != "frame":
            self.told.append(message)

    def recv(self):
        kind, *what = self.message
        if kind == "frame":
            number, *place = what
            return self.movies[number].frame(*place)
        return self.stop_at is None or len(self.told) < self.stop_at


FIELDS = {"axes": "TYXC", "shape": (12, 64, 48, 2), "dtype": np.dtype("f4"), "name": "gold"}


@pytest.fixture
def do(noisy_movie, monkeypatch):
    """Do a task with a viewer at the other end; return what it was told, and the answer."""

    def run(task, stop_at=None, n_movies=1):
        movies = [Movie.from_array(noisy_movie + n, "TYXC") for n in range(n_movies)]
        viewer = Viewer(movies, stop_at)
        monkeypatch.setattr(work, "task", task, raising=False)
        answer = child._do(child.RemoteReport(viewer), "task", [FIELDS] * n_movies, {})
        return viewer.told, answer

    return run


def test_frames_are_those_of_the_viewers_movie(do, noisy_movie):
    told, (how, result) = do(lambda report, movie: [movie.frame(0, t) for t in (3, 7)])
    assert how == "done"
    assert np.array_equal(result, noisy_movie[[3, 7]])
    assert told == []


def test_each_of_several_movies_has_its_own_frames(do, noisy_movie):
    def look(report, *movies):
        return [movie.frame(0, 5) for movie in movies]

    for n_movies in (0, 2):
        _, (how, found) = do(look, n_movies=n_movies)
        assert how == "done"
        assert len(found) == n_movies
        for n, frame in enumerate(found):
            assert np.array_equal(frame, noisy_movie[5] + n)


def test_progress_is_told_and_a_stop_is_heard_at_once(do):
    def count(report, movie):
        for n in range(100):
            report("Denoising frame", n + 1, 100)

    told, answer = do(count, stop_at=3)
    assert answer == ("stopped",)
    assert told == [
        ("progress", f"Denoising frame {n} of 100", n, 100, "Denoising frame") for n in (1, 2, 3)
    ]


def test_results_and_what_is_shown_go_through_whatever_the_user_wants(do):
    def put(report, movie):
        report.put(0, 1, "frame")
        report.show("losses")
        with pytest.raises(Stopped):
            report.check()

    told, answer = do(put, stop_at=1)
    assert answer == ("done", None)
    assert told == [("put", 0, 1, "frame"), ("show", "losses"), ("check",)]


def test_warnings_for_users_are_told_and_those_for_programmers_are_not(do):
    def warn(report, movie):
        warnings.warn("noise is correlated", UserWarning, stacklevel=1)
        warnings.warn("call it otherwise", DeprecationWarning, stacklevel=1)

    told, _ = do(warn)
    assert told == [("warn", "noise is correlated")]


def test_what_goes_wrong_is_a_sentence(do):
    def fail(report, movie):
        raise FolderError("there is no model")

    assert do(fail)[1] == ("failed", "there is no model")


def test_threads_do_not_get_each_others_answers(noisy_movie):
    class Echo:
        """Answers with what was asked last, as a connection does."""

        def send(self, message):
            self.message = message

        def recv(self):
            return self.message

    report, wrong = child.RemoteReport(Echo()), []

    def ask(number):
        for n in range(200):
            if report.ask("frame", number, n) != ("frame", number, n):
                wrong.append((number, n))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
