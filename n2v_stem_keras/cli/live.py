"""Denoise files as a microscope writes them."""

import argparse
import contextlib
import fnmatch
import math
import signal
import sys
import time
from collections import deque
from pathlib import Path

from ..counting import counted
from . import movie_files, options
from .wording import in_options

N_KEPT = 2  # files that wait, where others are dropped

DESCRIPTION = """\
Watch a folder that a microscope writes one file after another into, and denoise each as soon as it
is complete: <stem>_denoised.ome.tif in another folder. Files that are being written are waited for.
Frames are standardised by what is known of the stream so far. Where the files come faster than they
can be denoised they wait, and how far behind it is is shown; --when-behind drop leaves out the
oldest instead.

What lies in the folder at the start and has no output yet is denoised, too. Ctrl-C ends after the
file at hand; the same command again goes on.

examples:
  n2v-stem live --watch scans --out live --model models/au-graphene-live --engine auto
  n2v-stem live --watch scans --pattern '*.dm4' --pair '{name}_{detector}.dm4' --out live \\
      --model models/au-graphene-live
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--watch", metavar="DIR", help="the folder that files come into")
    parser.add_argument("--out", metavar="DIR", help="where to write; not the same folder")
    parser.add_argument(
        "--model", metavar="FOLDER", help="model folder, or the name of a ready-made model"
    )
    parser.add_argument(
        "--pattern", default="*", help="names of the files, e.g. 'scan_*.dm4' (default: all)"
    )
    parser.add_argument(
        "--pair",
        metavar="PATTERN",
        help="one file for each detector, e.g. '{name}_{detector}.dm4': wait for all of them",
    )
    parser.add_argument(
        "--when-behind",
        choices=("wait", "drop"),
        default="wait",
        help="drop: leave out the files that have waited longest (default: %(default)s)",
    )
    parser.add_argument(
        "--settle",
        type=float,
        default=0.2,
        metavar="SECONDS",
        help="a file is complete when it has been left alone so long (default: %(default)s)",
    )
    parser.add_argument(
        "--until-idle",
        type=float,
        metavar="SECONDS",
        help="end when no file has come for so long; default: Ctrl-C",
    )
    parser.add_argument(
        "--format",
        choices=tuple(movie_files.FORMATS),
        default="ome.tif",
        help="default: %(default)s",
    )
    options.add_engine_options(parser, "auto", "as in denoise (default: %(default)s)")
    options.add_movie_options(parser)
    options.add_run_options(parser)


def run(args) -> int:
    """Watch until stopped."""
    for name in ("watch", "out", "model"):
        if not getattr(args, name):
            raise options.UsageError(f"--{name} is missing; see n2v-stem live --help")
    options.set_engine(args)
    watched, out = Path(args.watch), Path(args.out)
    if not watched.is_dir():
        raise options.UsageError(f"--watch {watched}: is no folder")
    if out.resolve() == watched.resolve():
        raise options.UsageError("--out is the folder that is watched; write into another")
    idle = args.until_idle
    if not 0 <= args.settle < math.inf or not (idle is None or 0 < idle < math.inf):
        raise options.UsageError(
            f"--settle {args.settle:g}, --until-idle {idle}: expected seconds, not below 0"
        )
    if args.dry_run:
        options.check_model(args.model, args.engine, args.threads)
        found = _Files(args).missing()
        options.show(f"Would watch {watched}; waiting there now: {counted(len(found), 'file')}")
        return 0
    out.mkdir(parents=True, exist_ok=True)
    model = options.open_model(args.model, args.engine, args.threads)
    return LiveJob(args, model).run()


class _Files:
    """What is in the folder, and what of it has an output."""

    def __init__(self, args, channels=()):
        self.args, self.channels = args, {channel.lower() for channel in channels}

    def output(self, name) -> Path:
        """Return where a movie's result goes."""
        ending = movie_files.FORMATS[self.args.format].ending
        return Path(self.args.out) / f"{name}_denoised{ending}"

    def is_done(self, name) -> bool:
        """Return whether a movie has an output."""
        return self.output(name).exists()

    def missing(self) -> dict:
        """Return those that have no output, {name: source}."""
        return {name: source for name, source in self.all().items() if not self.is_done(name)}

    def all(self) -> dict:
        """Return {name: source}."""
        from ..io.pair import group_files

        paths = sorted(Path(self.args.watch).iterdir())
        paths = [p for p in paths if fnmatch.fnmatch(p.name, self.args.pattern)]
        paths = [p for p in paths if movie_files.is_original(p)]
        if self.args.pair:
            found = {
                name: files
                for name, files in group_files(self.args.pair, paths).items()
                if self.channels <= {detector.lower() for detector in files}
            }
        else:
            found = {movie_files.movie_stem(p): p for p in paths}
        return found


