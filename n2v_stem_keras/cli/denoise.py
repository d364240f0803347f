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
units and pixel size) and <stem>_denoised.png, a picture of one frame before and after.

example:
  n2v-stem denoise movie.tif --model models/au-graphene --out denoised
"""

SHOWN_PX = 200  # side of the part that the picture shows: single atoms can be judged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "movies", nargs="*", metavar="MOVIE", help="TIFF (plain, ImageJ, OME) or npy file"
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
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    options.add_movie_options(parser)
    options.add_run_options(parser)


def run(args) -> int:
    """Denoise each movie; one that cannot be used does not stop the others."""
    if not args.model:
        raise options.UsageError("--model FOLDER is missing: which model shall denoise?")
    if not args.movies:
        raise options.UsageError("no movie given; name one or more TIFF or npy files")
    stems = [movie_stem(path) for path in args.movies]
    twice = {stem for stem in stems if stems.count(stem) > 1}
    if twice:
        raise options.UsageError(
            f"two movies would both be written to {sorted(twice)[0]}_denoised.{args.format}; "
            "denoise them into different folders"
        )
    model = None if args.dry_run else open_model(args.model)
    worst = 0
    for path, stem in zip(args.movies, stems):
        try:
            job = DenoiseJob(args, path, stem)
            if args.dry_run:
                print(f"Would write {job.output} from {options.describe_movie(job.movie)}")
            else:
                job.run(model)
        except options.user_errors() as error:
            if len(args.movies) == 1:
                raise
            print(f"n2v-stem: {error}", file=sys.stderr)
            worst = max(worst, options.exit_code(error))
    return worst


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


def movie_stem(path) -> str:
    """Return a file's name without its suffixes: 'a.b.ome.tif' -> 'a.b'."""
    name = Path(path).name
    for suffix in (".ome.tif", ".ome.tiff"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(path).stem


class DenoiseJob:
    """One movie on its way through a model."""

    def __init__(self, args, path, stem):
        from ..io import MovieError, read_movie

        self.args = args
        self.movie = read_movie(path, **options.movie_options(args))
        out = Path(args.out)
        self.output = out / f"{stem}_denoised.{args.format}"
        self.residual = out / f"{stem}_residual.{args.format}"
        self.picture = out / f"{stem}_denoised.png"
        written = [self.output] + [self.residual] * args.residual
        for file in written + [self.picture] * (not args.no_picture):
            if file.exists() and not args.overwrite:
                raise MovieError(f"{file} exists; use --overwrite to replace it, or another --out")
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
        self._write(model)
        seconds = time.monotonic() - began
        n_frames = movie.n_series * movie.n_frames
        options.say(
            args, f"Wrote {self.output}: {n_frames} frames, {seconds / n_frames:.2f} s a frame"
        )
        self._report()
        if not args.no_picture:
            self._draw(model)

    def _writer(self, path, model):
        from .._version import __version__
        from ..io import MovieWriter

        movie = self.movie
        shape = [len(self.kept) if a == "C" else n for a, n in zip(movie.axes, movie.shape)]
        return MovieWriter(
            path,
            movie.axes,
            tuple(shape),
            detectors=self.names,
            pixel_size_nm=movie.pixel_size_nm,
            frame_time_s=movie.frame_time_s,
            provenance={
                "software": f"n2v_stem_keras {__version__}",
                "model": model.name,
                "source": movie.name,
                "tta": self.args.tta,
            },
            overwrite=self.args.overwrite,
        )

    def _write(self, model):
        """Stream frames from file to file."""
        import contextlib

        from ..progress import FrameProgress

        movie, args = self.movie, self.args
        n_tiles = [int(n) for n in args.n_tiles.split(",")] if args.n_tiles else None
        progress = FrameProgress("Denoising", movie.n_series * movie.n_frames, not args.quiet)
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(self._writer(self.output, model))
            residual = None
            if args.residual:
                residual = stack.enter_context(self._writer(self.residual, model))
            frames = model.predict_frames(movie, n_tiles=n_tiles, tta=args.tta)
            for (s, t), denoised in frames:
                raw = movie.frame(s, t)[..., self.kept].astype(np.float32)
                output.write(denoised)
                if residual:
                    residual.write(raw - denoised)
                self._look(s, t, raw, denoised)
                progress.step()
        progress.close()

    def _look(self, s, t, raw, denoised):
        """Measure peaks in a few frames, and keep the one in which they stand out most."""
        stride = max(1, self.movie.n_series * self.movie.n_frames // 12)
        if (s * self.movie.n_frames + t) % stride:
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
