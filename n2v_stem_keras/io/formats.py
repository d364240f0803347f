"""Files in their full length before their values come: OME-TIFF, ImageJ TIFF, hspy, npy.

Each maker writes what surrounds the values and leaves these as a hole of the file; frames are then
put in place one by one. hspy is HyperSpy's format, an HDF5 file of documented names. `FORMATS` at
the end is the one list of what can be written.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._version import __version__
from . import npy, tiff
from .imagej import AXES as IMAGEJ_AXES
from .imagej import imagej_metadata
from .layout import Layout, RawFrames
from .metadata import NAMESPACE, ome_xml
from .movie import Movie, MovieError
from .signal import signal_axes, signal_metadata, stored_order

HSPY_VERSION = "3.3"
BIGTIFF_NBYTES = 2**32 - 2**25


@dataclass(frozen=True)
class Format:
    """One kind of file that is written.

    Attributes
    ----------
    name : str
        As `write_movie` takes it.
    use : str
        What it is for, in a few words.
    suffixes : tuple of str
        Suffixes that its files may have.
    ending : str
        End of the names that are made for its files.
    order : callable
        Axes of a movie -> axes as they are stored.
    make : callable
        (path, movie, layout, scaling) -> where the values begin [bytes]; makes the file.
    check : callable, optional
        Raises MovieError if a movie does not fit.
    bare : bool
        Whether it holds values only: no axes, detectors, pixel size or provenance.
    """

    name: str
    use: str
    suffixes: tuple[str, ...]
    ending: str
    order: Callable[[str], str]
    make: Callable
    check: Callable[[Movie], object] | None = None
    bare: bool = False


def format_of(path: Path, form: str | None) -> str:
    """Return the format of a file, from its suffix if it is not said.

    Raises
    ------
    MovieError
        If nothing is written to such a suffix, or not in this format.
    """
    suffix = path.suffix.lower()
    if form is None:
        form = next((name for name, known in FORMATS.items() if suffix in known.suffixes), None)
        if form is None:
            known = [ending for f in FORMATS.values() for ending in (f.ending, *f.suffixes)]
            raise MovieError(
                f"{path}: unknown suffix {path.suffix!r}; written are "
                f"{', '.join(dict.fromkeys(known))} (others are only read)"
            )
    if form not in FORMATS:
        raise MovieError(f"{path}: unknown format {form!r}; known are {', '.join(FORMATS)}")
    suffixes = FORMATS[form].suffixes
    if suffix not in suffixes:
        raise MovieError(
            f"{path}: format {form} has suffix {' or '.join(suffixes)}, not {path.suffix!r}"
        )
    return form


def check_movie(movie: Movie, form: str) -> None:
    """Raise MovieError if a format cannot hold a movie of this type."""
    if FORMATS[form].check:
        FORMATS[form].check(movie)


def nbytes(movie: Movie) -> int:
    """Return how much room the values of a movie take [bytes]."""
    return math.prod(movie.shape) * movie.dtype.itemsize


def create(part: Path, movie: Movie, form: str, scaling=None) -> RawFrames:
    """Make a file in its full length; return where its frames go.

    Parameters
    ----------
    part : Path
        The file to make, under its temporary name.
    movie : Movie
        Axes, shape, type and what is known of it.
    form : str
        One of `FORMATS`.
    scaling : Scaling, optional
        How stored integers became of intensities.
    """
    layout = layout_of(movie, form)
    offset = FORMATS[form].make(part, movie, layout, scaling)
    return RawFrames(part, layout, movie.dtype, offset)


def layout_of(movie: Movie, form: str) -> Layout:
    """Return the order in which a format stores the axes of a movie."""
    order = FORMATS[form].order(movie.axes)
    size = dict(zip(movie.axes, movie.shape, strict=True))
    return Layout(order, tuple(size[a] for a in order))


def _npy(part: Path, movie: Movie, layout: Layout, scaling) -> int:
    with open(part, "xb") as file:
        descr = np.lib.format.dtype_to_descr(movie.dtype)
        header = {"descr": descr, "fortran_order": False, "shape": layout.shape}
        np.lib.format.write_array_header_1_0(file, header)
        offset = file.tell()
        file.truncate(offset + nbytes(movie))
    return offset


def _ome(part: Path, movie: Movie, layout: Layout, scaling) -> int:
    import tifffile

    n_planes = movie.n_series * movie.n_frames * movie.n_detectors
    # beside the OME-XML, for programs that do not read it: pixels in a centimetre
    known, per_cm = {}, 1e7 / (movie.pixel_size_nm or np.inf)
    if 0 < per_cm < 2**32:  # what the tags can hold
        known = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(part, bigtiff=nbytes(movie) > BIGTIFF_NBYTES) as tif:
        offset, _ = tif.write(
            shape=(n_planes, *movie.frame_shape),
            dtype=movie.dtype,
            photometric="minisblack",
            description=ome_xml(movie),
            metadata=None,
            **known,
            software=False,
            returnoffset=True,
        )
    return offset


def _imagej(part: Path, movie: Movie, layout: Layout, scaling) -> int:
    import tifffile

    shape = (movie.n_frames, movie.n_series, movie.n_detectors, *movie.frame_shape, 1)
    size = movie.pixel_size_nm
    with tifffile.TiffWriter(part, imagej=True) as tif:
        offset, _ = tif.write(
            shape=shape,
            dtype=movie.dtype,
            resolution=None if size is None else (1 / size, 1 / size),
            metadata=imagej_metadata(movie, scaling),
            software=f"{NAMESPACE} {__version__}",
            returnoffset=True,
        )
    return offset


def _hspy(part: Path, movie: Movie, layout: Layout, scaling) -> int:
    import h5py

    with h5py.File(part, "x", libver=("v110", "v110")) as file:
        file.attrs.update({"file_format": "HyperSpy", "file_format_version": HSPY_VERSION})
        group = file.create_group(f"Experiments/{movie.name.replace('/', '-') or '__unnamed__'}")
        group.attrs.update({"package": NAMESPACE, "package_version": __version__})
        for number, axis in enumerate(signal_axes(movie)):
            group.create_group(f"axis-{number}").attrs.update(axis)
        _write_tree(group.create_group("metadata"), signal_metadata(movie))
        for name in ("original_metadata", "learning_results"):
            group.create_group(name)
        attributes = group.create_group("attributes")
        attributes.attrs.update({"_lazy": False, "_signal_dimension": 2})
        return _hole(group, layout.shape, movie.dtype)


def _write_tree(group, tree: dict) -> None:
    """Write nested dicts as HDF5 groups with attributes."""
    for key, value in tree.items():
        if isinstance(value, dict):
            _write_tree(group.create_group(key), value)
        else:
            group.attrs[key] = value


def _hole(group, shape: tuple[int, ...], dtype) -> int:
    """Make a dataset of one chunk per plane without values; return where they go [bytes].

    HyperSpy reads a file lazily only if it is chunked. Chunks that are allocated at once and not
    compressed lie one after the other (the "implicit index" of HDF5 1.10), as if in one piece.
    """
    from h5py import h5d, h5p, h5s, h5t

    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((1,) * (len(shape) - 2) + shape[-2:])
    plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5d.FILL_TIME_NEVER)
    space, kind = h5s.create_simple(shape), h5t.py_create(np.dtype(dtype))
    data = h5d.create(group.id, b"data", kind, space, dcpl=plan)
    n_chunks = math.prod(shape[:-2])
    first, last = (data.get_chunk_info(n) for n in (0, n_chunks - 1))
    if last.byte_offset - first.byte_offset != (n_chunks - 1) * first.size:
        raise OSError("this version of HDF5 scatters the planes; write another format")
    return first.byte_offset


def _imagej_order(axes: str) -> str:
    return "".join(a for a in IMAGEJ_AXES if a in axes)


FORMATS = {
    form.name: form
    for form in (
        Format(
            "ome",
            "Fiji (Bio-Formats), napari",
            tiff.SUFFIXES,
            ".ome.tif",
            order=stored_order,
            make=_ome,
            check=ome_xml,
        ),
        Format(
            "imagej",
            "ImageJ's own TIFF",
            tiff.SUFFIXES,
            ".tif",
            order=_imagej_order,
            make=_imagej,
            check=imagej_metadata,
        ),
        Format("hspy", "HyperSpy", (".hspy",), ".hspy", order=stored_order, make=_hspy),
        Format(
            "npy",
            "numpy, keeps no pixel size",
            npy.SUFFIXES,
            ".npy",
            order=str,
            make=_npy,
            bare=True,
        ),
    )
}
