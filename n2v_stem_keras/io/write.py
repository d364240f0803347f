"""Write movies frame by frame: OME-TIFF or npy, whole or not at all.

The file grows under a temporary name beside its place and is renamed when the last frame is on the
disk, so that a killed process leaves the previous version whole.
"""

import contextlib
import errno
import math
import os
import secrets
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .layout import Layout, RawFrames
from .metadata import ome_xml
from .movie import Movie, MovieError
from .read import check_suffix, movie_name

BIGTIFF_NBYTES = 2**32 - 2**25


def write_movie(
    path,
    movie_or_frames,
    *,
    like: Movie | None = None,
    dtype="float32",
    overwrite: bool = False,
    provenance: dict | None = None,
) -> Path:
    """Write a movie, an array or frames to a file, one frame in memory at a time.

    Parameters
    ----------
    path : path-like
        Where to; ``.ome.tif``, ``.ome.tiff``, ``.tif``, ``.tiff`` (all OME-TIFF) or ``.npy``.
    movie_or_frames : Movie, array or iterable of frames
        A movie; or an array with the axes of `like` (``TYXC`` without); or frames (Y, X, C), series
        after series, as many as `like` has.
    like : Movie, optional
        Gives axes, detectors, pixel size and frame time where `movie_or_frames` has none.
    dtype : dtype, optional
        Type to write. Integers are written only from integers that fit.
    overwrite : bool, optional
        Whether an existing file may be replaced.
    provenance : dict, optional
        How the movie was made, stored with an OME-TIFF and read back as ``Movie.provenance``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MovieError
        If the file exists, the disk is full, or the frames do not fit.
    """
    path = Path(path)
    movie, frames = _as_frames(movie_or_frames, like, movie_name(path))
    described = {}
    for key in ("detectors", "pixel_size_nm", "frame_time_s"):
        own = getattr(movie, key)
        described[key] = getattr(like, key, None) if own is None else own
    with MovieWriter(
        path,
        movie.axes,
        movie.shape,
        **described,
        provenance=provenance,
        overwrite=overwrite,
        dtype=dtype,
    ) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def _as_frames(movie_or_frames, like: Movie | None, name: str) -> tuple[Movie, Iterable]:
    """Return the movie whose axes and shape are written, and its frames in order."""
    movie = movie_or_frames
    if not isinstance(movie, Movie):
        if like is not None and not hasattr(movie, "ndim"):
            return like, movie
        if like is not None and movie.shape != like.shape:
            raise MovieError(
                f"{name}: an array of shape {movie.shape}, but like= has {like.shape} (axes "
                f"{like.axes}); use Movie.from_array to say the axes of another shape"
            )
        movie = Movie.from_array(movie, like.axes if like is not None else None, name=name)
    return movie, (frame for sequence in movie.series() for frame in sequence)


