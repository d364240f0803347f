"""Standard streams that are closed, full or read by nobody; odd surroundings."""

import os
import subprocess
import sys

import numpy as np
import pytest

N2V = f"{sys.executable} -m n2v_stem_keras"


@pytest.fixture
def shell(tmp_path):
    np.save(tmp_path / "m.npy", np.random.default_rng(0).normal(size=(4, 32, 32)).astype("f4"))

    def run(line):
        line = line.replace("N2V", N2V)
        command = ["bash", "-o", "pipefail", "-c", line]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize(
    "line",
    [
        "N2V info m.npy | head -1",
        "N2V info --json m.npy | true",
        "N2V train --run-template | head -1",
        "N2V --help | true",
        "N2V info m.npy >&-",
        "N2V info m.npy 2>&-",
        "N2V info m.npy <&- >&- 2>&-",
        "PYTHONOPTIMIZE=2 N2V --help",
        "PYTHONOPTIMIZE=2 N2V info m.npy",
        "LC_ALL=C PYTHONUTF8=0 PYTHONIOENCODING=ascii N2V info m.npy",
    ],
)
def test_odd_streams_change_nothing(shell, line):
    done = shell(line)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_output_is_said(shell):
    done = shell("N2V info m.npy > /dev/full")
    assert done.returncode == 4
    assert "n2v-stem: [Errno 28] No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_streams_are_not_taken_by_files(shell, tmp_path):
    """The first file that is opened would get the number of the standard error."""
    done = shell("N2V info m.npy 2>&-; N2V info nowhere.npy 2>&-")
    assert done.returncode == 4
    assert "frames" in done.stdout


def test_names_that_are_no_utf_8(shell, tmp_path):
    name = os.path.join(os.fsencode(tmp_path), b"a\xff.npy")
    os.rename(tmp_path / "m.npy", name)
    done = shell("N2V info a*.npy")
    assert done.returncode == 0, done.stderr
    assert r"a\udcff.npy" in done.stdout


def test_texts_with_such_names_can_be_written(tmp_path):
    import json

    from n2v_stem_keras.atomic import write_json

    write_json(tmp_path / "a.json", {"name": "a\udcff"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "a\udcff"}
