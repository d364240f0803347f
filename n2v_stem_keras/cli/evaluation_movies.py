"""The movies of ``n2v-stem evaluate``: clean, noisy, and where the adatoms are."""

import csv
import glob
import math
import re
from dataclasses import dataclass
from pathlib import Path

from ..counting import counted
from ..io.read import is_movie_file
from . import movie_files, options

REFERENCE_MOVIES = 4
DEFAULT_PSNR = ("16,16", "10,10", "7,6")
_DOSE = re.compile(r"([\d.]+) e-/px")
_DECIBELS = re.compile(r"-?[\d.]+(--?[\d.]+)*dB")


@dataclass
class EvaluationMovies:
    """What `evaluation.evaluate.evaluate` is given.

    Attributes
    ----------
    clean : list
        Movies TYXC, read when used.
    detectors : tuple of str
    pixel_size_nm : float or None
        [nm/px].
    noisy : dict or None
        Level -> list of movies.
    psnr_db : list or None
        Levels of noise to add, where there are no noisy movies.
    positions : list or None
        Adatoms of each frame of each movie, (n, 2) y, x [px].
    described : str
        Where the movies are from.
    gain : dict or None
        Level -> what one electron adds to the reading, where that is known.
    """

    clean: list
    detectors: tuple
    pixel_size_nm: float | None
    noisy: dict | None
    psnr_db: list | None
    positions: list | None
    described: str
    gain: dict | None = None

    @property
    def levels(self):
        """Noise levels, as `evaluation.evaluate.evaluate` takes them."""
        return self.psnr_db if self.noisy is None else list(self.noisy)


def gather(args, models) -> EvaluationMovies:
    """Find the movies that the options name; `models` are folders, whose detectors may help."""
    given = [name for name in ("truth", "simulated", "reference") if getattr(args, name)]
    if len(given) > 1:
        raise options.UsageError(f"give one of {' and '.join('--' + name for name in given)}")
    for name in ("noisy", "positions"):
        if getattr(args, name) and given != ["truth"]:
            raise options.UsageError(f"--{name} belongs to --truth, which is missing")
    if args.noisy and args.psnr:
        raise options.UsageError(
            "--noisy and --psnr: either the movies are noisy, or noise is added"
        )
    if given == ["truth"]:
        movies = _from_files(args, models)
    elif given == ["simulated"]:
        movies = _from_simulation(args)
    else:
        movies = _reference_movies(args)
    if args.gain:
        gain = _numbers("--gain", args.gain, len(movies.detectors))
        if min(gain) <= 0:
            raise options.UsageError(f"--gain {args.gain}: expected numbers above 0")
        movies.gain = dict.fromkeys(movies.levels, gain)
    return movies


def _numbers(option, text, n_detectors):
    """Return one number per detector from 'A', one for all, or 'A,B'."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, n_detectors) or not all(math.isfinite(n) for n in numbers):
        raise options.UsageError(
            f"{option} {text}: expected one number, or {n_detectors}, one per detector"
        )
    return numbers * (n_detectors if len(numbers) == 1 else 1)


def added_levels(args, n_detectors) -> list[tuple]:
    """Return the PSNR of each level of noise to add [dB]."""
    default = DEFAULT_PSNR if n_detectors == 2 else ("16", "10", "7")
    levels = [_numbers("--psnr", text, n_detectors) for text in args.psnr or default]
    if len(set(levels)) < len(levels):
        raise options.UsageError(f"--psnr {' --psnr '.join(args.psnr)}: give each level once")
    return levels


def _reference_movies(args):
    """Make the package's own movies."""
    from ..simulate import reference_movie

    n = REFERENCE_MOVIES if args.reference is None else args.reference
    if n < 1:
        raise options.UsageError(f"--reference {n}: expected 1 or more")
    if args.dry_run:
        n_made = 1
    else:
        n_made = n
        options.say(args, f"Making {n} reference movies")
    movies = [reference_movie(seed) for seed in range(n_made)]
    first = movies[0]
    seeds = f"seeds 0 to {n - 1}" if n > 1 else "seed 0"
    return EvaluationMovies(
        clean=[movie.clean for movie in movies],
        detectors=first.detectors,
        pixel_size_nm=first.pixel_size_nm,
        noisy=None,
        psnr_db=added_levels(args, len(first.detectors)),
        positions=[movie.positions for movie in movies],
        described=f"{counted(n, 'reference movie')} ({seeds})",
    )


def _from_files(args, models):
    """Open the files named one by one."""
    from ..normalize import DataError

    truths = movie_files.read_movies(args, expand(args.truth))
    detectors = _names(truths[0], models)
    clean = _series(truths, detectors)
    noisy = None
    if args.noisy:
        noisy = _series(movie_files.read_movies(args, expand(args.noisy)), detectors)
        if len(noisy) != len(clean):
            raise DataError(
                f"{len(clean)} clean and {len(noisy)} noisy movies; expected one noisy movie for "
                "each clean one, in the same order"
            )
        noisy = {"as given": noisy}
    positions, size = None, truths[0].pixel_size_nm
    if args.positions:
        if size is None:
            raise options.UsageError("--positions needs a pixel size: --pixel-size 0.046nm")
        positions = _positions(expand(args.positions), clean)
    names = [movie.name for movie in truths]
    return EvaluationMovies(
        clean,
        detectors,
        size,
        noisy,
        None if noisy else added_levels(args, len(detectors)),
        positions,
        f"{counted(len(clean), 'movie')}, "
        f"{', '.join(names if len(names) <= 8 else [*names[:8], '...'])}",
    )


