"""N2VStem: train on noisy movies, denoise movies, share the result as a folder.

The model class in the style of CSBDeep: ``N2VStem(config, name, basedir).train(...)`` and
``.predict(...)``. This file reads like a table of contents; each step lives in the module named
after it.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import keras
import numpy as np

from . import detection, prediction, ready_made
from . import folder as model_folder
from .data import check_context
from .folder import FolderError
from .inference import Denoiser
from .movies import as_movie, collect_series, interop_of
from .network import build_network
from .normalize import DataError
from .training import TrainingRun


class N2VStem:
    """A Noise2Void model for STEM movies.

    Parameters
    ----------
    config : N2VStemConfig or None
        None opens the existing folder as it is.
    name : str, optional
        Name of the model folder; by default the time of day.
    basedir : path or None
        Where model folders lie. None: nothing is read from or written to disk.
    overwrite : bool
        Replace a model of this name instead of opening it.

    Attributes
    ----------
    config : N2VStemConfig
    keras_model : keras.Model
        (B, Y, X, C_in) standardised -> (B, Y, X, C); see `network.build_network`.
    name : str
    basedir, logdir : Path or None
        `logdir` is the model folder.
    thresholds : dict
        Numbers tuned after training, per detector; see `folder`.
    record : dict
        Provenance and history of all runs (training.json).
    callbacks : list of keras.callbacks.Callback
        Yours: added to every training.
    optimizer : keras.optimizers.Optimizer or None
        Set by `prepare_for_training`.
    trained : bool
        Whether the weights have been trained.

    Raises
    ------
    ConfigError
        The configuration cannot be used.
    FolderError
        The folder is missing, damaged, suspicious or holds another configuration.

    Examples
    --------
    >>> from n2v_stem_keras import N2VStem, N2VStemConfig
    >>> model = N2VStem(N2VStemConfig.preset("laptop"), basedir=None)
    >>> model.keras_model.output_shape
    (None, None, None, 2)
    """

    def __init__(self, config=None, name=None, basedir=".", overwrite: bool = False):
        self.name = name or datetime.datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
        if Path(self.name).name != self.name or self.name in (".", ".."):
            raise FolderError(f"name {name!r} is a path; give the folder above it as basedir")
        self.basedir = None if basedir is None else Path(basedir)
        self.logdir = None if basedir is None else self.basedir / self.name
        if config is None and self.logdir is None:
            raise FolderError("without a configuration there must be a folder to open")
        if self.logdir is not None and overwrite:
            if config is None:
                raise FolderError("overwrite=True needs a configuration for the new model")
            config.check()
            model_folder.erase(self.logdir)
        self.config = config.check() if config else model_folder.read_config(self.logdir)
        if self.logdir is not None:
            model_folder.create(self.logdir, self.config)
        # predictions are made in float32 whatever the training's precision
        self.keras_model = build_network(self.config.replace(train_precision="float32"))
        self.callbacks, self.optimizer = [], None
        self.thresholds = {channel: {} for channel in self.config.channels}
        self.record = model_folder.empty_record()
        self.trained = False
        self._denoiser = None
        if self.logdir is not None:
            self._open(self.logdir)

    def __repr__(self):
        state = "trained" if self.trained else "not trained"
        return f"N2VStem({self.name!r}, {'+'.join(self.config.channels)}, {state}, {self.logdir})"

    def _open(self, folder: Path) -> None:
        self.thresholds = model_folder.read_thresholds(folder, self.config.channels)
        self.record = model_folder.read_record(folder)
        for name in (model_folder.WEIGHTS_BEST, model_folder.WEIGHTS_LAST):
            if (folder / name).exists():
                model_folder.load_weights(self.keras_model, folder, name)
                self.trained = True
                break

    @classmethod
    def from_pretrained(cls, name: str | None = None) -> N2VStem | list[str]:
        """Open a ready-made model that came with the package.

        Parameters
        ----------
        name : str, optional
            Without a name, the models are listed with what they are for.

        Returns
        -------
        N2VStem, or list of str
            The model is not tied to a folder (`basedir` is None), so training it on leaves the
            installed one alone.
        """
        if name is None:
            return ready_made.describe()
        folder = ready_made.find(name)
        model = cls(model_folder.read_config(folder), name, basedir=None)
        model._open(folder)
        return model

    def load_weights(self, name: str = model_folder.WEIGHTS_BEST) -> None:
        """Load a weight file of the model folder, e.g. ``weights_last.weights.h5``."""
        if self.logdir is None:
            raise FolderError("the model has no folder to load weights from (basedir=None)")
        model_folder.load_weights(self.keras_model, self.logdir, name)
        self.trained = True

    # -- training --------------------------------------------------------------------------------
    def prepare_for_training(self, optimizer=None) -> None:
        """Choose an optimizer instead of the configured Adam; `train` does the rest.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer, optional
            Copied at the start of each run.
        """
        self.optimizer = optimizer

    def train(
        self,
        movies,
        axes: str | None = None,
        validation_data=None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        *,
        detectors=None,
        pixel_size_nm: float | None = None,
        resume: bool = True,
        transfer_from=None,
        verbose: bool = True,
    ) -> keras.callbacks.History:
        """Train on noisy movies.

        Parameters
        ----------
        movies : array, path, io.Movie, lazy sequence of frames, Signal2D, or a list of these
            Raw intensities, any number type, read one frame at a time and never changed.
        axes : str, optional
            Of arrays, default 'TYXC'; files bring their own.
        validation_data : as `movies`, optional
            Otherwise `train_validation_fraction` of the movies is held out.
        epochs, steps_per_epoch : int, optional
            Instead of the configuration's.
        detectors : sequence of str, optional
            Names along the C axis; default the model's, in its order.
        pixel_size_nm : float, optional
            [nm/px]; files bring their own.
        resume : bool
            Go on with an unfinished training of this folder; it ends bit-equal to one that was
            never interrupted. False starts a new run from the current weights.
        transfer_from : path, optional
            Start from the weights of another model's folder (transfer training).
        verbose : bool
            Print progress, time left and the noise floor.

        Returns
        -------
        keras.callbacks.History
            Of all runs of this folder: ``loss``, ``val_loss``, both per detector (``loss_ADF``),
            ``noise_floor``, ``val_loss_se`` (standard error of the validation loss above the
            floor), ``learning_rate``, ``seconds``.

        Raises
        ------
        DataError, MovieError
            The movies cannot be used.
        FolderError
            An unfinished training of this folder used other data.
        TrainingDiverged
            The loss became NaN.
        KeyboardInterrupt
            Ctrl-C; the folder then holds a usable model, and the next `train` resumes.

        Notes
        -----
        Ends with the best weights (lowest masked validation loss) loaded, and writes the
        ``noise`` and ``domain`` parts of thresholds.json. On a finished folder a new run starts
        from the current weights with a fresh optimizer, appended to the history, as in CSBDeep.
        """
        self._check_train_arguments(epochs, steps_per_epoch)
        options = (self.config.channels, axes, detectors, pixel_size_nm)
        series = collect_series(movies, *options, fingerprint=True, verbose=verbose)
        held = collect_series(validation_data, *options, fingerprint=True, verbose=verbose)
        run = TrainingRun(self, series, held, epochs, steps_per_epoch, resume, verbose)
        run.start_weights(transfer_from)
        run.fit()
        return self.history()

    @staticmethod
    def _check_train_arguments(epochs, steps_per_epoch):
        for name, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
            if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
                raise ValueError(f"{name} is {value!r}, expected a whole number of at least 1")

    def history(self) -> keras.callbacks.History:
        """Return the history of all runs as Keras returns it."""
        history = keras.callbacks.History()
        columns = dict(self.record["history"])
        history.epoch = [int(e) for e in columns.pop("epoch", [])]
        history.history = {key: list(column) for key, column in columns.items()}
        history.set_model(self.keras_model)
        return history

    # -- prediction ------------------------------------------------------------------------------
    @property
    def denoiser(self) -> Denoiser:
        """The network as a cached function on standardised frames."""
        if self._denoiser is None:
            self._denoiser = Denoiser(self.keras_model, self.config)
        return self._denoiser

    def predict(
        self,
        movie,
        axes: str | None = None,
        n_tiles=None,
        *,
        tta: bool = False,
        detectors=None,
        pixel_size_nm: float | None = None,
    ) -> np.ndarray:
        """Denoise a movie.

        Parameters
        ----------
        movie : array, path, io.Movie, lazy sequence of frames, or hyperspy Signal2D
            Any size; never changed. Statistics are taken over each whole movie (S entry).
        axes : str, optional
            Of an array, letters of STCYX; default 'TYXC'.
        n_tiles : tuple of int, optional
            Tiles along (Y, X), or along all axes as in CSBDeep; default by size. The result does
            not depend on it.
        tta : bool
            Average over the four flips of each frame; four times slower.
        detectors, pixel_size_nm
            As in `train`.

        Returns
        -------
        float32 array
            In the movie's axes and units. Of a Signal2D a Signal2D with its axes and metadata, of
            a lazy one a lazy one; see `interop.hyperspy`.

        Warns
        -----
        UserWarning
            Noise or pixel size lie outside of what the model was trained for.
        """
        if interop := interop_of(movie):
            said = {"detectors": detectors, "pixel_size_nm": pixel_size_nm}
            return interop.predict(self, movie, axes, n_tiles, tta=tta, **said)
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        return prediction.whole(self, movie, n_tiles, tta)

    def predict_frames(
        self,
        movie,
        axes=None,
        n_tiles=None,
        *,
        tta=False,
        detectors=None,
        pixel_size_nm=None,
        start: int = 0,
    ):
        """Denoise a movie frame by frame, for movies larger than memory.

        Parameters
        ----------
        movie, axes, n_tiles, tta, detectors, pixel_size_nm
            As in `predict`. The movie is read twice: for its statistics, then frame by frame.
        start : int
            Number of frames, series after series, to leave out at the beginning: to go on with a
            movie that was denoised in part. What follows is the same as without.

        Yields
        ------
        (s, t) : (int, int)
            Place of the frame.
        frame : (Y, X, C) float32 array
            In the movie's units, detectors in the movie's order.
        """
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        yield from prediction.by_frame(self, movie, n_tiles, tta, start)

    def stream(
        self, frames, *, mean=None, sd=None, warmup: int = prediction.STREAM_WARMUP, tta=False
    ):
        """Denoise frames as they come from the microscope: takes frames, yields frames.

        Parameters
        ----------
        frames : iterable of (Y, X, C) arrays
            Detectors in the order of ``config.channels``.
        mean, sd : (C,) arrays, optional
            To standardise with; by default those of the first frames.
        warmup : int
            Number of first frames to take statistics over, if not given. They are held back
            until the last of them has come.
        tta : bool
            As in `predict`.

        Yields
        ------
        (Y, X, C) float32 array
            One for each frame, in order and in its units.
        """
        yield from prediction.stream(self, frames, mean, sd, warmup, tta)

    # -- atoms -----------------------------------------------------------------------------------
    def find_atoms(
        self,
        movie,
        axes: str | None = None,
        *,
        height_sigma: float | None = None,
        min_distance_nm: float | None = None,
        look_in=None,
        refine_on: str = "raw",
        detectors=None,
        pixel_size_nm: float | None = None,
        verbose: bool = False,
    ):
        """Denoise a movie and find the atoms in it.

        Parameters
        ----------
        movie, axes, detectors, pixel_size_nm
            As in `predict`.
        height_sigma : float, optional
            Least height above the local background, in units of the raw noise of the detector;
            default the model's thresholds (`optimize_thresholds`), or 1 with a warning.
        min_distance_nm : float, optional
            Of two atoms [nm]; default the model's, or 0.15.
        look_in : sequence of str, optional
            Detectors in which a peak makes an atom; default those with a threshold, or all.
        refine_on : {'raw', 'denoised'}
            Pixels that positions are refined on.
        verbose : bool
            Show progress.

        Returns
        -------
        pandas.DataFrame
            Columns of `atoms.find_atoms`, as trackpy names them; first a column ``movie`` if the
            movie has an S axis.

        Warns
        -----
        UserWarning
            The model has no calibrated threshold.
        """
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        criteria = detection.criteria_of(
            self.config.channels, self.thresholds, look_in, height_sigma, min_distance_nm
        )
        tables = []
        for s, series in enumerate(collect_series(movie, self.config.channels)):
            check_context(len(series.frames), self.config.n2v_context_frames, series.name)
            table = detection.find(self, series, criteria, refine_on, verbose)
            if "S" in movie.axes:
                table.insert(0, "movie", s)
            tables.append(table)
        return detection.join(tables)

    def optimize_thresholds(
        self,
        movie,
        axes: str | None = None,
        *,
        positions=None,
        lattice=None,
        empty=None,
        false_alarms_per_Mpx: float = detection.FALSE_ALARMS_PER_MPX,
        min_distance_nm: float | None = None,
        look_in=None,
        n_frames: int | None = None,
        seed: int = 0,
        detectors=None,
        pixel_size_nm: float | None = None,
        verbose: bool = False,
    ) -> dict:
        """Calibrate the thresholds of `find_atoms`, and write them into the model folder.

        Without `positions`, frames without atoms go through the model, and the threshold is where
        the peaks that come out are as rare as is asked for: frames of the movie's mean and noise,
        and the same with the movie's own lattice, as a local Wiener filter finds it (or `lattice`,
        or `empty`). The stricter threshold is kept.

        Parameters
        ----------
        movie, axes, detectors, pixel_size_nm
            The movie, one S entry, whose noise and statistics the thresholds are for; as in
            `predict`.
        positions : sequence of (n, 2) arrays, optional
            True atoms of each frame, y, x [px]: the threshold of greatest F1 is taken instead.
        lattice : array, optional
            Noise-free frames without atoms, (Y, X, C) or (T, Y, X, C), in the movie's units and
            the model's detectors, instead of the movie's own lattice; noise is added.
        empty : array or lazy sequence, optional
            Frames without atoms as they were recorded, (T, Y, X, C).
        false_alarms_per_Mpx : float
            Rate of false atoms of each detector, per 10^6 px.
        min_distance_nm, look_in
            As in `find_atoms`.
        n_frames : int, optional
            Frames of noise, of the movie's size; by default so many that 50 false atoms are
            expected.
        seed : int
            Of the noise.
        verbose : bool
            Show progress.

        Returns
        -------
        dict
            Detector -> the ``atoms`` part of thresholds.json: ``height_sigma``, ``sign``,
            ``min_distance_nm``, ``method``, ``false_alarms_per_Mpx`` as counted, its
            ``interval_95``, ``frames``, ``data_fingerprint``.

        Raises
        ------
        ValueError
            Too few frames for the rate.
        DataError
            The movie cannot be used, or holds none of the positions.
        """
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        found = collect_series(movie, self.config.channels, fingerprint=True)
        if len(found) != 1:
            raise DataError(f"{movie.name}: {len(found)} movies; thresholds are set on one")
        bare = {channel: {} for channel in self.config.channels}
        criteria = detection.criteria_of(self.config.channels, bare, look_in, 0.0, min_distance_nm)
        options = (positions, lattice, empty, false_alarms_per_Mpx, n_frames, seed, verbose)
        parts = detection.optimise(self, found[0], criteria, *options)
        for channel, part in parts.items():
            self.thresholds[channel] = {**self.thresholds.get(channel, {}), "atoms": part}
        if self.logdir is not None:
            model_folder.write_thresholds(self.logdir, self.thresholds)
        return parts

    # -- sharing ---------------------------------------------------------------------------------
    def export(self, path=None) -> Path:
        """Write the network as a TensorFlow SavedModel with open image size.

        Parameters
        ----------
        path : path, optional
            A new folder; default ``<model folder>/saved_model``.

        Returns
        -------
        Path

        Notes
        -----
        The exported network takes and gives standardised frames: (frame - mean) / sd per
        detector over the whole movie.
        """
        if path is None and self.logdir is None:
            raise FolderError("the model has no folder (basedir=None); give a path to export to")
        path = Path(path) if path is not None else self.logdir / "saved_model"
        if path.exists():
            raise FolderError(f"{path} exists; remove it or export to another path")
        self.keras_model.export(str(path), format="tf_saved_model", verbose=False)
        return path
