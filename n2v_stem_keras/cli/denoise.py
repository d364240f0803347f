"""Denoise movies with a trained model."""

import argparse
import glob
import os
import sys
from pathlib import Path

from ..engines import ENGINES
from . import options

NEEDS_TENSORFLOW = False  # unless it is the engine
DESCRIPTION = """\
Denoise movies with a trained model. Writes <stem>_denoised.ome.tif (float32, the movie's axes,
units and pixel size) and <stem>_denoised.png, a picture of one frame before and after.

A folder stands for all movies in it and below, and keeps its structure in --out. A file that cannot
be used does not stop the others; it is named at the end, and the exit code is not 0. With --resume
the same command goes on where it was stopped.

examples:
  n2v-stem denoise movie.tif --model models/au-graphene --out denoised
  n2v-stem denoise archive --model models/au-graphene --out denoised --resume --no-picture
"""

PRODUCTS = ("_denoised", "_residual")  # not taken for movies when a folder is searched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "movies",
        nargs="*",
        metavar="MOVIE",
        help="TIFF (plain, ImageJ, OME) or npy file, a folder of them, or a pattern ('*.tif')",
    )
    parser.add_argument(
        "--model", metavar="FOLDER", help="model folder, or the name of a ready-made model"
    )
    parser.add_argument("--out", default=".", metavar="DIR", help="where to write (default: here)")
    parser.add_argument(
        "--residual", action="store_true", help="also write input minus output, <stem>_residual"
    )
    parser.add_argument(
        "--format",
        choices=("ome.tif", "npy"),
        default="ome.tif",
        help="npy keeps no pixel size (default: %(default)s)",
    )
    parser.add_argument("--no-picture", action="store_true", help="do not write the picture")
    parser.add_argument(
        "--tta", action="store_true", help="average over flips: a little better, 4 times slower"
    )
    parser.add_argument(
        "--n-tiles", metavar="Y,X", help="cut frames into tiles to save memory; default by size"
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="tensorflow",
        help="what runs the network: openvino and onnx need the extra of that name and a model "
        "exported with 'n2v-stem export'; auto takes one of them if it can (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, help="threads of the engine; default all cores")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace existing output")
    existing.add_argument(
        "--resume", action="store_true", help="leave out movies that this model has denoised"
    )
    options.add_movie_options(parser)
    options.add_run_options(parser)


def run(args) -> int:
    """Denoise each movie; one that cannot be used does not stop the others."""
    from .denoise_job import DenoiseJob

    if not args.model:
        raise options.UsageError("--model FOLDER is missing: which model shall denoise?")
    movies = find_movies(args.movies)
    _refuse_twins(args, movies)
    model = None if args.dry_run else open_for(args)
    failed, n_skipped = {}, 0
    try:
        for path, below in movies:
            try:
                job = DenoiseJob(args, path, below / movie_stem(path))
                if args.dry_run:
                    print(f"Would write {job.output} from {options.describe_movie(job.movie)}")
                elif job.is_done(model):
                    n_skipped += 1
                else:
                    job.run(model)
            except Exception as error:  # whatever is wrong with one file, the others can be used
                if len(movies) == 1:
                    raise
                print(f"n2v-stem: {_sentence(path, error)}", file=sys.stderr)
                failed[path] = error
    except KeyboardInterrupt:
        if len(movies) > 1:
            print("\nStopped. The same command with --resume goes on.", file=sys.stderr)
        raise
    return _report(args, len(movies), n_skipped, failed)


def find_movies(names) -> list[tuple[Path, Path]]:
    """Find the movies that are meant by files, folders and patterns.

    Returns
    -------
    list of (path, Path)
        Each movie, and the folder below --out that its results go to.
    """
    from ..io.read import SUFFIXES

    if not names:
        raise options.UsageError("no movie given; name one or more TIFF or npy files, or a folder")
    found = []
    for name in names:
        if Path(name).is_dir():
            inside = sorted(p for p in Path(name).rglob("*") if p.suffix.lower() in SUFFIXES)
            inside = [p for p in inside if p.is_file() and not p.name.startswith(".")]
            inside = [p for p in inside if not movie_stem(p).endswith(PRODUCTS)]
            matches = [(path, path.parent.relative_to(name)) for path in inside]
        elif not Path(name).exists() and glob.has_magic(name):
            matches = [(Path(p), Path()) for p in sorted(glob.glob(name, recursive=True))]
        else:
            matches = [(name, Path())]
        if not matches:
            raise options.UsageError(f"{name}: no TIFF or npy files there")
        found += matches
    return found


def _refuse_twins(args, movies):
    places = [below / movie_stem(path) for path, below in movies]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise options.UsageError(
            f"two movies would both be written to {twice[0]}_denoised.{args.format}; "
            "denoise them into different folders"
        )


def _sentence(path, error):
    """Say what is wrong with a file; errors that are not the user's keep their kind."""
    text = str(error) if str(path) in str(error) else f"{path}: {error}"
    known = isinstance(error, options.user_errors())
    return text if known else f"{text} ({type(error).__name__}; please report it)"


def _report(args, n_movies, n_skipped, failed) -> int:
    """Say at the end of many movies how they fared; return the worst exit code."""
    if n_movies > 1 and not args.dry_run:
        there = f", {n_skipped} were there already" if n_skipped else ""
        done = n_movies - n_skipped - len(failed)
        options.say(args, f"{n_movies} movies: {done} denoised{there}, {len(failed)} failed.")
    if failed:
        print(f"n2v-stem: could not be denoised: {', '.join(map(str, failed))}", file=sys.stderr)
    known = options.user_errors()
    codes = [options.exit_code(e) if isinstance(e, known) else 1 for e in failed.values()]
    return max(codes, default=0)


def open_for(args):
    """Open the model for the engine that was asked for, without TensorFlow where it can be."""
    from .. import engines, exported

    try:
        engines.check(args.engine, args.threads)
    except ValueError as error:
        raise options.UsageError(str(error)) from None
    if args.engine in engines.MODULES or (args.engine == "auto" and engines.installed()):
        from ..predictor import ExportedModel

        try:
            return ExportedModel(model_folder(args.model))
        except exported.NoExport as error:
            if args.engine != "auto":
                raise
            options.say(args, f"Using TensorFlow: {error}")
    if args.threads:  # it is read when TensorFlow starts
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(args.threads)
    options.import_tensorflow()
    return open_model(args.model)


def model_folder(name: str) -> Path:
    """Return a model folder, or that of a ready-made model."""
    from .. import ready_made

    path = Path(name)
    if not path.exists() and path.name == name and name in ready_made.names():
        return ready_made.find(name)
    return path.resolve()


def open_model(name: str):
    """Open a model folder, or a ready-made model by its name."""
    from ..folder import FolderError
    from ..model import N2VStem

    path = model_folder(name)
    if not Path(name).exists() and path.exists():
        return N2VStem.from_pretrained(name)
    model = N2VStem(None, path.name, path.parent)
    if not model.trained:
        raise FolderError(f"{name}: was never trained (no weights); train it first")
    return model


def movie_stem(path) -> str:
    """Return a file's name without its suffixes: 'a.b.ome.tif' -> 'a.b'."""
    name = Path(path).name
    for suffix in (".ome.tif", ".ome.tiff"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(path).stem
