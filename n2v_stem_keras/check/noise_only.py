"""What does a model make of noise alone? (Figs S7 and S8)

Nothing that comes out is real. Peaks as high as the model's threshold would be taken for atoms, and
spots in the Fourier spectrum for a lattice. The paper looks at one such frame and its FFT; here
both are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..atoms import poisson_interval
from ..atoms.find import peak_heights

SIDE = 256  # of a test frame [px]
SURROUNDING = 15  # side of the square that a spectrum's bin is compared with [bins]
LOWEST = 4  # bins nearer to the origin are not looked at: there the spectrum is steep
CHANCE = 0.01  # of a spot where the spectrum is smooth


@dataclass(frozen=True)
class NoiseOnly:
    """What a model makes of noise in one detector.

    Attributes
    ----------
    detector : str
    height_sigma : float
        Threshold on peaks [noise sigma].
    n_atoms : int
        Peaks at least as high.
    per_Mpx : float
        The same per 10^6 px.
    interval_95 : (float, float)
        95 % interval of that rate.
    noise_left : float
        Standard deviation of the output over that of the noise.
    wave_sigma : float
        Amplitude of the strongest wave that stands out of the spectrum [noise sigma], 0 if none
        does: its power, averaged over the frames, is higher than a smooth spectrum would have
        anywhere in all but one of a hundred tests.
    wave_period_px : float
        Its period [px]; nan if there is none.
    frame, spectrum : numpy.ndarray
        (Y, X) one output [noise sigma], and the averaged power, zero frequency in the middle.
    """

    detector: str
    height_sigma: float
    n_atoms: int
    per_Mpx: float
    interval_95: tuple[float, float]
    noise_left: float
    wave_sigma: float
    wave_period_px: float
    frame: np.ndarray
    spectrum: np.ndarray


def noise_only(predict, criteria, n_frames=24, seed=0, pixel_size_nm=0.046):
    """Denoise frames of white noise and look for atoms and for a lattice in them.

    Parameters
    ----------
    predict : callable
        (T, Y, X, C) noisy movie -> denoised movie of the same shape.
    criteria : dict
        Detector -> `atoms.Criterion`, in the order of C; None where no atoms are looked for.
    n_frames : int
        Frames of 256x256 px.
    seed : int
    pixel_size_nm : float
        [nm/px].

    Returns
    -------
    list of NoiseOnly
        One for each detector.
    """
    shape = (n_frames, SIDE, SIDE, len(criteria))
    noise = np.random.default_rng([seed, 7]).standard_normal(shape).astype(np.float32)
    denoised = np.asarray(predict(noise), float)
    area = n_frames * SIDE**2 / 1e6
    found = []
    for c, (detector, criterion) in enumerate(criteria.items()):
        frames = denoised[..., c]
        height, n_atoms = float("nan"), 0
        if criterion is not None:
            height = criterion.height_sigma
            n_atoms = sum(
                len(
                    peak_heights(
                        criterion.sign * frame, pixel_size_nm, criterion.min_distance_nm, height
                    )[0]
                )
                for frame in frames
            )
        low, high = poisson_interval(n_atoms)
        power, wave, period = strongest_wave(frames)
        found.append(
            NoiseOnly(
                detector,
                height,
                n_atoms,
                n_atoms / area,
                (low / area, high / area),
                float(frames.std()),
                wave,
                period,
                frames[0],
                power,
            )
        )
    return found


def strongest_wave(frames):
    """Find the strongest wave that stands out of the averaged power spectrum of frames.

    Parameters
    ----------
    frames : array_like
        (T, Y, X).

    Returns
    -------
    power : numpy.ndarray
        (Y, X), zero frequency in the middle.
    amplitude : float
        Root mean square over the frames of its amplitude; 0 without one.
    period_px : float
        [px]; nan without one.
    """
    from scipy.ndimage import median_filter
    from scipy.signal.windows import hann

    frames = np.asarray(frames, float)
    taper = np.outer(*(hann(n, sym=False) for n in frames.shape[1:]))
    tapered = (frames - frames.mean(axis=(1, 2), keepdims=True)) * taper
    power = np.fft.fftshift((np.abs(np.fft.fft2(tapered)) ** 2).mean(axis=0))
    around = median_filter(power, SURROUNDING, mode="wrap")
    bins = np.meshgrid(*(np.arange(n) - n // 2 for n in power.shape), indexing="ij")
    away = np.hypot(*bins) >= LOWEST
    stands_out = away & (power > spot_limit(len(frames)) * around)
    if not stands_out.any():
        return power, 0.0, float("nan")
    y, x = np.unravel_index(np.argmax(np.where(stands_out, power, 0)), power.shape)
    frequency = np.hypot(*((axis[y, x] / n) for axis, n in zip(bins, power.shape)))
    return power, float(2 * np.sqrt(power[y, x]) / taper.sum()), float(1 / frequency)


def spot_limit(n_frames):
    """Ratio that the highest of all coefficients exceeds by chance in 1 % of the tests.

    The mean power of n frames of noise is gamma distributed; a quarter is allowed for a spectrum
    that is smooth but not flat.
    """
    from scipy.stats import gamma

    n_bins = SIDE**2 / 2  # the other half is the same
    highest = gamma.isf(CHANCE / n_bins, n_frames) / gamma.median(n_frames)
    return float(1.25 * highest)
