"""Peaks that stand out of an image whose atoms are not known: counts, SNR.

The paper has no truth for its experiment either; it takes adatoms from the denoised frame (Figs 3
and 4). Here the same is done without a hand: find local maxima after denoising, and measure them
before and after.
"""

from __future__ import annotations

import numpy as np

from .adatoms import peak_snr
from .window import middle

LARGEST_PX = 2048  # of larger frames the middle is looked at


def find_peaks(image, min_distance_px=4, threshold_sigma=4.0):
    """Local maxima that stand out of the image, for figures.

    Parameters
    ----------
    image : array_like
        (Y, X), atoms bright; negate an image in which they are dark.
    min_distance_px : int
        Smallest distance between two peaks [px].
    threshold_sigma : float
        Height above the median in robust standard deviations (1.4826 MAD) of the image.

    Returns
    -------
    numpy.ndarray
        (n, 2) int, columns y, x [px], the highest first.
    """
    from skimage.feature import peak_local_max

    image = np.asarray(image, float)
    median = np.median(image)
    spread = 1.4826 * np.median(np.abs(image - median))
    return peak_local_max(
        image,
        min_distance=int(min_distance_px),
        threshold_abs=median + threshold_sigma * spread,
        exclude_border=False,
    )


def peak_gain(raw, denoised, dark=False, pixel_size_nm=None):
    """Peak SNR before and after denoising, at the peaks found after.

    Parameters
    ----------
    raw, denoised : array_like
        The same frame (Y, X).
    dark : bool
        Look for dips (bright field).
    pixel_size_nm : float, optional
        [nm/px]; 0.046, as in the paper, if unknown.

    Returns
    -------
    (float, float, int) or None
        SNR before, SNR after, number of peaks; None if there are no peaks or no background.

    Notes
    -----
    A support that slopes is taken away first, from both frames: a Gaussian blur of 0.5 nm (less
    where the frame is small); the rim where that fails is left out. The background is what lies
    farther than 0.3 nm from all peaks, or half the distance between neighbours where that is less
    (a lattice). Of frames of more than `LARGEST_PX` the middle is looked at.
    """
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree

    pixel_size_nm = pixel_size_nm or 0.046
    sign = -1.0 if dark else 1.0
    frames = [np.asarray(frame) for frame in (raw, denoised)]
    inner = middle(frames[0].shape, LARGEST_PX)
    frames = [sign * frame[inner].astype(float) for frame in frames]
    blur = min(0.5 / pixel_size_nm, min(frames[0].shape) / 8)
    edge = int(np.ceil(blur))  # where the blur has no neighbours on one side
    inside = (slice(edge, -edge or None),) * 2
    frames = [(frame - gaussian_filter(frame, blur))[inside] for frame in frames]
    positions = find_peaks(frames[1], max(2, round(0.1 / pixel_size_nm)))
    if len(positions) < 2:
        return None
    distance = np.median(cKDTree(positions).query(positions, 2)[0][:, 1])
    exclusion = min(0.3 / pixel_size_nm, distance / 2)
    before, after = (peak_snr(frame, positions, exclusion) for frame in frames)
    if not np.isfinite([before, after]).all():
        return None
    return before, after, len(positions)
