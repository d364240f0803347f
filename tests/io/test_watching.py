"""A folder that fills: what is complete comes once, oldest first; the rest is waited for."""

import os
import time

import pytest

from n2v_stem_keras.io import watching
from n2v_stem_keras.io.watching import FolderWatch, state_of


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
    options = {"settle_s": 0.01, "poll_s": 0.001} | options
    return FolderWatch(folder.find, open_source, **options)


def test_what_is_complete_comes_once_and_the_oldest_first(folder):
    for name, age in (("b", 5), ("a", 7), ("c", 3)):
        folder.write(name, age)
    watch = watch_of(folder)
    assert arrivals(watch) == ["a", "b", "c"]
    assert arrivals(watch) == []
    assert (watch.n_dropped, watch.bad) == (0, {})


def test_what_was_just_written_is_left_alone_until_it_settles(folder):
    folder.write("growing", 0)
    watch, n_written = watch_of(folder, settle_s=0.2), 0

    class Grows:
        def __call__(self):
            nonlocal n_written
            if n_written < 5:
                n_written += 1
                folder.write("growing", 100, "whole" if n_written == 5 else n_written * "x")
            return folder.find()

    watch.find = Grows()
    began = time.monotonic()
    assert arrivals(watch) == ["growing"]
    assert time.monotonic() - began > 0.2


@pytest.mark.parametrize("age", [-3600, 3600])
def test_the_clock_of_the_microscope_may_be_ahead_or_behind(folder, age):
    folder.write("a", age)
    assert arrivals(watch_of(folder)) == ["a"]


def test_what_changes_after_it_was_taken_is_taken_again(folder):
    folder.write("a", 5)
    watch = watch_of(folder)
    assert arrivals(watch) == ["a"]
    folder.write("a", 3)
    assert arrivals(watch) == ["a"]
    assert arrivals(watch) == []


def test_what_is_written_while_it_is_read_is_read_again(folder):
    folder.write("a", 5)
    reads = []

    def read_slowly(name, path):
        reads.append(name)
        if len(reads) == 1:
            folder.write("a", 4)
        return read(name, path)

    assert arrivals(watch_of(folder, read_slowly)) == ["a"]
    assert reads == ["a", "a"]


def test_what_was_done_before_is_taken_only_if_it_changes(folder):
    folder.write("a", 50)
    folder.write("b", 40)
    watch = watch_of(folder, is_done=lambda name: name == "a")
    assert arrivals(watch) == ["b"]
    folder.write("a", 1)
    assert arrivals(watch) == ["a"]


def test_half_a_file_is_looked_at_again_when_it_has_grown(folder):
    folder.write("half", 1, "hal")
    seen = []
    watch = watch_of(folder, on_bad=lambda name, error: seen.append(str(error)))
    assert arrivals(watch) == []
    assert seen == ["half holds hal"]  # said at the end only: it is young
    folder.write("half", 1)
    assert arrivals(watch) == ["half"]
    assert watch.bad == {}


def test_what_stays_unreadable_is_given_up_once_and_stops_nothing(folder, monkeypatch):
    monkeypatch.setattr(watching, "PATIENCE_S", 0.0)
    folder.write("bad", 15, "damaged")
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
    *states, written = state_of(files)
    assert [size for size, *_ in states] == [5, 6]
    assert written / 1e9 == pytest.approx(time.time() - 4, abs=2)
    files["BF"].unlink()
    assert state_of(files) is None


def test_a_movie_that_is_a_folder_changes_as_any_file_in_it_does(folder):
    """Chunks come into folders below the top one, whose own time they leave as it is."""
    (folder.path / "m.zarr" / "c" / "0").mkdir(parents=True)
    source = folder.path / "m.zarr"
    folder.write("m.zarr/c/0/0", 5)
    watch = FolderWatch(lambda: {"m": source}, lambda *_: "", settle_s=0.01, poll_s=0.001)
    assert arrivals(watch) == ["m"]
    assert arrivals(watch) == []
    folder.write("m.zarr/c/0/1", 50)
    assert arrivals(watch) == ["m"]
    folder.write("m.zarr/c/0/0", 5, "other")
    assert arrivals(watch) == ["m"]


def test_a_file_of_the_same_size_and_time_is_another_if_it_was_renamed_there(folder):
    folder.write("a", 5)
    times = os.stat(folder.path / "a").st_mtime_ns
    watch = watch_of(folder)
    assert arrivals(watch) == ["a"]
    (folder.path.parent / "new").write_text("whole")
    os.utime(folder.path.parent / "new", ns=(times, times))
    os.replace(folder.path.parent / "new", folder.path / "a")
    assert arrivals(watch) == ["a"]
