"""A movie: one recording with its axes, detectors, pixel size and frame time, read frame by frame.

Axes are letters of ``STCYX``: S separate movies, T frames of one movie, C detectors, Y slow and X
fast scan axis. A movie keeps the order its file or array has; a frame is always (Y, X, C).
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..escaping import ShownError, escaped
from .shown import as_table

AXES = "STCYX"
LARGEST_VALUE = 1e15  # its square, and sums of squares, are well within float32
STEPS = 64  # at least, from the lowest to the highest value
MOST_PX = 2**31  # of a frame, all detectors together: 8 GiB as float32
UNITS = {"pixel_size_nm": "nm/px", "frame_time_s": "s", "voltage_kV": "kV"}
EXAMPLES = (
    "'YX' (one image), 'TYX' (frames of one movie), 'SYX' (separate images), "
    "'TYXC' or 'TCYX' (frames of several detectors)"
)


class LazyFrames(Protocol):
    """A sequence of frames (Y, X, C) or (Y, X), each read when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, t: int, /) -> npt.ArrayLike: ...


# a file, or the file of each detector
MoviePath: TypeAlias = str | os.PathLike | Mapping[str, str | os.PathLike]
# what `io.as_movie` takes; a signal of HyperSpy is array-like
MovieLike: TypeAlias = "Movie | MoviePath | npt.ArrayLike | LazyFrames"


class MovieError(ShownError):
    """A file or an array is not what was expected; says what was found and what to do."""


def check_letters(axes) -> None:
    """Raise `MovieError` if axes are no text: another argument may have been meant."""
    if axes is not None and not isinstance(axes, str):
        raise MovieError(
            f"axes are letters such as 'TYXC', found {type(axes).__name__}; if another argument is "
            "meant, name it"
        )


def check_axes(axes: str, shape: tuple[int, ...], where: str) -> tuple[str, tuple[int, ...]]:
    """Return `axes` in capitals and `shape` as integers.

    Raises
    ------
    MovieError
        If a letter is unknown, repeated or missing (Y, X), if the number of letters is not the
        number of axes, or if an axis is empty.
    """
    try:
        axes, shape = str(axes).upper(), tuple(int(n) for n in shape)
    except (TypeError, ValueError):
        raise MovieError(
            f"{where}: shape {tuple(shape)} is not known; expected whole numbers (of a dask array "
            "call compute_chunk_sizes() first)"
        ) from None
    if not set(axes) <= set(AXES) or len(set(axes)) != len(axes) or not set("YX") <= set(axes):
        raise MovieError(
            f"{where}: axes {axes!r} are not valid: expected letters of {AXES!r}, each once, "
            f"with Y and X, for example {EXAMPLES}"
        )
    if len(axes) != len(shape):
        raise MovieError(
            f"{where}: {len(shape)} axes of shape {shape}, but axes {axes!r} name {len(axes)}; "
            f"say axes=, for example {EXAMPLES}"
        )
    if min(shape) < 1:
        raise MovieError(f"{where}: shape {shape} (axes {axes}) holds no pixels")
    size = dict(zip(axes, shape))
    if (n_px := size["Y"] * size["X"] * size.get("C", 1)) > MOST_PX:
        raise MovieError(
            f"{where}: a frame of shape {shape} (axes {axes}) has {n_px} px, expected at most "
            f"{MOST_PX}; are the axes right? Else cut it into parts"
        )
    return axes, shape


def check_dtype(dtype, where: str) -> np.dtype:
    """Return `dtype` in native byte order; refuse what is neither integer nor real."""
    try:
        known = dtype is not None and np.dtype(dtype).kind in "iuf"
    except TypeError:  # a type of another library
        known = False
    if not known:
        raise MovieError(
            f"{where}: values of type {dtype} are not intensities; expected integers or floats "
            "(of complex data save the magnitude, of a mask nothing can be denoised)"
        )
    return np.dtype(dtype).newbyteorder("=")


