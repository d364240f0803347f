"""What can denoise: the common face of a trained model and of an exported one.

Imports no TensorFlow, so that a folder with an ONNX export denoises without it.
"""

from __future__ import annotations

import abc
import numbers
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .. import deviations
from ..folder import export
from ..folder.folder import read_config
from ..folder.thresholds import read_thresholds
from ..io import as_movie
from ..io.hyperspy import is_signal
from ..io.movie import Movie, MovieLike, arrange
from ..io.shown import as_table
from ..noise.margins import filled, with_margins
from ..progress import FrameProgress
from . import engines, habits, lazily, signals, stream
from .standard_error import standard_error
from .stream import LiveReport
from .tiles import Denoiser
from .whole import DenoisedMovie

if TYPE_CHECKING:
    import pandas as pd

    from ..config import N2VStemConfig


FALSE_PER_MPX = 4.0  # of deviations: one false in a frame of 512x512 px


class Predictor(abc.ABC):
    """A network with what it needs to know of movies.

    Attributes
    ----------
    name : str
    config : N2VStemConfig
    thresholds : dict
        Numbers tuned after training, per detector; see `folder.thresholds`.
    trained : bool
    fingerprint : str
        ``sha256:...`` of the network and its weights.
    """

    name: str
    config: N2VStemConfig
    thresholds: dict[str, dict]
    trained: bool
    default_engine = "tensorflow"

    def _repr_html_(self) -> str:
        """Show in a notebook what the model is and what it was trained for."""
        config = self.config
        facts = {
            "detectors": ", ".join(config.channels),
            "network": f"depth {config.unet_n_depth}, {config.unet_n_first} features",
            "frames around": "looked at" if config.unet_context else "not looked at",
            "preparation": config.preparation.describe() if config.preparation else None,
            "state": "trained" if self.trained else "not trained",
        }
        for channel, part in self.thresholds.items():
            facts[f"{channel}, trained for"] = _domain_in_words(part.get("domain", {}))
            if "atoms" in part:
                height = part["atoms"]["height_sigma"]
                facts[f"{channel}, atoms"] = f"at least {height:.3g} sigma of the raw noise high"
        facts["folder"] = getattr(self, "logdir", None)
        return as_table(f"Model {self.name}", facts)

    @abc.abstractmethod
    def denoiser_on(self, engine: str | None = None, threads: int | None = None) -> Denoiser:
        """Return the network on an engine; see `predict`."""

    def predict(
        self,
        movie: MovieLike,
        axes: str | None = None,
        n_tiles: Sequence[int] | None = None,
        *,
        tta: bool | None = None,
        context: str = "both",
        restore: bool = True,
        detectors: Sequence[str] | None = None,
        pixel_size_nm: float | None = None,
        engine: str | None = None,
        threads: int | None = None,
        verbose: bool = True,
        normalizer: None = None,
    ) -> np.ndarray:
        """Denoise a movie.

        Parameters
        ----------
        movie : array, path, io.Movie, lazy sequence of frames, or hyperspy Signal2D
            Any size; never changed. Statistics are taken over each whole movie (S entry). Of a list
            of movies, as `train` takes it, each is denoised by itself: paths, arrays of the `axes`
            given, or TYXC. A list of images is the frames of one movie.
        axes : str, optional
            Axes of an array, letters of STCYX; default 'TYXC'.
        n_tiles : tuple of int, optional
            Tiles along (Y, X), or along all axes as in CSBDeep; default by size. The result does
            not depend on it.
        tta : bool, optional
            Average over the four flips of each frame; four times slower. By default single images
            of up to 1024 px a side are: up to 0.4 dB on real scans.
        context : {'both', 'past', 'none'}
            Which frames around a model with `unet_context` looks at: those before and after; those
            before, as a stream does; or none. The movie is then read twice more, to find how the
            specimen drifts. Other models look at none, but what is restored follows it, too.
        restore : bool
            Draw what the residual shows and the network left out: what a Wiener filter of it finds
            (`prediction.leftover`), and vacancies, dopants, atoms (`deviations`). How much of each
            follows from how sure it is. Frames around say more of
            what stays; with `context` 'none' each frame tells for itself, with 'past' nothing is
            restored.
        detectors, pixel_size_nm
            As in `N2VStem.train`.
        engine : {'tensorflow', 'openvino', 'onnx', 'auto'}, optional
            What runs the network; the result is the same to rounding. 'openvino' and 'onnx' need
            the extra of that name; they use the folder's ONNX export
            (``export(format="onnx")``), or convert the network in memory. A device is named as
            'onnx:cuda', 'onnx:dml', 'onnx:coreml', 'onnx:tensorrt', 'openvino:gpu' or
            'openvino:npu'; 'onnx' takes a graphics card where its wheel is for one. Its first
            frame is compared with the CPU's, which takes over where they differ. 'auto' is the
            first of these that is installed, if there is an export, else TensorFlow. Default
            'tensorflow'; for an `ExportedModel` 'auto'.
        threads : int, optional
            Threads of the engine; default all cores.
        verbose : bool
            Show progress; what takes less than two seconds shows nothing.
        normalizer : None
            CSBDeep's; there is nothing to choose, as each movie is standardised by itself and given
            back in its units.

        Returns
        -------
        float32 array, or list of them
            The movie in its own axes and units; what holds nothing, margins and rows of a scan that
            stopped or a detector that was off, as it was recorded. A dask array gives a lazy one
            (see `lazily`), a Signal2D one with its axes and metadata, lazy if it is.

        Warns
        -----
        UserWarning
            Noise or pixel size lie outside of what the model was trained for.
        """
        habits.refuse_normalizer(normalizer)
        movies = habits.many_movies(movie, axes)
        if movies is not None:
            said = {"context": context, "restore": restore, "detectors": detectors}
            said |= {"pixel_size_nm": pixel_size_nm, "engine": engine, "threads": threads}
            said |= {"verbose": verbose}
            return [self.predict(one, axes, n_tiles, tta=tta, **said) for one in movies]
        if is_signal(movie):
            said = {"context": context, "detectors": detectors, "pixel_size_nm": pixel_size_nm}
            said |= {"engine": engine, "threads": threads, "restore": restore}
            said |= {"verbose": verbose}
            return signals.predict(self, movie, axes, n_tiles, tta=tta, **said)
        denoiser = self.denoiser_on(engine, threads)
        if lazily.is_dask(movie):
            options = (n_tiles, tta, context, detectors, threads, restore, pixel_size_nm)
            return lazily.predict(self, denoiser, movie, axes, *options)
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        options = (n_tiles, tta, context, restore, verbose)
        return DenoisedMovie(self, denoiser, movie, *options).whole()

    def predict_frames(
        self,
        movie: MovieLike,
        axes: str | None = None,
        n_tiles: Sequence[int] | None = None,
        *,
        tta: bool | None = None,
        context: str = "both",
        restore: bool = True,
        detectors: Sequence[str] | None = None,
        pixel_size_nm: float | None = None,
        start: int = 0,
        engine: str | None = None,
        threads: int | None = None,
        verbose: bool = False,
    ) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        """Denoise a movie frame by frame, for movies larger than memory.

        Parameters
        ----------
        movie, axes, n_tiles, tta, context, restore, detectors, pixel_size_nm, engine, threads
            As in `predict`, but of one movie. It is read twice: for its statistics, then frame by
            frame.
        start : int
            Number of frames, series after series, to leave out at the beginning: to go on with a
            movie that was denoised in part. What follows is the same as without.
        verbose : bool
            Show how far the reading before the first frame is, for statistics and drift.

        Yields
        ------
        (s, t) : (int, int)
            Place of the frame.
        frame : (Y, X, C) float32 array
            In the movie's units, detectors in the movie's order.
        """
        denoiser = self.denoiser_on(engine, threads)
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        found = DenoisedMovie(self, denoiser, movie, n_tiles, tta, context, restore, verbose)
        yield from found.by_frame(start)

    def deviations(
        self,
        movie: MovieLike,
        axes: str | None = None,
        n_tiles: Sequence[int] | None = None,
        *,
        false_per_Mpx: float = FALSE_PER_MPX,
        tta: bool | None = None,
        context: str = "both",
        detectors: Sequence[str] | None = None,
        pixel_size_nm: float | None = None,
        engine: str | None = None,
        threads: int | None = None,
        verbose: bool = True,
        progress: Callable[[], object] | None = None,
    ) -> pd.DataFrame:
        """Find where the raw frames show something that the network does not draw.

        Parameters
        ----------
        movie, axes, n_tiles, tta, context, detectors, pixel_size_nm, engine, threads
            As in `predict`, but of one movie.
        false_per_Mpx : float
            Rate of false deviations, per 10^6 px of a frame. Half of them are allowed at the
            columns that are drawn, half elsewhere.
        verbose : bool
            Show progress.
        progress : callable, optional
            Called without arguments after each frame.

        Returns
        -------
        pandas.DataFrame
            One row a deviation and frame: ``frame``, ``y``, ``x`` [px], ``y_nm``, ``x_nm``;
            ``kind``: at a column that is drawn 'missing', 'weaker' or 'brighter', elsewhere 'extra'
            (the frame shows more than is drawn) or 'too much'; ``share`` of a column by which it
            deviates (-1: all of it); ``z``, that over its standard error; ``probability`` that it
            is real, where deviations are as common as in this movie; ``n_frames`` that were taken
            together; ``height_<detector>`` at its centre, in the movie's units. First a column
            ``movie`` if the movie has an S axis.

        Notes
        -----
        Matched filtering of the residual with images of single columns, which are learnt from the
        movie. Noise is taken to be normal after filtering; its size, correlation and growth with
        the signal follow from the residual itself. See `n2v_stem_keras.deviations`.
        """
        is_number = isinstance(false_per_Mpx, numbers.Real) and not isinstance(false_per_Mpx, bool)
        if not is_number or not 0 < false_per_Mpx < float("inf"):
            raise ValueError(f"false_per_Mpx is {false_per_Mpx!r}, expected a number above 0")
        denoiser = self.denoiser_on(engine, threads)
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        found = DenoisedMovie(self, denoiser, movie, n_tiles, tta, context, True, verbose)
        names = [(movie.detectors or self.config.channels)[c] for c in found.order]
        bar = FrameProgress("Looking for deviations", movie.n_series * movie.n_frames, verbose)
        rows = list(found.deviations(false_per_Mpx / 1e6, names, bar.step, progress))
        bar.close()
        return deviations.as_table(rows, names, "S" in movie.axes)

    def standard_error(
        self,
        movie: MovieLike,
        axes: str | None = None,
        n_tiles: Sequence[int] | None = None,
        *,
        n_repeats: int = 10,
        tta: bool | None = None,
        context: str = "both",
        restore: bool = True,
        detectors: Sequence[str] | None = None,
        pixel_size_nm: float | None = None,
        engine: str | None = None,
        threads: int | None = None,
        verbose: bool = True,
        progress: Callable[[], object] | None = None,
    ) -> np.ndarray:
        """Say how far each pixel of a denoised movie may be from the truth.

        Parameters
        ----------
        movie, axes, n_tiles, tta, context, restore, detectors, pixel_size_nm, engine, threads
            As in `predict`, whose result it belongs to, but of one movie. All of it is held in
            memory, five times.
        n_repeats : int
            How often noise is made and denoised, at least 2. It takes ``n_repeats + 1`` times as
            long as `predict`.
        verbose : bool
            Show progress.
        progress : callable, optional
            Called without arguments after each frame of each repeat.

        Returns
        -------
        float32 array
            In the axes and units of `predict`. Denoised plus and minus 1.645 of it are to hold the
            truth in 90 % of the pixels. Of a Signal2D a signal.

        Notes
        -----
        A parametric bootstrap: what was drawn gets noise like the movie's and is denoised again
        (`prediction.standard_error`). It knows of what the model may draw, not of what it never
        draws: see the intervals measured in docs/results.md, and search for `deviations`.
        """
        if not isinstance(n_repeats, numbers.Integral) or n_repeats < 2:
            raise ValueError(f"n_repeats is {n_repeats!r}, expected a whole number of at least 2")
        if lazily.is_dask(movie):
            raise TypeError(
                "standard_error needs the whole movie in memory: give movie.compute() of this dask "
                "array, or a part of it"
            )
        if is_signal(movie):
            said = {"n_repeats": n_repeats, "detectors": detectors, "engine": engine}
            said |= {"pixel_size_nm": pixel_size_nm, "threads": threads, "verbose": verbose}
            said |= {"tta": tta, "context": context, "restore": restore, "progress": progress}
            return signals.standard_error(self, movie, axes, n_tiles, **said)
        denoiser = self.denoiser_on(engine, threads)
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        options = (n_tiles, tta, context, restore)
        first = DenoisedMovie(self, denoiser, movie, *options, verbose)
        output = first.whole()
        kept = sorted(first.order)
        size = {"pixel_size_nm": movie.pixel_size_nm, "name": movie.name}
        size["detectors"] = tuple((movie.detectors or self.config.channels)[c] for c in kept)
        n_frames = movie.n_series * movie.n_frames
        bar = FrameProgress("Denoising again", n_repeats * n_frames, verbose)

        def denoise(frames):
            again = Movie.from_array(frames, "STYXC", **size)
            for place, frame in DenoisedMovie(self, denoiser, again, *options).by_frame():
                yield place, frame
                for step in filter(None, (bar.step, progress)):
                    step()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they were given for the movie itself

            def raw(s, t):
                return np.asarray(first.series[s].raw[t])[..., first.back]

            truth = np.ascontiguousarray(arrange(output, movie.axes, "STYXC"))
            margins = [
                ((s, t), place)
                for s, series in enumerate(first.series)
                for t, place in series.statistics.inside.items()
            ]
            for at, place in margins:
                truth[at] = filled(truth[at], place)
            found = standard_error(
                denoise,
                raw,
                truth,
                int(n_repeats),
                self.config.train_seed,
                lambda s, t: first.series[s].straightened(raw(s, t)),
            )
        for at, place in margins:  # what stands there was recorded
            found[at] = with_margins(found[at], np.zeros_like(found[at]), place)
        bar.close()
        arrange(output, movie.axes, "STYXC")[...] = found
        return output

    def stream(
        self,
        frames: Iterable[npt.ArrayLike],
        *,
        mean: npt.ArrayLike | None = None,
        sd: npt.ArrayLike | None = None,
        tta: bool = False,
        context: str = "past",
        when_behind: str = "wait",
        n_waiting: int = stream.N_WAITING,
        n_parallel: int = 1,
        report: LiveReport | None = None,
        engine: str | None = None,
        threads: int | None = None,
    ) -> Iterator[np.ndarray]:
        """Denoise frames as they come from the microscope: takes frames, yields frames.

        A thread reads, another denoises, while the caller uses what is ready.

        Parameters
        ----------
        frames : iterable of (Y, X, C) arrays
            Detectors in the order of ``config.channels``.
        mean, sd : (C,) arrays, optional
            To standardise with, of the prepared frames (`config.preparation`); by default those of
            the stream so far, from its first frame on, frames more than about 64 ago fading away.
        tta : bool
            Average over the four flips of each frame.
        engine, threads
            As in `predict`.
        context : {'past', 'none'}
            Whether a model with `unet_context` looks at the frames before each. What it knows of
            them is kept up to date frame by frame; it begins anew where a frame shows another area
            or has another size, and after a `stream.NEW_MOVIE` among the frames.
        when_behind : {'wait', 'drop'}
            Where frames come faster than they can be used: let the source wait, or drop those
            that have waited longest.
        n_waiting : int
            Frames that may wait before the network, and as many behind it.
        n_parallel : int
            Frames denoised at the same time. One on each core (``threads=1``) makes more frames a
            second than all cores on one, each of which takes longer.
        report : LiveReport, optional
            Filled in as the stream goes on: frames, dropped frames, latencies.

        Yields
        ------
        (Y, X, C) float32 array
            One for each frame that was not dropped, in order and in its units.

        Notes
        -----
        Statistics that change from frame to frame leave the intensities as they are, since what
        they divide by is multiplied back; but a stream equals `predict` on the whole movie, which
        knows all frames from the start, only with its `mean` and `sd`.
        """
        denoiser = self.denoiser_on(engine, threads)
        options = {"when_behind": when_behind, "n_waiting": n_waiting, "report": report}
        options["context"] = context
        options["n_parallel"] = n_parallel
        yield from stream.stream(self, denoiser, frames, mean, sd, tta, **options)


