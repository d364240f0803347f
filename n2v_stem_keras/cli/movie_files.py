"""Which movies a command line means, and what the files of their results are called."""

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..io import files as io_files
from ..io import formats, pair_files, read_movie
from ..io.files import movie_name, split_inside
from ..io.pair import common_name
from ..io.read import is_movie_file, is_movie_folder
from . import options

NO_MOVIE = "no movie given; name one or more files, or --detector-files ADF=a.ser BF=b.ser"
# not taken for movies when a folder is searched
PRODUCTS = ("_denoised", "_residual", "_undistorted", "_standard_error")
# what --format says -> `io.formats.Format`
FORMATS = {"ome.tif" if f.name == "ome" else f.name: f for f in formats.FORMATS.values()}


def find_movies(args) -> list[tuple[Path, object]]:
    """Find the movies that are meant by files, folders, patterns and pairs.

    Returns
    -------
    list of (Path, source)
        Where below --out the results go, without a suffix; and what `io.read_movie` takes.
    """
    below, paths = {}, []
    for name in args.movies:
        if Path(name).is_dir() and not is_movie_folder(Path(name)):
            inside = sorted(movies_below(Path(name)))
            below |= {path: path.parent.relative_to(name) for path in inside}
        elif not Path(name).exists() and glob.has_magic(name):
            inside = [Path(p) for p in sorted(glob.glob(name, recursive=True))]
        else:
            inside = [name]
        if not inside:
            raise options.UsageError(f"{name}: no movies there")
        paths += inside
    found = movie_sources(args, paths)
    if not found:
        raise options.UsageError(NO_MOVIE)
    return [
        (Path() / stem if isinstance(source, dict) else below.get(source, Path()) / stem, source)
        for stem, source in found
    ]


def movies_below(folder: Path) -> Iterator[Path]:
    """Yield the movies in a folder and below, linked folders included, each folder once.

    A folder that is a movie itself, such as one of zarr, is not searched.
    """
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        place = os.path.realpath(root)
        if place in seen:  # a link leads back
            folders.clear()
            continue
        seen.add(place)
        movies = [name for name in folders if is_movie_folder(Path(root, name))]
        folders[:] = [name for name in folders if name not in movies]
        for name in (*files, *movies):
            if is_original(Path(root, name)):
                yield Path(root, name)


def is_original(path: Path) -> bool:
    """Return whether what was found in a folder is a movie, and no result of denoising."""
    is_movie = is_movie_folder(path) if path.is_dir() else is_movie_file(path)
    hidden = path.name.startswith(".")
    return is_movie and not hidden and not movie_stem(path).endswith(PRODUCTS)


def movie_sources(args, paths) -> list[tuple[str, object]]:
    """Return the name and the source of each movie that the command line names.

    A source is what `io.read_movie` takes: a path, or a dict with the file of each detector.

    Raises
    ------
    UsageError
        Files of detectors are not said as NAME=FILE, or a detector twice.
    """
    if args.pair:
        found = list(pair_files(args.pair, paths or None).items())
    else:
        found = [(movie_stem(path), path) for path in paths]
    for group in args.detector_files or []:
        files = {}
        for entry in group:
            name, equals, path = entry.partition("=")
            if not (equals and name.strip() and path.strip()) or name.strip() in files:
                raise options.UsageError(
                    f"--detector-files {entry}: expected NAME=FILE, each name once, e.g. ADF=a.ser"
                )
            files[name.strip()] = path.strip()
        stem = common_name([movie_stem(path) for path in files.values()]) or "+".join(files)
        found.append((stem, files))
    return found


def check_there(sources) -> None:
    """Raise `MissingFile` if none of the movies is there, before anything is computed.

    One that is missing among others does not stop them.
    """
    missing = []
    for source in sources:
        try:
            for path in source.values() if isinstance(source, dict) else [source]:
                io_files.check_there(path)
            return
        except io_files.MissingFile as error:
            missing.append(error)
    raise missing[0]


def open_movie(args, stem: str, source, whole: bool = False):
    """Open one movie of `movie_sources`, without reading its frames.

    Parameters
    ----------
    args : argparse.Namespace
    stem, source
        See `movie_sources`.
    whole : bool
        Whether --frames does not mean this movie.
    """
    movie = read_movie(source, **options.movie_options(args))
    frames = None if whole else options.parse_frames(getattr(args, "frames", None))
    movie = movie if frames is None else movie.part(frames)
    return movie.replace(name=stem) if isinstance(source, dict) else movie


def read_movies(args, paths=None) -> list:
    """Open the movies named on the command line, without reading their frames.

    Other `paths` than those are opened whole, whatever --frames says.
    """
    whole = paths is not None
    found = movie_sources(args, args.movies) if paths is None else [(None, p) for p in paths]
    if not found:
        raise options.UsageError(NO_MOVIE)
    return [open_movie(args, stem, source, whole) for stem, source in found]


def in_file(table, movie):
    """Return a table in which movies and frames have the numbers that they have in the file."""
    if movie.frames_taken is None:
        return table
    series = table["movie"] if "movie" in table.columns else [0] * len(table)
    places = zip(series, table["frame"], strict=True)
    found = [movie.place_in_file(int(s), int(t)) for s, t in places]
    columns = {"movie": [s for s, _ in found], "frame": [t for _, t in found]}
    return table.assign(**{name: c for name, c in columns.items() if name in table.columns})


def movie_stem(path) -> str:
    """Return a file's name without its suffixes: 'a.b.ome.tif' -> 'a.b', 'm.h5::/scan' -> 'm-scan'.

    Only letters that files may have stay of a place inside.
    """
    file, inside = split_inside(path)
    return "-".join([movie_name(file), *re.findall(r"[\w.-]+", inside or "")])
