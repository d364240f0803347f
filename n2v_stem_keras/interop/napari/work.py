"""What is computed for the widgets, in a process of its own (`child`); nothing here knows of Qt.

Each function is given a report first, and then its movies: the report says how far the work is, and
raises `Stopped` where the user has had enough.
"""

from __future__ import annotations

import functools
from pathlib import Path

from ... import opening
from ...config import N2VStemConfig
from ...folder import folder as model_folder
from ...folder.export import NoExport
from ...folder.folder import check_trained
from ...prediction import engines
from ...provenance import of_denoising
from .layers import watched
from .messages import Stopped, sentence


def denoise(report, movie, folder, engine: str, tta: bool | None) -> dict:
    """Denoise a movie; frames are put where the report takes them, the provenance is returned."""
    report("Opening the model")
    model = open_model(Path(folder), engine)
    # an N2VStem takes TensorFlow for 'auto' unless it has an export, which is opened otherwise
    engine = None if engine == "auto" and model.default_engine == "tensorflow" else engine
    report("Preparing the network")
    model.denoiser_on(engine)
    n_frames = movie.n_series * movie.n_frames
    frames = model.predict_frames(
        watched(movie, _reading(report, n_frames)), tta=tta, engine=engine
    )
    for n, ((s, t), frame) in enumerate(frames):
        report.put(s, t, frame)
        report("Denoising frame", n + 1, n_frames)
    return of_denoising(model, movie, tta, engine=model.denoiser_on(engine).engine.name)


def find_deviations(report, movie, folder, engine: str, tta: bool | None):
    """List what a movie shows and a model does not draw; returns `Predictor.deviations`' table."""
    report("Opening the model")
    model = open_model(Path(folder), engine)
    engine = None if engine == "auto" and model.default_engine == "tensorflow" else engine
    model.denoiser_on(engine)
    movie, step = _stepping(report, movie, "Looking for deviations in frame")
    return model.deviations(movie, tta=tta, engine=engine, verbose=False, progress=step)


def find_atoms(report, movie, folder, how: dict):
    """Find the atoms of a movie; returns the table of `N2VStem.find_atoms`."""
    report("Opening the model")
    model = open_model(Path(folder))
    report("Preparing the network")
    model.denoiser_on("tensorflow")
    movie, step = _stepping(report, movie, "Looking at frame")
    return model.find_atoms(movie, verbose=False, progress=step, **how)


def look_at_noise(report, movie) -> dict:
    """Return what `n2v-stem info` says of a movie's blind spot: detector -> (sentence, length).

    The length along x is in pixels [px].
    """
    from ...noise import diagnose
    from ...noise.report import blind_spot

    report("Looking at the noise")
    found = diagnose(watched(movie, report.check)).detectors
    return {name: (blind_spot(of), of.span[1]) for name, of in found.items()}


def export(report, folder) -> str:
    """Write the network of a model as ONNX into its folder; return the file."""
    report("Opening the model")
    from ...model import N2VStem

    folder = Path(folder)
    model = N2VStem(None, folder.name, folder.parent)
    report("Writing the network")
    return str(model.export(format="onnx"))


def train(
    report,
    movie,
    validation=None,
    *,
    folder,
    values: dict,
    overwrite: bool,
    transfer_from: str | None = None,
) -> tuple:
    """Train a model, on the weights of another one if it is said, judged by another movie.

    Returns
    -------
    n_epochs : int
        Epochs in the model's history.
    stopped : bool
        Whether the user stopped it.
    problem : str or None
        Why it ended early otherwise.
    """
    report("Starting TensorFlow")
    from ...model import N2VStem
    from .training_watch import TrainingWatch

    report("Making the network")
    folder, config = Path(folder), N2VStemConfig.from_dict(values, "settings")
    if transfer_from is not None:
        check_trained(Path(transfer_from))
    model = N2VStem(config, folder.name, folder.parent, overwrite=overwrite)
    watch = TrainingWatch(model.record, report)
    model.callbacks.append(watch)
    look = _reading(report, movie.n_series * movie.n_frames)
    stopped, problem = False, None
    try:
        # while it trains, frames are read in a thread of TensorFlow's: the watch stops it, not that
        model.train(
            watched(movie, lambda: None if watch.began else look()),
            validation_data=validation,
            transfer_from=transfer_from,
            verbose=False,
        )
    except Stopped:
        if not watch.began:
            raise
        stopped = True
    except FloatingPointError as error:  # diverged; the best epoch is kept
        problem = sentence(error)
    return len(model.record["history"].get("epoch", [])), stopped, problem


def _stepping(report, movie, what: str):
    """Return the movie, whose reading is reported, and what is called after each frame."""
    n_frames, n_done = movie.n_series * movie.n_frames, 0

    def step():
        nonlocal n_done
        n_done += 1
        report(what, n_done, n_frames)

    return watched(movie, _reading(report, n_frames)), step


def _reading(report, n_frames: int):
    """Return what is called before a frame is read: the first pass over the movie is reported."""
    n_read = 0

    def look():
        nonlocal n_read
        n_read += 1
        if n_read <= n_frames:
            report("Reading frame", n_read, n_frames)
        else:
            report.check()

    return look


def open_model(folder: Path, engine: str = "tensorflow"):
    """Open a model for an engine, without TensorFlow where it can be.

    Raises
    ------
    FolderError, ConfigError
        The folder cannot be used.
    """
    engines.check(engine)
    # what changes when a model is trained, exported, or given thresholds
    names = (model_folder.WEIGHTS_BEST, model_folder.THRESHOLDS, model_folder.EXPORT)
    files = [folder / name for name in names]
    state = tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)
    return _open(folder, engine, state)


@functools.lru_cache(maxsize=2)
def _open(folder: Path, engine: str, state: tuple):
    try:
        return opening.open_model(folder, engine)
    except NoExport:  # TensorFlow then, which converts the network for the other engines
        return opening.open_model(folder)
