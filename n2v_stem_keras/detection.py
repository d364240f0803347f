"""Atoms through a model: find them in what it denoises, set thresholds by what it makes of nothing.

Heights are in units of the raw noise sigma of the movie and detector. A denoiser leaves a fraction
of that noise, so thresholds lie below 1 or a little above, where a raw frame would need 4 or 5; and
it leaves it in shapes of its own, so the fraction says little about how often something like an
atom comes out. That is counted here: frames without atoms are sent through the model as the movie
is (standardised with the movie's own mean and standard deviation), and the heights of the peaks
that come out are the null that thresholds are read from. The paper looks at such frames (Figs S7,
S8, S10) and does not count.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy import ndimage

from . import limits
from .atoms import Criterion, calibrate, find_atoms, precision_recall, sign_of
from .atoms.find import MIN_DISTANCE_NM, PIXEL_NM, columns, peak_heights
from .counting import counted
from .escaping import escaped
from .noise.margins import holds
from .normalize import DataError
from .prediction.tiles import denoise_movie
from .progress import FrameProgress
from .series import Series
from .temporal.context import MovieContext
from .temporal.registration import still

DEFAULT_HEIGHT_SIGMA = 1.0  # where nothing was calibrated; a lone adatom has 2.9 at 10 dB (ADF)
FALSE_ALARMS_PER_MPX = 1.0
EVENTS = 50  # expected false atoms above the threshold, which fix it to about 15 %
LATTICE_WINDOW = 256  # in which a movie's lattice is looked for [px]
ATOM_WIDTH_PX = 1.3  # sigma over which a movie's atoms stand out of its lattice
OUTLIER = 3.5  # of their spread: what stands out
NORMAL_QUARTILE = 0.6745  # median of |x| over the standard deviation of normal numbers
MATCH_NM = 0.14  # an atom found this close to a true one is that atom


def criteria_of(channels, thresholds, wanted=None, height_sigma=None, min_distance_nm=None) -> dict:
    """Return what counts as an atom in each detector of a model: `atoms.Criterion` or None.

    Parameters
    ----------
    channels : tuple of str
    thresholds : dict
        Thresholds of the model, per detector.
    wanted : sequence of str, optional
        Detectors in which atoms are looked for; default those that have a threshold, or all.
    height_sigma, min_distance_nm : float, optional
        Instead of the model's.

    Warns
    -----
    UserWarning
        A threshold that was never calibrated is used.
    """
    known = [c for c in channels if thresholds.get(c, {}).get("atoms")]
    names = [c.lower() for c in channels]
    if wanted is None:
        wanted = known if known and height_sigma is None else channels
    unknown = [w for w in wanted if w.lower() not in names]
    if unknown:
        raise DataError(f"no detector {unknown[0]!r} in this model; it has {', '.join(channels)}")
    wanted = {w.lower() for w in wanted}
    guessed, found = [], {}
    for channel in channels:
        stored = thresholds.get(channel, {}).get("atoms", {})
        if channel.lower() not in wanted:
            found[channel] = None
            continue
        height = stored.get("height_sigma") if height_sigma is None else height_sigma
        if height is None:
            guessed.append(channel)
            height = DEFAULT_HEIGHT_SIGMA
        distance = stored.get("min_distance_nm") if min_distance_nm is None else min_distance_nm
        found[channel] = Criterion(
            height, int(stored.get("sign", sign_of(channel))), distance or MIN_DISTANCE_NM
        )
    if guessed:
        warnings.warn(
            escaped(
                f"the model has no threshold for atoms in {', '.join(guessed)}; taking peaks of "
                f"{DEFAULT_HEIGHT_SIGMA:g} raw noise sigma, at an unknown rate of false atoms. "
                "model.optimize_thresholds(movie) counts them"
            ),
            stacklevel=4,
        )
    return found


def noise_sigmas(series) -> np.ndarray:
    """Estimate the noise of each detector of a movie, (C,)."""
    measured = limits.measure(series.frames, series.statistics)
    if not measured:
        raise DataError(f"{series.name}: all frames are blank; there is nothing to find")
    return np.array([m.estimate.sigma for m in measured])


def find(model, series, criteria, refine_on="raw", verbose=False, step=None):
    """Find the atoms of one movie; see `N2VStem.find_atoms`."""
    import pandas as pd

    if refine_on not in ("raw", "denoised"):
        raise ValueError(f"refine_on is {refine_on!r}, expected 'raw' or 'denoised'")
    sigmas = noise_sigmas(series)
    blank = set(series.statistics.blank_frames)
    progress = FrameProgress(f"Finding atoms in {series.name}", len(series.frames), verbose)
    tables = []
    frames = denoise_movie(model.denoiser, series)
    for t, denoised in enumerate(frames):
        raw = np.asarray(series.raw[t])[None] if refine_on == "raw" else None
        looked_for = _of_those_on(criteria, series.statistics.empty.get(t))
        if t not in blank and any(looked_for.values()):
            found = find_atoms(
                denoised[None],
                sigmas,
                looked_for,
                pixel_size_nm=series.pixel_size_nm,
                raw=raw,
                first_frame=t,
            )
            if (place := series.statistics.inside.get(t)) is not None:
                kept = [holds(place, y, x) for y, x in zip(found.y, found.x)]
                found = found[kept].reset_index(drop=True)
            tables.append(found)
        progress.step()
        if step:
            step()
    progress.close()
    return join(tables) if tables else pd.DataFrame(columns=columns(list(criteria)))


def _of_those_on(criteria: dict, empty) -> dict:
    """Return criteria without those of detectors that are blank in a frame, of its empty rows."""
    if empty is None:
        return criteria
    off = empty.all(axis=0)
    return {name: None if off[c] else one for c, (name, one) in enumerate(criteria.items())}


def join(tables):
    """Put tables of atoms below each other."""
    import pandas as pd

    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else tables[0]


# -- thresholds -----------------------------------------------------------------------------------
class WithNoise:
    """A lazy sequence of frames: images taken in turn, each with white noise of its own.

    Parameters
    ----------
    images : array_like
        (N, Y, X, C).
    sigma : array_like
        (C,) standard deviation of the noise, in the images' unit.
    n_frames : int
    seed : int or sequence of int
    """

    def __init__(self, images, sigma, n_frames, seed):
        self.images, self.sigma, self.seed = np.asarray(images), np.asarray(sigma, float), seed
        self.shape = (n_frames, *self.images.shape[1:])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, t):
        image = self.images[t % len(self.images)]
        rng = np.random.default_rng([*np.atleast_1d(self.seed), t])
        return (image + self.sigma * rng.standard_normal(image.shape)).astype(np.float32)


def heights_without_atoms(model, series, sigmas, frames, criteria, verbose=False) -> list:
    """Heights of the peaks that a model makes of frames without atoms.

    Parameters
    ----------
    model : N2VStem
    series : movies.Series
        Whose statistics the frames are standardised with.
    sigmas : (C,) array
        Noise of the movie.
    frames : lazy sequence of (Y, X, C) arrays
        Frames without atoms, as noisy as the movie's.
    criteria : dict
        Detector -> `atoms.Criterion` or None; signs and distances count, heights do not.

    Returns
    -------
    list of (n,) arrays
        For each detector, in units of its sigma; empty where there is no criterion.
    """
    found = [[] for _ in criteria]
    progress = FrameProgress("Counting false atoms", len(frames), verbose)
    for image in denoise_movie(model.denoiser, _as_movie(series, frames)):
        for c, criterion in enumerate(criteria.values()):
            if criterion is not None:
                found[c].append(_heights(image, c, sigmas, criterion, series.pixel_size_nm)[1])
        progress.step()
    progress.close()
    return [np.concatenate(heights) if heights else np.zeros(0) for heights in found]


def _as_movie(series, frames) -> Series:
    """Return frames of a still specimen as a movie like another: as many of them know of each."""
    context = series.context
    if context is not None:
        n_others = min(len(series.frames) - 1, 2 * context.reach)
        reach = max(1, math.ceil(n_others / 2))
        context = MovieContext(frames, series.statistics, still(len(frames)), reach)
    return Series(series.name, frames, series.statistics, series.pixel_size_nm, context)


def _heights(image, c, sigmas, criterion, pixel_size_nm):
    """Peaks of one detector of a frame in units of its noise: places (n, 2), heights (n,)."""
    signed = criterion.sign * image[..., c].astype(float) / sigmas[c]
    return peak_heights(signed, pixel_size_nm, criterion.min_distance_nm)


def optimise(
    model,
    series,
    criteria,
    positions=None,
    lattice=None,
    empty=None,
    rate=FALSE_ALARMS_PER_MPX,
    n_frames=None,
    seed=0,
    verbose=False,
) -> dict:
    """Set thresholds; see `N2VStem.optimize_thresholds`.

    Returns
    -------
    dict
        Detector -> the ``atoms`` part of thresholds.json.
    """
    sigmas = noise_sigmas(series)
    if positions is not None:
        found = _by_truth(model, series, sigmas, criteria, positions)
    else:
        found = _by_rate(
            model, series, sigmas, criteria, lattice, empty, rate, n_frames, seed, verbose
        )
    return {
        channel: {
            **part,
            "sign": criteria[channel].sign,
            "min_distance_nm": criteria[channel].min_distance_nm,
            "data_fingerprint": series.statistics.fingerprint or "",
        }
        for channel, part in found.items()
    }


def _by_rate(model, series, sigmas, criteria, lattice, empty, rate, n_frames, seed, verbose):
    """Thresholds at a rate of false atoms, the stricter one of noise and lattice."""
    if not rate > 0:
        raise ValueError(f"false_alarms_per_Mpx is {rate}, expected more than 0")
    shape = series.frames.shape[1:]
    area = shape[0] * shape[1]
    if n_frames is None:
        n_frames = int(np.ceil(EVENTS / rate * 1e6 / area))
    flat = np.broadcast_to(series.statistics.mean, (1, *shape))
    nulls = {"noise": WithNoise(flat, sigmas, n_frames, [seed, 0])}
    if empty is not None:
        nulls["lattice"] = series.preparation.of(empty)
    else:
        images = own_lattice(series)
        if lattice is not None:
            images = series.preparation.of(_images(lattice, shape))
            images = np.stack([images[t] for t in range(len(images))])
        nulls["lattice"] = WithNoise(images, sigmas, n_frames, [seed, 1])
    found = {}
    for method, frames in nulls.items():
        heights = heights_without_atoms(model, series, sigmas, frames, criteria, verbose)
        n_px = len(frames) * int(np.prod(frames.shape[1:3]))
        for channel, values, criterion in zip(criteria, heights, criteria.values()):
            if criterion is None:
                continue
            result = calibrate(values, n_px, rate)
            if channel in found and found[channel]["height_sigma"] >= result.height_sigma:
                continue
            found[channel] = _part(result, method, len(frames))
    return found


def own_lattice(series) -> np.ndarray:
    """Return the lattice of a movie without its atoms, (N, Y, X, C), in its units.

    What a local Wiener filter finds in it (`lattice.windows`), on the movie's mean. What
    stands out of the lattice over the width of an atom is replaced by the lattice, and the filter
    looks again, so that bright atoms leave nothing. It lacks the lattice's faint spots, which a
    network with such a filter does not see either. Without a lattice nothing but the mean is left.
    """
    from .lattice.windows import LocalWienerFilter

    statistics = series.statistics
    numbers = limits.sample_whole(statistics)
    window = LATTICE_WINDOW
    while window > 16 and window > min(series.frames.shape[1:3]):
        window //= 2
    keep = LocalWienerFilter(window)
    frames = (statistics.standardise(np.asarray(series.frames[t])) for t in numbers)
    return np.stack([statistics.restore(_without_atoms(frame, keep)) for frame in frames])


def _without_atoms(frame, keep) -> np.ndarray:
    """Return the lattice that a filter finds in a standardised frame, (Y, X, C), without atoms."""
    lattice = keep(frame[None]).numpy()[0]
    for _ in range(2):  # a third time changes nothing
        rest = ndimage.gaussian_filter(frame - lattice, (ATOM_WIDTH_PX, ATOM_WIDTH_PX, 0))
        rest -= np.median(rest, axis=(0, 1))
        spread = np.median(np.abs(rest), axis=(0, 1)) / NORMAL_QUARTILE
        atoms = (np.abs(rest) > OUTLIER * spread).any(axis=-1)
        atoms = ndimage.binary_dilation(atoms, iterations=2)
        lattice = keep(np.where(atoms[..., None], lattice, frame)[None]).numpy()[0]
    return lattice


def _images(lattice, shape):
    images = np.asarray(lattice, float)
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[-1] != shape[-1]:
        raise ValueError(
            f"lattice has shape {images.shape}, expected noise-free frames without atoms "
            f"(T, Y, X, {shape[-1]}) in the movie's units"
        )
    return images


def _part(result, method, n_frames):
    """Write a calibration as the ``atoms`` part of thresholds.json."""
    return {
        # a denoiser may make less than nothing of noise; a negative threshold would let dips in
        "height_sigma": float(max(0.0, np.round(result.height_sigma, 4))),
        "method": method,
        "false_alarms_per_Mpx": float(f"{result.false_alarms_per_Mpx:.4g}"),
        "interval_95": [float(f"{v:.4g}") for v in result.interval_95],
        "frames": n_frames,
    }


def _by_truth(model, series, sigmas, criteria, positions):
    """Thresholds of greatest F1 where positions are known."""
    from .atoms import Calibration, poisson_interval

    if len(positions) != len(series.frames):
        raise ValueError(
            f"positions of {counted(len(positions), 'frame')} for a movie of "
            f"{len(series.frames)}; expected one array (n, 2) of y, x [px] for each frame"
        )
    near = MATCH_NM / (series.pixel_size_nm or PIXEL_NM)
    area = int(np.prod(series.frames.shape[:3])) / 1e6
    peaks = {c: ([], []) for c, criterion in criteria.items() if criterion is not None}
    for image in denoise_movie(model.denoiser, series):
        for c, (channel, criterion) in enumerate(criteria.items()):
            if criterion is None:
                continue
            found = _heights(image, c, sigmas, criterion, series.pixel_size_nm)
            for column, value in zip(peaks[channel], found):
                column.append(value)
    parts = {}
    for channel, (places, heights) in peaks.items():
        levels, precision, recall = precision_recall(places, positions, heights, near)
        if not len(levels) or not np.any(recall > 0):
            raise DataError(
                f"{series.name}: none of the positions given is a peak in {channel}; are they "
                "y, x [px] of this movie, frame by frame?"
            )
        with np.errstate(invalid="ignore"):
            f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
        best = int(f1.argmax())
        n_found = sum(int((h >= levels[best]).sum()) for h in heights)
        n_false = round(n_found * (1 - precision[best]))
        interval = tuple(v / area for v in poisson_interval(n_false))
        # halfway to the next peak, so that the lowest one that counts does not hang by a thread
        level = levels[best : best + 2].mean()
        result = Calibration(float(level), n_false / area, interval, n_false, area)
        parts[channel] = _part(result, "truth", len(series.frames))
    return parts
