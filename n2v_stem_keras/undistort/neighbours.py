"""By how much each row lies beside the rows around it.

What a crystal's waves say of its rows (`rows`) needs a lattice of two directions, much of it, and
rows that hardly leave it. Rows of any image show the same atoms as their neighbours do: each is
moved to where it fits best what a parabola through the three rows above and the three below says of
it (as Jones and Nellist, Microsc. Microanal. 19, 1050 (2013), compare rows with those before). What
rows have in common with so many neighbours, a walk or a slow drift, cannot be told so.

Frequencies along x count by their signal, which neighbouring rows share, and by their noise, which
they do not. The noise of a frame of displaced rows is not known before they are put back: what is
displaced differs from row to row and passes for noise. It is taken to be white at first, as strong
as at the highest frequencies, then measured in the rows that were put back, some times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.ndimage import correlate1d, median_filter, uniform_filter1d
from scipy.signal import savgol_coeffs
from scipy.signal.windows import tukey

from .moving import shifted

REACH, DEGREE = 3, 2  # rows on either side, and the degree of the polynomial through them
LEAST_SIDE = 64  # of a frame whose rows tell where they lie [px]
MARGIN = 8  # columns at either end that are left out: torn rows end there [px]
LARGEST_STEP = 0.7  # of a row in one round [px]
N_ROUNDS, ENOUGH = 12, 0.02  # of moving rows; rms step that is none [px]
N_PASSES = 4  # of measuring the noise
HIGH = 0.35  # frequency at which no image has content [cycles/px]
TAPER = 0.25  # share of each side that the window tapers
SPIKE = 7.0  # standard deviations of the noise, above the median of the pixels beside
LEAST_NOISE = 0.05  # of its mean power, at any frequency
UNKNOWN = 2.0  # standard error of a row that says nothing [px]
LEAST_KNOWN = 0.1  # share of the rows
SLOW = 0.3  # the share that neighbours have of a displacement, from which on it is slow
LEAST_SHARE = 0.2  # by which a step is divided
BY_CHANCE = 3.0  # standard errors, that noise alone does not reach
FARTHER = 1.5  # than is measured wrongly
DESCRIBED = 0.75  # share of the signal that a parabola through neighbours describes, at least


@dataclass(frozen=True)
class RowJitter:
    """By how much rows lie beside the rows around them, along x.

    Attributes
    ----------
    likely_px : (Y,) array
        Where rows were taken, less their places, of least expected error [px]; all 0 where nothing
        stands out of the noise.
    error_px : (Y,) array
        Standard errors of a row's displacement, from the noise and from what a parabola does not
        describe [px].
    rms_px : float
        Rms displacement beyond the noise of its measurement [px].
    """

    likely_px: np.ndarray
    error_px: np.ndarray
    rms_px: float

    @property
    def stands_out(self) -> bool:
        """Whether rows lie so much farther off than is measured wrongly that putting back helps."""
        return bool(self.rms_px > FARTHER * _mean_error(self.error_px))


def row_jitter(frame) -> RowJitter:
    """Measure by how much each row of a frame lies beside its neighbours.

    Parameters
    ----------
    frame : array_like
        (Y, X) or (Y, X, C), noisy; left as it is. Of detectors of one scan, as they tell together.

    Returns
    -------
    RowJitter
        Nothing stands out in frames under 64 px on a side, that are not finite, or blank.
    """
    frame = np.asarray(frame, np.float32)
    planes = frame[..., None] if frame.ndim == 2 else frame
    jitter = RowJitter(np.zeros(len(planes)), np.full(len(planes), np.inf), 0.0)
    if min(planes.shape[:2]) < LEAST_SIDE or not np.isfinite(planes).all():
        return jitter
    planes = planes - planes.mean(axis=(0, 1))
    varied = planes.std(axis=(0, 1)) > 0
    if not varied.any():
        return jitter
    planes = _despiked(planes[..., varied])
    for _ in range(N_PASSES):
        before = jitter.likely_px
        # the noise is that of rows which are put back, the rows are those of the frame
        straight = shifted(planes, before) if before.any() else planes
        comparison = _Comparison(planes, _noise(straight, is_white=straight is planes))
        jitter = comparison.jitter(before)
        if np.sqrt(np.mean((jitter.likely_px - before) ** 2)) < ENOUGH:
            break
    return jitter


def _despiked(planes):
    """Return planes (Y, X, C) without spikes, each of which would move its row."""
    # along x: a row that lies beside its place stands out of those around
    around = median_filter(planes, (1, 5, 1))
    strength = np.sqrt(_noise(planes, is_white=True).mean(axis=0))
    return np.where(np.abs(planes - around) > SPIKE * strength, around, planes)


def _noise(planes, is_white):
    """Power of the noise of planes (Y, X, C) at each frequency along x, (X//2 + 1, C).

    White noise is as strong as at the highest frequencies, where displaced rows show nothing. Its
    mean over all frequencies is the variance. At high frequencies along y an image has next to
    no content, and of a crystal a few spots, which a median does not see.
    """
    shape = planes.shape[:2]
    window = np.outer(*(tukey(n, TAPER, sym=False) for n in shape))[..., None]
    window /= np.sqrt(np.sum(window**2))
    spectra = scipy.fft.rfft2(planes * window, axes=(0, 1))
    rows = np.abs(scipy.fft.fftfreq(shape[0])) >= HIGH
    power = np.median(np.square(np.abs(spectra[rows])), axis=0) / np.log(2)
    if is_white:
        high = np.arange(len(power)) >= HIGH * shape[1]
        power = np.repeat(power[high].mean(axis=0, keepdims=True), len(power), axis=0)
    else:
        power = uniform_filter1d(power, 5, axis=0)
    return np.maximum(power, LEAST_NOISE * power.mean(axis=0) + 1e-30)


class _Comparison:
    """Rows of a frame (Y, X, C) as they are compared: whitened, without what is noise alone."""

    def __init__(self, planes, noise):
        inner = planes[:, MARGIN:-MARGIN]
        odd = 1 - inner.shape[1] % 2  # of an even number the highest frequency cannot be moved
        ends = ((0, 0), (MARGIN, MARGIN + odd), (0, 0))
        rows = np.pad(inner, ends, mode="symmetric")
        n = rows.shape[1]
        k = scipy.fft.rfftfreq(n)
        spectra = scipy.fft.rfft(rows, axis=1)
        noise = n * np.stack(
            [np.interp(k, np.linspace(0, 0.5, len(noise)), one) for one in noise.T], axis=-1
        )
        # the noise of neighbouring rows is independent: what they share is signal
        shared = (spectra[1:] * spectra[:-1].conj()).real.mean(axis=0)
        beside = max(3, n // 64)
        shared = uniform_filter1d(shared, beside, axis=0)
        shared[shared < BY_CHANCE * noise / np.sqrt(2 * len(rows) * beside)] = 0

        self.weights = savgol_coeffs(2 * REACH + 1, DEGREE)
        own = self.weights[REACH]
        self.weights[REACH] = 0
        self.weights /= 1 - own
        self.spread = np.square(self.weights).sum()  # of the noise in what neighbours say
        kept = shared / (shared + self.spread * noise)
        kept[0] = 0  # offsets of rows
        told = kept.max(axis=1) > 1e-3
        self.is_blind = not told.any()
        self.kept = kept[told]
        self.turn = 2j * np.pi * k[told, None]
        whitened = spectra[:, told] * np.sqrt(self.kept / noise[told])
        self.spectra = whitened.astype(np.complex64)
        # how much of a displacement the neighbours have, by its frequency along y
        angle = np.pi * np.outer(np.arange(len(rows)) / len(rows), np.arange(-REACH, REACH + 1))
        self.shares = np.cos(angle) @ self.weights

    def jitter(self, before) -> RowJitter:
        """Move rows to where they fit their neighbours, from a displacement (Y,) on."""
        moved = np.array(before)
        if self.is_blind:
            return RowJitter(np.zeros(len(moved)), np.full(len(moved), np.inf), 0.0)
        for _ in range(N_ROUNDS):
            rows = self.spectra * np.exp(-self.turn * moved[:, None, None]).astype(np.complex64)
            said = correlate1d(rows.real, self.weights, axis=0, mode="reflect")
            said = said + 1j * correlate1d(rows.imag, self.weights, axis=0, mode="reflect")
            rest, slope = rows - said, said * self.turn
            product = self._sum((slope.conj() * rest).real)
            power = self._sum(np.square(np.abs(slope)))
            noise = (1 + self.spread) * self._sum(np.square(np.abs(slope)) * self.kept)
            # a hair of what is expected beforehand, so that what nothing is known of stays
            hair = noise / np.maximum(power, 1e-30) / UNKNOWN**2
            step = np.clip(product / (power + hair + 1e-30), -LARGEST_STEP, LARGEST_STEP)
            # the neighbours have part of it and move along
            step = _filtered(step, 1 / np.maximum(1 - self.shares, LEAST_SHARE))
            moved = moved + step - step.mean()
            if np.sqrt(np.mean(step**2)) < ENOUGH:
                break
        misfit = self._sum(np.square(np.abs(rest))) / ((1 + self.spread) * self._sum(self.kept))
        # without the noise of the neighbours, as strong as chance makes it
        steep = np.square(np.abs(self.turn)) * self.kept
        by_chance = BY_CHANCE * np.sqrt(2 * self._sum(steep**2)) / max(self._sum(steep), 1e-30)
        own = self.spread * self._sum(steep) * (1 + by_chance)
        known = np.maximum(power - own, 1e-30)
        error = np.sqrt(noise * np.maximum(misfit, 1)) / known
        signal = self._sum(np.square(np.abs(rows))).sum() - len(rows) * self._sum(self.kept)
        if self._sum((said.conj() * rows).real).sum() < DESCRIBED * signal:
            error[:] = np.inf  # atoms, or a lattice, that are no longer than a few rows
        return self._likely(moved - moved.mean(), error)

    def _sum(self, values):
        """Sum over frequencies, those of minus sign included, and detectors."""
        return 2 * values.sum(axis=(-2, -1), dtype=float)

    def _likely(self, moved, error) -> RowJitter:
        """Take out of a displacement what is noise: row by row, and where it is slow."""
        known = error < UNKNOWN
        nothing = RowJitter(np.zeros(len(moved)), error, 0.0)
        if known.mean() < LEAST_KNOWN:
            return nothing
        errors = error[known]
        # fast displacements tell how far rows lie off; slow ones are known worse
        fast = self.shares < SLOW
        quick = _filtered(np.where(known, moved, 0), fast)[known]
        of_noise = np.mean(fast / (1 - np.minimum(self.shares, SLOW)) ** 2)
        power, weights = 0.0, 1 / np.maximum(errors, 0.02) ** 2
        expected = of_noise * errors**2
        for _ in range(10):
            power = max(np.average(quick**2 - expected, weights=weights) / fast.mean(), 0.0)
            weights = 1 / (power + errors**2) ** 2
        chance = np.sqrt(2 * np.sum((weights * expected) ** 2)) / weights.sum() / fast.mean()
        if power < BY_CHANCE * chance:
            return nothing
        rows = moved * power / (power + error**2)
        typical, told = _mean_error(error) ** 2, np.square(1 - self.shares)
        share = np.minimum(told * (power + typical) / (told * power + typical), 1)
        return RowJitter(_filtered(rows, share), error, float(np.sqrt(power)))


def _mean_error(error):
    """Return the standard error of rows that tell as much as these, on average."""
    return 1 / np.sqrt(max(np.mean(1 / np.square(error)), 1e-12))


def _filtered(displacement, share):
    """Multiply the frequencies of a displacement along y by shares, (Y,); its ends are mirrored."""
    return scipy.fft.idct(share * scipy.fft.dct(displacement, norm="ortho"), norm="ortho")
