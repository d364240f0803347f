"""By how much each row of a crystal's image lies beside its place.

A perfect crystal is a few plane waves. They are taken from the Fourier transform of the frame: the
strongest spot, the strongest that lies in another direction, and their sums and differences as
far as they stand out; so sidebands, which a distortion puts beside the spots along the slow axis,
are no waves. Then each row is moved to where it fits these waves best, by Gauss and Newton's
method (Jones and Nellist, Microsc. Microanal. 19, 1050 (2013), compare with the rows before
instead), the waves are fitted to the moved rows, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.ndimage import median_filter

LONGEST_PERIOD, SHORTEST_PERIOD = 40.0, 2.2  # of a lattice [px]
STANDS_OUT = 6.0  # spots have more than that times the amplitude of what surrounds them
LEAST_ANGLE = 0.3  # between the two spots that span the lattice [rad]
SIDEBAND = 0.6  # of the strongest spot, at most, is a sideband of it
N_RINGS = 32  # of frequencies, whose powers are compared
ORDERS = 3  # sums and differences of them
N_ROUNDS = 5
LARGEST_STEP = 0.7  # of a row in one round [px]
# a row is known better than that, or it stays where its neighbours are: of what is known worse, the
# standard error is larger than is said [px]
WORST = 0.25
LEAST_HUM = 25.0  # power of a hum, over that of the other displacements around it in frequency
LEAST_NOISE = 1e-6  # variance of noise, at least, over that of a frame
N_HUMS, SLOWEST_HUM = 4, 0.05  # [cycles per row]


@dataclass(frozen=True)
class RowDisplacement:
    """Where the rows of a frame were taken, less their places.

    Attributes
    ----------
    displacement_px : (Y, 2) array
        (y, x) [px]; the mean and the slope are 0: drift looks like another lattice.
    error_px : (Y, 2) array
        Standard errors from the noise [px]; infinite where a row says nothing.
    periods_px : (n,) array
        Periods of the waves that were fitted [px].
    """

    displacement_px: np.ndarray
    error_px: np.ndarray
    periods_px: np.ndarray

    @property
    def rms_px(self) -> np.ndarray:
        """Rms displacement (y, x) beyond the noise of its measurement [px], (2,).

        nan where less than half of the rows are known.
        """
        found = []
        for moved, error in zip(self.displacement_px.T, self.error_px.T):
            known = np.isfinite(error)
            power = np.mean(moved[known] ** 2 - error[known] ** 2) if known.any() else 0.0
            found.append(np.sqrt(max(power, 0)) if known.mean() > 0.5 else np.nan)
        return np.array(found)

    @property
    def likely_px(self) -> np.ndarray:
        """Displacement of least expected error (y, x) [px], (Y, 2); 0 where all may be noise.

        What hums is taken as it is. Of the rest a Wiener filter along the rows keeps, at each
        frequency, the share that stands out of the errors of the measurement.
        """
        found = np.zeros_like(self.displacement_px)
        rows = np.arange(len(found))
        humming = sum((hum.at(rows) for hum in find_hum(self)), np.zeros(len(found)))
        for d, regular in enumerate((0.0, humming)):  # hums are looked for along x
            moved, error = self.displacement_px[:, d], self.error_px[:, d]
            known = np.isfinite(error)
            if known.mean() > 0.5:
                rest = _wiener(moved - regular, np.mean(error[known] ** 2))
                found[:, d] = regular + rest
        return found


@dataclass(frozen=True)
class Hum:
    """A displacement of a fixed frequency.

    Attributes
    ----------
    cycles : float
        [cycles per row].
    rms_px : float
        [px].
    phase : float
        Of its cosine in the first row [rad].
    """

    cycles: float
    rms_px: float
    phase: float = 0.0

    def at(self, rows) -> np.ndarray:
        """Return the displacement of rows, by number [px]."""
        angle = 2 * np.pi * self.cycles * np.asarray(rows) + self.phase
        return np.sqrt(2) * self.rms_px * np.cos(angle)


def row_displacement(frame) -> RowDisplacement | None:
    """Measure the displacement of each row of a frame.

    Parameters
    ----------
    frame : array_like
        (Y, X) or (Y, X, C), of a crystal; left as it is.

    Returns
    -------
    RowDisplacement, or None if there is no lattice of two directions.
    """
    planes = np.asarray(frame, float)
    planes = planes[..., None] if planes.ndim == 2 else planes
    planes = np.moveaxis(planes, -1, 0)
    planes = planes - planes.mean((1, 2), keepdims=True)
    planes = planes / np.maximum(planes.std((1, 2), keepdims=True), 1e-30)
    spots = _spots(planes)
    if spots is None:
        return None
    waves, rows = _Waves(planes, spots), np.arange(planes.shape[1])
    moved, errors = np.zeros((len(rows), 2)), np.full((len(rows), 2), np.inf)
    for _ in range(N_ROUNDS):
        step, errors = waves.steps(rows + moved[:, 0], moved[:, 1])
        moved += np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        moved = _without_slope(_bridged(moved, errors), rows)
    return RowDisplacement(moved, errors, 1 / np.hypot(*spots.T))


def _spots(planes):
    """Return the frequencies (y, x) of the waves, (n, 2) [cycles/px], or None."""
    window = np.hanning(planes.shape[1])[:, None] * np.hanning(planes.shape[2])
    size = [scipy.fft.next_fast_len(2 * n, real=True) for n in planes.shape[1:]]
    tapered = planes * window
    power = (np.abs(scipy.fft.rfft2(tapered, size)) ** 2).sum(0)
    ky = scipy.fft.fftfreq(size[0])[:, None]
    kx = scipy.fft.rfftfreq(size[1])
    k = np.hypot(ky, kx)
    # spots on the axes may be offsets of rows or columns
    wanted = (k * LONGEST_PERIOD >= 1) & (k * SHORTEST_PERIOD <= 1) & (np.abs(ky) > 0.008)
    wanted &= kx > 0.008
    # a specimen without a lattice has more power at long periods than at short ones: a spot stands
    # out of those that are as long
    ring = np.minimum((k * 2 * N_RINGS).astype(int), N_RINGS)
    level = np.array([np.median(power[ring == i]) for i in range(N_RINGS + 1)])
    if not level.all():
        return None
    power = power / level[ring]
    amplitude = np.where(wanted, np.sqrt(power), 0)

    first = _highest(amplitude, ky, kx, tapered)
    if first is None:
        return None
    angle = np.arctan2(ky, kx) - np.arctan2(*first)
    apart = np.abs((angle + np.pi / 2) % np.pi - np.pi / 2)
    # sidebands of the first lie along y beside it, and beside its mirror image; they are weaker
    beside = np.minimum(np.abs(kx - first[1]), np.abs(kx + first[1])) < 4 / planes.shape[2]
    beside = beside & (amplitude < SIDEBAND * amplitude.max())
    second = _highest(np.where((apart > LEAST_ANGLE) & ~beside, amplitude, 0), ky, kx, tapered)
    if second is None:
        return None
    found = []
    for i in range(ORDERS + 1):
        for j in range(-ORDERS, ORDERS + 1):
            spot = i * first + j * second
            if (i == 0 and j <= 0) or np.hypot(*spot) * SHORTEST_PERIOD > 1:
                continue
            row = round(spot[0] * size[0]) % size[0]
            column = round(abs(spot[1]) * size[1])
            row = row if spot[1] >= 0 else -row % size[0]
            if column < amplitude.shape[1] and power[row, column] > STANDS_OUT**2:
                found.append(spot)
    return np.array(found) if found else None


def _highest(amplitude, ky, kx, tapered):
    """Return the frequency of the highest spot, finer than the grid, or None if none stands out."""
    i, j = np.unravel_index(np.argmax(amplitude), amplitude.shape)
    if amplitude[i, j] < STANDS_OUT:
        return None
    spot = np.array([ky[i, 0], kx[j]])
    step = np.array([kx[1], kx[1]])
    for _ in range(12):
        powers = _powers(tapered, *(spot[:, None] + np.outer(step, (-1, 0, 1))))
        best = np.unravel_index(np.argmax(powers), powers.shape)
        spot = spot + step * (np.array(best) - 1)
        if best == (1, 1):
            step = step / 2
    return spot


def _powers(tapered, ky, kx):
    """Power at each of some frequencies along y and each of some along x, all detectors."""
    y, x = (2 * np.pi * np.outer(k, np.arange(n)) for k, n in zip((ky, kx), tapered.shape[1:]))
    rows = np.concatenate([np.cos(y), np.sin(y)]) @ tapered  # not complex, which would copy it
    found = (rows[:, : len(ky)] - 1j * rows[:, len(ky) :]) @ np.exp(-1j * x.T)
    return (np.abs(found) ** 2).sum(axis=0)


class _Waves:
    """The waves of a lattice, and what each row of a frame (C, Y, X) shows of them.

    A row enters by its products with the waves along x alone, (C, Y, n), so that each round costs
    as little as that.
    """

    def __init__(self, planes, spots):
        self.spots, self.n_pixels = spots, planes[0].size
        along_x = np.exp(2j * np.pi * spots[:, 1:] * np.arange(planes.shape[2]))  # (n, X)
        self.products = planes @ along_x.conj().T
        self.gram = along_x.conj() @ along_x.T
        self.mirrored = along_x.conj() @ along_x.conj().T
        self.power = np.square(planes).sum(axis=(1, 2))

    def steps(self, places_y, moved_x):
        """Return by how much to move rows that are thought to lie there, and standard errors.

        (Y, 2) each.
        """
        waves = self._fitted(places_y, moved_x)
        slopes = [2j * np.pi * k * waves for k in self.spots.T]
        rest = self.power - (2 * self._with_rows(waves) - self._together(waves, waves)).sum(axis=1)
        # one over the variance of the noise, of which a blank detector has none
        weights = 1 / np.maximum(rest / self.n_pixels, LEAST_NOISE)[:, None]
        matrix = [[(weights * self._together(a, b)).sum(0) for b in slopes] for a in slopes]
        vector = [
            (weights * (self._with_rows(a) - self._together(waves, a))).sum(0) for a in slopes
        ]
        matrix, vector = np.moveaxis(np.array(matrix), 2, 0), np.transpose(vector)
        # a hair of what is expected beforehand, so that what nothing is known of stays
        inverse = np.linalg.inv(matrix + np.eye(2))
        errors = np.sqrt(np.einsum("yii->yi", inverse))
        step = np.einsum("yij,yj->yi", inverse, vector)
        return step, np.where(errors < WORST, errors, np.inf)

    def _fitted(self, places_y, moved_x):
        """Fit the waves' amplitudes; return each wave in each row, (C, Y, n)."""
        ky, kx = self.spots.T
        along_y = np.exp(2j * np.pi * (places_y[:, None] * ky + moved_x[:, None] * kx))  # (Y, n)
        # the waves are nearly orthogonal over a frame; what they share is taken out of each in turn
        products = (self.products * along_y.conj()).sum(axis=1)
        gram = (along_y.conj().T @ along_y) * self.gram / self.n_pixels
        mirrored = (along_y.conj().T @ along_y.conj()) * self.mirrored / self.n_pixels
        # real images: each wave and its conjugate, together
        both = np.block([[gram, mirrored], [mirrored.conj(), gram.conj()]])
        right = np.concatenate([products, products.conj()], axis=1) / self.n_pixels
        amplitudes = np.linalg.solve(both, right.T).T[:, : len(ky)]  # (C, n)
        return amplitudes[:, None] * along_y

    def _with_rows(self, waves):
        """Products of the frame's rows with those of an image of waves, (C, Y)."""
        return 2 * (waves * self.products.conj()).sum(axis=2).real

    def _together(self, a, b):
        """Products of the rows of two images of waves, (C, Y)."""
        return 2 * (b * (a.conj() @ self.gram + a @ self.mirrored.conj())).sum(axis=2).real


