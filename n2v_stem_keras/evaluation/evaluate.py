"""Methods x metrics x detectors x noise levels on movies with known truth, from one run.

The comparison of the paper's Figs 6, 7 and 9: noisy frames, classical filters and trained models
scored against the clean frames by PSNR, SSIM and N-RMSE. Deliberately different from it:

- The data range is stated: max - min of each clean frame and detector. Beside the PSNR stands the
  signal-to-noise ratio A/sigma of a lone adatom, which does not depend on the brightest cluster.
- Classical methods are tuned per movie and detector **on the truth of the very frames scored**.
  That flatters them: no experiment can do so.
- A **blank** frame, the mean of the true frame, is scored as well. Where adatoms are few it beats
  any blur in PSNR (27.7 dB in ADF on the reference movies), and a score below it says little.
- The error given is the standard error over movies, not over frames.

Models come in as objects, so that this module knows nothing of Keras.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import metrics
from ..counting import counted
from ..io.movie import LazyFrames
from ..noise import add_white_noise
from ..normalize import DataError, check_finite
from . import contenders
from .contenders import level_label, level_psnr
from .scores import Evaluation, Level, Result

METHODS = ("gaussian", "tv", "bm3d", "temporal")
SMALLEST = 8  # side of a frame [px]
TUNING_FRAMES = 8  # of all movies, where they are tuned together


class Predicts(Protocol):
    """A model, of whatever kind."""

    def predict(self, movie: np.ndarray, /, axes: str) -> npt.ArrayLike:
        """Denoise a movie, (T, Y, X, C)."""


Movies: TypeAlias = npt.ArrayLike | Sequence[LazyFrames]
Denoises: TypeAlias = Predicts | Callable[[np.ndarray], npt.ArrayLike]
PerDetector: TypeAlias = float | Sequence[float]


def evaluate(
    clean: Movies,
    detectors: Sequence[str],
    pixel_size_nm: float | None = None,
    noisy: Movies | Mapping[Any, Movies] | None = None,
    psnr_db: Sequence[PerDetector] | None = None,
    models: Mapping[str, Denoises | Mapping[Any, Denoises]] | None = None,
    methods: Sequence[str] = METHODS,
    positions: Sequence[Sequence[npt.ArrayLike]] | None = None,
    gain: PerDetector | Mapping[Any, PerDetector] | None = None,
    tune_per: str = "movie",
    seed: int = 0,
    progress: Callable[[int, int, str], object] | None = None,
    look: Callable[[str, int, str, np.ndarray, list], object] | None = None,
) -> Evaluation:
    """Score denoisers against the truth.

    Parameters
    ----------
    clean : sequence of (T, Y, X, C) arrays, or (S, T, Y, X, C)
        Noise-free movies; lazy sequences of frames (Y, X, C) will do. One movie at a time is read
        and none is changed.
    detectors : sequence of str
        C names.
    pixel_size_nm : float, optional
        [nm/px]; needed with `positions`.
    noisy : as `clean`, or dict, optional
        Noisy movies of the same shapes; or one such sequence per noise level, keyed by the
        level's PSNR as in `psnr_db`, or by any name.
    psnr_db : sequence, optional
        Instead of `noisy`: levels at which white noise is added to the clean frames, each a PSNR
        [dB], or a tuple of one per detector, e.g. ``[(16, 16), (7, 6)]``.
    models : dict, optional
        label -> model: anything with ``.predict(movie, axes="TYXC")``, or a function of the movie
        (T, Y, X, C). An `N2VStem` (anything with ``.config.channels``) is given, and scored on,
        its own detectors, and told the pixel size. For one model per noise level,
        label -> {level: model}.
    methods : sequence of str
        Keys of `baselines.METHODS`.
    positions : list of list of (n, 2) arrays, optional
        Adatoms y, x [px] of each frame of each movie, for A/sigma.
    gain : float or sequence of float, or dict of level -> these, optional
        What one electron adds to the reading, one for all or one per detector [the frames' unit];
        "anscombe_bm3d" needs it.
    tune_per : {"movie", "level"}
        Tune the classical methods on each movie, or once a noise level on a frame of each of up to
        eight movies, which is many times quicker.
    seed : int
        Seed of the noise added, which is a function of it, the movie's number and the level.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each step and at the end; the steps are
        ordered so that their mean duration soon settles.
    look : callable, optional
        Shown what each method made of each movie, before it is thrown away: ``look(level, number
        of the movie, label, frames (T, Y, X, n), places of its n detectors)``; with the label
        "truth" the clean frames.

    Returns
    -------
    Evaluation
        With ``.table()``, ``.to_csv(path)``, ``.to_json(path)``, ``.to_markdown()``, ``.rows()``.

    Raises
    ------
    DataError
        Movies do not match in number, shape or detectors, hold NaN, or a clean frame is constant.
    ValueError
        An argument makes no sense by itself.

    Notes
    -----
    A method whose optional package is missing is listed with the line that installs it.
    """
    detectors = (detectors,) if isinstance(detectors, str) else tuple(detectors)
    clean = _movies(clean)
    levels = _levels(clean, noisy, psnr_db, detectors, seed)
    if tune_per not in ("movie", "level"):
        raise ValueError(f"tune_per is {tune_per!r}; expected 'movie' or 'level'")
    sample = partial(_sample, clean, levels) if tune_per == "level" else None
    entrants = contenders.gather(
        methods, models, list(levels), detectors, pixel_size_nm, gain, sample
    )
    _check_positions(positions, clean, pixel_size_nm)
    done, total = 0, len(levels) * len(clean) * len(entrants)
    shapes, tallies, strengths = {}, {}, {}
    for (level, noisy_movie), m in itertools.product(levels.items(), range(len(clean))):
        truth, raw = _frames(clean[m]), noisy_movie(m)
        _check(truth, raw, detectors, f"movie {m}", level)
        shapes[m] = truth.shape[:3]
        strengths[level, m] = _strength(truth, raw, positions and positions[m], pixel_size_nm)
        if look:
            look(level, m, "truth", truth, list(range(len(detectors))))
        for entrant in entrants:
            if progress:
                progress(done, total, f"{level}, movie {m + 1}, {entrant.label}")
            outcome = entrant.run(truth, raw, level)
            if outcome is not None:
                if look:
                    look(level, m, entrant.label, outcome.denoised, outcome.order)
                tallies.setdefault((level, entrant.label), []).append(
                    outcome.score(truth, strengths[level, m][0], detectors)
                )
            done += 1
    if progress:
        progress(total, total, "")
    return Evaluation(
        results=tuple(
            _result(level, entrant, tallies.get((level, entrant.label)))
            for level in levels
            for entrant in entrants
        ),
        levels=tuple(_level(level, strengths, detectors, len(clean)) for level in levels),
        detectors=detectors,
        shapes=tuple(shapes[m] for m in range(len(clean))),
        pixel_size_nm=pixel_size_nm,
        seed=seed,
        notes=tuple(contenders.notes(entrants, tallies, len(clean), list(levels))),
    )


# -- movies ---------------------------------------------------------------------------------------
def _movies(movies):
    """Return a sequence of movies; one movie (T, Y, X, C) is a sequence of one."""
    movies = [movies] if getattr(movies, "ndim", None) == 4 else movies
    if not len(movies):
        raise DataError("the list of movies is empty")
    return movies


def _frames(movie):
    """Return a movie, lazy or not, as an array of its own type."""
    if hasattr(movie, "ndim"):
        return np.asarray(movie)
    return np.ascontiguousarray([np.asarray(movie[t]) for t in range(len(movie))])


def _levels(clean, noisy, psnr_db, detectors, seed):
    """Return label of each level -> function that gives its noisy movie of a number."""
    if (noisy is None) == (psnr_db is None):
        raise ValueError("give either noisy movies or psnr_db, the levels of noise to add")
    if noisy is None:
        pairs = [(psnr, _adder(clean, level_psnr(psnr, len(detectors)), seed)) for psnr in psnr_db]
    else:
        named = noisy if isinstance(noisy, Mapping) else {"as given": noisy}
        pairs = [(level, _reader(_movies(movies), len(clean))) for level, movies in named.items()]
    labels = [level_label(level, len(detectors)) for level, _ in pairs]
    if not labels or len(set(labels)) < len(labels):
        raise ValueError(f"noise levels {labels}; expected at least one, each once")
    return dict(zip(labels, (noisy_movie for _, noisy_movie in pairs)))


def _adder(clean, psnr, seed):
    """Return the function that adds noise to a movie of a number, always the same."""

    def noisy_movie(m):
        entropy = [seed, m, *(round(1000 * p) % 2**32 for p in psnr)]
        return add_white_noise(_frames(clean[m]), psnr, np.random.SeedSequence(entropy))

    return noisy_movie


def _reader(movies, n_clean):
    """Return the function that reads a movie of a number."""
    if len(movies) != n_clean:
        raise DataError(
            f"{len(movies)} noisy movies for {n_clean} clean ones; expected one for each"
        )
    return lambda m: _frames(movies[m])


def _sample(clean, levels, level):
    """Truth and noisy frames of a level, the middle frame of each of up to eight movies."""
    truths, raws = [], []
    for m in np.unique(np.linspace(0, len(clean) - 1, TUNING_FRAMES).round().astype(int)):
        truth, raw = _frames(clean[m]), levels[level](m)
        truths.append(truth[len(truth) // 2])
        raws.append(raw[len(raw) // 2])
    if len({truth.shape for truth in truths}) > 1:
        raise DataError(
            "movies of different frame sizes cannot be tuned together; use tune_per='movie'"
        )
    return np.stack(truths), np.stack(raws)


def _check(truth, raw, detectors, name, level):
    """Raise `DataError` unless a movie can be scored."""
    expected = f"(T, Y, X, {len(detectors)}) with the detectors {', '.join(detectors)}"
    if truth.ndim != 4 or truth.shape[-1] != len(detectors):
        raise DataError(f"{name}: the clean frames have shape {truth.shape}; expected {expected}")
    if raw.shape != truth.shape:
        raise DataError(
            f"{name}: the noisy frames ({level}) have shape {raw.shape}, the clean ones "
            f"{truth.shape}; expected twice the same, frame by frame"
        )
    if min(truth.shape[1:3]) < SMALLEST:
        raise DataError(
            f"{name}: frames of {truth.shape[1:3]} px; expected {SMALLEST}x{SMALLEST} px or more "
            "(the window of SSIM, the blocks of BM3D)"
        )
    for kind, frames in (("clean", truth), (f"noisy ({level})", raw)):
        for t, frame in enumerate(frames):
            check_finite(frame, f"{name}, {kind}", t)
    flat = np.argwhere(np.ptp(truth, axis=(1, 2)) == 0)
    if len(flat):
        t, c = flat[0]
        raise DataError(
            f"{name}: clean frame {t} of {detectors[c]} has one value throughout, so PSNR, SSIM "
            "and N-RMSE have no data range; leave the frame or the detector out"
        )


def _check_positions(positions, clean, pixel_size_nm):
    """Raise unless there are positions for each movie, and a pixel size, or none at all."""
    if positions is None:
        return
    if len(positions) != len(clean):
        raise DataError(f"positions of {len(positions)} movies for {len(clean)}; expected each")
    if not pixel_size_nm:
        raise ValueError("positions without a pixel size; give pixel_size_nm [nm/px]")


def _strength(truth, raw, positions, pixel_size_nm):
    """PSNR and A/sigma (or None) of a noisy movie, (C,) each."""
    truth, raw = np.asarray(truth, float), np.asarray(raw, float)
    psnr = metrics.psnr(truth, raw).mean(axis=0)
    if positions is None:
        return psnr, None
    if len(positions) != len(truth):
        raise DataError(
            f"positions of {counted(len(positions), 'frame')} for a movie of "
            f"{len(truth)}; expected one array (n, 2) per frame"
        )
    sigma = np.sqrt(np.mean((raw - truth) ** 2, axis=(1, 2)))  # (T, C)
    snr = [
        metrics.adatom_snr(truth[..., c], positions, s, pixel_size_nm) if s.all() else np.nan
        for c, s in enumerate(sigma.T)
    ]
    return psnr, np.asarray(snr)


def _level(label, strengths, detectors, n_movies):
    """Gather what is known of a noise level."""
    psnr, snr = zip(*(strengths[label, m] for m in range(n_movies)))
    known = [] if snr[0] is None else list(enumerate(detectors))  # nan: no lone adatom
    return Level(
        label,
        {detector: np.array([p[c] for p in psnr]) for c, detector in enumerate(detectors)},
        {detector: np.array([s[c] for s in snr]) for c, detector in known},
    )


# -- results --------------------------------------------------------------------------------------
def _result(level, entrant, outcomes):
    """Gather the outcomes of a method over the movies of a level."""
    who = (level, entrant.method, entrant.label, entrant.kind)
    if not outcomes:
        missing = "gain" if entrant.kind == "classical" else "model"
        note = entrant.unavailable or f"no {missing} given for this level"
        return Result(*who, {}, {}, {}, note=note)
    names = list(outcomes[0].scores)
    scores = {
        name: {
            metric: np.array([outcome.scores[name][metric] for outcome in outcomes])
            for metric in outcomes[0].scores[name]
        }
        for name in names
    }
    parameters, at_limit = {}, {}
    if entrant.parameter:
        for c, name in enumerate(names):
            parameters[name] = np.array([outcome.parameters[c] for outcome in outcomes], float)
            at_limit[name] = np.array([outcome.at_limit[c] for outcome in outcomes], bool)
    return Result(
        *who,
        scores,
        parameters,
        at_limit,
        **entrant.parameter,
        seconds_per_frame=float(np.median([outcome.seconds for outcome in outcomes])),
        tuning_seconds=float(np.sum([outcome.tuning for outcome in outcomes])),
    )
