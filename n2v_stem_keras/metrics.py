"""How good is a denoised image: PSNR, SSIM and N-RMSE against a truth, peak SNR without one.

The measures of the paper (Methods, noise metrics). The data range R of all of them is max - min
of each clean frame and detector, where the paper leaves its own unstated: PSNR and N-RMSE depend
on it, hence on the brightest cluster in the frame, so print the adatoms' peak SNR beside them.

Images are (Y, X), or (..., Y, X, C) with the frames in front and the detectors last; the results
are a number, or an array (..., C). A stack (T, Y, X) of one detector needs its channel axis:
``stack[..., None]``.
"""

from __future__ import annotations

import numpy as np


def psnr(truth, image, data_range=None):
    """Peak signal-to-noise ratio [dB], 10 log10(R^2 / MSE); infinite for equal images.

    Parameters
    ----------
    truth, image : array_like
        (Y, X) or (..., Y, X, C).
    data_range : float or array_like, optional
        R, one number or (..., C); by default max - min of each clean frame and detector.

    Returns
    -------
    float or numpy.ndarray
        One number, or (..., C).
    """
    truth, image = _pair(truth, image)
    data_range = _range(truth) if data_range is None else np.asarray(data_range, float)
    with np.errstate(divide="ignore"):
        return _number(20 * np.log10(data_range) - 10 * np.log10(_mse(truth, image)))


def nrmse(truth, image, data_range=None):
    """Root-mean-square error as a fraction of the range, RMSE / R = 10^(-PSNR / 20).

    Parameters and returned shape are those of `psnr`. The paper normalises by the range too,
    not by the mean as scikit-image does by default.
    """
    truth, image = _pair(truth, image)
    data_range = _range(truth) if data_range is None else np.asarray(data_range, float)
    return _number(np.sqrt(_mse(truth, image)) / data_range)


def ssim(truth, image, data_range=None):
    """Mean structural similarity, scikit-image's defaults (7x7 uniform window), range R.

    Wang et al., IEEE Trans. Image Process. 13, 600 (2004). Parameters and returned shape are
    those of `psnr`.
    """
    from skimage.metrics import structural_similarity

    truth, image = _pair(truth, image)
    data_range = _range(truth) if data_range is None else np.asarray(data_range, float)
    data_range = np.broadcast_to(data_range, _range(truth, check=False).shape)
    if truth.ndim == 2:
        return float(structural_similarity(truth, image, data_range=float(data_range)))
    out = np.empty(data_range.shape)
    for index in np.ndindex(out.shape):
        frame = (*index[:-1], slice(None), slice(None), index[-1])
        out[index] = structural_similarity(truth[frame], image[frame], data_range=data_range[index])
    return out


METRICS = {"psnr": psnr, "ssim": ssim, "nrmse": nrmse}


def score(truth, image, detectors):
    """Tabulate every metric per frame and detector.

    Parameters
    ----------
    truth, image : array_like
        (..., Y, X, C); the axes in front are run together as frames.
    detectors : sequence of str
        C names.

    Returns
    -------
    dict
        detector -> metric ("psnr" [dB], "ssim", "nrmse") -> (frames,) float64.
    """
    truth, image = _pair(truth, image)
    if truth.ndim < 3 or truth.shape[-1] != len(detectors):
        raise ValueError(
            f"images of shape {truth.shape} for the detectors {tuple(detectors)}; "
            f"expected (..., Y, X, {len(detectors)})"
        )
    table = {name: metric(truth, image) for name, metric in METRICS.items()}
    return {
        detector: {name: value[..., c].reshape(-1) for name, value in table.items()}
        for c, detector in enumerate(detectors)
    }


def peak_snr(image, positions, exclusion_px):
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
    exclusion_px : float
        Pixels farther than this from every position are background [px].

    Returns
    -------
    float
        Mean over the positions; nan without positions or without background.
    """
    from scipy.spatial import cKDTree

    image, positions = np.asarray(image, float), np.asarray(positions, float).reshape(-1, 2)
    nearest = np.rint(positions).astype(int)
    if np.any(nearest < 0) or np.any(nearest >= image.shape):
        raise ValueError(f"positions outside the image of shape {image.shape}; leave them out")
    if not len(positions):
        return float("nan")
    pixels = np.moveaxis(np.indices(image.shape), 0, -1).reshape(-1, 2)
    distance = cKDTree(positions).query(pixels)[0].reshape(image.shape)
    background = image[distance > exclusion_px]
    if background.size == 0 or background.std() == 0:
        return float("nan")
    height = image[nearest[:, 0], nearest[:, 1]].mean() - background.mean()
    return float(height / background.std())


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
    (a lattice).
    """
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree

    pixel_size_nm = pixel_size_nm or 0.046
    sign = -1.0 if dark else 1.0
    frames = [sign * np.asarray(frame, float) for frame in (raw, denoised)]
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


def busiest_window(image, side_px, dark=False, pixel_size_nm=None):
    """Find the square of a frame in which peaks stand out most, for a picture.

    Parameters
    ----------
    image : array_like
        (Y, X), denoised.
    side_px : int
        Side of the square [px].
    dark, pixel_size_nm
        As in `peak_gain`.

    Returns
    -------
    window : (slice, slice)
        The central square if no peak is found; the whole frame if it is smaller.
    score : float
        Sum of the squared heights of its peaks above the local background, over the variance of
        the square: how much of what a picture shows are peaks.
    """
    from scipy.ndimage import gaussian_filter

    image = np.asarray(image, float) * (-1.0 if dark else 1.0)
    flat = image - gaussian_filter(image, 0.5 / (pixel_size_nm or 0.046))
    peaks = find_peaks(flat, 4)
    squares = flat[tuple(peaks.T)] ** 2 if len(peaks) else np.zeros(0)
    starts = [range(0, max(1, n - side_px + 1), max(1, side_px // 8)) for n in image.shape]
    centre = tuple(max(0, (n - side_px) // 2) for n in image.shape)

    def score(corner):
        inside = (peaks >= corner) & (peaks < np.add(corner, side_px))
        total = squares[inside.all(axis=1)].sum()
        shown = image[tuple(slice(start, start + side_px) for start in corner)]
        return float(total / shown.var()) if total > 0 else 0.0

    best = max([centre, *((y, x) for y in starts[0] for x in starts[1])], key=score)
    return tuple(slice(start, start + side_px) for start in best), score(best)


def _pair(truth, image):
    """Both images as float64 of one shape, at least 2-D."""
    truth, image = np.asarray(truth, float), np.asarray(image, float)
    if truth.shape != image.shape or truth.ndim < 2:
        raise ValueError(
            f"truth has shape {truth.shape}, image {image.shape}; "
            "expected twice the same, (Y, X) or (..., Y, X, C)"
        )
    return truth, image


def _axes(image):
    """Axes Y and X."""
    return (0, 1) if image.ndim == 2 else (-3, -2)


def _mse(truth, image):
    """Mean squared error per frame and detector, (..., C)."""
    return np.mean((truth - image) ** 2, axis=_axes(truth))


def _range(truth, check=True):
    """Max - min per frame and detector, (..., C)."""
    data_range = np.ptp(truth, axis=_axes(truth))
    if check and np.any(data_range == 0):
        raise ValueError("a clean frame is constant, so it has no range; give data_range")
    return data_range


def _number(value):
    """Return a plain float where there is one number only."""
    return float(value) if np.ndim(value) == 0 else value
