"""HyperSpy's Signal2D: denoised as it comes, with axes and metadata kept; lazy in, lazy out.

``model.predict(signal)`` and ``model.train(signal)`` call this module when the object comes from
HyperSpy (or a package built on it), which is not imported here: a signal brings all that is needed.
The image is the signal's two signal axes; of its navigation axes, one in time (or without a unit)
is T, one called ``detector`` or ``channel`` is C, one called ``series`` is S.
"""

from __future__ import annotations

import threading

import numpy as np

from ..io import Movie, MovieError
from ..io.metadata import NAMESPACE, guess_detector
from ..io.movie import arrange, check_dtype
from ..io.signal import beam_energy, own_tags, read_axes
from ..prediction import whole as prediction
from ..provenance import of_denoising
from ..series import detector_order


def to_movie(
    signal, axes: str | None = None, detectors=None, pixel_size_nm: float | None = None
) -> Movie:
    """Return a signal as a movie; frames of a lazy signal are computed when asked for.

    Parameters
    ----------
    signal : hyperspy.signals.Signal2D
        Image, stack of images, or several detectors of either.
    axes : str, optional
        Letters of ``STCYX`` for the axes of ``signal.data``, instead of what their names mean.
    detectors, pixel_size_nm
        Instead of what the signal says; see `io.Movie`.

    Raises
    ------
    MovieError
        If the signal is no image in real space: a spectrum, a diffraction pattern, 4D-STEM.
    """
    data, metadata = signal.data, signal.metadata.as_dictionary()
    title = str(metadata.get("General", {}).get("title") or "signal")
    entries = [_entry(axis) for axis in signal.axes_manager._axes]
    if not entries or len(entries) != data.ndim:
        raise MovieError(f"{title}: a signal of shape {data.shape} is not a movie")
    said = read_axes(entries, data.shape, title, axes)
    own = own_tags(metadata)
    names = own.get("detectors")
    if names is None and "C" not in said.axes and guess_detector(title):
        names = (guess_detector(title),)
    if names is not None and len(names) != dict(zip(said.axes, data.shape)).get("C", 1):
        names = None
    movie = Movie(
        title,
        said.axes,
        data.shape,
        data.dtype,
        _reader(data, said.axes, title),
        detectors=names,
        pixel_size_nm=said.pixel_size_nm,
        frame_time_s=said.frame_time_s,
        voltage_kV=beam_energy(metadata),
        axes_guessed=said.guessed,
        provenance=own.get("provenance"),
    )
    given = {"detectors": detectors, "pixel_size_nm": pixel_size_nm}
    return movie.replace(**{key: value for key, value in given.items() if value is not None})


def _entry(axis) -> dict:
    """Return one of HyperSpy's axes as RosettaSciIO describes it."""
    entry = {"name": axis.name, "units": axis.units, "navigate": axis.navigate}
    return {key: value if _is_set(value) else "" for key, value in entry.items()} | {
        "scale": getattr(axis, "scale", 1.0)
    }


def _is_set(value) -> bool:
    """Return whether an attribute of an axis is set; HyperSpy marks others with ``t.Undefined``."""
    return isinstance(value, (str, bool))


def _reader(data, axes: str, title: str):
    """Return the function that reads one frame of a numpy or dask array."""
    dtype = check_dtype(data.dtype, title)
    frame_axes = axes.replace("S", "").replace("T", "")

    def read_frame(s: int, t: int) -> np.ndarray:
        frame = data[tuple({"S": s, "T": t}.get(a, slice(None)) for a in axes)]
        if hasattr(frame, "compute"):
            frame = frame.compute(scheduler="synchronous")
        return np.array(arrange(np.asarray(frame), frame_axes, "YXC"), dtype=dtype, order="C")

    return read_frame


def predict(
    model,
    signal,
    axes=None,
    n_tiles=None,
    *,
    tta=False,
    detectors=None,
    pixel_size_nm=None,
    engine=None,
    threads=None,
):
    """Denoise a signal; see `Predictor.predict`.

    Parameters
    ----------
    model : Predictor
    signal : hyperspy.signals.Signal2D
        Left unchanged.
    axes, n_tiles, tta, detectors, pixel_size_nm, engine, threads
        As in `Predictor.predict`.

    Returns
    -------
    hyperspy.signals.Signal2D
        Float32, of the same class, axes and metadata, with what the model was in
        ``metadata.n2v_stem_keras``. Of a lazy signal lazy, too: it is read once for its
        statistics now, and each frame is denoised when it is computed.

    Raises
    ------
    MovieError, DataError
        See `to_movie`; a detector of the model is missing; a lazy signal has more detectors than
        the model.
    """
    movie = to_movie(signal, axes, detectors, pixel_size_nm)
    denoiser = model.denoiser_on(engine, threads)
    kept = detector_order(movie, model.config.channels)
    if len(kept) < movie.n_detectors:
        raise MovieError(
            f"{movie.name}: has {movie.n_detectors} detectors, the model {len(kept)}: choose these "
            "from the signal first, for example signal.inav[0]"
        )
    if hasattr(signal.data, "compute"):
        data = _lazily(model, denoiser, movie, n_tiles, tta)
    else:
        data = prediction.whole(model, denoiser, movie, n_tiles, tta)
    return _like(signal, data, of_denoising(model, movie, tta))


def _lazily(model, denoiser, movie: Movie, n_tiles, tta):
    """Return a dask array of the denoised movie, in blocks of the frames denoised together."""
    import dask.array as da
    from dask import delayed

    lazy = prediction.LazyMovie(model, denoiser, movie, n_tiles, tta)
    lock, series = threading.Lock(), []
    height, width = movie.frame_shape
    for s in range(movie.n_series):
        blocks = []
        for numbers in lazy.batches():

            def block(s=s, numbers=numbers):
                with lock:  # the network uses all cores by itself
                    return np.stack(list(lazy.frames(s, numbers)))

            shape = (len(numbers), height, width, movie.n_detectors)
            blocks.append(da.from_delayed(delayed(block)(), shape, np.float32))
        series.append(da.concatenate(blocks))
    arranged = da.stack(series)  # (S, T, Y, X, C)
    order = [a for a in "STYXC" if a in movie.axes]
    arranged = arranged[tuple(slice(None) if a in movie.axes else 0 for a in "STYXC")]
    return arranged.transpose([order.index(a) for a in movie.axes])


def _like(signal, data, provenance: dict):
    """Return a signal of the same axes and metadata with other data."""
    found = signal._deepcopy_with_new_data(data)
    for key, value in provenance.items():
        found.metadata.set_item(f"{NAMESPACE}.{key}", value)
    return found
