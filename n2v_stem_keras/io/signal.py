"""What HyperSpy's description of axes says of a movie, and the description of a movie for HyperSpy.

RosettaSciIO, which reads most formats of microscopes, and HyperSpy describe an axis by its name,
units, scale, size and whether one navigates along it; two axes are left for the image. A movie is
such a signal in real space. Spectra, diffraction patterns and their maps are not.
"""

import dataclasses
import json
import math
import warnings

import numpy as np

from ..escaping import escaped
from .files import warn_guess
from .metadata import AXIS_NAMES, NAMESPACE, frame_time, number, own_record, pixel_size, plain
from .movie import EXAMPLES, MovieError, check_axes
from .units import LENGTH, TIME, is_reciprocal, plain_unit

NAMES = {"S": "series", "T": "time", "C": "detector", "Y": "y", "X": "x"}
ENERGY = {"ev", "kev", "mev"}
EVEN = 1e-3  # relative difference of steps that are called even
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
        One per axis of the array, in its order, with ``name``, ``units``, ``navigate``, and
        ``scale``, or ``axis`` (the places, if they are not evenly spaced).
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
        axes,
        guessed,
        _pixel_size(entry["X"], entry["Y"], where),
        _frame_time(entry.get("T"), where),
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
    if is_explicit(entries):
        signal = [e for e in entries if _named(e) in ("Y", "X")]
    elif len(signal) < 2:
        raise MovieError(
            f"{found}, is a spectrum, a line or a map, not a movie: {len(signal)} of its axes "
            f"make the signal, expected 2 (an image); {OVERRIDE}"
        )
    scan = [e for e in entries if e.get("navigate") and _named(e) in ("Y", "X")]
    if len(signal) == 2 and len(scan) > 1 and not is_explicit(entries):
        raise MovieError(
            f"{found}, is a pattern for each scan position (4D-STEM), not a movie; save an image "
            f"of it, for example an annular dark field; {OVERRIDE}"
        )
    if any(is_reciprocal(_unit(e)) for e in signal[-2:]):
        raise MovieError(
            f"{found}, is a diffraction pattern or a Fourier transform: expected an image in real "
            f"space; {OVERRIDE}"
        )


def is_explicit(entries) -> bool:
    """Return whether names or units say of each axis what it is, x and y among them."""
    letters = [_letter(entry) for entry in entries]
    return None not in letters and {"Y", "X"} <= set(letters) and len(set(letters)) == len(letters)


def _letters(entries, shape, where: str) -> tuple[str, bool]:
    """Return the letters of the axes, and whether T is a guess.

    Names win over positions; axes that are not named are an image if they are the last two.
    """
    letters = [_letter(entry) for entry in entries]
    if not (letters.count("Y") == letters.count("X") == 1):
        letters = [_named(entry) for entry in entries]
        image = [i for i, letter in enumerate(letters) if letter not in ("T", "C", "S")][-2:]
        letters = [_letter(entry) for entry in entries]
        for i, letter in zip(image, "YX"):
            letters[i] = letter
    unknown = [i for i, letter in enumerate(letters) if letter is None]
    if len(unknown) == 1 and "T" not in letters:
        letters[unknown[0]] = "T"
    elif unknown or len(set(letters)) < len(letters):
        raise MovieError(
            f"{where}: shape {tuple(shape)} with axes {describe_axes(entries)} is not clear; "
            f"say axes=, for example {EXAMPLES}"
        )
    axes = "".join(letters)
    if unknown:
        warn_guess(where, tuple(shape), axes, f"calls its axes {describe_axes(entries)}")
    return axes, bool(unknown)


def _named(entry) -> str | None:
    """Return the letter that an axis's name says."""
    return AXIS_NAMES.get(_name(entry))


def _letter(entry) -> str | None:
    """Return the letter that an axis's name says, or else its unit."""
    by_unit = "T" if TIME.scale(_unit(entry)) is not None else None
    return _named(entry) or by_unit


def describe_axes(entries) -> str:
    """Return names and units of axes for a person: ``time [s], y [nm], x [nm]``."""
    return ", ".join(
        (_name(e) or "(no name)") + (f" [{_unit(e)}]" if _unit(e) else "") for e in entries
    )


def _pixel_size(x, y, where: str) -> float | None:
    """Return the step of the image [nm/px], None if it is not calibrated."""
    units = [_unit(x), _unit(y)]
    if is_reciprocal(units[0]):
        return None
    return pixel_size(_step(x, where), _step(y, where), *units, where)


def _frame_time(entry, where: str) -> float | None:
    """Return the step of a time axis [s], None if it is not calibrated."""
    if entry is None or LENGTH.scale(_unit(entry)) is not None:  # a stack in depth
        return None
    return frame_time(_step(entry, where), _unit(entry), where)


def _step(entry, where: str) -> float | None:
    """Return the step of an axis; None, with a warning, if its places are not evenly spaced."""
    if entry.get("axis") is None and entry.get("expression") is None:
        return number(entry.get("scale", 1.0))
    try:
        places = np.asarray(entry["axis"], float)
    except (KeyError, TypeError, ValueError):
        places = np.array([np.nan, np.nan])  # a function of HyperSpy's
    if is_even(places):
        return float(np.diff(places).mean()) if len(places) > 1 else None
    warnings.warn(
        escaped(
            f"{where}: axis {_name(entry) or '(no name)'} is not evenly spaced, so its step is "
            "unknown; say pixel_size_nm= or frame_time_s="
        ),
        UserWarning,
        stacklevel=6,
    )
    return None


def is_even(places) -> bool:
    """Return whether places along an axis are evenly spaced."""
    steps = np.diff(places)
    return len(steps) == 0 or np.allclose(steps, steps.mean(), rtol=EVEN, atol=0)


def _name(entry) -> str:
    name = entry.get("name")
    return name.strip().lower() if isinstance(name, str) else ""


def _unit(entry) -> str:
    return plain_unit(entry.get("units"))


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
