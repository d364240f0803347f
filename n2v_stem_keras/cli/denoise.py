"""Denoise movies with a trained model."""

import argparse

from ..temporal import CONTEXTS
from . import movie_files, options

DESCRIPTION = """\
Denoise movies with a trained model. Writes <stem>_denoised.ome.tif (float32, the movie's axes,
units, pixel size and detectors, and how it was made) and <stem>_denoised.png, a picture of one
frame before and after, as wide as a page, with the difference, a line profile through an atom and
the FFTs of the whole frame; with --video a movie of both.

A folder stands for all movies in it and below, and keeps its structure in --out. A file that cannot
be used does not stop the others; it is named at the end, and the exit code is not 0. Interrupted,
the same command goes on within a movie where it stopped; --skip-existing leaves out those that are
done.

examples:
  n2v-stem denoise movie.tif --model models/au-graphene --out denoised
  n2v-stem denoise scan.emd --model models/au-graphene --format hspy --video
  n2v-stem denoise movie.tif --model models/a --picture-format pdf --frame 3 --crop 0:200,100:300
  n2v-stem denoise --detector-files ADF=scan_1.ser BF=scan_2.ser --model models/au-graphene
  n2v-stem denoise archive --model models/au-graphene --out denoised --skip-existing --no-picture
  n2v-stem denoise archive --model models/au-graphene --out denoised --cluster tcp://10.0.0.5:8786
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "movies",
        nargs="*",
        metavar="MOVIE",
        help=options.MOVIE_HELP + "; a folder of them, or a pattern",
    )
    parser.add_argument(
        "--model", metavar="FOLDER", help="model folder, or the name of a ready-made model"
    )
    parser.add_argument("--out", default=".", metavar="DIR", help="where to write (default: here)")
    parser.add_argument(
        "--residual", action="store_true", help="also write input minus output, <stem>_residual"
    )
    parser.add_argument(
        "--standard-error",
        action="store_true",
        help="also write how far each pixel may be from the truth, <stem>_standard_error: plus and "
        "minus 1.645 of it are a 90 %% interval. Takes ten times as long again",
    )
    parser.add_argument(
        "--deviations",
        action="store_true",
        help="also list what the raw frames show and the network does not draw, such as vacancies "
        "and dopants: <stem>_deviations.csv, and a picture of one frame. Takes as long again",
    )
    parser.add_argument(
        "--false-per-mpx",
        default="4",
        metavar="N",
        help="so many false ones per 10^6 px may be listed (default: 4, one a frame of 512x512)",
    )
    parser.add_argument(
        "--no-restore",
        action="store_true",
        help="write what the network gives, without drawing again what its residual shows",
    )
    parser.add_argument(
        "--undistort",
        action="store_true",
        help="also put rows back to where they belong, as a lattice or the rows around each "
        "tell: <stem>_undistorted, and by how much they lay beside it, <stem>_rows.csv. "
        "Frames where neither tells stay as they are",
    )
    _add_output_options(parser)
    parser.add_argument("--no-picture", action="store_true", help="do not write the picture")
    options.add_picture_options(parser)
    parser.add_argument(
        "--picture-width",
        type=int,
        choices=(180, 85),
        default=180,
        metavar="MM",
        help="of the picture: 180, two columns of a journal, or 85, one, without the difference "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--tta",
        action=argparse.BooleanOptionalAction,
        help="average over the four flips of each frame: a little better, 4 times slower "
        "(default: single images of up to 1024 px are)",
    )
    parser.add_argument(
        "--context",
        choices=CONTEXTS,
        default="both",
        help="frames around each that a model trained with them looks at: those before and after, "
        "those before (as live does), or none (default: %(default)s)",
    )
    parser.add_argument(
        "--n-tiles", metavar="Y,X", help="cut frames into tiles to save memory; default by size"
    )
    options.add_engine_options(
        parser,
        "tensorflow",
        "what runs the network: openvino and onnx need the extra of that name and a model "
        "exported with 'n2v-stem export'; auto takes one of them if it can (default: %(default)s)",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace existing output")
    existing.add_argument(
        "--skip-existing", action="store_true", help="leave out movies that this model has denoised"
    )
    parser.add_argument(
        "--no-resume", action="store_true", help="do not go on with interrupted output, start anew"
    )
    _add_archive_options(parser)
    options.add_file_options(parser)
    options.add_part_option(parser)
    options.add_strict_option(parser)
    options.add_movie_options(parser)
    options.add_run_options(parser)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    """Options of what is written."""
    parser.add_argument(
        "--format",
        choices=tuple(movie_files.FORMATS),
        default="ome.tif",
        help="; ".join(f"{name}: {form.use}" for name, form in movie_files.FORMATS.items())
        + " (default: %(default)s)",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "input"),
        default="float32",
        help="input: the movie's integer type, its range laid onto that of the type; slope and "
        "offset are stated in the file (default: %(default)s)",
    )
    parser.add_argument(
        "--video",
        action="store_true",
        help="also write <stem>_denoised.mp4, noisy and denoised side by side (extra 'movie')",
    )
    parser.add_argument(
        "--split-detectors",
        action="store_true",
        help="write a file for each detector, <stem>_ADF_denoised and so on",
    )
    parser.add_argument(
        "--fps", default="10", metavar="N", help="frames of the video per second (default: 10)"
    )


def _add_archive_options(parser: argparse.ArgumentParser) -> None:
    """Options of more than one machine."""
    group = parser.add_argument_group("more than one machine")
    group.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="denoise on the workers of a dask cluster, e.g. tcp://10.0.0.5:8786, a movie a task; "
        "they see the files under the same names (extra 'dask')",
    )
    group.add_argument(
        "--part",
        metavar="K/N",
        help="denoise every Nth movie, beginning with the Kth, e.g. in a Slurm array "
        '"$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" (its first number is 1)',
    )
    group.add_argument(
        "--journal",
        metavar="FILE",
        help="note what became of each movie, a line of JSON each; several processes may write "
        "into one (default with --cluster or --part: denoise.jsonl in --out)",
    )


def run(args) -> int:
    """Denoise each movie; one that cannot be used does not stop the others."""
    from . import archive

    if not args.model:
        raise options.UsageError("--model FOLDER is missing: which model shall denoise?")
    options.set_engine(args)
    if args.video:
        from ..plot.video import check_installed

        check_installed()
    if options.positive(args.fps) is None:
        raise options.UsageError(f"--fps {args.fps}: expected a number of frames above 0")
    if options.positive(args.false_per_mpx) is None:
        raise options.UsageError(f"--false-per-mpx {args.false_per_mpx}: expected a number above 0")
    options.parse_tiles(args.n_tiles)
    options.parse_crop(args.crop)
    movies = movie_files.find_movies(args)
    _refuse_twins(movies)
    options.find_model(args.model)  # the nearest name is said before TensorFlow is imported
    movie_files.check_there(source for _, source in movies)
    movies, journal = archive.part_of(movies, args.part), archive.journal_of(args)
    if not movies:
        options.say(args, f"No movie falls to --part {args.part}")
        return 0
    denoise = archive.on_cluster if args.cluster and not args.dry_run else archive.here
    try:
        failed, n_skipped = denoise(args, movies, journal)
    except KeyboardInterrupt:
        if len(movies) > 1:
            options.complain("\nStopped. The same command with --skip-existing goes on.")
        raise
    return _report(args, len(movies), n_skipped, failed)


def _refuse_twins(movies):
    places = [place for place, _ in movies]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise options.UsageError(
            f"two movies would both be written to {twice[0]}_denoised.*; denoise them into "
            "different folders"
        )


def _report(args, n_movies, n_skipped, failed) -> int:
    """Say at the end of many movies how they fared; return the worst exit code."""
    if n_movies > 1 and not args.dry_run:
        there = f", {n_skipped} were there already" if n_skipped else ""
        done = n_movies - n_skipped - len(failed)
        options.say(args, f"{n_movies} movies: {done} denoised{there}, {len(failed)} failed.")
    if failed:
        options.complain(f"n2v-stem: could not be denoised: {', '.join(map(str, failed))}")
    known = options.user_errors()
    codes = [options.exit_code(e) if isinstance(e, known) else 1 for e in failed.values()]
    return max(codes, default=0)
