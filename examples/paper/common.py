"""What the figure scripts share: scales, movies, trained models, and where results go.

A figure script is run as ``python examples/paper/figure_06.py``; it writes ``figure_06.png`` and
``figure_06.json`` into --out. Models are trained when they are first needed and kept in --models,
so that all scripts together train each of them once; an interrupted training goes on.

Two movie sets, disjoint by their seeds: the *training movies*, whose noisy frames are all that a
model sees, and the *test movies*, which no model has seen. Figures show test movies.
"""

import argparse
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2v_stem_keras import Movie, N2VStem, N2VStemConfig, __version__
from n2v_stem_keras.noise import add_white_noise
from n2v_stem_keras.simulate import reference_movie

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "paper"
DETECTORS = ("ADF", "BF")
PIXEL_NM = 0.046
TRAINING_SEED, TEST_SEED = 0, 100
# the two recipes whose models the figures show: what this package trains, and what the paper did
PACKAGE, PAPER = "N2V, this package", "N2V, paper's recipe"
RECIPES = (PAPER, PACKAGE)
# The paper has one network, and applies it at every level: so the paper's recipe is trained once,
# at the noise that the paper found by eye to match its experiment. At 7/6 dB it learns nothing in
# the time that it has: after 16 of 32 epochs its loss was still that of a blank frame.
PAPER_LEVEL = (16, 16)


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes
    ----------
    name : str
        Printed, and stored with the numbers.
    preset : str
        Name of the configuration's preset.
    side_px, n_frames, n_movies : int
        Frame side [px], frames a movie, training movies.
    n_test : int
        Test movies.
    changes : tuple
        Pairs of configuration fields and values on top of the preset.
    paper_changes : tuple
        The same on top of the preset 'paper': what makes the paper's recipe fit the machine.
    """

    name: str
    preset: str
    side_px: int
    n_frames: int
    n_movies: int
    n_test: int
    changes: tuple = ()
    paper_changes: tuple = ()

    def config(self, recipe, **changes):
        """Return the configuration of a recipe, `PACKAGE` or `PAPER`, with further changes."""
        preset, own = {
            PACKAGE: (self.preset, self.changes),
            PAPER: ("paper", self.paper_changes),
        }[recipe]
        return N2VStemConfig.preset(preset, **{**dict(own), **changes})


SCALES = {
    "laptop": Scale(
        "laptop", "laptop", 256, 12, 8, 4,
        paper_changes=(
            # 22 600 updates of a network of 64 features take a GPU an hour and a half: here 1504 of
            # one of 8, at a rate with which these converge (the paper: 1e-5), of one whole frame
            # (the paper: 12), on all frames (the paper: every other one)
            ("unet_n_first", 8), ("n2v_patch_shape", (256, 256)), ("train_batch_size", 1),
            ("train_steps_per_epoch", 47), ("train_learning_rate", 5e-4), ("train_frame_step", 1),
        ),
    ),
    # 8475 frames of 512x512 px and 32 epochs need a GPU; the paper names an hour and a half
    "paper": Scale("paper", "paper", 512, 100, 170, 4),
    "tiny": Scale(
        "tiny", "laptop", 64, 3, 3, 1,
        (("train_epochs", 1), ("train_steps_per_epoch", 4), ("unet_n_first", 4),
         ("unet_lattice", "windows"), ("unet_lattice_window", 16), ("n2v_patch_shape", (48, 48))),
        (("train_epochs", 1), ("train_steps_per_epoch", 4), ("unet_n_first", 2),
         ("n2v_patch_shape", (48, 48)), ("train_batch_size", 2)),
    ),
}  # fmt: skip

SCALE_FLAGS = {"paper": "--paper-scale", "tiny": "--tiny"}


def arguments(description, **extra):
    """Parse a script's options.

    Parameters
    ----------
    description : str
        The script's docstring; its first line is shown.
    **extra
        Further options: name -> keyword arguments of ``add_argument``.

    Returns
    -------
    argparse.Namespace
        With ``scale`` (a `Scale`), ``flags`` (what was switched on), ``out``, ``models`` and
        ``seed``.
    """
    parser = argparse.ArgumentParser(description=description.strip().splitlines()[0])
    parser.add_argument(
        "--paper-scale",
        action="store_const",
        dest="scale",
        const="paper",
        help="512x512 px, 170 movies of 100 frames and the paper's settings (needs a GPU)",
    )
    parser.add_argument("--tiny", action="store_const", dest="scale", const="tiny", help="a test")
    parser.add_argument(
        "--out", type=Path, help=f"default: {RESULTS}, and in it seed1 and so on of other seeds"
    )
    parser.add_argument(
        "--models", type=Path, default=Path("paper-models"), help="default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the training; default: 0")
    for name, options in extra.items():
        parser.add_argument("--" + name.replace("_", "-"), **options)
    args = parser.parse_args()
    args.out = args.out or results_of(args.seed)
    args.flags = [] if args.scale is None else [SCALE_FLAGS[args.scale]]
    args.flags += ["--" + name.replace("_", "-") for name in extra if getattr(args, name) is True]
    args.flags += [f"--seed {args.seed}"] if args.seed else []
    args.scale = SCALES[args.scale or "laptop"]
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def results_of(seed, results=RESULTS):
    """Folder of the numbers of models trained at a seed: a folder of its own beside the first."""
    return results / f"seed{seed}" if seed else results


def clean_movies(scale, which, **kwargs):
    """Simulate the clean movies of a set, as a list of `SimulatedMovie`.

    Parameters
    ----------
    scale : Scale
        Sizes.
    which : {"training", "test"}
        The set.
    **kwargs
        Arguments of `reference_movie`.
    """
    first, number = {
        "training": (TRAINING_SEED, scale.n_movies),
        "test": (TEST_SEED, scale.n_test),
    }[which]
    shape = (scale.side_px, scale.side_px)
    return [
        reference_movie(first + i, shape=shape, n_frames=scale.n_frames, **kwargs)
        for i in range(number)
    ]


def noisy_frames(movies, psnr_db, which="test"):
    """White noise on each movie, (S, T, Y, X, C); no two sets or movies share noise."""
    key = {"training": 1, "test": 2}[which]
    return np.stack(
        [add_white_noise(m.clean, psnr_db, seed=[key, i]) for i, m in enumerate(movies)]
    )


def as_movie(frames, name="simulated"):
    """Wrap (S, T, Y, X, C) frames with detectors and pixel size."""
    return Movie.from_array(frames, "STYXC", detectors=DETECTORS, pixel_size_nm=PIXEL_NM, name=name)


def trained(args, name, make_frames, recipe=PACKAGE, **changes):
    """Open a model of this scale and seed, trained; train it first where it is not.

    Parameters
    ----------
    args : argparse.Namespace
        What `arguments` returned.
    name : str
        What it was trained on, e.g. ``"16-16dB"``.
    make_frames : callable
        Returns its noisy training frames (S, T, Y, X, C); called only if there is training to do.
    recipe : str
        `PACKAGE` or `PAPER`.
    **changes
        Fields of the configuration that differ from the recipe's; `name` says so.

    Returns
    -------
    N2VStem
    """
    kind = "paper-recipe-" if recipe == PAPER else ""
    folder = f"{args.scale.name}-{kind}{name}-seed{args.seed}"
    model = N2VStem(args.scale.config(recipe, train_seed=args.seed, **changes), folder, args.models)
    if not is_trained(args.models / folder):
        print(f"Training {folder} ...", flush=True)
        model.train(as_movie(make_frames(), folder))
        model = N2VStem(None, folder, args.models)
    return model


def is_trained(folder):
    """Whether a model folder holds a finished training."""
    record = folder / "training.json"
    runs = json.loads(record.read_text(encoding="utf-8"))["runs"] if record.exists() else []
    return bool(runs and runs[-1]["finished"])


def trained_at(args, psnr_db, recipe=PACKAGE):
    """Open a model trained on the training movies at a PSNR, a pair (ADF, BF) [dB].

    That of the paper's recipe is always the one trained at `PAPER_LEVEL`.
    """
    psnr_db = PAPER_LEVEL if recipe == PAPER else psnr_db

    def frames():
        return noisy_frames(clean_movies(args.scale, "training"), psnr_db, "training")

    return trained(args, level_name(psnr_db), frames, recipe)


def both_at(args, psnr_db):
    """Open the models of both recipes of a level, label -> model."""
    return {recipe: trained_at(args, psnr_db, recipe) for recipe in RECIPES}


def level_name(psnr_db):
    """Name of a noise level, e.g. 7-6dB."""
    return "-".join(f"{value:g}" for value in psnr_db) + "dB"


def write_numbers(args, name, numbers):
    """Write a figure's numbers as JSON, with the scale they were made at.

    Parameters
    ----------
    args : argparse.Namespace
        What `arguments` returned.
    name : str
        Stem of the file.
    numbers : dict
        JSON-able, numpy numbers allowed.
    """
    record = {
        "figure": name,
        "scale": args.scale.name,
        "command": " ".join([f"python examples/paper/{name}.py", *args.flags]),
        "seed": args.seed,
        "version": __version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, no GPU used",
        **numbers,
    }
    path = write_text(args, f"{name}.json", json.dumps(_rounded(record)))
    print(f"{path} ({args.scale.name} scale)")


def write_text(args, name, text):
    """Write a text file into --out, whole or not at all; return its path."""
    path = args.out / name
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text.rstrip() + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path


def _rounded(value):
    """JSON-able copy with floats to six digits; NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(key): _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_rounded(entry) for entry in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
