"""What HyperSpy's description of axes says of a movie, and the description of a movie for HyperSpy.

RosettaSciIO, which reads most formats of microscopes, and HyperSpy describe an axis by its name,
units, scale, size and whether one navigates along it; two axes are left for the image. A movie is
such a signal in real space. Spectra, diffraction patterns and their maps are not.
"""

import dataclasses
import json
import math
import re

from .files import warn_guess
from .metadata import (
    NAMESPACE,
    NOT_CALIBRATED,
    S_PER_UNIT,
    number,
    own_record,
    pixel_size,
    plain,
    unit_scale,
)
from .movie import EXAMPLES, MovieError, check_axes

LETTERS = {
    "time": "T", "t": "T", "frame": "T", "frames": "T",
    "detector": "C", "detectors": "C", "channel": "C", "channels": "C", "c": "C",
    "series": "S", "movie": "S", "s": "S",
}  # fmt: skip
NAMES = {"S": "series", "T": "time", "C": "detector", "Y": "y", "X": "x"}
SCAN = {"x", "y", "scan_x", "scan_y", "width", "height"}
ENERGY = {"ev", "kev", "mev"}
OVERRIDE = "if it is an image in real space all the same, say axes="


@dataclasses.dataclass(frozen=True)
class SignalAxes:
    """Axes of an array as a movie.

    Attributes
    ----------
    axes : str
        Letters of ``STCYX``, in the order of the array.
    guessed : bool
        Whether T is a guess.
    pixel_size_nm, frame_time_s : float or None
        [nm/px], [s].
    """

    axes: str
    guessed: bool = False
    pixel_size_nm: float | None = None
    frame_time_s: float | None = None


def read_axes(entries, shape, where, axes: str | None = None) -> SignalAxes:
    """Return what the axes of a signal are in a movie.

    Parameters
    ----------
    entries : list of dict
        One per axis of the array, in its order, with ``name``, ``units``, ``scale``, ``navigate``.
    shape : tuple of int
        Shape of the array.
    where : str
        The file, for errors and warnings.
    axes : str, optional
        Letters that the user says, instead of what the names mean.

    Raises
    ------
    MovieError
        If it is no image or movie: a spectrum, a diffraction pattern, a map of either; or if its
        axes are not clear.
    """
    if axes is None:
        _refuse_other_signals(entries, shape, where)
        axes, guessed = _letters(entries, shape, where)
    else:
        axes, guessed = axes.upper(), False
    check_axes(axes, shape, where)
    entry = dict(zip(axes, entries, strict=True))
    return SignalAxes(
        axes, guessed, _pixel_size(entry["X"], entry["Y"], where), _frame_time(entry.get("T"))
    )


def _refuse_other_signals(entries, shape, where: str) -> None:
    """Raise MovieError for what is no image in real space."""
    found = f"{where}: shape {tuple(shape)} with axes {describe_axes(entries)}"
    if any(_unit(e).lower() in ENERGY or "energy" in _name(e) for e in entries):
        raise MovieError(
            f"{found}, is a spectrum or a map of spectra, not a movie; save the images of the "
            "detectors instead"
        )
    signal = [e for e in entries if not e.get("navigate")]
    if len(signal) < 2:
        raise MovieError(
            f"{found}, is a spectrum, a line or a map, not a movie: {len(signal)} of its axes "
            f"make the signal, expected 2 (an image); {OVERRIDE}"
        )
    scan = [e for e in entries if e.get("navigate") and _name(e) in SCAN]
    if len(signal) == 2 and len(scan) > 1:
        raise MovieError(
            f"{found}, is a pattern for each scan position (4D-STEM), not a movie; save an image "
            f"of it, for example an annular dark field; {OVERRIDE}"
        )
    if any(_is_reciprocal(_unit(e)) for e in signal[-2:]):
        raise MovieError(
            f"{found}, is a diffraction pattern or a Fourier transform: expected an image in real "
            f"space; {OVERRIDE}"
        )


def _letters(entries, shape, where: str) -> tuple[str, bool]:
    """Return the letters of the axes, and whether T is a guess."""
    leading = [_letter(entry) for entry in entries[:-2]]
    unknown = [i for i, letter in enumerate(leading) if letter is None]
    if len(unknown) == 1 and "T" not in leading:
        leading[unknown[0]] = "T"
    elif unknown or len(set(leading)) < len(leading):
        raise MovieError(
            f"{where}: shape {tuple(shape)} with axes {describe_axes(entries)} is not clear; "
            f"say axes=, for example {EXAMPLES}"
        )
    axes = "".join(leading) + "YX"
    if unknown:
        warn_guess(where, tuple(shape), axes, f"calls its axes {describe_axes(entries)}")
    return axes, bool(unknown)


def _letter(entry) -> str | None:
    if unit_scale(_unit(entry), S_PER_UNIT) is not None:
        return "T"
    return LETTERS.get(_name(entry))


