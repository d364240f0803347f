"""What the first release promised, item by item: the command that shows it, what it says now.

    python benchmarks/first_release.py             # minutes
    python benchmarks/first_release.py --quick     # without site, notebooks, archives and napari
    python benchmarks/first_release.py --napari ../venv-napari/bin/python

Types each command in a folder with a small simulated movie and a model of a few steps, and quotes
the line that tells. An item whose line is missing, or whose exit code is another, fails the script;
so the table cannot go stale. "Before" is what was seen when the items were written down. Writes
benchmarks/results/first_release.md, with --quick into --out.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "first_release.md"
MOVIE, MINE = "movie.ome.tif", "models/mine"
TINY = """\
epochs: 1
steps_per_epoch: 2
set: {unet_n_first: 2, unet_lattice: none, unet_context: false, n2v_patch_shape: [64, 64]}
"""
MOST = 300  # letters of a quotation
SLOW_S = 3600


@dataclass
class Item:
    """One promise.

    Attributes
    ----------
    section, what, before : str
        Where it stands, what was promised, what was seen before.
    command : str
        What is typed: a line of a shell, or Python.
    tells : str
        Pattern of the line that tells.
    code : int
        Expected exit code.
    kind : str
        'shell', 'python' (all in one process), or 'slow'.
    """

    section: str
    what: str
    before: str
    command: str
    tells: str
    code: int = 0
    kind: str = "shell"
    said: str = field(default="")
    seconds: float = 0.0


def items():
    """Return all items, in the order in which they are tried."""
    found = []

    def add(section, *rows, kind="shell"):
        for what, before, command, tells, *code in rows:
            found.append(Item(section, what, before, command, tells, *(code or [0]), kind))

    denoise = f"n2v-stem denoise {MOVIE} --model"
    train = f"n2v-stem train {MOVIE} --run tiny.yaml --name"
    add(
        "Trying things",
        ("`info` of a part", "no `--frames`", f"n2v-stem info {MOVIE} --frames 0:2",
         r"^frames +2, those from 0 to 1"),
        ("`train` of a part", "no `--frames`", f"{train} mine --frames 0:3",
         r"^movie: .*frames 0 to 2"),
        ("`denoise` of a part", "no `--frames`", f"{denoise} {MINE} --frames 0:2 --out part",
         r"^Wrote part/movie_denoised.ome.tif: 2 frames"),
        ("`atoms` of a part", "no `--frames`",
         f"n2v-stem atoms {MOVIE} --model {MINE} --frames 0:2 --height 3 --out part",
         r"^Wrote part/movie_atoms.csv: .* in 2 frames"),
        ("one detector of several is trained on; the other is named", "not possible",
         f"{train} adf --detectors ADF", r"^movie: .*without BF"),
        ("and denoised", "not possible",
         f"{denoise} models/adf --detectors ADF --out adf", r"^movie: .*without BF"),
        ("a file for each detector", "not possible",
         f"{denoise} {MINE} --split-detectors --out split",
         r"^Wrote split/movie_ADF_denoised.ome.tif, split/movie_BF_denoised.ome.tif"),
        ("`info` of many", "one file only", f"n2v-stem info {MOVIE} models/adf",
         r"^model +models/adf"),
        ("a file's name near a typo, in under a second", "after TensorFlow had started",
         "n2v-stem denoise movei.ome.tif --model graphene-au", r"did you mean movie.ome.tif", 4),
        ("a model's name near a typo, in under a second", "after TensorFlow had started",
         f"n2v-stem denoise {MOVIE} --model grafene-au", r"did you mean graphene-au", 4),
    )  # fmt: skip
    live = f"{denoise} graphene-au-live"
    add(
        "Wrong things are noticed",
        ("swapped detectors, before hours of training", "nothing",
         f"{train} swapped --detectors BF,ADF --dry-run", r"are the two detectors swapped\?"),
        ("swapped detectors, in denoising", "nothing",
         f"{live} --detectors BF,ADF --out swapped", r"are the two detectors swapped\?"),
        ("a pixel size that is none", "nothing", f"{live} --pixel-size 46nm --out nm",
         r"of atoms 0.001 to 1 nm is expected"),
        ("one that is another than in training", "nothing",
         f"{live} --pixel-size 0.2nm --out big", r"pixel size 0.2 nm, trained for"),
        ("one of which the lattice is none, before hours of training", "nothing",
         "n2v-stem train crystal.ome.tif --run tiny.yaml --dry-run --pixel-size 0.6nm",
         r"of a crystal 0.06 to 2 nm is expected"),
        ("an array without a pixel size", "nothing",
         "n2v-stem denoise movie.npy --axes TYXC --detectors ADF,BF --model graphene-au-live "
         "--out array", r"the pixel size is not known"),
        ("the same, before hours of training", "nothing",
         "n2v-stem train movie.npy --axes TYXC --detectors ADF,BF --run tiny.yaml --dry-run",
         r"^movie: .*pixel size unknown"),
        ("a model on another specimen", '"SNR 0.3 -> 4.6", exit code 0',
         "n2v-stem denoise carbon.ome.tif --model graphene-au-live --out carbon",
         r"^Warning: .*another specimen"),
        ("and why, in the file", "nothing", "n2v-stem info carbon/carbon_denoised.ome.tif",
         r"^made by: warnings .*another specimen"),
        ("`--strict`", "not there",
         "n2v-stem denoise carbon.ome.tif --model graphene-au-live --out strict --strict",
         r"refused, as --strict says", 3),
        ("the right ones", "nothing", f"{live} --out right --strict",
         r"^Wrote right/movie_denoised.png"),
    )  # fmt: skip
    add(
        "Records that stay true",
        ("the same command on a finished model", "trained on, silently",
         f"{train} mine --frames 0:3",
         r"this training is finished \(1 epoch\). Say --continue .* another --name", 3),
        ("a training that goes on", '"1 epochs of 4 steps"',
         f"{train} mine --frames 0:3 --continue", r"^Wrote models/mine"),
        ("is recorded as such", '"1 epochs of 4 steps"', f"n2v-stem info {MINE}",
         r"^trainings +2, each from the weights of the one before"),
        ("in the card", '"1 epochs of 4 steps"',
         f"python -c \"print(open('{MINE}/README.md').read())\"",
         r"Training: 2 runs, 2 epochs together"),
        ("in run.yaml", "the last alone",
         f"python -c \"print(open('{MINE}/run.yaml').read())\"",
         r"^# This training went on from the weights of one with these options"),
        ("a training that is refused", "left a folder",
         f"{train} none --set n2v_patch_shape=31,31", r"n2v_patch_shape: found", 2),
        ("leaves no trace", "left a folder",
         "python -c \"import os; print(*sorted(os.listdir('models')))\"", r"^adf mine$"),
    )  # fmt: skip
    add(
        "Pictures for a paper",
        ("PDF of a part, of a frame", "PNG of the frame's edge",
         f"{denoise} {MINE} --picture-format pdf --crop 10:110,20:120 --frame 2 --out pdf",
         r"^Wrote pdf/movie_denoised.pdf"),
        ("SVG, one column wide", "not there",
         f"{denoise} {MINE} --picture-format svg --picture-width 85 --out svg",
         r"^Wrote svg/movie_denoised.svg"),
        ("`evaluation.png`", "cut",
         f"n2v-stem evaluate {MINE} --simulated movies --methods gaussian --out scores",
         r"^Wrote .*evaluation.png"),
        ("rates in `check` are intervals", '"3.81 per Mpx, allowed 2: pass"',
         f"n2v-stem check {MINE} --frames 2 --out check", r"a rate of .* to .* per Mpx", 5),
        ("dark blots in a hole", "not counted",
         f"n2v-stem check {MINE} --frames 2 --out check --overwrite",
         r"^blots as strong in a hole", 5),
    )  # fmt: skip
    add(
        "CSBDeep and StarDist habits",
        ("`train(X, X_val)` by position", "truth value of an array",
         "model.train(X, X_val, epochs=1, steps_per_epoch=2, verbose=False).history['val_loss']",
         r"^\["),
        ("lists in `predict`", "truth value of an array",
         "[y.shape for y in model.predict([X, X_val], axes='TYXC')]", r"^\[\("),
        ("`optimize_thresholds(X_val, Y_val)`", "truth value of an array",
         "model.optimize_thresholds(X_val, positions)",
         r"'method': 'truth'"),
        ("`export_TF`", "no such method", "model.export_TF().name", r"TF_SavedModel.zip"),
        ("`normalizer=`", "unexpected keyword", "model.predict(X, axes='TYXC', normalizer=1)",
         r"^TypeError: .*leave normalizer out"),
        ("targets", "truth value of an array",
         "model.train(X, X, validation_data=(X_val, X_val))", r"^TypeError: .*write train\("),
        ("one default of basedir", "'.' in Python, 'models' on the command line",
         "str(N2VStem(model.config, 'there').logdir)", r"^'models/there'"),
        ("messages in Python's words", "mixed", "model.predict(X[..., :1], axes='TYXC')",
         r"detectors="),
        ("a model as a table", "an address in memory", "model._repr_html_()", r"<table>"),
        ("a movie as a table", "an address in memory",
         "read_movie('movie.ome.tif')._repr_html_()", r"<table>"),
        ("`plot` gives figures", "None", "plot.before_after(None, [row])",
         r"^<Picture size"),
        kind="python",
    )  # fmt: skip
    add(
        "CSBDeep and StarDist habits",
        ("messages on the command line in its words", "mixed",
         "n2v-stem info movie.npy", r"say --axes"),
        ("exit code of a missing file", "2 or 3", "n2v-stem train missing.tif",
         r"missing.tif: no such file", 4),
    )  # fmt: skip
    add(
        "Documentation",
        ("progress where there is no terminal", "none, or a line a step",
         "n2v-stem train movie.ome.tif --run tiny.yaml --name long --epochs 2",
         r"^epoch 1/2 .*left$"),
        ("nothing red before the first line", "TensorFlow's messages",
         "python -c \"from n2v_stem_keras import N2VStem; print('nothing else')\"",
         r"\A(nothing else)\Z"),
        ("README below 12 288 bytes", "longer",
         "python -c \"import os; print(os.path.getsize('{root}/README.md'), 'bytes')\"",
         r"^1[0-2]\d{3} bytes"),
    )  # fmt: skip
    add(
        "Install",
        ("the time, before", "no time", f"{train} other --dry-run",
         r"^All epochs take about .* on this machine"),
        ("sections", "two lines",
         "python -c \"import re; print(re.findall(r'(?m)^## (.*)', "
         "open('{root}/docs/install.md', encoding='utf-8').read()))\"",
         r"Linux.*Windows.*macOS.*conda.*GPU.*Cluster"),
        ("what is missing, and the pip line", "an ImportError", "n2v-stem doctor",
         r"^The core works"),
    )  # fmt: skip
    add(
        "Libraries instead of own code",
        ("tqdm, scale bars", "own code",
         "python -c \"import importlib.metadata as m; "
         "print([r for r in m.requires('n2v_stem_keras') if 'extra' not in r])\"",
         r"matplotlib-scalebar.*tqdm"),
    )  # fmt: skip
    pytest = "python -m pytest -q -n 0 -m 'slow or not slow' {root}/tests/"
    add(
        "What takes longer",
        ("site built, warnings as errors; no link leads nowhere", "no site",
         pytest + "test_site.py", r"^\d+ passed"),
        ("notebooks executed, pictures inline", "no notebooks",
         pytest + "examples/test_notebooks.py", r"^\d+ passed"),
        ("archives built twice are the same, and whole", "differed",
         pytest + "test_release.py", r"^\d+ passed"),
        ("a package of bioimageio.spec's own making; OME-XML that ome-types reads", "by hand",
         pytest + "interop/test_bioimageio.py", r"^\d+ passed"),
        ("napari: all widgets, reader, writer", "no blind spot, no validation, no transfer",
         pytest + "interop/napari", r"^\d+ passed"),
        kind="slow",
    )  # fmt: skip
    return found


SETUP = """\
import numpy as np
import pandas as pd
from n2v_stem_keras import N2VStem, open_model, plot, read_movie
movie = read_movie('movie.ome.tif')
frames = np.stack([movie.frame(0, t) for t in range(movie.n_frames)])
X, X_val = frames[:2], frames[2:]
model = N2VStem(N2VStem(None, 'mine').config, 'csbdeep')
table = pd.read_csv('movies/movie-00_positions.csv')
positions = [table[table.frame == t + 2][['y', 'x']].to_numpy() for t in range(2)]
row = {'name': 'ADF', 'panels': [('noisy', X[0, ..., 0])]}
"""
PYTHON = """\
import json, os, sys, warnings
warnings.simplefilter('ignore')
exec(sys.argv[1])
out = os.fdopen(os.dup(1), 'w')
for code in json.loads(sys.argv[2]):
    try:
        said = repr(eval(code))
    except Exception as error:
        said = f'{type(error).__name__}: {error}'
    print('@@' + json.dumps(said), file=out, flush=True)
