"""Open movies as layers: one lazy image layer for each detector, in nanometres.

Whatever `io.read_movie` reads. Axes of a layer are S, T (where the movie has them), Y, X; frames
are read when they are shown.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...atoms import sign_of
from ...io import Movie, read_movie
from ...io.files import movie_name, split_inside
from ...io.metadata import NAMESPACE, guess_detector
from ...io.read import is_movie_folder, knows_suffix
from ...plot.frames import display_range

SAMPLED = 3  # frames that the contrast limits are taken from


def get_reader(path: str | list[str]) -> Callable | None:
    """Return the function that makes layers of a file, None if no reader knows it.

    Parameters
    ----------
    path : str or list of str
        Several files, opened as a stack, are the detectors of one scan.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    return read if paths and all(_is_known(split_inside(one)[0]) for one in paths) else None


def _is_known(path: Path) -> bool:
    return is_movie_folder(path) or (knows_suffix(path) and not path.is_dir())


def read(path: str | list[str]) -> list[tuple]:
    """Open a file, or a file for each detector, as layers.

    Returns
    -------
    list of (data, options, 'image')
        One for each detector; see `layers_of`.

    Raises
    ------
    MovieError
        It cannot be read, or the files are not of one scan.
    """
    if not isinstance(path, (list, tuple)):
        return layers_of(read_movie(path))
    if len(path) == 1:
        return layers_of(read_movie(path[0]))
    names = [movie_name(split_inside(one)[0]) for one in path]
    detectors = [guess_detector(name) or name for name in names]
    if len({name.lower() for name in detectors}) < len(detectors):
        detectors = names
    return layers_of(read_movie(dict(zip(detectors, path))))


def layers_of(movie: Movie) -> list[tuple]:
    """Return a movie as napari's layer data, one layer for each detector.

    Parameters
    ----------
    movie : io.Movie

    Returns
    -------
    list of (data, options, 'image')
        Data are dask arrays (S, T, Y, X), without S or T where the movie has none.
        ``options["metadata"]["n2v_stem_keras"]`` holds what is known of the movie.
    """
    frames = _Frames(movie)
    axes = "".join(a for a in "STYX" if a in movie.axes)
    found = []
    for c in range(movie.n_detectors):
        detector = movie.detectors[c] if movie.detectors else None
        known = {
            "detector": detector,
            "axes": axes,
            "movie": movie.name,
            "source": movie.source,
            "pixel_size_nm": movie.pixel_size_nm,
            "frame_time_s": movie.frame_time_s,
            "voltage_kV": movie.voltage_kV,
            "provenance": movie.provenance,
        }
        options = {
            "name": _layer_name(movie, c),
            "metadata": {NAMESPACE: known},
            "contrast_limits": contrast_limits(frames.sample(c), sign_of(detector or "") > 0),
            "colormap": "gray",
            **geometry(axes, movie.pixel_size_nm),
        }
        found.append((_lazy(frames, c, axes), options, "image"))
    return found


def geometry(axes: str, pixel_size_nm: float | None) -> dict:
    """Return scale, units and names of a layer's axes; pixels where their size is not known."""
    image = (pixel_size_nm or 1.0, "nm" if pixel_size_nm else "pixel")
    scale, units = zip(*(image if a in "YX" else (1.0, "pixel") for a in axes))
    return {"scale": scale, "units": units, "axis_labels": tuple(axes)}


def contrast_limits(image, bright: bool = False) -> tuple[float, float]:
    """Return the intensities to be drawn black and white; of NaN nothing is drawn."""
    image = np.asarray(image, float)
    image = image[np.isfinite(image)]
    return display_range(image if image.size else np.zeros(1), bright)


def _layer_name(movie: Movie, c: int) -> str:
    if movie.detectors is None:
        return movie.name if movie.n_detectors == 1 else f"{movie.name} C{c}"
    detector = movie.detectors[c]
    return movie.name if movie.detectors_guessed else f"{movie.name} {detector}"


class _Frames:
    """Frames of a movie as read last, so that several detectors read each only once."""

    def __init__(self, movie: Movie):
        self.movie, self._lock = movie, threading.Lock()
        self._read = functools.lru_cache(maxsize=2)(movie.frame)

    def __call__(self, s: int, t: int) -> np.ndarray:
        with self._lock:  # files have one place to read from
            return self._read(s, t)

    def sample(self, c: int) -> np.ndarray:
        """Return detector `c` of some frames of the first series, at most 512 px a side."""
        last = self.movie.n_frames - 1
        step = max(1, max(self.movie.frame_shape) // 512)
        numbers = sorted({round(i * last / (SAMPLED - 1)) for i in range(SAMPLED)})
        return np.stack([self(0, t)[::step, ::step, c] for t in numbers])


class _Detector:
    """Frames of one detector, as an array that is read frame by frame."""

    def __init__(self, frames: _Frames, c: int, axes: str):
        movie = frames.movie
        size = {"S": movie.n_series, "T": movie.n_frames}
        size |= dict(zip("YX", movie.frame_shape))
        self.shape = tuple(size[a] for a in axes)
        self.dtype, self.ndim = movie.dtype, len(axes)
        self._frames, self._c, self._axes = frames, c, axes

    def __getitem__(self, index) -> np.ndarray:
        """Read what lies within one frame: `index` has a number or a slice for each axis."""
        whole = tuple(slice(i, i + 1) if _is_number(i) else i for i in index)
        places = dict(zip(self._axes, whole))
        s, t = (places[a].start or 0 if a in places else 0 for a in "ST")
        image = self._frames(s, t)[..., self._c][whole[-2:]]
        image = image.reshape((1,) * (self.ndim - 2) + image.shape)
        return image[tuple(0 if _is_number(i) else slice(None) for i in index)]


def _is_number(index) -> bool:
    return not isinstance(index, slice)


def _lazy(frames: _Frames, c: int, axes: str):
    import dask.array as da

    array = _Detector(frames, c, axes)
    chunks = (1,) * (len(axes) - 2) + array.shape[-2:]
    meta = np.empty((0,) * array.ndim, array.dtype)
    options = {"name": False, "asarray": False, "fancy": False, "meta": meta}
    return da.from_array(array, chunks=chunks, **options)
