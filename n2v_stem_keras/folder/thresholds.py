"""thresholds.json: numbers tuned after training and read back at prediction, per detector.

    {"format_version": 1, "ADF": {"atoms": {...}, "noise": {...}, "domain": {...}}, "BF": {}}

``atoms`` is what `detection` calls an atom, ``noise`` and ``domain`` are the `limits` of trust. A
missing file, part or key means defaults.
"""

from __future__ import annotations

from pathlib import Path

from ..atomic import write_json
from ..atoms.find import FARTHEST_NM
from .folder import (
    FORMAT_VERSION,
    THRESHOLDS,
    FolderError,
    check_version,
    is_number,
    is_there,
    read_json,
)

_NUMBER = "a finite number of at least 0"
_DISTANCE = f"a number from 0 to {FARTHEST_NM:g} [nm]"
_RANGE = "two finite numbers of at least 0 [low, high]"
# detector -> part -> key
SCHEMA = {
    "atoms": {
        "height_sigma": _NUMBER,
        "sign": "1 or -1",
        "min_distance_nm": _DISTANCE,
        "method": "'truth', 'noise' or 'lattice'",
        "false_alarms_per_Mpx": _NUMBER,
        "interval_95": _RANGE,
        "frames": _NUMBER,
        "data_fingerprint": "a string",
    },
    "noise": {
        "lag1_x_max": _NUMBER,
        "lag1_y_max": _NUMBER,
        "residual_mean_max_sigma": _NUMBER,
        "residual_most": _NUMBER,
        "residual_least": _NUMBER,
        "residual_spot": _NUMBER,
    },
    "domain": {
        "noise_to_sd": _RANGE,
        "pixel_size_nm": _RANGE,
        "slow_share": _RANGE,
        "lattice_share": _RANGE,
        "period_nm": _RANGE,
    },
}


_FITS = {
    _NUMBER: lambda v: is_number(v) and v >= 0,
    _DISTANCE: lambda v: is_number(v) and 0 <= v <= FARTHEST_NM,
    _RANGE: lambda v: (
        isinstance(v, list) and len(v) == 2 and all(map(is_number, v)) and 0 <= v[0] <= v[1]
    ),
    "1 or -1": lambda v: is_number(v) and v in (1, -1),
    "'truth', 'noise' or 'lattice'": lambda v: v in ("truth", "noise", "lattice"),
    "a string": lambda v: isinstance(v, str),
}


def read_thresholds(folder: Path, channels) -> dict:
    """Read thresholds.json; a missing file or detector is an empty dictionary.

    Returns
    -------
    dict
        Detector name -> {'atoms': {...}, 'noise': {...}, 'domain': {...}}, each part optional.
    """
    if not is_there(folder, THRESHOLDS):
        return {name: {} for name in channels}
    path = Path(folder) / THRESHOLDS
    values = read_json(folder, THRESHOLDS)
    check_version(values, path)
    unknown = set(values) - set(channels)
    if unknown:
        raise FolderError(
            f"{path}: unknown detector {sorted(unknown)[0]!r}, expected {', '.join(channels)}"
        )
    for detector, parts in values.items():
        _check_parts(parts, f"{path}: {detector}")
    return {name: values.get(name, {}) for name in channels}


def _check_parts(parts, where: str) -> None:
    if not isinstance(parts, dict):
        raise FolderError(f"{where}: found {parts!r}, expected an object")
    for part, numbers in parts.items():
        if part not in SCHEMA:
            raise FolderError(f"{where}: unknown key {part!r}, expected atoms, noise or domain")
        if not isinstance(numbers, dict):
            raise FolderError(f"{where}.{part}: found {numbers!r}, expected an object")
        for key, value in numbers.items():
            expected = SCHEMA[part].get(key)
            if expected is None:
                known = ", ".join(SCHEMA[part])
                raise FolderError(f"{where}.{part}: unknown key {key!r}, expected one of {known}")
            if not _FITS[expected](value):
                raise FolderError(f"{where}.{part}.{key}: found {value!r}, expected {expected}")


def write_thresholds(folder: Path, thresholds: dict) -> None:
    """Write thresholds.json."""
    write_json(folder / THRESHOLDS, {"format_version": FORMAT_VERSION, **thresholds})


def merged(thresholds: dict, found: dict) -> dict:
    """Return thresholds with the parts that were found in the place of those before them.

    Parameters
    ----------
    thresholds, found : dict
        Detector -> part -> numbers.

    Examples
    --------
    >>> merged({"ADF": {"noise": {}}}, {"ADF": {"atoms": {"sign": 1}}})
    {'ADF': {'noise': {}, 'atoms': {'sign': 1}}}
    """
    return {**thresholds, **{d: {**thresholds.get(d, {}), **parts} for d, parts in found.items()}}