def unmasked(array, where: str):
    """Return an array as it is, a masked one without its mask if nothing in it is masked.

    Raises
    ------
    MovieError
        If values are masked: what they are is not known, and nothing here leaves pixels out.
    """
    if not isinstance(array, np.ma.MaskedArray):
        return array
    n_masked = int(np.ma.count_masked(array))
    if n_masked:
        raise MovieError(
            f"{where}: {n_masked} of {array.size} values are masked; expected a plain array. Fill "
            "them first, for example by the median around, or leave these frames out"
        )
    return array.data


def float32_problem(frame: np.ndarray) -> tuple[int, str] | None:
    """Return what keeps a frame (Y, X, C) from being computed and written in float32.

    Returns
    -------
    (int, str) or None
        The first detector that it is so of, and why: values so large or contrast so small that
        their squares are beyond float32, or contrast that is lost on the offset it stands on. (Of
        values that are float32 themselves, or integers of 16 bits, nothing can be lost.)
    """
    if frame.dtype.kind in "iu" and frame.dtype.itemsize < 4:
        return None
    low, high = frame.min(axis=(0, 1)), frame.max(axis=(0, 1))
    for c, (lowest, highest) in enumerate(zip(low.tolist(), high.tolist())):
        size, contrast = max(abs(lowest), abs(highest)), highest - lowest
        found = f"values from {lowest:.6g} to {highest:.6g}"
        if not 0 < contrast < np.inf:
            continue
        with np.errstate(over="ignore"):  # the step beyond the largest is infinite
            step = float(np.spacing(np.float32(min(size, np.finfo(np.float32).max))))
        may_lose = frame.dtype.itemsize > 2 and frame.dtype != np.float32
        if may_lose and step > contrast / STEPS:
            return c, (
                f"{found}: float32, in which results are given, has steps of {step:g} there, so "
                f"that little of their contrast is left; subtract {lowest!r} from the movie first"
            )
        if size > LARGEST_VALUE or contrast < 1 / LARGEST_VALUE:
            factor = 10.0 ** -round(np.log10(size if size > 1 else contrast))
            return c, (
                f"{found} are beyond what is computed in float32, expected sizes up to "
                f"{LARGEST_VALUE:g} and differences from {1 / LARGEST_VALUE:g} on; multiply the "
                f"movie by {factor:g} first"
            )
    return None


def arrange(array: np.ndarray, axes: str, target: str) -> np.ndarray:
    """Return a view of `array` with its `axes` in the order of `target`, those missing of size 1.

    >>> arrange(np.zeros((2, 5, 8, 9)), "CTYX", "STYXC").shape
    (1, 5, 8, 9, 2)
    """
    ordered = array.transpose([axes.index(a) for a in target if a in axes])
    return ordered[tuple(slice(None) if a in axes else None for a in target)]


