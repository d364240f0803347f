"""HyperSpy's Signal2D as a movie; frames of a lazy one are computed when they are asked for.

HyperSpy is not imported here: a signal is recognised by its class and brings all that is needed.
The image is the signal's two signal axes; of its navigation axes, one in time (or without a unit)
is T, one called ``detector`` or ``channel`` is C, one called ``series`` is S.
"""

from __future__ import annotations

import numpy as np

from .files import warn_many_detectors
from .metadata import guess_detector
from .movie import Movie, MovieError, arrange, check_dtype, unmasked
from .signal import beam_energy, own_tags, read_axes


def is_signal(thing) -> bool:
    """Return whether an object comes from HyperSpy, or from a package built on it."""
    return any(kind.__module__.partition(".")[0] == "hyperspy" for kind in type(thing).__mro__)


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
    if axes is None and detectors is None:
        warn_many_detectors(movie)
    movie = movie if detectors is None else movie.with_detectors(detectors)
    return movie if pixel_size_nm is None else movie.replace(pixel_size_nm=pixel_size_nm)


def _entry(axis) -> dict:
    """Return one of HyperSpy's axes as RosettaSciIO describes it."""
    entry = {"name": axis.name, "units": axis.units, "navigate": axis.navigate}
    entry = {key: value if _is_set(value) else "" for key, value in entry.items()}
    step = "scale" if hasattr(axis, "scale") else "axis"  # the latter where they are uneven
    return entry | {step: getattr(axis, step)}


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
        frame = unmasked(frame, f"{title}: frame s={s}, t={t}")
        return np.array(arrange(np.asarray(frame), frame_axes, "YXC"), dtype=dtype, order="C")

    return read_frame
