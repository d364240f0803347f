"""Files that appear whole or not at all: the version before stays until the new one is."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import n2v_stem_keras
from n2v_stem_keras.atomic import (
    atomic,
    atomic_folder,
    scratch_folder,
    temporary_path,
    write_json,
    write_text,
)
from n2v_stem_keras.folder.folder import WEIGHTS_BEST, create, read_config, save_weights


def names(path):
    return sorted(p.name for p in path.iterdir())


@pytest.fixture
def network(untrained_config):
    from n2v_stem_keras.network.unet import build_network

    return build_network(untrained_config.replace(unet_n_depth=1, unet_n_first=2))


def test_a_new_file_replaces_the_old_one(tmp_path):
    path = tmp_path / "weights_best.weights.h5"
    path.write_text("old")
    with atomic(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith("weights_best.weights.h5"), "Keras looks at the suffix"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "config.json"
    path.write_text("old")

    def write():
        with atomic(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["config.json"]


def test_a_failure_of_the_first_write_leaves_no_file(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert names(tmp_path) == []


def full(*args, **keywords):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


WRITERS = {
    "text": lambda path, network: write_text(path, "new"),
    "json": lambda path, network: write_json(path, {"new": 1}),
    "weights": lambda path, network: save_weights(network, path),
}


@pytest.mark.parametrize("moment", ["while writing", "while syncing", "while renaming"])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_said_with_the_space_left(tmp_path, monkeypatch, network, kind, moment):
    path = tmp_path / WEIGHTS_BEST
    path.write_text("old")
    if moment == "while writing":
        monkeypatch.setattr(Path, "write_text", full)
        monkeypatch.setattr(Path, "write_bytes", full)
    else:
        monkeypatch.setattr(os, "fsync" if moment == "while syncing" else "replace", full)
    with pytest.raises(OSError, match="no space left to write") as error:
        WRITERS[kind](path, network)
    assert error.value.errno == errno.ENOSPC
    said = str(error.value)
    assert WEIGHTS_BEST in said
    assert "MiB free" in said
    assert "the version before it is whole" in said
    assert "Free some space and run the same command again" in said
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == [WEIGHTS_BEST]


def test_a_full_quota_counts_as_a_full_disk_and_other_errors_stay_what_they_are(tmp_path):
    def fail(number):
        with atomic(tmp_path / "x"):
            raise OSError(number, os.strerror(number))

    with pytest.raises(OSError, match="no space left to write x"):
        fail(errno.EDQUOT)
    with pytest.raises(PermissionError):
        fail(errno.EACCES)


KILLED = """
import os, signal, sys
from n2v_stem_keras.atomic import atomic
path, moment = sys.argv[1:]
if moment == "renaming":
    os.replace = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
with atomic(path) as temporary:
    temporary.write_text('{"format_ver')
    if moment == "writing":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["writing", "renaming"])
