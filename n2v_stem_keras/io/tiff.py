"""Open TIFF files: plain, ImageJ, OME, BigTIFF; compressed, tiled, of several series.

Uncompressed, contiguous data are read frame by frame straight from the file, others page by page
through tifffile.
"""

import dataclasses
import math
import re
import threading
import warnings
from pathlib import Path

import numpy as np

from ..escaping import escaped
from . import imagej, metadata
from .files import Unchanged, agreed, file_movie, series_number, warn_guess
from .layout import Layout, PagedFrames, RawFrames, tifffile_errors
from .movie import EXAMPLES, Movie, MovieError, check_axes, check_dtype

SUFFIXES = (".tif", ".tiff")
DESCRIBED = {"ome", "imagej", "shaped"}  # kinds of series whose description says how many
RGB = 2  # photometric interpretation of a TIFF


def open_tiff(path: Path, axes: str | None, series) -> Movie:
    """Open a TIFF file; only its image file directories are read."""
    import tifffile

    with tifffile_errors(path, "cannot be read as TIFF"), tifffile.TiffFile(path) as tif:
        _check_whole(tif, path)
        chosen, first = _choose_series(tif.series, series_number(series, path), path)
        tags = _read_tags(tif, first, chosen[0], path)
        stacked = len(chosen) > 1
        if stacked:
            tags = _agreed(tif, chosen, tags, path)
        if stacked and axes is not None and axes[:1].upper() != "S":
            raise MovieError(
                f"{path}: holds {len(chosen)} images of shape {chosen[0].shape}, read as axis S; "
                f"axes {axes!r} must begin with S, or choose one image with series="
            )
        inner = axes[1:] if stacked and axes is not None else axes
        stored, shape, axes, guessed = _resolve(chosen[0], inner, tags, path, stacked)
        _warn_of_others(tif, path)
        planes = [_planes(one) for one in chosen]
        if not stacked:
            shape, planes[0] = _acquired(planes[0], stored, shape, tif, path)
        lock, layout = threading.Lock(), Layout(stored, shape)
        readers = [_reader(tif, *both, layout, path, lock) for both in zip(chosen, planes)]
        dtype = chosen[0].dtype
        pages = [page for one in planes for page in one or () if page is not None]
        others = {page.parent.filehandle.path for page in pages if page.parent is not tif}
    size, read_frame = dict(zip(stored, shape, strict=True)), readers[0]
    shape = tuple(size[a] for a in axes)
    if stacked:
        axes, shape = "S" + axes, (len(readers), *shape)

        def read_frame(s: int, t: int) -> np.ndarray:
            return readers[s](0, t)

    if others:
        read_frame = _unchanged(read_frame, Unchanged(others))
    return file_movie(path, axes, shape, dtype, read_frame, guessed, tags)


