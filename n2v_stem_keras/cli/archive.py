"""Many movies: one after the other, a share of them, or all on the workers of a dask cluster.

A movie is one task. What decides is on the disk, which all workers share: output that is whole is
left out, output that is not is gone on with (`io.unfinished`). So a worker that dies costs time,
and the same command again does what is missing. A journal notes what became of each movie.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import json
import os
import re
import threading
import time
from pathlib import Path

from ..counting import counted
from ..folder import pretrained
from ..folder.folder import read_config
from . import options
from .denoise_job import DenoiseJob
from .wording import in_options

JOURNAL = "denoise.jsonl"
CONNECT_S = 30  # that a scheduler may take to answer
NOT_SENT = ("parser", "run")  # of what the command line said
WORKERS = "n2v-stem-denoise"  # first part of the keys of tasks


class Journal:
    """A file with a line of JSON for each movie that was denoised, left out, or failed.

    Parameters
    ----------
    path : path or None
        None: nothing is noted.
    """

    def __init__(self, path):
        self.path = None if path is None else Path(path)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def note(self, source, state: str, **facts) -> None:
        """Append a line, whole, whoever else writes into the file.

        Parameters
        ----------
        source : path or dict
            The movie.
        state : {'done', 'there', 'failed'}
        **facts
            What else is known.
        """
        if self.path is None:
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        movie = {k: str(v) for k, v in source.items()} if isinstance(source, dict) else str(source)
        row = {"time": now, "movie": movie, "state": state, **facts}
        line = json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
        with open(self.path, "ab") as file, _alone(file):
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def _alone(file):
    """Keep other processes and machines from a file, where the system can."""
    try:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX)
    except (ImportError, OSError):  # Windows, or a file system without locks
        yield
        return
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN)


def journal_of(args) -> Journal:
    """Return the journal that the options ask for."""
    if args.dry_run:
        return Journal(None)
    many = args.cluster or args.part
    default = Path(args.out) / JOURNAL if many else None
    return Journal(args.journal or default)


def part_of(movies: list, part: str | None) -> list:
    """Return the share of the movies that an option names.

    >>> part_of(list("abcde"), "2/3")
    ['b', 'e']
    """
    if part is None:
        return movies
    found = re.fullmatch(r"(\d+)/(\d+)", part)
    k, n = map(int, found.groups()) if found else (0, 0)
    if not 1 <= k <= n:
        raise options.UsageError(f"--part {part}: expected K/N, K from 1 to N, e.g. 3/16")
    return movies[k - 1 :: n]


# -- here -----------------------------------------------------------------------------------------
def here(args, movies, journal: Journal) -> tuple[dict, int]:
    """Denoise movies one after the other; one that cannot be used does not stop the others.

    Returns
    -------
    failed : dict
        Movie -> error.
    n_skipped : int
        Movies whose results were there.
    """
    how = args.model, args.engine, args.threads
    config = options.check_model(*how) if args.dry_run else options.find_model(args.model)
    model = None if args.dry_run else options.open_model(*how)
    failed, n_skipped = {}, 0
    for place, source in movies:
        began = time.monotonic()
        try:
            job = DenoiseJob(args, place, source, config.channels)
            if args.dry_run:
                options.show(f"Would write {job.output} from {options.describe_movie(job.movie)}")
            elif job.is_done(model):
                n_skipped += 1
                journal.note(source, "there", output=str(job.output))
            else:
                job.run(model)
                journal.note(source, "done", **_facts(job, began))
        except Exception as error:  # whatever is wrong with one file, the others can be used
            journal.note(source, "failed", error=sentence(source, error))
            if len(movies) == 1:
                raise
            complain(place, source, error, failed)
    return failed, n_skipped


def _facts(job, began) -> dict:
    n_frames = job.movie.n_series * job.movie.n_frames
    seconds = round(time.monotonic() - began, 2)
    return {"output": str(job.output), "frames": n_frames, "seconds": seconds}


def complain(place, source, error, failed: dict) -> None:
    """Say what is wrong with a movie, and remember it."""
    options.complain(f"n2v-stem: {sentence(source, error)}")
    failed[str(place if isinstance(source, dict) else source)] = error


def sentence(path, error) -> str:
    """Say what is wrong with a file; errors that are not the user's keep their kind."""
    said = in_options(error)
    text = said if str(path) in said else f"{path}: {said}"
    known = isinstance(error, options.user_errors())
    return text if known else f"{text} ({type(error).__name__}; please report it)"


