"""Write image layers as a movie: the layers of a scan are its detectors, in one file.

Axes, pixel size, detectors, frame time, voltage and provenance are kept, as `io.write_movie` keeps
them. A file that exists is replaced, as napari has asked for that before.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...io import Movie, join_detectors, write_movie
from ...io.metadata import guess_detector
from . import layers


def write(path: str, layer_data: list[tuple]) -> list[str]:
    """Write image layers into one file.

    Parameters
    ----------
    path : str
        ``.ome.tif``, ``.tif``, ``.hspy`` or ``.npy``.
    layer_data : list of (data, options, 'image')
        As napari hands them over: one layer, or one for each detector of a scan.

    Returns
    -------
    list of str
        The file written.

    Raises
    ------
    MovieError
        The layers do not belong to one scan, or are no movies.
    """
    from napari.layers import Layer

    made = [Layer.create(*data) for data in layer_data]
    movie = movie_of(made)
    known = layers.known_of(made[0])
    kind = movie.dtype if np.issubdtype(movie.dtype, np.integer) else "float32"
    provenance = known.get("provenance")
    written = write_movie(path, movie, dtype=kind, provenance=provenance, overwrite=True)
    return [str(written)]


def movie_of(made: list) -> Movie:
    """Return the movie that image layers hold, each of them a detector."""
    movies = [_movie_of(layer) for layer in made]
    if len(movies) == 1:
        return movies[0]
    names = [layers.known_of(la).get("detector") or guess_detector(la.name) for la in made]
    if None in names or len({name.lower() for name in names}) < len(names):
        names = [layer.name for layer in made]
    return join_detectors(dict(zip(names, movies, strict=True)), layers.name_of(made))


def _movie_of(layer) -> Movie:
    labels = "".join(map(str, layer.axis_labels)).upper()
    axis = labels.index("C") if labels.count("C") == 1 else None
    known = layers.known_of(layer)
    detector = known.get("detector") or guess_detector(layer.name)
    return Movie.from_array(
        layers.image_data(layer),
        layers.axes_of(layer, axis),
        detectors=(detector,) if detector and axis is None else None,
        pixel_size_nm=layers.pixel_size_nm(layer),
        frame_time_s=known.get("frame_time_s"),
        voltage_kV=known.get("voltage_kV"),
        name=Path(layer.name).name,
    )
