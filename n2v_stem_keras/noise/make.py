"""Make the noise and the distortions of STEM scans on clean frames, from a seed.

The paper (Methods, simulation) adds white Gaussian noise at a chosen PSNR, and compares Poisson
noise at two fluences (Fig. S5). Real scans depart from both: detector after-glow along the fast
axis x, displaced scan lines, row offsets, and, in the paper's cell, 30-50 nm of liquid around the
specimen. These are here too, so that what a denoiser does to them can be scored.

Order of events at the microscope: the lines are displaced (`scan_line_jitter`), electrons are
counted (`add_poisson_noise`, or `add_white_noise`), the detector glows on (`after_glow`), the
amplifier drifts from row to row (`row_offsets`). The truth to score against is the clean frame
through the same distortions: with the same seed `scan_line_jitter` and `row_offsets` do the same to
any frames of the same shape, clean or noisy.

Frames are (..., Y, X, C), X the fast scan axis; results are new float32 arrays.
"""

from __future__ import annotations

import numpy as np


def add_white_noise(clean, psnr_db, seed):
    """Add white Gaussian noise at a given PSNR to each frame and detector.

    Parameters
    ----------
    clean : array_like
        (..., Y, X, C); left as it is.
    psnr_db : float or sequence of float
        PSNR [dB], one for all or one per detector, where the data range R is max - min of each
        clean frame and detector: sigma = R / 10^(psnr / 20).
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32.
    """
    clean = _frames(clean)
    rng = np.random.default_rng(seed)
    data_range = np.ptp(clean, axis=(-3, -2), keepdims=True).astype(np.float32)
    sigma = data_range / 10 ** (np.asarray(psnr_db, np.float32) / 20)
    return (clean + sigma * rng.standard_normal(clean.shape, np.float32)).astype(np.float32)


def add_poisson_noise(clean, dose_e_px, seed, gain=1.0, offset=0.0, readout_e=0.0, liquid=None):
    """Count electrons: Poisson noise, then readout noise, gain and offset.

    counts = gain * (Poisson(dose * (clean + liquid)) + readout * N(0, 1)) + offset, so that
    var = gain * mean + gain^2 * readout^2 - gain * offset. The paper's two fluences (Fig. S5) are
    about 350 and 1860 e-/px a frame.

    Parameters
    ----------
    clean : array_like
        (..., Y, X, C) [fraction of the beam]; left as it is.
    dose_e_px : float or sequence of float
        Electrons of the beam per pixel and frame [e-/px]. This and the next three: one for all
        detectors, or one per detector.
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness.
    gain : float or sequence of float
        [counts/e-].
    offset : float or sequence of float
        [counts].
    readout_e : float or sequence of float
        Standard deviation of the readout noise [e-].
    liquid : array_like, optional
        Signal of the liquid, broadcast against `clean` [fraction of the beam]; see
        `liquid_background`.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32 [counts].

    Raises
    ------
    ValueError
        Dose or gain are not positive, readout noise is negative, or clean plus liquid is negative
        or not finite somewhere.

    See Also
    --------
    expected_counts : the truth to score against.
    """
    if np.any(np.asarray(readout_e) < 0):
        raise ValueError(f"readout_e is {readout_e}; expected 0 or more electrons")
    expected = _expected_electrons(clean, dose_e_px, liquid)
    gain = _positive(gain, "gain", "counts/e-")
    rng = np.random.default_rng(seed)
    counted = rng.poisson(expected) + readout_e * rng.standard_normal(expected.shape)
    return (gain * counted + offset).astype(np.float32)


def expected_counts(clean, dose_e_px, gain=1.0, offset=0.0, liquid=None):
    """Mean of what `add_poisson_noise` draws: the truth to score against.

    The liquid belongs to it: it is signal, which a denoiser must keep.

    Parameters
    ----------
    clean, dose_e_px, gain, offset, liquid
        As for `add_poisson_noise`.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32 [counts].

    Raises
    ------
    ValueError
        Dose or gain are not positive, or clean plus liquid is negative or not finite somewhere.
    """
    electrons = _expected_electrons(clean, dose_e_px, liquid)
    return (_positive(gain, "gain", "counts/e-") * electrons + offset).astype(np.float32)


