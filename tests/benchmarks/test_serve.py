"""The benchmarks of the server and of the cluster run, small, and say what they measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import n2v_stem_keras

ROOT = Path(n2v_stem_keras.__file__).parents[1]


def run(script, out, *words):
    path = os.pathsep.join(map(str, (ROOT, *sys.path)))
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), "--out", str(out), *words],
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(out.read_text())


@pytest.mark.slow
def test_the_server_serves_among_rude_clients(tmp_path):
    pytest.importorskip("onnxruntime")
    found = run("serve.py", tmp_path / "serve.json", "--seconds", "2", "--side", "64")
    assert [(row["clients"], row["rude clients"]) for row in found["rows"]] == [
        (1, 0), (2, 0), (10, 0), (10, 9),
    ]  # fmt: skip
    assert all(row["frames a second"] > 1 for row in found["rows"])
    # nobody starves
    assert all(row["slowest over fastest client"] > 0.3 for row in found["rows"])


@pytest.mark.slow
def test_a_killed_worker_changes_no_pixel(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("distributed")
    words = ("--movies", "3", "--frames", "6", "--side", "256", "--workers", "1,2")
    found = run("cluster.py", tmp_path / "cluster.json", *words)
    assert all(row["code"] == 0 and row["same pixels"] for row in found["rows"])
    assert all(row["movies in the journal"] == 3 for row in found["rows"])
    assert found["rows"][-1]["killed"]
