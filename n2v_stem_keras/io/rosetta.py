"""Open files of microscopes through RosettaSciIO: DM3/DM4, EMD (Velox, Berkeley), hspy, ...

The package is GPL, hence an extra (``em``), imported when such a file is opened and only asked to
open it; frames are then read from its lazy arrays, a few MiB at a time. Several images of one scan
become detectors.
"""

import importlib
import os
import re
import traceback
import warnings
from pathlib import Path

import numpy as np

from ..escaping import escaped
from . import hdf5
from .files import INSTALL, agreed, choose_by_name, file_movie
from .metadata import Tags, guess_detector, unique_names
from .movie import Movie, MovieError, arrange, check_dtype
from .signal import beam_energy, is_even, own_tags, read_axes

# the commonest; RosettaSciIO reads many more, see `can_read`
SUFFIXES = (".dm3", ".dm4", ".emd", ".hspy", ".zspy")
FOLDERS = (".zspy",)
CHUNK = "8 MiB"  # what is read at once of formats that leave the choice
# plugins that read what is no movie (pictures, tables), or what is read better here
LEFT_OUT = {"Image", "Impulse", "numpy", "Protochips", "TIFF", "TIA", "Quadstar"}
FIRST = ("MRC", "HSPY", "EMD")  # where several plugins share a suffix


def open_rosetta(path: Path, axes: str | None, series) -> Movie:
    """Open a file through RosettaSciIO; its frames are read when asked for.

    A path inside of the file, from ``/`` on, names an array of HDF5, which needs no RosettaSciIO.
    """
    if hdf5.is_place(series):
        return hdf5.open_array(path, axes, series)
    signals = _read_signals(path)
    kept = _choose(signals, series, path)
    tags, letters, guessed = _describe(kept, axes, path)
    data = [signal["data"] for signal in kept]
    read_frame, dtype = _reader(data, letters.replace("C", "") if len(data) > 1 else letters, path)
    shape = tuple(data[0].shape)
    if len(data) > 1:
        shape = (*shape[:-2], len(data), *shape[-2:])
    own = tags.axes
    size = dict(zip(letters, shape, strict=True))
    if own and sorted(own) == sorted(letters) and tags.shape == tuple(size[a] for a in own):
        letters, shape = own, tags.shape
    movie = file_movie(path, letters, shape, dtype, read_frame, guessed, tags)
    movie.frame(movie.n_series - 1, movie.n_frames - 1)  # lazy arrays of a truncated file open, too
    return movie


def can_read(suffix: str) -> bool:
    """Return whether RosettaSciIO, if it is installed, has a plugin for files of this suffix."""
    try:
        return bool(_plugins(suffix))
    except ImportError:
        return False


def _plugins(suffix: str) -> list[dict]:
    """Return RosettaSciIO's plugins for a suffix, the likeliest first."""
    from rsciio import IO_PLUGINS

    wanted, found = suffix[1:].lower(), {}
    for plugin in IO_PLUGINS:
        known = {str(e).lower() for e in plugin["file_extensions"]}
        if wanted in known and plugin["name"] not in LEFT_OUT:
            found[plugin["name"]] = plugin
    return sorted(found.values(), key=lambda p: p["name"] not in FIRST)


def _read_signals(path: Path) -> list[dict]:
    """Return what RosettaSciIO finds in a file, with lazy arrays."""
    try:
        plugins = _plugins(path.suffix)
    except ImportError as error:
        raise MovieError(
            f"{path}: files of type {path.suffix} are read through RosettaSciIO, which is not "
            f"installed ({error}); install it: {INSTALL}"
        ) from error
    problems = []
    for plugin in plugins:
        signals, problem = _run_plugin(plugin, path)
        if problem is None:
            return signals
        problems.append(f"{plugin['name']}: {problem}")
    raise MovieError(
        f"{path}: cannot be read ({'; '.join(problems)}); is it a whole, valid {path.suffix} file?"
    )


def _run_plugin(plugin: dict, path: Path) -> tuple[list[dict], str | None]:
    """Return what one plugin finds, and its problem if it fails, which may be of any kind."""
    import dask

    with dask.config.set({"array.chunk-size": CHUNK}), warnings.catch_warnings():
        # of unclosed files, deprecated functions and odd metadata that are not used here
        warnings.simplefilter("ignore")
        try:
            reader = importlib.import_module(plugin["api"]).file_reader
            options = {"select_type": "images"} if _is_velox(path) else {}
            signals = list(reader(str(path), lazy=True, **options))
            _mark_uneven(signals, path)
            _as_stored(signals, path)
            return signals, None
        except MemoryError:
            raise
        except Exception as error:
            traceback.clear_frames(error.__traceback__)  # files it left open are closed here
            return [], _what(error)


