"""N2VStem: train on noisy movies, denoise movies, share the result as a folder.

The model class in the style of CSBDeep: ``N2VStem(config, name, basedir).train(...)`` and
``.predict(...)``. This file reads like a table of contents; each step lives in the module named
after it.
"""

from __future__ import annotations

import datetime
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from . import detection
from .atomic import atomic, atomic_folder, scratch_folder, write_text
from .config import ConfigError
from .escaping import escaped
from .folder import export as onnx_export
from .folder import folder as model_folder
from .folder import pretrained
from .folder.folder import FolderError, refuse_existing
from .folder.record import empty_record, read_record, write_record
from .folder.thresholds import merged, read_thresholds, write_thresholds
from .io import as_movie
from .io.movie import LazyFrames, MovieLike
from .network.unet import build_network
from .normalize import DataError
from .prediction import engines, habits
from .prediction.engines import TensorFlowEngine
from .prediction.predictor import Predictor
from .prediction.tiles import Denoiser
from .series import collect_series
from .training.choices import choose_preparation
from .training.devices import open_strategy
from .training.plan import plan
from .training.run import run

if TYPE_CHECKING:
    import pandas as pd

    from .config import N2VStemConfig


class N2VStem(Predictor):
    """A Noise2Void model for STEM movies.

    Parameters
    ----------
    config : N2VStemConfig or None
        None opens the existing folder as it is.
    name : str, optional
        Name of the model folder; by default the time of day.
    basedir : path or None
        Where model folders lie; 'models' as on the command line (CSBDeep: '.'). None: nothing is
        read from or written to disk.
    overwrite : bool
        Replace a model of this name instead of opening it.

    Attributes
    ----------
    config : N2VStemConfig
    keras_model : keras.Model
        (B, Y, X, C_in) standardised -> (B, Y, X, C); see `network.unet`.
    name : str
    basedir, logdir : Path or None
        `logdir` is the model folder.
    thresholds : dict
        Numbers tuned after training, per detector; see `folder.thresholds`.
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

    def __init__(
        self,
        config: N2VStemConfig | None = None,
        name: str | None = None,
        basedir: str | os.PathLike | None = "models",
        overwrite: bool = False,
    ) -> None:
        self.name = name or datetime.datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
        model_folder.check_name(self.name)
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
            self.config = model_folder.create(self.logdir, self.config)
        # predictions are made in float32 whatever the training's precision
        self.keras_model = build_network(self.config.replace(train_precision="float32"))
        self.callbacks, self.optimizer = [], None
        self.thresholds = {channel: {} for channel in self.config.channels}
        self.record = empty_record()
        self.trained = False
        self._denoiser = self._exported = self._folder = None
        if self.logdir is not None:
            self._open(self.logdir)

    def __repr__(self):
        state = "trained" if self.trained else "not trained"
        return f"N2VStem({self.name!r}, {'+'.join(self.config.channels)}, {state}, {self.logdir})"

    @property
    def folder(self) -> Path | None:
        """Folder that the model was opened from; of a ready-made one, the installed folder."""
        return self._folder

    def _adopt(self, config: N2VStemConfig) -> None:
        """Take over what a training has chosen; the weights stay."""
        if config == self.config:
            return
        weights = self.keras_model.get_weights()
        self.config, self._denoiser, self._exported = config, None, None
        self.keras_model = build_network(config.replace(train_precision="float32"))
        self.keras_model.set_weights(weights)
        if self.logdir is not None:
            model_folder.write_config(self.logdir, config)

    def _open(self, folder: Path) -> None:
        self._folder = folder
        self.thresholds = read_thresholds(folder, self.config.channels)
        self.record = read_record(folder)
        for name in (model_folder.WEIGHTS_BEST, model_folder.WEIGHTS_LAST):
            if model_folder.is_there(folder, name):
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
            return pretrained.describe()
        folder = pretrained.find(name)
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
    def prepare_for_training(self, optimizer: keras.optimizers.Optimizer | None = None) -> None:
        """Choose an optimizer instead of the configured Adam; `train` does the rest.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer, optional
            Copied at the start of each run.
        """
        self.optimizer = optimizer

    def train(
        self,
        movies: MovieLike | Sequence[MovieLike],
        axes: str | None = None,
        validation_data: MovieLike | Sequence[MovieLike] | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        *,
        detectors: Sequence[str] | None = None,
        pixel_size_nm: float | None = None,
        resume: bool = True,
        transfer_from: str | os.PathLike | None = None,
        strategy: str | None = None,
        verbose: bool = True,
    ) -> keras.callbacks.History:
        """Train on noisy movies.

        Parameters
        ----------
        movies : array, path, io.Movie, lazy sequence of frames, Signal2D, or a list of these
            Raw intensities, any number type, read one frame at a time and never changed.
        axes : str, optional
            Axes of arrays, default 'TYXC'; files bring their own. What is no text is taken for
            `validation_data`, as in N2V: ``train(X, X_val)``.
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
            Start from the weights of another model's folder, or of a ready-made model by its name
            (transfer training).
        strategy : {None, 'mirrored'}
            'mirrored' divides each batch among all GPUs of this host; loss and gradients are
            those of the whole batch. `train_batch_size` must be a multiple of the number of GPUs
            (times `train_gradient_accumulation_steps`).
        verbose : bool
            Print progress, time left and the noise floor.

        Returns
        -------
        keras.callbacks.History
            History of all runs of this folder: ``loss``, ``val_loss``, both per detector
            (``loss_ADF``), ``noise_floor``, ``val_loss_se`` (standard error of the validation loss
            above the floor), ``learning_rate``, ``seconds``.

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
        axes, validation_data, epochs, steps_per_epoch = habits.training_arguments(
            axes, validation_data, epochs, steps_per_epoch
        )
        self.check_train_arguments(epochs, steps_per_epoch)
        devices = open_strategy(strategy, self.config)
        files = (axes, detectors, pixel_size_nm)
        options = (choose_preparation(self.config, movies, *files), *files)
        series = collect_series(movies, *options, fingerprint=True, verbose=verbose)
        held = collect_series(validation_data, *options, fingerprint=True, verbose=verbose)
        planned = plan(
            options[0],
            series,
            held,
            epochs,
            steps_per_epoch,
            folder=self.logdir if resume else None,
            from_scratch=not (self.trained or transfer_from),
        )
        run(self, planned, devices, transfer_from=transfer_from, verbose=verbose)
        return self.history()

    @staticmethod
    def check_train_arguments(epochs: int | None, steps_per_epoch: int | None) -> None:
        """Raise `ConfigError` unless these are None or counts."""
        for name, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
            if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
                raise ConfigError(f"{name} is {value!r}, expected a whole number of at least 1")

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
        """The network in TensorFlow, as a function of standardised frames."""
        self._refuse_untrained()
        if self._denoiser is None:
            self._denoiser = Denoiser(TensorFlowEngine(self.keras_model, self.config), self.config)
        return self._denoiser

    @property
    def fingerprint(self) -> str:
        """``sha256:...`` of the network and its present weights."""
        return onnx_export.fingerprint(self.config, self.keras_model.get_weights())

    def denoiser_on(self, engine: str | None = None, threads: int | None = None) -> Denoiser:
        """Return the network on an engine; see `predict`."""
        engine = engine or self.default_engine
        engines.check(engine, threads)
        self._refuse_untrained()
        if engine == "auto":
            engine = self._fastest()
        if engine == "tensorflow":
            engines.limit_tensorflow(threads)
            return self.denoiser
        key = (engine, threads, self.fingerprint)
        if self._exported is None or self._exported[0] != key:
            opened = engines.open_engine(engine, self._find_export(), threads)
            self._exported = key, Denoiser(opened, self.config)
        return self._exported[1]

    def _refuse_untrained(self):
        """Refuse to predict from a folder that has no weights."""
        if self.logdir is not None and not self.trained:
            raise FolderError(f"{self.logdir}: was never trained (no weights); train it first")

    def _fastest(self):
        """Choose an engine that costs nothing to set up: one that a fresh export is there for."""
        if self._folder is None or not (self._folder / model_folder.EXPORT).exists():
            return "tensorflow"
        found = engines.preferred()
        try:
            if found and onnx_export.read(self._folder, self.fingerprint):
                return found
            reason = f"no engine for the ONNX export is installed; {engines.ADVICE}"
        except onnx_export.StaleExport as error:
            reason = str(error)
        warnings.warn(escaped(f"Using TensorFlow: {reason}"), stacklevel=4)
        return "tensorflow"

    def _find_export(self):
        """Return the export of the folder if it is of these weights, else a new one in memory."""
        from .prediction.convert import convert

        found = None
        try:
            if self._folder is not None:
                found = onnx_export.read(self._folder, self.fingerprint)
        except onnx_export.StaleExport as error:
            warnings.warn(escaped(f"{error}. Converted anew for now"), stacklevel=4)
        return found or convert(self.keras_model, self.config)

    # -- atoms -----------------------------------------------------------------------------------
    def find_atoms(
        self,
        movie: MovieLike,
        axes: str | None = None,
        *,
        height_sigma: float | None = None,
        min_distance_nm: float | None = None,
        look_in: Sequence[str] | None = None,
        refine_on: str = "raw",
        detectors: Sequence[str] | None = None,
        pixel_size_nm: float | None = None,
        verbose: bool = True,
        progress: Callable[[], object] | None = None,
    ) -> pd.DataFrame:
        """Denoise a movie and find the atoms in it.

        Parameters
        ----------
        movie, axes, detectors, pixel_size_nm
            As in `predict`.
        height_sigma : float, optional
            Least height above the local background, in units of the raw noise of the detector;
            default the model's thresholds (`optimize_thresholds`), or 1 with a warning.
        min_distance_nm : float, optional
            Least distance of two atoms [nm]; default the model's, or 0.15.
        look_in : sequence of str, optional
            Detectors in which a peak makes an atom; default those with a threshold, or all.
        refine_on : {'raw', 'denoised'}
            Pixels that positions are refined on.
        verbose : bool
            Show progress.
        progress : callable, optional
            Called without arguments after each frame.

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
        for s, series in enumerate(collect_series(movie, self.config, verbose=verbose)):
            table = detection.find(self, series, criteria, refine_on, verbose, progress)
            if "S" in movie.axes:
                table.insert(0, "movie", s)
            tables.append(table)
        return detection.join(tables)

    def optimize_thresholds(
        self,
        movie: MovieLike,
        axes: str | None = None,
        *,
        positions: Sequence[npt.ArrayLike] | None = None,
        lattice: npt.ArrayLike | None = None,
        empty: npt.ArrayLike | LazyFrames | None = None,
        false_alarms_per_Mpx: float = detection.FALSE_ALARMS_PER_MPX,
        min_distance_nm: float | None = None,
        look_in: Sequence[str] | None = None,
        n_frames: int | None = None,
        seed: int = 0,
        detectors: Sequence[str] | None = None,
        pixel_size_nm: float | None = None,
        verbose: bool = True,
    ) -> dict[str, dict]:
        """Calibrate the thresholds of `find_atoms`, and write them into the model folder.

        Without `positions`, frames without atoms go through the model, and the threshold is where
        the peaks that come out are as rare as is asked for: frames of the movie's mean and noise,
        and the same with the movie's own lattice, as a local Wiener filter finds it (or `lattice`,
        or `empty`). The stricter threshold is kept.

        Parameters
        ----------
        movie, axes, detectors, pixel_size_nm
            The movie, one S entry, whose noise and statistics the thresholds are for; as in
            `predict`. In the place of `axes` stands what is no text for `positions`, as in
            StarDist: ``optimize_thresholds(X_val, Y_val)``.
        positions : sequence of (n, 2) arrays or table, optional
            True atoms of each frame, y, x [px]: the threshold of greatest F1 is taken instead. A
            table has the columns ``frame``, ``y``, ``x``.
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
            Seed of the noise.
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
        axes, positions = habits.truth_arguments(axes, positions)
        movie = as_movie(movie, axes, detectors, pixel_size_nm)
        if hasattr(positions, "columns"):
            by_frame = [positions[positions["frame"] == t] for t in range(movie.n_frames)]
            positions = [rows[["y", "x"]].to_numpy(float) for rows in by_frame]
        found = collect_series(movie, self.config, fingerprint=True, verbose=verbose)
        if len(found) != 1:
            raise DataError(f"{movie.name}: {len(found)} movies; thresholds are set on one")
        bare = {channel: {} for channel in self.config.channels}
        criteria = detection.criteria_of(self.config.channels, bare, look_in, 0.0, min_distance_nm)
        options = (positions, lattice, empty, false_alarms_per_Mpx, n_frames, seed, verbose)
        parts = detection.optimise(self, found[0], criteria, *options)
        self.thresholds = merged(
            self.thresholds, {channel: {"atoms": part} for channel, part in parts.items()}
        )
        if self.logdir is not None:
            write_thresholds(self.logdir, self.thresholds)
        return parts

    # -- sharing ---------------------------------------------------------------------------------
    def export(self, path: str | os.PathLike | None = None, format: str = "tf_saved_model") -> Path:
        """Write the network for other programs, with open image size.

        Parameters
        ----------
        path : path, optional
            A new folder for a SavedModel, default ``<model folder>/saved_model``. For ONNX, a new
            file that ends in ``.onnx``, or a new folder: it becomes a copy of the model with the
            export, from which the engines 'onnx' and 'openvino' run. Default: the model folder,
            where an export before is replaced.
        format : {'tf_saved_model', 'onnx'}

        Returns
        -------
        Path
            What was written: the SavedModel's folder, or the ONNX file.

        Raises
        ------
        FolderError
            The path exists, or the model has no folder and no path is given.

        Notes
        -----
        The exported network takes and gives standardised frames: (frame - mean) / sd per
        detector over the whole movie, of frames that are prepared as `config.preparation` says.
        """
        if format not in ("tf_saved_model", "onnx"):
            raise ValueError(f"format is {format!r}, expected 'tf_saved_model' or 'onnx'")
        if path is None and self.logdir is None:
            raise FolderError(
                f"{self.name!r} is not tied to a folder; say where the export shall go as path: "
                "a new folder or a file that ends in .onnx"
            )
        if format == "tf_saved_model":
            path = self.logdir / "saved_model" if path is None else Path(path)
            refuse_existing(path)
            with atomic_folder(path) as temporary:
                try:
                    self.keras_model.export(str(temporary), format=format, verbose=False)
                except tf.errors.OpError as error:  # TensorFlow's own word for what disks say
                    raise OSError(f"{path}: cannot be written: {error.message}") from error
            return path
        from .prediction.convert import convert

        if path is None:
            return onnx_export.write(self.logdir, convert(self.keras_model, self.config))
        path = Path(path)
        refuse_existing(path)
        made = convert(self.keras_model, self.config)
        if path.suffix.lower() == ".onnx":
            with atomic(path) as temporary:
                temporary.write_bytes(made.graph)
            return path
        with atomic_folder(path) as temporary:
            self._copy(temporary)
            onnx_export.write(temporary, made)
        return path / model_folder.GRAPH

    def export_TF(self, fname: str | os.PathLike | None = None) -> Path:
        """Write the network as a zipped SavedModel, as CSBDeep does.

        Parameters
        ----------
        fname : path, optional
            A new file that ends in ``.zip``; default ``TF_SavedModel.zip`` in the model folder.

        Returns
        -------
        Path

        Raises
        ------
        FolderError
            The file exists, or the model has no folder and no name is given.

        Notes
        -----
        As in CSBDeep, the network alone: it takes and gives standardised frames, see `export`.
        """
        if fname is None and self.logdir is None:
            raise FolderError(f"{self.name!r} is not tied to a folder; give fname, a new .zip file")
        path = self.logdir / "TF_SavedModel.zip" if fname is None else Path(fname)
        if path.suffix.lower() != ".zip":
            raise FolderError(f"{path}: expected the name of a new file that ends in .zip")
        refuse_existing(path)
        with scratch_folder() as folder, atomic(path) as temporary:
            saved = self.export(folder / "saved_model")
            made = shutil.make_archive(str(folder / "model"), "zip", saved)
            shutil.copyfile(made, temporary)
        return path

    def _copy(self, folder: Path) -> None:
        """Write the model, with its present weights, into an empty folder."""
        model_folder.create(folder, self.config)
        model_folder.save_weights(self.keras_model, folder / model_folder.WEIGHTS_BEST)
        write_thresholds(folder, self.thresholds)
        write_record(folder, self.record)
        if self._folder is not None and model_folder.is_there(self._folder, model_folder.CARD):
            card = model_folder.own_file(self._folder, model_folder.CARD)
            write_text(folder / model_folder.CARD, card.read_text(encoding="utf-8"))
