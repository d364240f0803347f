"""Find the parameter with which a baseline does best, and denoise with it.

All frames of a detector share one parameter; detectors have their own. The search visits the
method's grid, goes on beyond an end that is best, and halves the gaps beside the best value down
to the method's step.

**With a truth the parameter is tuned on that of the very frames scored**, so these baselines are
flattered: no experiment can tune so. TV and BM3D, which are slow, look at a few of these frames,
evenly spaced, and denoise them all.

Without a truth the search is J-invariant (Batson and Royer, ICML 2019), which is right for noise
that is independent from pixel to pixel, or for the temporal mean from frame to frame:

- For frames, scikit-image hides every fourth pixel in both directions from the denoiser, puts the
  mean of their neighbours there, and what the denoiser finds is compared with them. Up to four
  frames are used, each with as many of the sixteen grids of hidden pixels as make 16 000 pixels
  in all: lone adatoms are rare, and fewer pixels may miss them. What is judged is the denoiser
  with that mean put in, so parameters that remove too little look better than they are.
- For the temporal mean, each frame is what the mean of the n - 1 *other* frames is compared with.
  The squared error L of that mean against the frame is its error against the truth plus sigma^2,
  so the mean with the frame itself has the error ((n - 1) / n)^2 (L - sigma^2) + sigma^2 / n^2.
  Unlike L this exists for n = 1 too, and counts what the frame itself contributes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import ceil
from typing import NamedTuple

import numpy as np

from ..noise import estimate_noise
from .denoisers import anscombe_bm3d, bm3d, gaussian, temporal_mean, temporal_window, tv
from .methods import find

_CALIBRATION_FRAMES = 4
_STRIDE = 4  # of the hidden pixels [px]
# With a quarter of it the strength of BM3D came out 0.85 instead of 1.0 (ADF at 7 dB), which cost
# 2.4 dB; with all of it 1.1, which cost 0.04 dB.
_HIDDEN_PIXELS = 16384


class Tuned(NamedTuple):
    """What `tune` found.

    Attributes
    ----------
    denoised : numpy.ndarray
        Frames of the noisy shape, float32.
    parameter : float or list of float
        The parameter; one per detector for frames with a detector axis.
    at_limit : bool or list of bool
        Whether the search ended at `Method.limit`, so that the optimum lies beyond.
    """

    denoised: np.ndarray
    parameter: float | list
    at_limit: bool | list


def tune(
    method,
    noisy,
    truth=None,
    noise_sigma=None,
    gain=None,
    offset=0.0,
    readout=0.0,
    full=False,
    values=None,
):
    """Denoise with the parameter that suits each detector best.

    Parameters
    ----------
    method : str
        Key of `METHODS`, which says what the parameter is and its unit.
    noisy : array_like
        (Y, X), or (..., Y, X, C); left as it is. For "temporal" (..., T, Y, X, C): averages
        run over T, never over the axes before it.
    truth : array_like, optional
        Clean frames, of the same shape: the parameter of least squared error is taken. Without
        them, that of least J-invariant error.
    noise_sigma : float or array_like, optional
        Standard deviation of the noise [the frames' unit]: one number, or (C,), or one per frame
        and detector (..., C). By default estimated from each frame. "tv", "bm3d" and, without a
        truth, "temporal" use it.
    gain : float or sequence of float, optional
        What one electron adds to the reading, one for all or per detector [the frames' unit].
        "anscombe_bm3d" needs it; the other methods do not use it.
    offset, readout : float or sequence of float
        Reading without electrons and standard deviation of the readout noise, as for
        `anscombe`, one for all or per detector [the frames' unit].
    full : bool
        Return `Tuned`, which tells whether the search ended at the limit.
    values : sequence of float, optional
        Try these only, such as the paper's three widths of the Gaussian, (0.5, 1, 2) px. The limit
        is the largest of them.

    Returns
    -------
    denoised : numpy.ndarray
        Frames of the noisy shape, float32.
    parameter : float or list of float
        The parameter found; one per detector for (..., Y, X, C).

    Raises
    ------
    ImportError
        If BM3D is asked for and the package bm3d is missing; `available` tells beforehand.
    ValueError
        If there is no such method, shapes do not fit, values are not finite, "temporal" gets no
        movie, or "anscombe_bm3d" no gain.
    """
    about = find(method)
    if values is not None:
        values = tuple(sorted(values))
        if not values:
            raise ValueError("no values to try; give at least one, or None for the method's grid")
        about = replace(about, grid=values, step=np.inf, least=values[0], limit=values[-1])
    noisy = _checked(about, noisy, truth, gain)
    single = noisy.ndim == 2
    channels = noisy[..., None] if single else noisy
    stack = _by_detector(channels)
    truths = [None] * len(stack)
    if truth is not None:
        truths = _by_detector(np.asarray(truth, np.float32).reshape(channels.shape))
    sigmas = _noise_sigmas(about, noise_sigma, stack, channels, truth)
    counts = _counts(gain, offset, readout, len(stack))
    found = [_tune_detector(about, *each) for each in zip(stack, truths, sigmas, counts)]
    denoised = np.moveaxis(np.stack([frames for frames, _ in found]), 0, -1).reshape(noisy.shape)
    parameters = [parameter for _, parameter in found]
    at_limit = [parameter >= about.limit for parameter in parameters]
    tuned = Tuned(denoised, parameters, at_limit)
    if single:
        tuned = Tuned(denoised, parameters[0], at_limit[0])
    return tuned if full else tuned[:2]


def _checked(about, noisy, truth, gain):
    """Return the noisy frames as float32, once everything given fits together."""
    noisy = np.asarray(noisy, np.float32)
    if noisy.ndim < 2 or 0 in noisy.shape:
        raise ValueError(f"frames have shape {noisy.shape}; expected (Y, X) or (..., Y, X, C)")
    if truth is not None and np.shape(truth) != noisy.shape:
        raise ValueError(f"truth has shape {np.shape(truth)}, the noisy frames {noisy.shape}")
    for label, frames in (("noisy frames", noisy), ("truth", truth)):
        if frames is not None and not np.isfinite(frames).all():
            raise ValueError(f"the {label} have NaN or infinite values; replace them first")
    if about.name == "temporal" and noisy.ndim < 4:
        raise ValueError(
            f"frames have shape {noisy.shape}; the temporal mean needs a movie (..., T, Y, X, C)"
        )
    if about.name == "anscombe_bm3d" and gain is None:
        raise ValueError(
            "anscombe_bm3d needs gain, what one electron adds to the reading [the frames' unit]; "
            "pass offset and readout too where they are not 0"
        )
    return noisy


def _by_detector(frames):
    """(..., T, Y, X, C) as (C, S, T, Y, X), T = 1 if there is none."""
    n_frames = frames.shape[-4] if frames.ndim > 3 else 1
    return np.moveaxis(frames.reshape(-1, n_frames, *frames.shape[-3:]), -1, 0)


def _noise_sigmas(about, noise_sigma, stack, channels, truth):
    """Noise of each frame (C, S, T), or C times None if the method does not ask."""
    asks = about.name in ("tv", "bm3d") or (about.name == "temporal" and truth is None)
    if not asks:
        return [None] * len(stack)
    if noise_sigma is None:
        frames = stack.reshape(-1, *stack.shape[-2:])
        return np.reshape([estimate_noise(frame).sigma for frame in frames], stack.shape[:3])
    shape = (*channels.shape[:-3], channels.shape[-1])
    try:
        sigma = np.broadcast_to(np.asarray(noise_sigma, float), shape)
    except ValueError:
        raise ValueError(
            f"noise_sigma has shape {np.shape(noise_sigma)}; expected one number, one per "
            f"detector ({shape[-1]},), or one per frame and detector {shape}"
        ) from None
    return np.moveaxis(sigma.reshape(*stack.shape[1:3], -1), -1, 0)


def _counts(gain, offset, readout, n_detectors):
    """Sort the counting parameters by detector, as keyword arguments."""
    given = {"gain": 1.0 if gain is None else gain, "offset": offset, "readout": readout}
    numbers = {}
    for name, value in given.items():
        if np.size(value) not in (1, n_detectors):
            raise ValueError(f"{name} has {np.size(value)} values for {n_detectors} detectors")
        numbers[name] = np.broadcast_to(np.ravel(value).astype(float), n_detectors).tolist()
    return [{name: values[c] for name, values in numbers.items()} for c in range(n_detectors)]


def _tune_detector(about, noisy, truth, sigma, counts):
    """Denoised frames (S, T, Y, X) of one detector, and the parameter that did it."""
    if about.name == "temporal":
        error = partial(_temporal_errors, noisy, truth, sigma)
        k = _search(error, about)
        return np.stack([temporal_mean(movie, k) for movie in noisy]), k
    frames = noisy.reshape(-1, *noisy.shape[-2:])
    filters = _filters(about.name, len(frames), sigma, counts)
    if truth is None:
        error = partial(_self_supervised_errors, frames, filters)
    else:
        error = partial(
            _true_errors, frames, truth.reshape(frames.shape), filters, about.tuning_frames
        )
    best = _search(error, about)
    denoised = np.stack([apply(frame, best) for apply, frame in zip(filters, frames)])
    return denoised.reshape(noisy.shape), best


def _filters(name, n_frames, sigma, counts):
    """One function (frame, parameter) -> denoised per frame, which knows that frame's noise."""
    if name == "gaussian":
        return [gaussian] * n_frames
    if name == "anscombe_bm3d":
        return [partial(anscombe_bm3d, **counts)] * n_frames
    return [partial({"tv": tv, "bm3d": bm3d}[name], noise_sigma=s) for s in np.ravel(sigma)]


def _search(error, about):
    """Argument of the least error; of equal ones the smallest.

    Parameters
    ----------
    error : callable
        Takes a list of parameters and returns a list of their errors.
    about : Method
        Grid, step and range of the search.

    Returns
    -------
    float or int
        A value of the grid's type.
    """
    if about.least == about.limit:
        return about.grid[0]  # nothing to search
    errors = {}
    more = about.grid
    while more:
        more = [round(parameter, 6) for parameter in more]
        errors.update(zip(more, error(more)))
        best = min(errors, key=lambda parameter: (errors[parameter], parameter))
        more = _worth_trying(sorted(errors), best, about)
    return best


def _worth_trying(known, best, about):
    """Parameters to try next: beyond an end that is best, else inside the gaps beside the best."""
    at = known.index(best)
    if at == 0 and best > about.least:
        return [max(best / 2, about.least)]
    if at == len(known) - 1 and best < about.limit:
        return [min(best + about.step * ceil(best / 4 / about.step), about.limit)]
    more = []
    for neighbour in known[max(at - 1, 0) : at + 2]:
        steps = round((neighbour - best) / about.step, 3)
        if abs(steps) > 1:
            more.append(best + about.step * max(1, int(abs(steps) / 2)) * (1 if steps > 0 else -1))
    return more


def _true_errors(noisy, truth, filters, most, parameters):
    """Squared error against the truth, one number per parameter."""
    chosen = _evenly(len(noisy), most or len(noisy))
    return [
        sum(np.mean((filters[i](noisy[i], parameter) - truth[i]) ** 2.0) for i in chosen)
        for parameter in parameters
    ]


def _self_supervised_errors(noisy, filters, parameters):
    """Squared error of the J-invariant denoiser against the noisy frames, one per parameter."""
    from skimage.restoration import denoise_invariant

    chosen = _evenly(len(noisy), _CALIBRATION_FRAMES)
    masks = _masks(ceil(_HIDDEN_PIXELS * _STRIDE**2 / noisy[chosen].size))
    errors = []
    for parameter in parameters:
        total = 0.0
        for i in chosen:
            apply = partial(_apply, filters[i], parameter)
            estimate = denoise_invariant(noisy[i], apply, masks=masks)
            total += sum(np.sum((estimate[mask] - noisy[i][mask]) ** 2.0) for mask in masks)
        errors.append(total)
    return errors


def _masks(wanted):
    """Up to 16 grids of hidden pixels, which together cover the frame."""
    phases = _evenly(_STRIDE**2, wanted) if wanted > 1 else [_STRIDE**2 // 2]
    return [
        (slice(phase // _STRIDE, None, _STRIDE), slice(phase % _STRIDE, None, _STRIDE))
        for phase in phases
    ]


def _apply(filter_frame, parameter, frame):
    return filter_frame(frame, parameter)


def _temporal_errors(noisy, truth, sigma, windows):
    """Squared error of the temporal mean, known from the truth or estimated, one per window."""
    errors = []
    for k in windows:
        means = np.stack([temporal_mean(movie, k) for movie in noisy])
        if truth is not None:
            errors.append(np.mean((means - truth) ** 2, dtype=float))
            continue
        first, last = temporal_window(noisy.shape[1], k)
        n = last - first
        # mean - frame = (n - 1) / n * (mean of the others - frame): the module's formula, with
        # its sigma^2 collected
        against = np.mean((means - noisy) ** 2, axis=(-2, -1), dtype=float)
        errors.append(np.mean(against + (2 / n - 1) * np.asarray(sigma) ** 2))
    return errors


def _evenly(n, most):
    """At most `most` of the indices 0 to n - 1, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