def _domain_in_words(domain: dict) -> str | None:
    """Return the ranges that a training has seen of one detector."""
    parts = []
    if noise := domain.get("noise_to_sd"):
        parts.append("noise of {:.2g} to {:.2g} of the standard deviation".format(*noise))
    if size := domain.get("pixel_size_nm"):
        parts.append("pixels of {:.3g} to {:.3g} nm".format(*size))
    return ", ".join(parts) or None


class ExportedModel(Predictor):
    """A model folder opened without TensorFlow, through its ONNX export.

    Parameters
    ----------
    folder : path
        A model folder that ``N2VStem.export(format="onnx")`` or ``n2v-stem export`` has written
        into.

    Raises
    ------
    NoExport
        There is no export, or it was made of other weights.
    FolderError
        The folder is damaged or suspicious.
    """

    default_engine = "auto"

    def __init__(self, folder: str | os.PathLike) -> None:
        folder = Path(folder)
        self.name, self.config = folder.resolve().name, read_config(folder)
        self.thresholds = read_thresholds(folder, self.config.channels)
        self.export = export.read(folder, export.fingerprint_of(folder, self.config))
        if self.export is None:
            raise export.NoExport(f"{folder}: has no ONNX export; {export.remedy(folder)}")
        self.trained, self._denoisers = True, {}

    def __repr__(self):
        return f"ExportedModel({self.name!r}, {'+'.join(self.config.channels)})"

    @property
    def fingerprint(self) -> str:
        """``sha256:...`` of the network and its weights."""
        return self.export.weights

    def denoiser_on(self, engine: str | None = None, threads: int | None = None) -> Denoiser:
        """Return the network on an engine other than TensorFlow; see `predict`."""
        engine = engine or self.default_engine
        engines.check(engine, threads)
        if engine == "auto":
            engine = engines.preferred()
            if engine is None:
                raise ImportError(f"an exported model needs an engine: {engines.ADVICE}")
        if engine == "tensorflow":
            raise ValueError("an ExportedModel runs without TensorFlow; open the folder as N2VStem")
        key = (engine, threads)
        if key not in self._denoisers:
            opened = engines.open_engine(engine, self.export, threads)
            self._denoisers[key] = Denoiser(opened, self.config)
        return self._denoisers[key]
