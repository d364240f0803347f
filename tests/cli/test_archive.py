"""n2v-stem denoise over more than one machine: parts, a dask cluster, and one journal."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archives import RESULTS, denoise, files, make_model

import n2v_stem_keras
from n2v_stem_keras import N2VStem
from n2v_stem_keras.cli import archive as archive_file
from n2v_stem_keras.cli import options
from n2v_stem_keras.io import read_movie

pytestmark = pytest.mark.filterwarnings("ignore:.*npy holds no axes")


@pytest.fixture
def model(tmp_path, plain_config):
    return make_model(tmp_path / "m", plain_config)


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def states(path):
    return {Path(row["movie"]).name: row["state"] for row in rows(path)}


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_parts_make_up_the_whole_and_share_nothing(n):
    movies = list("abcde")
    parts = [archive_file.part_of(movies, f"{k}/{n}") for k in range(1, n + 1)]
    assert sorted(movie for part in parts for movie in part) == movies
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/b", "-1/3", "1/3/5", ""])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(options.UsageError, match="expected K/N"):
        archive_file.part_of([], part)


def test_parts_write_into_one_journal(archive, model, tmp_path, capsys):
    out = tmp_path / "out"
    (archive / "broken.npy").write_bytes((archive / "a.npy").read_bytes()[:3000])
    codes = [
        denoise(archive, "--part", f"{k}/3", "--quiet", out=out, model=model) for k in (1, 2, 3)
    ]
    assert sorted(codes) == [0, 0, 3]
    assert files(out) == sorted([*RESULTS, archive_file.JOURNAL])
    found = rows(out / archive_file.JOURNAL)
    assert states(out / archive_file.JOURNAL) == {
        "a.npy": "done", "b.npy": "done", "c.npy": "done", "broken.npy": "failed",
    }  # fmt: skip
    assert all(row["frames"] == 3 for row in found if row["state"] == "done")
    assert "broken.npy" in next(row["error"] for row in found if row["state"] == "failed")
    assert denoise(archive, "--part", "9/9", out=out, model=model) == 0
    assert "No movie falls to --part 9/9" in capsys.readouterr().out


def test_the_same_command_again_notes_what_was_there(archive, model, tmp_path):
    out, journal = tmp_path / "out", tmp_path / "logs" / "journal.jsonl"
    command = (archive, "--journal", journal, "--skip-existing")
    assert denoise(archive / "a.npy", "--journal", journal, out=out, model=model) == 0
    assert denoise(*command, out=out, model=model) == 0
    assert [row["state"] for row in rows(journal)] == ["done", "there", "done", "done"]
    assert not (out / archive_file.JOURNAL).exists()


def test_a_dry_run_notes_nothing(archive, model, tmp_path, capsys):
    command = ("--cluster", "tcp://127.0.0.1:1", "--dry-run")
    assert denoise(archive, *command, out=tmp_path / "out", model=model) == 0
    assert capsys.readouterr().out.count("Would write") == 3
    assert not (tmp_path / "out").exists()


WRITE = """
import sys
from n2v_stem_keras.cli.archive import Journal
journal = Journal(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    journal.note(f"{sys.argv[2]}-{number}", "failed", error="x" * 20000)
"""


def test_a_journal_is_whole_whoever_writes_into_it(tmp_path):
    path = tmp_path / "journal.jsonl"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(path), str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:  # all at once
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    assert {row["movie"] for row in rows(path)} == {f"{k}-{n}" for k in range(3) for n in range(60)}


def test_a_cluster_that_does_not_answer_is_said(archive, model, tmp_path, capsys, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(archive_file, "CONNECT_S", 1)
    command = ("--cluster", "tcp://127.0.0.1:9")
    assert denoise(archive, *command, out=tmp_path / "out", model=model) == 4
    assert "tcp://127.0.0.1:9" in capsys.readouterr().err


def test_what_workers_would_all_say_is_said_here(archive, tmp_path, capsys):
    pytest.importorskip("distributed")
    command = ("--cluster", "tcp://127.0.0.1:9")
    assert denoise(archive, *command, out=tmp_path / "out", model=tmp_path / "no") == 4
    assert "no such model folder" in capsys.readouterr().err


CLUSTER = """
import json, os, signal, sys, threading, time
from pathlib import Path

def main():
    from distributed import LocalCluster
    from n2v_stem_keras.cli import main as n2v_stem
    out, kill = Path(sys.argv[2]), sys.argv[3] == "kill"
    command = ["denoise", sys.argv[1], "--out", sys.argv[2], *sys.argv[4:]]
    os.chdir(Path(sys.argv[1]).parent)  # workers start elsewhere, with names that hold there
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        os.chdir("/")
        pids = [worker.pid for worker in cluster.workers.values()]
        killed = threading.Event()

        def end_one():  # as soon as a movie is half written
            while not list(out.rglob(".*.part")):
                time.sleep(0.005)
            os.kill(pids[0], signal.SIGKILL)  # a worker that was started here
            os.kill(pids[1], 0)
            killed.set()

        if kill:
            threading.Thread(target=end_one, daemon=True).start()
        code = n2v_stem([*command, "--cluster", cluster.scheduler_address])
        print(json.dumps({"code": code, "killed": killed.is_set()}), flush=True)

if __name__ == "__main__":
    main()
"""


def on_cluster(archive, out, model, kill="", *more):
    pytest.importorskip("distributed")
    script = out.parent / "cluster.py"
    script.write_text(CLUSTER)
    path = os.pathsep.join(map(str, (Path(n2v_stem_keras.__file__).parents[1], *sys.path)))
    command = [archive, out, kill, "--model", model, "--axes", "TYXC", "--detectors", "ADF,BF"]
    command += ["--no-picture", "--engine", "tensorflow", "--threads", "1", *more]
    done = subprocess.run(
        [sys.executable, str(script), *map(str, command)],
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done


@pytest.mark.slow
def test_a_cluster_makes_what_one_machine_makes(archive, model, tmp_path):
    (archive / "broken.npy").write_bytes((archive / "a.npy").read_bytes()[:3000])
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert denoise(archive, out=alone, model=model) == 3
    found, done = on_cluster(archive, together, model)
    assert found["code"] == 3
    assert "4 movies: 3 denoised, 1 failed." in done.stdout
    assert re.search(r"^n2v-stem: could not be denoised: .*broken.npy$", done.stderr, re.M)
    for name in RESULTS:
        expected = read_movie(alone / name).to_array()
        np.testing.assert_allclose(read_movie(together / name).to_array(), expected, rtol=1e-5)
    journal = rows(together / archive_file.JOURNAL)
    assert sorted(row["state"] for row in journal) == ["done", "done", "done", "failed"]
    assert all(row["worker"].startswith("tcp://") for row in journal if row["state"] == "done")
    # again: nothing is done twice
    found, done = on_cluster(archive, together, model, "", "--skip-existing")
    assert found["code"] == 3
    assert "4 movies: 0 denoised, 3 were there already, 1 failed." in done.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*frames equal one before")  # long, at no cost
def test_a_worker_that_is_killed_loses_nothing(tmp_path, plain_config, same_noisy_movie):
    model = make_model(tmp_path / "m", plain_config)
    (tmp_path / "many").mkdir()
    movies = {f"{n}": np.roll(same_noisy_movie, n, axis=1) for n in range(4)}
    for name, movie in movies.items():
        long = np.concatenate([movie] * 5)
        np.save(tmp_path / "many" / f"{name}.npy", long)
    out = tmp_path / "out"
    found, done = on_cluster(tmp_path / "many", out, model, "kill", "--no-restore")
    assert found == {"code": 0, "killed": True}, done.stderr[-2000:]
    assert files(out) == sorted(
        [*(f"{name}_denoised.ome.tif" for name in movies), archive_file.JOURNAL]
    )
    network = N2VStem(None, "m", tmp_path)
    for name, movie in movies.items():
        expected = network.predict(np.concatenate([movie] * 5), restore=False)
        found = read_movie(out / f"{name}_denoised.ome.tif").to_array()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)
