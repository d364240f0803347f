"""Find atoms in movies: denoise, find, refine, and follow them."""

import argparse
from pathlib import Path

from ..counting import counted
from . import movie_files, options
from .wording import in_options

DESCRIPTION = """\
Denoise movies and find the atoms in them. Writes <stem>_atoms.csv, one atom a row with the columns
that trackpy expects (frame, y, x, mass, size, signal, ep, ... and y_nm, x_nm), and
<stem>_atoms.png, the frame with most atoms before and after. With --track also <stem>_tracks.csv
(with a column particle) and <stem>_tracks.png.

What counts as an atom is a peak of a certain height in units of the raw noise. --calibrate sets it
on the first movie: frames of pure noise, as strong as the movie's, go through the model, and the
threshold is where false atoms are as rare as --false-alarms; it is kept in the model folder.

examples:
  n2v-stem atoms movie.tif --model models/au-graphene --calibrate
  n2v-stem atoms movie.tif --model models/au-graphene --track --search-range 0.25nm --memory 1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("movies", nargs="*", metavar="MOVIE", help=options.MOVIE_HELP)
    parser.add_argument(
        "--model", metavar="FOLDER", help="model folder, or the name of a ready-made model"
    )
    parser.add_argument("--out", default=".", metavar="DIR", help="where to write (default: here)")
    group = parser.add_argument_group("what is an atom")
    group.add_argument(
        "--calibrate", action="store_true", help="set the model's thresholds on the first movie"
    )
    group.add_argument(
        "--false-alarms",
        type=float,
        metavar="RATE",
        help="of each detector, per 10^6 px, for --calibrate (default: 1, which is one in four "
        "frames of 512x512 px)",
    )
    group.add_argument(
        "--height",
        type=float,
        metavar="SIGMA",
        help="least height over the raw noise, instead of the model's threshold",
    )
    group.add_argument(
        "--min-distance",
        metavar="LENGTH",
        help="no two atoms are closer (default: the model's threshold, or 0.15nm)",
    )
    group.add_argument(
        "--look-in", metavar="A,B", help="detectors in which a peak makes an atom, e.g. ADF"
    )
    group.add_argument(
        "--refine-on",
        choices=("raw", "denoised"),
        default="raw",
        help="pixels that positions are fitted to (default: %(default)s)",
    )
    group = parser.add_argument_group("tracks (needs trackpy: the extra 'track')")
    group.add_argument("--track", action="store_true", help="follow atoms from frame to frame")
    group.add_argument(
        "--search-range", default="0.25nm", metavar="LENGTH", help="no atom moves farther between "
        "two frames (default: %(default)s)"
    )  # fmt: skip
    group.add_argument(
        "--memory", type=int, default=1, metavar="N",
        help="frames for which an atom may stay unseen (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--no-picture", action="store_true", help="write tables only")
    options.add_picture_options(parser, of_a_frame=False)
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    options.add_file_options(parser)
    options.add_part_option(parser)
    options.add_strict_option(parser)
    options.add_movie_options(parser)
    options.add_run_options(parser)


def run(args) -> int:
    """Find the atoms of each movie; one that cannot be used does not stop the others."""
    from ..series import detector_order

    if not args.model:
        raise options.UsageError("--model FOLDER is missing: which model shall denoise?")
    sources = movie_files.movie_sources(args, args.movies)
    if not sources:
        raise options.UsageError(movie_files.NO_MOVIE)
    if args.false_alarms is not None and not args.calibrate:
        raise options.UsageError("--false-alarms is for --calibrate; give both")
    if args.height is not None and args.calibrate:
        raise options.UsageError("--height and --calibrate exclude each other")
    if len({stem for stem, _ in sources}) < len(sources):
        raise options.UsageError("two movies have the same name; write them into different --out")
    config = None
    if args.dry_run:
        config = options.check_model(args.model)
        _check_criteria(args, config)
    jobs, worst = [], 0

    def complain(error):
        nonlocal worst
        if len(sources) == 1:
            raise error
        options.complain(f"n2v-stem: {in_options(error)}")
        worst = max(worst, options.exit_code(error))

    for stem, source in sources:
        try:
            jobs.append(_Job(args, stem, source))
            if config:
                detector_order(jobs[-1].movie, config.channels)
        except options.user_errors() as error:
            if args.calibrate and not jobs:  # on another movie than was meant
                raise
            complain(error)
    if args.dry_run:
        for job in jobs:
            options.show(f"Would write {job.table} from {options.describe_movie(job.movie)}")
        return worst
    if not jobs:
        return worst
    model = options.open_model(args.model)
    _check_criteria(args, model.config)
    if args.calibrate:
        _calibrate(args, model, jobs[0].movie)
    for job in jobs:
        try:
            job.run(model)
        except options.user_errors() as error:
            complain(error)
    return worst


def _criteria(args) -> dict:
    """Return what `find_atoms` and `optimize_thresholds` both take."""
    distance = options.length_nm(args.min_distance, "--min-distance")
    return {"look_in": options.names(args.look_in), "min_distance_nm": distance}


def _check_criteria(args, config) -> None:
    """Refuse criteria of atoms that the model's detectors, or any, cannot have."""
    from .. import detection

    wanted = _criteria(args)
    bare = {channel: {} for channel in config.channels}
    height = 0.0 if args.height is None else args.height
    try:
        detection.criteria_of(
            config.channels, bare, wanted["look_in"], height, wanted["min_distance_nm"]
        )
    except ValueError as error:
        raise options.UsageError(error) from None


