"""Open npy files: only the header is read, then frame after frame."""

from pathlib import Path

import numpy as np

from .files import file_movie, series_number, warn_guess
from .layout import Layout, RawFrames
from .metadata import Tags
from .movie import EXAMPLES, Movie, MovieError, check_axes, check_dtype

SUFFIXES = (".npy",)
GUESSES = {2: "YX", 3: "TYX", 4: "TYXC"}  # axes of arrays that do not name them


def open_npy(path: Path, axes: str | None, series) -> Movie:
    """Open a npy file; only its header is read."""
    if series_number(series, path) not in (None, 0):
        raise MovieError(f"{path}: holds one array, no series {series}")
    npy = np.lib.format
    try:
        with open(path, "rb") as file:
            if npy.read_magic(file) == (1, 0):
                shape, fortran, dtype = npy.read_array_header_1_0(file)
            else:
                shape, fortran, dtype = npy.read_array_header_2_0(file)
            offset = file.tell()
    except (OSError, ValueError) as error:
        raise MovieError(f"{path}: not a readable npy file: {error}") from error
    check_dtype(dtype, str(path))
    guess = GUESSES.get(len(shape))
    if axes is None and guess is None:
        raise MovieError(
            f"{path}: {len(shape)} axes of shape {shape}; npy files do not name them; say axes=, "
            f"for example {EXAMPLES}"
        )
    guessed = axes is None and guess != "YX"
    if guessed:
        warn_guess(path, shape, guess, "does not name its axes")
    axes, shape = check_axes(axes or guess, shape, str(path))
    order = slice(None, None, -1 if fortran else 1)
    frames = RawFrames(path, Layout(axes[order], shape[order]), dtype, offset)
    frames.check_size(exact=True)
    return file_movie(path, axes, shape, dtype, frames.read, guessed, Tags())
