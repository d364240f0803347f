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
    n_blots : int
        Peaks of the other sign, as high: dark blots where atoms are bright.
    per_Mpx : float
        Atoms per 10^6 px.
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
    n_blots: int
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
        height, n_atoms, n_blots = float("nan"), 0, 0
        if criterion is not None:
            height = criterion.height_sigma
            n_atoms, n_blots = (
                sum(len(atoms_of(sign * frame, criterion, pixel_size_nm)) for frame in frames)
                for sign in (1, -1)
            )
        low, high = poisson_interval(n_atoms)
        power, wave, period = strongest_wave(frames)
        found.append(
            NoiseOnly(
                detector,
                height,
                n_atoms,
                n_blots,
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


def atoms_of(frame, criterion, pixel_size_nm):
    """Return the pixels (n, 2) of peaks that a criterion takes for atoms; of -frame, blots."""
    if np.ptp(frame) < criterion.height_sigma:  # plateaus would take long
        return np.zeros((0, 2), int)
    known = (pixel_size_nm, criterion.min_distance_nm, criterion.height_sigma)
    return peak_heights(criterion.sign * frame, *known)[0]


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
    frames = np.asarray(frames, float)
    power = np.mean([_power(frame) for frame in frames], axis=0)
    return power, *_highest_spot(power, spot_limit(len(frames)))


def single_wave(frames):
    """Find the strongest wave that stands out of the spectrum of any frame by itself.

    Parameters
    ----------
    frames : array_like
        (T, Y, X).

    Returns
    -------
    which : int
        Number of the frame; 0 without a wave.
    power : numpy.ndarray
        (Y, X) of that frame, zero frequency in the middle.
    amplitude, period_px : float
        As of `strongest_wave`.
    """
    frames = np.asarray(frames, float)
    limit = spot_limit(1, CHANCE / len(frames), frames.shape[1])
    powers = [_power(frame) for frame in frames]
    spots = [_highest_spot(power, limit) for power in powers]
    which = int(np.argmax([amplitude for amplitude, _ in spots]))
    return which, powers[which], *spots[which]


def _taper(shape):
    from scipy.signal.windows import hann

    return np.outer(*(hann(n, sym=False) for n in shape))


def _power(frame):
    """Power spectrum of a frame under a Hann window, zero frequency in the middle."""
    tapered = (frame - frame.mean()) * _taper(frame.shape)
    return np.fft.fftshift(np.abs(np.fft.fft2(tapered)) ** 2)


def _highest_spot(power, limit):
    """Amplitude and period of the highest spot that exceeds what is around it, or 0 and nan."""
    from scipy.ndimage import median_filter

    around = median_filter(power, SURROUNDING, mode="wrap")
    bins = np.meshgrid(*(np.arange(n) - n // 2 for n in power.shape), indexing="ij")
    away = np.hypot(*bins) >= LOWEST
    stands_out = away & (power > limit * around)
    if not stands_out.any():
        return 0.0, float("nan")
    y, x = np.unravel_index(np.argmax(np.where(stands_out, power, 0)), power.shape)
    frequency = np.hypot(*((axis[y, x] / n) for axis, n in zip(bins, power.shape)))
    return float(2 * np.sqrt(power[y, x]) / _taper(power.shape).sum()), float(1 / frequency)


def spot_limit(n_frames, chance=CHANCE, side=SIDE):
    """Ratio that the highest of all coefficients exceeds by chance in 1 % of the tests.

    The mean power of n frames of noise is gamma distributed; a quarter is allowed for a spectrum
    that is smooth but not flat.
    """
    from scipy.stats import gamma

    n_bins = side**2 / 2  # the other half is the same
    highest = gamma.isf(chance / n_bins, n_frames) / gamma.median(n_frames)
    return float(1.25 * highest)
