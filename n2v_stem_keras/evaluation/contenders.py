"""The methods that an evaluation compares: noisy and blank frames, tuned filters, trained models.

Each has ``method`` (name for programs), ``label`` (name for people), ``kind``, ``unavailable`` (why
it cannot run, or '') and ``run(truth, raw, level)``, which denoises one movie.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .. import baselines, metrics
from ..io import Movie
from ..normalize import DataError, check_finite, scan
from ..prediction.predictor import Predictor
from ..series import detector_order

BLANK = "mean of the frame"
_RANGE_NOTE = (
    "PSNR, SSIM and N-RMSE take as data range max - min of each clean frame and detector, which "
    "the brightest cluster sets; A/sigma of a lone adatom does not depend on it."
)
_BLANK_NOTE = (
    "mean of the frame: a blank image at the true frame's mean intensity. A method that scores "
    "below it has not shown by this score that it sees anything."
)
_TUNED_NOTE = (
    "told the true sigma of the noise, and tuned per {unit} and detector on the truth of the "
    "frames scored, which no experiment can do: flattered. A parameter at the end of its search "
    "says that PSNR rewards erasing here."
)
_TIME_NOTE = (
    "time/frame: all detectors of a frame, median over movies, on this machine; tuning and "
    "start-up are left out."
)


def level_label(level, n_detectors) -> str:
    """Name a noise level.

    Parameters
    ----------
    level : float, sequence of float, or str
        PSNR [dB], one for all detectors or one each; a name is left as it is.
    n_detectors : int

    Examples
    --------
    >>> level_label(16, 2), level_label((7, 6.5), 2), level_label("dose 350", 2)
    ('16/16 dB', '7/6.5 dB', 'dose 350')
    """
    if isinstance(level, str):
        return level
    return "/".join(f"{psnr:g}" for psnr in level_psnr(level, n_detectors)) + " dB"


def level_psnr(level, n_detectors):
    """PSNR of each detector [dB] at a level, one for all or one each; else ValueError."""
    psnr = np.atleast_1d(np.asarray(level, float))
    psnr = np.repeat(psnr, n_detectors) if psnr.size == 1 else psnr
    if psnr.shape != (n_detectors,) or not np.isfinite(psnr).all():
        raise ValueError(
            f"noise level {level!r}; expected a PSNR [dB] for all, or {n_detectors}, one per "
            "detector"
        )
    return tuple(psnr.tolist())


def places(detectors, channels) -> list[int]:
    """Find the detectors of a model among those of the movies, by name; see `detector_order`."""
    blank = np.zeros((1, 1, 1, len(detectors)), np.float32)
    movie = Movie.from_array(blank, "TYXC", detectors=detectors, name="the movies")
    return detector_order(movie, channels)


def gather(methods, models, levels, detectors, pixel_size_nm=None, gain=None, sample=None):
    """Return everything that is scored, in the order of the table.

    Parameters
    ----------
    methods, models, detectors, pixel_size_nm, gain
        See `evaluation.evaluate.evaluate`.
    levels : list of str
        Labels.
    sample : callable, optional
        level -> (truth, raw), frames (T, Y, X, C) of all movies on which to tune once a level;
        without it every movie is tuned on its own frames.

    Returns
    -------
    list of Reference, Classical and Model
    """
    unknown = [name for name in methods if name not in baselines.METHODS]
    if unknown:
        raise ValueError(f"methods {unknown}; expected some of {sorted(baselines.METHODS)}")
    entrants = [Reference("noisy", "noisy", "input"), Reference("blank", BLANK, "reference")]
    if gain is not None and not isinstance(gain, Mapping):
        gain = dict.fromkeys(levels, gain)
    gain = {level_label(level, len(detectors)): g for level, g in (gain or {}).items()}
    entrants += [Classical(name, gain, sample) for name in methods]
    for label, model in (models or {}).items():
        entrants.append(Model(label, model, levels, detectors, pixel_size_nm))
    labels = [entrant.label for entrant in entrants]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"two methods are called {twice[0]!r}; give the model another label")
    return entrants


def select(frames, order):
    """Return the detectors of a movie in an order; the movie itself if that is its own."""
    if list(order) == list(range(frames.shape[-1])):
        return frames
    return np.ascontiguousarray(frames[..., order])


@dataclass
class Outcome:
    """One method on one movie.

    Attributes
    ----------
    denoised : numpy.ndarray
        (T, Y, X, n); none once scored.
    order : list of int
        Places of its n detectors in the movie.
    parameters, at_limit : list
        Tuned, and whether at the end of the search, one per detector; empty if there are none.
    seconds, tuning : float
        Time of denoising per frame, and of the search for the whole movie [s].
    scores : dict
        detector -> metric -> mean over frames, once scored.
    """

    denoised: np.ndarray | None
    order: list
    parameters: list = ()
    at_limit: list = ()
    seconds: float = float("nan")
    tuning: float = float("nan")
    scores: dict | None = None

    def score(self, truth, psnr_in, detectors):
        """Replace the frames by their scores; `psnr_in` is that of the noisy frames, (C,) [dB]."""
        names = [detectors[c] for c in self.order]
        by_frame = metrics.score(select(truth, self.order), self.denoised, names)
        self.scores = {}
        for c, name in zip(self.order, names, strict=True):
            mean = {metric: float(values.mean()) for metric, values in by_frame[name].items()}
            gain = metrics.fluence_gain(psnr_in[c], mean["psnr"])
            self.scores[name] = {**mean, "fluence_gain": gain}
        self.denoised = None
        return self


class Reference:
    """The noisy frames themselves, or the blank frame."""

    unavailable, parameter = "", {}

    def __init__(self, method, label, kind):
        self.method, self.label, self.kind = method, label, kind

    def run(self, truth, raw, level):
        """Return the frames as they are, or the mean of the true ones."""
        frames = raw
        if self.method == "blank":
            mean = np.mean(truth, axis=(1, 2), keepdims=True, dtype=float)
            frames = np.broadcast_to(mean, truth.shape)
        return Outcome(frames, list(range(truth.shape[-1])))


class Classical:
    """A filter, told the true sigma of the noise, and tuned on the truth.

    Parameters
    ----------
    method : str
        Key of `baselines.METHODS`.
    gain : dict
        Level -> what one electron adds to the reading, for the methods that count electrons.
    sample : callable, optional
        As in `gather`. The temporal mean needs whole movies, so it is tuned on each.
    """

    kind = "classical"

    def __init__(self, method, gain, sample=None):
        self.sample = sample if method != "temporal" else None
        self.shared = {}  # level -> Tuned on the sample
        about = baselines.METHODS[method]
        self.method, self.label, self.gain = method, about.label, gain
        self.parameter = {"parameter_name": about.parameter_name, "unit": about.unit}
        self.unavailable = baselines.available(method) or ""
        if not self.unavailable and method == "anscombe_bm3d" and not gain:
            self.unavailable = "needs to know the gain, what one electron adds to the reading"

    def run(self, truth, raw, level):
        """Tune and denoise; None if the method cannot run."""
        gain = self.gain.get(level)
        if self.unavailable or (self.method == "anscombe_bm3d" and gain is None):
            return None
        began = time.perf_counter()
        if self.sample is None:
            tuned = self._tune(truth, raw, gain)
            denoised = tuned.denoised[0]
        elif level in self.shared:
            tuned = self.shared[level]
            denoised = self._apply(truth, raw, gain, tuned.parameter)
        else:
            tuned = self.shared[level] = self._tune(*self.sample(level), gain)
            denoised = self._apply(truth, raw, gain, tuned.parameter)
        return Outcome(
            denoised,
            list(range(truth.shape[-1])),
            parameters=list(tuned.parameter),
            at_limit=list(tuned.at_limit),
            tuning=time.perf_counter() - began,
            seconds=self._seconds(raw, tuned.parameter, _sigma(truth, raw), gain),
        )

    def _tune(self, truth, raw, gain):
        """Search the parameters on frames (T, Y, X, C)."""
        sigma = _sigma(truth, raw)[None]
        return baselines.tune(
            self.method, raw[None], truth[None], noise_sigma=sigma, gain=gain, full=True
        )

    def _apply(self, truth, raw, gain, parameters):
        """Denoise frames (T, Y, X, C) with known parameters, one per detector."""
        sigma, denoised = _sigma(truth, raw), np.empty(raw.shape, np.float32)
        gain = np.broadcast_to(1.0 if gain is None else gain, len(parameters))
        for c, parameter in enumerate(parameters):
            known = {"noise_sigma": sigma[:, c : c + 1], "gain": gain[c], "values": [parameter]}
            one = raw[..., c : c + 1]
            denoised[..., c : c + 1] = baselines.tune(self.method, one, one, **known)[0]
        return denoised

    def _seconds(self, raw, parameters, sigma, gain):
        """Time per frame, all detectors, with the parameters found [s]; of up to three frames."""
        n_frames = len(raw) if self.method == "temporal" else min(3, len(raw))
        gain = np.broadcast_to(1.0 if gain is None else gain, len(parameters))
        began = time.perf_counter()
        for c, parameter in enumerate(parameters):
            frames = raw[:n_frames, ..., c]
            if self.method == "temporal":
                baselines.temporal_mean(frames, parameter)
                continue
            for frame, s in zip(frames, sigma[:, c]):
                if self.method == "gaussian":
                    baselines.gaussian(frame, parameter)
                elif self.method == "anscombe_bm3d":
                    baselines.anscombe_bm3d(frame, parameter, gain[c])
                else:
                    getattr(baselines, self.method)(frame, parameter, s)
        return (time.perf_counter() - began) / n_frames


def _sigma(truth, raw):
    """Root mean square of the noise of each frame and detector, (T, C)."""
    return np.sqrt(np.mean((np.asarray(raw, float) - truth) ** 2, axis=(1, 2)))


class Model:
    """A trained model, or one for each level."""

    kind, unavailable, parameter = "model", "", {}

    def __init__(self, label, model, levels, detectors, pixel_size_nm):
        self.method = self.label = label
        self.detectors, self.pixel_size_nm = detectors, pixel_size_nm
        if not isinstance(model, Mapping):
            self.of_level = dict.fromkeys(levels, model)
        else:
            self.of_level = {level_label(k, len(detectors)): m for k, m in model.items()}
            unknown = sorted(set(self.of_level) - set(levels))
            if unknown:
                raise ValueError(f"{label}: models for {unknown}; the levels are {levels}")
        self._warm = []  # models that have run before
        self.warned = {}  # level -> first warning
        self.trained_on = {}  # level -> movies that were in the training
        for found in self.of_level.values():
            self._order(found)

    def _order(self, model):
        """Places of a model's detectors in the movie."""
        channels = getattr(getattr(model, "config", None), "channels", None)
        if channels is None:
            return list(range(len(self.detectors)))
        return places(self.detectors, channels)

    def run(self, truth, raw, level):
        """Denoise the detectors that the model knows; None without a model for the level."""
        model = self.of_level.get(level)
        if model is None:
            return None
        order = self._order(model)
        given = select(raw, order)
        self._look_up(model, given, level)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if not any(model is other for other in self._warm):
                self._denoise(model, given)  # start-up is not part of the time per frame
                self._warm.append(model)
            began = time.perf_counter()
            denoised = self._denoise(model, given)
            seconds = (time.perf_counter() - began) / len(given)
        self._keep(caught, level)
        if np.shape(denoised) != given.shape:
            raise DataError(
                f"{self.label}: returned shape {np.shape(denoised)} for a movie of {given.shape}; "
                "expected the same"
            )
        denoised = np.asarray(denoised)
        for t, frame in enumerate(denoised):
            check_finite(frame, f"{self.label}, denoised at {level}", t)
        return Outcome(denoised, order, seconds=seconds)

    def _denoise(self, model, frames):
        """Denoise a copy, so that a model that writes into its input harms nobody else."""
        frames = np.array(frames)
        if not hasattr(model, "predict"):
            return model(frames)
        known = {"pixel_size_nm": self.pixel_size_nm} if hasattr(model, "config") else {}
        if isinstance(model, Predictor):
            known["verbose"] = False  # the evaluation shows how far it is
        return model.predict(frames, axes="TYXC", **known)

    def _look_up(self, model, given, level):
        """Count the movies that were in the model's training, by fingerprint."""
        record = getattr(model, "record", None)
        if not record or not record.get("runs"):
            return
        known = {m.get("fingerprint") for run in record["runs"] for m in run.get("movies", [])}
        same = scan(given, self.label, fingerprint=True).fingerprint in known
        self.trained_on[level] = self.trained_on.get(level, 0) + same

    def _keep(self, caught, level):
        """Keep a model's first warning at each level for the notes; pass other kinds on."""
        for warning in caught:
            if warning.category is UserWarning:
                self.warned.setdefault(level, str(warning.message).removeprefix("array: "))
            else:
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )


