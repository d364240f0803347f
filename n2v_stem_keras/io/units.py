"""Units of length, time and voltage, as programs and people spell them: one vocabulary of all.

Symbols are compared as they stand (``Mm`` is not ``mm``), names whatever their case. OME, ImageJ,
HyperSpy, the Python package pint and the EMD of NCEM (``[n_m]``) are understood.
"""

import math
import re
import unicodedata

from .movie import MovieError

PREFIXES = (
    ("y", "yocto", 1e-24), ("z", "zepto", 1e-21), ("a", "atto", 1e-18), ("f", "femto", 1e-15),
    ("p", "pico", 1e-12), ("n", "nano", 1e-9), ("μ", "micro", 1e-6), ("u", "micro", 1e-6),
    ("m", "milli", 1e-3), ("c", "centi", 1e-2), ("d", "deci", 0.1), ("", "", 1.0),
    ("da", "deca", 10.0), ("da", "deka", 10.0), ("h", "hecto", 1e2), ("k", "kilo", 1e3),
    ("M", "mega", 1e6), ("G", "giga", 1e9), ("T", "tera", 1e12), ("P", "peta", 1e15),
    ("E", "exa", 1e18),
)  # fmt: skip
# what stands for no unit; an inch is what TIFF says by default
NOT_CALIBRATED = {
    "", "pixel", "pixels", "px", "pix", "inch", "reference frame", "frame", "frames", "slice",
    "slices", "image", "images", "index", "undefined", "<undefined>", "none", "a.u.", "arbitrary",
    "dimensionless",
}  # fmt: skip


class Units:
    """The units of one quantity.

    Parameters
    ----------
    symbols, names : tuple of str
        Of the unit that takes prefixes; names without the plural's s.
    value : float
        What that unit is in ours.
    others : dict of float
        Units without prefixes: symbols (as they stand) and names (in small letters) to their value.
    """

    def __init__(self, symbols, names, value: float, others: dict[str, float]):
        self.known, self.names = {}, {}
        for prefix, name, factor in PREFIXES:
            # 1e-9 times 1e9 is not 1 in all cases
            scale = float(f"{factor * value:.12g}")
            self.known.update((prefix + symbol, scale) for symbol in symbols)
            self.names.update((name + one + s, scale) for one in names for s in ("", "s"))
        self.known |= others
        self.names |= {name: scale for name, scale in others.items() if len(name) > 2}

    def scale(self, unit) -> float | None:
        """Return what one `unit` is in ours; None if it is none of these.

        >>> LENGTH.scale("[n_m]"), LENGTH.scale("Picometers"), LENGTH.scale("s")
        (1.0, 0.001, None)
        """
        unit = plain_unit(unit)
        found = self.known.get(unit)
        return self.names.get(unit.lower()) if found is None else found


LENGTH = Units(
    ("m",),
    ("meter", "metre"),
    1e9,
    {
        "Å": 0.1, "A": 0.1, "ang": 0.1, "angstrom": 0.1, "angstroms": 0.1, "ångström": 0.1,
        "ångströms": 0.1, "ångstrom": 0.1, "micron": 1e3, "microns": 1e3,
    },
)  # fmt: skip
TIME = Units(
    ("s", "sec"),
    ("second",),
    1.0,
    {
        "secs": 1.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0,
        "hr": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0,
        "days": 86400.0, "msecs": 1e-3,
    },
)  # fmt: skip
VOLTAGE = Units(("V", "eV"), ("volt", "electronvolt", "electron_volt"), 1e-3, {})


def plain_unit(unit) -> str:
    r"""Return a unit without what surrounds it; ImageJ writes µ as ``\u00B5``.

    >>> plain_unit("[u_m]"), plain_unit(None)
    ('um', '')
    """
    if not isinstance(unit, str):
        return ""
    unit = unit.strip()
    bracketed = re.fullmatch(r"\[(.*)\]", unit)
    unit = bracketed[1].replace("_", "") if bracketed else unit
    unit = re.sub(r"\\u00b5|\$?\\mu\$?\s*", "µ", unit, flags=re.IGNORECASE)
    return unicodedata.normalize("NFKC", unit).strip()


def is_calibrated(unit) -> bool:
    """Return whether a unit is said at all, whether or not it is understood."""
    return plain_unit(unit).lower() not in NOT_CALIBRATED


def is_reciprocal(unit) -> bool:
    """Return whether a unit is one of a diffraction pattern: one over a length, or an angle."""
    unit = plain_unit(unit).lower().replace(" ", "")
    angle = r"^(m|μ|u|milli|micro)?rad(ian)?s?$|^deg|^°"
    unit = unit.replace("−", "-")  # what the superscript is, made plain
    return bool(re.search(rf"^1?/|\^-1|[a-zå]-1$|^reciprocal|{angle}", unit))


def parse_length_nm(text: str | float) -> float:
    """Return a length [nm] from text such as ``"29.3 pm"``; a bare number is in nm.

    >>> parse_length_nm("0.5 Å")
    0.05

    Raises
    ------
    MovieError
        If it is not a positive finite number with a unit of length.
    """
    examples = "'0.0293 nm', '0.293 Å', '29.3 pm' or '2.93e-5 um'"
    return _quantity("length", text, LENGTH, "nm", examples)


def parse_time_s(text: str | float) -> float:
    """Return a time [s] from text such as ``"40 ms"``; a bare number is in s.

    >>> parse_time_s("40 ms")
    0.04

    Raises
    ------
    MovieError
        If it is not a positive finite number with a unit of time.
    """
    return _quantity("time", text, TIME, "s", "'0.8 s', '40 ms' or '2 min'")


def parse_voltage_kV(text: str | float) -> float:
    """Return a voltage [kV] from text such as ``"60000 V"``; a bare number is in kV.

    >>> parse_voltage_kV("60000 V")
    60.0

    Raises
    ------
    MovieError
        If it is not a positive finite number with a unit of voltage.
    """
    return _quantity("voltage", text, VOLTAGE, "kV", "'80 kV' or '200000 V'")


def _quantity(what: str, text, units: Units, default: str, examples: str) -> float:
    """Return a positive number in the default unit."""
    match = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*)", str(text).strip())
    scale = units.scale(match[2] or default) if match else None
    value = float(match[1]) * scale if scale else math.nan
    if not 0 < value < math.inf:
        raise MovieError(
            f"{what} {text!r} is not a positive number with a unit; expected for example {examples}"
        )
    return value
