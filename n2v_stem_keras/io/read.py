"""Open movies: one reader for each kind of file, opened by its suffix.

Opening reads headers only; frames are read when asked for. What a file does not say is None; what
had to be guessed is marked on the movie.

`READERS` is the one list of what can be read: the command line, napari's manifest and the page on
files ask it. A new kind of file is a module here, with its suffixes and the function that opens it,
and an entry there.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import hdf5, hyperspy, mrc, npy, npz, rosetta, tia, tiff
from .files import (
    INSTALL,
    Unchanged,
    existing_file,
    path_problem,
    split_inside,
    warn_many_detectors,
)
from .guard import guarded, own_errors, refuse_bomb, walk_hdf5
from .movie import Movie, MovieError, MovieLike, MoviePath, check_letters


@dataclass(frozen=True)
class Reader:
    """One kind of file, as its module declares it.

    Attributes
    ----------
    kind : str
        What a person calls it.
    suffixes : tuple of str
        All that it reads, in small letters.
    open : callable
        (path, axes, series) -> Movie; `axes` and `series` as `read_movie` takes them.
    folders : tuple of str
        Suffixes of folders that are one movie.
    companions : tuple of str
        Suffixes of files that only say more of others, which are the movies where a folder is
        searched.
    extra : str
        Extra of the package that it needs, if any.
    """

    kind: str
    suffixes: tuple[str, ...]
    open: Callable
    folders: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    extra: str = ""


READERS = (
    Reader("TIFF (plain, ImageJ, OME)", tiff.SUFFIXES, tiff.open_tiff),
    Reader("npy", npy.SUFFIXES, npy.open_npy),
    Reader("npz", npz.SUFFIXES, npz.open_npz),
    Reader("SER/EMI", tia.SUFFIXES, tia.open_tia, companions=tia.COMPANIONS),
    Reader("MRC", mrc.SUFFIXES, mrc.open_mrc),
    Reader("HDF5", hdf5.SUFFIXES, hdf5.open_array),
    Reader("zarr", hdf5.ZARR_SUFFIXES, hdf5.open_array, folders=hdf5.ZARR_SUFFIXES, extra="em"),
    Reader(
        "DM3/DM4, EMD, hspy and others",
        rosetta.SUFFIXES,
        rosetta.open_rosetta,
        folders=rosetta.FOLDERS,
        extra="em",
    ),
)
SUFFIXES = tuple(suffix for reader in READERS for suffix in reader.suffixes)
FOLDERS = tuple(suffix for reader in READERS for suffix in reader.folders)
COMPANIONS = tuple(suffix for reader in READERS for suffix in reader.companions)


def read_movie(
    path: MoviePath,
    axes: str | None = None,
    *,
    series: int | str | Sequence[int | str] | None = None,
    detectors: Sequence[str] | None = None,
    pixel_size_nm: float | None = None,
    frame_time_s: float | None = None,
    voltage_kV: float | None = None,
) -> Movie:
    """Open a file as a movie, or one file per detector; frames are read when asked for.

    Parameters
    ----------
    path : path-like, or dict of path-like
        TIFF (plain, ImageJ, OME, BigTIFF), npy, SER/EMI (TIA), MRC, HDF5, zarr; through
        RosettaSciIO (``pip install "n2v_stem_keras[em]"``) DM3/DM4, EMD (Velox, Berkeley), hspy and
        more.
        ``FILE::PLACE`` names an array or image inside the file, as in ``movie.h5::/scan/haadf`` or
        ``scan.emd::HAADF,BF``. A dict has the file of each detector, as in
        ``{"ADF": "a.ser", "BF": "b.ser"}``.
    axes : str, optional
        Letters of ``STCYX``, one for each axis of the file's shape (with or without its axes of
        length 1). Default: what the file says.
    series : int, str or list of these, optional
        Which of the images of a file to read, if it holds several, by number or name; like
        ``::PLACE``. Default: all; in a TIFF as axis S, in a file of a microscope as detectors.
    detectors : sequence of str, optional
        Names of the detectors, instead of the file's, in its order; or those of its detectors that
        shall be taken (`Movie.with_detectors`).
    pixel_size_nm : float, optional
        Pixel size [nm/px], instead of the file's.
    frame_time_s : float, optional
        Time from one frame to the next [s], instead of the file's.
    voltage_kV : float, optional
        Acceleration voltage [kV], instead of the file's.

    Returns
    -------
    Movie
        In the axes order of the file.

    Raises
    ------
    MovieError
        If the file is missing, truncated, of an unknown format, holds no image (a spectrum, a
        diffraction pattern), or its axes are not clear.

    Notes
    -----
    An axis that the file does not name, or calls Z (a movie saved as a stack), is taken as T, with
    a warning and ``axes_guessed`` set; a lone detector without a name gets the one that stands in
    the file's name as a separate word, with ``detectors_guessed`` set.
    """
    if isinstance(path, Mapping):
        from .pair import join_detectors

        movie = join_detectors(
            {name: read_movie(one, axes, series=series) for name, one in path.items()}
        )
    else:
        movie = _open(path, axes, series)
    if axes is None and detectors is None:
        warn_many_detectors(movie)
    if detectors is not None:
        movie = movie.with_detectors(detectors)
    given = {"pixel_size_nm": pixel_size_nm}
    given |= {"frame_time_s": frame_time_s, "voltage_kV": voltage_kV}
    return movie.replace(**{key: value for key, value in given.items() if value is not None})


def as_movie(
    movie: MovieLike,
    axes: str | None = None,
    detectors: Sequence[str] | None = None,
    pixel_size_nm: float | None = None,
) -> Movie:
    """Make a `Movie` of whatever holds one.

    Parameters
    ----------
    movie : Movie, path, dict of paths, hyperspy Signal2D, array or lazy sequence of frames
        Paths as `read_movie` takes them.
    axes : str, optional
        Letters of ``STCYX``, instead of what it says; of an array by default ``TYXC``.
    detectors : sequence of str, optional
        Names of the detectors, instead of what it says; or those of them that shall be taken.
    pixel_size_nm : float, optional
        Pixel size [nm/px], instead of what it says.

    Raises
    ------
    MovieError
        If it is no movie, or a `Movie` with other axes.
    """
    check_letters(axes)
    if isinstance(movie, (list, tuple)) and movie and isinstance(movie[0], (str, os.PathLike)):
        raise MovieError(f"{len(movie)} movies are given, one is expected here: take one by one")
    options = {"detectors": detectors, "pixel_size_nm": pixel_size_nm}
    if hyperspy.is_signal(movie):
        return hyperspy.to_movie(movie, axes, **options)
    if isinstance(movie, Movie):
        if axes is not None and axes.upper() != movie.axes:
            raise MovieError(f"{movie.name}: axes are {movie.axes}, not {axes}; read it again")
        movie = movie if detectors is None else movie.with_detectors(detectors)
        return movie if pixel_size_nm is None else movie.replace(pixel_size_nm=pixel_size_nm)
    if isinstance(movie, (str, os.PathLike, Mapping)):
        return read_movie(movie, axes, **options)
    if isinstance(movie, (bytes, bytearray)) or movie is None:
        raise MovieError(f"found {type(movie).__name__}, expected a movie: an array or a path")
    return Movie.from_array(movie, axes, **options)


def _open(path, axes: str | None, series) -> Movie:
    """Open one file by its suffix."""
    if not isinstance(path, (str, os.PathLike)):
        raise MovieError(
            f"found {type(path).__name__} in the place of a path, expected the name of a file"
        )
    if problem := path_problem(path):
        raise MovieError(f"{os.fspath(path)!r}: {problem}")
    path, inside = split_inside(path)
    if inside is not None and series is not None:
        raise MovieError(f"{path}: say ::{inside} or series={series!r}, not both")
    series = inside if series is None else series
    existing_file(path, FOLDERS)
    if not knows_suffix(path) and not hdf5.is_place(series):
        own = [suffix for reader in READERS for suffix in reader.suffixes if not reader.extra]
        others = [suffix for suffix in SUFFIXES if suffix not in own]
        raise MovieError(
            f"{os.fspath(path)}: unknown suffix {path.suffix!r}; supported are .ome.tif, "
            f"{', '.join(own)}, and {', '.join(others)} and others with the 'em' extra ({INSTALL})"
        )
    suffix = path.suffix.lower()
    # the last one also opens what none declares
    reader = next((one for one in READERS if suffix in one.suffixes), READERS[-1])
    unchanged = Unchanged([path])  # as it is before its header is read
    with own_errors(path):
        walk_hdf5(path)
        movie = reader.open(path, axes, series)
        refuse_bomb(movie, path)
    return dataclasses.replace(guarded(movie, path), check_source=unchanged)


def knows_suffix(path: Path) -> bool:
    """Return whether a reader knows the suffix of a path, or RosettaSciIO, if it is installed."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or rosetta.can_read(suffix)


def is_movie_folder(path: Path) -> bool:
    """Return whether a path is a folder that is one movie."""
    return path.suffix.lower() in FOLDERS and path.is_dir()


def is_movie_file(path: Path) -> bool:
    """Return whether a file stands for a movie where a folder is searched; hidden ones do not."""
    suffix = path.suffix.lower()
    known = suffix in SUFFIXES and suffix not in COMPANIONS
    return known and not path.name.startswith(".") and path.is_file()