@dataclasses.dataclass(frozen=True, eq=False)
class Movie:
    """One recording; frames are read when asked for.

    Made by `n2v_stem_keras.io.read_movie` or `Movie.from_array`; immutable, see `replace`.

    Attributes
    ----------
    name : str
        Short name, the file's without suffix.
    axes : str
        Letters of ``STCYX`` in the order of `shape`.
    shape : tuple of int
        Length of each axis.
    dtype : numpy.dtype
        Type of the values, in native byte order.
    read_frame : callable
        ``read_frame(s, t)`` returns a new array (Y, X, C); use `frame` instead.
    detectors : tuple of str or None
        One name per entry of C (one name without a C axis); None if nothing names them.
    pixel_size_nm : float or None
        Scan step [nm/px].
    frame_time_s : float or None
        Time from one frame to the next [s].
    voltage_kV : float or None
        Acceleration voltage [kV].
    source : str or None
        Path of the file.
    axes_guessed, detectors_guessed : bool
        Whether the file did not say and a guess stands in.
    provenance : dict or None
        What `n2v_stem_keras.io.write_movie` stored about how the file was made.
    check_source : callable, optional
        Called after each frame that is read; raises MovieError if its files are not what they were.
    frames_taken : range or None
        Numbers of its frames in the file, where only a part is taken; see `part`. Without an axis
        T those of its separate movies.
    left_out : tuple of str
        Detectors of the file that are not taken; see `with_detectors`.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read_frame: Callable[[int, int], np.ndarray] = dataclasses.field(repr=False)
    detectors: tuple[str, ...] | None = None
    pixel_size_nm: float | None = None
    frame_time_s: float | None = None
    voltage_kV: float | None = None
    source: str | None = None
    axes_guessed: bool = False
    detectors_guessed: bool = False
    provenance: dict | None = dataclasses.field(default=None, repr=False)
    check_source: Callable[[], None] | None = dataclasses.field(default=None, repr=False)
    frames_taken: range | None = None
    left_out: tuple[str, ...] = ()

    def __post_init__(self):
        where = self.source or self.name
        axes, shape = check_axes(self.axes, self.shape, where)
        checked = {"axes": axes, "shape": shape, "dtype": check_dtype(self.dtype, where)}
        for field, unit in UNITS.items():
            checked[field] = _positive(getattr(self, field), field, unit, where)
        for field, value in checked.items():
            object.__setattr__(self, field, value)
        names = _names(self.detectors, self.n_detectors, where)
        object.__setattr__(self, "detectors", names)

    def _repr_html_(self) -> str:
        """Show in a notebook what is known of the movie; no frame is read."""
        guessed = " (guessed)"
        detectors = ", ".join(self.detectors or ()) or "not named"
        facts = {
            "axes": f"{self.axes}, {' x '.join(map(str, self.shape))}"
            + guessed * self.axes_guessed,
            "detectors": detectors + guessed * self.detectors_guessed,
            "values": self.dtype.name,
            "pixel size": "not known",
        }
        if size := self.pixel_size_nm:
            height, width = (n * size for n in self.frame_shape)
            facts["pixel size"] = f"{size:.4g} nm, frames of {height:.3g} x {width:.3g} nm (Y, X)"
        facts["frame time"] = self.frame_time_s and f"{self.frame_time_s:.4g} s"
        facts["voltage"] = self.voltage_kV and f"{self.voltage_kV:g} kV"
        facts["file"] = self.source
        if self.provenance:
            facts["made by"] = self.provenance.get("model")
        return as_table(f"Movie {self.name}", facts)

    def _size(self, letter: str) -> int:
        return self.shape[self.axes.index(letter)] if letter in self.axes else 1

    @property
    def n_series(self) -> int:
        """Number of separate movies (S)."""
        return self._size("S")

    @property
    def n_frames(self) -> int:
        """Number of frames of each movie (T)."""
        return self._size("T")

    @property
    def n_detectors(self) -> int:
        """Number of detectors (C)."""
        return self._size("C")

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Size of a frame (Y, X) [px]."""
        return self._size("Y"), self._size("X")

    def frame(self, s: int, t: int) -> np.ndarray:
        """Read frame `t` of series `s`.

        Returns
        -------
        numpy.ndarray
            (Y, X, C), of the file's type; new, so that changing it leaves the source alone.

        Raises
        ------
        MovieError
            If it cannot be read, or the file was written to after it was opened.
        """
        if not (0 <= s < self.n_series and 0 <= t < self.n_frames):
            raise IndexError(
                f"{self.name}: no frame s={s}, t={t}: S is {self.n_series}, T is {self.n_frames}"
            )
        frame = self.read_frame(s, t)
        if self.check_source:
            self.check_source()
        return frame

    def series(self) -> list[FrameSequence]:
        """Return one lazy TYXC sequence per separate movie."""
        return [FrameSequence(self, s, range(self.n_frames)) for s in range(self.n_series)]

    def to_array(self) -> np.ndarray:
        """Read the whole movie into an array of its own shape and axes order."""
        array = np.empty(self.shape, self.dtype)
        by_frame = arrange(array, self.axes, "STYXC")
        for s, t in np.ndindex(by_frame.shape[:2]):
            by_frame[s, t] = self.frame(s, t)
        return array

    def replace(self, **changes: Any) -> Movie:
        """Return the same movie with another name, detectors, source, provenance or number."""
        allowed = {"name", "detectors", "source", "provenance", *UNITS}
        if unknown := set(changes) - allowed:
            raise MovieError(
                f"{self.name}: replace() changes {sorted(allowed)}, not {sorted(unknown)}; "
                "for other axes read the file again with axes="
            )
        if "detectors" in changes:
            changes["detectors_guessed"] = False
        return dataclasses.replace(self, **changes)

    def part(self, frames: slice) -> Movie:
        """Return the movie with a part of its frames only; of separate images some of these.

        Parameters
        ----------
        frames : slice
            Of the axis T, or of S if there is no T.

        Raises
        ------
        MovieError
            There are no such frames.
        """
        letter = "T" if "T" in self.axes else "S"
        every = self.frames_taken or range(self._size(letter))
        taken, read_frame = every[frames], self.read_frame
        if not taken:
            raise MovieError(
                f"{self.name}: frames {frames.start or 0}:{frames.stop or ''} were asked for, but "
                f"it has {len(every)}, counted from 0"
            )
        places = range(len(every))[frames]
        return dataclasses.replace(
            self,
            shape=tuple(len(taken) if a == letter else n for a, n in zip(self.axes, self.shape)),
            read_frame=lambda s, t: (
                read_frame(s, places[t]) if letter == "T" else read_frame(places[s], t)
            ),
            frames_taken=taken,
        )

    def place_in_file(self, s: int, t: int) -> tuple[int, int]:
        """Return the numbers that a movie and a frame of it have in the file, see `part`."""
        if self.frames_taken is None:
            return s, t
        return (s, self.frames_taken[t]) if "T" in self.axes else (self.frames_taken[s], t)

    def with_detectors(self, names: Sequence[str]) -> Movie:
        """Name the detectors, or take some of them by the names that they have.

        Parameters
        ----------
        names : sequence of str
            One for each detector, in the order of the file: they are called so. Fewer, all of which
            the movie knows (ignoring case): the others are left out.

        Raises
        ------
        MovieError
            They fit in neither way.

        Warns
        -----
        UserWarning
            The names are the file's own, in another order: they are taken as said, so what the file
            calls ADF is not called ADF any more.
        """
        names, where = [names] if isinstance(names, str) else list(names), self.source or self.name
        known = {name.lower(): c for c, name in enumerate(self.detectors or ())}
        found = [known.get(str(name).strip().lower()) for name in names]
        if len(names) < self.n_detectors and None not in found and len(set(found)) == len(found):
            return self.select(found)
        if self.detectors and not self.detectors_guessed and len(names) < self.n_detectors:
            unknown = [name for name, c in zip(names, found) if c is None] or names
            raise MovieError(
                f"{where}: no detector {unknown[0]!r}; it has {', '.join(self.detectors)}: name "
                "those of them that shall be taken, each once, or all in the file's order to "
                "rename them"
            )
        if None not in found and found != sorted(found):
            warnings.warn(
                escaped(
                    f"{where}: the file calls its detectors {', '.join(self.detectors)}, and they "
                    f"are taken as {', '.join(names)}, as you say. Their order does not matter to "
                    "a model, which finds them by name: if they are not swapped in the file, say "
                    "nothing"
                ),
                stacklevel=4,
            )
        return self.replace(detectors=names)

    def select(self, numbers: Iterable[int]) -> Movie:
        """Return the movie with some of its detectors only, by their numbers, in this order."""
        numbers, read_frame = list(numbers), self.read_frame
        shape = [len(numbers) if a == "C" else n for a, n in zip(self.axes, self.shape)]
        return dataclasses.replace(
            self,
            shape=tuple(shape),
            read_frame=lambda s, t: read_frame(s, t)[..., numbers],
            detectors=self.detectors and tuple(self.detectors[c] for c in numbers),
            left_out=self.left_out
            + tuple(name for c, name in enumerate(self.detectors or ()) if c not in numbers),
        )

    @classmethod
    def from_array(
        cls,
        array: npt.ArrayLike | LazyFrames,
        axes: str | None = None,
        *,
        detectors: Sequence[str] | None = None,
        pixel_size_nm: float | None = None,
        frame_time_s: float | None = None,
        voltage_kV: float | None = None,
        name: str = "array",
    ) -> Movie:
        """Make a movie of an array, or of a sequence of frames, without loading it.

        Parameters
        ----------
        array : array_like or sequence of frames
            numpy, h5py, dask or zarr array (indexed one frame at a time), or anything without
            ``ndim`` that has ``len()`` and gives frames (Y, X, C) or (Y, X).
        axes : str, optional
            Letters of ``STCYX`` in the order of the array's shape. Default ``"TYXC"``; for a
            sequence of frames ``"TYXC"`` or ``"TYX"``, as its frames are.
        detectors, pixel_size_nm, frame_time_s, voltage_kV, name
            See `Movie`.

        Raises
        ------
        MovieError
            If axes and shape do not fit, or the values are neither integers nor floats.
        """
        array = unmasked(array, name)
        check_letters(axes)
        if hasattr(array, "ndim"):
            if not (hasattr(array, "shape") and hasattr(array, "dtype")):
                raise MovieError(
                    f"{name}: {type(array).__name__} is a table, not an array; expected frames of "
                    "intensities, for example its to_numpy()"
                )
            axes, shape = check_axes(axes or "TYXC", array.shape, name)
            dtype, read_frame = array.dtype, _array_reader(array, axes, name)
        else:
            axes, shape, dtype = _sequence_axes(array, axes, name)
            read_frame = _sequence_reader(array, shape[1:], np.dtype(dtype), name)
        return cls(
            name,
            axes,
            shape,
            dtype,
            read_frame,
            detectors=detectors,
            pixel_size_nm=pixel_size_nm,
            frame_time_s=frame_time_s,
            voltage_kV=voltage_kV,
        )


