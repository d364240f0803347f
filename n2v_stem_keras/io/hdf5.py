"""Open arrays in HDF5 and zarr files by the path inside: ``movie.h5::/scan/haadf``.

Axes come from the array's dimension labels or its attribute ``axes``, for OME-Zarr from its
multiscales; pixel size, frame time, voltage and detectors from attributes of these names.
"""

import dataclasses
import json
import math
import warnings
from pathlib import Path

import numpy as np

from ..escaping import escaped
from .files import INSTALL, file_movie, warn_guess
from .metadata import AXIS_NAMES, Tags, frame_time, number, pixel_size
from .movie import EXAMPLES, UNITS, Movie, MovieError, arrange, check_axes, check_dtype
from .npy import GUESSES
from .signal import SignalAxes, is_explicit, read_axes

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nxs")
ZARR_SUFFIXES = (".zarr",)  # of folders
LISTED = 12  # arrays named in an error
LETTERS = AXIS_NAMES | {"z": "T"}


def open_array(path: Path, axes: str | None, series) -> Movie:
    """Open an array of an HDF5 or zarr file as a movie.

    Parameters
    ----------
    path : Path
        The file.
    axes : str, optional
        Letters of ``STCYX``, instead of what the file says.
    series : str, optional
        Where the array lies in the file; needed if there are several.

    Raises
    ------
    MovieError
        If there is no such array, it cannot be read, or its axes are not clear.
    """
    root = _open_zarr(path) if path.suffix.lower() in ZARR_SUFFIXES else _open_hdf5(path)
    array, tags, said = _find(root, None if series is None else str(series), path)
    shape = tuple(int(n) for n in array.shape)
    where = f"{path}::{array.name}"
    dtype = check_dtype(array.dtype, where)
    guessed = False
    if axes is None:
        axes, guessed = said, False
        if axes is None:
            axes, guessed = _guess(shape, where, path)
    axes, shape = check_axes(axes, shape, where)
    return file_movie(path, axes, shape, dtype, _reader(array, axes, dtype, where), guessed, tags)


def is_place(series) -> bool:
    """Return whether a series is a path inside of an HDF5 file."""
    return isinstance(series, str) and series.startswith("/")


def _open_hdf5(path: Path):
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise MovieError(
            f"{path}: cannot be read as HDF5: {error}; is it a whole, valid HDF5 file?"
        ) from error


def _open_zarr(path: Path):
    try:
        import zarr
    except ImportError as error:
        raise MovieError(f"{path}: needs the package zarr; install it: {INSTALL}") from error
    try:
        return zarr.open(str(path), mode="r")
    except Exception as error:  # zarr raises whatever its stores and codecs raise
        raise MovieError(
            f"{path}: cannot be read as zarr: {type(error).__name__}: {error}"
        ) from error


def _find(root, inside: str | None, path: Path):
    """Return the array, what its file says of it, and its axes if said."""
    if hasattr(root, "shape"):  # a zarr array, no group
        return root, _attributes(root, path), _labels(root)
    if inside is None and (scaled := _multiscale(root, path)):
        return scaled
    if inside is None:
        inside = _only_array(root, path)
    try:
        array = root[inside]
    except (KeyError, ValueError) as error:
        raise MovieError(
            f"{path}: holds no array {inside!r}; there are {_listed(_arrays(root))}"
        ) from error
    if not hasattr(array, "shape"):
        raise MovieError(
            f"{path}: {inside!r} is a group, not an array; there are {_listed(_arrays(root))}"
        )
    said, tags = _labels(array), _attributes(array, path)
    if said is None and (beside := _dims(array, path)):
        said = beside.axes
        known = {"pixel_size_nm": beside.pixel_size_nm, "frame_time_s": beside.frame_time_s}
        tags = dataclasses.replace(
            tags, **{key: getattr(tags, key) or value for key, value in known.items()}
        )
    return array, tags, said


def _dims(array, path: Path) -> SignalAxes | None:
    """Return what ``dim1``, ``dim2``, ... beside an array say of its axes, as EMD has it.

    Each has the places along an axis, and attributes ``name`` and ``units``. None if they are not
    there, or do not name all axes.
    """
    group = getattr(array, "parent", None)
    if group is None:
        return None
    first = 0 if "dim0" in group else 1
    entries = []
    for place, size in enumerate(array.shape, first):
        dim = group.get(f"dim{place}")
        if dim is None or getattr(dim, "shape", ()) != (size,) or dim.dtype.kind not in "iuf":
            return None
        name, units = (_plain(dim.attrs.get(key)) for key in ("name", "units"))
        entries.append({"name": name, "units": units, "axis": dim[()]})
    return read_axes(entries, array.shape, str(path)) if is_explicit(entries) else None


def _arrays(root) -> list[tuple[str, object]]:
    """Return the arrays of a file that may be movies, with their paths."""
    found = []

    def visit(name, member):
        shape, kind = getattr(member, "shape", ()), getattr(member, "dtype", None)
        if len(shape or ()) >= 2 and kind is not None and np.dtype(kind).kind in "iuf":
            found.append((f"/{name}", member))

    if hasattr(root, "visititems"):
        root.visititems(visit)
    else:
        for name, member in root.members(max_depth=None):
            visit(name, member)
    return found


