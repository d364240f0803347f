"""Kill commands with SIGKILL at random moments: trainings resume to the bit, all others go on.

    python benchmarks/kill_resume.py --kills 20
    python benchmarks/kill_resume.py --commands --kills 80

Trains a small model once without interruption. Then trains it again from the start in a process
that is killed at a random moment, over and over until it finishes: after each kill the folder must
be readable, and at the end the weights and the history must equal those of the uninterrupted run
bit by bit. Prints a table and writes benchmarks/results/kill_resume.json.

--commands does so with denoise, atoms, live, export, check, simulate and evaluate, forked from a
process that has imported what is slow to import, so that kills fall into the work. After each kill
what stands under a final name must be whole; then the same command is started again, until it
comes to its end with exit code 0; then nothing temporary may be left, beside the results or among
the system's temporary files. Writes benchmarks/results/kill_commands.md, in which commands that are
not killed now stay as they were.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "kill_resume.json"
TABLE = RESULTS.with_name("kill_commands.md")
# command: its arguments; F is where the movies lie and m a model, o is where it writes
COMMANDS = {
    "denoise": "denoise F/m.ome.tif --model m --out o --skip-existing --residual --deviations",
    "atoms": "atoms F/m.ome.tif --model m --out o --overwrite --height 1",
    "live": "live --watch w --model m --out o --until-idle 1 --engine tensorflow",
    "export": "export m",
    "export SavedModel": "export m --format tf_saved_model --out o/saved",
    "export bioimageio": "export m --format bioimageio --out o/m.zip --author A --license CC-BY-4.0"
    " --overwrite --test-movie F/m.ome.tif",
    "check": "check m --out o --overwrite --frames 2 --psnr 10",
    "simulate": "simulate o --movies 2 --frames 3 --size 96 --psnr 10 --overwrite",
    "evaluate": "evaluate m --truth F/m.ome.tif --psnr 10 --methods gaussian --out o --overwrite",
}
CHILD = """
import sys
import numpy as np
from n2v_stem_keras import N2VStem, N2VStemConfig
from n2v_stem_keras.training import data
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


# -- all other commands ---------------------------------------------------------------------------
def begin(argv, place: Path) -> int:
    """Start a command in a fork of this process; return its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        log = os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(place)
        tempfile.tempdir = str(place / "t")
        from n2v_stem_keras.cli import main as n2v_stem

        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        code = n2v_stem(argv)
    except SystemExit as stop:
        code = stop.code
    finally:
        os._exit(code)


def wait(pid: int, seconds: float) -> int | None:
    """Return the exit code of a process, or kill it after so many seconds and return None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def is_temporary(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.suffix in (".part", ".tmp")


def refuse_half(place: Path) -> None:
    """Raise whatever reading raises, if a file under a final name is not whole."""
    from PIL import Image

    from n2v_stem_keras.io import read_movie

    for root in ("o", "m"):
        for path in (place / root).rglob("*"):
            if is_temporary(path.relative_to(place)) or path.is_dir():
                continue
            if path.name.endswith((".ome.tif", ".hspy")):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    read_movie(path).to_array()
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
            elif path.suffix == ".png":
                with Image.open(path) as image:
                    image.load()
            elif path.suffix == ".zip":
                assert zipfile.ZipFile(path).testzip() is None, path
            elif path.suffix == ".html":
                assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path
    saved = place / "o" / "saved"
    if saved.exists():
        assert (saved / "saved_model.pb").stat().st_size
        assert (saved / "variables" / "variables.index").stat().st_size


def kill_command(name: str, n_kills: int, fixtures: Path, rng) -> dict:
    """Kill one command so often, and let it come to its end in between; return what happened."""
    argv = [word.replace("F/", f"{fixtures}/") for word in COMMANDS[name].split()]
    kills = rounds = 0
    wall = None
    while kills < n_kills or not rounds:
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            place = Path(folder)
            shutil.copytree(fixtures / "models" / "good", place / "m")
            (place / "w").mkdir()
            shutil.copy(fixtures / "m.ome.tif", place / "w")
            (place / "o").mkdir()
            (place / "t").mkdir()
            while True:
                began = time.monotonic()
                # the first round tells how long it takes
                limit = 1000 if wall is None or kills >= n_kills else rng.uniform(0.02, wall)
                code = wait(begin(argv, place), limit)
                refuse_half(place)
                if code is None:
                    kills += 1
                    continue
                if name.endswith("SavedModel") and (place / "o" / "saved").exists():
                    code = 0  # it was written before the kill, and stays
                if name == "check" and code == 5:
                    code = 0  # the model of this test is as bad as any
                assert code == 0, f"{name}: {code}: {(place / 'log').read_text()[-1000:]}"
                break
            wall = wall or time.monotonic() - began
            rounds += 1
            left = [p for p in place.rglob("*") if is_temporary(p.relative_to(place))]
            left += (place / "t").glob("n2v-stem-*")  # TensorFlow leaves some of its own, too
            assert not left, f"{name}: left behind: {left}"
    return {"command": name, "kills": kills, "rounds": rounds, "seconds": round(wall, 1)}


def kill_commands(n_kills: int, only: str, rng) -> None:
    """Kill all commands, so many times together, and write the table."""
    import hostile
    import hostile_cases

    import n2v_stem_keras.cli
    import n2v_stem_keras.interop.bioimageio
    import n2v_stem_keras.model
    import n2v_stem_keras.plot  # noqa: F401

    names = [name for name in COMMANDS if only in name]
    rows = known_rows()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        fixtures = Path(folder)
        os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "XDG_DATA_HOME": str(fixtures / "home")}
        hostile.in_child(lambda: hostile_cases.make_fixtures(fixtures))
        for name in names:
            one = kill_command(name, -(-n_kills // len(names)), fixtures, rng)
            rows[name] = f"| {' | '.join(map(str, one.values()))} |"
            print(rows[name], flush=True)
            write_table([rows[name] for name in COMMANDS if name in rows])


def known_rows() -> dict[str, str]:
    """Return the rows of the table that is there, by their command."""
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else []
    return {line.split(" | ")[0][2:]: line for line in lines if line.startswith("| ")}


def write_table(rows: list[str]) -> None:
    """Write results/kill_commands.md."""
    n_kills = sum(int(row.split(" | ")[1]) for row in rows)
    lines = [
        "# Kills",
        "",
        "Made by `benchmarks/kill_resume.py --commands`. After each SIGKILL all files under final "
        "names were whole, the same command came to its end, and nothing temporary was left.",
        "",
        "| command | kills | came to its end | one run [s] |",
        "|---|---|---|---|",
        *rows,
        "",
        f"{n_kills} kills of {len(rows)} commands.",
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--commands", nargs="?", const="", help="kill those with this in their name"
    )
    args = parser.parse_args()
    rng = random.Random(args.seed)
    if args.commands is not None:
        kill_commands(args.kills, args.commands, rng)
        return
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
