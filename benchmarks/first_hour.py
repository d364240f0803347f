"""The first hour of a microscopist: what is typed, what is printed, and how long each step takes.

    python benchmarks/first_hour.py --out hour                  # installs into a new environment
    python benchmarks/first_hour.py --out hour --python venv/bin/python    # with one that is there

In an empty folder: install, a movie (simulated, or your own with --movie), `info`, `denoise` with a
ready-made model, `train --frames`, `denoise`, `atoms`, then HyperSpy and tifffile. Says how long
each step took, and how much of that the processor. Needs the extras `track` and `hyperspy`.
Pictures stay in --out, to be looked at. Writes benchmarks/results/first_hour.md; with --tiny it
trains for seconds and writes into --out.
"""

import argparse
import os
import platform
import re
import shlex
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "first_hour.md"
MODEL, MINE, LINES = "graphene-au", "mine", 30
ROOT_SHOWN = "n2v_stem_keras"  # where the package lies, in the transcript
HYPERSPY = """\
import hyperspy.api as hs

for name in ("denoised/movie_denoised.ome.tif", "hyperspy/movie_denoised.hspy"):
    known = {"force_read_resolution": True} if name.endswith(".tif") else {}
    signal = hs.load(name, **known)
    print(signal)
    for axis in signal.axes_manager.signal_axes:
        print(axis.name, axis.size, f"{axis.scale:.4g}", axis.units)
"""
TIFFFILE = """\
import tifffile

with tifffile.TiffFile("denoised/movie_denoised.ome.tif") as tif:
    series = tif.series[0]
    print(series.axes, series.shape, series.dtype, "OME" if tif.is_ome else "no OME")
    frames = series.asarray()
print(frames.mean(), frames.std())
"""


def children_seconds():
    """Return what processes that ended took of the processor [s]."""
    times = os.times()
    return times.children_user + times.children_system


class Hour:
    """Runs what a person would type in a folder, and keeps what was printed.

    Parameters
    ----------
    folder : Path
        Where it is typed.
    python : Path
        Of the environment.
    """

    def __init__(self, folder, python):
        self.folder, self.python, self.steps, self.loads = folder, python, [], []

    def __call__(self, title, command):
        """Run a command line; one that fails ends the hour."""
        words = shlex.split(command)
        program = [str(self.python)]
        if words[0] == "n2v-stem":
            words = ["-m", "n2v_stem_keras", *words[1:]]
        elif words[0] == "python":
            words = words[1:]
        else:
            raise ValueError(f"{command}: expected n2v-stem or python")
        self._run(title, command, [*program, *words])

    def code(self, title, code):
        """Run lines of Python."""
        self._run(title, code, [str(self.python), "-c", code], "python")

    def _run(self, title, shown, words, language=""):
        print(f"== {title}", flush=True)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        began, cpu = time.monotonic(), children_seconds()
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds, cpu = time.monotonic() - began, children_seconds() - cpu
        if hasattr(os, "getloadavg"):
            self.loads.append(os.getloadavg()[0])
        print(done.stdout, f"-- {seconds:.1f} s, exit code {done.returncode}", flush=True)
        self.steps.append((title, shown, language, done.stdout, seconds, cpu))
        if done.returncode:
            raise SystemExit(f"{title}: exit code {done.returncode}")

    def report(self):
        """Return the transcript as Markdown."""
        total = sum(step[4] for step in self.steps)
        where = f"{platform.system()}, Python {platform.python_version()}, {os.cpu_count()} cores"
        lines = ["# The first hour", "", f"Made by `benchmarks/first_hour.py` on {where}."]
        if self.loads:
            load, n_cores = sum(self.loads) / len(self.loads), os.cpu_count()
            lines.append(f"The machine's load was {load:.1f} on {n_cores} cores on average.")
            if load > n_cores + 1:
                lines.append("Other work ran beside it: compare the seconds of the processor.")
        lines += ["", "| step | time | of the processor |", "|---|---|---|"]
        lines += [f"| {step[0]} | {step[4]:.0f} s | {step[5]:.0f} s |" for step in self.steps]
        lines += [f"| all | {total:.0f} s | {sum(step[5] for step in self.steps):.0f} s |"]
        for title, shown, language, printed, *_ in self.steps:
            shown = shown.rstrip("\n").replace(str(ROOT), ROOT_SHOWN)
            lines += ["", f"## {title}", "", f"```{language}", shown, "```", ""]
            text = self.plain(printed)
            if text:
                lines += ["```text", *text, "```"]
        return "\n".join(lines) + "\n"

    def plain(self, printed):
        """Return the lines that stay on a terminal, without the folder's own path."""
        text = printed.replace(str(self.folder) + os.sep, "").replace(str(ROOT), ROOT_SHOWN)
        text = text.replace(str(self.folder), "the folder")
        lines = [re.split("\r", line)[-1].rstrip() for line in text.splitlines()]
        lines = [line for line in lines if line or len(lines) < LINES]
        if len(lines) > LINES:
            half = LINES // 2
            lines = [*lines[:half], f"... ({len(lines) - LINES} lines)", *lines[-half:]]
        return lines


