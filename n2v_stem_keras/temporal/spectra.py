"""Fourier transforms of noisy frames: how well two of them fit where, and whether they share noise.

Correlating spectra of known noise is the maximum-likelihood form of phase correlation (Kuglin and
Hines 1975); places below a pixel come from the Fourier series on a finer grid (Guizar-Sicairos et
al., Opt. Lett. 33, 156 (2008)).
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from scipy.ndimage import maximum_filter

FASTEST = 3.0  # how far a specimen moves from frame to frame, at most [px]
LONGEST_PERIOD = 64  # what varies over more than this is no mark [px]
N_PEAKS = 8  # that are looked at more closely
N_PLACES, UNLIKELY = 4, 15.0  # places returned at most, whose likelihoods (log) differ by no more
REPEATED = 0.5  # of the best fit is had a lattice vector away, too
SPOT = 12.0  # times what surrounds it: a coefficient that is a spot of a lattice
LOST, ENOUGH = 0.3, 200.0  # a frame that bears out less of what is expected shows something else
WINDOW = 0.5  # share of each side that the window tapers
SHARED = 0.5  # the window lets neighbouring coefficients share noise: so much counts of each
HIGH_FREQUENCY = 0.35  # along y, from which on there is noise, and little else [cycles/px]
CHANCE = 4.0  # times 1 / sqrt(n): less is none, of n coefficients that the window correlates
DARK = 0.4  # share of the pixels of the rows beside, that have their value, of a background
MOST_FLAT = 0.5  # share of the rows of a detector, beyond which it was off
SMALLEST = 8  # side of a frame that tells where it is [px]
LIMIT = 3.0  # amplitudes above this, of noise of 1, are detail


class Spectra:
    """Fourier transforms of frames of one shape, and how well two of them fit.

    Parameters
    ----------
    shape : (int, int, int)
        (Y, X, C).
    """

    def __init__(self, shape):
        from scipy.signal.windows import tukey

        height, width, _ = shape
        window = tukey(height, WINDOW)[:, None] * tukey(width, WINDOW)
        # of frames of a few pixels it is 0 throughout
        self._window = (window / (np.sqrt(np.mean(window**2)) or 1)).astype(np.float32)
        self.ky = scipy.fft.fftfreq(height)[:, None].astype(np.float32)
        self.kx = scipy.fft.rfftfreq(width).astype(np.float32)
        k = np.hypot(self.ky, self.kx)
        self._marks = (k * LONGEST_PERIOD >= 1) & (k <= 0.5)
        self._high = np.abs(self.ky[:, 0]) >= HIGH_FREQUENCY
        # the other half of the spectrum mirrors this one
        twice = np.where((self.kx == 0) | (self.kx == 0.5), 1.0, 2.0)
        self._twice = (twice * SHARED).astype(np.float32)
        n_rings = max(4, min(height, width) // 8)
        self._ring = np.minimum((k * 2 * n_rings).astype(int), n_rings)
        self._ring_size = np.bincount(self._ring.ravel(), minlength=n_rings + 1)

    def of(self, frame):
        """Return the spectra of a frame, (C, Y, X/2 + 1), in units of its noise.

        Two: what may mark a place, and what is noise at high frequencies along y, both 0 elsewhere;
        None and None of a blank frame, or of one too small to mark a place. A detector that was off
        in most rows is 0.
        """
        if min(frame.shape[:2]) < SMALLEST:
            return None, None
        planes = np.moveaxis(frame, -1, 0).astype(np.float32, order="C")
        _fill_flat_rows(planes)
        planes -= planes.mean((1, 2), keepdims=True)
        size = np.abs(planes).max((1, 2), keepdims=True)
        if not size.any():
            return None, None
        planes *= self._window / np.where(size > 0, size, 1)
        spectrum = scipy.fft.rfft2(planes)
        high = spectrum[:, self._high]
        power = np.square(high.real) + np.square(high.imag)
        # noise is white along y, and at high frequencies along y there is little else; the mean of
        # the logarithm passes over spots
        level = np.exp(np.log(power + 1e-30).mean(1, keepdims=True) + np.euler_gamma)
        level = np.maximum(level, 1e-4 * level.mean((1, 2), keepdims=True))
        scale = np.where(size > 0, 1 / np.sqrt(np.maximum(level, 1e-30)), 0).astype(np.float32)
        noise = np.where(power * scale**2 < LIMIT**2, high * scale, 0)
        return spectrum * scale * self._marks, noise

    def ramp(self, position):
        """Return what moves a spectrum back by a drift (y, x) [px]."""
        y, x = 2j * np.pi * np.asarray(position)
        return (np.exp(y * self.ky) * np.exp(x * self.kx)).astype(np.complex64)

    def find(self, spectrum, reference, noise: float, expected, spread: float):
        """Find where a frame lies against a reference.

        Parameters
        ----------
        spectrum, reference : (C, Y, X/2 + 1) arrays
            From `of`; the reference is a mean of such, moved back by their drift.
        noise : float
            Noise variance of the reference, over that of a frame.
        expected : (y, x)
            Where it is expected to be beforehand [px].
        spread : float
            Standard deviation of that [px].

        Returns
        -------
        list of ((2,) array, float)
            Likely places [px] and the logarithms of their likelihoods, the likeliest first. Empty
            if the frame does not show what the reference does.
        """
        power = np.square(reference.real) + np.square(reference.imag)
        # a detector that was off in this frame says nothing of where it lies
        shown = spectrum.any(axis=(1, 2), keepdims=True)
        signal = self._signal(power, noise) * shown
        weight = signal / (signal + noise)
        energy = 0.5 * float((power * weight**2 * self._twice).sum())
        product = (spectrum * reference.conj() * weight).sum(0) * self._twice
        expected = np.asarray(expected, float)

        def likelihood(centre, half, step):
            offsets = np.arange(-half, half + step / 2, step)
            y, x = centre[0] + offsets, centre[1] + offsets
            before = ((y - expected[0]) ** 2)[:, None] + (x - expected[1]) ** 2
            return y, x, self._fit(product, y, x) - before / (2 * spread**2)

        y, x, coarse = likelihood(expected, FASTEST + 1, 0.5)
        # the peaks of a lattice are so sharp that between two points of this grid the likeliest may
        # look unlikely
        peaks = np.argwhere(coarse == maximum_filter(coarse, 3))
        highest = np.argsort(-coarse[tuple(peaks.T)])[:N_PEAKS]
        found = []
        for i, j in peaks[highest]:
            place = y[i], x[j]
            for half, step in ((0.5, 0.1), (0.1, 0.02)):
                fine_y, fine_x, fit = likelihood(place, half, step)
                k, m = np.unravel_index(np.argmax(fit), fit.shape)
                place = fine_y[k], fine_x[m]
            found.append((np.array(place), float(fit[k, m]) - energy))
        found.sort(key=lambda one: -one[1])
        # a lattice vector farther off may look likelier by chance; nothing goes so fast, if it need
        # not: where nothing repeats, little of the best fit is left anywhere else
        enough = REPEATED * (found[0][1] + energy)
        near = [
            one
            for one in found
            if np.linalg.norm(one[0] - expected) <= FASTEST + 1 and one[1] + energy > enough
        ]
        found = near or found
        found = [one for one in found if one[1] > found[0][1] - UNLIKELY]
        # what a frame that shows the same fits on average; of one frame that is not known well
        full = float((signal * weight * self._twice).sum())
        lost = noise < 0.4 and full > ENOUGH and found[0][1] + energy < LOST * full
        return [] if lost else found[:N_PLACES]

    def _signal(self, power, noise):
        """Power of what a reference shows: on rings, and at each spot of a lattice."""
        signal = np.empty_like(power)
        for plane, out in zip(power, signal):
            for _ in range(2):  # once more without the spots
                rings = np.bincount(self._ring.ravel(), plane.ravel(), len(self._ring_size))
                level = (rings / np.maximum(self._ring_size, 1))[self._ring]
                plane = np.where(plane > SPOT * np.maximum(level, noise), level, plane)
            out[:] = np.maximum(level - noise, 0)
        return np.where(power > SPOT * (signal + noise), power - noise, signal) * self._marks

    def _fit(self, product, y, x):
        """Logarithm of the likelihood of places (y, x), but for a constant, (nY, nX)."""
        along_y = np.exp(2j * np.pi * y[:, None] * self.ky[:, 0]).astype(np.complex64)
        along_x = np.exp(2j * np.pi * self.kx[:, None] * x).astype(np.complex64)
        return (along_y @ product @ along_x).real.astype(float)


def correlation(a, b) -> float:
    """Correlation of the noise of two frames, all detectors together; 0 if it may be chance."""
    if a is None or b is None:
        return 0.0
    both = (a != 0) & (b != 0)
    a, b = a[both], b[both]
    scale = np.sqrt(np.vdot(a, a).real * np.vdot(b, b).real)
    found = float(np.vdot(a, b).real / scale) if scale > 0 else 0.0
    return found if abs(found) > CHANCE / np.sqrt(max(1, len(a))) else 0.0


def _fill_flat_rows(planes) -> None:
    """Give rows of one value the mean of the others, in place, (C, Y, X).

    Where a scan stopped, or a detector was off, an edge would mark a place better than all else.
    What is left of a frame after few rows may look like another area: it is taken to be blank. A
    dark background that was cut off, or of few counts, stays: rows beside it show it, too.
    """
    alike = planes[..., 0] == planes[..., -1]  # nearly all others are out at once
    for plane, rows in zip(planes, alike):
        rows = np.flatnonzero(rows)
        rows = rows[np.ptp(plane[rows], axis=1) == 0]
        if not 0 < len(rows) < len(plane):
            continue
        beside = np.setdiff1d(np.concatenate([rows - 1, rows + 1]), [-1, *rows, len(plane)])
        if (plane[beside] == plane[rows[0], 0]).mean() > DARK:
            continue
        if len(rows) > MOST_FLAT * len(plane):
            plane[:] = 0
        else:
            plane[rows] = np.delete(plane, rows, axis=0).mean()
