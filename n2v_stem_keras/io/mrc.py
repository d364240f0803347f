"""Open MRC files: types and byte order as the standard says, frames read one by one.

Written from MRC2014 (Cheng et al., J. Struct. Biol. 192, 146, 2015): mode 0 is 8 bits with a sign,
6 is 16 bits without, 12 is 16-bit floats, 101 is 4 bits, two to a byte. IMOD's files of mode 0 say
by a flag whether their bytes have a sign. Read here and not through RosettaSciIO, which takes
mode 0 for unsigned and files in big-endian order for damaged.
"""

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .files import file_movie, series_number, warn_guess
from .layout import Layout, RawFrames
from .metadata import Tags, pixel_size
from .movie import Movie, MovieError, check_axes, check_dtype

SUFFIXES = (".mrc",)
HEADER = 1024  # [bytes]
TYPES = {0: "i1", 1: "i2", 2: "f4", 3: "c4", 4: "c8", 6: "u2", 12: "f2", 101: "u4bit"}
LARGEST = 2**24  # side of an image, and number of them, that is believed [px]
IMOD, IMOD_SIGNED = 1146047817, 1  # its stamp, and the flag of bytes with a sign
FEI_NBYTES = 1024 * 128  # of the extended header of old files of FEI, 128 bytes an image
DIRECT_ELECTRON = re.compile(r"(\d{8}_\d+)_.*movie\.mrc")


@dataclass(frozen=True)
class Header:
    """What the header of an MRC file says.

    Attributes
    ----------
    order : {'<', '>'}
        Byte order.
    shape : (int, int, int)
        (sections, rows, columns) [px].
    mode : int
    dtype : str
        As `TYPES`; "u1" where IMOD says so.
    axes : str
        Letters of sections, rows and columns.
    step_nm : (float, float)
        Along X and Y [nm/px]; 0 where it is not said.
    offset : int
        Where the values begin [bytes].
    """

    order: str
    shape: tuple[int, int, int]
    mode: int
    dtype: str
    axes: str
    step_nm: tuple[float, float]
    offset: int


def open_mrc(path: Path, axes: str | None, series) -> Movie:
    """Open an MRC file; only its header is read."""
    if _is_direct_electron(path):  # RosettaSciIO knows what the other files of the scan say
        from .rosetta import open_rosetta

        return open_rosetta(path, axes, series)
    if series_number(series, path) not in (None, 0):
        raise MovieError(f"{path}: holds one movie, no series {series}")
    header = _read_header(path)
    sections = header.shape[0]
    if header.dtype.startswith("c"):
        raise MovieError(
            f"{path}: of mode {header.mode}, the complex numbers of a Fourier transform; expected "
            "intensities"
        )
    stored, shape = header.axes, header.shape
    if sections == 1:
        stored, shape = stored.replace("T", ""), shape[1:]
    guessed = axes is None and sections > 1
    if guessed:
        warn_guess(path, shape, stored, "does not say what its sections are")
    axes, shape = check_axes(_said(axes, header.shape) or stored, shape, str(path))
    tags = Tags(pixel_size_nm=_pixel_size(header, path))
    if header.dtype == "u4bit":
        read, dtype = _packed(path, header, axes), np.dtype("u1")
    else:
        dtype = np.dtype(header.dtype).newbyteorder(header.order)
        check_dtype(dtype, str(path))
        frames = RawFrames(path, Layout(axes, shape), dtype, header.offset)
        frames.check_size(exact=True)
        read = frames.read
    return file_movie(path, axes, shape, dtype, read, guessed, tags)


def _said(axes: str | None, shape) -> str | None:
    """Return the letters that the user says, without one for the only section."""
    if axes is not None and shape[0] == 1 and len(axes) == 3:
        return axes[1:]
    return axes


def _is_direct_electron(path: Path) -> bool:
    found = DIRECT_ELECTRON.fullmatch(path.name)
    return bool(found) and any(path.parent.glob(f"{found[1]}_*info.txt"))


