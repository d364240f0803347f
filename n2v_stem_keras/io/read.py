"""Open movies: TIFF (plain, ImageJ, OME, BigTIFF) and npy.

Opening reads the headers only. Uncompressed, contiguous data are then read frame by frame straight
from the file, other TIFFs page by page through tifffile. What a file does not say is None; what had
to be guessed is marked on the movie.
"""

import math
import os
import threading
import warnings
from pathlib import Path

import numpy as np

from . import metadata
from .layout import Layout, PagedFrames, RawFrames, tifffile_errors
from .movie import EXAMPLES, Movie, MovieError, check_axes, check_dtype

SUFFIXES = (".tif", ".tiff", ".npy")
RGB = 2  # photometric interpretation of a TIFF


def read_movie(
    path,
    axes: str | None = None,
    *,
    series: int | None = None,
    detectors=None,
    pixel_size_nm: float | None = None,
    frame_time_s: float | None = None,
) -> Movie:
    """Open a file as a movie; frames are read when asked for.

    Parameters
    ----------
    path : path-like
        A TIFF (``.tif``, ``.tiff``, ``.ome.tif``) or ``.npy`` file.
    axes : str, optional
        Letters of ``STCYX``, one for each axis of the file's shape (with or without its axes of
        length 1). Default: what the file says.
    series : int, optional
        Which of the images of a TIFF to read, if it holds several. Default: all, as axis S.
    detectors : sequence of str, optional
        Names of the detectors, instead of the file's.
    pixel_size_nm : float, optional
        Pixel size [nm/px], instead of the file's.
    frame_time_s : float, optional
        Time from one frame to the next [s], instead of the file's.

    Returns
    -------
    Movie
        In the axes order of the file.

    Raises
    ------
    MovieError
        If the file is missing, truncated, of an unknown format, or its axes are not clear.

    Notes
    -----
    An axis that the file does not name, or calls Z (a movie saved as a stack), is taken as T, with
    a warning and ``axes_guessed`` set; a lone detector without a name gets the one that stands in
    the file's name as a separate word, with ``detectors_guessed`` set.
    """
    path = _existing(path)
    if path.suffix.lower() == ".npy":
        movie = _open_npy(path, axes, series)
    else:
        movie = _open_tiff(path, axes, series)
    given = {
        "detectors": detectors,
        "pixel_size_nm": pixel_size_nm,
        "frame_time_s": frame_time_s,
    }
    return movie.replace(**{key: value for key, value in given.items() if value is not None})


def movie_name(path: Path) -> str:
    """Return the file's name without its suffix, ``.ome.tif`` being one.

    >>> movie_name(Path("au_ADF.ome.tif"))
    'au_ADF'
    """
    return path.stem[:-4] if path.stem.lower().endswith(".ome") else path.stem


def check_suffix(path: Path) -> None:
    """Raise MovieError if the suffix is of no supported format."""
    if path.suffix.lower() not in SUFFIXES:
        raise MovieError(
            f"{path}: unknown suffix {path.suffix!r}; supported are .ome.tif, "
            f"{', '.join(SUFFIXES)}. Other microscope formats (DM3, DM4, EMD, SER, MRC) come with "
            "the 'em' extra in a later version; until then save the movie as TIFF"
        )


def _existing(path) -> Path:
    """Return the path of a file that is there, not empty, and of a known format."""
    path = Path(path)
    if path.is_dir():
        raise MovieError(f"{path}: is a directory; expected a file, for example one in it")
    if not path.exists():
        raise MovieError(f"{path}: no such file (looked in {path.absolute().parent})")
    check_suffix(path)
    if os.path.getsize(path) == 0:
        raise MovieError(f"{path}: the file is empty (0 bytes); copy or save it again")
    return path


def _movie(path: Path, axes, shape, dtype, read_frame, guessed: bool, tags) -> Movie:
    """Return the movie of a file, its detector guessed from the file's name if need be."""
    n_detectors = dict(zip(axes, shape, strict=True)).get("C", 1)
    detectors = tags.detectors
    if detectors is not None and len(detectors) != n_detectors:
        detectors = None
    token = metadata.guess_detector(movie_name(path)) if n_detectors == 1 else None
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
        source=str(path),
        axes_guessed=guessed,
        detectors_guessed=detectors_guessed,
        provenance=tags.provenance,
    )


def _warn_guess(path: Path, shape: tuple[int, ...], guess: str, found: str) -> None:
    warnings.warn(
        f"{path}: shape {shape} read as axes {guess!r}, a guess, as the file {found}; "
        f"if that is wrong, say axes=, for example {EXAMPLES}",
        UserWarning,
        stacklevel=4,
    )


