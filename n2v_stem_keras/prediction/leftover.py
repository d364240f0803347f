"""What a residual still holds of the image, put back by a Wiener filter.

A network of blind spots is not told what a pixel itself shows, nor, where noise is correlated, its
neighbours along x; and it learns from one movie for minutes. So its error e is not noise: it is
smooth, and the residual r = n - e shows it. The best linear estimate of it from the residual within
a few pixels is a Wiener filter w,

    sum_k w(k) C_r(k - j) = C_r(j) - C_n(j) + C_ne(j),

where C_r is the correlation of the residual, C_n that of the noise (`noise.estimate`), and C_ne
that of noise and error. The last one is found by putting a little noise on frames and denoising
them again, as in Monte-Carlo SURE (Ramani et al., IEEE Trans. Image Process. 17, 1540, 2008).

Where a network leaves nothing, as in movies whose frames tell of each other, the filter is zero.
It is one for all places of a movie, and one for each detector.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from ..deviations.columns import bands
from ..noise import estimate_noise
from ..noise.alike import noise_like
from ..noise.estimate import evenly

REACH = 4  # of the filter [px]
N_FRAMES, N_PX = 3, 3 * 256**2  # of a movie that it is learnt from, at most: frames, and pixels
STEP = 0.2  # noise that is put on frames, over their own
SMALLEST_PX = 64  # side of frames that tell enough
LARGEST_PX = 640  # of larger ones the middle is looked at, which takes less memory
BORDER_PX = 8  # left out, where errors are others
SPIKE = 6.0  # larger residuals, in units of the noise, are no noise and no smooth error
# What of the noise is not known of it: its variance, and its correlations along x. Rows above and
# below have noise of their own, so what they say of the same row is believed where that matters.
SIGMA_DOUBT, LAG_DOUBT = 0.02, 0.005
DOUBT = 1.5  # times as much as chance alone finds does not count


class Leftover:
    """Wiener filters of residuals.

    Parameters
    ----------
    kernels : (C, 2 * REACH + 1, 2 * REACH + 1) array
    sigma : (C,) array
        Standard deviation of the noise, in the movie's units.
    """

    def __init__(self, kernels, sigma):
        self.kernels, self.sigma = kernels, sigma

    def added(self, raw, output) -> np.ndarray:
        """Return a denoised frame (Y, X, C) with what its residual still holds."""
        if not self.kernels.any():
            return output
        from scipy.signal import oaconvolve

        found = output.copy()
        for c, (kernel, sigma) in enumerate(zip(self.kernels, self.sigma)):
            if kernel.any():
                residual = _cut(raw[..., c] - output[..., c], sigma)
                padded = np.pad(residual, REACH, mode="reflect")
                flipped = kernel[::-1, ::-1].astype(np.float32)
                for first, last in bands(len(residual)):  # frames may be large
                    part = padded[first : last + 2 * REACH]
                    found[first:last, :, c] += oaconvolve(part, flipped, mode="valid")
        return found


def frames_to_learn_from(shape) -> list[int]:
    """Return the numbers of the frames of a movie (T, Y, X, C) that a filter is learnt from."""
    most = min(N_FRAMES, max(1, N_PX // (shape[1] * shape[2])))
    return [int(t) for t in evenly(shape[0], most)]


def find_leftover(series, denoise: Callable, quick: Callable | None = None) -> Leftover:
    """Learn the filters of a movie.

    Parameters
    ----------
    series : Series
    denoise : callable
        ``denoise(series, numbers)`` -> list of (Y, X, C) arrays, as the network gives them.
    quick : callable, optional
        A quicker one that may be less good.
    """
    n_detectors = series.frames.shape[-1]
    # what is drawn where nothing was recorded is no error of the network
    bad = set(series.statistics.incomplete)
    numbers = [t for t in frames_to_learn_from(series.frames.shape) if t not in bad]
    size = (n_detectors, 2 * REACH + 1, 2 * REACH + 1)
    kernels, sigma = np.zeros(size), np.zeros(n_detectors)
    if min(series.frames.shape[1:3]) < SMALLEST_PX or not numbers:
        return Leftover(kernels, sigma)
    series = _middle(series)
    outputs = denoise(series, numbers)
    raws = [series.recorded(t) for t in numbers]
    straight = [series.straightened(raw) for raw in raws]
    estimates = [estimate_noise([frame[..., c] for frame in straight]) for c in range(n_detectors)]
    rng = np.random.default_rng(0)
    noises = [
        np.stack(
            [
                STEP * noise_like(raw[..., c], output[..., c], estimate, rng)
                for c, estimate in enumerate(estimates)
            ],
            axis=-1,
        )
        for raw, output in zip(raws, outputs)
    ]
    noisier = copy.copy(series)
    noisier.raw = _Noisier(series.raw, dict(zip(numbers, noises)))
    plain = quick(series, numbers) if quick else outputs
    again = (quick or denoise)(noisier, numbers)
    moves = [b - a for a, b in zip(plain, again)]
    for c, estimate in enumerate(estimates):
        sigma[c] = estimate.sigma
        if estimate.sigma > 0 and np.isfinite(estimate.acf_x).all():
            parts = [[frame[..., c] for frame in many] for many in (raws, outputs, noises, moves)]
            kernels[c] = _kernel(*parts, estimate)
    return Leftover(kernels, sigma)


def _middle(series):
    """Return the middle of large frames as a series, another one as it is."""
    height, width = series.frames.shape[1:3]
    if max(height, width) <= LARGEST_PX:
        return series
    starts = [max(0, n - LARGEST_PX) // 2 for n in (height, width)]
    part = tuple(slice(start, start + LARGEST_PX) for start in starts)
    found = copy.copy(series)
    found.raw, found.frames = (_Part(frames, part) for frames in (series.raw, series.frames))
    if series.context is not None:
        found.context = _PartOfImages(series.context, part)
    return found


class _Part:
    """The same part of all frames."""

    def __init__(self, frames, part):
        self.frames, self.part = frames, part
        sides = [len(range(n)[s]) for n, s in zip(frames.shape[1:3], part)]
        self.shape = (len(frames), *sides, frames.shape[-1])

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, t):
        return np.asarray(self.frames[t])[self.part]


class _PartOfImages:
    """The same part of what other frames know of each."""

    def __init__(self, context, part):
        self.context, self.part = context, part

    def images(self, t):
        return self.context.images(t)[self.part]


class _Noisier:
    """Frames with noise put on some of them."""

    def __init__(self, frames, noises):
        self.frames, self.noises, self.shape = frames, noises, frames.shape

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, t):
        frame = np.asarray(self.frames[t])
        return frame.astype(np.float32, copy=False) + self.noises[t] if t in self.noises else frame


def _cut(residual, sigma):
    return np.where(np.abs(residual) < SPIKE * sigma, residual, 0).astype(np.float32)


def _kernel(raws, outputs, noises, moves, estimate):
    """Return the filter of one detector."""
    inner = (slice(BORDER_PX, -BORDER_PX),) * 2
    variance, reach = estimate.sigma**2, 2 * REACH
    of_residual, common, n_px = 0.0, 0.0, 0
    for raw, output, noise, move in zip(raws, outputs, noises, moves):
        residual = _cut(raw - output, estimate.sigma)[inner]
        residual = residual - residual.mean()
        of_residual = of_residual + _correlation(residual, residual, reach) / len(raws)
        common = common + _correlation(noise[inner], move[inner], REACH) / len(raws) / STEP**2
        n_px += residual.size
    middle = (slice(REACH, -REACH),) * 2
    wanted = of_residual[middle] + (common + common[::-1, ::-1]) / 2
    lags = variance * np.asarray(estimate.acf_x)[: REACH + 1]
    wanted[REACH] -= np.concatenate([lags[:0:-1], lags])
    wanted[REACH] = _believed(wanted, variance)
    places = np.indices(wanted.shape).reshape(2, -1).T
    apart = places[:, None] - places + reach
    matrix = of_residual[apart[..., 0], apart[..., 1]]
    kernel = np.linalg.solve(matrix, wanted.ravel())
    gain = kernel @ wanted.ravel()
    if not gain > 0:
        return np.zeros(wanted.shape)
    # what chance finds, of as many numbers as the filter has (James and Stein)
    share = 1 - DOUBT * wanted.size * variance / (n_px * gain)
    return max(0.0, share) * kernel.reshape(wanted.shape)


def _believed(wanted, variance):
    """Return the row of no displacement along y, as far as the noise is known."""
    above, beyond = wanted[REACH + 1], wanted[REACH + 2]
    told = above + (above - beyond) / 3  # a parabola through them
    doubt = np.full(told.shape, LAG_DOUBT * variance)
    doubt[REACH] = SIGMA_DOUBT * variance
    spread = np.maximum(np.abs(told), np.abs(told).max() / 2)
    weight = spread**2 / (spread**2 + doubt**2)
    return told + weight * (wanted[REACH] - told)


def _correlation(a, b, reach):
    """Return the mean of a(p) b(p + k) for all |k| up to `reach`, (2 reach + 1, 2 reach + 1)."""
    shape = [n + reach for n in a.shape]
    spectra = np.conj(np.fft.rfft2(a, shape)) * np.fft.rfft2(b, shape)
    sums = np.fft.irfft2(spectra, shape)
    lags = np.arange(-reach, reach + 1)
    n_pairs = np.multiply.outer(*(n - np.abs(lags) for n in a.shape))
    return sums[np.ix_(lags, lags)] / n_pairs