def _is_velox(path: Path) -> bool:
    """Return whether a file is an EMD as Velox writes it, in which spectra are left unread."""
    if path.suffix.lower() != ".emd":
        return False
    import h5py

    with h5py.File(path, "r") as file:
        return "Data/Image" in file or ("Data" in file and "Version" in file)


def _as_stored(signals: list[dict], path: Path) -> None:
    """Give the values of Gatan's files the byte order that these say.

    RosettaSciIO takes them in that of the machine.
    """
    if path.suffix.lower() not in (".dm3", ".dm4"):
        return
    with open(path, "rb") as file:  # the third number, behind a size of 4 or 8 bytes
        version = int.from_bytes(file.read(4), "big")
        file.seek(8 if version == 3 else 12)
        is_little = any(file.read(4))
    for signal in signals:
        dtype = np.dtype(signal["data"].dtype)
        if not is_little and dtype.itemsize > 1:
            signal["data"] = signal["data"].view(dtype.newbyteorder(">"))


def _mark_uneven(signals: list[dict], path: Path) -> None:
    """Give axes of an EMD of Berkeley the places that the file has for them.

    RosettaSciIO takes the mean step, even where the places are not evenly spaced.
    """
    if path.suffix.lower() != ".emd" or _is_velox(path):
        return
    import h5py

    uneven = []

    def visit(name, member):
        if not isinstance(member, h5py.Dataset) or not re.fullmatch(r".*/dim\d+", name):
            return
        if member.ndim == 1 and member.size > 2 and member.dtype.kind in "iuf":
            label, places = member.attrs.get("name", b""), member[()].astype(float)
            label = label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
            if not is_even(places):
                uneven.append((label, places))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    for axis in (axis for signal in signals for axis in signal["axes"]):
        for label, places in uneven:
            same = (axis.get("name"), axis.get("size")) == (label, places.size)
            if same and np.isclose(axis.get("scale", np.nan), np.diff(places).mean()):
                axis["axis"] = places


