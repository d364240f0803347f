"""Denoisers of one frame (Y, X) or one movie (T, Y, X), each with one parameter.

All of them commute with gain and offset: what they do to a * frame + b is a times what they do to
the frame, plus b, where the noise sigma (the gain, the offset) is given in the frame's unit.
Strengths are in units of the noise sigma, so that one number suits every detector.

Differences from the packages' defaults, measured on simulated frames of gold on graphene:

- TV. scikit-image stops Chambolle's iteration at a relative change of 2e-4, long before it has
  converged: error against weight is then jagged, and the best weight gives 0.1 to 2.6 dB less.
  Here it goes on to 1e-7 or for 1000 iterations, which is within 0.1 dB of 10 000 iterations and
  takes about twenty times as long as the default.
- BM3D. Noise is white here, so the package's model of its spectrum is computed on 16x16 instead
  of 32x32 frequencies: PSNR changes by less than 0.2 dB either way, in 0.4 of the time. More
  than one thread makes it slower. The package has absolute constants that spoil frames of small
  numbers, so frames are scaled to a noise sigma of 1.
"""

from __future__ import annotations

import numpy as np

from .counts import anscombe, inverse_anscombe

_TV_TOLERANCE, _TV_ITERATIONS = 1e-7, 1000
_BM3D_FREQUENCIES = 16
_BM3D_BLOCK = 8  # side of the blocks that BM3D compares [px]


def gaussian(frame, sigma_px):
    """Blur a frame.

    Parameters
    ----------
    frame : array_like
        (Y, X); left as it is.
    sigma_px : float
        Standard deviation of the Gaussian [px].

    Returns
    -------
    numpy.ndarray
        (Y, X) float32.
    """
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(_frame(frame).astype(np.float32), sigma_px, mode="reflect")


def tv(frame, weight, noise_sigma=1.0):
    """Denoise a frame by total variation.

    Chambolle, J. Math. Imaging Vis. 20, 89 (2004), by scikit-image.

    Parameters
    ----------
    frame : array_like
        (Y, X); left as it is.
    weight : float
        Chambolle's 1/lambda in units of the noise sigma, so that it means the same at any gain.
    noise_sigma : float
        Standard deviation of the noise [the frame's unit].

    Returns
    -------
    numpy.ndarray
        (Y, X) float32.
    """
    from skimage.restoration import denoise_tv_chambolle

    frame = _frame(frame)
    if noise_sigma <= 0:
        return frame.astype(np.float32)
    offset = frame.mean()  # Chambolle's stopping rule is relative to the frame's energy
    scaled = denoise_tv_chambolle(
        ((frame - offset) / noise_sigma).astype(np.float32),
        weight=weight,
        eps=_TV_TOLERANCE,
        max_num_iter=_TV_ITERATIONS,
    )
    return (scaled * float(noise_sigma) + offset).astype(np.float32)


def bm3d(frame, strength, noise_sigma):
    """Denoise a frame by block matching and 3-D filtering.

    Dabov et al., IEEE Trans. Image Process. 16, 2080 (2007), as revised by Makinen et al., ibid.
    29, 8339 (2020), by their package bm3d: both stages of its profile "np". The package is for
    non-commercial use.

    Parameters
    ----------
    frame : array_like
        (Y, X), at least 8x8 px; left as it is.
    strength : float
        Standard deviation of the noise that BM3D is told [noise sigma].
    noise_sigma : float
        Standard deviation of the noise [the frame's unit].

    Returns
    -------
    numpy.ndarray
        (Y, X) float32.

    Raises
    ------
    ImportError
        If the package bm3d is missing or does not load.
    ValueError
        If the frame is smaller than BM3D's blocks.
    """
    package = import_bm3d()
    frame = _frame(frame)
    if min(frame.shape) < _BM3D_BLOCK:
        raise ValueError(
            f"the frame has {frame.shape} px; BM3D compares blocks of {_BM3D_BLOCK}x{_BM3D_BLOCK} "
            "px and needs at least one"
        )
    if noise_sigma <= 0:
        return frame.astype(np.float32)
    profile = package.BM3DProfile()
    profile.nf, profile.num_threads = _BM3D_FREQUENCIES, 1
    offset = frame.mean()
    denoised = package.bm3d((frame - offset) / noise_sigma, float(strength), profile)
    return (denoised * noise_sigma + offset).astype(np.float32)


def anscombe_bm3d(frame, strength, gain, offset=0.0, readout=0.0):
    """Denoise counts by BM3D between the generalised Anscombe transform and its inverse.

    Parameters
    ----------
    frame : array_like
        (Y, X), at least 8x8 px; left as it is.
    strength : float
        Standard deviation of the noise that BM3D is told, in units of that of the transformed
        counts, which is about 1.
    gain, offset, readout : float
        The detector, as for `anscombe` [the frame's unit].

    Returns
    -------
    numpy.ndarray
        (Y, X) float32.

    Raises
    ------
    ImportError, ValueError
        As for `bm3d` and `anscombe`.
    """
    denoised = bm3d(anscombe(_frame(frame), gain, offset, readout), strength, 1.0)
    return inverse_anscombe(denoised, gain, offset, readout).astype(np.float32)


def temporal_mean(movie, k):
    """Average the frames around each frame.

    Parameters
    ----------
    movie : array_like
        (T, Y, X); left as it is.
    k : int
        Frames to average, odd: each frame and its (k - 1) / 2 neighbours on both sides. At the
        ends of the movie only those that exist.

    Returns
    -------
    numpy.ndarray
        (T, Y, X) float32.

    Raises
    ------
    ValueError
        If the movie has other axes, or k is not an odd number of 1 or above.
    """
    movie = np.asarray(movie)
    if movie.ndim != 3:
        raise ValueError(f"the movie has shape {movie.shape}; expected (T, Y, X)")
    if k != int(k) or k < 1 or k % 2 == 0:
        raise ValueError(f"k is {k}; expected an odd number of frames, 1 or above")
    first, last = temporal_window(len(movie), int(k))
    sums = np.concatenate([np.zeros((1, *movie.shape[1:])), np.cumsum(movie, axis=0, dtype=float)])
    return ((sums[last] - sums[first]) / (last - first)[:, None, None]).astype(np.float32)


def temporal_window(n_frames, k):
    """First frame and one beyond the last frame averaged, (T,) each, for every frame."""
    frame, half = np.arange(n_frames), k // 2
    return np.maximum(frame - half, 0), np.minimum(frame + half + 1, n_frames)


def import_bm3d():
    """Return the package bm3d, or raise an ImportError that says how to get it."""
    try:
        import bm3d
    except ImportError as error:
        raise ImportError(
            "BM3D needs the package bm3d: pip install 'n2v_stem_keras[baselines]'"
        ) from error
    except OSError as error:  # it wraps a compiled library, made for a few platforms
        raise ImportError(f"BM3D's library does not load on this machine: {error}") from error
    return bm3d


def _frame(frame):
    """As (Y, X) float64."""
    frame = np.asarray(frame, float)
    if frame.ndim != 2:
        raise ValueError(f"the frame has shape {frame.shape}; expected (Y, X), one detector")
    return frame
