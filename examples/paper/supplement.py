"""What the supplementary figures share: noise at a level, every method, windows and summaries.

A PSNR refers to the range of a frame, and that to its brightest cluster. Frames made for a figure
(pairs, clusters) have another range than those a model was trained on, and the same PSNR would
mean another noise. So these figures add the noise that the *reference test movies* have at the
level, in fractions of the beam: the models then see the noise they were trained on, and A/sigma of
an adatom, which does not depend on clusters, is that of the level.
"""

import warnings

import numpy as np
from common import DETECTORS, PIXEL_NM, as_movie, clean_movies
from panels import SEARCHED

from n2v_stem_keras import baselines, metrics

INK = "#1a1a1a"
DRAWN = (7, 6)  # adatoms as weak as in the paper's experiment
LEVELS = ((16, 16), DRAWN)
FLATTERED = (
    "Gaussian tuned and TV are told the true sigma of the noise and tuned, per detector, on the "
    "truth of the very frames scored, within the paper's search range: flattered. The network "
    "sees no truth."
)


def noise_of_level(reference, psnr_db):
    """Noise of the reference movies at a level.

    Parameters
    ----------
    reference : list of SimulatedMovie
        The test movies.
    psnr_db : sequence of float
        PSNR of each detector [dB].

    Returns
    -------
    sigma : numpy.ndarray
        (C,) standard deviation, mean over frames and movies [fraction of the beam].
    snr : numpy.ndarray
        (C,) A/sigma of a lone adatom, mean over movies; negative in BF, where adatoms are dark.
    """
    ranges = np.mean([np.ptp(movie.clean, axis=(1, 2)).mean(axis=0) for movie in reference], axis=0)
    sigma = ranges / 10 ** (np.asarray(psnr_db) / 20)
    snr = [
        [
            metrics.adatom_snr(movie.clean[..., c], movie.positions, sigma[c], PIXEL_NM)
            for c in range(len(DETECTORS))
        ]
        for movie in reference
    ]
    return sigma, np.nanmean(snr, axis=0)


def reference_noise(scale, psnr_db):
    """`noise_of_level` of the test movies of a scale."""
    return noise_of_level(clean_movies(scale, "test"), psnr_db)


def with_noise(clean, sigma, seed):
    """Add white noise of a standard deviation per detector to (..., Y, X, C) frames."""
    noise = np.random.default_rng(seed).standard_normal(clean.shape, np.float32)
    return (clean + np.asarray(sigma, np.float32) * noise).astype(np.float32)


def denoise_all(noisy, clean, sigma, models):
    """Denoise movies by every method of the paper.

    Parameters
    ----------
    noisy, clean : numpy.ndarray
        (S, T, Y, X, C).
    sigma : numpy.ndarray
        (C,) of the noise.
    models : dict
        label -> N2VStem, trained at this noise.

    Returns
    -------
    frames : dict
        Method -> (S, T, Y, X, C), from the noisy frames to the truth.
    about : dict
        Parameters found, and what the model warned of.
    """
    one_px = np.stack(
        [
            np.stack([baselines.gaussian(frame[..., c], 1.0) for c in range(len(DETECTORS))], -1)
            for frame in noisy.reshape(-1, *noisy.shape[2:])
        ]
    )
    gaussian, sigma_px = baselines.tune("gaussian", noisy, clean, values=SEARCHED["gaussian"])
    tv, weight = baselines.tune("tv", noisy, clean, noise_sigma=sigma, values=SEARCHED["tv"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        learned = {label: model.predict(as_movie(noisy)) for label, model in models.items()}
    frames = {
        "noisy": noisy,
        "Gaussian 1 px": one_px.reshape(noisy.shape),
        "Gaussian tuned": gaussian,
        "TV": tv,
        **learned,
        "truth": clean,
    }
    parameters = {
        "Gaussian tuned": {"sigma_px": dict(zip(DETECTORS, sigma_px))},
        "TV": {"weight_in_noise_sigmas": dict(zip(DETECTORS, weight))},
    }
    return frames, {"parameters": parameters, "warnings": [str(w.message) for w in caught]}


def scores(clean, frames):
    """PSNR [dB], SSIM and N-RMSE of each method but the truth: method -> detector -> metric.

    Parameters
    ----------
    clean : numpy.ndarray
        (..., Y, X, C); the data range is max - min of each frame and detector.
    frames : dict
        Method -> array of this shape.
    """
    return {
        method: {
            detector: {name: float(values.mean()) for name, values in found.items()}
            for detector, found in metrics.score(clean, image, DETECTORS).items()
        }
        for method, image in frames.items()
        if method != "truth"
    }


def spread(values):
    """Summarise numbers: median, 16th and 84th percentile, mean, and how many there are.

    Numbers that are nan (nothing to measure) are left out and counted.
    """
    values = np.asarray(values, float).ravel()
    finite = values[np.isfinite(values)]
    if not finite.size:
        return {"median": None, "n": 0, "n_lost": int(values.size)}
    low, median, high = np.percentile(finite, (16, 50, 84))
    return {
        "median": median,
        "p16": low,
        "p84": high,
        "mean": finite.mean(),
        "n": int(finite.size),
        "n_lost": int(values.size - finite.size),
    }


def new_figure(n_columns, panel_in, **kwargs):
    """Figure with one row of axes, panels of (width, height) [in], without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((panel_in[0] * n_columns, panel_in[1]), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, n_columns, squeeze=False, **kwargs)[0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8, length=2)
    return figure, axes
