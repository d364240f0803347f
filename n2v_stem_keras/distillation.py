"""Teach a network: a small one what a large one does, any what simulated movies show.

`distill` and `train_on_truth` train a student on crops of noisy movies with two losses in turn: of
every two crops one is blinded and gives the blind-spot loss of any N2VStem; the other is seen
whole, as in prediction, and compared with an image of the same frame: what a teacher makes of it
(Hinton et al. 2015), or what a simulation knows. The first needs no teacher and is true but noisy,
the second is calm and as true as the teacher. What comes out is an ordinary model, whose folder
names its teacher.

What is rare, a vacancy or a few atoms of another element, a blind network hardly learns, since the
noise of its targets is all that it sees of it. From the truth it does (models/make.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import numbers
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .atomic import scratch_folder
from .config import PREPARED, ConfigError, N2VStemConfig
from .folder.record import SIMULATION
from .io.movie import MovieLike
from .model import N2VStem
from .normalize import DataError
from .opening import open_model
from .prediction.tiles import denoise_movie
from .progress import FrameProgress
from .series import Series, collect_series
from .training.choices import choose_preparation
from .training.devices import open_strategy
from .training.plan import plan
from .training.run import run

TEACHER_WEIGHT = 10.0  # of the teacher's loss; see `distill`


@dataclass(frozen=True)
class Teaching:
    """What a student is shown of the movies that it is trained on.

    Attributes
    ----------
    name : str
        Of the teacher, or "simulation".
    fingerprint : str
        ``sha256:...`` of the teacher's network, or of the truth.
    weight : float
        Weight of the squared difference from the teacher, beside the blind-spot loss.
    guides : list of (T, Y, X, C) float32 arrays
        The teacher's images of each movie, in its units.
    """

    name: str
    fingerprint: str
    weight: float
    guides: list

    def describe(self) -> dict:
        """Return what training.json says of the teacher."""
        return {"name": self.name, "fingerprint": self.fingerprint, "weight": self.weight}


def distill(
    teacher: N2VStem | str | os.PathLike,
    movies: MovieLike | Sequence[MovieLike],
    config: N2VStemConfig | None = None,
    name: str | None = None,
    basedir: str | os.PathLike | None = "models",
    *,
    axes: str | None = None,
    validation_data: MovieLike | Sequence[MovieLike] | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    weight: float = TEACHER_WEIGHT,
    detectors: Sequence[str] | None = None,
    pixel_size_nm: float | None = None,
    resume: bool = True,
    overwrite: bool = False,
    verbose: bool = True,
) -> N2VStem:
    """Train a small model on the output of a large one.

    Parameters
    ----------
    teacher : N2VStem, str or path
        A trained model, its folder, or the name of a ready-made one.
    movies : as in `N2VStem.train`
        Noisy movies of what the student is for; more than the teacher was trained on do no harm.
    config : N2VStemConfig, optional
        The student's; default ``N2VStemConfig.preset("live")`` with the teacher's detectors.
    name, basedir, overwrite
        The student's folder, as for `N2VStem`; default name '<teacher>-live'.
    axes, validation_data, epochs, steps_per_epoch, detectors, pixel_size_nm, resume, verbose
        As in `N2VStem.train`.
    weight : float
        Weight of the mean squared difference from the teacher, beside the blind-spot loss, both
        in units of the movie's variance. 0 trains blind alone, on every crop.

    Returns
    -------
    N2VStem
        The student, trained.

    Raises
    ------
    ConfigError
        Teacher and student differ in their detectors.
    DataError, MovieError, FolderError
        As in `N2VStem.train`.

    Notes
    -----
    The teacher's images are kept in a temporary file while the student is trained, four bytes a
    pixel and detector.
    """
    if not isinstance(teacher, N2VStem):
        teacher = open_model(teacher)
    if not teacher.trained:
        raise ConfigError(
            f"the teacher {teacher.name!r} was never trained; it has nothing to teach"
        )
    check_weight(weight, at_least=0)
    channels = teacher.config.channels
    config = config or N2VStemConfig.preset("live", channels=channels)
    # both see the frames alike; to find displaced rows takes longer than a small network does
    alike = {name: getattr(teacher.config, name) for name in PREPARED}
    config = config.replace(**{**alike, "n2v_straighten_rows": False})
    if config.channels != channels:
        raise ConfigError(
            f"channels: the student has {'+'.join(config.channels)}, the teacher "
            f"{'+'.join(channels)}, in this order; they must be equal"
        )
    student = N2VStem(config, name or f"{teacher.name}-live", basedir, overwrite)
    student.check_train_arguments(epochs, steps_per_epoch)
    # the movies as the one that sees more of them sees them
    seeing = teacher.config if teacher.config.unet_context else config
    seeing = seeing.replace(n2v_straighten_rows=False)
    options = (seeing, axes, detectors, pixel_size_nm)
    series = collect_series(movies, *options, fingerprint=True, verbose=verbose)
    held = collect_series(validation_data, *options, fingerprint=True, verbose=verbose)
    with guides_of(teacher, series if weight else [], verbose) as guides:
        teaching = None
        if weight:
            teaching = Teaching(teacher.name, teacher.fingerprint, float(weight), guides)
        extent = epochs, steps_per_epoch
        return _teach(student, config, series, held, teaching, extent, resume, verbose)


def train_on_truth(
    model: N2VStem,
    movies: Sequence[MovieLike],
    truths: Sequence[np.ndarray],
    *,
    validation_data: MovieLike | Sequence[MovieLike] | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    weight: float = TEACHER_WEIGHT,
    resume: bool = True,
    verbose: bool = True,
) -> N2VStem:
    """Train a model on noisy movies of which a simulation knows the truth.

    Parameters
    ----------
    model : N2VStem
        Not trained yet.
    movies : list of movies
        As in `N2VStem.train`; each of one area (no S axis), detectors named as the model's or
        in their order.
    truths : list of (T, Y, X, C) arrays
        What each movie shows without noise, in its units and as distorted
        (`noise.ScannedMovie.truth`); detectors in the order of the model.
    validation_data, epochs, steps_per_epoch, resume, verbose
        As in `N2VStem.train`.
    weight : float
        As in `distill`, above 0.

    Returns
    -------
    N2VStem
        The model.

    Raises
    ------
    DataError
        A truth has another shape than its movie, or movies and truths differ in number.
    ValueError
        The weight is none.

    Notes
    -----
    What the movies show is kept in memory, four bytes a pixel and detector.
    """
    check_weight(weight)
    model.check_train_arguments(epochs, steps_per_epoch)
    if len(movies) != len(truths):
        raise DataError(f"{len(movies)} movies and {len(truths)} truths, expected as many of both")
    config = choose_preparation(model.config, list(movies))
    series = collect_series(list(movies), config, fingerprint=True, verbose=verbose)
    held = collect_series(validation_data, config, fingerprint=True, verbose=verbose)
    guides, found = [], hashlib.sha256()
    if len(series) != len(movies):
        raise DataError("a movie shows several areas (axis S); give each as a movie of its own")
    for s, truth in zip(series, truths, strict=True):
        truth = np.asarray(truth, np.float32)
        if truth.shape != tuple(s.frames.shape):
            raise DataError(
                f"{s.name}: the truth has shape {truth.shape}, the movie {tuple(s.frames.shape)} "
                "(T, Y, X, C); they must be equal"
            )
        guide = np.empty_like(truth)
        for t, frame in enumerate(truth):
            if not np.isfinite(frame[s.statistics.inside.get(t, ...)]).all():
                raise DataError(
                    f"{s.name}: the truth of frame {t} holds NaN or infinite pixels; it must be "
                    "finite where the movie shows anything"
                )
            _, taken = s.preparation.take(np.asarray(s.raw[t]))
            guide[t] = s.preparation.take_alike(frame, taken)
        found.update(guide.tobytes())
        guides.append(guide)
    teaching = Teaching(SIMULATION, f"sha256:{found.hexdigest()}", float(weight), guides)
    extent = epochs, steps_per_epoch
    return _teach(model, config, series, held, teaching, extent, resume, verbose)


def check_weight(weight, at_least: float | None = None) -> None:
    """Raise `ValueError` unless a weight is a number above 0, or of at least so much."""
    is_number = isinstance(weight, numbers.Real) and np.isfinite(weight)
    if not is_number or not (weight > 0 or weight == at_least):
        wanted = "above 0" if at_least is None else f"of at least {at_least}"
        raise ValueError(f"weight is {weight!r}, expected a number {wanted}")


def _teach(student, config, series, held, teaching, extent, resume, verbose):
    """Train a student of what its teacher makes of movies; return it."""
    planned = plan(
        config,
        series,
        held,
        *extent,
        folder=student.logdir if resume else None,
        from_scratch=not student.trained,
        teaching=teaching,
    )
    run(student, planned, open_strategy(None, config), verbose=verbose)
    return student


@contextlib.contextmanager
def guides_of(teacher: N2VStem, series, verbose: bool = False):
    """Give what a teacher makes of movies, in a temporary file, while the block runs.

    Parameters
    ----------
    teacher : N2VStem
    series : list of Series

    Yields
    ------
    list of (T, Y, X, C) float32 arrays
        On disk; in the units of each movie, of its prepared frames: what was taken off is not given
        back.
    """
    with scratch_folder() as folder:
        guides = []
        for i, s in enumerate(series):
            guide = np.memmap(folder / str(i), np.float32, "w+", shape=s.frames.shape)
            bar = FrameProgress(f"teacher on {s.name}", len(s.frames), verbose)
            prepared = Series(s.name, s.frames, s.statistics, s.pixel_size_nm, s.context)
            frames = denoise_movie(teacher.denoiser, prepared)
            for t, frame in enumerate(frames):
                guide[t] = frame
                bar.step()
            bar.close()
            guides.append(guide)
        yield guides
