"""Denoise movies with a trained model."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from . import options

NEEDS_TENSORFLOW = True
DESCRIPTION = """\
Denoise movies with a trained model. Writes <stem>_denoised.ome.tif (float32, the movie's axes,
units, pixel size and detectors, and how it was made) and <stem>_denoised.png, a picture of one
frame before and after; with --video a movie of both. Interrupted, the same command goes on where
it stopped.

examples:
  n2v-stem denoise movie.tif --model models/au-graphene --out denoised
  n2v-stem denoise scan.emd --model models/au-graphene --format hspy --video
  n2v-stem denoise --detector-files ADF=scan_1.ser BF=scan_2.ser --model models/au-graphene
"""

# suffix of the output, and its format for `io.MovieWriter`
FORMATS = {
    "ome.tif": ("ome.tif", "ome"),
    "imagej": ("tif", "imagej"),
    "hspy": ("hspy", "hspy"),
    "npy": ("npy", "npy"),
}
SHOWN_PX = 200  # side of the part that the picture shows: single atoms can be judged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("movies", nargs="*", metavar="MOVIE", help=options.MOVIE_HELP)
    parser.add_argument(
        "--model", metavar="FOLDER", help="model folder, or the name of a ready-made model"
    )
    parser.add_argument("--out", default=".", metavar="DIR", help="where to write (default: here)")
    parser.add_argument(
        "--residual", action="store_true", help="also write input minus output, <stem>_residual"
    )
    _add_output_options(parser)
    parser.add_argument("--no-picture", action="store_true", help="do not write the picture")
    parser.add_argument(
        "--tta", action="store_true", help="average over flips: a little better, 4 times slower"
    )
    parser.add_argument(
        "--n-tiles", metavar="Y,X", help="cut frames into tiles to save memory; default by size"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    parser.add_argument(
        "--no-resume", action="store_true", help="do not go on with interrupted output, start anew"
    )
    options.add_file_options(parser)
    options.add_movie_options(parser)
    options.add_run_options(parser)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    """Options of what is written."""
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="ome.tif",
        help="ome.tif: Fiji (Bio-Formats), napari; imagej: ImageJ's own TIFF, <stem>_denoised.tif; "
        "hspy: HyperSpy; npy: numpy, keeps no pixel size (default: %(default)s)",
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
        "--fps", default="10", metavar="N", help="frames of the video per second (default: 10)"
    )


def run(args) -> int:
    """Denoise each movie; one that cannot be used does not stop the others."""
    if not args.model:
        raise options.UsageError("--model FOLDER is missing: which model shall denoise?")
    if args.video:
        from ..plot.video import check_installed

        check_installed()
    if _fps(args) is None:
        raise options.UsageError(f"--fps {args.fps}: expected a number of frames above 0")
    sources = options.movie_sources(args, args.movies)
    if not sources:
        raise options.UsageError(options.NO_MOVIE)
    stems = [stem for stem, _ in sources]
    twice = {stem for stem in stems if stems.count(stem) > 1}
    if twice:
        raise options.UsageError(
            f"two movies would both be written to {sorted(twice)[0]}_denoised.*; denoise them into "
            "different folders"
        )
    model = None if args.dry_run else open_model(args.model)
    worst = 0
    for stem, source in sources:
        try:
            job = DenoiseJob(args, stem, source)
            if args.dry_run:
                print(f"Would write {job.output} from {options.describe_movie(job.movie)}")
            else:
                job.run(model)
        except options.user_errors() as error:
            if len(sources) == 1:
                raise
            print(f"n2v-stem: {error}", file=sys.stderr)
            worst = max(worst, options.exit_code(error))
    return worst


def _fps(args) -> float | None:
    """Return the frames per second of the video, None if that is no positive number."""
    try:
        fps = float(args.fps)
    except ValueError:
        return None
    return fps if 0 < fps < float("inf") else None


def open_model(folder: str):
    """Open a model folder, or a ready-made model by its name."""
    from .. import ready_made
    from ..folder import FolderError
    from ..model import N2VStem

    path = Path(folder)
    if not path.exists() and path.name == folder and folder in ready_made.names():
        return N2VStem.from_pretrained(folder)
    path = path.resolve()
    model = N2VStem(None, path.name, path.parent)
    if not model.trained:
        raise FolderError(f"{folder}: was never trained (no weights); train it first")
    return model


class DenoiseJob:
    """One movie on its way through a model."""

    def __init__(self, args, stem, source):
        from ..io import MovieError

        self.args, self.source = args, source
        self.movie = options.open_movie(args, stem, source)
        out, (suffix, self.format) = Path(args.out), FORMATS[args.format]
        self.output = out / f"{stem}_denoised.{suffix}"
        self.residual = out / f"{stem}_residual.{suffix}"
        self.picture, self.video = out / f"{stem}_denoised.png", out / f"{stem}_denoised.mp4"
        written = [self.output] + [self.residual] * args.residual + [self.video] * args.video
        for file in written + [self.picture] * (not args.no_picture):
            if file.exists() and not args.overwrite:
                raise MovieError(f"{file} exists; use --overwrite to replace it, or another --out")
        if args.video and args.format == "npy":
            raise options.UsageError("--video needs another --format: npy keeps no axes")
        if not args.dry_run:
            out.mkdir(parents=True, exist_ok=True)

    def run(self, model) -> None:
        """Denoise, write, and show what was gained."""
        from ..movies import detector_order

        movie, args = self.movie, self.args
        options.say(args, options.describe_movie(movie))
        self.kept = sorted(detector_order(movie, model.config.channels))
        self.names = [(movie.detectors or model.config.channels)[c] for c in self.kept]
        self.best = None  # the picture: score, (s, t), raw and denoised window
        self.gain = [[] for _ in self.names]
        began = time.monotonic()
        n_frames = self._write(model)
        seconds = time.monotonic() - began
        speed = f", {seconds / n_frames:.2f} s a frame" if n_frames else ""
        options.say(args, f"Wrote {self.output}: {movie.n_series * movie.n_frames} frames{speed}")
        self._report()
        if not args.no_picture:
            self._draw(model)
        if args.video:
            self._film()

    def _writer(self, path, provenance, scaling=None):
        from ..io import MovieWriter
        from ..io.unfinished import resume_key

        movie = self.movie
        shape = [len(self.kept) if a == "C" else n for a, n in zip(movie.axes, movie.shape)]
        key = resume_key(path.name, provenance, movie.axes, shape, self.kept, self._input_state())
        return MovieWriter(
            path,
            movie.axes,
            tuple(shape),
            detectors=self.names,
            pixel_size_nm=movie.pixel_size_nm,
            frame_time_s=movie.frame_time_s,
            voltage_kV=movie.voltage_kV,
            provenance=provenance,
            overwrite=self.args.overwrite,
            scaling=scaling,
            format=self.format,
            key=key,
            anew=self.args.no_resume,
        )

    def _input_state(self) -> list:
        """Return what changes if the input changes: names, sizes and times of its files."""
        from ..io.files import split_inside

        files = self.source.values() if isinstance(self.source, dict) else [self.source]
        state = []
        for file in files:
            path, inside = split_inside(file)
            found = path.stat()
            state.append([str(path.resolve()), inside, found.st_size, found.st_mtime_ns])
        return state

    def _write(self, model) -> int:
        """Stream frames from file to file; return how many were denoised now."""
        import contextlib

        from ..progress import FrameProgress

        movie, args = self.movie, self.args
        n_tiles = [int(n) for n in args.n_tiles.split(",")] if args.n_tiles else None
        with contextlib.ExitStack() as stack:
            writers = [stack.enter_context(w) for w in self._writers(model)]
            output, residual = [*writers, None][:2]
            start = min(writer.n_written for writer in writers)
            for file in output.others:
                print(
                    f"Warning: {file} is unfinished output of other settings or another model; "
                    "remove it if it is not wanted",
                    file=sys.stderr,
                )
            if start:
                options.say(args, f"Going on after {start} of {output.n_frames} frames")
                self._look_back(output, start)
            progress = FrameProgress("Denoising", output.n_frames - start, not args.quiet)
            frames = model.predict_frames(movie, n_tiles=n_tiles, tta=args.tta, start=start)
            for (s, t), denoised in frames:
                raw = movie.frame(s, t)[..., self.kept].astype(np.float32)
                number = s * movie.n_frames + t
                if number == output.n_written:
                    output.write(denoised)
                if residual and number == residual.n_written:
                    residual.write(raw - denoised)
                self._look(s, t, raw, denoised)
                progress.step()
        progress.close()
        return output.n_frames - start

    def _writers(self, model) -> list:
        """Return the writers of the output and, if asked for, of the residual."""
        from ..io.scaling import Scaling
        from ..provenance import of_denoising

        args, movie = self.args, self.movie
        provenance = of_denoising(model, movie, args.tta, n_tiles=args.n_tiles)
        scaling = None
        if args.dtype == "input" and movie.dtype.kind in "iu":
            scaling = Scaling.of_movie(movie, self.kept)
        writers = [self._writer(self.output, provenance, scaling)]
        if args.residual:
            of = {**provenance, "content": "input minus output"}
            writers.append(self._writer(self.residual, of))
        return writers

    def _look_back(self, output, start: int) -> None:
        """Look at frames that were denoised before an interruption as if they were new."""
        for number in range(start):
            s, t = divmod(number, self.movie.n_frames)
            if self._is_looked_at(number):
                raw = self.movie.frame(s, t)[..., self.kept].astype(np.float32)
                self._look(s, t, raw, output.read(number).astype(np.float32))

    def _is_looked_at(self, number: int) -> bool:
        stride = max(1, self.movie.n_series * self.movie.n_frames // 12)
        return number % stride == 0

    def _look(self, s, t, raw, denoised):
        """Measure peaks in a few frames, and keep the one in which they stand out most."""
        if not self._is_looked_at(s * self.movie.n_frames + t):
            return
        from ..atoms import sign_of
        from ..metrics import busiest_window, peak_gain

        size = self.movie.pixel_size_nm
        for c, name in enumerate(self.names):
            dark = sign_of(name) < 0
            self.gain[c].append(peak_gain(raw[..., c], denoised[..., c], dark, size))
        dark = sign_of(self.names[0]) < 0
        window, score = busiest_window(denoised[..., 0], SHOWN_PX, dark, size)
        if self.best is None or score > self.best[0]:
            self.best = score, (s, t), raw[window].copy(), denoised[window].copy()

    def _report(self):
        """Print the signal-to-noise ratio of peaks before and after."""
        from ..atoms import sign_of

        for name, gains in zip(self.names, self.gain):
            gains = [gain for gain in gains if gain is not None]
            if gains:
                before, after, n_peaks = np.array(gains).T
                kind = "dips" if sign_of(name) < 0 else "peaks"
                weights = n_peaks / n_peaks.sum()
                options.say(
                    self.args,
                    f"{name}: SNR of {int(n_peaks.sum())} {kind} in {len(gains)} frames "
                    f"{before @ weights:.1f} -> {after @ weights:.1f} "
                    "(height above the mean local background over its rms)",
                )

    def _draw(self, model):
        from ..atoms import sign_of
        from ..plot import before_after

        _, (s, t), raw, denoised = self.best
        rows = []
        for c, name in enumerate(self.names):
            before, after = raw[..., c], denoised[..., c]
            # the difference is shown around the mean, so that it has the others' scale
            panels = [("noisy", before), ("denoised", after), ("difference", before - after)]
            panels[2] = ("difference", panels[2][1] + after.mean())
            rows.append({"name": name, "panels": panels, "sqrt": sign_of(name) > 0, "reference": 1})
        where = f", movie {s + 1} of {self.movie.n_series}" if self.movie.n_series > 1 else ""
        where += f", frame {t}" if self.movie.n_frames > 1 else ""
        before_after(
            self.picture,
            rows,
            pixel_size_nm=self.movie.pixel_size_nm,
            title=f"{self.movie.name}{where}, model {model.name}",
        )
        options.say(self.args, f"Wrote {self.picture}")

    def _film(self):
        """Write the movie before and after from the two files."""
        from ..atoms import sign_of
        from ..io import intensities, read_movie
        from ..plot import before_after_video
        from ..progress import FrameProgress

        after, before = intensities(read_movie(self.output)), self.movie.select(self.kept)
        progress = FrameProgress("Filming", after.n_series * after.n_frames, not self.args.quiet)
        sqrt = [sign_of(name) > 0 for name in self.names]
        before_after_video(self.video, before, after, sqrt, _fps(self.args), progress.step)
        progress.close()
        options.say(self.args, f"Wrote {self.video}")