class FrameSequence:
    """The frames of one series of a movie, TYXC, read when indexed.

    Attributes
    ----------
    shape : tuple of int
        (T, Y, X, C).
    dtype : numpy.dtype
        As the movie's.
    """

    def __init__(self, movie: Movie, s: int, frames: range):
        self._movie, self._s, self._frames = movie, s, frames
        self.shape = (len(frames), *movie.frame_shape, movie.n_detectors)
        self.dtype = movie.dtype

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, t):
        """Read frame `t` (Y, X, C); a slice gives a shorter sequence, still unread."""
        if isinstance(t, slice):
            return FrameSequence(self._movie, self._s, self._frames[t])
        return self._movie.frame(self._s, self._frames[t])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[t] for t in range(len(self)))

    def __repr__(self) -> str:
        return f"FrameSequence({self._movie.name!r}, s={self._s}, shape={self.shape})"


def _array_reader(array, axes: str, name: str) -> Callable[[int, int], np.ndarray]:
    """Return the function that reads one frame of an indexable array."""
    dtype = check_dtype(array.dtype, name)
    frame_axes = axes.replace("S", "").replace("T", "")

    def read_frame(s: int, t: int) -> np.ndarray:
        index = tuple({"S": s, "T": t}.get(letter, slice(None)) for letter in axes)
        frame = array[index]
        frame = frame.compute() if hasattr(frame, "compute") else frame  # dask's, masked or not
        frame = unmasked(frame, f"{name}: frame s={s}, t={t}")
        frame = arrange(np.asarray(frame), frame_axes, "YXC")
        return np.array(frame, dtype=dtype, order="C")

    return read_frame


