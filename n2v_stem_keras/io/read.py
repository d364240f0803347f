"""Open movies: one reader for each kind of file, opened by its suffix.

Opening reads headers only; frames are read when asked for. What a file does not say is None; what
had to be guessed is marked on the movie.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from . import hdf5, rosetta
from .files import existing_file, split_inside
from .movie import Movie, MovieError
from .npy import open_npy
from .tia import open_tia
from .tiff import open_tiff

CORE = {
    ".tif": open_tiff, ".tiff": open_tiff, ".npy": open_npy, ".ser": open_tia, ".emi": open_tia,
}  # fmt: skip
INSTRUMENTS = (".dm3", ".dm4", ".emd", ".mrc", ".hspy", ".zspy")  # the commonest, for messages
# files that stand for a movie where a folder is searched; .emi only says more of a .ser
SUFFIXES = tuple({*CORE, *hdf5.SUFFIXES, *INSTRUMENTS} - {".emi"})


def read_movie(
    path,
    axes: str | None = None,
    *,
    series=None,
    detectors=None,
    pixel_size_nm: float | None = None,
    frame_time_s: float | None = None,
    voltage_kV: float | None = None,
) -> Movie:
    """Open a file as a movie, or one file per detector; frames are read when asked for.

    Parameters
    ----------
    path : path-like, or dict of path-like
        TIFF (plain, ImageJ, OME, BigTIFF), npy, SER/EMI (TIA), HDF5, zarr; through RosettaSciIO
        (``pip install "n2v_stem_keras[em]"``) DM3/DM4, EMD (Velox, Berkeley), MRC, hspy and more.
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
        Names of the detectors, instead of the file's.
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
    given = {"detectors": detectors, "pixel_size_nm": pixel_size_nm}
    given |= {"frame_time_s": frame_time_s, "voltage_kV": voltage_kV}
    return movie.replace(**{key: value for key, value in given.items() if value is not None})


def _open(path, axes: str | None, series) -> Movie:
    """Open one file by its suffix."""
    path, inside = split_inside(path)
    if inside is not None and series is not None:
        raise MovieError(f"{path}: say ::{inside} or series={series!r}, not both")
    series = inside if series is None else series
    existing_file(path, (hdf5.ZARR, *rosetta.FOLDERS))
    suffix = path.suffix.lower()
    if suffix in CORE:
        return CORE[suffix](path, axes, series)
    if suffix in (*hdf5.SUFFIXES, hdf5.ZARR) or _is_place(series):
        return hdf5.open_array(path, axes, None if series is None else str(series))
    check_suffix(path)
    return rosetta.open_rosetta(path, axes, series)


def _is_place(series) -> bool:
    """Return whether a series is a path inside of an HDF5 file."""
    return isinstance(series, str) and series.startswith("/")


def check_suffix(path: Path) -> None:
    """Raise MovieError if no reader knows the suffix, with or without RosettaSciIO."""
    suffix = path.suffix.lower()
    if suffix in INSTRUMENTS or rosetta.can_read(suffix):
        return
    raise MovieError(
        f"{os.fspath(path)}: unknown suffix {path.suffix!r}; supported are .ome.tif, "
        f"{', '.join([*CORE, *hdf5.SUFFIXES, hdf5.ZARR])}, and {', '.join(INSTRUMENTS)} and others "
        f"with the 'em' extra ({rosetta.INSTALL})"
    )
