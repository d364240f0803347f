"""One movie through a model, from file to file, with a picture and a word on what was gained."""

import contextlib
import time
from pathlib import Path

import numpy as np

from .._version import __version__
from ..atoms import sign_of
from ..io import MovieError, MovieWriter, read_movie
from ..metrics import busiest_window, peak_gain
from ..movies import detector_order
from ..pipeline import in_background, read_ahead
from ..progress import FrameProgress
from . import options

SHOWN_PX = 200  # side of the part that the picture shows: single atoms can be judged


class DenoiseJob:
    """One movie on its way through a model.

    Parameters
    ----------
    args : argparse.Namespace
    path : path
        The movie.
    stem : Path
        Below --out, what the names of all results begin with.
    """

    def __init__(self, args, path, stem):
        self.args = args
        self.movie = read_movie(path, **options.movie_options(args))
        place = Path(args.out) / stem
        self.output = place.with_name(f"{stem.name}_denoised.{args.format}")
        self.residual = place.with_name(f"{stem.name}_residual.{args.format}")
        self.picture = place.with_name(f"{stem.name}_denoised.png")
        self.results = [self.output] + [self.residual] * args.residual
        self.results += [self.picture] * (not args.no_picture)
        for file in self.results:
            if file.exists() and not (args.overwrite or args.resume):
                raise MovieError(
                    f"{file} exists; use --overwrite to replace it, --resume to go on with a "
                    "stopped run, or another --out"
                )
        if not args.dry_run:
            place.parent.mkdir(parents=True, exist_ok=True)

    def is_done(self, model) -> bool:
        """Return whether, with --resume, all results of this model are there.

        Raises
        ------
        MovieError
            They are another model's. (npy files do not say whose they are.)
        """
        if not self.args.resume or not self.output.exists():
            return False
        if self.args.format == "ome.tif":
            found, expected = read_movie(self.output).provenance or {}, self._provenance(model)
            differ = [key for key in expected if found.get(key) != expected[key]]
            if differ:
                raise MovieError(
                    f"{self.output}: its {differ[0]} is {found.get(differ[0])!r}, this run's "
                    f"{expected[differ[0]]!r}; use --overwrite to replace it, or another --out"
                )
        return all(file.exists() for file in self.results)

    def run(self, model) -> None:
        """Denoise, write, and show what was gained."""
        movie, args = self.movie, self.args
        options.say(args, options.describe_movie(movie))
        self.kept = sorted(detector_order(movie, model.config.channels))
        self.names = [(movie.detectors or model.config.channels)[c] for c in self.kept]
        self.best = None  # the picture: score, (s, t), raw and denoised window
        self.gain = [[] for _ in self.names]
        denoiser = model.denoiser_on(args.engine, args.threads)
        began, began_network = time.monotonic(), denoiser.seconds
        self._write(model)
        n_frames = movie.n_series * movie.n_frames
        each = (time.monotonic() - began) / n_frames
        network = (denoiser.seconds - began_network) / n_frames
        options.say(
            args,
            f"Wrote {self.output}: {n_frames} frames, {each:.3g} s a frame, {network:.3g} s of it "
            f"in the network ({denoiser.engine.name})",
        )
        self._report()
        if not args.no_picture:
            self._draw(model)

    def _provenance(self, model):
        return {
            "model": model.name,
            "weights": model.fingerprint,
            "source": self.movie.name,
            "tta": self.args.tta,
        }

    def _writer(self, path, model):
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
                "engine": model.denoiser_on(self.args.engine, self.args.threads).engine.name,
                **self._provenance(model),
            },
            overwrite=self.args.overwrite or self.args.resume,
        )

    def _write(self, model):
        """Stream frames from file to file: read, denoised and written side by side."""
        args = self.args
        n_tiles = [int(n) for n in args.n_tiles.split(",")] if args.n_tiles else None
        n_frames = self.movie.n_series * self.movie.n_frames
        progress = FrameProgress("Denoising", n_frames, not args.quiet)
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(self._writer(self.output, model))
            residual = None
            if args.residual:
                residual = stack.enter_context(self._writer(self.residual, model))
            movie = stack.enter_context(read_ahead(self.movie))
            frames = model.predict_frames(
                movie, n_tiles=n_tiles, tta=args.tta, engine=args.engine, threads=args.threads
            )
            frames = stack.enter_context(contextlib.closing(in_background(frames)))
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