def _sequence_axes(frames, axes: str | None, name: str) -> tuple[str, tuple[int, ...], np.dtype]:
    """Return axes, shape and type of a sequence of frames, from the first one if it must be."""
    if not (hasattr(frames, "__len__") and hasattr(frames, "__getitem__")):
        raise MovieError(
            f"{name}: {type(frames).__name__} is neither an array nor a sequence of frames with "
            "len() and indexing (an iterator can be written with like=)"
        )
    if len(frames) == 0:
        raise MovieError(f"{name}: the sequence holds no frames")
    if hasattr(frames, "shape") and hasattr(frames, "dtype"):
        shape, dtype = tuple(frames.shape), np.dtype(frames.dtype)
    else:
        first = _first(frames, name)
        shape, dtype = (len(frames), *first.shape), first.dtype
    expected = {3: "TYX", 4: "TYXC"}.get(len(shape))
    if expected is None:
        raise MovieError(
            f"{name}: the first frame has shape {shape[1:]}; expected (Y, X) or (Y, X, C)"
        )
    if axes is not None and axes.upper() != expected:
        raise MovieError(
            f"{name}: a sequence of frames of shape {shape[1:]} has axes {expected!r}, not {axes!r}"
        )
    return (*check_axes(expected, shape, name), dtype)


