"""What a training would do: on which frames, for how long, with which warnings. Writes nothing.

`plan` reads the movies for their noise and divides them into a training and a validation part.
`run` carries a plan out; ``n2v-stem train --dry-run`` prints one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import limits
from ..config import AUTO, N2VStemConfig
from ..counting import counted
from ..normalize import DataError
from ..progress import duration
from ..series import Series
from .checkpoint import RunState, find_unfinished
from .data import BlindSpotData, early_epochs, few_pixels, small_patch, split
from .losses import KINDS, floor_standard_error

MANY_SPIKES = 1e-4  # share of the pixels that is worth a word
ENOUGH_ROWS = 64  # of a frame, to tell noise from image by


@dataclass(frozen=True)
class Plan:
    """A training before its first step.

    Attributes
    ----------
    config : N2VStemConfig
        Nothing in it is left to choose.
    series, held : lists of Series
        Movies to train on, and those that were given for validation.
    measured : list of list of limits.DetectorNoise
        Noise of each of `series`.
    data : BlindSpotData
        Where training samples come from.
    validation : BlindSpotData or None
        Where validation samples come from.
    epochs, steps_per_epoch : int
    early_epochs : int
        Number of first epochs with `n2v_early_pitch`.
    floor : float or None
        Expected loss of a perfect prediction on what is validated on: noise may be stronger there
        than elsewhere in a movie.
    floor_levels : tuple of (float, float)
        Noise of each detector in each part that is validated on, and its standard error.
    warnings : tuple of str
        What the user should know before hours of training.
    unfinished : (RunState, dict) or None
        Where a training of these movies was interrupted, which this one goes on with.
    teaching : distillation.Teaching or None
        What a teacher makes of the movies.
    """

    config: N2VStemConfig
    series: list[Series]
    held: list[Series]
    measured: list
    data: BlindSpotData
    validation: BlindSpotData | None
    epochs: int
    steps_per_epoch: int
    early_epochs: int
    floor: float | None
    floor_levels: tuple[tuple[float, float], ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    unfinished: tuple[RunState, dict] | None = None
    teaching: object = None

    @property
    def n_steps(self) -> int:
        """Updates of the weights in the whole training."""
        return self.epochs * self.steps_per_epoch

    def floor_se(self, n_pixels: int) -> float | None:
        """Return the standard error of the floor, where `n_pixels` noisy pixels are compared."""
        if self.floor is None:
            return None
        return floor_standard_error(self.config.train_loss, *zip(*self.floor_levels), n_pixels)

    def describe(self) -> str:
        """Say in one line what would be trained on what."""
        n_movies, data = len(self.series), self.data
        movies = f" of {n_movies} movies" if n_movies > 1 else ""
        n_early = self.early_epochs
        early = f", the first {counted(n_early, 'epoch')} with a denser grid" if n_early else ""
        n_crops = self.config.train_batch_size
        return (
            f"{counted(data.n_frames, 'frame')}{movies}, {counted(self.epochs, 'epoch')} of "
            f"{counted(self.steps_per_epoch, 'step')}, {counted(n_crops, 'crop')} of "
            f"{data.patch_shape[0]}x{data.patch_shape[1]} px a step{early}{self._span()}"
            f"{self._prepared()}{self._context()}"
        )

    def _span(self) -> str:
        """Say how large a blind spot is, if it is more than a pixel, and why."""
        if self.config.span == (1, 1):
            return ""
        lags = [n.estimate.lag1_x for noises in self.measured for n in noises]
        known = [lag for lag in lags if np.isfinite(lag)]
        why = f", as noise correlates by up to {max(known):.2f} along x" if known else ""
        return f"; blind spots of {self.config.span[0]}x{self.config.span[1]} px{why}"

    def _prepared(self) -> str:
        """Say what is done to frames before."""
        done = self.config.preparation
        return f"; {done.describe()} before" if done else ""

    def _context(self) -> str:
        """Say how far around each frame is looked."""
        if not self.config.unet_context:
            return ""
        reaches = [s.context.reach for s in self.series if s.context]
        if not reaches:
            return "; there are no frames around each to look at"
        low, high = min(reaches), max(reaches)
        least = f"{low} to " if low < high else ""
        return f"; up to {least}{counted(high, 'frame')} before and after each seen"

    def describe_time(self) -> str:
        """Measure a step on this machine and say how long the training would take."""
        from .loop import build_trainer, estimate_seconds

        network = build_trainer(self.config)
        network.prepare(self.config, self.n_steps)
        seconds = estimate_seconds(network, self.config, self.data.patch_shape, self.n_steps)
        return f"about {duration(seconds)} on this machine"


def plan(
    config: N2VStemConfig,
    series: list[Series],
    held: list[Series] = (),
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    *,
    folder: Path | None = None,
    from_scratch: bool = True,
    teaching=None,
) -> Plan:
    """Plan a training.

    Parameters
    ----------
    config : N2VStemConfig
    series : list of Series
        Movies to train on.
    held : list of Series
        Movies to validate on; without any, a part of `series` is held out.
    epochs, steps_per_epoch : int, optional
        Extent of the training, instead of the configuration's.
    folder : Path, optional
        Model folder. An unfinished training of these movies that lies there is gone on with; it
        keeps its extent, unless more or fewer epochs are asked for.
    from_scratch : bool
        Whether the network has learnt nothing yet: it then needs more pixels.
    teaching : distillation.Teaching, optional
        What a teacher makes of `series`.

    Raises
    ------
    DataError
        The movies cannot be used.
    FolderError
        An unfinished training used other data, or another number of steps.
    """
    unfinished = find_unfinished(folder, series, held, teaching, steps_per_epoch)
    check_usable(config, series, held)
    measured = [limits.measure(s.frames, s.statistics) for s in series]
    if config.n2v_span == AUTO:
        config = config.with_span(limits.span_for(measured))
    regions, held_regions = divide(config, series, held)
    data = samples(series, regions, config, teaching and teaching.guides)
    source = held or series
    validation = samples(source, held_regions, config) if held_regions else None
    floor, levels = None, []
    if validation is not None:
        levels = [
            (n.noise_to_sd, n.noise_to_sd * n.estimate.sigma_se / (n.estimate.sigma or 1))
            for region in held_regions
            for n in _noise_in(source[region.movie], region)
        ]
        if levels:  # not all of it is blank
            floor = KINDS[config.train_loss].floor([level for level, _ in levels])
    if unfinished:
        state = unfinished[0]
        epochs, steps = epochs or state.epochs, state.steps_per_epoch
    else:
        epochs = epochs or config.train_epochs
        steps = steps_per_epoch or config.train_steps_per_epoch
        steps = steps or max(1, round(data.samples_per_pass / config.train_batch_size))
    ratios = [[n.noise_to_sd for n in noises] for noises in measured if noises]  # not of blank ones
    said = [small_patch(data), few_pixels(data) if from_scratch and not unfinished else None]
    said += correlated(config, series, measured)
    said += spiky(config, series, measured)
    said += [f"{s.name}: {text}" for s in series for text in s.context_complaints()]
    said += odd(config, series, measured)
    return Plan(
        config=config,
        series=list(series),
        held=list(held),
        measured=measured,
        data=data,
        validation=validation,
        epochs=epochs,
        steps_per_epoch=steps,
        early_epochs=early_epochs(config, epochs, ratios),
        floor=floor,
        floor_levels=tuple(levels),
        warnings=tuple(text for text in said if text),
        unfinished=unfinished,
        teaching=teaching,
    )


def _noise_in(series, region):
    """Measure the noise of the part of a movie that is validated on, in units of the movie."""
    rows = slice(*region.rows)
    if region.rows[1] - region.rows[0] < ENOUGH_ROWS:
        rows = slice(None)
    return limits.measure(series.frames, series.statistics, among=region.frames, rows=rows)


def check_usable(config: N2VStemConfig, series, held=()) -> None:
    """Raise `DataError` if there is nothing to learn from the movies."""
    for c, channel in enumerate(config.channels):
        if all(c in s.statistics.constant for s in series):
            raise DataError(f"detector {channel} is constant in all movies; nothing to learn")
    if not any(s.usable_frames for s in series):
        raise DataError("all frames of all movies are blank; nothing to learn")


def divide(config: N2VStemConfig, series, held=()):
    """Return the regions to train on, of `series`, and to validate on, of `held` or `series`."""
    if not held:
        return split([s.usable_frames for s in series], [s.frames.shape for s in series], config)
    whole = config.replace(train_validation_fraction=0.0)
    regions, _ = split([s.usable_frames for s in series], [s.frames.shape for s in series], whole)
    whole = whole.replace(train_frame_step=1)
    held_regions, _ = split([s.usable_frames for s in held], [s.frames.shape for s in held], whole)
    return regions, held_regions


def samples(series, regions, config: N2VStemConfig, guides=None) -> BlindSpotData:
    """Return where samples of movies come from."""
    frames, statistics = [s.frames for s in series], [s.statistics for s in series]
    contexts = [s.context for s in series]
    return BlindSpotData(frames, statistics, regions, config, guides, contexts)


def odd(config: N2VStemConfig, series, measured) -> list[str]:
    """Say where detectors may be swapped or a pixel size wrong; each once."""
    found = {}
    for s, noises in zip(series, measured):
        for text in limits.swapped(config.channels, noises):
            found.setdefault("swapped", f"{s.name}: {text}")
        for text in limits.wrong_size(config.channels, noises, s.pixel_size_nm):
            found.setdefault("size", f"{s.name}: {text}")
    return list(found.values())


def correlated(config: N2VStemConfig, series, measured) -> list[str]:
    """Say where the noise breaks the blind spot's assumption; each detector and axis once."""
    learnt = limits.learn(measured, [], config)
    only_noise = {c: {"noise": learnt[c]["noise"]} for c in config.channels}
    found = {}
    for s, noises in zip(series, measured):
        for complaint in limits.complaints(noises, only_noise, config.channels):
            found.setdefault(complaint.split(":")[0], f"{s.name}: {complaint}")
    return list(found.values())


def spiky(config: N2VStemConfig, series, measured) -> list[str]:
    """Say which detectors of which movies have spikes."""
    return [
        f"{s.name}: {channel}: {100 * noise.estimate.spikes:.2g} % of the pixels are spikes, which "
        "stand out of single frames as no probe draws (X-rays, cosmic rays). They do not count as "
        "noise, but are learnt from; replace them by the median of their neighbours first"
        for s, noises in zip(series, measured)
        for channel, noise in zip(config.channels, noises)
        if noise.estimate.spikes > MANY_SPIKES
    ]
