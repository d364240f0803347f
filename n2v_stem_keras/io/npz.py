"""Arrays in npz files, which are zips of npy files, and the movie that one of them is.

A zip may say that it unpacks to a thousand times its size, and an array that it is larger than
what is there. So both are compared, before anything is unpacked.
"""

import functools
import math
import zipfile
from pathlib import Path

import numpy as np

from .files import choose_by_name, file_movie, warn_guess
from .metadata import Tags
from .movie import EXAMPLES, Movie, MovieError, arrange, check_axes, check_dtype
from .npy import GUESSES

SUFFIXES = (".npz",)
MOST_NBYTES = 2**34  # of one array: it is unpacked as a whole
MOST_TIMES = 200  # what arrays of numbers may be larger than their packed bytes ...
FREE_NBYTES = 2**28  # ... beyond this


def headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Return shape and type of each array of a npz file, after a look at the sizes.

    Raises
    ------
    MovieError
        It is no npz file, is damaged, or would unpack to more than it can hold.
    """
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    found[name] = _header(file, member, f"{path}: array {name!r}")
    except MovieError:
        raise
    except Exception as error:  # zipfile and numpy raise many kinds for a damaged file
        raise _damaged(path, error) from error
    if not found:
        raise MovieError(f"{path}: holds no array")
    return found


def _header(file, member, where: str) -> tuple[tuple[int, ...], np.dtype]:
    npy = np.lib.format
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise MovieError(
            f"{where} holds Python objects, which are not read; it is damaged or forged"
        )
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > member.file_size:
        raise MovieError(f"{where} declares {n_bytes} bytes and holds {member.file_size}: damaged")
    limit = min(max(FREE_NBYTES, MOST_TIMES * member.compress_size), MOST_NBYTES)
    if member.file_size > limit:
        raise MovieError(
            f"{where} unpacks from {member.compress_size} to {member.file_size} bytes, at most "
            f"{limit} are read; save it as npy if it is what it says"
        )
    return shape, dtype


def read(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of a npz file; see `headers` for what is refused."""
    headers(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> MovieError:
    return MovieError(
        f"{path}: not a readable npz file ({type(error).__name__}: {error}); it is damaged"
    )


def open_npz(path: Path, axes: str | None, series) -> Movie:
    """Open the one array of a npz file, or the one that `series` names; it is read when needed."""
    known = headers(path)
    if series is None:
        names = [name for name, (shape, kind) in known.items() if _may_be_movie(shape, kind)]
        if len(names) != 1:
            there = "; ".join(f"{name} {shape} {kind}" for name, (shape, kind) in known.items())
            raise MovieError(
                f"{path}: holds {len(names)} arrays that may be movies, expected 1; say which, for "
                f"example {path.name}::{next(iter(known))}; there are {there}"
            )
    else:
        all_names = list(known)
        names = [all_names[i] for i in choose_by_name(series, all_names, path, "array")]
        if len(names) != 1:
            raise MovieError(f"{path}: {len(names)} arrays chosen, expected one")
    shape, kind = known[names[0]]
    where = f"{path}::{names[0]}"
    dtype, guess = check_dtype(kind, where), GUESSES.get(len(shape))
    if axes is None and guess is None:
        raise MovieError(
            f"{where}: {len(shape)} axes of shape {shape}; npz files do not name them; say axes=, "
            f"for example {EXAMPLES}"
        )
    guessed = axes is None and guess != "YX"
    if guessed:
        warn_guess(path, shape, guess, "does not name its axes")
    axes, shape = check_axes(axes or guess, shape, where)
    return file_movie(
        path, axes, shape, dtype, _reader(path, names[0], axes, dtype), guessed, Tags()
    )


def _may_be_movie(shape, kind) -> bool:
    return len(shape) >= 2 and kind.kind in "iuf"


def _reader(path: Path, name: str, axes: str, dtype):
    """Return the function that reads one frame; the array is unpacked for the first one."""
    frame_axes = axes.replace("S", "").replace("T", "")

    @functools.cache
    def array():
        headers(path)  # it may be another by now
        try:
            with np.load(path, allow_pickle=False) as file:
                return file[name]
        except Exception as error:
            raise _damaged(path, error) from error

    def read_frame(s: int, t: int) -> np.ndarray:
        index = tuple({"S": s, "T": t}.get(letter, slice(None)) for letter in axes)
        return np.array(arrange(array()[index], frame_axes, "YXC"), dtype=dtype, order="C")

    return read_frame