# -- on a cluster ---------------------------------------------------------------------------------
def on_cluster(args, movies, journal: Journal) -> tuple[dict, int]:
    """Denoise movies on the workers of a dask cluster; returns what `here` returns."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ImportError(
            "--cluster needs distributed: pip install 'n2v_stem_keras[dask]'"
        ) from None
    sent = _for_workers(args)
    failed, n_skipped, n_done = {}, 0, 0
    checked, channels = [], options.find_model(args.model).channels
    for place, source in movies:  # what is wrong with a file is said before anything is sent
        try:
            DenoiseJob(args, place, source, channels)
            checked.append((place, _absolute(source)))
        except Exception as error:
            journal.note(source, "failed", error=sentence(source, error))
            if len(movies) == 1:
                raise
            complain(place, source, error, failed)
    with Client(args.cluster, timeout=CONNECT_S) as client:
        n_workers = len(client.scheduler_info(n_workers=-1)["workers"])
        options.say(
            args,
            f"{counted(len(checked), 'movie')}, {counted(n_workers, 'worker')} at {args.cluster}",
        )
        futures = {}
        for number, (place, source) in enumerate(checked):
            key = f"{WORKERS}-{os.getpid()}-{time.time_ns()}-{number}"
            future = client.submit(denoise_one, sent, place, source, key=key, pure=False)
            futures[future] = place, source
        for future in as_completed(futures):
            place, source = futures.pop(future)
            error = future.exception()
            if error is not None:
                journal.note(source, "failed", error=sentence(source, error))
                complain(place, source, error, failed)
                continue
            row = future.result()
            n_skipped += row["state"] == "there"
            journal.note(source, **row)
            n_done += 1
            text = f"{n_done}/{len(checked)} {place}: {row['state']}"
            if "seconds" in row:
                text += f", {row['frames']} frames in {row['seconds']:.3g} s on {row['worker']}"
            options.say(args, text)
    return failed, n_skipped


def _for_workers(args) -> argparse.Namespace:
    """Return the options with names that hold in other working directories."""
    from .. import opening

    folder = opening.find_folder(args.model)
    read_config(folder)  # raises here what all workers would
    said = {key: value for key, value in vars(args).items() if key not in NOT_SENT}
    said |= {"out": os.path.abspath(args.out), "quiet": True, "cluster": None}
    said["model"] = folder.name if pretrained.is_one(folder) else str(folder)
    # a task that is sent again, as its worker has died, finds its own results
    said["skip_existing"] = not args.overwrite
    return argparse.Namespace(**said)


def _absolute(source):
    """Return a source of `movie_files.movie_sources` that holds in other working directories."""
    if isinstance(source, dict):
        return {name: _absolute(file) for name, file in source.items()}
    return type(source)(os.path.abspath(source))


def denoise_one(args, place, source) -> dict:
    """Denoise a movie, in the process of a worker; returns what the journal notes."""
    from distributed import get_worker

    began = time.monotonic()
    model = _opened(args.model, args.engine, args.threads)
    job = DenoiseJob(args, place, source, model.config.channels)
    if job.is_done(model):
        return {"state": "there", "output": str(job.output)}
    job.run(model)
    return {"state": "done", **_facts(job, began), "worker": get_worker().address}


_OPENING = threading.Lock()


def _opened(*named):
    """Open a model, once in each process."""
    with _OPENING:
        return _open(*named)


@functools.lru_cache(maxsize=2)
def _open(name, engine, threads):
    return options.open_model(name, engine, threads)