def _from_simulation(args):
    """Open the movies of ``n2v-stem simulate``."""
    from ..normalize import DataError

    folder = Path(args.simulated)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = {movie_files.movie_stem(file): file for file in files if is_movie_file(file)}
    stems = [name.removesuffix("_clean") for name in paths if name.endswith("_clean")]
    if not stems:
        raise DataError(
            f"{folder}: holds no movie-*_clean.ome.tif; expected a folder of n2v-stem simulate"
        )
    truths = movie_files.read_movies(args, [paths[f"{stem}_clean"] for stem in stems])
    detectors = _names(truths[0], [])
    clean = _series(truths, detectors)
    noisy = {} if args.psnr else _noisy_by_level(args, folder, stems, paths, detectors)
    tables = [folder / f"{stem}_positions.csv" for stem in stems]
    known = truths[0].pixel_size_nm is not None and all(table.exists() for table in tables)
    return EvaluationMovies(
        clean,
        detectors,
        truths[0].pixel_size_nm,
        noisy or None,
        None if noisy else added_levels(args, len(detectors)),
        _positions(tables, clean) if known else None,
        f"{counted(len(clean), 'simulated movie')} in {folder}"
        f"{'' if noisy else ', with noise added'}",
        # simulate's counts are divided by the dose, so that their unit is that of the clean frames
        {lv: 1 / float(m[1]) for lv in noisy if (m := _DOSE.fullmatch(str(lv)))} or None,
    )


def _noisy_by_level(args, folder, stems, paths, detectors):
    """Return level -> noisy movies, the weakest noise first."""
    from ..normalize import DataError

    found = {
        stem: {name[len(stem) + 7 :] for name in paths if name.startswith(f"{stem}_noisy_")}
        for stem in stems
    }
    labels = set().union(*found.values())
    for stem, own in found.items():
        if labels - own:
            raise DataError(
                f"{folder}: {stem} has no noisy file {sorted(labels - own)[0]}, which others "
                "have; expected the same noise levels for all movies"
            )
    levels = {label: parse_level(label) for label in labels}
    # PSNR falling, then names
    order = sorted(
        levels, key=lambda k: (1, 0.0, k) if isinstance(levels[k], str) else (0, -levels[k][0], k)
    )
    return {
        levels[label]: _series(
            movie_files.read_movies(args, [paths[f"{stem}_noisy_{label}"] for stem in stems]),
            detectors,
        )
        for label in order
    }


def parse_level(label) -> tuple | str:
    """Return the level that a file's name tells: PSNR per detector [dB], or a name.

    Examples
    --------
    >>> parse_level("10-6.5dB"), parse_level("0--3dB"), parse_level("350e")
    ((10.0, 6.5), (0.0, -3.0), '350 e-/px')
    """
    if _DECIBELS.fullmatch(label):
        return tuple(float(part) for part in re.findall(r"(?:(?<=-)|^)-?[\d.]+", label))
    dose = re.fullmatch(r"([\d.]+)e", label)
    return f"{dose[1]} e-/px" if dose else label


def expand(paths) -> list[str]:
    """Expand patterns that the shell left alone, such as quoted ones."""
    found = []
    for path in paths:
        if glob.has_magic(path) and not Path(path).exists():
            matches = sorted(glob.glob(path))
            if not matches:
                raise options.UsageError(f"{path}: no file matches")
            found += matches
        else:
            found.append(path)
    return found


def _names(movie, models):
    """Names of the detectors: the movie's, else those of a model with as many, else C0, C1, ..."""
    from ..folder.folder import read_config

    if movie.detectors:
        return tuple(movie.detectors)
    for folder in models:
        channels = read_config(folder).channels
        if len(channels) == movie.n_detectors:
            return tuple(channels)
    return tuple(f"C{i}" for i in range(movie.n_detectors))


def _series(movies, detectors):
    """Return every separate movie, unread, with its detectors in one order."""
    from ..series import SelectedDetectors, detector_order

    found = []
    for movie in movies:
        order = detector_order(movie, detectors)
        found += [SelectedDetectors(frames, order) for frames in movie.series()]
    return found


def _positions(tables, clean):
    """Adatoms of each frame of each movie."""
    from ..normalize import DataError

    if len(tables) != len(clean):
        raise DataError(f"{len(tables)} tables of positions for {len(clean)} movies; expected each")
    return [read_positions(table, len(movie)) for table, movie in zip(tables, clean)]


def read_positions(path, n_frames) -> list:
    """Read a table of positions.

    Parameters
    ----------
    path : path-like
        CSV with the columns frame (from 0), y, x [px]; others are ignored.
    n_frames : int
        Frames of the movie.

    Returns
    -------
    list of numpy.ndarray
        (n, 2) y, x [px] for each frame, empty where there are no adatoms.

    Raises
    ------
    DataError
        The table is none, or names frames that the movie does not have.
    """
    import numpy as np

    from ..normalize import DataError

    atoms = [[] for _ in range(n_frames)]
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                t, y, x = int(row["frame"]), float(row["y"]), float(row["x"])
                if not 0 <= t < n_frames:
                    raise DataError(
                        f"{path}: frame {t}, but the movie has {counted(n_frames, 'frame')}"
                    )
                atoms[t].append((y, x))
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(
            f"{path}: not a table of positions ({type(error).__name__}: {error}); expected CSV "
            "with the columns frame, y, x [px]"
        ) from None
    return [np.array(frame, float).reshape(-1, 2) for frame in atoms]