def _read_header(path: Path) -> Header:
    """Read the header in the byte order that makes sense of it, that of its stamp first."""
    try:
        with open(path, "rb") as file:
            content = file.read(HEADER)
    except OSError as error:
        raise MovieError(f"{path}: cannot be read: {error}") from error
    if len(content) < HEADER:
        raise MovieError(
            f"{path}: the file is truncated: {len(content)} bytes found, {HEADER} expected of an "
            "MRC header; copy or save it again"
        )
    stamp = content[212]
    for order in (">", "<") if stamp == 0x11 else ("<", ">"):
        header = _in_order(content, order)
        if header:
            return header
    columns, rows, sections, mode = struct.unpack("<4i", content[:16])
    raise MovieError(
        f"{path}: not an MRC file: {sections} sections of {rows} x {columns} px in mode {mode}; "
        f"expected sizes above 0 and mode {', '.join(map(str, TYPES))}"
    )


def _in_order(content: bytes, order: str) -> Header | None:
    """Return what a header says in a byte order; None if it makes no sense in it."""
    columns, rows, sections, mode = struct.unpack(f"{order}4i", content[:16])
    (extended,) = struct.unpack(f"{order}i", content[92:96])
    if mode not in TYPES or extended < 0:
        return None
    if not all(0 < n <= LARGEST for n in (columns, rows, sections)):
        return None
    sampling = dict(zip((1, 2, 3), struct.unpack(f"{order}3i", content[28:40])))
    cell = dict(zip((1, 2, 3), struct.unpack(f"{order}3f", content[40:52])))
    which = struct.unpack(f"{order}3i", content[64:76])  # of columns, rows, sections
    if sorted(which) != [1, 2, 3]:
        which = (1, 2, 3)
    letters = {1: "X", 2: "Y", 3: "T"}
    steps = [
        cell[n] / sampling[n] / 10 if sampling[n] > 0 and math.isfinite(cell[n]) else 0.0
        for n in (1, 2)
    ]
    if content[104:107] != b"FEI" and extended == FEI_NBYTES:
        steps = None
    dtype = TYPES[mode]
    stamp, flags = struct.unpack(f"{order}2i", content[152:160])
    if mode == 0 and stamp == IMOD and not flags & IMOD_SIGNED:
        dtype = "u1"
    return Header(
        order=order,
        shape=(sections, rows, columns),
        mode=mode,
        dtype=dtype,
        axes="".join(letters[n] for n in reversed(which)),
        step_nm=steps and tuple(steps),
        offset=HEADER + extended,
    )


def _pixel_size(header: Header, path: Path) -> float | None:
    """Return the pixel size [nm/px], from the header or from that of each image in FEI's files."""
    if header.step_nm is None:
        with open(path, "rb") as file:
            file.seek(HEADER + 44)
            found = file.read(4)
        meters = struct.unpack(f"{header.order}f", found)[0] if len(found) == 4 else 0.0
        return pixel_size(meters, meters, "m", "m", str(path)) if 0 < meters < 1e-3 else None
    x, y = header.step_nm
    return pixel_size(x, y, "nm", "nm", str(path)) if x else None


def _packed(path: Path, header: Header, axes: str):
    """Return the function that reads one frame of 4-bit values, the first of a byte its low half.

    A row begins with a new byte.
    """
    sections, rows, columns = header.shape
    if axes.replace("S", "T") not in ("TYX", "YX"):
        raise MovieError(f"{path}: 4-bit values of axes {axes}; expected TYX, SYX or YX")
    along = axes.replace("YX", "") or "T"
    packed_shape = (sections, rows, -(-columns // 2))
    frames = RawFrames(path, Layout(f"{along}YX", packed_shape), np.dtype("u1"), header.offset)
    frames.check_size(exact=True)

    def read(s: int, t: int) -> np.ndarray:
        packed = frames.read(s, t)[..., 0]
        values = np.stack([packed & 15, packed >> 4], axis=-1).reshape(rows, -1)
        return np.ascontiguousarray(values[:, :columns, None])

    return read