class MovieWriter:
    """Write a movie frame by frame; a context manager.

    On leaving the context the file gets its name; if an exception was raised or frames are missing,
    nothing is left behind.

    Parameters
    ----------
    path : path-like
        Where to; the suffix decides the format, see `write_movie`.
    axes : str
        Letters of ``STCYX``; the file keeps their order.
    shape : tuple of int
        Length of each axis.
    detectors, pixel_size_nm, frame_time_s, provenance
        See `Movie`. npy files hold none of these.
    overwrite : bool, optional
        Whether an existing file may be replaced.
    dtype : dtype, optional
        Type to write.

    Raises
    ------
    MovieError
        If the file exists, its folder does not, the disk has no room, or the arguments do not fit.

    Notes
    -----
    In npy files whose S or T stands after Y or X, each frame touches the whole file: slow.
    """

    def __init__(
        self,
        path,
        axes: str,
        shape: tuple[int, ...],
        detectors=None,
        pixel_size_nm: float | None = None,
        frame_time_s: float | None = None,
        provenance: dict | None = None,
        overwrite: bool = False,
        dtype="float32",
    ):
        self.path, self.overwrite = Path(path), overwrite
        check_suffix(self.path)
        self.movie = Movie(
            movie_name(self.path),
            axes,
            shape,
            np.dtype(dtype),
            self._no_frame,
            detectors=detectors,
            pixel_size_nm=pixel_size_nm,
            frame_time_s=frame_time_s,
            source=str(self.path),
            provenance=provenance,
        )
        self._npy = self.path.suffix.lower() == ".npy"
        self._header = None if self._npy else ome_xml(self.movie)
        if self._npy and any((detectors, pixel_size_nm, frame_time_s, provenance)):
            warnings.warn(
                f"{self.path}: npy holds no axes, detectors, pixel size or provenance; write "
                ".ome.tif to keep them",
                UserWarning,
                stacklevel=2,
            )
        self._check_place()
        self._file = None

    def __enter__(self) -> "MovieWriter":
        name = f".{self.path.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}.part"
        self._part = self.path.with_name(name)
        self._written = 0
        self._n_frames = self.movie.n_series * self.movie.n_frames
        try:
            with self._disk_errors():
                self._frames = self._create()
                self._file = open(self._part, "r+b")
        except BaseException:
            self._discard()
            raise
        return self

    def write(self, frame: np.ndarray) -> None:
        """Write the next frame (Y, X, C), frame after frame and series after series."""
        if self._file is None:
            raise MovieError(f"{self.path}: write frames inside 'with MovieWriter(...)'")
        if self._written == self._n_frames:
            raise MovieError(f"{self.path}: all {self._n_frames} promised frames are written")
        s, t = divmod(self._written, self.movie.n_frames)
        checked = self._checked(np.asarray(frame))
        with self._disk_errors():
            self._frames.write(self._file, s, t, checked)
        self._written += 1

    def __exit__(self, exception_type, exception, traceback) -> None:
        try:
            if exception_type is None:
                with self._disk_errors():
                    self._finish()
        finally:
            self._discard()

    def _finish(self) -> None:
        """Bring everything to the disk and give the file its name."""
        if self._written < self._n_frames:
            raise MovieError(
                f"{self.path}: {self._written} frames arrived, {self._n_frames} were promised "
                f"(shape {self.movie.shape}, axes {self.movie.axes}); nothing was written"
            )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._refuse_existing()
        os.replace(self._part, self.path)

    def _discard(self) -> None:
        """Close and remove the temporary file, if it is still there."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # closing flushes, which fails on a full disk
                self._file.close()
            self._file = None
        self._part.unlink(missing_ok=True)

    def _create(self) -> RawFrames:
        """Make the file in its full length without its values; return where these go."""
        if self._npy:
            layout = Layout(self.movie.axes, self.movie.shape)
            offset = self._create_npy(layout)
        else:
            size = dict(zip(self.movie.axes, self.movie.shape, strict=True))
            axes = "".join(a for a in self.movie.axes if a in "STC") + "YX"
            layout = Layout(axes, tuple(size[a] for a in axes))
            offset = self._create_tiff()
        return RawFrames(self._part, layout, self.movie.dtype, offset)

    def _create_npy(self, layout: Layout) -> int:
        with open(self._part, "xb") as file:
            descr = np.lib.format.dtype_to_descr(self.movie.dtype)
            header = {"descr": descr, "fortran_order": False, "shape": layout.shape}
            np.lib.format.write_array_header_1_0(file, header)
            offset = file.tell()
            file.truncate(offset + self._nbytes)
        return offset

    def _create_tiff(self) -> int:
        import tifffile

        n_planes = self._n_frames * self.movie.n_detectors
        with tifffile.TiffWriter(self._part, bigtiff=self._nbytes > BIGTIFF_NBYTES) as tif:
            offset, _ = tif.write(
                shape=(n_planes, *self.movie.frame_shape),
                dtype=self.movie.dtype,
                photometric="minisblack",
                description=self._header,
                metadata=None,
                software=False,
                returnoffset=True,
            )
        return offset

    @property
    def _nbytes(self) -> int:
        return math.prod(self.movie.shape) * self.movie.dtype.itemsize

    def _checked(self, frame: np.ndarray) -> np.ndarray:
        """Return the frame as (Y, X, C) of the type to write."""
        expected = (*self.movie.frame_shape, self.movie.n_detectors)
        if frame.ndim == 2 and expected[2] == 1:
            frame = frame[:, :, None]
        if frame.shape != expected:
            raise MovieError(
                f"{self.path}: frame {self._written} has shape {frame.shape}, expected {expected} "
                "(Y, X, C)"
            )
        casting = "same_kind" if self.movie.dtype.kind == "f" else "safe"
        if not np.can_cast(frame.dtype, self.movie.dtype, casting):
            raise MovieError(
                f"{self.path}: frame {self._written} is {frame.dtype}, which does not fit into "
                f"{self.movie.dtype}; write float32"
            )
        return frame.astype(self.movie.dtype, copy=False)

    def _check_place(self) -> None:
        """Refuse a place that is taken, missing or too small."""
        self._refuse_existing()
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise MovieError(f"{self.path}: the folder {folder} does not exist; make it first")
        free = shutil.disk_usage(folder).free
        if free < self._nbytes:
            raise MovieError(
                f"{self.path}: {self._nbytes} bytes needed, {free} bytes free; make room or write "
                "elsewhere"
            )

    def _refuse_existing(self) -> None:
        if self.path.is_dir():
            raise MovieError(f"{self.path}: is a directory; say a file name")
        if self.path.exists() and not self.overwrite:
            raise MovieError(f"{self.path}: exists; choose another name or overwrite=True")

    @contextlib.contextmanager
    def _disk_errors(self):
        """Turn failures of the disk into a MovieError."""
        try:
            yield
        except OSError as error:
            reason = str(error)
            if error.errno == errno.ENOSPC:
                free = shutil.disk_usage(self.path.absolute().parent).free
                reason = f"the disk is full: {self._nbytes} bytes needed, {free} bytes free"
            raise MovieError(f"{self.path}: cannot be written: {reason}") from error

    @staticmethod
    def _no_frame(s: int, t: int) -> np.ndarray:
        raise MovieError("a movie that is being written cannot be read")
