"""What all readers of files share: names, places inside files, and making the movie."""

import contextlib
import difflib
import math
import os
import stat
import time
import warnings
from pathlib import Path

from ..escaping import escaped
from .metadata import Tags, guess_detector
from .movie import EXAMPLES, UNITS, Movie, MovieError

INSTALL = 'pip install "n2v_stem_keras[em]"'  # what many formats need
MOST_UNNAMED = 4  # detectors that have no names; more are likely frames
INSIDE = "::"  # between a file and a place inside of it, as in movie.h5::/scan/haadf


def movie_name(path: Path) -> str:
    """Return the file's name without its suffix, ``.ome.tif`` being one.

    >>> movie_name(Path("au_ADF.ome.tif"))
    'au_ADF'
    """
    return path.stem[:-4] if path.stem.lower().endswith(".ome") else path.stem


def path_problem(path) -> str | None:
    r"""Say why no file can have this name, if none can.

    >>> path_problem("a\0b.tif")
    'no file has such a name (embedded null byte)'
    """
    try:
        os.stat(path)
    except OSError:
        pass
    except ValueError as error:  # null bytes; surrogates that stand for no byte
        text = str(error).partition(" in position")[0]
        return f"no file has such a name ({text})"
    return None


def split_inside(path) -> tuple[Path, str | None]:
    """Return the file, and the place inside of it that follows ``::``.

    >>> split_inside("movie.emd::HAADF,BF")[1]
    'HAADF,BF'
    """
    text = os.fspath(path)
    if INSIDE not in text or os.path.exists(text):
        return Path(text), None
    file, _, inside = text.partition(INSIDE)
    return Path(file), inside.strip() or None


class MissingFile(MovieError, FileNotFoundError):
    """There is no file of this name."""


def check_there(path) -> Path:
    """Return the path of a file, as FILE or FILE::PLACE says it, that is there.

    Raises
    ------
    MissingFile
        It is not; files with nearly this name are said.
    """
    path, _ = split_inside(path)
    if not path.exists():
        raise MissingFile(
            f"{path}: no such file (looked in {path.absolute().parent}){nearest(path)}"
        )
    return path


def nearest(path: Path, others=()) -> str:
    """Say which names are near to that of a path which does not exist; '' if there are none.

    Parameters
    ----------
    path : Path
        Its folder is looked into.
    others : iterable of str
        More names that might have been meant.
    """
    there = {}
    with contextlib.suppress(OSError):
        there = {
            found.name.lower(): str(path.parent / found.name) for found in path.parent.iterdir()
        }
    there |= {name.lower(): name for name in others}
    near = difflib.get_close_matches(path.name.lower(), there, n=3, cutoff=0.75)
    return f"; did you mean {' or '.join(there[name] for name in near)}?" if near else ""


def existing_file(path: Path, folders: tuple[str, ...] = ()) -> Path:
    """Return the path of a file (or a folder with one of these suffixes) that is not empty."""
    check_there(path)
    if path.is_dir():
        if path.suffix.lower() in folders:
            return path
        raise MovieError(f"{path}: is a directory; expected a file, for example one in it")
    if os.path.getsize(path) == 0:
        raise MovieError(f"{path}: the file is empty (0 bytes); copy or save it again")
    return path


class Unchanged:
    """Files as they were when a movie was opened; called, it raises MovieError if they are not.

    A file that is overwritten while it is read gives frames of two movies. Of a folder that is one
    movie all files count; they are looked at for a tenth of the time at most.

    Parameters
    ----------
    paths : iterable of Path
    """

    def __init__(self, paths):
        self.states = {Path(path): file_state(path) for path in paths}
        self._again = dict.fromkeys(self.states, 0.0)  # when to look again [s]

    def __call__(self) -> None:
        """Raise MovieError if a file has changed."""
        for path, before in self.states.items():
            began = time.monotonic()
            if began < self._again[path]:
                continue
            now = file_state(path)
            if now != before:
                sizes = [f"{state[0]} bytes" if state else "gone" for state in (before, now)]
                raise MovieError(
                    f"{path}: was written to or replaced after it was opened ({sizes[0]} then, "
                    f"{sizes[1]} now); its frames would be those of two movies. Open it again when "
                    "it is no longer written"
                )
            if path.is_dir():
                self._again[path] = began + 10 * (time.monotonic() - began)


