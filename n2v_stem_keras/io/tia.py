"""Open .ser files of TIA (FEI, Thermo Fisher), and .emi files that name several of them.

A .ser file holds the frames of one detector, each with a header of its own; the .emi file beside
it says what the microscope did, and a scan with several detectors has one .ser file for each.
Written from the published description of the format (C. B. Boothroyd, "TIA (Emispec) file format").
Read here and not through RosettaSciIO, which loads the whole file for each frame.
"""

import os
import re
import struct
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ..escaping import escaped
from .files import (
    Unchanged,
    agreed,
    choose_by_name,
    existing_file,
    file_movie,
    series_number,
    warn_guess,
)
from .metadata import Tags, guess_detector, number, pixel_size, unique_names
from .movie import EXAMPLES, Movie, MovieError, check_axes, check_dtype
from .units import parse_voltage_kV

SUFFIXES = (".ser", ".emi")
COMPANIONS = (".emi",)  # where a folder is searched, its .ser files are the movies
TYPES = {
    1: "<u1", 2: "<u2", 3: "<u4", 4: "<i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8",
    9: "<c8", 10: "<c16",
}  # fmt: skip
IMAGES, SPECTRA = 0x4122, 0x4120
FRAME_HEADER = struct.Struct("<ddiddihii")  # calibration of X and Y, type, size of X and Y
EMI_NBYTES = 2**26  # an .emi file holds a preview of the frames, but no more
TIMED_S = 20  # times are whole seconds; the step is known to a few percent after as many