def test_a_killed_process_leaves_the_old_file_whole(tmp_path, untrained_config, moment):
    create(tmp_path, untrained_config)
    file = tmp_path / "config.json"
    before = file.read_bytes()
    path = os.pathsep.join(map(str, (Path(n2v_stem_keras.__file__).parents[1], *sys.path)))
    code = [sys.executable, "-c", KILLED, str(file), moment]
    done = subprocess.run(code, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() == before
    # what is left of it does not make the folder unusable
    assert any(name.startswith(".tmp-") for name in names(tmp_path))
    create(tmp_path, untrained_config)
    assert read_config(tmp_path) == untrained_config


KILLED_IN_WORK = """
import os, signal
import numpy as np
from n2v_stem_keras.atomic import scratch_folder
from n2v_stem_keras.io import Movie, write_movie

def frames():
    yield np.ones((8, 8), np.float32)
    os.kill(os.getpid(), signal.SIGKILL)

like = Movie.from_array(np.ones((2, 8, 8), np.float32), "TYX")
with scratch_folder() as folder:
    (folder / "large").write_text("half")
    write_movie("m.ome.tif", frames(), like=like)
"""


def test_what_a_killed_process_left_half_done_is_removed_by_the_next_one(tmp_path, monkeypatch):
    """Movies that are written at once, and what is kept for a while on the disk."""
    from n2v_stem_keras.io import write_movie

    path = os.pathsep.join(map(str, (Path(n2v_stem_keras.__file__).parents[1], *sys.path)))
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path / "tmp")}
    code = [sys.executable, "-c", KILLED_IN_WORK]
    done = subprocess.run(code, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    assert len(names(tmp_path / "tmp")) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    write_movie(tmp_path / "m.ome.tif", np.ones((2, 8, 8, 1), np.float32))
    assert names(tmp_path) == ["m.ome.tif", "tmp"]
    with scratch_folder() as mine, scratch_folder() as another:  # what lives is left alone
        assert names(tmp_path / "tmp") == sorted([mine.name, another.name])
    assert names(tmp_path / "tmp") == []


def test_writing_follows_no_link(tmp_path):
    """Neither under the final name nor under the temporary one, which can be guessed."""
    outside, path = tmp_path / "outside.txt", tmp_path / "model" / "config.json"
    path.parent.mkdir()
    for link in (path, temporary_path(path)):
        outside.write_text("precious")
        link.symlink_to(outside)
        write_text(path, "new")
        assert outside.read_text() == "precious"
        assert not path.is_symlink()
        assert path.read_text() == "new"


def test_a_folder_appears_whole(tmp_path):
    with atomic_folder(tmp_path / "above" / "new") as temporary:
        (temporary / "a").write_text("1")
        assert names(tmp_path / "above") == [temporary.name]
    assert names(tmp_path / "above") == ["new"]
    assert (tmp_path / "above" / "new" / "a").read_text() == "1"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_that_fails_leaves_nothing(tmp_path, error):
    def fail():
        with atomic_folder(tmp_path / "new") as temporary:
            (temporary / "a").write_text("1")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_a_folder_of_others_is_not_replaced(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("1")
    with pytest.raises(OSError, match="new"), atomic_folder(tmp_path / "new") as temporary:
        (temporary / "a").write_text("2")
    assert names(tmp_path) == ["new"]
    assert names(tmp_path / "new") == ["mine"]


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path):
    """Of this file, and of a process that is dead; others are at work."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path, other = tmp_path / "config.json", tmp_path / "other.json"
    left = [temporary_path(path, dead.pid), temporary_path(path, os.getppid())]
    left.append(temporary_path(other, dead.pid))
    for file in left:
        file.write_text("half")
    write_text(path, "new")
    assert names(tmp_path) == sorted([path.name, *(file.name for file in left[1:])])
    folder = tmp_path / "saved_model"
    temporary_path(folder, dead.pid).mkdir()
    with atomic_folder(folder):
        pass
    assert not temporary_path(folder, dead.pid).exists()


def test_names_of_any_length_can_be_written(tmp_path):
    path = tmp_path / ("ü" * 120 + ".weights.h5")
    write_text(path, "new")
    assert path.read_text() == "new"


NO_ROOM = """
import resource, signal, sys
from n2v_stem_keras import N2VStem, N2VStemConfig
from n2v_stem_keras.folder.folder import save_weights
config = N2VStemConfig.preset("laptop", unet_n_depth=1, unet_n_first=8, unet_lattice="none")
model = N2VStem(config, basedir=None)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    if sys.argv[1] == "weights":
        save_weights(model.keras_model, sys.argv[2])
    else:
        model.export(sys.argv[2])
except Exception as error:
    print(type(error).__name__)
else:
    print("written")
"""


@pytest.mark.parametrize(("what", "said"), [("weights", "OSError"), ("export", "OSError")])
def test_a_disk_without_room_crashes_nothing(tmp_path, what, said):
    """HDF5 that cannot write when it closes a file ends the process by SIGSEGV."""
    path = tmp_path / "m.weights.h5"
    path.write_text("old") if what == "weights" else None
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, what, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{said}\n"), done.stderr
    assert "Exception ignored" not in done.stderr
    assert names(tmp_path) == ([path.name] if what == "weights" else [])
