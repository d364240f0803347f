"""Files that no library expects end in own errors, in time, and before they fill the memory."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from n2v_stem_keras.io import Movie, MovieError, as_movie, guard, read_movie
from n2v_stem_keras.io import read as reading


@pytest.fixture
def hdf5(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a"] = np.zeros((3, 8, 8), "f4")
    return tmp_path / "m.h5"


@pytest.fixture
def walker(monkeypatch):
    """Return a function that sets the script of a new process that walks through files."""

    def set_script(script):
        monkeypatch.setattr(guard, "_WALKERS", {})
        monkeypatch.setattr(guard, "_WALKER", script)

    return set_script


SCRIPT = "import sys\nprint('ready', flush=True)\nfor line in sys.stdin:\n    "


def test_a_file_that_hangs_the_library_is_given_up(hdf5, walker, monkeypatch):
    walker(SCRIPT + "import time; time.sleep(60)")
    monkeypatch.setattr(guard, "LIMIT_S", 0.5)
    began = time.monotonic()
    with pytest.raises(MovieError, match=r"does not come to an end within 0\.5 s in it"):
        read_movie(hdf5, "TYX")
    assert time.monotonic() - began < 20


def test_a_file_that_crashes_the_library_is_given_up(hdf5, walker):
    walker(SCRIPT + "import os; os.abort()")
    for _ in range(2):  # another process walks through the next file
        with pytest.raises(MovieError, match="HDF5 crashes in it"):
            read_movie(hdf5, "TYX")


def test_where_no_process_can_be_started_files_are_read(hdf5, walker, monkeypatch):
    walker("raise SystemExit")
    assert read_movie(hdf5, "TYX").n_frames == 3
    walker(SCRIPT)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert read_movie(hdf5, "TYX").n_frames == 3


def test_one_process_walks_through_all_files_and_ends_with_this_one(hdf5, wait_until):
    code = (
        "import sys; from n2v_stem_keras.io import read_movie, guard\n"
        "for _ in range(3): read_movie(sys.argv[1], 'TYX')\n"
        "(one,) = guard._WALKERS.values(); print(one._process.pid)"
    )
    command = [sys.executable, "-c", code, str(hdf5)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    pid = int(done.stdout)

    def is_gone():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return ") Z " in Path(f"/proc/{pid}/stat").read_text()
        return True

    wait_until(is_gone)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("Object visitation failed"), KeyError("x"), RecursionError(), SystemError("x")],
)
def test_whatever_a_reader_raises_is_an_own_error(tmp_path, monkeypatch, error):
    np.save(tmp_path / "m.npy", np.zeros((3, 8, 8)))

    def fail(*_):
        raise error

    broken = reading.Reader("npy", (".npy",), fail)
    monkeypatch.setattr(reading, "READERS", (broken,))
    with pytest.raises(MovieError, match=f"cannot be read .{type(error).__name__}"):
        read_movie(tmp_path / "m.npy")


def test_whatever_a_frame_raises_is_an_own_error(tmp_path, monkeypatch):
    np.save(tmp_path / "m.npy", np.zeros((3, 8, 8)))

    def frame(s, t):
        raise MemoryError if t else ZeroDivisionError("division by zero")

    movie = Movie("m", "TYX", (3, 8, 8), np.dtype("f4"), frame)
    broken = reading.Reader("npy", (".npy",), lambda *_: movie)
    monkeypatch.setattr(reading, "READERS", (broken,))
    found = read_movie(tmp_path / "m.npy")
    with pytest.raises(MovieError, match=r"frame s=0, t=0 cannot be read .ZeroDivisionError"):
        found.frame(0, 0)
    with pytest.raises(MovieError, match="declares more than fits into the memory"):
        found.frame(0, 1)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((10**6, 10**6), "has 1000000000000 px, expected at most"),
        ((10**9, 64, 64), r"declares 16384000000000 bytes of frames .*, expected at most \d+"),
    ],
)
def test_movies_that_declare_more_than_their_file_can_hold(tmp_path, shape, said):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("a", shape, "f4", chunks=(1,) * (len(shape) - 2) + (64, 64))
    with pytest.raises(MovieError, match=said):
        read_movie(tmp_path / "m.h5", "TYX"[-len(shape) :])


def test_well_compressed_movies_are_read(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("a", (200, 512, 512), "u2", compression="gzip", fillvalue=3)
    assert read_movie(tmp_path / "m.h5", "TYX").n_frames == 200


@pytest.mark.parametrize("name", ["a\0b.npy", "a\ud800.npy", b"a.npy", 3])
def test_names_that_no_file_has(name):
    with pytest.raises(MovieError, match=r"no file has such a name|in the place of a path"):
        read_movie(name)


def test_what_is_no_movie_is_said():
    import pandas as pd

    frame = np.zeros((8, 8), "f4")
    for odd, said in {
        "table": (pd.DataFrame(frame), "DataFrame is a table, not an array"),
        "arrays": ({"ADF": frame}, "found ndarray in the place of a path"),
        "none": (None, "found NoneType, expected a movie"),
        "bytes": (b"a.npy", "found bytes, expected a movie"),
        "set": ({1}, "neither an array nor a sequence"),
        "ragged": ([frame[None, :3], [[1], [2, 3]]], "expected"),
        "number": (3, "neither an array nor a sequence"),
    }.values():
        with pytest.raises(MovieError, match=said):
            as_movie(odd).to_array()


def test_dask_arrays_of_unknown_length_say_what_to_do():
    da = pytest.importorskip("dask.array")
    array = da.from_array(np.ones((4, 8, 8), "f4"))
    with pytest.raises(MovieError, match="compute_chunk_sizes"):
        as_movie(array[array[:, 0, 0] > 0], "TYX")
