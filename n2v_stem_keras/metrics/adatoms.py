"""Adatoms at known positions: their height over noise or background, and the dip between two.

The paper's SNR of adatoms (Fig. 4; Methods: peak above the mean background over the rms of the
background) and its dip between two of them (Fig. S1: the drop between the peaks relative to the
lower one). It measures both on one hand-placed line profile, 1 px wide; here positions are given,
so that the same places are measured in every image, and background is what lies farther than
0.3 nm from every atom, in the whole frame (`peak_snr`) or on the profile (`profile_snr`).

`adatom_snr` is not in the paper: A/sigma, the height of a lone adatom in the clean frame over the
noise. Unlike PSNR it does not depend on the brightest cluster.

Positions are rows (y, x) [px]; the centre of pixel (0, 0) is the origin. Dark atoms (BF) have
negative heights.
"""

from __future__ import annotations

import numpy as np

BACKGROUND_NM = 0.3  # background is farther than this from every atom [nm]
LONE_NM = 0.5  # a lone adatom is at least this far from every other [nm]
BORDER_NM = 0.3  # and this far from the border of the frame [nm]


def background_pixels(image, positions, exclusion_px):
    """Values of the pixels away from atoms.

    Parameters
    ----------
    image : array_like
        (Y, X).
    positions : array_like
        (n, 2) atom positions y, x [px]; they may lie outside the image.
    exclusion_px : float
        Pixels farther than this from every position are background [px].

    Returns
    -------
    numpy.ndarray
        (m,) float64, in scan order; empty if there are none.
    """
    image = _image(image)
    return image[_is_background(image.shape, positions, exclusion_px)]


def peak_snr(image, positions, exclusion_px=None, *, pixel_size_nm=None, others=()):
    """Peak height above the mean background, in standard deviations of the background.

    The paper's SNR of adatoms. The peak is the value at the pixel nearest to each position, not
    the highest one around it, which noise would lift. The background contains the lattice, which
    lowers the figure, as in the paper. Dark atoms (BF) give negative values.

    Parameters
    ----------
    image : array_like
        (Y, X).
    positions : array_like
        (n, 2) atom positions y, x [px].
    exclusion_px : float, optional
        Pixels farther than this from every position are background [px].
    pixel_size_nm : float, optional
        [nm/px]; instead of `exclusion_px`, which is 0.3 nm then.
    others : array_like, optional
        (m, 2) positions y, x [px] of atoms that are not measured but are no background either,
        such as those found by eye or by a peak finder.

    Returns
    -------
    float
        Mean over the positions; nan without positions or without background.

    Raises
    ------
    ValueError
        For positions outside the image, or for both or none of the two distances.
    """
    image, positions = _image(image), _positions(positions)
    exclusion_px = _exclusion(exclusion_px, pixel_size_nm)
    nearest = _nearest(positions, image.shape)
    if not len(positions):
        return float("nan")
    background = background_pixels(
        image, np.concatenate([positions, _positions(others)]), exclusion_px
    )
    return _snr(image[nearest[:, 0], nearest[:, 1]].mean(), background)


def profile_snr(image, position, atoms, exclusion_px=None, *, pixel_size_nm=None):
    """SNR of one adatom on the line profile through it, as in the paper's Fig. 4.

    The profile is the row of pixels nearest to the adatom, 1 px wide, along the fast scan axis.
    Its background is a single row of pixels, so the figure scatters: `peak_snr` says the same with
    a frame's worth of background.

    Parameters
    ----------
    image : array_like
        (Y, X).
    position : array_like
        (2,) of the adatom, y, x [px].
    atoms : array_like
        (n, 2) positions y, x [px] of all atoms known, on the profile and beside it.
    exclusion_px, pixel_size_nm : float, optional
        As in `peak_snr`; the distance is that in the image, not along the profile.

    Returns
    -------
    float
        Peak above the mean background over the standard deviation of the background; nan without
        background.
    """
    image, position = _image(image), _positions(position)
    if len(position) != 1:
        raise ValueError(f"{len(position)} positions; expected one, (y, x)")
    exclusion_px = _exclusion(exclusion_px, pixel_size_nm)
    y, x = _nearest(position, image.shape)[0]
    atoms = np.concatenate([position, _positions(atoms)])
    background = _is_background(image.shape, atoms, exclusion_px)[y]
    return _snr(image[y, x], image[y, background])


