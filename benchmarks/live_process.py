"""A measurement in a process of its own, whose libraries use a number of threads.

Part of `live`. TensorFlow takes its number of threads once in a process, BLAS from the environment.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace


def measure(script, args, threads, *task):
    """Run a script of this folder, and return what its `answer` prints.

    Parameters
    ----------
    script : str
        Path of the script.
    args : namespace
        With `models`, `gains` and `tiny`, which are handed on.
    threads : int
    *task
        What JSON can hold.
    """
    environment = {
        **os.environ,
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
    }
    options = {"models": str(args.models), "tiny": args.tiny}
    command = [sys.executable, str(Path(script)), json.dumps([options, *task])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{task}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def answer(call):
    """Call a function with what `measure` was given, and print its result."""
    options, *task = json.loads(sys.argv[1])
    options["models"] = Path(options["models"])
    print(json.dumps(call(SimpleNamespace(**options), *task)))
