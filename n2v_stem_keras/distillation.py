"""Teach a small network what a large one does, for use at the microscope.

`distill` trains a student on crops of noisy movies with two losses in turn: of every two crops one
is blinded and gives the blind-spot loss of any N2VStem; the other is seen whole, as in prediction,
and compared with what the teacher makes of the same frame (Hinton et al. 2015). The first needs no
teacher and is true but noisy, the second is calm and as true as the teacher. What comes out is an
ordinary model, whose folder names its teacher.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

import numpy as np

from .atomic import scratch_folder
from .config import PREPARED, ConfigError, N2VStemConfig
from .io.movie import MovieLike
from .model import N2VStem
from .opening import open_model
from .prediction.tiles import denoise_movie
from .progress import FrameProgress
from .series import Series, collect_series
from .training.devices import open_strategy
from .training.plan import plan
from .training.run import run

TEACHER_WEIGHT = 10.0  # of the teacher's loss; see `distill`


class Teaching:
    """What a teacher makes of the movies that a student is trained on.

    Parameters
    ----------
    teacher : N2VStem
    weight : float
        Weight of the squared difference from the teacher, beside the blind-spot loss.
    guides : list of (T, Y, X, C) float32 arrays
        The teacher's images of each movie, in its units.
    """

    def __init__(self, teacher: N2VStem, weight: float, guides):
        self.teacher, self.weight, self.guides = teacher, weight, guides

    @property
    def fingerprint(self) -> str:
        """``sha256:...`` of the teacher's network."""
        return self.teacher.fingerprint

    def describe(self) -> dict:
        """Return what training.json says of the teacher."""
        return {
            "name": self.teacher.name,
            "fingerprint": self.fingerprint,
            "weight": self.weight,
        }


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
    if not (np.isfinite(weight) and weight >= 0):
        raise ValueError(f"weight is {weight}, expected a number of at least 0")
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
        teaching = Teaching(teacher, float(weight), guides) if weight else None
        planned = plan(
            config,
            series,
            held,
            epochs,
            steps_per_epoch,
            folder=student.logdir if resume else None,
            from_scratch=not student.trained,
            teaching=teaching,
        )
        devices = open_strategy(None, config)
        run(student, planned, devices, verbose=verbose)
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
