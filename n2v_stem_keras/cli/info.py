"""Show what a model folder or a movie holds, and what the noise of a movie is like."""

import argparse
import glob
import json
from pathlib import Path

from ..counting import counted
from ..escaping import escaped
from ..folder.folder import CONFIG
from ..folder.record import movies_of, read_record, trainings
from ..folder.thresholds import read_thresholds
from ..io.files import split_inside
from ..io.read import is_movie_folder, knows_suffix
from . import movie_files, options
from .wording import in_options

DESCRIPTION = """\
Show what model folders and movies hold. Of a movie a few frames are read: how strong and how
correlated is its noise, which blind spot suits it, is it clipped, quantised, resampled? A name that
is no path shows a ready-made model; without an argument, the ready-made models are listed. A folder
without a model stands for all movies in it and below. Of several movies each is shown; --json then
prints a list. One that cannot be read does not stop the others.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "movies",
        nargs="*",
        metavar="FOLDER|MOVIE",
        help=f"folder of a model, or {options.MOVIE_HELP}; a folder of movies, or a pattern",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for other programs")
    options.add_file_options(parser)
    options.add_part_option(parser)
    options.add_movie_options(parser)


def run(args) -> int:
    """Show each; one that cannot be read does not stop the others."""
    from ..folder import pretrained

    if not (args.movies or args.detector_files or args.pair):
        names = pretrained.names()
        options.show(json.dumps(names) if args.json else _ready_made(names), lines=True)
        return 0
    meant, shown, worst = _meant(args), [], 0
    for number, (stem, source) in enumerate(meant):
        try:
            facts, diagnosis = _facts(args, stem, source)
        except options.user_errors() as error:
            if len(meant) == 1:
                raise
            options.complain(f"n2v-stem: {in_options(error)}")
            worst = max(worst, options.exit_code(error))
            continue
        if args.json:
            shown.append(facts | ({"diagnosis": diagnosis.as_dict()} if diagnosis else {}))
        else:
            if number:
                options.show("")
            _show(facts, diagnosis)
    if args.json:
        text = json.dumps(shown[0] if len(meant) == 1 else shown, indent=1)
        options.show(text, lines=True)
    return worst


def _ready_made(names) -> str:
    """Return what each ready-made model is for, and how it is used."""
    from ..folder import pretrained

    if not names:
        return "no ready-made models"
    lines = [f"{name}: {escaped(pretrained.summary(pretrained.find(name)))}" for name in names]
    return "\n".join(
        [
            *lines,
            f"More of one: n2v-stem info {names[0]}",
            f"Use one: n2v-stem denoise MOVIE --model {names[0]}",
        ]
    )


def _meant(args) -> list[tuple]:
    """Return what shall be shown: (None, name of a model), or what `find_movies` finds."""
    models = [name for name in args.movies if _is_model(name)]
    movies = [name for name in args.movies if name not in models]
    found = [(None, name) for name in models]
    if movies or args.pair or args.detector_files:
        said = argparse.Namespace(**{**vars(args), "movies": movies})
        found += movie_files.find_movies(said)
    return found


def _is_model(name: str) -> bool:
    """Return whether a name means a model: not a file, nor a folder of movies."""
    path, _ = split_inside(name)
    if path.is_dir() and not is_movie_folder(path):
        return (path / CONFIG).exists() or not any(movie_files.movies_below(path))
    return not (path.exists() or glob.has_magic(name) or knows_suffix(path))


def _facts(args, stem, source) -> tuple:
    """Return what there is to say of one, and the diagnosis of a movie."""
    if stem is None:
        from ..opening import find_folder

        return _model_facts(find_folder(source)), None
    return _movie_facts(movie_files.open_movie(args, Path(stem).name, source), source)


def _show(facts, diagnosis) -> None:
    """Lay one out for a terminal."""
    facts = {escaped(key): value for key, value in facts.items()}
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        options.show(f"{key:<{width}}  {_plain(value)}")
    if diagnosis:
        options.show(f"\n{in_options(diagnosis)}", lines=True)


def _plain(value) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.5g}"
    return "unknown" if value is None else str(value)


def _model_facts(folder: Path) -> dict:
    """Read a model folder without building its network."""
    from ..folder import folder as model_folder

    config = model_folder.read_config(folder)
    record = read_record(folder)
    thresholds = read_thresholds(folder, config.channels)
    facts = {
        "model": str(folder),
        "detectors": list(config.channels),
        "network": f"depth {config.unet_n_depth}, {config.unet_n_first} features",
        "blind spots": f"pitch {config.n2v_pitch} px, jitter {config.n2v_jitter} px, span "
        f"{config.span[0]}x{config.span[1]} px (y, x)",
    }
    facts["preparation of frames"] = config.preparation.describe()
    facts["frames around"] = "looked at" if config.unet_context else "not looked at"
    epochs = record["history"].get("epoch", [])
    if not record["runs"]:
        return {**facts, "state": "never trained"}
    last = record["runs"][-1]
    facts["state"] = "trained" if last["finished"] else "training not finished"
    facts["epochs"] = len(epochs)
    runs = trainings(record)
    if len(runs) > 1:
        facts["trainings"] = f"{len(runs)}, each from the weights of the one before"
    names = [movie["name"] for movie in movies_of(runs)]
    facts["trained on"] = names if len(names) < 5 else [*names[:3], f"and {len(names) - 3} more"]
    if last.get("early_epochs"):
        facts["blind spots"] += (
            f"; pitch {config.n2v_early_pitch} px in the first "
            f"{counted(last['early_epochs'], 'epoch')}"
        )
    facts["seed"] = last.get("seed")
    losses = [v for v in record["history"].get("val_loss", []) if v is not None]
    if losses:
        facts["best validation loss"] = min(losses)
        facts["noise floor"] = last.get("noise_floor")
    for detector, parts in thresholds.items():
        for part, numbers in parts.items():
            for key, value in numbers.items():
                facts[f"{detector} {part} {key}"] = value
    return facts


def _movie_facts(movie, source) -> tuple:
    """Return what the file says of the movie, and its diagnosis."""
    from ..noise import diagnose
    from ..normalize import check_float32

    names = movie.detectors or [f"C{c}" for c in range(movie.n_detectors)]
    check_float32(movie.frame(0, 0), movie.name, 0, names)
    facts = {
        "movie": movie.name if isinstance(source, dict) else str(source),
        "axes": movie.axes + (" (guessed)" if movie.axes_guessed else ""),
        "shape": list(movie.shape),
        "type": str(movie.dtype),
        "detectors": list(movie.detectors) if movie.detectors else None,
        "pixel size [nm]": movie.pixel_size_nm,
        "frame time [s]": movie.frame_time_s,
        "voltage [kV]": movie.voltage_kV,
        "separate movies": movie.n_series,
        "frames": movie.n_frames,
    }
    if movie.left_out:
        facts["left out"] = list(movie.left_out)
    if movie.frames_taken:
        first, last = movie.frames_taken[0], movie.frames_taken[-1]
        facts["frames"] = f"{len(movie.frames_taken)}, those from {first} to {last}"
    for key, value in (movie.provenance or {}).items():
        facts[f"made by: {key}"] = value
    return facts, diagnose(movie)