def adatom_snr(clean, positions, sigma, pixel_size_nm):
    """A/sigma: height of a lone adatom in the clean frames over the noise of the input.

    Median over the lone adatoms of all frames: those at least 0.5 nm from every other and 0.3 nm
    from the border. The height is the clean frame at the adatom's exact position (cubic spline)
    above the mean of the pixels farther than 0.3 nm from every adatom. The lattice under the
    adatom is part of its height, which the median over adatoms evens out.

    Parameters
    ----------
    clean : array_like
        (T, Y, X) of one detector, without noise; or one frame (Y, X).
    positions : sequence of array_like
        T arrays (n, 2) of y, x [px], the adatoms of each frame; or one such array for (Y, X).
    sigma : float or array_like
        Standard deviation of the input's noise, one number or (T,) [the frames' unit].
    pixel_size_nm : float
        [nm/px].

    Returns
    -------
    float
        Negative where adatoms are dark (BF); nan if no adatom is alone or nothing is background.

    Raises
    ------
    ValueError
        For other shapes, or for noise that is not positive.
    """
    from scipy.ndimage import map_coordinates

    clean = np.asarray(clean, float)
    if clean.ndim == 2:
        clean, positions = clean[None], [positions]
    if clean.ndim != 3 or len(clean) != len(positions):
        raise ValueError(
            f"clean frames of shape {clean.shape} with {len(positions)} arrays of positions; "
            "expected (T, Y, X), one detector, with T arrays (n, 2)"
        )
    sigma = np.asarray(sigma, float)
    if sigma.shape not in ((), (len(clean),)) or not np.all(sigma > 0):
        raise ValueError(f"sigma is {sigma}; expected one positive number, or {len(clean)}")
    ratios = []
    for frame, atoms, noise in zip(clean, positions, np.broadcast_to(sigma, len(clean))):
        atoms = _positions(atoms)
        lone = atoms[_is_lone(atoms, frame.shape, pixel_size_nm)]
        background = background_pixels(frame, atoms, BACKGROUND_NM / pixel_size_nm)
        if len(lone) and len(background):
            height = map_coordinates(frame, lone.T, order=3, mode="mirror") - background.mean()
            ratios.extend(height / noise)
    return float(np.median(ratios)) if ratios else float("nan")


def dip(image, first, second, background=None, *, dark=False, search_px=1.5):
    """Drop in intensity between two atoms, as a fraction of the lower one's height.

    (lower peak - minimum between) / (lower peak - background), on the straight line through both
    positions, sampled by linear interpolation every 0.1 px or finer. The paper (Fig. S1) reads
    57 % raw, 28 % after a Gaussian blur, 14 % TV and 29 % Noise2Void for two Au adatoms 0.34 nm
    apart: a large dip is not good in itself, one like the truth's is. So hand over the clean frame
    in the same stack, ``dip(np.stack([clean, noisy, denoised]), ...)``, and print its dip beside
    the others.

    Parameters
    ----------
    image : array_like
        (..., Y, X).
    first, second : array_like
        (2,) positions of the atoms, y, x [px].
    background : float or array_like, optional
        Intensity that heights count from, one or (...); by default the median of each image,
        which few atoms hardly move. `background_pixels` gives that of atoms known.
    dark : bool
        Atoms darker than the background (bright field).
    search_px : float
        Each peak is the highest point of the line this close to its position [px], and no farther
        than halfway to the other.

    Returns
    -------
    float or numpy.ndarray
        One number or (...): 0 where the atoms are merged, above 1 where the line drops below the
        background between them, nan where the lower peak does not rise above the background.

    Raises
    ------
    ValueError
        If the positions are equal, or outside the image.

    Notes
    -----
    Noise lifts maxima and lowers minima, so the dip of a raw frame reads too deep: 1.11, 1.31 and
    1.46 instead of 0.98 (medians) at A/sigma = 5.7, 2.9 and 2.0 for simulated Au adatoms 0.34 nm
    apart. The minimum does that: values taken at the true positions (``search_px=0``) read no
    less (1.12, 1.40, 1.61) and scatter more, for a peak that noise lowers stands in the
    denominator. The search also follows adatoms that a blur has drawn together.
    """
    from scipy.ndimage import map_coordinates

    image = np.asarray(image, float)
    ends = np.stack([_positions(first)[0], _positions(second)[0]])
    _nearest(ends, image.shape[-2:])
    length = float(np.hypot(*(ends[1] - ends[0])))
    if length == 0:
        raise ValueError(f"both atoms are at {tuple(ends[0])}; expected two positions")
    reach = min(search_px, length / 2)
    along = np.linspace(-reach, length + reach, int(np.ceil((length + 2 * reach) / 0.1)) + 1)
    line = ends[0][:, None] + (ends[1] - ends[0])[:, None] * along / length
    background = np.median(image, axis=(-2, -1)) if background is None else background
    background = np.broadcast_to(background, image.shape[:-2])
    dips = np.empty(image.shape[:-2])
    for index in np.ndindex(dips.shape):
        profile = map_coordinates(image[index], line, order=1, mode="nearest") - background[index]
        dips[index] = _dip_of_profile(-profile if dark else profile, along, length, reach)
    return float(dips) if dips.ndim == 0 else dips