def notes(entrants, tallies, n_movies, levels):
    """Say what a reader of the numbers must know."""
    scored = {label for _, label in tallies}
    tuned = [e.label for e in entrants if e.kind == "classical" and e.label in scored]
    yield _RANGE_NOTE
    yield _BLANK_NOTE
    if tuned:
        shared = any(e.kind == "classical" and e.sample for e in entrants)
        note = _TUNED_NOTE.format(unit="noise level" if shared else "movie")
        yield f"{', '.join(tuned)}: {note}"
    yield _TIME_NOTE
    for entrant in entrants:
        if entrant.kind == "model":
            yield from _model_notes(entrant, n_movies, levels)


def _model_notes(entrant, n_movies, levels):
    """Say what a model was trained on, and what it warned of."""
    models = {id(model): model for model in entrant.of_level.values()}
    for model in models.values():
        own = [level for level in levels if entrant.of_level.get(level) is model]
        name = entrant.label if len(models) == 1 else f"{entrant.label} at {', '.join(own)}"
        seen = {level: entrant.trained_on[level] for level in own if level in entrant.trained_on}
        if not seen:
            yield f"{name}: nothing is known of its training."
            continue
        run = model.record["runs"][-1]
        text = f"{name}: trained on {run.get('training_frames', '?')} frames, seed "
        text += f"{run.get('seed', '?')}; "
        held = [f"{n} of {n_movies} at {level}" for level, n in seen.items() if n]
        if held:
            text += f"trained on these very frames, without their truth ({', '.join(held)})."
        else:
            text += "none of the noisy movies scored here was among its training movies."
        yield text
    for level, warning in entrant.warned.items():
        yield f"{entrant.label} at {level} warned: {warning}"
