"""Write movies frame by frame, whole or not at all: OME-TIFF, ImageJ TIFF, hspy, npy.

The file grows under a temporary name beside its place and is renamed when the last frame is on the
disk, so that a killed process leaves the previous version whole. A writer with a key goes on where
an earlier one with the same key was stopped.
"""

import contextlib
import errno
import os
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..counting import counted
from ..escaping import escaped
from . import formats, unfinished
from .files import movie_name
from .layout import RawFrames
from .movie import UNITS, LazyFrames, Movie, MovieError, float32_problem, unmasked
from .scaling import Scaling


def write_movie(
    path: str | os.PathLike,
    movie_or_frames: Movie | npt.ArrayLike | LazyFrames | Iterable[npt.ArrayLike],
    *,
    like: Movie | None = None,
    dtype: npt.DTypeLike = "float32",
    scaling: Scaling | None = None,
    format: str | None = None,
    overwrite: bool = False,
    provenance: dict | None = None,
) -> Path:
    """Write a movie, an array or frames to a file, one frame in memory at a time.

    Parameters
    ----------
    path : path-like
        Where to; ``.ome.tif``, ``.ome.tiff``, ``.tif``, ``.tiff``, ``.hspy`` or ``.npy``.
    movie_or_frames : Movie, array or iterable of frames
        A movie; or an array with the axes of `like` (``TYXC`` without); or frames (Y, X, C), series
        after series, as many as `like` has.
    like : Movie, optional
        Gives axes, detectors, pixel size, frame time and voltage where `movie_or_frames` has none.
    dtype : dtype, optional
        Type to write. Integers are written only from integers that fit.
    scaling : Scaling, optional
        Write intensities as integers of its type; stated in the provenance.
    format : {'ome', 'imagej', 'hspy', 'npy'}, optional
        Default by the suffix; TIFF is OME-TIFF unless ``'imagej'`` is said.
    overwrite : bool, optional
        Whether an existing file may be replaced.
    provenance : dict, optional
        How the movie was made, stored in the file and read back as ``Movie.provenance``.

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
    for key in ("detectors", *UNITS):
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
        scaling=scaling,
        format=format,
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
    nothing is left behind - with a `key`, what was written is kept under its temporary name for a
    writer with the same key.

    Parameters
    ----------
    path : path-like
        Where to; the suffix decides the format, see `write_movie`.
    axes : str
        Letters of ``STCYX``; the file keeps their order.
    shape : tuple of int
        Length of each axis.
    detectors, pixel_size_nm, frame_time_s, voltage_kV, provenance
        See `Movie`. npy files hold none of these.
    overwrite : bool, optional
        Whether an existing file may be replaced.
    dtype, scaling, format
        See `write_movie`.
    key : str, optional
        Key of all that decides the values, see `unfinished.resume_key`: makes the writer go on
        after an interruption.
    anew : bool, optional
        Throw away what a writer with the same key left.

    Attributes
    ----------
    n_written : int
        Number of frames that are written, in the context; not 0 at its beginning if it goes on.

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
        voltage_kV: float | None = None,
        provenance: dict | None = None,
        overwrite: bool = False,
        dtype="float32",
        scaling: Scaling | None = None,
        format: str | None = None,
        key: str | None = None,
        anew: bool = False,
    ):
        self.path, self.overwrite, self.scaling = Path(path), overwrite, scaling
        self.format = formats.format_of(self.path, format)
        if scaling is not None:
            provenance = {**(provenance or {}), "scaling": scaling.describe()}
        self.movie = Movie(
            movie_name(self.path),
            axes,
            shape,
            np.dtype(dtype) if scaling is None else scaling.dtype,
            self._no_frame,
            detectors=detectors,
            pixel_size_nm=pixel_size_nm,
            frame_time_s=frame_time_s,
            voltage_kV=voltage_kV,
            source=str(self.path),
            provenance=provenance,
        )
        formats.check_movie(self.movie, self.format)
        described = any((detectors, pixel_size_nm, frame_time_s, provenance))
        if described and formats.FORMATS[self.format].bare:
            warnings.warn(
                escaped(
                    f"{self.path}: {self.format} holds no axes, detectors, pixel size or "
                    "provenance; write .ome.tif to keep them"
                ),
                UserWarning,
                stacklevel=2,
            )
        self._resumable, self._anew = key is not None, anew
        self._place = unfinished.Unfinished(self.path, key or unfinished.passing_key())
        self._check_place()
        self._file, self.n_written, self.n_beyond = None, 0, 0

    @property
    def n_frames(self) -> int:
        """Number of frames that make the file, over all its series."""
        return self.movie.n_series * self.movie.n_frames

    def __enter__(self) -> "MovieWriter":
        self.n_written, self.n_beyond, self._made = 0, 0, False
        begun = self._begun()
        try:
            with self._disk_errors():
                if begun and self._fits(*begun):
                    self._frames = self._reopen(begun[1])
                    self.n_written = begun[0]
                else:
                    self._begin()
        except BaseException:
            self._close()
            if self._made:
                self._place.remove()
            raise
        self._synced = self.n_written
        return self

    def _begun(self) -> tuple[int, int] | None:
        """Return how many frames an earlier writer left, and where the first begins [bytes]."""
        return self._place.read() if self._resumable and not self._anew else None

    @property
    def others(self) -> list[Path]:
        """Unfinished files of the same name that writers with other keys left."""
        return self._place.others()

    def _begin(self) -> None:
        """Make the file and open it."""
        self._place.remove_passing()
        if self._resumable:
            self._remove_stale()
        self._made = True
        self._frames = formats.create(self._place.part, self.movie, self.format, self.scaling)
        self._file = self._open_part()

    def _open_part(self):
        return unfinished.open_locked(self._place.part, self.path)

    def _remove_stale(self) -> None:
        """Remove a file of this key in which no frame was surely written, unless it is in use."""
        with contextlib.suppress(FileNotFoundError), self._open_part():
            self._place.remove()

    def _fits(self, n_frames: int, offset: int) -> bool:
        """Return whether a file that was begun has room for all frames."""
        size = os.path.getsize(self._place.part)
        return n_frames <= self.n_frames and offset + formats.nbytes(self.movie) <= size

    def _reopen(self, offset: int) -> RawFrames:
        """Open the file that was begun; return where its frames go."""
        self._file = self._open_part()
        layout = formats.layout_of(self.movie, self.format)
        return RawFrames(self._place.part, layout, self.movie.dtype, offset)

    def write(self, frame: np.ndarray) -> None:
        """Write the next frame (Y, X, C), frame after frame and series after series."""
        if self._file is None:
            raise MovieError(f"{self.path}: write frames inside 'with MovieWriter(...)'")
        if self.n_written == self.n_frames:
            raise MovieError(f"{self.path}: all {self.n_frames} promised frames are written")
        s, t = divmod(self.n_written, self.movie.n_frames)
        checked = self._checked(np.asarray(unmasked(frame, f"{self.path}: frame {self.n_written}")))
        with self._disk_errors():
            self._frames.write(self._file, s, t, checked)
        self.n_written += 1
        unsynced = (self.n_written - self._synced) * formats.nbytes(self.movie) / self.n_frames
        if self._resumable and unsynced >= unfinished.SYNCED_NBYTES:
            with self._disk_errors():
                self._sync()

    def read(self, number: int) -> np.ndarray:
        """Return a frame (Y, X, C) that is written, as intensities."""
        if not 0 <= number < self.n_written:
            raise IndexError(f"{self.path}: frame {number} of {self.n_written} written frames")
        self._file.flush()
        stored = self._frames.read(*divmod(number, self.movie.n_frames))
        return stored if self.scaling is None else self.scaling.decode(stored)

    def __exit__(self, exception_type, exception, traceback) -> None:
        whole = False
        try:
            if exception_type is None:
                with self._disk_errors():
                    self._finish()
                whole = True
        finally:
            with contextlib.suppress(OSError):  # a full disk; what was noted before is kept
                if self._resumable and self.n_written and not whole:
                    self._sync()
            kept = self._resumable and not whole and self._place.read() is not None
            self._close()
            if not kept:
                self._place.remove()

    def _sync(self) -> None:
        """Bring all frames to the disk and note how many there are."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._place.write(self.n_written, self._frames.offset)
        self._synced = self.n_written

    def _finish(self) -> None:
        """Bring everything to the disk and give the file its name."""
        if self.n_written < self.n_frames:
            raise MovieError(
                f"{self.path}: {counted(self.n_written, 'frame')} arrived, {self.n_frames} "
                f"were promised (shape {self.movie.shape}, axes {self.movie.axes}); nothing was "
                "written"
            )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._refuse_existing()
        self._close()
        os.replace(self._place.part, self.path)
        if self.n_beyond:
            warnings.warn(
                escaped(
                    f"{self.path}: {self.n_beyond} values lay beyond the range of "
                    f"{self.movie.dtype} and were set to its ends; write float32 to keep them"
                ),
                UserWarning,
                stacklevel=4,
            )

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # closing flushes, which fails on a full disk
                self._file.close()
            self._file = None

    def _checked(self, frame: np.ndarray) -> np.ndarray:
        """Return the frame as (Y, X, C) of the type to write."""
        expected = (*self.movie.frame_shape, self.movie.n_detectors)
        if frame.ndim == 2 and expected[2] == 1:
            frame = frame[:, :, None]
        if frame.shape != expected:
            raise MovieError(
                f"{self.path}: frame {self.n_written} has shape {frame.shape}, expected {expected} "
                "(Y, X, C)"
            )
        if self.scaling is not None:
            encoded, beyond = self.scaling.encode(frame)
            self.n_beyond += beyond
            return encoded
        casting = "same_kind" if self.movie.dtype.kind == "f" else "safe"
        if not np.can_cast(frame.dtype, self.movie.dtype, casting):
            raise MovieError(
                f"{self.path}: frame {self.n_written} is {frame.dtype}, which does not fit into "
                f"{self.movie.dtype}; write float32"
            )
        to_float32 = self.movie.dtype == np.float32 != frame.dtype
        if to_float32 and (problem := float32_problem(frame)):
            raise MovieError(f"{self.path}: frame {self.n_written}: {problem[1]}")
        return frame.astype(self.movie.dtype, copy=False)

    def _check_place(self) -> None:
        """Refuse a place that is taken, missing or too small."""
        self._refuse_existing()
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise MovieError(f"{self.path}: the folder {folder} does not exist; make it first")
        begun = self._begun()
        done = begun[0] / self.n_frames if begun else 0.0
        needed = int(formats.nbytes(self.movie) * (1 - min(done, 1.0)))
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise MovieError(
                f"{self.path}: {needed} bytes needed, {free} bytes free; make room or write "
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
                needed = formats.nbytes(self.movie)
                reason = f"the disk is full: {needed} bytes needed, {free} bytes free"
            raise MovieError(f"{self.path}: cannot be written: {reason}") from error

    @staticmethod
    def _no_frame(s: int, t: int) -> np.ndarray:
        raise MovieError("a movie that is being written cannot be read")