class LiveJob:
    """Files in, denoised files out, until stopped.

    Parameters
    ----------
    args : argparse.Namespace
    model : Predictor
    """

    def __init__(self, args, model):
        from ..io.watching import FolderWatch

        self.args, self.model = args, model
        self.files = _Files(args, model.config.channels)
        self.watch = FolderWatch(
            self.files.all,
            self._read,
            settle_s=args.settle,
            keep=N_KEPT if args.when_behind == "drop" else None,
            on_bad=self._complain,
            is_done=self.files.is_done,
        )
        self.on_the_way = deque()  # (name, movie, order of its detectors, frame number), as read
        self.n_files = 0
        self._shown = 0.0

    def run(self) -> int:
        """Denoise what comes; report at the end."""
        from ..prediction.stream import LiveReport

        args, report = self.args, LiveReport()
        denoiser = self.model.denoiser_on(args.engine, args.threads)
        options.say(
            args,
            f"Watching {args.watch} ({denoiser.engine.name}); Ctrl-C ends after the file at hand",
        )
        before = signal.signal(signal.SIGINT, lambda *_: self.watch.stop())
        try:
            self._denoise(report)
        finally:
            signal.signal(signal.SIGINT, before)
        self._end_line()
        options.say(
            args, f"{counted(self.n_files, 'file')}, {self.watch.n_dropped} left out; {report}"
        )
        if self.watch.bad:
            names = ", ".join(sorted(self.watch.bad))
            options.complain(f"n2v-stem: could not be denoised: {names}")
        return 3 if self.watch.bad else 0

    def _read(self, name, source):
        """Read a movie whole, so that it is known to be complete: (movie, order, frames)."""
        import numpy as np

        from ..io import MovieError
        from ..io.watching import PATIENCE_S
        from ..normalize import check_finite
        from ..series import detector_order

        movie = movie_files.open_movie(self.args, name, source)
        order = detector_order(movie, self.model.config.channels)
        frames = [
            np.ascontiguousarray(movie.frame(s, t)[..., order])
            for s in range(movie.n_series)
            for t in range(movie.n_frames)
        ]
        for t, frame in enumerate(frames):
            check_finite(frame, movie.name, t)
        # room that was made in the file beforehand
        if not np.ptp(frames[-1]) and self.watch.unchanged_s(name) < PATIENCE_S:
            raise MovieError(f"{movie.name}: its last frame is empty; is it still being written?")
        return movie, order, frames

    def _frames(self):
        """Yield the frames of all files, and note what they belong to.

        One file goes on where the one before it ended; separate movies in one (S) do not.
        """
        from ..prediction.stream import NEW_MOVIE

        for name, (movie, order, frames) in self.watch.arrivals(self.args.until_idle):
            for number, frame in enumerate(frames):
                if movie.n_series > 1 and number % movie.n_frames == 0:
                    yield NEW_MOVIE
                self.on_the_way.append((name, movie, order, number))
                yield frame

    def _denoise(self, report):
        """Write each file when its last frame has come out of the network."""
        import numpy as np

        engine = {"engine": self.args.engine, "threads": self.args.threads}
        frames, done = self.model.stream(self._frames(), report=report, **engine), []
        with contextlib.closing(frames):
            for frame in frames:
                name, movie, order, number = self.on_the_way.popleft()
                done.append(frame[..., np.argsort(order)])
                if number == movie.n_series * movie.n_frames - 1:
                    self._write(name, movie, order, done)
                    done = []
                    self.n_files += 1
                self._show(report)

    def _write(self, name, movie, order, frames):
        from ..io import write_movie
        from ..provenance import of_denoising

        engine = self.model.denoiser_on(self.args.engine, self.args.threads).engine.name
        write_movie(
            self.files.output(name),
            frames,
            like=movie.select(sorted(order)),
            format=movie_files.FORMATS[self.args.format].name,
            overwrite=True,
            provenance=of_denoising(
                self.model, movie, context="past", engine=engine, statistics="of the stream"
            ),
        )

    def _complain(self, name, error):
        options.complain(f"\nn2v-stem: {name}: {in_options(error)}; left out")

    def _show(self, report):
        """Keep a line on the terminal up to date."""
        now = time.monotonic()
        if self.args.quiet or not sys.stderr.isatty() or now - self._shown < 0.3:
            return
        self._shown = now
        behind = (
            f"; waiting: {counted(self.watch.n_waiting, 'file')}" if self.watch.n_waiting else ""
        )
        sys.stderr.write(f"\r{report}{behind}\033[K")
        sys.stderr.flush()

    def _end_line(self):
        if self._shown:
            sys.stderr.write("\r\033[K")
