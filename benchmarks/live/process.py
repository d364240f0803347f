"""A measurement in a process of its own, whose libraries use a number of threads.

Part of `live`. TensorFlow takes its number of threads once in a process, BLAS from the environment.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__)


def call(function, args, threads, *task):
    """Call ``function(args, *task)`` of a part in another process, and return its result.

    Parameters
    ----------
    function : callable
        Function of a module of this folder; returns what JSON can hold.
    args : namespace
        Its `models` and `tiny` are handed on.
    threads : int
        Threads of TensorFlow and BLAS.
    *task
        What JSON can hold.
    """
    paths = [str(HERE.parents[1]), os.environ.get("PYTHONPATH")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
    }
    options = {"models": str(args.models), "tiny": args.tiny}
    command = [sys.executable, str(HERE), function.__module__, function.__name__]
    command.append(json.dumps([options, *task]))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{task}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def answer(module, name, task):
    """Call the function that `call` named, and print its result."""
    options, *task = json.loads(task)
    options["models"] = Path(options["models"])
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(SimpleNamespace(**options), *task)))


if __name__ == "__main__":
    answer(*sys.argv[1:])
