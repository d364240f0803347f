"""Kill a training with SIGKILL at random moments; it must resume to the bit every time.

    python benchmarks/kill_resume.py --kills 20

Trains a small model once without interruption. Then trains it again from the start in a process
that is killed at a random moment, over and over until it finishes: after each kill the folder must
be readable, and at the end the weights and the history must equal those of the uninterrupted run
bit by bit. Prints a table and writes benchmarks/results/kill_resume.json.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "kill_resume.json"
CHILD = """
import sys
import numpy as np
from n2v_stem_keras import N2VStem, N2VStemConfig, data
data.MIN_VALIDATION_PIXELS = 5000  # the moment of the kill matters, not the quality
config = N2VStemConfig.preset(
    "laptop", unet_n_depth=2, unet_n_first=8, n2v_patch_shape=(64, 64),
    train_epochs=30, train_steps_per_epoch=5, train_seed=3,
)
movie = np.random.default_rng(0).normal(100, 20, (8, 64, 64, 2)).astype(np.float32)
print("start", flush=True)
N2VStem(config, sys.argv[1], sys.argv[2]).train(movie)
"""


def start(name, basedir):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", CHILD, name, basedir],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )


def state_of(folder: Path):
    """Open the folder as any user would; return what is comparable."""
    from n2v_stem_keras import N2VStem

    model = N2VStem(None, folder.name, folder.parent)
    history = {k: v for k, v in model.record["history"].items() if k != "seconds"}
    return [w.tobytes() for w in model.keras_model.get_weights()], history


def is_finished(folder: Path) -> bool:
    """Say whether the training was over when its process was killed."""
    return (folder / "README.md").exists() and not (folder / "checkpoint").exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    basedir = tempfile.mkdtemp()
    began = time.monotonic()
    whole = start("whole", basedir)
    whole.communicate()
    wall = time.monotonic() - began
    expected = state_of(Path(basedir, "whole"))
    print(f"uninterrupted: {len(expected[1]['epoch'])} epochs in {wall:.0f} s")

    kills, rounds, epochs_at_kill = 0, 0, []
    while kills < args.kills or not rounds:
        rounds += 1
        name = f"killed-{rounds}"
        while True:
            child = start(name, basedir)
            child.stdout.readline()  # the interpreter is up; now any moment may be the last
            try:
                child.wait(rng.uniform(0.2, 0.8 * wall))
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
                kills += 1
                folder = Path(basedir, name)
                done = 0
                if (folder / "config.json").exists():
                    done = len(state_of(folder)[1].get("epoch", []))
                epochs_at_kill.append(done)
                print(f"kill {kills}: folder readable, {done} epochs done", flush=True)
                if not is_finished(folder):
                    continue
            else:
                assert child.returncode == 0, f"training ended with {child.returncode}"
            break
        resumed = state_of(Path(basedir, name))
        assert resumed == expected, f"{name}: not bit-equal to the uninterrupted run"
        assert not Path(basedir, name, "checkpoint").exists()
        print(f"round {rounds}: finished after kills, bit-equal", flush=True)
    result = {
        "kills": kills,
        "rounds_to_the_end": rounds,
        "bit_equal_rounds": rounds,
        "unreadable_folders": 0,
        "epochs_done_at_kill": epochs_at_kill,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