def _what(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"needs the package {error.name}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _choose(signals: list[dict], series, path: Path) -> list[dict]:
    """Return the signals that are the movie: those asked for, else all images alike."""
    if not signals:
        raise MovieError(f"{path}: holds no image; if it holds spectra: a spectrum is not a movie")
    names = [_title(signal, i) for i, signal in enumerate(signals)]
    if series is not None:
        kept = [signals[i] for i in choose_by_name(series, names, path)]
    elif len(signals) == 1:
        return signals
    else:
        kept = _measured(signals, names, path)
    if len({signal["data"].shape for signal in kept}) > 1:
        known = "; ".join(
            f"{i}: {name} {tuple(s['data'].shape)}"
            for i, (name, s) in enumerate(zip(names, signals))
        )
        raise MovieError(
            f"{path}: holds images that are no detectors of one scan, as their shapes differ "
            f"({known}); choose with series=, or {path.name}::NAME"
        )
    return kept


def _measured(signals: list[dict], names: list[str], path: Path) -> list[dict]:
    """Leave out what was computed from detectors (DPC, FFT, ...) where these are there, too."""
    kinds = [np.dtype(signal["data"].dtype).kind for signal in signals]
    kept = [i for i, kind in enumerate(kinds) if kind in "iu"]
    if not kept:
        kept = [i for i, kind in enumerate(kinds) if kind == "f"]
    kept = [i for i in kept if _is_image(signals[i])] or kept
    if not kept:
        raise MovieError(
            f"{path}: holds {', '.join(names)} of types "
            f"{', '.join(str(s['data'].dtype) for s in signals)}, none of which are intensities"
        )
    left = [names[i] for i in range(len(signals)) if i not in kept]
    if left:
        warnings.warn(
            escaped(
                f"{path}: {', '.join(left)} left out: computed images or no images; to read one, "
                f"say series=, or {path.name}::NAME"
            ),
            UserWarning,
            stacklevel=5,
        )
    return [signals[i] for i in kept]


def _is_image(signal: dict) -> bool:
    return sum(not axis.get("navigate") for axis in signal["axes"]) >= 2


def _title(signal: dict, number: int) -> str:
    title = signal.get("metadata", {}).get("General", {}).get("title")
    return str(title).strip() if title else f"image {number}"


def _describe(kept: list[dict], axes: str | None, path: Path) -> tuple[Tags, str, bool]:
    """Return tags, letters in the order of the arrays (C before Y and X), and if T is a guess."""
    first = kept[0]
    shape, entries = tuple(first["data"].shape), list(first["axes"])
    inner = axes
    if axes is not None:
        axes = axes.upper()
        inner = axes.replace("C", "") if len(kept) > 1 else axes
        inner = _with_single_axes(inner, shape)
    said = read_axes(entries, shape, str(path), inner)
    numbers = _agreed(kept, said, inner, path)
    own = own_tags(first.get("metadata", {})) if len(kept) == 1 and axes is None else {}
    known = {"detectors": _detectors(kept, path), "voltage_kV": _voltage(first)}
    tags = Tags(**numbers | known | own)
    letters = said.axes
    if len(kept) > 1:
        letters = letters[:-2] + "C" + letters[-2:]
    return tags, letters, said.guessed


def _agreed(kept: list[dict], first, axes: str | None, path: Path) -> dict:
    """Return pixel size and frame time of several images; refuse those of different scans."""
    said = [first]
    for signal in kept[1:]:
        said.append(read_axes(signal["axes"], signal["data"].shape, str(path), axes or first.axes))
    names = [f"{_title(signal, i)} ({i})" for i, signal in enumerate(kept)]
    cure = f"{path}: choose with series=, or {path.name}::NAME"
    return {
        field: agreed(field, {n: getattr(one, field) for n, one in zip(names, said)}, cure)
        for field in ("pixel_size_nm", "frame_time_s")
    }


def _with_single_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return letters for all axes where those of length 1 were not named."""
    if len(axes) == len(shape) or len(axes) != sum(n > 1 for n in shape):
        return axes
    spare, given = iter(a for a in "TSC" if a not in axes), iter(axes)
    return "".join(next(given) if n > 1 else next(spare) for n in shape)


def _detectors(kept: list[dict], path: Path) -> tuple[str, ...] | None:
    """Return the detectors' names: titles of several images, or of one that is named as such."""
    names = [_title(signal, i) for i, signal in enumerate(kept)]
    if len(kept) > 1:
        return unique_names(names, len(kept), str(path))
    if _is_velox(path):
        return (names[0],)
    found = guess_detector(names[0])
    return (found,) if found else None


def _voltage(signal: dict) -> float | None:
    """Return the voltage [kV], from HyperSpy's metadata or by RosettaSciIO's map to them."""
    found = beam_energy(signal.get("metadata", {}))
    if found is not None:
        return found
    for place, (target, convert) in (signal.get("mapping") or {}).items():
        if not str(target).endswith("TEM.beam_energy"):
            continue
        try:
            value = signal["original_metadata"]
            for key in place.split("."):
                value = value[key]
            value = float(convert(value) if convert else value)
        except Exception:  # the map holds functions of RosettaSciIO for metadata that may be odd
            continue
        if 0 < value < np.inf:
            return value
    return None


def _reader(data: list, letters: str, path: Path):
    """Return the function that reads one frame of one or several lazy arrays, and their type."""
    dtype = np.result_type(*(check_dtype(one.dtype, str(path)) for one in data))
    frame_axes = letters.replace("S", "").replace("T", "")
    size = os.path.getsize(path)

    def plane(one, s: int, t: int) -> np.ndarray:
        index = tuple({"S": s, "T": t}.get(letter, slice(None)) for letter in letters)
        array = one[index]
        array = array.compute(scheduler="synchronous") if hasattr(array, "compute") else array
        return arrange(np.asarray(array), frame_axes, "YXC")

    def read_frame(s: int, t: int) -> np.ndarray:
        found = os.path.getsize(path)
        if found < size:  # a shorter file under a memory map would kill the process
            raise MovieError(
                f"{path}: frame s={s}, t={t} cannot be read: {found} bytes found, {size} expected; "
                "was the file truncated or replaced after it was opened?"
            )
        try:
            planes = [plane(one, s, t) for one in data]
        except (MemoryError, MovieError):
            raise
        except Exception as error:
            raise MovieError(
                f"{path}: frame s={s}, t={t} cannot be read: {_what(error)}; is the file whole?"
            ) from error
        return np.concatenate(planes, axis=-1).astype(dtype, order="C", copy=False)

    return read_frame, dtype