"""


def processor_seconds():
    """Return what processes that ended took of the processor [s]: no other work counts."""
    times = os.times()
    return times.children_user + times.children_system


class Tries:
    """Types the commands of items in a folder.

    Parameters
    ----------
    folder : Path
    napari : str
        Python of the environment that has napari.
    """

    def __init__(self, folder, napari):
        self.folder, self.napari = folder, napari
        self.environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(self, words, python=sys.executable, limit=SLOW_S):
        """Return the exit code, what was printed, and the seconds of the processor."""
        words = [python if w == "python" else w for w in words]
        if words[0] == "n2v-stem":
            words = [python, "-m", "n2v_stem_keras", *words[1:]]
        began = processor_seconds()
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=limit,
        )
        return done.returncode, done.stdout, processor_seconds() - began

    def prepare(self):
        """Make a movie, the same as an array, a specimen of another kind, and the run file."""
        simulate = "n2v-stem simulate --movies 1 --frames 4 --size 160"
        self.must(f"{simulate} movies --psnr 16")
        self.must(f"{simulate} crystals --lattice mos2 --psnr 25")
        for folder, name in (("movies", MOVIE), ("crystals", "crystal.ome.tif")):
            (made,) = (self.folder / folder).glob("*noisy*.ome.tif")
            made.rename(self.folder / name)
        (self.folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
        self.must("python -c " + shlex.quote(
            "import numpy as np; from n2v_stem_keras import Movie, read_movie, write_movie; "
            f"m = read_movie('{MOVIE}'); "
            "f = np.stack([m.frame(0, t) for t in range(4)]); np.save('movie.npy', f); "
            "from scipy.ndimage import gaussian_filter as g; r = np.random.default_rng(0); "
            "s = g(r.normal(size=(160, 160)), 20)[..., None]; "
            "c = f[0].mean() + f.std() * (s / s.std() + 1.5 * r.normal(size=(4, 160, 160, 2))); "
            "write_movie('carbon.ome.tif', Movie.from_array(c.astype('f4'), 'TYXC', "
            "detectors=('ADF', 'BF'), pixel_size_nm=0.046))"
        ))  # fmt: skip

    def must(self, command):
        """Type what all others need."""
        code, said, _ = self.run(shlex.split(command))
        if code:
            raise SystemExit(f"{command}: exit code {code}\n{said}")

    def ask(self, item):
        """Type one; return whether it says what it should."""
        command = item.command.replace("{root}", str(ROOT))
        python = self.napari if "napari" in item.command else sys.executable
        code, said, item.seconds = self.run(shlex.split(command), python)
        return self.judge(item, code, said)

    def ask_python(self, those):
        """Evaluate expressions, all in one process; return which say what they should."""
        codes = json.dumps([item.command for item in those])
        _, said, seconds = self.run(["python", "-c", PYTHON, SETUP, codes])
        found = [json.loads(line[2:]) for line in said.splitlines() if line.startswith("@@")]
        if len(found) != len(those):
            raise SystemExit(f"Python ended after {len(found)} of {len(those)} items\n{said}")
        for item in those:
            item.seconds = seconds / len(those)
        return [self.judge(item, item.code, text) for item, text in zip(those, found)]

    def judge(self, item, code, said):
        """Keep the line that tells; return whether there is one, with the exit code."""
        said = said.replace(str(self.folder) + os.sep, "").replace(str(ROOT) + os.sep, "")
        said = said.replace(str(self.folder), "the folder")
        said = "\n".join(line.rpartition("\r")[2].rstrip() for line in said.splitlines())
        found = re.search(f"(?m){item.tells}", said)
        if found:
            start = said.rfind("\n", 0, found.start() + 1) + 1
            end = said.find("\n", found.end())
            line = said[start:] if end < 0 else said[start:end]
            at = max(0, found.end() - start - MOST // 2) if len(line) > MOST else 0
            item.said = ("... " if at else "") + line[at : at + MOST]
            item.said += " ..." if len(line) > at + MOST else ""
            if "second" in item.what:
                item.said += f" ({item.seconds:.1f} s of the processor)"
        right = bool(found) and code == item.code
        if not right:
            item.said = ""
            print(f"FAILED: {item.command}\nexit code {code}, expected {item.code}\n{said[-3000:]}")
        return right


def cells(item):
    """Return a row of the table."""
    command = item.command.replace("{root}/", "")
    found = (item.what, f"`{command}`", item.before, f"`{item.said}`")
    return [cell.replace("|", "\\|") for cell in found]


def rows_of(path):
    """Return the rows of a table that was written earlier."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] != "item"]