def liquid_background(
    shape, n_frames, level, seed, roughness=0.2, correlation_px=60.0, correlation_frames=np.inf
):
    """Signal of a liquid film whose thickness varies slowly over the field and in time.

    The thickness is exp(roughness * g - roughness^2 / 2), of mean 1 and always positive, where g is
    white noise through a Gaussian filter, of unit variance. From frame to frame g is an
    autoregressive process of first order.

    Parameters
    ----------
    shape : tuple of int
        (Y, X) [px].
    n_frames : int
        Frames T.
    level : float or sequence of float
        Mean signal of the liquid [fraction of the beam], one for all detectors or one for each.
        Positive in ADF; in BF the liquid scatters electrons away: negative.
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness.
    roughness : float
        Standard deviation of the logarithm of the thickness, about its relative variation.
    correlation_px : float
        Distance at which the autocorrelation of g has fallen to 1/e [px]; 60 px are 2.8 nm at
        0.046 nm/px.
    correlation_frames : float
        Number of frames after which it has fallen to 1/e in time; the default is a still film.

    Returns
    -------
    numpy.ndarray
        (T, Y, X, C) float32 [fraction of the beam], C the number of levels; periodic in Y and X.

    Raises
    ------
    ValueError
        A correlation is not positive, the roughness is negative, or there is no frame.
    """
    from scipy.ndimage import fourier_gaussian

    if n_frames < 1 or roughness < 0 or not correlation_px > 0 or not correlation_frames > 0:
        raise ValueError(
            f"n_frames {n_frames}, roughness {roughness}, correlation_px {correlation_px}, "
            f"correlation_frames {correlation_frames}; expected at least 1, 0 or more, and two "
            "positive numbers"
        )
    rng = np.random.default_rng(seed)
    sigma = correlation_px / 2  # filtered noise correlates as exp(-r^2 / (4 sigma^2))
    strength = np.sqrt(np.mean(fourier_gaussian(np.ones(shape), sigma) ** 2))
    memory = np.exp(-1 / correlation_frames)
    level = np.atleast_1d(np.asarray(level, float))
    film = np.empty((n_frames, *shape, len(level)), np.float32)
    g = 0.0
    for t in range(n_frames):
        if t == 0 or memory < 1:
            spectrum = fourier_gaussian(np.fft.fft2(rng.standard_normal(shape)), sigma)
            fresh = np.fft.ifft2(spectrum).real / strength
            g = fresh if t == 0 else memory * g + np.sqrt(1 - memory**2) * fresh
        thickness = np.exp(roughness * g - roughness**2 / 2)
        film[t] = thickness[..., None] * level  # (Y, X, C)
    return film


def after_glow(frames, rho1):
    """Let every pixel glow on into those scanned after it.

    A causal convolution along x with the kernel (1 - rho1) rho1^k, k = 0, 1, ..., which sums to
    1. White noise that passes it has the autocorrelation rho1^k and the standard deviation
    sqrt((1 - rho1) / (1 + rho1)) of before. The truth to score against is the clean frame
    through the same function. Before the first pixel of a row its own value is taken.

    Parameters
    ----------
    frames : array_like
        (..., Y, X, C); left as it is.
    rho1 : float
        Lag-1 autocorrelation that white noise gets, 0 <= rho1 < 1.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32.
    """
    from scipy.signal import lfilter

    frames = _frames(frames)
    if not 0 <= rho1 < 1:
        raise ValueError(f"rho1 is {rho1}; expected 0 <= rho1 < 1")
    before = rho1 * frames[..., :1, :]
    return lfilter([1 - rho1], [1, -rho1], frames, axis=-2, zi=before)[0].astype(np.float32)


