"""One movie through a model, from file to file, with a picture and a word on what was gained."""

import contextlib
import re
import time
import warnings
from pathlib import Path

import numpy as np

from .. import limits
from ..atomic import atomic, write_text
from ..counting import counted
from ..deviations import KINDS, as_table
from ..escaping import escaped
from ..io import MovieError, MovieWriter, Scaling, intensities, join_detectors, read_movie
from ..io.movie import arrange
from ..io.split import SplitWriter
from ..io.unfinished import resume_key
from ..noise.margins import inside, with_margins, without_margins
from ..prediction.ahead import in_background, read_ahead
from ..prediction.whole import DenoisedMovie, Listing, doubts
from ..progress import FrameProgress
from ..provenance import STANDARD_ERROR, of_denoising
from ..series import detector_order
from ..undistort import displaced_rows, undistorted
from . import movie_files, options
from .denoise_pictures import Shown


def _undistorted(frame, measured):
    """Put the rows of a denoised frame back; margins of an aligned stack stay."""
    place, straight = inside(frame), undistorted(without_margins(frame), measured)
    return straight if place is None else with_margins(straight, frame, place)


class DenoiseJob:
    """One movie on its way through a model.

    Parameters
    ----------
    args : argparse.Namespace
    place : Path
        Below --out, what the names of all results begin with.
    source : path or dict
        What `io.read_movie` takes.
    channels : tuple of str
        Detectors of the model.
    """

    def __init__(self, args, place, source, channels):
        self.args, self.source = args, source
        self.movie = movie_files.open_movie(args, place.name, source)
        self.kept = sorted(detector_order(self.movie, channels))
        self.names = [(self.movie.detectors or channels)[c] for c in self.kept]
        self.n_tiles = options.parse_tiles(args.n_tiles, self.movie.axes)
        place, self.format = Path(args.out) / place, movie_files.FORMATS[args.format]
        self.place = place
        # one file of each, or, with --split-detectors, one for each detector
        self.outputs = self._files("denoised")
        self.residuals, self.undistorted = self._files("residual"), self._files("undistorted")
        self.errors = self._files("standard_error")
        self.output = self.outputs[0]
        self.rows = place.with_name(f"{place.name}_rows.csv")
        self.deviations = place.with_name(f"{place.name}_deviations.csv")
        self.marked = place.with_name(f"{place.name}_deviations.{args.picture_format}")
        self.picture = place.with_name(f"{place.name}_denoised.{args.picture_format}")
        self.shown = Shown(args, self.movie, self.names)
        self.video = place.with_name(f"{place.name}_denoised.mp4")
        wanted = {
            **dict.fromkeys(self.outputs, True),
            **dict.fromkeys(self.residuals, args.residual),
            **dict.fromkeys(self.undistorted, args.undistort),
            **dict.fromkeys(self.errors, args.standard_error),
            self.rows: args.undistort,
            self.deviations: args.deviations,
            self.video: args.video,
            self.picture: not args.no_picture,
            self.marked: args.deviations and not args.no_picture,
        }
        self.results = [file for file, is_wanted in wanted.items() if is_wanted]
        for file in self.results:
            if file.exists() and not (args.overwrite or args.skip_existing):
                raise MovieError(
                    f"{file} exists; use --overwrite to replace it, --skip-existing to leave out "
                    "what is done, or another --out"
                )
        if args.video and self.format.bare:
            raise options.UsageError(f"--video needs another --format: {args.format} keeps no axes")
        if not args.dry_run:
            place.parent.mkdir(parents=True, exist_ok=True)

    def _files(self, content: str) -> list[Path]:
        """Return the file or files of one content."""
        labels = [""]
        if self.args.split_detectors:
            labels = [re.sub(r"[^\w.-]+", "-", f"_{name}") for name in self.names]
        name, ending = self.place.name, self.format.ending
        return [self.place.with_name(f"{name}{label}_{content}{ending}") for label in labels]

    def _read_input(self):
        return self.movie.select(self.kept)

    @property
    def _written_axes(self) -> str:
        axes = self.movie.axes
        return axes.replace("C", "") if self.args.split_detectors else axes

    def _read_output(self):
        """Open what was written as one movie, in the units it was denoised in."""
        bare = {"axes": self._written_axes} if self.format.bare else {}
        found = [intensities(read_movie(file, **bare)) for file in self.outputs]
        if self.args.split_detectors:
            return join_detectors(dict(zip(self.names, found, strict=True)))
        return found[0].replace(detectors=self.names)

    def is_done(self, model) -> bool:
        """Return whether, with --skip-existing, all results of this model are there.

        Raises
        ------
        MovieError
            They are another model's. (npy files do not say whose they are.)
        """
        there = [file for file in self.outputs if file.exists()]
        if not self.args.skip_existing or not there:
            return False
        for file in [] if self.format.bare else there:
            # what was written before anything was restored does not say so
            found = {"restored": False, **(read_movie(file).provenance or {})}
            expected = self._provenance(model)
            compared = ("model", "model_fingerprint", "source", "frames", "tta", "context")
            compared += ("restored",)
            keys = [key for key in compared if found.get(key) != expected.get(key)]
            if keys:
                raise MovieError(
                    f"{file}: its {keys[0]} is {found.get(keys[0])!r}, this run's "
                    f"{expected.get(keys[0])!r}; use --overwrite to replace it, or another --out"
                )
        return all(file.exists() for file in self.results)

    def _provenance(self, model, **settings) -> dict:
        args = self.args
        how = args.tta, args.context, not args.no_restore
        return of_denoising(model, self.movie, *how, **settings)

    def run(self, model) -> None:
        """Denoise, write, and show what was gained."""
        movie, args = self.movie, self.args
        options.say(args, options.describe_movie(movie))
        self.doubts = doubts(model, movie)
        options.refuse_doubts(args, movie.name, self.doubts)
        for text in limits.without_size(
            model.thresholds, model.config.channels, movie.pixel_size_nm
        ):
            warnings.warn(escaped(f"{movie.name}: {text}"), stacklevel=2)
        self.listing = None  # deviations, if they are found with the frames
        denoiser = model.denoiser_on(args.engine, args.threads)
        began, began_network = time.monotonic(), denoiser.seconds
        n_frames = self._write(model)
        files = ", ".join(map(str, self.outputs))
        text = f"Wrote {files}: {counted(movie.n_series * movie.n_frames, 'frame')}"
        if n_frames:
            each = (time.monotonic() - began) / n_frames
            network = (denoiser.seconds - began_network) / n_frames
            text += f", {each:.3g} s a frame, {network:.3g} s of it in the network"
        options.say(args, f"{text} ({denoiser.engine.name})")
        self.shown.report()
        if not args.no_picture:
            self.shown.draw(self.picture, model.name, self.doubts)
        if args.video:
            self.shown.film(self.video, self._read_input(), self._read_output())
        if args.deviations:
            self._list_deviations(model)

    def _list_deviations(self, model) -> None:
        """Write a table of what the network does not draw, and show the frame with most of it."""
        args, movie = self.args, self.movie
        if self.listing:
            table = as_table(self.listing.rows, self.listing.detectors, "S" in movie.axes)
        else:
            options_of = {"n_tiles": self.n_tiles, "tta": args.tta, "context": args.context}
            options_of |= {"engine": args.engine}
            options_of |= {"threads": args.threads, "verbose": not args.quiet}
            rate = options.positive(args.false_per_mpx)
            table = model.deviations(movie, false_per_Mpx=rate, **options_of)
        with atomic(self.deviations) as temporary:
            movie_files.in_file(table, movie).to_csv(temporary, index=False, float_format="%.6g")
        n_frames = movie.n_series * movie.n_frames
        by_kind = table["kind"].value_counts()
        kinds = ", ".join(f"{by_kind[kind]} {kind}" for kind in KINDS if kind in by_kind) or "none"
        n_px = n_frames * movie.frame_shape[0] * movie.frame_shape[1]
        false = options.positive(args.false_per_mpx) * n_px / 1e6
        options.say(
            args,
            f"Wrote {self.deviations}: {kinds} in {counted(n_frames, 'frame')}; "
            f"about {false:.2g} of them are expected to be false",
        )
        if not args.no_picture:
            self.shown.mark(self.marked, table, self._read_input(), self._read_output())

    def _writer(self, paths, provenance, scaling=None):
        """Return what writes one content, into one file or one for each detector."""
        if not self.args.split_detectors:
            return self._file_writer(paths[0], self.kept, self.names, provenance, scaling)
        each = [None] * len(paths)
        if scaling is not None:
            pairs = zip(scaling.slope, scaling.offset, strict=True)
            each = [Scaling(scaling.dtype, (slope,), (offset,)) for slope, offset in pairs]
        by_detector = zip(paths, self.kept, self.names, each, strict=True)
        return SplitWriter(
            [self._file_writer(path, [c], [name], provenance, own) for path, c, name, own in
             by_detector]
        )  # fmt: skip

    def _file_writer(self, path, kept, names, provenance, scaling):
        movie, axes = self.movie, self._written_axes
        size = dict(zip(movie.axes, movie.shape, strict=True)) | {"C": len(kept)}
        shape = [size[a] for a in axes]
        key = resume_key(path.name, provenance, axes, shape, kept, self._input_state())
        return MovieWriter(
            path,
            axes,
            tuple(shape),
            detectors=names,
            pixel_size_nm=movie.pixel_size_nm,
            frame_time_s=movie.frame_time_s,
            voltage_kV=movie.voltage_kV,
            provenance=provenance | self.findings,
            overwrite=self.args.overwrite or self.args.skip_existing,
            scaling=scaling,
            format=self.format.name,
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
        movie, args = self.movie, self.args
        with contextlib.ExitStack() as stack:
            ahead = stack.enter_context(read_ahead(movie))
            denoised = DenoisedMovie(
                model,
                model.denoiser_on(args.engine, args.threads),
                ahead,
                self.n_tiles,
                args.tta,
                args.context,
                not args.no_restore,
                not args.quiet,
            )
            self.findings = denoised.findings()
            named = {k: stack.enter_context(w) for k, w in self._writers(model).items()}
            output = named["denoised"]
            start = min(w.n_written for k, w in named.items() if k != "standard_error")
            for file in output.others:
                options.complain(
                    f"Warning: {file} is unfinished output of other settings or another model; "
                    "remove it if it is not wanted"
                )
            if start:
                options.say(args, f"Going on after {start} of {counted(output.n_frames, 'frame')}")
                self._look_back(output, start)
            if args.deviations and denoised.restore and not start:
                names = [(movie.detectors or model.config.channels)[c] for c in denoised.order]
                rate = options.positive(args.false_per_mpx) / 1e6
                self.listing = denoised.listing = Listing(rate, names)
            moved = {}
            if args.undistort:
                for number in range(start):  # denoised before an interruption
                    s, t = divmod(number, movie.n_frames)
                    raw = movie.frame(s, t)[..., self.kept]
                    moved[number] = displaced_rows(without_margins(raw))
            progress = FrameProgress("Denoising", output.n_frames - start, not args.quiet)
            frames = denoised.by_frame(start)
            frames = stack.enter_context(contextlib.closing(in_background(frames)))
            for (s, t), frame in frames:
                raw = ahead.frame(s, t)[..., self.kept].astype(np.float32)
                number = s * movie.n_frames + t
                if number == output.n_written:
                    output.write(frame)
                if args.residual and number == named["residual"].n_written:
                    named["residual"].write(raw - frame)
                if args.undistort:
                    measured = displaced_rows(without_margins(raw))
                    moved[number] = measured
                    if number == named["undistorted"].n_written:
                        straight = frame if measured is None else _undistorted(frame, measured)
                        named["undistorted"].write(straight)
                self.shown.look(s, t, raw, frame)
                progress.step()
            progress.close()
            if args.standard_error:
                self._write_errors(model, named["standard_error"])
        if args.undistort:
            self._write_rows(moved)
        return output.n_frames - start

    def _write_errors(self, model, writer) -> None:
        """Write how far each pixel may be from the truth, and how far that is in the middle."""
        args, movie = self.args, self.movie
        options_of = {"n_tiles": self.n_tiles, "tta": args.tta, "context": args.context}
        options_of |= {"restore": not args.no_restore, "engine": args.engine}
        options_of |= {"threads": args.threads, "verbose": not args.quiet}
        found = arrange(model.standard_error(movie, **options_of), movie.axes, "STYXC")
        for number in range(writer.n_written, writer.n_frames):
            writer.write(found[divmod(number, movie.n_frames)])
        middle = np.median(found, axis=(0, 1, 2, 3))
        values = ", ".join(f"{v:.3g} {name}" for v, name in zip(middle, self.names))
        files = ", ".join(map(str, self.errors))
        options.say(args, f"Wrote {files}: median standard error {values}, in the movie's units")

    def _write_rows(self, moved) -> None:
        """Write where the rows of each frame were taken, and say how far off they were."""
        lines, rms = ["movie,frame,row,y_px,x_px,y_error_px,x_error_px,y_back_px,x_back_px"], []
        for number, measured in sorted(moved.items()):
            if measured is None:
                continue
            s, t = self.movie.place_in_file(*divmod(number, self.movie.n_frames))
            rms.append(measured.rms_px)
            columns = *measured.measured_px, measured.likely_px
            for row, values in enumerate(np.concatenate(columns, axis=1)):
                numbers = ",".join(f"{v:.4f}" for v in values)
                lines.append(f"{s},{t},{row},{numbers}")
        write_text(self.rows, "\n".join(lines) + "\n")
        known = [r for r in rms if np.isfinite(r)]
        text = "nothing tells where rows belong"
        if known:
            text = f"rows lay {np.mean(known):.2f} px rms along x"
        n_frames = f"{len(known)} of {counted(len(moved), 'frame')}"
        files = ", ".join(map(str, self.undistorted))
        options.say(self.args, f"Wrote {files}: {text} ({n_frames})")

    def _writers(self, model) -> dict:
        """Return the writers of the output and of what else is asked for."""
        args, movie = self.args, self.movie
        engine = model.denoiser_on(args.engine, args.threads).engine.name
        settings = {"n_tiles": args.n_tiles, "engine": engine, "warnings": self.doubts or None}
        provenance = self._provenance(model, **settings)
        scaling = None
        if args.dtype == "input" and movie.dtype.kind in "iu":
            scaling = Scaling.of_movie(movie, self.kept)
        writers = {"denoised": self._writer(self.outputs, provenance, scaling)}
        if args.residual:
            of = {**provenance, "content": "input minus output"}
            writers["residual"] = self._writer(self.residuals, of)
        if args.standard_error:
            of = {**provenance, "content": STANDARD_ERROR}
            writers["standard_error"] = self._writer(self.errors, of)
        if args.undistort:
            of = {**provenance, "content": "denoised, rows put back"}
            writers["undistorted"] = self._writer(self.undistorted, of, scaling)
        return writers

    def _look_back(self, output, start: int) -> None:
        """Look at frames that were denoised before an interruption as if they were new."""
        for number in range(start):
            s, t = divmod(number, self.movie.n_frames)
            if self.shown.is_looked_at(number):
                raw = self.movie.frame(s, t)[..., self.kept].astype(np.float32)
                self.shown.look(s, t, raw, output.read(number).astype(np.float32))
