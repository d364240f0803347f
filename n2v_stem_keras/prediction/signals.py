"""HyperSpy's Signal2D denoised as it comes: axes and metadata are kept; lazy in, lazy out.

``model.predict(signal)`` calls this module when the object comes from HyperSpy, which is not
imported here; what a signal is as a movie, `io.hyperspy` says.
"""

from __future__ import annotations

import threading

import numpy as np

from ..io import MovieError
from ..io.hyperspy import to_movie
from ..io.metadata import NAMESPACE
from ..provenance import STANDARD_ERROR, of_denoising
from ..series import detector_order
from .lazily import in_axes_of
from .whole import DenoisedMovie


def predict(
    model,
    signal,
    axes=None,
    n_tiles=None,
    *,
    tta=None,
    context="both",
    restore=True,
    detectors=None,
    pixel_size_nm=None,
    engine=None,
    threads=None,
    verbose=True,
):
    """Denoise a signal; see `Predictor.predict`.

    Parameters
    ----------
    model : Predictor
    signal : hyperspy.signals.Signal2D
        Left unchanged.
    axes, n_tiles, tta, context, restore, detectors, pixel_size_nm, engine, threads, verbose
        As in `Predictor.predict`.

    Returns
    -------
    hyperspy.signals.Signal2D
        Float32, of the same class, axes and metadata, with what the model was in
        ``metadata.n2v_stem_keras``. Of a lazy signal lazy, too: it is read once for its
        statistics now (and twice for its drift, if the model looks at the frames around), and each
        frame is denoised when it is computed.

    Raises
    ------
    MovieError, DataError
        See `io.hyperspy.to_movie`; a detector of the model is missing; a lazy signal has more
        detectors than the model.
    """
    movie = _movie_of(model, signal, axes, detectors, pixel_size_nm)
    denoiser = model.denoiser_on(engine, threads)
    denoised = DenoisedMovie(model, denoiser, movie, n_tiles, tta, context, restore, verbose)
    data = _lazily(denoised) if hasattr(signal.data, "compute") else denoised.whole()
    provenance = of_denoising(model, movie, tta, context, restore) | denoised.findings()
    return _like(signal, data, provenance)


def standard_error(
    model,
    signal,
    axes=None,
    n_tiles=None,
    *,
    detectors=None,
    pixel_size_nm=None,
    tta=None,
    context="both",
    restore=True,
    **options,
):
    """Return the standard error of a denoised signal; see `Predictor.standard_error`.

    Parameters
    ----------
    model : Predictor
    signal : hyperspy.signals.Signal2D
        Left unchanged.
    axes, n_tiles, detectors, pixel_size_nm, tta, context, restore, **options
        As in `Predictor.standard_error`.

    Returns
    -------
    hyperspy.signals.Signal2D
        Float32, of the same class, axes and metadata; never lazy.

    Raises
    ------
    MovieError, DataError
        As in `predict`.
    """
    movie = _movie_of(model, signal, axes, detectors, pixel_size_nm)
    how = {"tta": tta, "context": context, "restore": restore}
    data = model.standard_error(movie, None, n_tiles, **how, **options)
    provenance = {**of_denoising(model, movie, **how), "content": STANDARD_ERROR}
    if not hasattr(signal.data, "compute"):
        return _like(signal, data, provenance)
    import dask.array as da

    found = _like(signal, da.from_array(data), provenance)
    found.compute(show_progressbar=False)
    return found


def _movie_of(model, signal, axes, detectors, pixel_size_nm):
    """Return a signal as a movie, all of whose detectors the model takes."""
    movie = to_movie(signal, axes, detectors, pixel_size_nm)
    n_kept = len(detector_order(movie, model.config.channels))
    n_there = movie.n_detectors + len(movie.left_out)
    if n_kept < n_there:
        raise MovieError(
            f"{movie.name}: has {n_there} detectors, the model {n_kept}: choose these "
            "from the signal first, for example signal.inav[0]"
        )
    return movie


def _lazily(denoised: DenoisedMovie):
    """Return a dask array of the denoised movie, in blocks of the frames denoised together."""
    import dask.array as da
    from dask import delayed

    movie, lock, series = denoised.movie, threading.Lock(), []
    height, width = movie.frame_shape
    for s in range(len(denoised.series)):  # the movie is read for its statistics now
        blocks = []
        for numbers in denoised.batches():

            def block(s=s, numbers=numbers):
                with lock:  # the network uses all cores by itself
                    return np.stack(list(denoised.frames(s, numbers)))

            shape = (len(numbers), height, width, movie.n_detectors)
            blocks.append(da.from_delayed(delayed(block)(), shape, np.float32))
        series.append(da.concatenate(blocks))
    return in_axes_of(movie, da.stack(series))


def _like(signal, data, provenance: dict):
    """Return a signal of the same axes and metadata with other data."""
    found = signal._deepcopy_with_new_data(data)
    for key, value in provenance.items():
        found.metadata.set_item(f"{NAMESPACE}.{key}", value)
    return found