def _unchanged(read_frame, check: Unchanged):
    """Return the function that reads a frame and checks the other files that it may lie in."""

    def read(s: int, t: int) -> np.ndarray:
        frame = read_frame(s, t)
        check()
        return frame

    return read


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
        if file.size - expected >= page.nbytes:
            _warn_of_more(images + (file.size - expected) // page.nbytes, images, path)


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
        return imagej.imagej_tags(tif.imagej_metadata, resolution, n_detectors, str(path))
    return metadata.Tags()


def _agreed(tif, chosen, first: metadata.Tags, path: Path) -> metadata.Tags:
    """Return the tags of several images, which must be of one pixel size."""
    others = [_read_tags(tif, i, one, path) for i, one in enumerate(chosen) if i]
    numbers = {
        field: agreed(
            field,
            {f"image {i}": getattr(one, field) for i, one in enumerate((first, *others))},
            f"{path}: choose one with series=",
        )
        for field in ("pixel_size_nm", "frame_time_s", "voltage_kV")
    }
    return dataclasses.replace(first, **numbers)


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
    order = imagej.AXES if series.keyframe.parent.is_imagej else axes
    stored = "".join(a for a in order if a in "STC" and a in axes) + "YX"
    size = dict(zip(axes, shape, strict=True))
    stored_shape = tuple(size[a] for a in stored)
    if [n for n in stored_shape if n > 1] != [n for n in series.shape if n > 1]:
        warnings.warn(
            escaped(
                f"{path}: the file was changed after it was written with axes {axes}, shape "
                f"{shape}: found shape {series.shape} ({series.axes}), which is used"
            ),
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
        warn_guess(path, shape, axes, f"calls its axes {series.axes}")
    return axes, shape, guessed


def _planes(series) -> list | None:
    """Return the pages of a series, None for those that are not there.

    None if one page stands for all that follow it, as ImageJ writes large files.
    """
    n_planes = math.prod(series.shape) // math.prod(series.keyframe.shape)
    if len(series.pages) == 1 and n_planes > 1:
        return None
    found = []
    for number in range(n_planes):
        try:
            found.append(series.pages[number])
        except IndexError:
            found.append(None)
    return found


def _warn_of_others(tif, path: Path) -> None:
    """Say which pages are not described, and what comes from other files."""
    if tif.is_ome and "BinaryOnly" in (tif.ome_metadata or ""):
        described = re.search(r'BinaryOnly[^>]*MetadataFile="([^"]*)"', tif.ome_metadata)
        warnings.warn(
            escaped(
                f"{path}: its description lies in another file, "
                f"{described[1] if described else ''}, "
                "which is not read: say axes=, pixel_size_nm= and detectors="
            ),
            UserWarning,
            stacklevel=5,
        )
    if not {one.kind for one in tif.series} <= DESCRIBED:
        return
    planes = [_planes(one) for one in tif.series]
    if None in planes:
        return
    pages = [page for one in planes for page in one if page is not None]
    others = {page.parent.filehandle.name for page in pages if page.parent is not tif}
    if others:
        warnings.warn(
            escaped(
                f"{path}: frames are also read from {', '.join(sorted(others))}, to which it "
                "points; "
                "copy and move these files together"
            ),
            UserWarning,
            stacklevel=5,
        )
    n_used = len({page.index for page in pages if page.parent is tif})
    if n_used < len(tif.pages):
        _warn_of_more(len(tif.pages), n_used, path)


def _warn_of_more(n_found: int, n_described: int, path: Path) -> None:
    warnings.warn(
        escaped(
            f"{path}: holds {n_found} images, {n_described} of which its description names; "
            "the others "
            "are not read. Was it written to its end? Save it again"
        ),
        UserWarning,
        stacklevel=6,
    )


def _acquired(planes, stored: str, shape, tif, path: Path):
    """Return shape and pages without the frames at the end that were planned but never written.

    Raises
    ------
    MovieError
        If frames are missing in between, or lie in files that are not there.
    """
    if planes is None or None not in planes:
        return shape, planes
    elsewhere = sorted(set(re.findall(r'FileName="([^"]*)"', tif.ome_metadata or "")) - {path.name})
    where = f"in other files that it points to: {', '.join(elsewhere)}" if elsewhere else "in it"
    missing = MovieError(
        f"{path}: {planes.count(None)} of {len(planes)} planes are missing, {where}; copy the "
        "whole set again"
    )
    outer = next((n for n in range(len(shape)) if math.prod(shape[:n]) == len(planes)), 0)
    if elsewhere or "T" not in stored[:outer]:
        raise missing
    array = np.empty(len(planes), object)
    array[:] = planes
    array = np.moveaxis(array.reshape(shape[:outer]), stored.index("T"), 0)
    whole = [None not in frame.tolist() for frame in array.reshape(len(array), -1)]
    n_frames = whole.index(False)
    if n_frames == 0 or any(whole[n_frames:]):
        raise missing
    warnings.warn(
        escaped(f"{path}: {n_frames} of {len(whole)} planned frames were acquired; these are read"),
        UserWarning,
        stacklevel=5,
    )
    kept = np.moveaxis(array[:n_frames], 0, stored.index("T"))
    shape = tuple(n_frames if a == "T" else n for a, n in zip(stored, shape))
    return shape, kept.ravel().tolist()


def _reader(tif, series, planes, layout: Layout, path: Path, lock):
    """Return the function that reads one frame of a series."""
    check_dtype(series.dtype, str(path))
    if planes is not None and None in planes:
        raise MovieError(
            f"{path}: {planes.count(None)} of {len(planes)} planes are missing, in this file or in "
            "others that belong to it; copy the whole set again"
        )
    dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
    if planes is None:
        frames = RawFrames(path, layout, dtype, series.dataoffset)
        frames.check_size()
        return frames.read
    n_planes = math.prod(series.shape) // math.prod(series.keyframe.shape)
    straight = series.dataoffset is not None and len(planes) == n_planes
    if straight and all(page.parent is tif for page in planes):
        frames = RawFrames(path, layout, dtype, series.dataoffset)
        frames.check_size()
        return frames.read
    return PagedFrames(path, layout, planes, series.dtype, lock).read