def describe_axes(entries) -> str:
    """Return names and units of axes for a person: ``time [s], y [nm], x [nm]``."""
    return ", ".join(
        (_name(e) or "(no name)") + (f" [{_unit(e)}]" if _unit(e) else "") for e in entries
    )


def _pixel_size(x, y, where: str) -> float | None:
    units = [_unit(x), _unit(y)]
    if units[0].lower() in NOT_CALIBRATED or _is_reciprocal(units[0]):
        return None
    return pixel_size(float(x.get("scale", 1)), float(y.get("scale", 1)), *units, where)


def _frame_time(entry) -> float | None:
    """Return the step of a time axis [s], None if it is not calibrated."""
    if entry is None:
        return None
    scale = unit_scale(_unit(entry), S_PER_UNIT)
    step = float(entry.get("scale", 0)) * (scale or 0)
    return step if 0 < step < math.inf else None


def _is_reciprocal(unit: str) -> bool:
    unit = unit.lower().replace(" ", "")
    return bool(re.match(r"^1/|.*(\^-1|⁻¹)$|^m?rad$|^deg|^°", unit))


def _name(entry) -> str:
    name = entry.get("name")
    return name.strip().lower() if isinstance(name, str) else ""


def _unit(entry) -> str:
    unit = entry.get("units")
    if not isinstance(unit, str):
        return ""
    bracketed = re.fullmatch(r"\[(.*)\]", unit.strip())  # the EMD of Berkeley writes [n_m]
    return bracketed[1].replace("_", "") if bracketed else unit.strip()


def own_tags(metadata: dict) -> dict:
    """Return what a signal of our own says of itself as fields of `Tags`; empty if it is none."""
    own = metadata.get(NAMESPACE) if isinstance(metadata, dict) else None
    try:
        entries = json.loads(own["record"])
        found = own_record(entries)
    except (KeyError, TypeError, ValueError):
        return {}
    seconds = number(entries.get("frame_time_s"))
    if found and "T" not in found["axes"] and seconds and 0 < seconds < math.inf:
        found["frame_time_s"] = seconds  # there is no axis to say it
    detectors = entries.get("detectors")
    if found and isinstance(detectors, list) and all(isinstance(d, str) for d in detectors):
        found["detectors"] = tuple(detectors)
    return found


def beam_energy(metadata: dict) -> float | None:
    """Return the beam energy [keV] of HyperSpy's metadata, which is the voltage [kV]."""
    for instrument in ("TEM", "SEM"):
        try:
            value = float(metadata["Acquisition_instrument"][instrument]["beam_energy"])
        except (KeyError, TypeError, ValueError):
            continue
        if 0 < value < math.inf:
            return value
    return None


def signal_axes(movie) -> list[dict]:
    """Return HyperSpy's description of the axes of a movie in planes (Y, X).

    >>> from .movie import Movie
    >>> import numpy as np
    >>> movie = Movie.from_array(np.zeros((5, 8, 8)), "TYX", frame_time_s=0.5)
    >>> [(axis["name"], axis["scale"]) for axis in signal_axes(movie)]
    [('time', 0.5), ('y', 1.0), ('x', 1.0)]
    """
    size = dict(zip(movie.axes, movie.shape, strict=True))
    described = []
    for letter in stored_order(movie.axes):
        scale, units = 1.0, ""
        if letter in "YX" and movie.pixel_size_nm is not None:
            scale, units = movie.pixel_size_nm, "nm"
        elif letter == "T" and movie.frame_time_s is not None:
            scale, units = movie.frame_time_s, "s"
        entry = {"_type": "UniformDataAxis", "name": NAMES[letter], "units": units, "scale": scale}
        entry |= {"offset": 0.0, "size": size[letter], "navigate": letter not in "YX"}
        described.append({**entry, "is_binned": False})
    return described


def signal_metadata(movie) -> dict:
    """Return HyperSpy's metadata of a movie: title, beam energy, and our own record."""
    entries = {"axes": movie.axes, "shape": movie.shape, "provenance": movie.provenance}
    entries["voltage_kV"], entries["frame_time_s"] = movie.voltage_kV, movie.frame_time_s
    entries["detectors"] = movie.detectors
    found = {
        "General": {"title": movie.name},
        "Signal": {"signal_type": "", "quantity": "Intensity"},
        NAMESPACE: {"record": json.dumps(entries, default=plain)},
    }
    if movie.voltage_kV is not None:
        found["Acquisition_instrument"] = {"TEM": {"beam_energy": movie.voltage_kV}}
    for key, value in (movie.provenance or {}).items():
        found[NAMESPACE][str(key)] = value if isinstance(value, (str, int, float)) else str(value)
    if movie.detectors is not None:
        found[NAMESPACE]["detectors"] = ", ".join(movie.detectors)
    return found


def stored_order(axes: str) -> str:
    """Return the order of axes in planes (Y, X): HyperSpy's images come last.

    >>> stored_order("TYXC")
    'TCYX'
    """
    return "".join(a for a in axes if a in "STC") + "YX"
