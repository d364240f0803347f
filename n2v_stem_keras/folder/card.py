"""The model card: what a person reads first in a model folder that came by mail."""

from __future__ import annotations

import importlib.metadata
import platform

import numpy as np

from .._version import __version__
from ..counting import counted
from .record import SIMULATION, movies_of, trainings


def environment() -> dict:
    """Return versions and machine, for provenance."""
    packages = ("keras", "tensorflow", "numpy")
    return {
        "versions": {
            "n2v_stem_keras": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "machine": f"{platform.system()} {platform.machine()}",
    }


def write(model) -> str:
    """Return the card of a trained model as Markdown.

    Parameters
    ----------
    model : N2VStem
        With a finished run in its record.
    """
    config = model.config
    runs = trainings(model.record)
    movies = movies_of(runs)
    lines = [
        f"# {model.name}",
        "",
        "A Noise2Void model for STEM movies, made by "
        f"[n2v_stem_keras](https://pypi.org/project/n2v-stem-keras/) {__version__}. "
        f"{_learnt_from(runs)}",
        "",
        "```python",
        "from n2v_stem_keras import N2VStem",
        "",
        f'model = N2VStem(None, "{model.name}", basedir=".")  # the folder above this one',
        f'denoised = model.predict(movie, axes="{"TYXC" if len(config.channels) > 1 else "TYX"}")',
        "```",
        "",
        f"- Detectors, in this order: {', '.join(config.channels)}",
        f"- Network: depth {config.unet_n_depth}, {config.unet_n_first} features, "
        f"{model.keras_model.count_params():,} parameters",
        f"- Blind spots: every {config.n2v_pitch} px{_early(model)}, "
        f"jitter {config.n2v_jitter} px, span "
        f"{config.span[0]}x{config.span[1]} px (y, x), {config.n2v_manipulator}",
        f"- Preparation of frames: {config.preparation.describe()}",
        f"- Frames around: {_context(movies)}",
        *_trainings(runs),
        f"- Loss: {_loss(model)}",
        "",
        "| trained on | frames | size [px] | pixel [nm] | "
        + " | ".join(f"{c} noise sigma / sd | {c} lag-1 x, y" for c in config.channels)
        + " |",
        "|---" * (4 + 2 * len(config.channels)) + "|",
        *[_movie_row(movie) for movie in movies[:20]],
    ]
    if len(movies) > 20:
        lines.append(f"\n... and {len(movies) - 20} more movies (training.json has all).")
    lines += [
        "",
        "Noise sigma / sd is the standard deviation of the noise over that of the movie; lag-1 is "
        "the autocorrelation of the noise between neighbouring pixels along the fast (x) and slow "
        "(y) scan axis: 0 is white. The model warns on movies outside of what it was trained for.",
        "",
    ]
    return "\n".join(lines)


def _learnt_from(runs) -> str:
    teachers = {run["teacher"]["name"] for run in runs if run.get("teacher")}
    if not teachers:
        return "It was trained on the noisy movies alone."
    shown = " and ".join(
        "the truth of simulations" if name == SIMULATION else f"the images of {name}"
        for name in sorted(teachers)
    )
    return f"It was trained on noisy movies, blind and on {shown} in turn."


def _trainings(runs) -> list[str]:
    """Say how long was trained, run by run where one went on from another."""
    if len(runs) == 1:
        return [f"- Training: {_training(runs[0])}"]
    n_epochs = runs[-1]["first_epoch"] + runs[-1]["epochs"] - runs[0].get("first_epoch", 0)
    return [
        f"- Training: {len(runs)} runs, {counted(n_epochs, 'epoch')} together; each went on "
        "from the weights of the one before:",
        *(f"  {number}. {_training(run)}" for number, run in enumerate(runs, 1)),
    ]


def _training(run) -> str:
    """Say how long one run was and what it saw."""
    names = [movie["name"] for movie in run["movies"]]
    of = f" of {', '.join(names)}" if len(names) < 4 else f" of {counted(len(names), 'movie')}"
    return (
        f"{counted(run['epochs'], 'epoch')} of {counted(run['steps_per_epoch'], 'step')}, "
        f"seed {run['seed']}, "
        f"{run['seconds'] / 60:.1f} min, "
        f"{counted(run['training_frames'], 'frame')}{of}{_transferred(run)}"
    )


def _context(movies) -> str:
    """Say how the frames around each were looked at."""
    seen = [movie["context"] for movie in movies if movie.get("context")]
    if not seen:
        return "each frame by itself"
    reach, drift = max(c["reach"] for c in seen), max(c["drift_px_per_frame"] for c in seen)
    return (
        f"up to {reach} before and after each; the specimen drifted by up to {drift:.2g} px a frame"
    )


def _early(model) -> str:
    """Say where the first epochs had a grid of their own."""
    epochs = model.record["runs"][-1].get("early_epochs")  # earlier versions do not say
    return (
        f" ({model.config.n2v_early_pitch} px in the first {counted(epochs, 'epoch')})"
        if epochs
        else ""
    )


def _transferred(run) -> str:
    started = f", started from {run['transfer_from']}" if run["transfer_from"] else ""
    # folders of earlier versions do not say
    taught = f", taught by {run['teacher']['name']}" if run.get("teacher") else ""
    return started + taught


def _loss(model) -> str:
    history, run = model.record["history"], model.record["runs"][-1]
    text = f"{history['loss'][-1]:.4f} at the end"
    if run["best"] and run["best"]["val_loss"] is not None:
        text = f"best validation {run['best']['val_loss']:.4f}"
        if run["noise_floor"] is not None:
            text += f", noise floor {run['noise_floor']:.4f} (in units of the movie's variance)"
    return text


def _movie_row(movie) -> str:
    n_frames, height, width, _ = movie["shape_TYXC"]
    size = f"{movie['pixel_size_nm']:.4g}" if movie["pixel_size_nm"] else "unknown"
    noise = [
        f"{level:.2f} | {x:.2f}, {y:.2f}"
        for level, x, y in zip(
            np.atleast_1d(movie["noise_to_sd"]), movie["noise_lag1_x"], movie["noise_lag1_y"]
        )
    ]
    return f"| {movie['name']} | {n_frames} | {height} x {width} | {size} | {' | '.join(noise)} |"