def _calibrate(args, model, movie):
    """Set the thresholds and say what they are."""
    rate = {} if args.false_alarms is None else {"false_alarms_per_Mpx": args.false_alarms}
    try:
        parts = model.optimize_thresholds(movie, verbose=not args.quiet, **_criteria(args), **rate)
    except ValueError as error:
        raise options.UsageError(str(error)) from error
    for detector, part in parts.items():
        low, high = part["interval_95"]
        options.say(
            args,
            f"{detector}: peaks of at least {part['height_sigma']:.2f} raw noise sigma; "
            f"{part['false_alarms_per_Mpx']:.3g} false atoms per 10^6 px of {part['method']} "
            f"(95 % interval {low:.2g} to {high:.2g})",
        )
    where = f"kept in {model.logdir}" if model.logdir else "not kept: ready-made models stay as is"
    options.say(args, f"Thresholds {where}")


class _Job:
    """One movie, its table and its pictures."""

    def __init__(self, args, stem, source):
        from ..io import MovieError

        self.args = args
        self.movie = movie_files.open_movie(args, stem, source)
        self.range_nm = options.length_nm(args.search_range, "--search-range")
        out = Path(args.out)
        kind = args.picture_format
        self.table, self.picture = out / f"{stem}_atoms.csv", out / f"{stem}_atoms.{kind}"
        self.tracks, self.path_picture = out / f"{stem}_tracks.csv", out / f"{stem}_tracks.{kind}"
        tables, pictures = [self.table], [self.picture]
        if args.track:
            tables, pictures = [*tables, self.tracks], [*pictures, self.path_picture]
        for file in tables if args.no_picture else [*tables, *pictures]:
            if file.exists() and not args.overwrite:
                raise MovieError(f"{file} exists; use --overwrite to replace it, or another --out")
        if args.track and "S" in self.movie.axes:
            raise MovieError(
                f"{self.movie.name}: separate movies (axes {self.movie.axes}) have no common tracks"
            )

    def run(self, model) -> None:
        """Find, write, draw."""
        from ..prediction.whole import doubts

        args, movie = self.args, self.movie
        options.say(args, options.describe_movie(movie))
        options.refuse_doubts(args, movie.name, doubts(model, movie) if args.strict else ())
        self.table.parent.mkdir(parents=True, exist_ok=True)
        try:
            table = model.find_atoms(
                movie,
                height_sigma=args.height,
                refine_on=args.refine_on,
                verbose=not args.quiet,
                **_criteria(args),
            )
        except ValueError as error:
            raise options.UsageError(str(error)) from error
        _write_csv(self.table, movie_files.in_file(table, movie))
        n_frames = movie.n_series * movie.n_frames
        options.say(
            args,
            f"Wrote {self.table}: {counted(len(table), 'atom')} in {counted(n_frames, 'frame')} "
            f"({len(table) / n_frames:.1f} a frame)",
        )
        if args.track:
            self._track(table)
        if not args.no_picture and len(table):
            self._draw(model, table)

    def _track(self, table):
        """Link, write and say what was found."""
        import numpy as np

        from ..atoms.track import link

        args = self.args
        try:
            found = link(table, self.range_nm, args.memory, self.movie.n_frames)
        except ValueError as error:
            raise options.UsageError(str(error)) from error
        _write_csv(self.tracks, movie_files.in_file(found.table, self.movie))
        self.linked = found.table
        text = f"Wrote {self.tracks}: {counted(len(found.residence), 'track')}"
        if len(found.lengths_nm):
            text += (
                f", {np.median(found.residence):.0f} frames long (median); steps of "
                f"{np.sqrt(np.mean(found.lengths_nm**2)):.3f} nm (RMS); {found.births.sum()} begin "
                f"and {found.deaths.sum()} end within the movie"
            )
        options.say(args, text)

    def _draw(self, model, table):
        """Draw the frame with most atoms, and the tracks."""
        import numpy as np

        from ..atoms import sign_of
        from ..plot.atoms import atoms_on_frames, tracks_over_time
        from ..prediction.tiles import denoise_movie
        from ..series import collect_series

        place = ["movie", "frame"] if "movie" in table.columns else ["frame"]
        busiest = table.groupby(place).size().idxmax()
        s, t = busiest if len(place) == 2 else (0, busiest)
        series = collect_series(self.movie, model.config)[s]
        raw = np.asarray(series.raw[t], float)
        denoised = next(denoise_movie(model.denoiser, series, numbers=[t]))
        here = table[(table[place] == np.atleast_1d(busiest)).all(axis=1)][["y", "x"]]
        rows = [
            {
                "name": name,
                "panels": [("noisy", raw[..., c]), ("denoised", denoised[..., c]),
                           ("atoms", denoised[..., c])],
                "sqrt": sign_of(name) > 0,
            }
            for c, name in enumerate(model.config.channels)
        ]  # fmt: skip
        number = self.movie.place_in_file(s, t)[1]
        title = f"{self.movie.name}, frame {number}: {counted(len(here), 'atom')}"
        atoms_on_frames(self.picture, rows, (None, None, here), series.pixel_size_nm, title)
        options.say(self.args, f"Wrote {self.picture}")
        if self.args.track:
            name = self.movie.name
            tracks_over_time(
                self.path_picture, denoised[..., 0], self.linked, series.pixel_size_nm, name
            )
            options.say(self.args, f"Wrote {self.path_picture}")


def _write_csv(path, table):
    """Write a table whole or not at all."""
    from ..atomic import write_text

    write_text(path, table.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
