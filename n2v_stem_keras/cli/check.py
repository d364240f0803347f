"""Test a model for artefacts before it is trusted."""

import argparse
import functools
from pathlib import Path

from . import movie_files, options

DESCRIPTION = """\
Test a model for artefacts, as the paper does before it trusts its own (Figs S7 to S10): does it
make atoms or a lattice of pure noise or of amorphous carbon, how does it show one bright point,
does it draw atoms or lattice into a hole, beyond an edge or a tilt boundary, does it tear holes,
does it draw point defects, does one detector leak into the other? Needs no data. Writes check.html,
a page with pictures, and check.json. What frames are too noisy to show is not asked. With --movie,
columns are also taken out of a movie of yours.

examples:
  n2v-stem check models/au-graphene
  n2v-stem check graphene-au --psnr 7 --out graphene-au-7dB
  n2v-stem check models/mos2 --lattice mos2 --movie movie.tif
"""
FAILED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="model folder, or the name of a ready-made model"
    )
    parser.add_argument(
        "--psnr", type=float, default=10.0, metavar="DB", help="of frames that show something "
        "(default: %(default)s)"
    )  # fmt: skip
    parser.add_argument(
        "--pixel-size", metavar="LENGTH", help="of the frames (default: that of --movie, the "
        "middle of what the model was trained for, or 0.046nm)"
    )  # fmt: skip
    parser.add_argument(
        "--movie", metavar="FILE", help="of your own: columns are taken out of it, and it is seen "
        "whether the model draws that"
    )  # fmt: skip
    parser.add_argument(
        "--lattice", choices=("graphene", "hbn", "mos2"), default="graphene", help="of the frames: "
        "four layers of graphene, or one of another (default: %(default)s)"
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=int, default=24, metavar="N", help="for each test (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default: %(default)s)")
    parser.add_argument(
        "--out", default="check", metavar="DIR", help="where to write (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier check")
    options.add_run_options(parser)


def run(args) -> int:
    """Check; exit code 5 if a test fails."""
    if not args.model:
        raise options.UsageError("which model? Name a model folder or a ready-made model")
    if args.frames < 2 or args.seed < 0:
        raise options.UsageError(
            f"--frames {args.frames}, --seed {args.seed}: expected at least 2 frames and a seed of "
            "0 or more"
        )
    out = Path(args.out)
    page, record = out / "check.html", out / "check.json"
    if page.exists() and not args.overwrite:
        raise options.UsageError(f"{page} exists; use --overwrite to replace it, or another --out")
    if args.movie:
        movie_files.check_there([args.movie])
    model = options.open_model(args.model)
    if args.dry_run:
        options.show(f"Would check {model.name} and write {page} and {record}")
        return 0
    report = _ask(args, model)
    _write(page, record, report, model)
    if args.json:
        options.show(record.read_text(encoding="utf-8").rstrip("\n"), lines=True)
    else:
        options.say(args, _table(report), lines=True)
        options.say(args, f"\nWrote {page}, {record}")
    return 0 if report.passed else FAILED


def _ask(args, model):
    """Run all tests on a model."""
    import warnings

    from .. import detection
    from ..check import check_model
    from ..io import Movie

    channels, thresholds = model.config.channels, model.thresholds
    size = options.length_nm(args.pixel_size, "--pixel-size")
    frames = None
    if args.movie:
        frames, known = _frames_of(args.movie, channels)
        size = size or known
        if size is None:
            raise options.UsageError(f"{args.movie}: says no pixel size; say it as --pixel-size")
    size = size or pixel_size_of(model)
    criteria = detection.criteria_of(channels, thresholds)
    rates = {c: thresholds[c].get("atoms", {}).get("false_alarms_per_Mpx") for c in channels}

    def predict(movie, context="none"):
        """Denoise frames, each of which is a test of its own."""
        movie = Movie.from_array(
            movie, "TYXC", detectors=channels, pixel_size_nm=size, name="test frames"
        )
        with warnings.catch_warnings():  # noise alone is far from what it was trained for
            warnings.simplefilter("ignore", UserWarning)
            return model.predict(movie, context=context, verbose=False)

    def say(what):
        options.say(args, f"Testing {what} ...")

    try:
        return check_model(
            predict,
            criteria,
            predict_movie=functools.partial(predict, context="both"),
            movie=frames,
            rates={c: rate for c, rate in rates.items() if rate},
            psnr_db=args.psnr,
            pixel_size_nm=size,
            lattice=args.lattice,
            n_frames=args.frames,
            seed=args.seed,
            progress=say,
        )
    except ValueError as error:
        raise options.UsageError(f"{model.name} cannot be tested: {error}") from error


def _frames_of(path, channels):
    """Return the first frames (T, Y, X, C) of a movie, detectors in order, and its pixel size."""
    import numpy as np

    from ..check.implants import N_FRAMES
    from ..io import read_movie
    from ..series import detector_order

    movie = read_movie(path)
    order = detector_order(movie, channels)
    numbers = range(min(N_FRAMES, movie.n_frames))
    return np.stack([movie.frame(0, t)[..., order] for t in numbers]), movie.pixel_size_nm


def pixel_size_of(model) -> float:
    """Return the middle of the pixel sizes a model was trained for, or the paper's [nm/px]."""
    ranges = [part.get("domain", {}).get("pixel_size_nm") for part in model.thresholds.values()]
    known = [(low * high) ** 0.5 for low, high in filter(None, ranges)]
    return known[0] if known else 0.046


def _write(page, record, report, model):
    """Write the page and the numbers."""
    from ..atomic import write_json
    from ..check import write_page

    page.parent.mkdir(parents=True, exist_ok=True)
    write_page(page, report, f"Artefact tests of {model.name}")
    values = {
        "model": model.name,
        "passed": report.passed,
        "psnr_db": report.psnr_db,
        "pixel_size_nm": report.pixel_size_nm,
        "lattice": report.lattice,
        "answers": [vars(answer) for answer in report.answers],
    }
    write_json(record, values)


def _table(report) -> str:
    """Lay the answers out for a terminal."""
    rows = [("test", "detector", "found", "allowed", "")]
    rows += [(a.question, a.detector, a.found, a.allowed, a.verdict) for a in report.answers]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)
