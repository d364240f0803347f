"""Is the residual noise at all scales? Raw minus denoised, period by period.

`residual` looks at neighbouring pixels. Here the power of the residual is divided by that of the
noise at each spatial frequency, and averaged over bands of periods. 1 is noise, all of it. Above 1
something of the image was taken away, below 1 noise was left in. Slow variations stay in any
result, noise and image alike, so that only short periods are asked for noise that is left. What
repeats, a lattice, shows as spots: how much of its amplitude is in the residual.

The noise's spectrum is what the raw frames show at high frequencies across each axis
(`noise.noise_spectrum`), so that after-glow and row offsets count as noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LIMITS_PX = (2, 3, 4, 6, 9, 14, 20, 30)  # of the bands: periods [px]
MIN_SIDE = 32  # smaller frames have no spectrum [px]
LONGEST_KEPT_PX = 6  # bands of longer periods are not asked for noise that is left
MOST, LEAST = 1.1, 0.7  # shares beyond which signal is lost, or noise left
SURE = 4.0  # standard errors beside that
UNSURE = 0.01  # relative error of the noise's level
SPOT = 0.1  # of the amplitude of what repeats
FALSE_SPOTS = 1e-3  # per movie


@dataclass(frozen=True)
class Scales:
    """The residual of one detector, by periods.

    Attributes
    ----------
    periods_px : numpy.ndarray
        (K, 2) limits of each band [px].
    share, share_se : numpy.ndarray
        (K,) power of the residual over that of the noise, and its standard error.
    spots : list of (float, float)
        Period [px], and share of the amplitude that is in the residual, of what repeats in the raw
        frames and is missing from the result by a tenth or more, and by a tenth of the strongest;
        the strongest first.
    """

    periods_px: np.ndarray
    share: np.ndarray
    share_se: np.ndarray
    spots: list

    @property
    def short(self) -> np.ndarray:
        """Bands (K,) bool of so short periods that noise should be gone there."""
        return self.periods_px[:, 1] <= LONGEST_KEPT_PX

    def lost(self, most: float = MOST) -> np.ndarray:
        """Bands (K,) bool in which signal was taken away."""
        return self.share > most + SURE * self.share_se

    def left(self, least: float = LEAST) -> np.ndarray:
        """Bands (K,) bool in which noise was left."""
        return self.short & (self.share < least - SURE * self.share_se)

    def complaints(self, pixel_size_nm=None, most=MOST, least=LEAST, spot=SPOT) -> list[str]:
        """Say what is wrong, one sentence each.

        Parameters
        ----------
        pixel_size_nm : float, optional
        most, least : float
            Shares of the noise that a residual may hold.
        spot : float
            Share of the amplitude of what repeats that may be in it.
        """
        found, lost, left = [], self.lost(most), self.left(least)
        if lost.any():
            where, share = self._where(lost, pixel_size_nm), self.share[lost].max()
            found.append(
                f"at periods of {where} the residual holds {share:.2g} times the noise: part of "
                "the image was taken away. Train longer, or on this movie"
            )
        if left.any():
            where, share = self._where(left, pixel_size_nm), self.share[left].min()
            found.append(
                f"at periods of {where} the residual holds only {share:.2g} of the noise: the "
                "rest of it is in the result"
            )
        missing = [(period, share) for period, share in self.spots if share >= spot]
        if missing:
            period, share = missing[0]
            found.append(
                f"{100 * share:.0f} % of the amplitude of what repeats every "
                f"{_length(period, period, pixel_size_nm)} is in the residual, not in the result"
            )
        return found

    def _where(self, bands, pixel_size_nm):
        low, high = self.periods_px[bands].min(), self.periods_px[bands].max()
        return _length(low, high, pixel_size_nm)

    def verdict(self, pixel_size_nm=None) -> str:
        """Say in a sentence whether the residual is noise."""
        wrong = self.complaints(pixel_size_nm)
        if wrong:
            return "residual: " + "; ".join(wrong)
        known = self.share[self.short]
        if not len(known):
            return "residual: the frames are too small to tell"
        return (
            f"residual: noise at all periods; {min(1.0, known.min()):.2f} of it taken away below "
            f"{_length(LONGEST_KEPT_PX, LONGEST_KEPT_PX, pixel_size_nm)}"
        )

    def to_dict(self) -> dict:
        """Return it as JSON."""
        return {
            "periods_px": [[float(a), float(b)] for a, b in self.periods_px],
            "residual_over_noise": [round(float(v), 4) for v in self.share],
            "standard_error": [round(float(v), 4) for v in self.share_se],
            "spots": [[round(float(v), 3) for v in spot] for spot in self.spots],
        }


def scales(raw, denoised) -> Scales:
    """Compare the residual of one detector with its noise, period by period.

    Parameters
    ----------
    raw, denoised : array_like
        (T, Y, X) or (Y, X), in one unit; a few frames are enough.

    Returns
    -------
    Scales
        Without bands for frames under 32 px a side, or without noise.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    from scipy.ndimage import maximum_filter1d

    from ..noise import noise_spectrum

    raw, denoised = (np.asarray(v, float) for v in (raw, denoised))
    if raw.shape != denoised.shape or raw.ndim not in (2, 3):
        raise ValueError(
            f"raw has shape {raw.shape}, denoised {denoised.shape}; expected twice the same, "
            "(T, Y, X) or (Y, X)"
        )
    raw, denoised = (v.reshape(-1, *v.shape[-2:]) for v in (raw, denoised))
    nothing = Scales(np.zeros((0, 2)), np.zeros(0), np.zeros(0), [])
    if min(raw.shape[1:]) < MIN_SIDE:
        return nothing
    along_x, along_y = (noise_spectrum(raw, axis) for axis in "xy")
    if not (along_x.mean() > 0 and along_y.mean() > 0):
        return nothing
    half = raw.shape[2] // 2 + 1
    noise = along_y[:, None] / along_y.mean() * along_x[:half]
    noise = np.maximum(noise, 1e-6 * noise.mean())
    window = _window(raw.shape[1:])
    residual = _power(raw - denoised, window) / noise
    period = 1 / np.maximum(
        np.hypot(np.fft.fftfreq(raw.shape[1])[:, None], np.fft.rfftfreq(raw.shape[2])), 1e-9
    )
    # one by one coefficients would be as sure as many pixels; the window makes neighbours alike
    alike = window.size * np.sum(window**4) / np.sum(window**2) ** 2
    bands, share, error = [], [], []
    for low, high in pairwise(LIMITS_PX):
        inside = (period >= low) & (period < high)
        # of the two halves of a real frame's spectrum the other says the same
        n = np.count_nonzero(inside) * len(raw) / alike
        if n < 20:
            continue
        # the noise's spectrum is a mean over half of the other axis
        columns, rows = inside.any(axis=0).sum(), inside.any(axis=1).sum()
        own = alike / len(raw) * (2 / (raw.shape[1] * columns) + 2 / (raw.shape[2] * rows))
        value = residual[inside].mean()
        bands.append((low, high))
        share.append(value)
        error.append(value * np.sqrt(1 / n + own + UNSURE**2))
    # what rows share, on the axis, spreads to its neighbours through the window
    spread = maximum_filter1d(along_x, 5, mode="wrap")[:half] / along_x[:half].clip(1e-9)
    spots = _spots(raw, residual / spread, noise * spread, period, window)
    return Scales(np.array(bands).reshape(-1, 2), np.array(share), np.array(error), spots)


