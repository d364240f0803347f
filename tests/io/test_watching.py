"""A folder that fills: what is complete comes once, oldest first; the rest is waited for."""

import os
import time

import pytest

from n2v_stem_keras.io.watching import PATIENCE_S, FolderWatch, state_of


@pytest.fixture
def folder(tmp_path):
    """Make files that were written a stated time ago [s], and find those that are there."""

    class Folder:
        path = tmp_path

        def write(self, name, age, text="whole"):
            (tmp_path / name).write_text(text)
            self.touch(name, age)

        def touch(self, name, age):
            os.utime(tmp_path / name, (time.time() - age,) * 2)

        def find(self):
            return {path.name: path for path in tmp_path.iterdir()}

    return Folder()


def read(name, path):
    text = path.read_text()
    if text != "whole":
        raise ValueError(f"{name} holds {text}")
    return text


def arrivals(watch, idle=0.05):
    return [name for name, _ in watch.arrivals(idle)]


def watch_of(folder, open_source=read, **options):
    return FolderWatch(folder.find, open_source, poll_s=0.001, **options)


def test_what_is_complete_comes_once_and_the_oldest_first(folder):
    for name, age in (("b", 5), ("a", 7), ("c", 3)):
        folder.write(name, age)
    watch = watch_of(folder)
    assert arrivals(watch) == ["a", "b", "c"]
    assert arrivals(watch) == []
    assert (watch.n_dropped, watch.bad) == (0, {})


def test_what_was_just_written_is_left_alone_until_it_settles(folder):
    folder.write("old", 5)
    folder.write("new", 0)
    watch = watch_of(folder, settle_s=2.0)
    assert arrivals(watch) == ["old"]
    folder.touch("new", 3)
    assert arrivals(watch) == ["new"]


def test_half_a_file_is_looked_at_again_when_it_has_grown(folder):
    folder.write("half", 1, "hal")
    seen = []
    watch = watch_of(folder, on_bad=lambda name, error: seen.append(str(error)))
    assert arrivals(watch) == []
    assert seen == ["half holds hal"]  # said at the end only: it is young
    folder.write("half", 1)
    assert arrivals(watch) == ["half"]
    assert watch.bad == {}


def test_what_stays_unreadable_is_given_up_once_and_stops_nothing(folder):
    folder.write("bad", PATIENCE_S + 5, "damaged")
    folder.write("good", 5)
    seen, tried = [], []

    def note(name, path):
        tried.append(name)
        return read(name, path)

    watch = watch_of(folder, note, on_bad=lambda name, error: seen.append(name))
    assert arrivals(watch) == ["good"]
    assert arrivals(watch) == []
    assert tried.count("bad") == 1
    assert seen == ["bad"]
    assert set(watch.bad) == {"bad"}


def test_of_many_that_wait_the_oldest_may_be_left_out(folder):
    for number in range(6):
        folder.write(str(number), 20 - number)
    watch = watch_of(folder, keep=2)
    assert arrivals(watch) == ["4", "5"]
    assert watch.n_dropped == 4


def test_those_that_wait_are_counted(folder):
    for name in "abc":
        folder.write(name, 5)
    watch, waiting = watch_of(folder), []
    for _ in watch.arrivals(0.05):
        waiting.append(watch.n_waiting)
    assert waiting == [2, 1, 0]


def test_stopped_it_ends_with_what_is_at_hand(folder):
    for name in "abc":
        folder.write(name, 5)
    watch, seen = watch_of(folder), []
    for name, _ in watch.arrivals():
        seen.append(name)
        watch.stop()
    assert seen == ["a"]


def test_a_scan_is_as_old_as_the_last_of_its_files(folder):
    folder.write("s_ADF", 9)
    folder.write("s_BF", 4, "longer")
    files = {"ADF": folder.path / "s_ADF", "BF": folder.path / "s_BF"}
    *sizes, written = state_of(files)
    assert sizes == [5, 6]
    assert written == pytest.approx(time.time() - 4, abs=2)
    files["BF"].unlink()
    assert state_of(files) is None
