"""An archive on a dask cluster of this machine: how throughput grows, and what a kill costs.

    python benchmarks/cluster.py

Movies of noise are denoised by `n2v-stem denoise --cluster` on 1, 2 and 4 workers of one thread
each, and once more on 2 of which one is killed when a movie is half written. All results must be
equal to those of one worker. The growth is fitted by

    seconds = start + movies x seconds_a_movie / min(workers, cores)

Prints a table and writes benchmarks/results/cluster.json. The cluster listens to loopback only.
"""

import argparse
import contextlib
import json
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "cluster.json"
MODEL = "graphene-au-live"


def make_movies(folder, n_movies, n_frames, side):
    folder.mkdir()
    for number in range(n_movies):
        rng = np.random.default_rng(number)
        movie = rng.normal(1000, 30, (n_frames, side, side, 2)).astype(np.float32)
        np.save(folder / f"{number:03d}.npy", movie)


def digest(folder):
    """Pixels of all results, by name."""
    from n2v_stem_keras import read_movie

    return {p.name: read_movie(p).to_array() for p in sorted(folder.glob("*_denoised.ome.tif"))}


def trial(movies, out, n_workers, kill=False):
    from distributed import LocalCluster

    from n2v_stem_keras.cli import main as n2v_stem

    with LocalCluster(
        n_workers=n_workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]
        killed = threading.Event()

        def end_one():
            while not list(out.glob(".*.part")):
                time.sleep(0.005)
            os.kill(pids[0], signal.SIGKILL)  # a worker that was started here
            killed.set()

        if kill:
            threading.Thread(target=end_one, daemon=True).start()
        command = ["denoise", movies, "--out", out, "--model", MODEL, "--engine", "onnx"]
        command += ["--threads", "1", "--axes", "TYXC", "--detectors", "ADF,BF", "--pixel-size"]
        command += ["0.046nm", "--no-picture", "--no-restore", "--quiet"]
        command += ["--cluster", cluster.scheduler_address]
        began = time.monotonic()
        code = n2v_stem([str(word) for word in command])
        seconds = time.monotonic() - began
    return {"workers": n_workers, "seconds": seconds, "code": code, "killed": killed.is_set()}


def fitted(rows, n_movies):
    """Return start [s] and seconds a movie, of the rows without a kill."""
    cores = os.cpu_count() or 1
    x = [n_movies / min(row["workers"], cores) for row in rows]
    slope, start = np.polyfit(x, [row["seconds"] for row in rows], 1)
    return {"cores": cores, "start [s]": float(start), "seconds a movie": float(slope)}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movies", type=int, default=12)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows, reference = [], None
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        movies = Path(folder) / "movies"
        make_movies(movies, args.movies, args.frames, args.side)
        trials = [(int(n), False) for n in args.workers.split(",")] + [(2, True)]
        for number, (n_workers, kill) in enumerate(trials):
            out = Path(folder) / f"out{number}"
            row = trial(movies, out, n_workers, kill)
            found = digest(out)
            reference = reference or found
            same = found.keys() == reference.keys()
            row["same pixels"] = same and all(
                np.allclose(found[name], reference[name], rtol=1e-5) for name in reference
            )
            journal = (out / "denoise.jsonl").read_text(encoding="utf-8").splitlines()
            row["movies in the journal"] = len(journal)
            row["frames a second"] = args.movies * args.frames / row["seconds"]
            rows.append(row)
            print(row, flush=True)
    growth = fitted([row for row in rows if not row["killed"]], args.movies)
    print(growth)
    about = {"movies": args.movies, "frames": args.frames, "side": args.side}
    args.out.write_text(json.dumps({**about, "growth": growth, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
