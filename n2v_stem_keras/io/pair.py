"""One file per detector: find which files belong together, and join them into one movie."""

import glob
import itertools
import os
import re
from pathlib import Path

import numpy as np

from .files import INSIDE, agreed
from .movie import UNITS, Movie, MovieError

FIELDS = ("name", "detector")
CURE = "say pixel_size_nm= for each file, or check that the files belong together"


def join_detectors(movies: dict[str, Movie], name: str | None = None) -> Movie:
    """Return one movie of several that each hold one detector of the same scan.

    Parameters
    ----------
    movies : dict of Movie
        By the name of the detector, in the order of the new axis C, which comes before Y and X.
    name : str, optional
        Name of the movie; default what the files' names have in common.

    Raises
    ------
    MovieError
        If the movies have other axes, shapes or pixel sizes, or several detectors.
    """
    if not movies:
        raise MovieError("no detectors given; expected for example {'ADF': 'a.ser', 'BF': 'b.ser'}")
    first = next(iter(movies.values()))
    for detector, movie in movies.items():
        _check_alike(detector, movie, first)
    inner = [a for a in first.axes if a != "C"]
    axes = "".join([*inner[:-2], "C", *inner[-2:]])
    if set(inner[-2:]) != {"Y", "X"}:
        axes = "".join([*inner, "C"])
    size = dict(zip(first.axes, first.shape, strict=True)) | {"C": len(movies)}
    dtype = np.result_type(*(movie.dtype for movie in movies.values()))
    members = list(movies.values())

    def read_frame(s: int, t: int) -> np.ndarray:
        return np.concatenate([m.frame(s, t) for m in members], axis=-1).astype(dtype, copy=False)

    return Movie(
        name or common_name([m.name for m in members]) or "+".join(movies),
        axes,
        tuple(size[a] for a in axes),
        dtype,
        read_frame,
        detectors=tuple(movies),
        source=first.source,
        axes_guessed=first.axes_guessed,
        **{field: agreed(field, _numbers(field, movies), CURE) for field in UNITS},
    )


def _check_alike(detector: str, movie: Movie, first: Movie) -> None:
    where = movie.source or movie.name
    if movie.n_detectors != 1:
        raise MovieError(
            f"{where}: holds {movie.n_detectors} detectors, expected one, {detector}; choose it "
            f"with FILE{INSIDE}NAME"
        )
    if (movie.axes, movie.shape) != (first.axes, first.shape):
        raise MovieError(
            f"{where}: {detector} has shape {movie.shape} (axes {movie.axes}), but "
            f"{first.source or first.name} has {first.shape} ({first.axes}); expected detectors of "
            "the same scan"
        )


def _numbers(field: str, movies: dict[str, Movie]) -> dict:
    return {detector: getattr(movie, field) for detector, movie in movies.items()}


def common_name(names: list[str]) -> str:
    """Return what names have in common at their beginning, without what separates words.

    >>> common_name(["au_01_ADF", "au_01_BF"])
    'au_01'
    """
    columns = list(itertools.takewhile(lambda c: len(set(c)) == 1, zip(*names)))
    return "".join(column[0] for column in columns).rstrip("_-. ([")


def pair_files(pattern: str, paths=None) -> dict[str, dict[str, str]]:
    """Find the files of each movie, one per detector, by a pattern of their names.

    Parameters
    ----------
    pattern : str
        Such as ``"{name}_{detector}.dm4"``; with a folder if `paths` are not given.
    paths : sequence of path-like, optional
        Files to sort; each must fit the pattern. Default: all that do.

    Returns
    -------
    dict of dict of str
        Movie's name -> detector -> path; detectors in the order of the alphabet, for all alike.

    Raises
    ------
    MovieError
        If the pattern lacks a field, a file does not fit it, or a movie lacks a detector.
    """
    given = paths is not None
    if not given:
        parts = re.split(r"({\w*})", pattern)
        paths = sorted(glob.glob("".join("*" if p[:1] == "{" else glob.escape(p) for p in parts)))
    groups = group_files(pattern, paths)
    if given:
        for path in paths:
            if _match(pattern, path) is None:
                raise MovieError(f"{path}: does not fit the pattern {pattern!r}")
    if not groups:
        raise MovieError(f"no file fits the pattern {pattern!r} (looked in {Path().absolute()})")
    return _complete(groups, pattern)


def group_files(pattern: str, paths) -> dict[str, dict[str, str]]:
    """Sort the files that fit a pattern, as `pair_files`, whether or not detectors are missing.

    Raises
    ------
    MovieError
        If the pattern lacks a field, or a movie has two files of a detector.
    """
    if sorted(re.findall(r"{(\w*)}", pattern)) != sorted(FIELDS):
        raise MovieError(
            f"pattern {pattern!r} must hold {{name}} and {{detector}} once each, for example "
            "'{name}_{detector}.dm4'"
        )
    groups: dict[str, dict[str, str]] = {}
    for path in paths:
        match = _match(pattern, path)
        if match is None:
            continue
        group = groups.setdefault(match["name"], {})
        if match["detector"] in group:
            other = group[match["detector"]]
            raise MovieError(f"{path} and {other}: two files of {match['detector']} of one movie")
        group[match["detector"]] = os.fspath(path)
    return groups


def _match(pattern: str, path) -> dict | None:
    """Return name and detector of a path; a pattern without a folder is that of the file's name."""
    text = os.fspath(path)
    if not os.path.dirname(pattern):
        text = os.path.basename(text)
    parts = re.split(r"({\w*})", pattern)
    fields = {"{name}": r"(?P<name>[^/\\]+)", "{detector}": r"(?P<detector>[^/\\]+?)"}
    expression = "".join(fields.get(part, re.escape(part)) for part in parts)
    found = re.fullmatch(expression, text)
    return found.groupdict() if found else None


def _complete(groups: dict, pattern: str) -> dict[str, dict[str, str]]:
    """Return the groups with detectors in one order; refuse one that lacks some."""
    detectors = sorted({detector for group in groups.values() for detector in group})
    for name, group in groups.items():
        missing = [detector for detector in detectors if detector not in group]
        if missing:
            raise MovieError(
                f"{name}: no file of {', '.join(missing)} fits {pattern!r}, but other movies have "
                f"one; found {', '.join(group.values())}"
            )
    return {name: {d: group[d] for d in detectors} for name, group in groups.items()}