def file_state(path) -> tuple | None:
    """Return what changes if a file does: its size, its time [ns], and which file it is.

    Of a folder, which may be a movie, what changes if any file in it does; None if it is gone.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISDIR(found.st_mode):
            return found.st_size, found.st_mtime_ns, found.st_ino
        inside = {str(file): file.stat() for file in Path(path).rglob("*")}
    except OSError:
        return None
    # files may be older than those beside them, and change nevertheless
    each = hash(frozenset((name, s.st_size, s.st_mtime_ns) for name, s in inside.items()))
    times = [found.st_mtime_ns, *(one.st_mtime_ns for one in inside.values())]
    return sum(one.st_size for one in inside.values()), max(times), each


def series_number(series, path: Path) -> int | None:
    """Return which image of a file that only counts its images is meant."""
    if series is None or isinstance(series, int):
        return series
    try:
        return int(series)
    except (TypeError, ValueError):
        raise MovieError(
            f"{path}: images of this format have numbers, not names: found series {series!r}, "
            "expected for example 0"
        ) from None


def choose_by_name(series, names: list[str], path: Path, what: str = "image") -> list[int]:
    """Return the places of the chosen images among `names`; a list or text with commas may be said.

    A number counts from 0; a name may be in capitals or not, but must be there once.

    Raises
    ------
    MovieError
        If there is no such image, or two of the name.
    """
    wanted = series if isinstance(series, (list, tuple)) else str(series).split(",")
    known = "; ".join(f"{i}: {name}" for i, name in enumerate(names))
    chosen = []
    for one in wanted:
        text = str(one).strip()
        found = [i for i, name in enumerate(names) if name.lower() == text.lower()]
        if not found and text.isdigit() and int(text) < len(names):
            found = [int(text)]
        if len(found) != 1:
            problem = f"several {what}s are called" if found else f"no {what}"
            raise MovieError(f"{path}: {problem} {text!r}; there are {known}; say the number")
        chosen += found
    if len(set(chosen)) < len(chosen):
        raise MovieError(f"{path}: series {series!r} names an {what} twice; there are {known}")
    return chosen


def file_movie(path: Path, axes, shape, dtype, read_frame, guessed: bool, tags: Tags) -> Movie:
    """Return the movie of a file, its detector guessed from the file's name if need be."""
    n_detectors = dict(zip(axes, shape, strict=True)).get("C", 1)
    detectors = tags.detectors
    if detectors is not None and len(detectors) != n_detectors:
        detectors = None
    token = guess_detector(movie_name(path)) if n_detectors == 1 else None
    detectors_guessed = detectors is None and token is not None
    return Movie(
        movie_name(path),
        axes,
        shape,
        dtype,
        read_frame,
        detectors=(token,) if detectors_guessed else detectors,
        pixel_size_nm=tags.pixel_size_nm,
        frame_time_s=tags.frame_time_s,
        voltage_kV=tags.voltage_kV,
        source=str(path),
        axes_guessed=guessed,
        detectors_guessed=detectors_guessed,
        provenance=tags.provenance,
    )


def agreed(field: str, numbers: dict, cure: str) -> float | None:
    """Return the number that images which become one movie agree upon.

    Parameters
    ----------
    field : str
        One of `movie.UNITS`.
    numbers : dict of float or None
        By the name of each image.
    cure : str
        What to do if their pixel sizes differ.

    Returns
    -------
    float or None
        None if no image says it; or, with a warning, if they differ.

    Raises
    ------
    MovieError
        If pixel sizes differ: it is not one scan.
    """
    known = {name: one for name, one in numbers.items() if one is not None}
    if not known:
        return None
    value = next(iter(known.values()))
    if all(math.isclose(value, other, rel_tol=1e-3) for other in known.values()):
        return value
    found = ", ".join(f"{name} {number:g}" for name, number in known.items())
    if field == "pixel_size_nm":
        raise MovieError(f"detectors of one scan have one pixel size, found {found} nm/px; {cure}")
    warnings.warn(
        escaped(f"{field} differs ({found} {UNITS[field]}) and is not used"), stacklevel=4
    )
    return None


def warn_many_detectors(movie: Movie) -> None:
    """Say that a movie has more detectors than microscopes have, unless it names them."""
    if movie.detectors is None and movie.n_detectors > MOST_UNNAMED:
        warnings.warn(
            escaped(
                f"{movie.source or movie.name}: has {movie.n_detectors} detectors (axes "
                f"{movie.axes}) "
                "and no names for them; are they frames, written as channels? Then say "
                f"axes='{movie.axes.replace('T', 'S').replace('C', 'T')}', else name them with "
                "detectors="
            ),
            UserWarning,
            stacklevel=4,
        )


def warn_guess(path: Path, shape: tuple[int, ...], guess: str, found: str) -> None:
    """Say that the axes are a guess, and how to correct it."""
    warnings.warn(
        escaped(
            f"{path}: shape {shape} read as axes {guess!r}, a guess, as the file {found}; "
            f"if that is wrong, say axes=, for example {EXAMPLES}"
        ),
        UserWarning,
        stacklevel=4,
    )