def _open_npy(path: Path, axes: str | None, series: int | None) -> Movie:
    """Open a npy file; only its header is read."""
    if series not in (None, 0):
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
    guess = {2: "YX", 3: "TYX", 4: "TYXC"}.get(len(shape))
    if axes is None and guess is None:
        raise MovieError(
            f"{path}: {len(shape)} axes of shape {shape}; npy files do not name them; say axes=, "
            f"for example {EXAMPLES}"
        )
    guessed = axes is None and guess != "YX"
    if guessed:
        _warn_guess(path, shape, guess, "does not name its axes")
    axes, shape = check_axes(axes or guess, shape, str(path))
    order = slice(None, None, -1 if fortran else 1)
    frames = RawFrames(path, Layout(axes[order], shape[order]), dtype, offset)
    frames.check_size()
    return _movie(path, axes, shape, dtype, frames.read, guessed, metadata.Tags())


def _open_tiff(path: Path, axes: str | None, number: int | None) -> Movie:
    """Open a TIFF file; only its image file directories are read."""
    import tifffile

    with tifffile_errors(path, "cannot be read as TIFF"), tifffile.TiffFile(path) as tif:
        _check_whole(tif, path)
        chosen, first = _choose_series(tif.series, number, path)
        tags = _read_tags(tif, first, chosen[0], path)
        stacked = len(chosen) > 1
        if stacked and axes is not None and axes[:1].upper() != "S":
            raise MovieError(
                f"{path}: holds {len(chosen)} images of shape {chosen[0].shape}, read as axis S; "
                f"axes {axes!r} must begin with S, or choose one image with series="
            )
        inner = axes[1:] if stacked and axes is not None else axes
        stored, shape, axes, guessed = _resolve(chosen[0], inner, tags, path, stacked)
        lock, layout = threading.Lock(), Layout(stored, shape)
        readers = [_reader(tif, one, layout, path, lock) for one in chosen]
        dtype = chosen[0].dtype
    size, read_frame = dict(zip(stored, shape, strict=True)), readers[0]
    shape = tuple(size[a] for a in axes)
    if stacked:
        axes, shape = "S" + axes, (len(readers), *shape)

        def read_frame(s: int, t: int) -> np.ndarray:
            return readers[s](0, t)

    return _movie(path, axes, shape, dtype, read_frame, guessed, tags)


def _check_whole(tif, path: Path) -> None:
    """Raise MovieError where tifffile would go on with less than the file once held."""
    page, n_pages, file = tif.pages.first, len(tif.pages), tif.filehandle
    order = "little" if tif.byteorder == "<" else "big"
    fix = f"the file is truncated ({file.size} bytes found); copy or save it again"

    position, size = tif.pages.next_page_offset, tif.tiff.offsetsize
    file.seek(position)
    following = file.read(size)
    if len(following) < size or any(following):
        expected = max(position + size, int.from_bytes(following, order))
        raise MovieError(f"{path}: more than {n_pages} images and {expected} bytes expected; {fix}")

    file.seek(page.offset)
    n_tags = int.from_bytes(file.read(tif.tiff.tagnosize), order)
    entries = file.read(n_tags * tif.tiff.tagsize)
    codes = [
        int.from_bytes(entries[i:][:2], order) for i in range(0, len(entries), tif.tiff.tagsize)
    ]
    for code, name in ((270, "description"), (50839, "ImageJ metadata")):
        if code in codes and code not in page.tags:
            raise MovieError(f"{path}: its {name} cannot be read; {fix}")

    described = tif.imagej_metadata or {}
    if described and n_pages == 1 and page.is_contiguous:
        images = math.prod(described.get(key, 1) for key in ("channels", "slices", "frames"))
        images = max(images, described.get("images", 1))
        expected = page.dataoffsets[0] + page.nbytes * images
        if file.size < expected:
            raise MovieError(f"{path}: {expected} bytes expected for {images} images; {fix}")


def _choose_series(all_series, number: int | None, path: Path):
    """Return the series to read, alike in shape and type, and the index of the first."""
    shapes = ", ".join(f"{i}: {s.shape} {s.axes} {s.dtype}" for i, s in enumerate(all_series))
    if number is not None:
        if not 0 <= number < len(all_series):
            raise MovieError(f"{path}: no series {number}; there are {shapes}")
        return [all_series[number]], number
    if not all_series:
        raise MovieError(f"{path}: holds no images")
    if len({(s.shape, s.axes, s.dtype) for s in all_series}) > 1:
        raise MovieError(
            f"{path}: holds images that do not stack ({shapes}); choose one with series="
        )
    return list(all_series), 0


