"""What frames show beside noise: how much of it is lattice, how much slow, and which sign it has.

Figures that do not depend on gain or offset, so that a movie can be told from those a model was
trained on, and a detector from another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter, uniform_filter

SLOW_PX = 16  # sigma of the blur that is called slow [px], as of backgrounds that are taken off
SIDE, N_FRAMES = 512, 4  # looked at: the middle of so many frames
BLOCK = 8  # bins of a spectrum among which a spot of the lattice stands out
SPOT = 8.0  # from so many times the power around it on
SPOT_BINS = 24  # of all spots of a lattice together: a dozen, of two bins each
SHORTEST_PX, LONGEST_PX = 3, 48  # period of a lattice; what is shorter may be hum of the scan
N_DIRECTIONS, APART = 8, (3, 8)  # in which, and how far from a spot, others are looked at [bins]
NARROW_PX, WIDE_PX = 1.5, 8.0  # blurs between which features are as large as columns
SEEN = 0.03  # least share of the variance that must be more than noise


@dataclass(frozen=True)
class Content:
    """What frames of one detector show.

    Attributes
    ----------
    signal_share : float
        Share of the variance that is not noise.
    slow_share, lattice_share : float
        Shares of that which are slower than `SLOW_PX`, and in spots of a lattice.
    least_lattice : float
        Share of a lattice whose spots would just stand out of the noise.
    period_px : float
        Period of the spot that stands out most [px].
    contrast : float
        Its power over that around it, in the direction in which it stands out least.
    skewness, skewness_se : float
        Of features as large as columns: above 0 bright ones on dark ground; its standard error.
    rest_skewness, rest_skewness_se : float
        The same without the lattice: of adatoms, defects and the like.
    """

    signal_share: float
    slow_share: float
    lattice_share: float
    least_lattice: float
    period_px: float
    contrast: float
    skewness: float
    skewness_se: float
    rest_skewness: float
    rest_skewness_se: float

    @property
    def is_seen(self) -> bool:
        """Whether there is enough beside noise to tell what it is."""
        return self.signal_share > SEEN


def content_of(frames, noise_sigma: float) -> Content | None:
    """Measure what frames show.

    Parameters
    ----------
    frames : (T, Y, X) array
        Of one detector.
    noise_sigma : float
        In their units.

    Returns
    -------
    Content or None
        None of frames that are smaller than 4 `BLOCK`, or blank.
    """
    frames = np.asarray(_middle(np.asarray(frames)), np.float64)
    if min(frames.shape[1:]) < 4 * BLOCK or not frames.var() > 0:
        return None
    frames = frames - frames.mean(axis=(1, 2), keepdims=True)
    slow = gaussian_filter(frames, (0, SLOW_PX, SLOW_PX))
    variance = frames.var(axis=(1, 2)).mean()
    signal = max(variance - noise_sigma**2, 1e-6 * variance)
    power = _power(frames - slow)
    around = np.kron(_block_medians(power), np.ones((BLOCK, BLOCK)))
    power = power[: around.shape[0], : around.shape[1]]
    k = _frequencies(frames.shape[1:])[: around.shape[0], : around.shape[1]]
    columns = (k > 1 / LONGEST_PX) & (k < 0.5)
    spots = columns & (power > SPOT * around)
    ground = _ground(uniform_filter(power, 3), around) + 0.1 * noise_sigma**2 + 1e-12 * variance
    ratio = uniform_filter(power, 3) / ground
    highest = np.argmax(np.where(columns & (k < 1 / SHORTEST_PX), ratio, 0))
    whole = _skewness(frames)
    rest = _skewness(_without(frames - slow, spots))
    return Content(
        signal_share=float(signal / variance),
        slow_share=float(min(slow.var(axis=(1, 2)).mean() / signal, 1.0)),
        lattice_share=float(min((power - around)[spots].sum() / power.size / signal, 1.0)),
        least_lattice=float(SPOT * SPOT_BINS * noise_sigma**2 / (power.size * signal)),
        period_px=float(1 / k.flat[highest]),
        contrast=float(ratio.flat[highest]),
        skewness=whole[0],
        skewness_se=whole[1],
        rest_skewness=rest[0],
        rest_skewness_se=rest[1],
    )


def _middle(frames):
    """Return the middle of some frames."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(N_FRAMES, len(frames))).round())
    y, x = (max(0, (n - SIDE) // 2) for n in frames.shape[1:])
    return frames[places.astype(int), y : y + SIDE, x : x + SIDE]


def _power(frames):
    """Mean power spectrum with frequency 0 in the middle; 1 a bin of white noise of variance 1."""
    window = np.hanning(frames.shape[1])[:, None] * np.hanning(frames.shape[2])
    spectra = np.fft.fftshift(np.fft.fft2(frames * window), axes=(1, 2))
    return (np.abs(spectra) ** 2).mean(axis=0) / (window**2).sum()


def _skewness(frames):
    """Return the skewness of features as large as columns, and its standard error.

    The outer eighth of a frame does not count: what was taken out of its spectrum shows there.
    """
    fine = gaussian_filter(frames, (0, NARROW_PX, NARROW_PX))
    fine -= gaussian_filter(frames, (0, WIDE_PX, WIDE_PX))
    fine = fine[:, *(slice(n // 8, n - n // 8) for n in fine.shape[1:])]
    n_independent = fine.size / (4 * np.pi * NARROW_PX**2)
    spread = np.mean(fine**2)
    found = np.mean(fine**3) / spread**1.5 if spread > 0 else 0.0
    return float(found), float(np.sqrt(6 / n_independent))


def _without(frames, spots):
    """Take the spots of a lattice out of frames; near their borders some of it stays.

    A lattice alone may be skew either way, as columns or the gaps between them stand out.
    """
    near = np.zeros(frames.shape[1:], bool)
    near[: spots.shape[0], : spots.shape[1]] = binary_dilation(spots, iterations=3)
    # both of each pair of spots
    near |= np.roll(near[::-1, ::-1], [1 - n % 2 for n in near.shape], (0, 1))
    spectra = np.fft.fft2(frames) * ~np.fft.ifftshift(near)
    return np.fft.ifft2(spectra).real


def _ground(power, around):
    """Return what a spot must stand out of: in every direction, so that no slope or streak does.

    The spectrum of a smooth specimen is steep, that of an edge or a terrace a streak: there some
    line through a bin is as high as the bin.
    """
    found = around.copy()
    for direction in range(N_DIRECTIONS):
        angle = np.pi * direction / N_DIRECTIONS
        steps = [s * d for d in range(*APART) for s in (-1, 1)]
        beside = [np.rint([d * np.sin(angle), d * np.cos(angle)]).astype(int) for d in steps]
        line = np.median([np.roll(power, step, (0, 1)) for step in beside], axis=0)
        np.maximum(found, line, out=found)
    return found


def _frequencies(shape):
    ky, kx = (np.fft.fftshift(np.fft.fftfreq(n)) for n in shape)
    return np.maximum(np.hypot(ky[:, None], kx), 1e-9)


def _block_medians(power):
    n_y, n_x = (n // BLOCK for n in power.shape)
    blocks = power[: n_y * BLOCK, : n_x * BLOCK].reshape(n_y, BLOCK, n_x, BLOCK)
    return np.median(blocks, axis=(1, 3))
