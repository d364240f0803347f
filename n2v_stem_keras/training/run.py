"""One training, from a plan to a finished model folder."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from .. import limits
from ..atomic import write_text
from ..escaping import escaped
from ..folder import card, pretrained
from ..folder import folder as model_folder
from ..folder.folder import FolderError
from ..folder.record import write_record
from ..folder.thresholds import merged, write_thresholds
from ..network.unet import build_network
from ..prediction.tiles import denoise_movie
from . import checkpoint, loop
from .checkpoint import RunState, data_fingerprints
from .plan import Plan

LOGS = "logs"  # of TensorBoard, in the model folder


def run(
    model,
    plan: Plan,
    strategy: tf.distribute.Strategy,
    *,
    transfer_from: str | Path | None = None,
    verbose: bool = True,
) -> None:
    """Carry out a plan; leave a whole model folder behind however it ends.

    Parameters
    ----------
    model : N2VStem
    plan : Plan
    strategy : tf.distribute.Strategy
        See `training.devices.open_strategy`.
    transfer_from, verbose
        See `N2VStem.train`.
    """
    start = check_start(plan, transfer_from)
    with model_folder.for_one_training(model.logdir):
        model._adopt(plan.config)
        one = TrainingRun(model, plan, strategy, verbose)
        one.start_from(start, transfer_from)
        for text in plan.warnings:
            warnings.warn(escaped(text), stacklevel=3)
        one.fit()


def check_start(plan: Plan, transfer_from=None) -> list | None:
    """Refuse what `run` would refuse, before anything is written.

    Returns
    -------
    list of arrays or None
        Weights to start from, those of another model; None: the model's own.

    Raises
    ------
    FolderError
        There is no such model, it was never trained, or its network is another.
    ImportError
        TensorBoard is asked for and missing.
    """
    if plan.config.train_tensorboard:
        _import_tensorboard()
    if plan.unfinished or transfer_from is None:
        return None
    folder = Path(transfer_from)
    if not folder.exists() and str(transfer_from) in pretrained.names():
        folder = pretrained.find(str(transfer_from))
    theirs = build_network(model_folder.read_config(folder))
    if not model_folder.is_there(folder, model_folder.WEIGHTS_BEST):
        raise FolderError(f"{transfer_from}: was never trained; nothing to transfer")
    model_folder.load_weights(theirs, folder, model_folder.WEIGHTS_BEST)
    mine, theirs = build_network(plan.config).get_weights(), theirs.get_weights()
    if [w.shape for w in mine] != [w.shape for w in theirs]:
        raise FolderError(
            f"{transfer_from}: its network differs; start from its configuration: "
            "N2VStemConfig values that begin with unet_ and the number of channels must be equal"
        )
    return theirs


class TrainingRun:
    """One call of `run`: prepared, fitted, and written down; see there."""

    def __init__(self, model, plan, strategy, verbose):
        self.model, self.plan, self.strategy = model, plan, strategy
        self.resumed, self.teaching, self.verbose = plan.unfinished, plan.teaching, verbose
        self.transferred_from = None
        if model.config.train_tensorboard and model.logdir is not None:
            model_folder.own_folder(model.logdir, LOGS)
        if model.logdir is not None:
            checkpoint.remove_leftovers(model.logdir)
        self.validation = plan.validation and plan.validation.validation()
        self.n_pixels = 0 if self.validation is None else self._count_blind_pixels()
        self.floor, self.floor_se = plan.floor, plan.floor_se(self.n_pixels)
        if self.resumed:
            self.state = self.resumed[0]
            self.state.epochs = plan.epochs
            return
        done = len(model.record["history"].get("epoch", []))
        self.state = RunState(
            epoch=done,
            first_epoch=done,
            epochs=plan.epochs,
            steps_per_epoch=plan.steps_per_epoch,
            fingerprints=data_fingerprints(plan.series, plan.held, plan.teaching),
            history={k: list(v) for k, v in model.record["history"].items()},
        )

    def start_from(self, weights, transfer_from) -> None:
        """Take the weights that training starts from; None: those that are there."""
        if weights is not None:
            self.model.keras_model.set_weights(weights)
            self.transferred_from = str(transfer_from)

    def _count_blind_pixels(self):
        """Count the blind pixels of the validation set, all detectors together."""
        return int(self.validation[1][..., len(self.model.config.channels) :].sum())

    def fit(self) -> None:
        """Run Keras's loop; leave a whole folder behind however it ends."""
        model = self.model
        network, numbers = self._make_trainer()
        self._begin_record()
        if model.logdir is not None and not self.resumed:
            checkpoint.save_checkpoint(model.logdir, self.state, numbers.get())
        keeper = loop.Keeper(
            self.state,
            numbers,
            model.keras_model,
            model.logdir,
            model.record,
            self.floor,
            self.n_pixels,
        )
        callbacks = [loop.StopOnNaN(), keeper, *self._extra_callbacks()]
        if numbers.average:
            callbacks.insert(0, numbers.average)
        if self.verbose:
            self._announce(network)
        try:
            self._run(network, callbacks)
        except BaseException:
            self._leave_usable(keeper)
            raise
        finally:
            for shown in (c for c in callbacks if isinstance(c, loop.Progress)):
                shown.close()
        self._finish(keeper)

    def _make_trainer(self):
        """Build the Keras model that is trained, at the start of the run or where it stopped."""
        model, config, state = self.model, self.model.config, self.state
        with self.strategy.scope():
            network = loop.build_trainer(config)
            network.set_weights(model.keras_model.get_weights())
            optimizer = model.optimizer
            optimizer = optimizer and optimizer.from_config(optimizer.get_config())
            weight = self.teaching.weight if self.teaching else 0.0
            network.prepare(config, state.epochs * state.steps_per_epoch, optimizer, weight)
        average = None
        if config.train_ema_momentum > 0:
            average = loop.WeightAverage(network, config.train_ema_momentum)
        numbers = loop.TrainingState(network, average)
        if self.resumed:
            numbers.set(self.resumed[1], model.logdir / model_folder.CHECKPOINT)
        return network, numbers

    def _run(self, network, callbacks):
        state, config = self.state, self.model.config
        last = state.first_epoch + state.epochs
        if state.epoch >= last:
            return
        held = None
        if self.validation is not None:
            n_batch = max(1, config.train_batch_size // config.train_gradient_accumulation_steps)
            n_missing = -len(self.validation[0]) % self.strategy.num_replicas_in_sync
            # samples without a blind pixel count for nothing, and leave no device without any
            filled = [np.pad(v, [(0, n_missing)] + [(0, 0)] * 3) for v in self.validation]
            held = tf.data.Dataset.from_tensor_slices(tuple(filled)).batch(n_batch)
        try:
            network.fit(
                self.plan.data.training(
                    state.epoch,
                    state.steps_per_epoch * config.train_batch_size,
                    state.first_epoch + self.plan.early_epochs,
                ),
                initial_epoch=state.epoch,
                epochs=last,
                steps_per_epoch=state.steps_per_epoch,
                validation_data=held,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
        except tf.errors.OpError as error:
            raise (self.plan.data.error or error) from None

    def _extra_callbacks(self):
        model = self.model
        extra = list(model.callbacks)
        if model.config.train_tensorboard and model.logdir is not None:
            extra.append(keras.callbacks.TensorBoard(str(model.logdir / LOGS)))
        if self.verbose:
            extra.append(loop.Progress(self.state, self.floor, self.floor_se))
        return extra

    def _announce(self, network):
        loop.warn_if_slow(network, self.model.config, self.plan.data.patch_shape, self.plan.n_steps)
        what = "Resuming" if self.resumed else "Training"
        print(escaped(f"{what} {self.model.name!r}: {self.plan.describe()}"), flush=True)

    def _begin_record(self):
        record = {
            "began": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "finished": False,
            "first_epoch": self.state.first_epoch,
            "epochs": self.state.epochs,
            "steps_per_epoch": self.state.steps_per_epoch,
            "early_epochs": self.plan.early_epochs,
            "seed": self.model.config.train_seed,
            "replicas": self.strategy.num_replicas_in_sync,
            "transfer_from": self.transferred_from,
            "teacher": self.teaching and self.teaching.describe(),
            "training_frames": self.plan.data.n_frames,
            "noise_floor": self.floor,
            "noise_floor_se": self.floor_se,
            "movies": [s.describe(m) for s, m in zip(self.plan.series, self.plan.measured)],
            **card.environment(),
        }
        runs = self.model.record["runs"]
        if self.resumed and runs and runs[-1].get("first_epoch") == self.state.first_epoch:
            record["began"] = runs[-1].get("began", record["began"])
            record["transfer_from"] = runs[-1].get("transfer_from")
            runs[-1] = record
        else:
            runs.append(record)

    def _leave_usable(self, keeper):
        """After an interruption: the best weights so far, or the present ones if there are none."""
        model = self.model
        model._denoiser = None
        self._write_record(finished=False)
        if self.state.best is None:
            weights = keeper.weights()
            if not all(np.isfinite(w).all() for w in weights):
                return
            model.keras_model.set_weights(weights)
            if model.logdir is not None and not model.trained:
                for name in (model_folder.WEIGHTS_BEST, model_folder.WEIGHTS_LAST):
                    model_folder.save_weights(model.keras_model, model.logdir / name)
            model.trained = True
        else:
            self._load_best(keeper)

    def _load_best(self, keeper):
        model = self.model
        if model.logdir is not None:
            model.load_weights(model_folder.WEIGHTS_BEST)
        elif keeper.best_weights is not None:
            model.keras_model.set_weights(keeper.best_weights)
        model.trained = True

    def _finish(self, keeper):
        """Last weights, best weights, thresholds, record and card; then drop the checkpoint."""
        model, folder = self.model, self.model.logdir
        model._denoiser = None
        if folder is not None:
            model.keras_model.set_weights(keeper.weights())
            model_folder.save_weights(model.keras_model, folder / model_folder.WEIGHTS_LAST)
        self._load_best(keeper)
        sizes = [s.pixel_size_nm for s in self.plan.series]
        means, residuals = self._residuals()
        learnt = limits.learn(self.plan.measured, sizes, model.config, means, residuals)
        model.thresholds = merged(model.thresholds, learnt)
        model.record["runs"][-1]["residual"] = {
            name: found.to_dict() for name, found in residuals.items()
        }
        self._write_record(finished=True)
        self._warn_below_floor()
        if self.verbose:
            size = next(filter(None, sizes), None)
            for name, found in residuals.items():
                print(escaped(f"{name}: {found.verdict(size)}"), flush=True)
        if folder is not None:
            write_thresholds(folder, model.thresholds)
            write_text(folder / model_folder.CARD, card.write(model))
            checkpoint.remove_checkpoint(folder)

    def _warn_below_floor(self):
        """No honest prediction is nearer to the noisy target than the noise is strong."""
        loss, floor = (self.state.best or {}).get("val_loss"), self.floor
        if loss is None or floor is None:
            return
        # noise is not equally strong everywhere, so a percent means nothing
        if loss < floor - max(3 * self.floor_se, 0.01 * floor):
            text = (
                f"the validation loss {loss:.4f} lies {100 * (1 - loss / floor):.1f} % below the "
                f"noise floor {floor:.4f} +-{self.floor_se:.4f}: the network predicts part of the "
                "noise from its neighbours, so the blind spot is too small for the correlation of "
                "this noise. Train with a wider n2v_span"
            )
            warnings.warn(escaped(text), stacklevel=5)

    def _residuals(self, n_movies=32, n_frames=4):
        """Look at what the model takes away from some frames of training movies.

        Returns
        -------
        means : list of (C,) arrays
            Mean of input minus output, in noise sigmas, of each movie.
        residuals : dict
            Detector name -> `metrics.scales.Scales` of the first movie that can be looked at.
        """
        means, residuals = [], {}
        series = self.plan.series
        for i in limits.sample_frames(len(series), at_most=n_movies):
            watch = limits.ResidualWatch(series[i].raw, series[i].statistics, n_frames)
            denoised = denoise_movie(self.model.denoiser, series[i], numbers=watch.numbers)
            for t, frame in zip(watch.numbers, denoised):
                watch.see(t, frame)
            if watch.numbers:
                means.append(watch.mean_in_sigmas(self.plan.measured[i]))
                residuals = residuals or dict(zip(self.model.config.channels, watch.scales()))
        return means, residuals

    def _write_record(self, finished):
        record, state = self.model.record, self.state
        record["history"] = state.history
        record["runs"][-1] |= {
            "finished": finished,
            "seconds": round(state.seconds, 1),
            "best": state.best,
        }
        if self.model.logdir is not None:
            write_record(self.model.logdir, record)


def _import_tensorboard():
    """Say before anything is written that TensorBoard is missing."""
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ImportError(
            "train_tensorboard needs TensorBoard: pip install 'n2v_stem_keras[tensorboard]'"
        ) from None
