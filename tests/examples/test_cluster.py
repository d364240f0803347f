"""The scripts for clusters, with what plays the cluster on this machine."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from n2v_stem_keras import Movie, read_movie, write_movie

CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"


@pytest.fixture
def archive(exported_model, tmp_path):
    """Three movies in two folders, two of one name; the model of the fixture knows ADF and BF."""
    _, frames = exported_model
    known = {"detectors": ("ADF", "BF"), "pixel_size_nm": 0.05}
    for name in ("monday/scan.ome.tif", "tuesday/scan.ome.tif", "tuesday/more.ome.tif"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_movie(path, Movie.from_array(frames, "TYXC", **known))
    return tmp_path / "archive"


def denoised(out):
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*_denoised.ome.tif"))


EXPECTED = [
    "monday/scan_denoised.ome.tif",
    "tuesday/more_denoised.ome.tif",
    "tuesday/scan_denoised.ome.tif",
]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_an_array_of_slurm_shares_the_movies_and_leaves_out_what_is_done(
    archive, exported_model, tmp_path
):
    basedir, frames = exported_model
    command = tmp_path / "bin" / "n2v-stem"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m n2v_stem_keras "$@"\n')
    command.chmod(0o755)
    paths = os.pathsep.join([str(CLUSTER.parents[1]), *filter(None, sys.path)])

    def task(number):
        slurm = {"TASK_ID": number, "TASK_MIN": 4, "TASK_COUNT": 2}
        slurm = {f"SLURM_ARRAY_{key}": str(value) for key, value in slurm.items()}
        path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", CLUSTER / "archive.sbatch", archive, "*.ome.tif", basedir / "m", "out"],
            env={**os.environ, **slurm, "SLURM_CPUS_PER_TASK": "1", "PATH": path,
                 "PYTHONPATH": paths},
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    (archive / "monday" / "bad.ome.tif").write_bytes(b"no TIFF")
    first, second = task(4), task(5)
    assert (first.returncode, second.returncode) == (1, 0), first.stderr + second.stderr
    assert [done.stdout.count("== ./") for done in (first, second)] == [2, 2]
    assert denoised(tmp_path / "out") == EXPECTED
    assert read_movie(tmp_path / "out" / EXPECTED[0]).shape == frames.shape
    when = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.tif")}
    assert task(5).returncode == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.tif")} == when


@pytest.mark.slow
def test_dask_shares_the_movies_among_workers(archive, exported_model, tmp_path):
    pytest.importorskip("distributed")
    (archive / "monday" / "bad.ome.tif").write_bytes(b"no TIFF")
    paths = os.pathsep.join([str(CLUSTER.parents[1]), *filter(None, sys.path)])
    command = [sys.executable, CLUSTER / "archive.py", archive, "*.ome.tif", "--local", "2"]
    done = subprocess.run(
        [*command, "--model", exported_model[0] / "m", "--out", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert denoised(tmp_path / "out") == EXPECTED
    assert done.stdout.count("done: ") == 3
    assert f"FAILED: {archive / 'monday' / 'bad.ome.tif'}" in done.stdout
    assert done.stdout.splitlines()[-1] == "3 of 4 done"


def test_the_cluster_is_that_of_slurm_unless_it_is_local(monkeypatch):
    """The arguments are those that dask-jobqueue takes: it writes the job's script of them."""
    jobqueue = pytest.importorskip("dask_jobqueue")
    spec = importlib.util.spec_from_file_location("archive", CLUSTER / "archive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(jobqueue.SLURMCluster, "adapt", lambda self, maximum_jobs: None)
    args = type("Args", (), {"local": None, "queue": "long", "cores": 4, "jobs": 3})
    with module.open_cluster(args) as cluster:
        script = cluster.job_script()
    assert "#SBATCH -p long" in script
    assert "#SBATCH --cpus-per-task=4" in script
    assert script.count("--nthreads 1") == script.count("--nthreads") == 1
