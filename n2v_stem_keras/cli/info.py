"""Show what a model folder or a movie holds, and what the noise of a movie is like."""

import argparse
import json
from pathlib import Path

from ..escaping import escaped
from ..folder.record import read_record
from ..folder.thresholds import read_thresholds
from ..io.read import is_movie_folder
from . import movie_files, options

NEEDS_TENSORFLOW = False
DESCRIPTION = """\
Show what a model folder or a movie holds. Of a movie a few frames are read: how strong and how
correlated is its noise, which blind spot suits it, is it clipped, quantised, resampled? A name that
is no path shows a ready-made model; without an argument, the ready-made models are listed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "path",
        nargs="?",
        metavar="FOLDER|MOVIE",
        help=f"folder of a model, or {options.MOVIE_HELP}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for other programs")
    options.add_file_options(parser)
    options.add_movie_options(parser)


def run(args) -> int:
    """Show."""
    from ..folder import pretrained
    from ..opening import find_folder

    if args.path is None and not (args.detector_files or args.pair):
        names = pretrained.names()
        options.show(
            json.dumps(names) if args.json else "\n".join(names) or "no ready-made models",
            lines=True,
        )
        return 0
    path = Path(args.path or "")
    if args.path and not path.exists():
        path = find_folder(args.path)
    is_model = args.path and path.is_dir() and not is_movie_folder(path)
    facts, diagnosis = (_model_facts(path), None) if is_model else _movie_facts(args)
    if args.json:
        if diagnosis:
            facts["diagnosis"] = diagnosis.as_dict()
        options.show(json.dumps(facts, indent=1), lines=True)
        return 0
    facts = {escaped(key): value for key, value in facts.items()}
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        options.show(f"{key:<{width}}  {_plain(value)}")
    if diagnosis:
        options.show(f"\n{diagnosis}", lines=True)
    return 0


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
    names = [movie["name"] for movie in last.get("movies", [])]
    facts["trained on"] = names if len(names) < 5 else [*names[:3], f"and {len(names) - 3} more"]
    if last.get("early_epochs"):
        facts["blind spots"] += (
            f"; pitch {config.n2v_early_pitch} px in the first {last['early_epochs']} epochs"
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


def _movie_facts(args) -> tuple:
    """Read what the file says of the movie, and diagnose it."""
    from ..noise import diagnose
    from ..normalize import check_float32

    sources = movie_files.movie_sources(args, [args.path] if args.path else [])
    if len(sources) != 1:
        raise options.UsageError(f"{len(sources)} movies named; info shows one at a time")
    movie = movie_files.open_movie(args, *sources[0])
    names = movie.detectors or [f"C{c}" for c in range(movie.n_detectors)]
    check_float32(movie.frame(0, 0), movie.name, 0, names)
    facts = {
        "movie": args.path or movie.name,
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
    for key, value in (movie.provenance or {}).items():
        facts[f"made by: {key}"] = value
    return facts, diagnose(movie)