def scan_line_jitter(frames, sigma_px, seed, correlation=0.0):
    """Displace each scan line along x by a random part of a pixel.

    There is one beam: a line is displaced alike on all detectors, and anew in each frame. The
    value at x becomes that at x + displacement (cubic spline along x; beyond the edge, the
    edge's value). Give it clean frames and add noise afterwards: interpolation would
    correlate noise that is already there. Steep places of the image then scatter from row to
    row, which the noise estimators see as noise with the image's own slow correlation along x.

    Parameters
    ----------
    frames : array_like
        (..., Y, X, C); left as it is.
    sigma_px : float
        Standard deviation of the displacement [px].
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness; the displacements depend on it and on (..., Y) only.
    correlation : float
        Correlation of the displacements of neighbouring lines, 0 <= correlation < 1.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32.

    Raises
    ------
    ValueError
        The displacement is negative, or the correlation outside its range.
    """
    from scipy.ndimage import map_coordinates
    from scipy.signal import lfilter

    frames = _frames(frames)
    if sigma_px < 0 or not 0 <= correlation < 1:
        raise ValueError(
            f"sigma_px is {sigma_px}, correlation {correlation}; expected 0 or more pixels and "
            "0 <= correlation < 1"
        )
    draws = np.random.default_rng(seed).standard_normal(frames.shape[:-2])  # (..., Y)
    draws[..., 1:] *= np.sqrt(1 - correlation**2)  # so that the process is stationary
    displacement = sigma_px * lfilter([1], [1, -correlation], draws, axis=-1)
    y, x = np.indices(frames.shape[-3:-1], float)
    jittered = np.empty(frames.shape, np.float32)
    for index in np.ndindex(frames.shape[:-3]):
        places = np.stack([y, x + displacement[index][:, None]])  # (2, Y, X)
        for c in range(frames.shape[-1]):
            image = frames[index][..., c].astype(float)
            jittered[(*index, ..., c)] = map_coordinates(image, places, order=3, mode="nearest")
    return jittered


def row_offsets(frames, sigma, seed):
    """Add one normal random number to each row of each frame and detector.

    Parameters
    ----------
    frames : array_like
        (..., Y, X, C); left as it is.
    sigma : float or array_like
        Standard deviation [the frames' unit], one for all or one per detector.
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness; the offsets depend on it and on (..., Y, C) only.

    Returns
    -------
    numpy.ndarray
        (..., Y, X, C) float32.
    """
    frames = _frames(frames)
    shape = (*frames.shape[:-2], 1, frames.shape[-1])
    offsets = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return (frames + np.asarray(sigma, np.float32) * offsets).astype(np.float32)


def _expected_electrons(clean, dose_e_px, liquid):
    """Mean number of electrons counted, (..., Y, X, C) float64."""
    signal = _frames(clean).astype(np.float64)
    if liquid is not None:
        signal = _with_liquid(signal, np.asarray(liquid))
    if not signal.min() >= 0 or not np.isfinite(signal.max()):
        raise ValueError(
            f"clean plus liquid ranges from {signal.min():.4g} to {signal.max():.4g}; expected "
            "finite fractions of the beam, 0 or more"
        )
    return _positive(dose_e_px, "dose_e_px", "e-/px") * signal


def _with_liquid(signal, liquid):
    """Add the liquid's signal to the specimen's; the shape must stay the specimen's."""
    try:
        return signal + np.broadcast_to(liquid, signal.shape)
    except ValueError:
        raise ValueError(
            f"liquid has shape {liquid.shape}, which does not fit clean {signal.shape}; expected "
            "(..., Y, X, C) or (..., Y, X, 1), as liquid_background makes it"
        ) from None


def _positive(value, name, unit):
    value = np.asarray(value, float)
    if not np.all(value > 0):
        raise ValueError(f"{name} is {value.tolist()}; expected a positive number [{unit}]")
    return value


def _frames(frames):
    """At least (Y, X, C)."""
    frames = np.asarray(frames)
    if frames.ndim < 3:
        raise ValueError(f"frames have shape {frames.shape}; expected (..., Y, X, C)")
    return frames
