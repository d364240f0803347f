"""One training run, from movies to a finished model folder."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from .. import limits
from ..folder import card
from ..folder import folder as model_folder
from ..folder.folder import FolderError
from ..network.unet import build_network
from ..normalize import DataError
from ..prediction.tiles import denoise_movie
from ..series import check_context
from . import checkpoint, loop
from .checkpoint import RunState
from .data import BlindSpotData, early_epochs, split, warn_few_pixels, warn_small_patch


class TrainingRun:
    """One call of `N2VStem.train`: prepared, fitted, and written down.

    Parameters
    ----------
    model : N2VStem
    series, held : lists of movies.Series
        To train on, and to validate on if given separately.
    epochs, steps_per_epoch, resume, verbose
        See `N2VStem.train`.
    strategy : tf.distribute.Strategy
        From `strategy.open_strategy`.
    teaching : distillation.Teaching, optional
        What a teacher makes of the movies.
    """

    def __init__(
        self,
        model,
        series,
        held,
        epochs,
        steps_per_epoch,
        resume,
        verbose,
        strategy,
        teaching=None,
    ):
        self.model, self.series, self.held, self.verbose = model, series, held, verbose
        self.strategy, self.teaching = strategy, teaching
        self.transferred_from = None
        config, folder = model.config, model.logdir
        if config.train_tensorboard:
            _import_tensorboard()
        self.measured = [limits.measure(s.frames, s.statistics) for s in series]
        self.data, self.validation = self._make_data()
        self.floor = self._noise_floor()
        self.n_pixels = 0 if self.validation is None else self._count_blind_pixels()
        self.fingerprints = [s.statistics.fingerprint for s in (*series, *held)]
        if teaching:
            self.fingerprints.append(teaching.fingerprint)
        if folder is not None:
            checkpoint.remove_leftovers(folder)
        self.resumed = self._find_checkpoint(steps_per_epoch) if folder and resume else None
        if self.resumed:
            self.state = self.resumed[0]
            self.state.epochs = epochs or self.state.epochs
        else:
            steps = steps_per_epoch or config.train_steps_per_epoch
            if steps is None:
                steps = max(1, round(self.data.samples_per_pass / config.train_batch_size))
            done = len(model.record["history"].get("epoch", []))
            self.state = RunState(
                epoch=done,
                first_epoch=done,
                epochs=epochs or config.train_epochs,
                steps_per_epoch=steps,
                fingerprints=self.fingerprints,
                history={k: list(v) for k, v in model.record["history"].items()},
            )
        ratios = [[noise.noise_to_sd for noise in measured] for measured in self.measured]
        self.n_early = early_epochs(config, self.state.epochs, ratios)
        self._warn_correlated()

    def _make_data(self):
        """Split, and build the training data and the validation arrays."""
        config, series, held = self.model.config, self.series, self.held
        for s in (*series, *held):
            check_context(len(s.frames), config.n2v_context_frames, s.name)
        for c, channel in enumerate(config.channels):
            if all(c in s.statistics.constant for s in series):
                raise DataError(f"detector {channel} is constant in all movies; nothing to learn")
        frames_of, shapes = [s.usable_frames for s in series], [s.frames.shape for s in series]
        if not any(frames_of):
            raise DataError("all frames of all movies are blank; nothing to learn")
        if held:
            config_all = config.replace(train_validation_fraction=0.0)
            regions, _ = split(frames_of, shapes, config_all)
            held_regions, _ = split(
                [s.usable_frames for s in held],
                [s.frames.shape for s in held],
                config_all.replace(train_frame_step=1),
            )
            source = held
        else:
            regions, held_regions = split(frames_of, shapes, config)
            source = series
        data = BlindSpotData(
            [s.frames for s in series],
            [s.statistics for s in series],
            regions,
            config,
            self.teaching and self.teaching.guides,
        )
        warn_small_patch(data)
        if not held_regions:
            return data, None
        held_data = BlindSpotData(
            [s.frames for s in source], [s.statistics for s in source], held_regions, config
        )
        self._held_movies = [source[region.movie] for region in held_regions]
        return data, held_data.validation()

    def _find_checkpoint(self, steps_per_epoch):
        """Return the checkpoint of an unfinished run on the same data, or None."""
        folder = self.model.logdir
        found = checkpoint.load_checkpoint(folder)
        if found is None:
            return None
        state = found[0]
        way_out = "pass the same, or resume=False to start a new run from the current weights"
        if state.fingerprints != self.fingerprints:
            old, new = state.fingerprints, self.fingerprints
            differ = [f"{a} -> {b}" for a, b in zip(old, new) if a != b]
            what = differ[0] if differ else f"{len(old)} movies -> {len(new)} movies"
            raise FolderError(
                f"{folder}: the unfinished training used other data (fingerprint {what}); {way_out}"
            )
        if steps_per_epoch not in (None, state.steps_per_epoch):
            raise FolderError(
                f"{folder}: the unfinished training has {state.steps_per_epoch} steps per epoch, "
                f"not {steps_per_epoch}; {way_out}"
            )
        return found

    def _warn_correlated(self):
        """Say before hours of training if the noise breaks the blind spot's assumption."""
        channels, span = self.model.config.channels, self.model.config.n2v_span
        learnt = limits.learn(self.measured, [], self.model.config)
        only_noise = {c: {"noise": learnt[c]["noise"]} for c in channels}
        if span != (1, 1):
            return
        complaints = {}
        for s, measured in zip(self.series, self.measured):
            for complaint in limits.complaints(measured, only_noise, channels):
                complaints.setdefault(complaint.split(":")[0], (s.name, complaint))
        for name, complaint in complaints.values():
            warnings.warn(f"{name}: {complaint}", stacklevel=5)

    def start_weights(self, transfer_from) -> None:
        """Load the weights that training starts from, unless it resumes."""
        if self.resumed:
            return
        if transfer_from is None:
            if self.state.first_epoch == 0:
                warn_few_pixels(self.data)
            return
        folder = Path(transfer_from)
        theirs = build_network(model_folder.read_config(folder))
        if not (folder / model_folder.WEIGHTS_BEST).exists():
            raise FolderError(f"{transfer_from}: was never trained; nothing to transfer")
        model_folder.load_weights(theirs, folder, model_folder.WEIGHTS_BEST)
        mine, theirs = self.model.keras_model.get_weights(), theirs.get_weights()
        if [w.shape for w in mine] != [w.shape for w in theirs]:
            raise FolderError(
                f"{transfer_from}: its network differs; start from its configuration: "
                "N2VStemConfig values that begin with unet_, the number of channels and "
                "n2v_context_frames must be equal"
            )
        self.model.keras_model.set_weights(theirs)
        self.transferred_from = str(transfer_from)

    def _count_blind_pixels(self):
        """Count the blind pixels of the validation set, all detectors together."""
        return int(self.validation[1][..., len(self.model.config.channels) :].sum())

    @property
    def floor_se(self):
        """Standard error of the floor: what N noisy pixels scatter about their variance."""
        if self.floor is None:
            return None
        # relative variance of a squared, or of an absolute, normal number
        spread = 2.0 if self.model.config.train_loss == "mse" else np.pi / 2 - 1
        return self.floor * float(np.sqrt(spread / self.n_pixels))

    def _noise_floor(self):
        """Return the expected loss of a perfect prediction on the validation movies, or None."""
        if self.validation is None:
            return None
        by_series = {id(s): m for s, m in zip(self.series, self.measured)}
        levels = []
        for s in self._held_movies:
            measured = by_series.get(id(s)) or limits.measure(s.frames, s.statistics)
            levels += [n.noise_to_sd for n in measured]
        squares = np.mean(np.square(levels))
        if self.model.config.train_loss == "mae":
            return float(np.mean(levels) * np.sqrt(2 / np.pi))
        return float(squares)

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
        self._finish(keeper)

    def _make_trainer(self):
        """Build the Keras model that is trained, at the start of the run or where it stopped."""
        model, config, state = self.model, self.model.config, self.state
        with self.strategy.scope():
            network = build_network(config, loop.BlindSpotModel)
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
                self.data.training(
                    state.epoch,
                    state.steps_per_epoch * config.train_batch_size,
                    state.first_epoch + self.n_early,
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
            raise (self.data.error or error) from None

    def _extra_callbacks(self):
        model = self.model
        extra = list(model.callbacks)
        if model.config.train_tensorboard and model.logdir is not None:
            extra.append(keras.callbacks.TensorBoard(str(model.logdir / "logs")))
        if self.verbose:
            extra.append(loop.Progress(self.state, self.floor, self.floor_se))
        return extra

    def _announce(self, network):
        state, config, data = self.state, self.model.config, self.data
        loop.warn_if_slow(network, config, data.patch_shape, state.epochs * state.steps_per_epoch)
        what = "Resuming" if self.resumed else "Training"
        print(
            f"{what} {self.model.name!r}: {data.n_frames} frames, {state.epochs} epochs of "
            f"{state.steps_per_epoch} steps, {config.train_batch_size} crops of "
            f"{data.patch_shape[0]}x{data.patch_shape[1]} px a step"
            + f", the first {self.n_early} epochs with a denser grid"
            * bool(self.n_early),
            flush=True,
        )

    def _begin_record(self):
        record = {
            "began": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "finished": False,
            "first_epoch": self.state.first_epoch,
            "epochs": self.state.epochs,
            "steps_per_epoch": self.state.steps_per_epoch,
            "early_epochs": self.n_early,
            "seed": self.model.config.train_seed,
            "replicas": self.strategy.num_replicas_in_sync,
            "transfer_from": self.transferred_from,
            "teacher": self.teaching and self.teaching.describe(),
            "training_frames": self.data.n_frames,
            "noise_floor": self.floor,
            "noise_floor_se": self.floor_se,
            "movies": [s.describe(m) for s, m in zip(self.series, self.measured)],
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
        learnt = limits.learn(
            self.measured,
            [s.pixel_size_nm for s in self.series],
            model.config,
            self._residual_means(),
        )
        for channel, parts in learnt.items():
            model.thresholds[channel] = {**model.thresholds.get(channel, {}), **parts}
        self._write_record(finished=True)
        self._warn_below_floor()
        if folder is not None:
            model_folder.write_thresholds(folder, model.thresholds)
            model_folder.write_text(folder / model_folder.CARD, card.write(model))
            checkpoint.remove_checkpoint(folder)

    def _warn_below_floor(self):
        """No honest prediction is nearer to the noisy target than the noise is strong."""
        loss, floor = (self.state.best or {}).get("val_loss"), self.floor
        if loss is not None and floor is not None and loss < 0.95 * floor:
            warnings.warn(
                f"the validation loss {loss:.4f} lies below the noise floor {floor:.4f}: the "
                "network predicts part of the noise from its neighbours, so the blind spot is "
                "too small for the correlation of this noise. Train with a wider n2v_span",
                stacklevel=5,
            )

    def _residual_means(self, n_movies=32, n_frames=4):
        """Return the mean of input minus output of some training movies, in noise sigmas."""
        means = []
        for i in limits.sample_frames(len(self.series), at_most=n_movies):
            frames, statistics = self.series[i].frames, self.series[i].statistics
            watch = limits.ResidualWatch(frames, statistics, n_frames)
            denoised = denoise_movie(self.model.denoiser, frames, statistics, numbers=watch.numbers)
            for t, frame in zip(watch.numbers, denoised):
                watch.see(t, frame)
            if watch.numbers:
                means.append(watch.mean_in_sigmas(self.measured[i]))
        return means

    def _write_record(self, finished):
        record, state = self.model.record, self.state
        record["history"] = state.history
        record["runs"][-1] |= {
            "finished": finished,
            "seconds": round(state.seconds, 1),
            "best": state.best,
        }
        if self.model.logdir is not None:
            model_folder.write_record(self.model.logdir, record)


def _import_tensorboard():
    """Say before anything is written that TensorBoard is missing."""
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ImportError(
            "train_tensorboard needs TensorBoard: pip install 'n2v_stem_keras[tensorboard]'"
        ) from None