def _image(image):
    image = np.asarray(image, float)
    if image.ndim != 2:
        raise ValueError(f"the image has shape {image.shape}; expected (Y, X), one detector")
    return image


def _positions(positions):
    """As (n, 2) float64."""
    return np.asarray(positions, float).reshape(-1, 2)


def _nearest(positions, shape):
    """Nearest pixels (n, 2), all inside the frame."""
    nearest = np.rint(positions).astype(int)
    if np.any(nearest < 0) or np.any(nearest >= shape):
        raise ValueError(f"positions outside the image of shape {shape}; leave them out")
    return nearest


def _exclusion(exclusion_px, pixel_size_nm):
    """Distance from atoms to the background [px]."""
    if (exclusion_px is None) == (pixel_size_nm is None):
        raise ValueError(
            f"exclusion_px is {exclusion_px} and pixel_size_nm {pixel_size_nm}; give one of the two"
        )
    return exclusion_px if pixel_size_nm is None else BACKGROUND_NM / pixel_size_nm


def _is_background(shape, positions, exclusion_px):
    """Which pixels are farther than a distance [px] from every position, (Y, X) bool."""
    from scipy.spatial import cKDTree

    positions = _positions(positions)
    if not len(positions):
        return np.ones(shape, bool)
    pixels = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 2)
    return (cKDTree(positions).query(pixels)[0] > exclusion_px).reshape(shape)


def _is_lone(atoms, shape, pixel_size_nm):
    """Which adatoms are far enough from the others and from the border, (n,) bool."""
    from scipy.spatial import cKDTree

    if not len(atoms):
        return np.zeros(0, bool)
    border = np.minimum(atoms, np.array(shape) - 1 - atoms).min(axis=1)
    nearest = cKDTree(atoms).query(atoms, 2)[0][:, 1]  # inf for the only one
    return (nearest * pixel_size_nm >= LONE_NM) & (border * pixel_size_nm >= BORDER_NM)


def _dip_of_profile(profile, along, length, reach):
    """Dip of a profile (n,) above background between peaks near 0 and near its length [px]."""
    tiny = 1e-9 * length
    first = np.flatnonzero(along <= reach + tiny)
    second = np.flatnonzero(along >= length - reach - tiny)
    first, second = (near[np.argmax(profile[near])] for near in (first, second))
    lower = min(profile[first], profile[second])
    if lower <= 0:
        return np.nan
    return (lower - profile[first : second + 1].min()) / lower


def _snr(peak, background):
    """Peak above the mean background over its standard deviation; nan without background."""
    if background.size == 0 or background.std() == 0:
        return float("nan")
    return float((peak - background.mean()) / background.std())