def _read_tags(tif, index: int, series, path: Path) -> metadata.Tags:
    """Return what the file says about series number `index`."""
    if tif.is_ome and tif.ome_metadata:
        return metadata.ome_tags(tif.ome_metadata, index, str(path))
    if tif.is_imagej and tif.imagej_metadata:
        tags = tif.pages.first.tags
        resolution = tuple(tags.valueof(name, (0, 1)) for name in ("XResolution", "YResolution"))
        n_detectors = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)
        return metadata.imagej_tags(tif.imagej_metadata, resolution, n_detectors, str(path))
    return metadata.Tags()


def _resolve(series, axes: str | None, tags, path: Path, stacked: bool):
    """Return the axes and shape as stored, the movie's axes, and whether they are a guess."""
    own = None if stacked else _own_axes(series, tags, path)
    if axes is None:
        if own is not None:
            return *own, tags.axes, False
        stored, shape, guessed = _named_axes(series, path)
        return stored, shape, stored, guessed
    axes = axes.upper()
    if own is not None and len(axes) == len(tags.axes):
        check_axes(axes, tags.shape, str(path))
        renamed = own[0].translate(str.maketrans(tags.axes, axes))
        return renamed, own[1], axes, False
    for shape in _shapes(series):
        if len(shape) == len(axes):
            check_axes(axes, shape, str(path))
            return axes, shape, axes, False
    raise MovieError(
        f"{path}: axes {axes!r} name {len(axes)} axes, but the file's shape is "
        f"{tuple(series.shape)}; say one letter for each, for example {EXAMPLES}"
    )


def _shapes(series) -> list[tuple[int, ...]]:
    """Return the shapes a series may be said to have, with and without axes of length 1."""
    shape = tuple(series.shape)
    shapes = [shape, tuple(n for n in shape if n > 1)]
    if hasattr(series, "get_shape"):  # tifffile before 2026.11 hides axes of length 1
        shapes += [tuple(series.get_shape(False)), tuple(series.get_shape(True))]
    return shapes


def _own_axes(series, tags, path: Path) -> tuple[str, tuple[int, ...]] | None:
    """Return axes and shape as stored in a file of our own; None if it is none, or was changed."""
    if tags.axes is None:
        return None
    axes, shape = tags.axes, tags.shape
    stored = "".join(a for a in axes if a in "STC") + "YX"
    size = dict(zip(axes, shape, strict=True))
    stored_shape = tuple(size[a] for a in stored)
    if [n for n in stored_shape if n > 1] != [n for n in series.shape if n > 1]:
        warnings.warn(
            f"{path}: the file was changed after it was written with axes {axes}, shape {shape}: "
            f"found shape {series.shape} ({series.axes}), which is used",
            UserWarning,
            stacklevel=6,
        )
        return None
    return stored, stored_shape


def _named_axes(series, path: Path) -> tuple[str, tuple[int, ...], bool]:
    """Return axes and shape from tifffile's letters, and whether T or C is a guess."""
    found = f"{path}: shape {tuple(series.shape)}, axes {series.axes} as TIFF names them"
    samples = dict(zip(series.axes, series.shape, strict=False)).get("S", 1)
    if samples in (3, 4) and series.dtype == np.uint8:
        raise MovieError(
            f"{found}, is an RGB image: colours, not intensities; save the detector signals "
            "themselves, or say axes= if the colours are detectors or frames"
        )
    letters = series.axes.replace("S", "C")
    named = [(a, n) for a, n in zip(letters, series.shape, strict=True) if a in "TCYX" or n > 1]
    axes, shape = "".join(a for a, _ in named), tuple(n for _, n in named)
    unknown = [a for a in axes if a not in "TCYX"]
    if len(unknown) == 1 and "T" not in axes:
        axes = axes.replace(unknown[0], "T")
    elif unknown or len(set(axes)) != len(axes):
        raise MovieError(f"{found}, are not clear; say axes=, for example {EXAMPLES}")
    guessed = bool(unknown) or (samples > 1 and series.keyframe.photometric == RGB)
    if guessed:
        _warn_guess(path, shape, axes, f"calls its axes {series.axes}")
    return axes, shape, guessed


def _reader(tif, series, layout: Layout, path: Path, lock):
    """Return the function that reads one frame of a series."""
    check_dtype(series.dtype, str(path))
    missing = sum(page is None for page in series.pages)
    if missing:
        raise MovieError(
            f"{path}: {missing} of {len(series.pages)} planes are missing, in this file or in "
            "others that belong to it; copy the whole set again"
        )
    if series.dataoffset is not None and all(page.parent is tif for page in series.pages):
        dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        frames = RawFrames(path, layout, dtype, series.dataoffset)
        frames.check_size()
        return frames.read
    return PagedFrames(path, layout, series, lock).read
