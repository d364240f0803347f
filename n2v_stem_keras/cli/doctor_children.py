"""Checks that load compiled libraries, each library in a process of its own.

A library that was built for another processor, or whose files do not fit each other, ends the
process that imports it. Here that is one more finding.

    python -m n2v_stem_keras.cli.doctor_children GROUP    prints a line of JSON for each check
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

from ..prediction.engines import EXPORT_ENGINES, MODULES

SECONDS = 300  # for each process; TensorFlow on a slow network drive takes minutes to import
MARK = "n2v-stem-doctor: "  # libraries print on their own
SIDE, FEATURES = 256, 32  # of the timed convolution
TIMED_SECONDS = 1.0
TIMED_FRAME = (512, 512)  # of devices [px]


class CheckError(Exception):
    """What a check in another process could not do."""

    def __init__(self, reason: str, state: str = "failed", advice: str = ""):
        super().__init__(reason)
        self.reason, self.state, self.advice = reason, state, advice


def children():
    """Run the checks of each process.

    Yields
    ------
    section, check : str
    core : bool
    outcome : callable
        Returns a line and facts, or raises `CheckError`.
    """
    for group, checks in GROUPS.items():
        try:
            if group in MODULES and not _is_there(MODULES[group]):
                advice = f"pip install 'n2v_stem_keras[{group}]'"
                error = CheckError(f"{MODULES[group]} is not installed", "missing", advice)
                answers = dict.fromkeys(checks, error)
            else:
                answers, ended = _ask(group)
        except Exception as error:  # processes may be forbidden here
            answers, ended = {}, f"its process could not be started ({error})"
        for check, (section, core, _) in checks.items():
            answer = answers.get(check) or {"error": ended}
            yield section, check, core, functools.partial(_outcome, answer)
            if check not in answers:  # those after it were not reached
                ended = "was not reached"


def _is_there(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def _outcome(answer):
    if isinstance(answer, CheckError):
        raise answer
    if "error" in answer:
        raise CheckError(answer["error"])
    return answer["line"], answer["facts"]


def _ask(group: str) -> tuple[dict, str]:
    """Run a group of checks; return the answer to each, and how the process ended if too early."""
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # -P: a file of the current folder named like a library is not imported in its place
    command = [sys.executable, "-P", "-W", "ignore", "-m", __name__, group]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
        output, errors, ended = done.stdout, done.stderr, _how_it_ended(done.returncode)
    except subprocess.TimeoutExpired as error:
        output, errors = error.stdout or b"", error.stderr or b""
        ended = f"did not end within {SECONDS} s"
    lines = output.decode(errors="replace").splitlines()
    answers = dict(json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK))
    last = errors.decode(errors="replace").strip().splitlines()[-1:]
    return answers, ended + (f" ({last[0]})" if last else "")


def _how_it_ended(code: int) -> str:
    if code >= 0:  # Windows gives crashes a large one, known by its hexadecimal form
        return f"its process ended with exit code {code if code < 256 else hex(code)}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; the library was built for another processor" if name == "SIGILL" else ""
    return f"its process crashed ({name}){hint}"


# -- in the other process -------------------------------------------------------------------------
def _tensorflow():
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads()
    line = f"{tf.__version__}, threads: {threads or 'all cores'}"
    return line, {"version": tf.__version__, "threads": threads}


def _gpus():
    import tensorflow as tf

    names = []
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        names.append(details.get("device_name", device.name))
    return ", ".join(names) or "none that TensorFlow sees", {"gpus": names}


def _convolution():
    """Time a convolution, and compare it with one made by hand."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    frame = rng.normal(size=(1, SIDE, SIDE, FEATURES)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, FEATURES, FEATURES)).astype(np.float32)
    convolve = tf.function(lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"))
    x, k = tf.constant(frame), tf.constant(kernel)
    found = convolve(x, k)
    expected = np.einsum("yxi,yxio->o", frame[0, 99:102, 149:152], kernel)
    error = np.abs(found[0, 100, 150].numpy() - expected).max() / np.abs(expected).max()
    if not error < 1e-2:  # GPUs round to ten bits
        raise RuntimeError(f"the convolution is wrong: a relative error of {error:.2g}")
    seconds, began = [], time.perf_counter()
    while time.perf_counter() - began < TIMED_SECONDS or len(seconds) < 3:
        start = time.perf_counter()
        convolve(x, k).numpy()
        seconds.append(time.perf_counter() - start)
    operations = 2 * 9 * FEATURES**2 * SIDE**2
    gflops = operations / float(np.median(seconds)) / 1e9
    what = f"3x3, {FEATURES} to {FEATURES} features, {SIDE}x{SIDE} px, float32"
    device = found.device.split(":", 4)[-1].removeprefix("device:")
    line = f"{gflops:.0f} GFLOP/s on {device} (median of {len(seconds)}; {what})"
    return line, {"gflops": gflops, "device": device, "what": what, "repeats": len(seconds)}


def _ready_made():
    """Open each ready-made model, and denoise a frame of noise."""
    import numpy as np

    from .. import N2VStem
    from ..folder import pretrained

    names = pretrained.names()
    if not names:
        raise RuntimeError(f"none in {pretrained.models_directory()}; install the package again")
    seconds = {}
    for name in names:
        start = time.perf_counter()
        model = N2VStem.from_pretrained(name)
        shape = (2, 64, 64, len(model.config.channels))
        frames = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        if not np.isfinite(model.predict(frames, verbose=False)).all():
            raise RuntimeError(f"{name}: makes NaN of noise")
        seconds[name] = round(time.perf_counter() - start, 2)
    return f"{', '.join(names)}: load and denoise", {"seconds": seconds}


def _exports(engine: str):
    """Open the export of each ready-made model that has one, and denoise a frame of noise."""
    import numpy as np

    from ..folder import pretrained
    from ..folder.folder import EXPORT
    from ..prediction.predictor import ExportedModel

    seconds = {}
    for name in pretrained.names():
        folder = pretrained.find(name)
        if not (folder / EXPORT).exists():
            continue
        start = time.perf_counter()
        model = ExportedModel(folder)
        shape = (2, 64, 64, len(model.config.channels))
        frames = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        if not np.isfinite(model.predict(frames, engine=engine, verbose=False)).all():
            raise RuntimeError(f"{name}: its export makes NaN of noise on {engine}")
        seconds[name] = round(time.perf_counter() - start, 2)
    return f"{', '.join(seconds) or 'none'}: open and denoise on {engine}", {"seconds": seconds}


def _devices(engine: str):
    """Time the devices of an engine, each with a ready-made model, and compare it with the CPU."""
    from .. import ExportedModel
    from ..folder import pretrained
    from ..folder.folder import EXPORT
    from ..prediction import engines
    from ..prediction.devices import TRIED

    kind = EXPORT_ENGINES[engine]
    there = kind.available()
    absent = [device for device in kind.DEVICES if device not in there]
    names = [name for name in pretrained.names() if (pretrained.find(name) / EXPORT).exists()]
    if not names:
        return f"{', '.join(there)}: not timed, no ready-made model has an export", {}
    model, said, facts = ExportedModel(pretrained.find(names[0])), [], {"absent": absent}
    for device in there:
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            denoiser = model.denoiser_on(f"{engine}:{device}")
            seconds = sorted(engines.seconds_per_frame(denoiser, TIMED_FRAME))
        complaint = "; ".join(str(one.message) for one in complaints)
        ms = 1e3 * seconds[len(seconds) // 2]
        facts[device] = {"ms_per_frame": ms, "complaint": complaint, "tried": device in TRIED}
        note = "" if device in TRIED else " (never tried by the makers; equal to the CPU's here)"
        said.append(f"{device} FAILED: {complaint}" if complaint else f"{device} {ms:.0f} ms{note}")
    line = f"{', '.join(said)} a frame of {TIMED_FRAME[0]}x{TIMED_FRAME[1]} px ({names[0]})"
    return line + (f"; not here: {', '.join(absent)}" if absent else ""), facts


# group -> check -> (section, whether it is core, function)
GROUPS = {
    name: {
        name: ("Engines", False, engine.describe),
        f"exports on {name}": ("Engines", False, functools.partial(_exports, name)),
        f"{name} devices": ("Engines", False, functools.partial(_devices, name)),
    }
    for name, engine in EXPORT_ENGINES.items()
} | {
    "tensorflow": {
        "tensorflow": ("Engines", True, _tensorflow),
        "GPUs": ("Engines", False, _gpus),
        "convolution": ("Engines", True, _convolution),
        "ready-made": ("Models", True, _ready_made),
    },
}


def main(group: str) -> None:
    """Make the checks of one group, and print what each found."""
    for check, (_, _, function) in GROUPS[group].items():
        try:
            line, facts = function()
            answer = {"line": line, "facts": facts}
        except (Exception, SystemExit) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(f"\n{MARK}{json.dumps([check, answer])}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