def _spots(raw, residual, noise, period, window):
    """Periods that stand out of the residual, and how much of their amplitude is there."""
    from scipy.ndimage import maximum_filter
    from scipy.stats import gamma

    short = period < LIMITS_PX[-1]
    beyond = gamma.isf(FALSE_SPOTS / np.count_nonzero(short), len(raw)) / len(raw)
    # near spots of a window's width count as one
    peaks = maximum_filter(residual, 7, mode=("wrap", "nearest")) == residual
    places = np.argwhere(peaks & short & (residual > beyond * MOST))
    whole = _power(raw, window) / noise
    most = SPOT**2 * max(whole[short].max() - 1, 0)
    found = []
    for y, x in places:
        lost = residual[y, x] - 1
        missing = np.sqrt(lost / max(whole[y, x] - 1, lost))
        if missing >= SPOT and lost >= most:
            found.append((residual[y, x], float(period[y, x]), float(missing)))
    return [(p, share) for _, p, share in sorted(found, reverse=True)]


def _power(frames, window):
    """Mean periodogram (Y, X/2 + 1) of frames; white noise has its variance everywhere."""
    total = 0.0
    for frame in frames:
        total = total + np.abs(np.fft.rfft2((frame - frame.mean()) * window)) ** 2
    return total / len(frames)


def _window(shape):
    """Hann window with a sum of squares of 1."""
    along = [np.hanning(n + 2)[1:-1] for n in shape]
    window = along[0][:, None] * along[1]
    return window / np.sqrt(np.sum(window**2))


def _length(low, high, pixel_size_nm):
    """Write a range of periods."""
    px = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    if not pixel_size_nm:
        return f"{px} px"
    ends = [f"{v * pixel_size_nm:.2g}" for v in dict.fromkeys((low, high))]
    return f"{px} px ({' to '.join(ends)} nm)"
