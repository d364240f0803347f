"""A lattice in Fourier space: FFT magnitude, polar map folded n-fold, radial profile, spot SNR.

The paper's Fig. 5 and the text beside it. The magnitude is mapped to polar coordinates and the
n = 6 sectors of 60 degrees are laid over each other, so that the six spots of an order of graphene
become one, at a radius of 4.69 nm^-1 (first order, {10-10}) or 8.13 nm^-1 (second, {11-20}). The
paper gives SNR of second-order spots in BF (raw 9.0, Gaussian 8.2, TV 10.7, Noise2Void 16.0)
without a definition; the one here is in `lattice_spots`.

Differences: frames are tapered by a Hann window, without which the frame's edges draw streaks
through the centre; sectors are averaged, where the paper sums them, so that a folded map keeps the
unit of the magnitude; radii and angles are physical, so that frames need not be square.

Frequencies are in cycles per nm [nm^-1]. Angles run from the x axis (fast scan) towards the y axis,
which points down as in the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRAPHENE_ORDERS_NM = (4.69, 8.13)  # 1 / 0.213 nm and 1 / 0.123 nm
BAND_NM = 0.25  # a spot is looked for this close to its order [nm^-1]
SPOT_DEG = 10.0  # its background begins this far from it in angle [deg]
CLEAR_SNR = 5.5  # white noise alone reaches it in one frame of a hundred (see `lattice_spots`)
_ROUND = 1e-9


def fft_magnitude(image, window="hann"):
    """Magnitude of the Fourier transform, frequency zero in the centre.

    Parameters
    ----------
    image : array_like
        (..., Y, X); the frames in front are transformed one by one.
    window : str or tuple
        Taper along both axes, as `scipy.signal.get_window` names them: "hann", ("tukey", 0.25),
        or "boxcar" for none.

    Returns
    -------
    numpy.ndarray
        (..., Y, X) float64, at the frequencies that `frequencies` gives. Scaled by
        2 / sum(window), so that a cosine of amplitude A reads A at its frequency, in the image's
        unit and whatever the frame's size. The mean under the window is taken away first, so the
        centre is zero.
    """
    from scipy.fft import fft2, fftshift
    from scipy.signal import get_window

    image = np.asarray(image, float)
    if image.ndim < 2:
        raise ValueError(f"the image has shape {image.shape}; expected (..., Y, X)")
    taper = np.outer(*(get_window(window, side) for side in image.shape[-2:]))
    taper *= 2 / taper.sum()
    mean = np.sum(image * taper, axis=(-2, -1), keepdims=True) / taper.sum()
    return np.abs(fftshift(fft2((image - mean) * taper), axes=(-2, -1)))


def frequencies(shape, pixel_size_nm):
    """Frequencies of the rows and of the columns of a centred magnitude.

    Parameters
    ----------
    shape : tuple of int
        (Y, X) [px].
    pixel_size_nm : float
        [nm/px].

    Returns
    -------
    fy, fx : numpy.ndarray
        (Y,) and (X,) [nm^-1]. They step by 1 / (side in nm), so differently in a frame that is not
        square, and reach Nyquist, 1 / (2 pixel_size_nm), in both.
    """
    return tuple(np.fft.fftshift(np.fft.fftfreq(side, pixel_size_nm)) for side in shape)


def polar_transform(magnitude, pixel_size_nm, n_angles=None, max_frequency=None):
    """Map a centred magnitude to polar coordinates.

    Parameters
    ----------
    magnitude : array_like
        (Y, X), from `fft_magnitude`.
    pixel_size_nm : float
        [nm/px].
    n_angles : int, optional
        Angles over the whole turn; by default the smallest multiple of 360 that leaves no pixel
        out at the largest radius.
    max_frequency : float, optional
        Largest radius [nm^-1]; by default Nyquist.

    Returns
    -------
    polar : numpy.ndarray
        (angle, radius) float64, interpolated linearly; nan beyond Nyquist, where a circle is not
        covered whole.
    angles : numpy.ndarray
        (n_angles,) [rad], from 0 on, below 2 pi.
    radii : numpy.ndarray
        [nm^-1], from 0 on in steps of the finer of both axes.
    """
    from scipy.ndimage import map_coordinates

    magnitude = _magnitude(magnitude)
    nyquist = 0.5 / pixel_size_nm
    max_frequency = nyquist if max_frequency is None else max_frequency
    step_y, step_x = (1 / (side * pixel_size_nm) for side in magnitude.shape)
    step = min(step_y, step_x)
    radii = step * np.arange(int(max_frequency / step + _ROUND) + 1)
    if n_angles is None:
        n_angles = 360 * max(1, int(np.ceil(2 * np.pi * max_frequency / step / 360)))
    angles = 2 * np.pi * np.arange(n_angles) / n_angles
    y = np.outer(np.sin(angles), radii) / step_y + magnitude.shape[0] // 2
    x = np.outer(np.cos(angles), radii) / step_x + magnitude.shape[1] // 2
    polar = map_coordinates(magnitude, [y, x], order=1, mode="grid-wrap")
    polar[:, radii > nyquist * (1 + _ROUND)] = np.nan
    return polar, angles, radii


def fold(polar, n_fold=6):
    """Average the sectors of a polar map, so that n-fold symmetric spots become one.

    Parameters
    ----------
    polar : array_like
        (angle, radius) over the whole turn; the angles must be a multiple of `n_fold`.
    n_fold : int
        Number of sectors.

    Returns
    -------
    numpy.ndarray
        (angle / n_fold, radius), the mean, not the paper's sum. A lattice of another symmetry is
        spread: the four spots of a square one become two of a third of their height when folded
        six-fold.
    """
    polar = np.asarray(polar, float)
    if polar.ndim != 2 or n_fold < 1 or len(polar) % n_fold:
        raise ValueError(
            f"polar map of shape {polar.shape}, to be folded {n_fold} times; "
            "expected (angle, radius) with a multiple of that many angles"
        )
    return polar.reshape(n_fold, -1, polar.shape[1]).mean(axis=0)


def radial_profile(magnitude, pixel_size_nm):
    """Mean magnitude over all angles against frequency.

    Taken from the pixels, each counted once, in rings one (coarser) frequency step wide: a polar
    map would count those near the centre many times and blur the others by its interpolation.

    Parameters
    ----------
    magnitude : array_like
        (Y, X), from `fft_magnitude`.
    pixel_size_nm : float
        [nm/px].

    Returns
    -------
    radii, profile : numpy.ndarray
        Middles of the rings [nm^-1], from 0 to Nyquist at most, and their means.
    """
    magnitude = _magnitude(magnitude)
    fy, fx = frequencies(magnitude.shape, pixel_size_nm)
    step = 1 / (min(magnitude.shape) * pixel_size_nm)
    ring = np.floor(np.hypot(fy[:, None], fx) / step + 0.5).astype(int).ravel()
    n_rings = int(0.5 / pixel_size_nm / step + _ROUND) + 1
    total = np.bincount(ring, magnitude.ravel())[:n_rings]
    return step * np.arange(n_rings), total / np.bincount(ring)[:n_rings]


@dataclass(frozen=True)
class LatticeSpot:
    """The spot of one order of a lattice in a folded polar map.

    Attributes
    ----------
    order_nm : float
        Where it was looked for [nm^-1].
    frequency_nm, angle_deg : float
        Where it is [nm^-1], [deg] from the x axis, below 360 / n_fold.
    height : float
        Above the mean of the sector beside it [the image's unit].
    snr : float
        Height over the standard deviation of that sector.
    """

    order_nm: float
    frequency_nm: float
    angle_deg: float
    height: float
    snr: float


def lattice_spots(image, pixel_size_nm, orders_nm=GRAPHENE_ORDERS_NM, n_fold=6):
    """Spots of a lattice of unknown rotation in one frame.

    The magnitude (Hann window) is mapped to polar coordinates and folded. For each order, within
    0.25 nm^-1 of its radius, the highest point at any angle is the spot; the sector beside it is
    the same band at angles more than 10 degrees from the spot (modulo 360 / n_fold). The SNR is
    the spot above that sector's mean, over that sector's standard deviation.

    Parameters
    ----------
    image : array_like
        (Y, X), raw or denoised.
    pixel_size_nm : float
        [nm/px].
    orders_nm : sequence of float
        Radii [nm^-1]; by default those of graphene.
    n_fold : int
        Rotational symmetry of the spots.

    Returns
    -------
    list of LatticeSpot
        One per order; all nan but its order where the band reaches beyond Nyquist.

    Notes
    -----
    **What no lattice reads.** The highest of hundreds of values is found, so white noise alone
    reads 3.7 +- 0.6 in 256x256 px at 0.046 nm/px (1 % of frames above 5.5), 3.3 +- 0.7 in 128x128
    and 4.2 +- 0.5 in 512x512.

    **How high the spot is, it does not say.** A frame blurred until nothing is left at these
    frequencies reads up to 7 from the leakage of low ones, and up to 47 where 10^-5 of a spot came
    through: compare `height` with that in the noisy frame or in the truth.

    **What filters do to it.** A filter scales the spot and the sector beside it alike, so a blur
    gains nothing; it loses some (12 % in second order for 1 px; in the paper 9.0 to 8.2), for the
    slope it gives the band adds to the standard deviation. A filter that erases all but the spot
    (a Fourier mask, or a network that has learned the lattice) makes the SNR as large as you like:
    it says how clear a spot is, not how true. Beside the spot is all else of this frequency, such
    as the adatoms in ADF, so that a clean frame's SNR is finite: print it beside the others. Two
    grains rotated against each other are each other's background.
    """
    image = np.asarray(image, float)
    if image.ndim != 2:
        raise ValueError(f"the image has shape {image.shape}; expected (Y, X), one frame")
    reach = max(orders_nm) + BAND_NM + 1 / (min(image.shape) * pixel_size_nm)
    reach = min(reach, 0.5 / pixel_size_nm)
    polar, angles, radii = polar_transform(fft_magnitude(image), pixel_size_nm, None, reach)
    folded = fold(polar, n_fold)
    angles = np.degrees(angles[: len(folded)])
    return [
        _spot(folded, angles, radii, order, n_fold)
        if order + BAND_NM <= 0.5 / pixel_size_nm
        else LatticeSpot(float(order), *[float("nan")] * 4)
        for order in orders_nm
    ]


def lattice_spot_snr(image, pixel_size_nm, orders_nm=GRAPHENE_ORDERS_NM, n_fold=6):
    """SNR of the lattice spots, as `lattice_spots` defines it, of one frame or of each of many.

    Each frame is measured by itself, as in the paper, so that the figure does not grow with the
    length of a movie, as it would if magnitudes were averaged first; take the mean over frames.

    Parameters
    ----------
    image : array_like
        (Y, X) or (..., Y, X), one detector.
    pixel_size_nm, orders_nm, n_fold
        As in `lattice_spots`.

    Returns
    -------
    numpy.ndarray
        (n_orders,) or (..., n_orders); nan beyond Nyquist.
    """
    image = np.asarray(image, float)
    snr = np.empty((*image.shape[:-2], len(orders_nm)))
    for index in np.ndindex(snr.shape[:-1]):
        spots = lattice_spots(image[index], pixel_size_nm, orders_nm, n_fold)
        snr[index] = [spot.snr for spot in spots]
    return snr


def _spot(folded, angles, radii, order, n_fold):
    """Highest point of a band of a folded map (angle, radius), measured against the rest."""
    inside = np.abs(radii - order) <= BAND_NM
    if not inside.any():
        raise ValueError(
            f"no frequency within {BAND_NM} nm^-1 of {order} nm^-1; the frame is too small"
        )
    band = folded[:, inside]
    row, column = np.unravel_index(np.argmax(band), band.shape)
    sector = 360 / n_fold
    away = np.abs((angles - angles[row] + sector / 2) % sector - sector / 2)
    beside = band[away > SPOT_DEG]
    height = band[row, column] - beside.mean()
    snr = height / beside.std() if beside.std() > 0 else np.nan
    return LatticeSpot(
        float(order),
        float(radii[inside][column]),
        float(angles[row]),
        float(height),
        float(snr),
    )


def _magnitude(magnitude):
    magnitude = np.asarray(magnitude, float)
    if magnitude.ndim != 2:
        raise ValueError(f"the magnitude has shape {magnitude.shape}; expected (Y, X)")
    return magnitude