def _only_array(root, path: Path) -> str:
    arrays = _arrays(root)
    if len(arrays) == 1:
        return arrays[0][0]
    if not arrays:
        raise MovieError(f"{path}: holds no array of numbers with two or more axes, hence no movie")
    raise MovieError(
        f"{path}: holds {len(arrays)} arrays; say which, for example {path.name}::{arrays[0][0]}; "
        f"there are {_listed(arrays)}"
    )


def _listed(arrays) -> str:
    some = [f"{name} {tuple(a.shape)} {a.dtype}" for name, a in arrays[:LISTED]]
    return "; ".join(some) + ("; ..." if len(arrays) > LISTED else "") or "no arrays of numbers"


def _labels(array) -> str | None:
    """Return the letters that the array's dimension labels or attribute ``axes`` say."""
    said = array.attrs.get("axes")
    if said is None and hasattr(array, "dims"):
        said = [dimension.label for dimension in array.dims]
    if said is None and hasattr(array, "metadata"):
        said = getattr(array.metadata, "dimension_names", None)
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    if said is None or len(said) != len(array.shape):
        return None
    return _letters([str(one) for one in said])


def _letters(names: list[str]) -> str | None:
    letters = "".join(LETTERS.get(name.lower(), name.upper()) for name in names)
    try:
        return check_axes(letters, (1,) * len(names), "")[0]
    except MovieError:
        return None


def _attributes(array, path: Path) -> Tags:
    """Return pixel size, frame time, voltage and detectors from attributes of these names."""
    where, known = f"{path}::{array.name}", {}
    for key, unit in UNITS.items():
        value = _plain(array.attrs.get(key))
        if key == "pixel_size_nm" and isinstance(value, list) and len(value) == 2:  # (y, x)
            known[key] = pixel_size(number(value[1]), number(value[0]), "nm", "nm", where)
        elif value is not None:
            one = number(value)
            known[key] = one if one is not None and 0 < one < math.inf else None
            if known[key] is None:
                warnings.warn(
                    escaped(
                        f"{where}: its attribute {key} is {value!r}, not a positive number "
                        f"[{unit}]; "
                        f"say {key}="
                    ),
                    UserWarning,
                    stacklevel=6,
                )
    names = _plain(array.attrs.get("detectors"))
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    usable = isinstance(names, list) and all(isinstance(name, str) for name in names)
    provenance = _plain(array.attrs.get("provenance"))
    try:
        provenance = json.loads(provenance) if isinstance(provenance, str) else None
    except ValueError:
        provenance = None
    return Tags(detectors=tuple(names) if usable else None, provenance=provenance, **known)


def _plain(value):
    """Return an attribute as numbers, text and lists of them."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _multiscale(root, path: Path):
    """Return the finest array of an OME-Zarr image, with its scale; None if it is none."""
    attributes = dict(root.attrs)
    attributes = attributes.get("ome", attributes)
    try:
        image = attributes["multiscales"][0]
        axes, finest = image["axes"], image["datasets"][0]
        names = [axis["name"] for axis in axes]
        array = root[finest["path"]]
        (scale, *_) = _scales(finest)
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    letters = _letters(names)
    if letters is None or len(letters) != len(array.shape) or len(scale) != len(letters):
        raise MovieError(
            f"{path}: OME-Zarr of shape {tuple(array.shape)} with axes {names} is not clear; name "
            f"the array, for example {path.name}::{finest['path']}, and say axes="
        )
    steps = {a: number(one) for a, one in zip(letters, scale)}
    for factor in _scales(image):  # of all resolutions, on top of that of each
        steps = {a: _times(steps[a], one) for a, one in zip(letters, factor)}
    units = {a: str(axis.get("unit") or "") for a, axis in zip(letters, axes)}
    where = str(path)
    tags = {
        "pixel_size_nm": pixel_size(steps["X"], steps["Y"], units["X"], units["Y"], where),
        "frame_time_s": frame_time(steps.get("T"), units.get("T", ""), where),
    }
    channels = attributes.get("omero", {}).get("channels", [])
    names = tuple(str(channel.get("label", "")) for channel in channels)
    return array, Tags(detectors=names if names and all(names) else None, **tags), letters


def _scales(described) -> list:
    """Return the scales among the transformations of OME-Zarr."""
    found = described.get("coordinateTransformations") or []
    return [one["scale"] for one in found if one["type"] == "scale"]


def _times(step, factor):
    factor = number(factor)
    return None if step is None or factor is None else step * factor


def _guess(shape: tuple[int, ...], where: str, path: Path) -> tuple[str, bool]:
    guess = GUESSES.get(len(shape))
    if guess is None:
        raise MovieError(
            f"{where}: {len(shape)} axes of shape {shape}, which the file does not name; say "
            f"axes=, for example {EXAMPLES}"
        )
    if guess != "YX":
        warn_guess(where, shape, guess, "does not name its axes")
    return guess, guess != "YX"


def _reader(array, axes: str, dtype, where: str):
    """Return the function that reads one frame of an array."""
    frame_axes = axes.replace("S", "").replace("T", "")

    def read_frame(s: int, t: int) -> np.ndarray:
        index = tuple({"S": s, "T": t}.get(letter, slice(None)) for letter in axes)
        try:
            frame = np.asarray(array[index])
        except MemoryError:
            raise
        except Exception as error:  # h5py, zarr and the codecs raise all kinds
            raise MovieError(
                f"{where}: frame s={s}, t={t} cannot be read: {type(error).__name__}: {error}; is "
                "the file whole?"
            ) from error
        return np.array(arrange(frame, frame_axes, "YXC"), dtype=dtype, order="C")

    return read_frame