def _first(frames, name: str) -> np.ndarray:
    """Return the first frame of a sequence; what has a length need not be one."""
    try:
        return np.asarray(unmasked(frames[0], f"{name}: frame 0"))
    except MovieError:
        raise
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise MovieError(
            f"{name}: {type(frames).__name__} does not give its first frame by [0] "
            f"({type(error).__name__}: {error}); expected a sequence of frames of one shape"
        ) from error


def _sequence_reader(
    frames, shape: tuple[int, ...], dtype: np.dtype, name: str
) -> Callable[[int, int], np.ndarray]:
    """Return the function that reads one frame of a sequence and checks it against the first."""
    dtype = check_dtype(dtype, name)

    def read_frame(s: int, t: int) -> np.ndarray:
        try:
            frame = np.asarray(unmasked(frames[t], f"{name}: frame {t}"))
        except MovieError:
            raise
        except (TypeError, ValueError) as error:
            raise MovieError(
                f"{name}: frame {t} is no array, expected frames of one shape: {error}"
            ) from error
        if frame.shape != tuple(shape) or frame.dtype.newbyteorder("=") != dtype:
            raise MovieError(
                f"{name}: frame {t} is {frame.dtype} of shape {frame.shape}; expected {dtype} of "
                f"shape {tuple(shape)}, as the first frame"
            )
        return np.array(arrange(frame, "YXC"[: frame.ndim], "YXC"), dtype=dtype, order="C")

    return read_frame


def _positive(value, field: str, unit: str, where: str) -> float | None:
    """Return `value` as a float; refuse what is not a positive finite number."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not 0 < number < np.inf:
        raise MovieError(f"{where}: {field} {value!r} is not a positive number [{unit}]")
    return number


def _names(detectors, count: int, where: str) -> tuple[str, ...] | None:
    """Return the detectors' names as a tuple; a string is one name."""
    if detectors is None:
        return None
    names = (detectors,) if isinstance(detectors, str) else tuple(detectors)
    if len(names) != count:
        raise MovieError(
            f"{where}: {len(names)} detector names {names} for {count} detectors (axis C); "
            "name each once, in the order of the file"
        )
    if not all(isinstance(n, str) and n.strip() and n.isprintable() for n in names):
        raise MovieError(f"{where}: detector names must be plain words, found {names}")
    if len({n.lower() for n in names}) != count:
        raise MovieError(
            f"{where}: detector names {names} repeat (ignoring case); frames are matched by "
            "name, so each must be different"
        )
    return names
