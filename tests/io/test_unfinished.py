"""Files that are being written: gone on with after a stop, never mixed, never lost."""

import json
import os

import numpy as np
import pytest
from some_movies import some_movie

from n2v_stem_keras.io import (
    MovieError,
    MovieWriter,
    read_movie,
    unfinished,
    write_movie,
)


class Killed(Exception):
    pass


def write_some(path, movie, stop=None, key="0123456789abcdef", **options):
    with MovieWriter(path, movie.axes, movie.shape, key=key, overwrite=True, **options) as writer:
        begun = writer.n_written
        for number in range(begun, writer.n_frames):
            if number == stop:
                raise Killed
            writer.write(movie.frame(*divmod(number, movie.n_frames)))
    return begun


@pytest.mark.parametrize("name", ["m.ome.tif", "m.hspy", "m.npy", "m.tif"])
@pytest.mark.filterwarnings("ignore:.*npy holds no axes")
def test_a_writer_goes_on_where_it_was_stopped(tmp_path, name):
    movie, path = some_movie("STCYX"), tmp_path / name
    form = "imagej" if name == "m.tif" else None
    with pytest.raises(Killed):
        write_some(path, movie, stop=4, format=form)
    assert not path.exists()
    assert write_some(path, movie, format=form) == 4
    assert [p.name for p in tmp_path.iterdir()] == [name]
    whole = write_movie(tmp_path / f"whole-{name}", movie, format=form)
    axes = "STCYX" if name == "m.npy" else None
    assert np.array_equal(read_movie(path, axes).to_array(), read_movie(whole, axes).to_array())


def test_frames_that_are_there_can_be_looked_at(tmp_path):
    movie = some_movie("TCYX")
    with pytest.raises(Killed):
        write_some(tmp_path / "m.tif", movie, stop=2)
    with MovieWriter(tmp_path / "m.tif", movie.axes, movie.shape, key="0123456789abcdef") as writer:
        assert np.array_equal(writer.read(1), movie.frame(0, 1))
        with pytest.raises(IndexError, match="frame 2 of 2 written"):
            writer.read(2)
        writer.write(movie.frame(0, 2))
    assert np.array_equal(read_movie(tmp_path / "m.tif").to_array(), movie.to_array())


def test_a_killed_writer_leaves_what_was_synced(tmp_path, monkeypatch):
    """As SIGKILL leaves it: no exit, frames beyond the journal not to be trusted."""
    monkeypatch.setattr(unfinished, "SYNCED_NBYTES", 2 * 2 * 5 * 7 * 4)
    movie, path = some_movie("STCYX"), tmp_path / "m.tif"
    writer = MovieWriter(path, movie.axes, movie.shape, key="0123456789abcdef").__enter__()
    for number in range(5):
        writer.write(movie.frame(*divmod(number, 3)))
    writer._close()
    assert write_some(path, movie) == 4
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_another_key_starts_anew_and_leaves_the_other(tmp_path):
    movie, path = some_movie("TCYX"), tmp_path / "m.tif"
    with pytest.raises(Killed):
        write_some(path, movie, stop=2)
    other = MovieWriter(path, movie.axes, movie.shape, key="f" * 16)
    assert [p.name for p in other.others] == [".m.tif.0123456789abcdef.part"]
    assert write_some(path, movie, key="f" * 16) == 0
    assert write_some(path, movie) == 2
    with pytest.raises(Killed):
        write_some(path, movie, stop=2)
    assert write_some(path, movie, anew=True) == 0


@pytest.mark.parametrize("journal", ["", "{", "[1]", '{"frames": -1, "offset": 0}',
                                     '{"frames": "2", "offset": 9}', '{"frames": 99, "offset": 9}',
                                     '{"frames": 2, "offset": 99999}'])  # fmt: skip
def test_a_damaged_journal_means_to_start_anew(tmp_path, journal):
    movie, path = some_movie("TCYX"), tmp_path / "m.tif"
    with pytest.raises(Killed):
        write_some(path, movie, stop=2)
    (tmp_path / ".m.tif.0123456789abcdef.json").write_text(journal)
    assert write_some(path, movie) == 0
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_two_processes_do_not_write_the_same_file(tmp_path):
    movie, path = some_movie("TCYX"), tmp_path / "m.tif"
    key = "0123456789abcdef"
    with MovieWriter(path, movie.axes, movie.shape, key=key) as first:
        first.write(movie.frame(0, 0))
        with pytest.raises(MovieError, match="is being written by another process now"):
            MovieWriter(path, movie.axes, movie.shape, key=key).__enter__()
        for t in (1, 2):
            first.write(movie.frame(0, t))
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_a_file_that_appears_meanwhile_costs_no_work(tmp_path):
    movie, path, key = some_movie("TCYX"), tmp_path / "m.tif", "0123456789abcdef"
    writer = MovieWriter(path, movie.axes, movie.shape, key=key).__enter__()
    for t in range(3):
        writer.write(movie.frame(0, t))
    path.write_bytes(b"of another program")
    with pytest.raises(MovieError, match=r"m\.tif: exists"):
        writer.__exit__(None, None, None)
    assert path.read_bytes() == b"of another program"
    assert write_some(path, movie) == 3
    assert np.array_equal(read_movie(path).to_array(), movie.to_array())


def test_nothing_is_kept_if_no_frame_came(tmp_path):
    with pytest.raises(Killed):
        write_some(tmp_path / "m.tif", some_movie("TCYX"), stop=0)
    assert os.listdir(tmp_path) == []


def test_the_key_is_of_all_facts():
    facts = ["model", {"tta": False, "n": 1}]
    assert unfinished.resume_key(*facts) == unfinished.resume_key(*json.loads(json.dumps(facts)))
    assert unfinished.resume_key(*facts) != unfinished.resume_key("model", {"tta": True, "n": 1})
