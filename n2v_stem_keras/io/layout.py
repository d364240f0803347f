"""Where the frames of a movie stand in an array on disk, and reading and writing them there.

Never memory-mapped: a map of a file that shrinks kills the process (SIGBUS), and its pages count as
resident memory. A frame is read as the few contiguous blocks that hold it, each checked for length.
"""

import contextlib
import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..escaping import escaped
from .movie import MovieError, arrange


class Layout:
    """An array (C order) with the given axes, cut along its leading axes into equal blocks.

    Parameters
    ----------
    axes : str
        Letters of ``STCYX``, in the order on disk.
    shape : tuple of int
        Length of each axis.
    n_outer : int, optional
        Number of leading axes to cut along. Default: those before Y and X; if S or T come after
        one of these, one more, so that memory stays within one row of all frames.
    """

    def __init__(self, axes: str, shape: tuple[int, ...], n_outer: int | None = None):
        if n_outer is None:
            n_outer = min(axes.index("Y"), axes.index("X"))
            inner = zip(axes[n_outer:], shape[n_outer:], strict=True)
            n_outer += any(letter in "ST" and size > 1 for letter, size in inner)
        self.axes, self.shape, self.n_outer = axes, tuple(shape), n_outer
        self.block_shape = self.shape[n_outer:]
        frame = [(a, n) for a, n in zip(axes, self.shape, strict=True) if a not in "ST"]
        self.frame_axes = "".join(a for a, _ in frame)
        self.frame_shape = tuple(n for _, n in frame)

    def within_block(self, s: int, t: int) -> tuple:
        """Return the index of frame (`s`, `t`) in each of its blocks."""
        return tuple({"S": s, "T": t}.get(a, slice(None)) for a in self.axes[self.n_outer :])

    def blocks(self, s: int, t: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the number of each block that holds a part of the frame, and that part's index.

        >>> list(Layout("CTYX", (2, 5, 8, 8)).blocks(0, 3))
        [(3, (0,)), (8, (1,))]
        """
        fixed = {"S": s, "T": t}
        outer, sizes = self.axes[: self.n_outer], self.shape[: self.n_outer]
        choices = (
            [fixed[a]] if a in fixed else range(n) for a, n in zip(outer, sizes, strict=True)
        )
        for index in itertools.product(*choices):
            number = 0
            for size, i in zip(sizes, index, strict=True):
                number = number * size + i
            part = tuple(i for a, i in zip(outer, index, strict=True) if a not in fixed)
            yield number, part

    def gather(self, s: int, t: int, read_block: Callable[[int], np.ndarray], dtype) -> np.ndarray:
        """Return frame (Y, X, C) from the blocks that ``read_block(number)`` gives."""
        frame = np.empty(self.frame_shape, dtype)
        within = self.within_block(s, t)
        for number, part in self.blocks(s, t):
            frame[part] = read_block(number)[within]
        return np.ascontiguousarray(arrange(frame, self.frame_axes, "YXC"))


class RawFrames:
    """Frames of an uncompressed array that starts `offset` bytes into a file.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout
        Axes and shape on disk.
    dtype : numpy.dtype
        Type on disk, with its byte order.
    offset : int
        Where the array begins [bytes].
    """

    def __init__(self, path: Path, layout: Layout, dtype: np.dtype, offset: int):
        self.path, self.layout, self.dtype, self.offset = path, layout, np.dtype(dtype), offset
        self.block_nbytes = math.prod(layout.block_shape) * self.dtype.itemsize

    def check_size(self, exact: bool = False) -> None:
        """Raise MovieError if the file is too short to hold the array.

        Parameters
        ----------
        exact : bool, optional
            Also warn where it holds more: nothing else can stand behind the array.
        """
        expected = self.offset + math.prod(self.layout.shape) * self.dtype.itemsize
        found = os.path.getsize(self.path)
        if found < expected:
            raise MovieError(
                f"{self.path}: the file is truncated: {found} bytes found, {expected} expected for "
                f"{self.dtype} of shape {self.layout.shape} (axes {self.layout.axes}); "
                "copy or save it again"
            )
        one = math.prod(self.layout.frame_shape) * self.dtype.itemsize
        if exact and found - expected >= one:
            warnings.warn(
                escaped(
                    f"{self.path}: the file holds {found - expected} bytes more than its "
                    "header says, "
                    f"enough for {(found - expected) // one} more frames, which are not read; "
                    "was it "
                    "written to its end? Save it again"
                ),
                UserWarning,
                stacklevel=5,
            )

    def read(self, s: int, t: int) -> np.ndarray:
        """Return a new frame (Y, X, C) in native byte order."""
        dtype = self.dtype.newbyteorder("=")
        try:
            with open(self.path, "rb") as file:
                return self.layout.gather(s, t, lambda n: self._read_block(file, n), dtype)
        except (OSError, EOFError) as error:
            raise MovieError(
                f"{self.path}: frame s={s}, t={t} cannot be read: {error}; was the file moved, "
                "truncated or replaced after it was opened?"
            ) from error

    def write(self, file, s: int, t: int, frame: np.ndarray) -> None:
        """Put a frame (Y, X, C) into the binary file object `file`, open to read and write."""
        layout = self.layout
        if "C" not in layout.axes:
            frame = frame[:, :, 0]
        stored = arrange(frame, "YXC"[: frame.ndim], layout.frame_axes)
        within = layout.within_block(s, t)
        shared = any(index != slice(None) for index in within)
        for number, part in layout.blocks(s, t):
            if shared:
                block = self._read_block(file, number)
                block[within] = stored[part]
            else:
                block = np.ascontiguousarray(stored[part], dtype=self.dtype)
            file.seek(self.offset + number * self.block_nbytes)
            file.write(block.data)

    def _read_block(self, file, number: int) -> np.ndarray:
        block = np.empty(self.layout.block_shape, self.dtype)
        position = self.offset + number * self.block_nbytes
        file.seek(position)
        found = file.readinto(block.reshape(-1).view(np.uint8))
        if found != self.block_nbytes:
            raise EOFError(f"{found} of {self.block_nbytes} bytes found at byte {position}")
        return block


class PagedFrames:
    """Frames that tifffile decodes: compressed, tiled or scattered pages. Safe to use in threads.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout
        Axes and shape of the series.
    pages : list of tifffile.TiffPage
        Of the series, in the order of the layout.
    dtype : numpy.dtype
        Of its values.
    lock : threading.Lock
        One for all series of a file, which share its file handle.
    """

    def __init__(self, path: Path, layout: Layout, pages: list, dtype, lock):
        self.path, self.pages, self.lock = path, pages, lock
        self.dtype = np.dtype(dtype).newbyteorder("=")
        cuts = range(len(layout.shape) + 1)
        n_outer = [n for n in cuts if math.prod(layout.shape[:n]) == len(self.pages)]
        if not n_outer:
            raise MovieError(
                f"{path}: shape {layout.shape} (axes {layout.axes}) does not divide into the "
                f"file's {len(self.pages)} pages; save it uncompressed"
            )
        self.layout = Layout(layout.axes, layout.shape, n_outer[0])
        self._check_page(self.pages[-1])

    def read(self, s: int, t: int) -> np.ndarray:
        """Return a new frame (Y, X, C) in native byte order."""
        with self.lock, tifffile_errors(self.path, f"frame s={s}, t={t} cannot be read"):
            return self.layout.gather(s, t, self._read_page, self.dtype)

    def _read_page(self, number: int) -> np.ndarray:
        page = self.pages[number]
        file = page.parent.filehandle
        file.open()
        try:
            self._check_page(page)
            return page.asarray().reshape(self.layout.block_shape)
        finally:
            file.close()

    @staticmethod
    def _check_page(page) -> None:
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        expected = max((offset + count for offset, count in segments), default=0)
        found = os.path.getsize(page.parent.filehandle.path)
        if found < expected:
            raise EOFError(f"page {page.index} ends at byte {expected}, the file at byte {found}")


@contextlib.contextmanager
def tifffile_errors(path: Path, what: str):
    """Turn whatever tifffile and the codecs raise into a MovieError."""
    try:
        yield
    except (MovieError, MemoryError, Warning):
        raise
    except Exception as error:
        raise MovieError(
            f"{path}: {what}: {type(error).__name__}: {error}; is it a whole, valid TIFF file?"
        ) from error