class SerFile:
    """The frames of one .ser file.

    Attributes
    ----------
    path : Path
    offsets : list of int
        Where the header of each frame begins [bytes].
    frame_shape : (int, int)
        (Y, X) [px].
    dtype : numpy.dtype
        As stored.
    pixel_size_nm, frame_time_s : float or None
        [nm/px], [s]; the latter from the times of the frames.
    """

    def __init__(self, path: Path):
        self.path, self.size = path, os.path.getsize(path)
        self.unchanged = Unchanged([path])  # an .emi file, which was opened, has several of these
        try:
            with open(path, "rb") as file:
                self._read_header(file)
                self._read_first(file)
        except (struct.error, EOFError) as error:
            raise MovieError(
                f"{path}: the file is truncated or damaged: {self.size} bytes found, more expected "
                f"({error}); copy or save it again"
            ) from error
        except OSError as error:
            raise MovieError(f"{path}: cannot be read: {error}") from error

    def _read_header(self, file) -> None:
        order, identity, version, kind, tags = struct.unpack("<HHHII", _read(file, 14))
        if (order, identity) != (0x4949, 0x0197):
            raise MovieError(
                f"{self.path}: not a .ser file of TIA: begins with {order:#06x} {identity:#06x}, "
                "expected 0x4949 0x0197"
            )
        if kind == SPECTRA:
            raise MovieError(f"{self.path}: holds spectra, and a spectrum is not a movie")
        if kind != IMAGES:
            raise MovieError(f"{self.path}: holds data of type {kind:#06x}, expected images")
        place = "<Q" if version >= 0x220 else "<I"
        n_total, n_valid = struct.unpack("<II", _read(file, 8))
        (start,) = struct.unpack(place, _read(file, struct.calcsize(place)))
        (n_axes,) = struct.unpack("<I", _read(file, 4))
        sizes = [self._read_axis(file) for _ in range(min(n_axes, 9))]
        if n_axes != 1 and max(sizes, default=1) > 1 and sum(n > 1 for n in sizes) > 1:
            raise MovieError(
                f"{self.path}: holds an image for each point of a map of {sizes}, not a movie"
            )
        if not 0 < n_valid <= n_total or n_total * 8 > self.size:
            raise MovieError(
                f"{self.path}: {n_valid} of {n_total} frames acquired; nothing to read"
            )
        if n_valid < n_total:
            warnings.warn(
                escaped(
                    f"{self.path}: {n_valid} of {n_total} planned frames were acquired; these "
                    "are read"
                ),
                UserWarning,
                stacklevel=6,
            )
        file.seek(start)
        numbers = np.frombuffer(_read(file, 2 * n_total * struct.calcsize(place)), place)
        self.offsets = numbers[:n_valid].astype(int).tolist()
        self.frame_time_s = self._step(file, numbers[n_total : n_total + n_valid], tags)

    @staticmethod
    def _read_axis(file) -> int:
        """Read one axis along which frames were taken; return its length."""
        (size,) = struct.unpack("<I", _read(file, 4))
        _read(file, 20)
        for _ in ("description", "units"):
            (length,) = struct.unpack("<I", _read(file, 4))
            _read(file, length)
        return size

    @staticmethod
    def _step(file, places, kind: int) -> float | None:
        """Return the mean time between frames [s], if their whole seconds suffice to know it."""
        if kind not in (0x4152, 0x4142) or len(places) < 2:
            return None
        times = []
        for place in (int(places[0]), int(places[-1])):
            file.seek(place)
            times.append(struct.unpack("<HHI", _read(file, 8))[2])
        seconds = times[1] - times[0]
        return seconds / (len(places) - 1) if seconds >= TIMED_S else None

    def _read_first(self, file) -> None:
        """Read the first frame's header, and check that the last frame is there."""
        file.seek(self.offsets[0])
        found = FRAME_HEADER.unpack(_read(file, FRAME_HEADER.size))
        (_, dx, _, _, dy, _, kind, width, height) = found
        if kind not in TYPES or width < 1 or height < 1:
            raise MovieError(f"{self.path}: a frame of type {kind}, {height} x {width} px: damaged")
        self.dtype, self.frame_shape = np.dtype(TYPES[kind]), (height, width)
        self.frame_header = found[6:]
        self.nbytes = self.dtype.itemsize * width * height
        calibrated = 0 < dx < 1  # [m]
        self.pixel_size_nm = pixel_size(dx, dy, "m", "m", str(self.path)) if calibrated else None
        needed = max(self.offsets) + FRAME_HEADER.size + self.nbytes
        if needed > self.size:
            raise MovieError(
                f"{self.path}: the file is truncated: {self.size} bytes found, {needed} expected "
                f"for {len(self.offsets)} frames; copy or save it again"
            )

    def read(self, t: int) -> np.ndarray:
        """Return frame `t` (Y, X), the first row on top as TIA shows it."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offsets[t])
                header = FRAME_HEADER.unpack(_read(file, FRAME_HEADER.size))[6:]
                if header != self.frame_header:
                    raise EOFError(f"type and size {header}, expected {self.frame_header}")
                values = np.frombuffer(_read(file, self.nbytes), self.dtype)
        except (OSError, EOFError) as error:
            raise MovieError(
                f"{self.path}: frame t={t} cannot be read: {error}; was the file moved, truncated "
                "or replaced after it was opened?"
            ) from error
        self.unchanged()
        frame = values.reshape(self.frame_shape)[::-1]  # stored from bottom to top
        return frame.astype(self.dtype.newbyteorder("="))


def _read(file, length: int) -> bytes:
    found = file.read(length)
    if len(found) != length:
        raise EOFError(f"{len(found)} of {length} bytes found at byte {file.tell() - len(found)}")
    return found


def open_tia(path: Path, axes: str | None, series) -> Movie:
    """Open a .ser file, or those of an .emi file as detectors."""
    if path.suffix.lower() == ".emi":
        paths = _members(path)
        if series is not None:
            names = [member.stem for member in paths]
            paths = [paths[i] for i in choose_by_name(series, names, path, "series")]
        scan = _read_emi(path)
    else:
        if series_number(series, path) not in (None, 0):
            raise MovieError(f"{path}: holds one series, no number {series}")
        paths, scan = [path], _read_emi(path.with_name(re.sub(r"_\d+$", "", path.stem) + ".emi"))
    files = [SerFile(existing_file(member)) for member in paths]
    if len({(f.frame_shape, len(f.offsets)) for f in files}) > 1:
        known = "; ".join(f"{f.path.stem}: {len(f.offsets)} of {f.frame_shape}" for f in files)
        raise MovieError(
            f"{path}: its series are no detectors of one scan ({known} px); choose one with series="
        )
    if "Diffraction" in scan.get("mode", "") and "STEM" not in scan["mode"] and axes is None:
        raise MovieError(
            f"{path}: taken in mode {scan['mode']!r}, a diffraction pattern: expected an image in "
            "real space; if it is one all the same, say axes="
        )
    return _movie(path, files, axes, scan)


def _movie(path: Path, files: list[SerFile], axes: str | None, scan: dict) -> Movie:
    """Return the movie of one file per detector."""
    n_frames, first = len(files[0].offsets), files[0]
    dtype = np.result_type(*(check_dtype(f.dtype, str(f.path)) for f in files))
    several = {a: n for a, n in (("T", n_frames), ("C", len(files))) if n > 1}
    letters, shape = "".join([*several, "YX"]), (*several.values(), *first.frame_shape)
    guessed = axes is None and n_frames > 1
    if guessed:
        warn_guess(path, shape, letters, "holds a series of images and does not say of what")
    leading = "".join(axes.upper().split("C")) if axes else ""
    if axes and (len(axes) != len(letters) or leading[-2:] != "YX"):
        raise MovieError(
            f"{path}: axes {axes!r} do not fit shape {shape}, read as {letters}; expected for "
            f"example {letters} or {letters.replace('T', 'S')}; more in general {EXAMPLES}"
        )
    separate = "S" in leading
    letters = letters.replace("T", "S") if separate else letters
    axes, shape = check_axes(letters, shape, str(path))

    def read_frame(s: int, t: int) -> np.ndarray:
        return np.stack([f.read(s if separate else t) for f in files], axis=-1).astype(dtype)

    names = [guess_detector(f.path.stem) for f in files]
    detectors = unique_names(names, len(files), str(path)) if all(names) else None
    said = {
        field: agreed(
            field,
            {f.path.stem: getattr(f, field) for f in files},
            f"{path}: choose one with series=, or check that the files belong together",
        )
        for field in ("pixel_size_nm", "frame_time_s")
    }
    tags = Tags(
        detectors=detectors if len(files) > 1 else None,
        pixel_size_nm=said["pixel_size_nm"],
        frame_time_s=(said["frame_time_s"] or scan.get("frame_time_s")) if n_frames > 1 else None,
        voltage_kV=scan.get("voltage_kV"),
    )
    return file_movie(path, axes, shape, dtype, read_frame, guessed, tags)


def _members(path: Path) -> list[Path]:
    """Return the .ser files of an .emi file in their order."""
    found = []
    for member in path.parent.iterdir():
        match = re.fullmatch(re.escape(path.stem) + r"_(\d+)\.ser", member.name, re.IGNORECASE)
        if match:
            found.append((int(match[1]), member))
    if not found:
        raise MovieError(
            f"{path}: the frames of an .emi file lie in {path.stem}_1.ser and so on beside it; "
            "none is there: copy them, too"
        )
    return [member for _, member in sorted(found)]


def _read_emi(path: Path) -> dict:
    """Return what an .emi file says of the scan; empty if there is none or it says nothing."""
    try:
        with open(path, "rb") as file:
            content = file.read(EMI_NBYTES)
    except OSError:
        return {}
    found = re.search(rb"<ObjectInfo>.*?</ObjectInfo>", content, re.DOTALL)
    try:
        root = ElementTree.fromstring(found[0]) if found else None
    except ElementTree.ParseError:
        root = None
    if root is None:
        return {}
    scan = {"mode": ""}
    for entry in root.iterfind("ExperimentalDescription/Root/Data"):
        if (entry.findtext("Label") or "").strip() == "Mode":
            scan["mode"] = (entry.findtext("Value") or "").strip()
    volts = number(root.findtext("ExperimentalConditions/MicroscopeConditions/AcceleratingVoltage"))
    if volts and volts > 0:
        scan["voltage_kV"] = parse_voltage_kV(f"{volts} V")
    seconds = number(root.findtext("AcquireInfo/FrameTime"))
    if seconds and 0 < seconds < np.inf:
        scan["frame_time_s"] = seconds
    return scan