def take_over(those, path):
    """Take what was said in an earlier run over; return the items that are still to be tried."""
    known = {(what, command): now[1:-1] for what, command, _, now in rows_of(path)}
    for item in those:
        what, command, *_ = cells(item)
        item.said = known.get((what, command), "").replace("\\|", "|")
    return [item for item in those if not item.said]


def report(those):
    """Return the table."""
    lines = ["# The first release, item by item", ""]
    lines += ["Made by `benchmarks/first_release.py`, which types each command."]
    section = None
    for item in those:
        if item.section != section:
            section = item.section
            lines += ["", f"## {section}", "", "| item | command | before | now |"]
            lines += ["|---|---|---|---|"]
        lines.append("| " + " | ".join(cells(item)) + " |")
    return "\n".join(lines) + "\n"


def main():
    """Try all, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--napari", default=sys.executable, help="Python that has napari")
    parser.add_argument("--out", type=Path, help="an empty folder to work in")
    parser.add_argument("--only", help="pattern of the items to try")
    parser.add_argument("--again", action="store_true", help="try what failed before in --out")
    args = parser.parse_args()
    folder = (args.out or Path(tempfile.mkdtemp())).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    tries = Tries(folder, args.napari)
    if not (folder / MOVIE).exists():
        tries.prepare()
    those = [i for i in items() if not (args.quick and i.kind == "slow")]
    if args.only:
        those = [i for i in those if re.search(args.only, f"{i.section} {i.what} {i.command}")]
    asked, earlier = those, folder / RESULTS.name
    if args.again and earlier.exists():
        asked = take_over(those, earlier)
    by_kind = {kind: [i for i in asked if i.kind == kind] for kind in ("shell", "python", "slow")}
    wrong = []
    for item in by_kind["shell"] + by_kind["slow"]:
        right = tries.ask(item)
        print(f"{item.seconds:6.1f} s  {item.what}: {item.said}", flush=True)
        wrong += [] if right else [item]
    if by_kind["python"]:
        answers = tries.ask_python(by_kind["python"])
        for item, right in zip(by_kind["python"], answers, strict=True):
            print(f"          {item.what}: {item.said}", flush=True)
            wrong += [] if right else [item]
    whole = not (args.quick or args.only)
    result = RESULTS if whole and not wrong else folder / RESULTS.name
    result.write_text(report(those), encoding="utf-8")
    print(f"Wrote {result}; {len(those)} items, {len(wrong)} failed", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