def new_environment(folder):
    """Make an environment with pip; return its Python."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def main():
    """Type it all, and write the transcript."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="an empty or new folder")
    parser.add_argument("--python", type=Path, help="of an environment that is there")
    parser.add_argument("--movie", type=Path, help="a movie of yours (default: a simulated one)")
    parser.add_argument("--tiny", action="store_true", help="seconds of training")
    parser.add_argument("--epochs", type=int, help="of the training (default: the preset's)")
    args = parser.parse_args()
    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"{folder}: expected an empty folder")
    python = args.python.absolute() if args.python else None
    hour = Hour(folder, python or new_environment(folder / ".venv"))
    if python is None:
        # what pip says of its own settings is no matter of ours
        hour("Install", f"python -m pip install -qq '{ROOT}[track,hyperspy]'")
    walk(hour, args.movie and args.movie.resolve(), args.tiny, args.epochs)
    result = folder / "first_hour.md" if args.tiny else RESULTS
    result.write_text(hour.report(), encoding="utf-8")
    print(f"Wrote {result}", file=sys.stderr)


def walk(hour, movie, tiny, epochs=None):
    """Go through the steps, from a movie to its atoms."""
    hour("Which models are there?", "n2v-stem info")
    name = str(movie) if movie else "movie.ome.tif"
    if movie is None:
        n_frames, side = (4, 96) if tiny else (12, 256)
        command = f"n2v-stem simulate movies --movies 1 --frames {n_frames} --size {side}"
        hour("A movie", f"{command} --psnr 10")
        (made,) = (hour.folder / "movies").glob("*noisy*.ome.tif")
        made.rename(hour.folder / name)
    hour("What is its noise like?", f"n2v-stem info {name}")
    first = f"n2v-stem denoise {name} --model {MODEL} --frames 0:3 --out first"
    hour("A first impression", first)
    train = f"n2v-stem train {name} --name {MINE} --frames 0:{2 if tiny else 8}"
    if tiny:
        train += " --epochs 1 --steps-per-epoch 2 --set unet_n_first=2"
    elif epochs:
        train += f" --epochs {epochs}"
    hour("How long would a model of my own take?", f"{train} --dry-run")
    hour("A model of my own", train)
    hour("Denoise", f"n2v-stem denoise {name} --model models/{MINE} --out denoised")
    again = f"n2v-stem denoise {name} --model models/{MINE} --format hspy --no-picture"
    hour("Denoise, for HyperSpy", f"{again} --out hyperspy")
    atoms = f"n2v-stem atoms {name} --model models/{MINE} --track --out atoms"
    hour("Atoms and tracks", f"{atoms} {'--height 2' if tiny else '--calibrate'}")
    hour.code("In HyperSpy", HYPERSPY)
    hour.code("Read back with tifffile", TIFFFILE)


if __name__ == "__main__":
    main()
