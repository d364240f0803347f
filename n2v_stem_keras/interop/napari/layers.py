"""From image layers to a movie, and from what was made of it back to layers.

Layers are read, never written: a movie reads their arrays frame by frame, and what is made of it
gets layers of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ...io import Movie, MovieError, join_detectors
from ...io.metadata import NAMESPACE
from ...io.movie import AXES, arrange

USUAL_AXES = {2: "YX", 3: "TYX", 4: "STYX"}  # of a layer that does not say
PLACED = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
LOOK = ("colormap", "gamma", "interpolation2d", "blending", "contrast_limits")


@dataclasses.dataclass(frozen=True)
class Source:
    """Layers that hold a movie.

    Attributes
    ----------
    layers : tuple of napari.layers.Image
        One for each detector; or one for all.
    detectors : tuple of str
        Their names.
    axis : int or None
        Axis of the detectors, if one layer holds all.
    pixel_size_nm : float or None
        [nm/px].
    """

    layers: tuple
    detectors: tuple[str, ...]
    axis: int | None = None
    pixel_size_nm: float | None = None

    def movie(self) -> Movie:
        """Return the movie, its frames unread.

        Raises
        ------
        MovieError
            A layer is no movie, or they do not belong together.
        """
        if self.axis is None:
            return self._joined()
        (layer,) = self.layers
        return self._movie_of(layer, self.detectors, self.axis)

    def _joined(self) -> Movie:
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            chosen = ", ".join(f"{d}: {la.name!r}" for d, la in zip(self.detectors, self.layers))
            raise MovieError(
                f"a layer is chosen twice ({chosen}); expected another one for each detector, or "
                "one layer with a detector axis"
            )
        movies = {d: self._movie_of(la, (d,)) for d, la in zip(self.detectors, self.layers)}
        shapes = {detector: movie.shape for detector, movie in movies.items()}
        if len(set(shapes.values())) > 1:
            found = ", ".join(f"{d} {' x '.join(map(str, s))}" for d, s in shapes.items())
            raise MovieError(
                f"the layers have different shapes ({found} px); expected detectors of one scan"
            )
        if len(movies) == 1:
            return next(iter(movies.values()))
        return join_detectors(movies, name_of(self.layers))

    def _movie_of(self, layer, detectors, axis: int | None = None) -> Movie:
        data = image_data(layer)
        axes = axes_of(layer, axis)
        if axis is not None and data.shape[axis] != len(detectors):
            raise MovieError(
                f"layer {layer.name!r}: axis {axis} has {data.shape[axis]} entries, expected "
                f"{len(detectors)} detectors ({', '.join(detectors)}); choose another axis or layer"
            )
        pixel_size = self.pixel_size_nm
        said = {"detectors": detectors, "pixel_size_nm": pixel_size, "name": layer.name}
        return Movie.from_array(data, axes, **said)


def image_data(layer):
    """Return the array of an image layer, of a pyramid the finest one.

    Raises
    ------
    MovieError
        It is in colour, or has too few or too many axes.
    """
    if getattr(layer, "rgb", False):
        raise MovieError(
            f"layer {layer.name!r} is in colour (RGB); expected the intensities of a detector: "
            "open the microscope's own file, or split the layer into its channels"
        )
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    if not 2 <= data.ndim <= len(AXES):
        raise MovieError(
            f"layer {layer.name!r} has {data.ndim} axes; expected 2 (an image) to {len(AXES)}"
        )
    return data


def axes_of(layer, axis: int | None = None) -> str:
    """Return the letters of ``STCYX`` of a layer's axes; `axis` is C.

    What the reader noted, or the layer's own labels, or the usual order.

    Raises
    ------
    MovieError
        There are too many axes.
    """
    n_axes = image_data(layer).ndim
    labels = ["".join(map(str, getattr(layer, "axis_labels", ()))).upper()]
    labels.append(str(known_of(layer).get("axes", "")))
    for said in labels:
        rest = said if axis is None else said[:axis] + said[axis + 1 :]
        sound = len(said) == n_axes and len(set(rest)) == len(rest) and "C" not in rest
        if sound and set("YX") <= set(rest) <= set(AXES):
            return rest if axis is None else f"{rest[:axis]}C{rest[axis:]}"
    n_others = n_axes - (axis is not None)
    if n_others not in USUAL_AXES:
        more = "" if axis is not None else ", or choose an axis of detectors"
        raise MovieError(
            f"layer {layer.name!r} has {n_axes} axes; expected Y, X, and T (frames) and S "
            f"(separate movies) before them{more}"
        )
    rest = USUAL_AXES[n_others]
    return rest if axis is None else f"{rest[:axis]}C{rest[axis:]}"


def known_of(layer) -> dict:
    """Return what the reader noted of a layer; empty for layers of others."""
    known = layer.metadata.get(NAMESPACE, {})
    return known if isinstance(known, dict) else {}


def is_denoised(layer) -> bool:
    """Return whether a layer says that a model made it; what was simulated is a movie as others."""
    made = known_of(layer).get("provenance")
    return isinstance(made, dict) and "model" in made


def detectors_beside(layer, others: Sequence) -> list:
    """Return the layers that the reader made of one movie, this one among them, in their order."""
    known = known_of(layer)
    keys = ("movie", "source")
    same = [
        other
        for other in others
        if known.get("movie") and all(known_of(other).get(k) == known.get(k) for k in keys)
    ]
    return [la for la in same if not is_denoised(la)] or [layer]


def pixel_size_nm(layer) -> float | None:
    """Return the pixel size that a layer says [nm/px], None if it is in pixels only."""
    import pint

    with contextlib.suppress(AttributeError, TypeError, pint.errors.DimensionalityError):
        size = (float(layer.scale[-1]) * layer.units[-1]).to("nm").magnitude
        return float(size) if 0 < size < float("inf") else None
    return None


def name_of(layers: Sequence) -> str:
    """Return what layers have in common in their names, else the names."""
    from ...io.pair import common_name

    names = [layer.name for layer in layers]
    return common_name(names) or "+".join(names)


def watched(movie: Movie, look: Callable[[], None]) -> Movie:
    """Return the same movie, calling `look` before each frame that is read."""
    read_frame = movie.read_frame

    def read(s, t):
        look()
        return read_frame(s, t)

    return dataclasses.replace(movie, read_frame=read)


class Results:
    """Arrays that frames of a denoised movie are put into, shaped as the layers are.

    Parameters
    ----------
    source : Source
    movie : io.Movie
        Movie of `source`.

    Raises
    ------
    MemoryError
        They do not fit into the memory that is free.
    """

    def __init__(self, source: Source, movie: Movie):
        _check_memory(4 * int(np.prod(movie.shape)))
        self.source = source
        shapes = [image_data(layer).shape for layer in source.layers]
        self.arrays = [np.zeros(shape, np.float32) for shape in shapes]
        axes = [axes_of(layer, source.axis) for layer in source.layers]
        self._arranged = [arrange(a, letters, "STYXC") for a, letters in zip(self.arrays, axes)]

    def put(self, s: int, t: int, frame: np.ndarray) -> None:
        """Keep a frame (Y, X, C), detectors in the order of the source."""
        if self.source.axis is not None:
            self._arranged[0][s, t] = frame
            return
        for c, arranged in enumerate(self._arranged):
            arranged[s, t] = frame[..., c : c + 1]

    def layer_data(self, provenance: dict) -> list[tuple]:
        """Return the denoised layers with place, look and metadata of their originals."""
        found = []
        for layer, array in zip(self.source.layers, self.arrays):
            options = like(layer, (*PLACED, *LOOK))
            metadata = {**layer.metadata, NAMESPACE: {**known_of(layer), "provenance": provenance}}
            options |= {"name": f"{layer.name} denoised", "metadata": metadata}
            found.append((array, options, "image"))
        return found


def places_of(source: Source, table, detector) -> np.ndarray:
    """Return where rows of a table lie in the layers, (n, axes of a layer).

    Parameters
    ----------
    source : Source
    table : pandas.DataFrame
        With columns ``frame``, ``y``, ``x`` [px], and ``movie`` if there are several.
    detector : (n,) array
        Number of the detector that each is shown in, where one layer holds all.
    """
    column = {"T": "frame", "Y": "y", "X": "x", "S": "movie"}
    places = {a: table[name].to_numpy(float) for a, name in column.items() if name in table}
    places["C"] = np.asarray(detector, float)
    axes = axes_of(source.layers[0], source.axis)
    return np.stack([places[a] for a in axes], axis=-1)


def like(layer, names: Sequence[str]) -> dict:
    """Return some of a layer's properties, to make another one with."""
    state = layer.as_layer_data_tuple()[1]
    return {name: state[name] for name in names if name in state}


def _check_memory(n_bytes: int) -> None:
    import psutil

    free = psutil.virtual_memory().available
    if n_bytes > free:
        raise MemoryError(
            f"the denoised movie takes {n_bytes / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB of "
            "memory are free; denoise from file to file (n2v-stem denoise MOVIE --model FOLDER) "
            "and open the result"
        )
