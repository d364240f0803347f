"""Short trainings of small networks: what the findings that compare many networks are tested with.

The paper compared its variants with whole trainings on a GPU. Here each variant is the paper's
network with 8 features instead of 64, trained for 600 updates of one crop of 96x96 px at 16/16 dB,
all else equal. At 10/10 dB trainings as short as this say little: one network begins with adatoms
just before the end and the next would have begun just after (depth 2, and ADF alone). Its blind
spots are the package's (pitch 4, one of the 8 nearest neighbours, falling rate, averaged weights):
with the paper's, networks as small learn so little in this time that no two of them could be told
apart. Figure 2, which is about the blind spots, has the paper's.

Finished trials are lines of a journal (JSON, one a line); a script that is started again goes on
behind the last one.
"""

import json
import time

import numpy as np
from common import DETECTORS, as_movie, clean_movies, noisy_frames
from panels import quietly

from n2v_stem_keras import Movie, N2VStem, N2VStemConfig, metrics

LEVEL = (16, 16)  # of the screening, (ADF, BF) [dB]
SEEDS = (0, 1, 2)
STEPS, EPOCHS = 600, 10
SCORED = 2  # test movies
BLIND_SPOTS = {
    "n2v_pitch": 4,
    "n2v_jitter": 0,
    "n2v_manipulator": "uniform_withoutCP",
    "n2v_neighborhood_radius": 1,
}
NETWORK = {
    "unet_n_first": 8,
    "n2v_patch_shape": (96, 96),
    "train_batch_size": 1,
    "train_learning_rate": 2e-3,
    "train_learning_rate_schedule": "cosine",
    "train_ema_momentum": 0.99,
    "train_augment": True,
    "train_frame_step": 1,
}
TINY = {"unet_n_first": 2, "n2v_patch_shape": (48, 48)}
ABOUT = (
    f"reduced scale: 8 features instead of 64, {STEPS} updates of one crop of 96x96 px, "
    f"{LEVEL[0]}/{LEVEL[1]} dB, {SCORED} test movies, by the network alone"
)


class Journal:
    """Finished trials, one JSON object a line, each under a key.

    Parameters
    ----------
    path : pathlib.Path
        Lines are appended; one that was cut short is left out.
    """

    def __init__(self, path):
        self.path = path

    def rows(self):
        """Return key -> row of all finished trials."""
        if not self.path.exists():
            return {}
        found = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[row["key"]] = row
        return found

    def run(self, key, trial):
        """Return a finished trial, or run it (a function returning a dict) and write it down."""
        row = self.rows().get(key)
        if row is None:
            print(f"{time.strftime('%H:%M:%S')} {key} ...", flush=True)
            row = {"key": key, **trial()}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        return row


class Bench:
    """Noisy training frames and test movies of one noise level.

    Attributes
    ----------
    training : numpy.ndarray
        (S, T, Y, X, C) noisy.
    clean, noisy : numpy.ndarray
        (S, T, Y, X, C) the test movies.
    """

    def __init__(self, scale, level=LEVEL):
        self.scale, self.level = scale, level
        self.training = noisy_frames(clean_movies(scale, "training"), level, "training")
        movies = clean_movies(scale, "test")[:SCORED]
        self.clean = np.stack([movie.clean for movie in movies])
        self.noisy = noisy_frames(movies, level)

    def config(self, changes, seed, steps=STEPS):
        """Return the configuration of a variant."""
        fields = {**NETWORK, **BLIND_SPOTS, "train_epochs": EPOCHS}
        fields["train_steps_per_epoch"] = max(1, steps // EPOCHS)
        if self.scale.name == "tiny":
            fields.update(TINY, train_epochs=2, train_steps_per_epoch=2)
        return N2VStemConfig.preset("paper", **{**fields, "train_seed": seed, **changes})

    def movie(self, frames, config):
        """Wrap frames, with the detectors that a configuration knows."""
        if config.channels == DETECTORS:
            return as_movie(frames)
        kept = [DETECTORS.index(name) for name in config.channels]
        whole = as_movie(frames)
        return Movie.from_array(
            frames[..., kept],
            "STYXC",
            detectors=config.channels,
            pixel_size_nm=whole.pixel_size_nm,
            name=whole.name,
        )

    def train(self, changes, seed, steps=STEPS):
        """Train a variant; returns the model, its history and the CPU seconds it took."""
        config = self.config(changes, seed, steps)
        model, began = N2VStem(config, "reduced", basedir=None), time.process_time()
        history = quietly(model.train, self.movie(self.training, config), verbose=False)
        return model, history.history, time.process_time() - began

    def denoise(self, model):
        """Denoise the test movies by the network alone, (S, T, Y, X, C of the model).

        What `predict` otherwise restores of residuals makes good part of what a network lacks.
        """
        return quietly(model.predict, self.movie(self.noisy, model.config), restore=False)

    def trial(self, changes, seed, steps=STEPS):
        """Train a variant and score it.

        Returns
        -------
        dict
            ``psnr`` [dB] by detector, ``val_loss`` by detector and epoch, ``mesh_in_sigma`` (see
            `mesh`), steps, parameters, and ``seconds`` of the CPU, which do not depend on what
            else it does.
        """
        model, history, seconds = self.train(changes, seed, steps)
        denoised = self.denoise(model)
        row = {
            "changes": {k: list(v) if isinstance(v, tuple) else v for k, v in changes.items()},
            "seed": seed,
            "steps": model.config.train_epochs * model.config.train_steps_per_epoch,
            "seconds": round(seconds, 1),
            "parameters": int(model.keras_model.count_params()),
            "psnr": {},
            "val_loss": {},
            "noise_floor": history["noise_floor"][-1],
            "mesh_in_sigma": {},
        }
        for c, name in enumerate(model.config.channels):
            d = DETECTORS.index(name)
            clean, image = self.clean[..., d], denoised[..., c]
            sigma = np.std(self.noisy[..., d] - clean)
            row["psnr"][name] = float(metrics.psnr(clean[..., None], image[..., None]).mean())
            one = "val_loss" if len(model.config.channels) == 1 else f"val_loss_{name}"
            row["val_loss"][name] = [float(value) for value in history[one]]
            row["mesh_in_sigma"][name] = mesh((image - clean) / sigma, 2**model.config.unet_n_depth)
        return row


def mesh(errors, period):
    """Rms of what repeats every `period` px along both axes in errors (..., Y, X), less chance.

    A transposed convolution, or a network that knows where blind pixels are, draws the same
    pattern into every cell of its grid. The cells of all frames are averaged. What is left there by
    chance is measured with neighbouring periods that nothing has, and taken off in squares.
    """
    errors = np.asarray(errors, float).reshape(-1, *errors.shape[-2:])
    errors = errors - errors.mean(axis=(1, 2), keepdims=True)

    def power(step):
        sides = [side // step * step for side in errors.shape[-2:]]
        cut = errors[:, : sides[0], : sides[1]]
        cells = cut.reshape(len(cut), sides[0] // step, step, sides[1] // step, step)
        mean = cells.mean(axis=(0, 1, 3))
        return np.mean((mean - mean.mean()) ** 2)

    near = [step for step in (period - 1, period + 1) if step > 1]
    chance = np.mean([power(step) for step in near])
    return float(np.sqrt(max(0.0, power(period) - chance)))


def mean_se(values):
    """Mean and its standard error (None of a single value)."""
    values = np.asarray(values, float)
    se = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return [float(values.mean()), None if se is None else float(se)]