def _bridged(moved, errors):
    """Put rows that say nothing on the line between their neighbours."""
    moved = moved.copy()
    rows = np.arange(len(moved))
    for d, e in zip(moved.T, errors.T):
        known = np.isfinite(e)
        if known.any():
            d[~known] = np.interp(rows[~known], rows[known], d[known])
    return moved


def _without_slope(moved, rows):
    """Take mean and slope away."""
    return moved - np.stack([np.polyval(np.polyfit(rows, d, 1), rows) for d in moved.T], -1)


def _wiener(moved, noise):
    """Keep what stands out of white noise of a variance, frequency by frequency; (n,)."""
    n = len(moved)
    # mirrored, so that its ends meet; two rows of a mirrored line are one of it
    spectrum = scipy.fft.dct(moved, norm="ortho")
    power = np.square(spectrum)
    k = np.arange(n)
    # a walk has most at the lowest frequencies: the mean over a quarter of an octave, 16 at least
    reach = np.maximum(k // 8, 8)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    first, last = np.maximum(k - reach, 0), np.minimum(k + reach + 1, n)
    level = (sums[last] - sums[first]) / (last - first)
    # and what stands out by itself
    level = np.where(power > STANDS_OUT**2 * noise, power, level)
    chance = 1 + 2 * np.sqrt(2 / (last - first))
    share = np.where(level > chance * noise, 1 - noise / np.maximum(level, 1e-30), 0.0)
    return scipy.fft.idct(share * spectrum, norm="ortho")


def find_hum(measured: RowDisplacement) -> list[Hum]:
    """Find frequencies that stand out of the displacements along x.

    Parameters
    ----------
    measured : RowDisplacement

    Returns
    -------
    list of Hum
        The strongest first; none where the rows are not known. Frequencies are those between 0.05
        and 0.5 cycles per row: a hum of a higher one looks like one of these.
    """
    moved = measured.displacement_px[:, 1].copy()
    if not np.isfinite(measured.rms_px[1]):
        return []
    n = len(moved)
    window = np.hanning(n)
    found = []
    for _ in range(N_HUMS):
        power = np.abs(scipy.fft.rfft(moved * window, 8 * n)) ** 2
        cycles = scipy.fft.rfftfreq(8 * n)
        wanted = cycles >= SLOWEST_HUM
        # of a walk there is the more, the slower it is
        background = median_filter(power, 8 * n // 16, mode="nearest") / np.log(2)
        power = power / np.maximum(background, 1e-30)
        best = int(np.argmax(np.where(wanted, power, 0)))
        if not power[best] > LEAST_HUM:
            break
        waves = np.stack([f(2 * np.pi * cycles[best] * np.arange(n)) for f in (np.cos, np.sin)], -1)
        size, *_ = np.linalg.lstsq(waves, moved, rcond=None)
        moved -= waves @ size
        rms, phase = np.sqrt(np.square(size).sum() / 2), np.arctan2(-size[1], size[0])
        found.append(Hum(float(cycles[best]), float(rms), float(phase)))
    return sorted(found, key=lambda hum: -hum.rms_px)
