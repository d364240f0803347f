"""Denoise an archive of movies on a cluster with dask, a movie a task.

    python examples/cluster/archive.py archive '*.dm4' --model models/au-graphene --out denoised
    python examples/cluster/archive.py archive '*.dm4' --model graphene-au --out out --local 2

With --local on this machine, else through Slurm (``pip install dask-jobqueue``; it knows PBS, SGE
and LSF, too). The same command again does what is left: movies that are done are left out, and one
that was interrupted goes on at the frame where it stopped. One movie too large for one machine is
denoised by ``model.predict`` on a dask array instead; see docs/install.md.
"""

import argparse
import sys
from pathlib import Path

from dask.distributed import Client, LocalCluster, as_completed


def denoise(movie, model, out, n_threads):
    """Denoise one file as on the command line; return the exit code."""
    from n2v_stem_keras.cli import main as n2v_stem

    options = ["--model", model, "--out", str(out), "--threads", str(n_threads)]
    return n2v_stem(["denoise", str(movie), *options, "--skip-existing", "--no-picture", "--quiet"])


def open_cluster(args):
    """Return a cluster whose workers each denoise one movie at a time."""
    if args.local:
        return LocalCluster(n_workers=args.local, threads_per_worker=1, dashboard_address=None)
    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(
        queue=args.queue,
        job_cpu=args.cores,
        cores=1,  # one movie at a time, whose network takes all of the job's
        processes=1,
        memory="8GB",
        walltime="04:00:00",
    )
    cluster.adapt(maximum_jobs=args.jobs)
    return cluster


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("pattern", help="of the files' names, such as '*.dm4'")
    parser.add_argument("--model", required=True, help="folder, or name of a ready-made model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--local", type=int, metavar="N", help="N workers on this machine")
    parser.add_argument("--queue", help="partition of Slurm")
    parser.add_argument("--cores", type=int, default=4, help="of each job (default: 4)")
    parser.add_argument("--jobs", type=int, default=20, help="at most (default: 20)")
    args = parser.parse_args(argv)
    model = str(Path(args.model).resolve()) if Path(args.model).exists() else args.model
    n_threads = 1 if args.local else args.cores
    with open_cluster(args) as cluster, Client(cluster) as client:
        futures = {}
        for movie in sorted(args.archive.resolve().rglob(args.pattern)):
            out = args.out.resolve() / movie.parent.relative_to(args.archive.resolve())
            future = client.submit(denoise, movie, model, out, n_threads, pure=False)
            futures[future] = movie
        n_failed = 0
        for future, code in as_completed(futures, with_results=True, raise_errors=False):
            failed = future.status != "finished" or code != 0
            n_failed += failed
            print(f"{'FAILED' if failed else 'done'}: {futures[future]}", flush=True)
    print(f"{len(futures) - n_failed} of {len(futures)} done")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
