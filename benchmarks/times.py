"""How long training and denoising take on this machine, by the size of the frames.

    python benchmarks/times.py --cores 2        # on an idle machine

For frames of 256, 512 and 1024 px, two detectors: seconds a training step of the laptop preset, and
seconds a frame of denoising on each engine that is there, each the median of --repeats. A training
is the preset's number of steps, whatever the number of frames; a movie of N frames takes N times
one. Needs no data. Writes benchmarks/results/times.md. Each size has a process of its own.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results" / "times.md"
SIDES, FRAMES = (256, 512, 1024), (10, 100)
MODEL, PRESET, PIXEL_NM = "graphene-au", "laptop", 0.046


def frames_of(n_frames, side):
    """Return noisy frames, (T, Y, X, 2), whose contents do not matter."""
    import numpy as np

    y, x = np.mgrid[:side, :side] * PIXEL_NM
    lattice = np.cos(2 * np.pi * 4.7 * x) + np.cos(2 * np.pi * 4.7 * (x / 2 + 0.866 * y))
    noise = np.random.default_rng(0).normal(0, 4, (n_frames, side, side, 2))
    return (100 + lattice[..., None] * [1, -1] + noise).astype(np.float32)


def seconds_a_step(side, n_steps):
    """Return the median time of a training step [s], without the first ones."""
    import keras

    from n2v_stem_keras import N2VStem, N2VStemConfig

    class Clock(keras.callbacks.Callback):
        """Times of batches."""

        def __init__(self):
            super().__init__()
            self.times = []

        def on_train_batch_begin(self, batch, logs=None):
            self.began = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter() - self.began)

    config = N2VStemConfig.preset(PRESET, pixel_size_nm=PIXEL_NM, n_frames=12)
    clock = Clock()
    model = N2VStem(config, basedir=None)
    model.callbacks.append(clock)
    known = {"detectors": config.channels, "pixel_size_nm": PIXEL_NM, "verbose": False}
    model.train(frames_of(12, side), epochs=1, steps_per_epoch=n_steps + 3, **known)
    steps = config.train_epochs * config.train_steps_per_epoch
    return statistics.median(clock.times[3:]), steps


def seconds_a_frame(side, engine, repeats):
    """Return the median time of denoising a frame [s], from array to array."""
    from n2v_stem_keras import open_model

    model = open_model(MODEL, engine="tensorflow")  # which converts it for the others
    known = {"axes": "TYXC", "detectors": ("ADF", "BF"), "pixel_size_nm": PIXEL_NM}
    known |= {"engine": engine, "verbose": False}
    movie, times = frames_of(3, side), []
    model.predict(movie[:1], **known)
    for _ in range(repeats):
        began = time.perf_counter()
        model.predict(movie, **known)
        times.append((time.perf_counter() - began) / len(movie))
    return statistics.median(times)


def measure(side, n_steps, repeats):
    """Measure one size in this process."""
    import warnings

    from n2v_stem_keras.prediction import engines

    warnings.simplefilter("ignore")
    step, steps = seconds_a_step(side, n_steps)
    names = ("tensorflow", *engines.installed())
    frame = {name: seconds_a_frame(side, name, repeats) for name in names}
    return {"side": side, "step_s": step, "steps": steps, "frame_s": frame}


def limited(cores):
    """Return an environment in which a program has so many cores."""
    number = str(cores)
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return {**os.environ, **dict.fromkeys(names, number), "TF_NUM_INTEROP_THREADS": "1"}


def run(side, cores, n_steps, repeats):
    """Measure one size in a process that has so many cores."""
    words = [sys.executable, __file__, "--child", str(side), "--steps", str(n_steps)]
    words += ["--repeats", str(repeats)]
    done = subprocess.run(words, env=limited(cores), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def human(seconds):
    """Return a duration for people.

    >>> human(0.25), human(42), human(500), human(8000)
    ('0.25 s', '42 s', '8 min', '2.2 h')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table(found, cores):
    """Return the table as Markdown."""
    names = list(found[0]["frame_s"])
    head = ["frames", "a training step", "a training", "a frame (TensorFlow)"]
    head += [f"a frame ({name})" for name in names[1:]]
    head += [f"movie of {n} frames" for n in FRAMES]
    rows = []
    for one in found:
        frames = [one["frame_s"][name] for name in names]
        row = [f"{one['side']}x{one['side']} px", human(one["step_s"])]
        row += [human(one["step_s"] * one["steps"]), *map(human, frames)]
        rows.append(row + [human(min(frames) * n) for n in FRAMES])
    lines = ["|".join(["", *cells, ""]) for cells in (head, ["---"] * len(head), *rows)]
    about = (
        f"Two detectors, {cores} cores ({platform.machine()}). The preset `{PRESET}` trains "
        f"{found[0]['steps']} steps on crops of the frames, however many frames there are. A movie "
        f"is denoised by `{MODEL}`, on the quickest engine. Made by `benchmarks/times.py`."
    )
    return "\n".join([*lines, "", about, ""])


def main():
    """Measure all sizes and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--sides", default=",".join(map(str, SIDES)), metavar="A,B")
    parser.add_argument("--steps", type=int, default=20, help="training steps that are timed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child, args.steps, args.repeats)))
        return
    sides = [int(side) for side in args.sides.split(",")]
    found = [run(side, args.cores, args.steps, args.repeats) for side in sides]
    args.out.write_text(table(found, args.cores), encoding="utf-8")
    print(f"Wrote {args.out}")


if __name__ == "__main__":
    main()
