"""The model folder on disk: written atomically, read with suspicion.

    <basedir>/<name>/
      config.json               N2VStemConfig plus format_version
      weights_best.weights.h5   lowest masked validation loss
      weights_last.weights.h5
      thresholds.json           numbers tuned after training, read back at prediction
      training.json             provenance and the whole loss history
      training_log.csv          the history as a table
      network.onnx, .json       the network for other engines, if it was exported; see `exported`
      checkpoint/epoch-NNNN/    while training; see `training`
      run.yaml                  options of the command line, if it was used
      README.md                 model card

Folders are passed between labs, so nothing in one is trusted: all JSON is checked key by key,
links that leave the folder are refused, weight files may not hold links or external storage, and
no code from a folder ever runs. Every file is written to a temporary name and renamed, so that a
process that dies leaves the previous version whole.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path

from ..config import N2VStemConfig

CONFIG, THRESHOLDS, TRAINING = "config.json", "thresholds.json", "training.json"
WEIGHTS_BEST, WEIGHTS_LAST = "weights_best.weights.h5", "weights_last.weights.h5"
LOG, RUN, CARD, CHECKPOINT = "training_log.csv", "run.yaml", "README.md", "checkpoint"
GRAPH, EXPORT = "network.onnx", "network.json"
OWN_FILES = (CONFIG, THRESHOLDS, TRAINING, WEIGHTS_BEST, WEIGHTS_LAST, LOG, RUN, CARD)
OWN_FILES += (GRAPH, EXPORT)
MAX_JSON_BYTES = 64 * 2**20  # a history of a million epochs is smaller
FORMAT_VERSION = 1  # of thresholds.json and training.json


class FolderError(ValueError):
    """A model folder that cannot be used: names file, key, what was found and expected."""


# -- writing --------------------------------------------------------------------------------------
@contextlib.contextmanager
def atomic(path):
    """Yield a temporary path beside `path` that becomes `path` if the block succeeds.

    The temporary name keeps all suffixes, because Keras insists on ``.weights.h5``. On any error
    it is removed and what stood under the final name stays.

    Raises
    ------
    OSError
        With the free space named, if the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    temporary.unlink(missing_ok=True)  # a link of that name would be written through
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path) from error
        raise


def disk_full(path: Path) -> OSError:
    """Return an error that says what could not be written and how much space there is."""
    free = shutil.disk_usage(path.parent).free / 2**20
    return OSError(
        errno.ENOSPC,
        f"no space left to write {path.name} ({free:.1f} MiB free); the version before it is "
        "whole. Free some space and run the same command again",
        str(path),
    )


def _sync_directory(path) -> None:
    """Make a rename durable, where the platform lets a directory be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, values: dict) -> None:
    """Write a JSON file atomically; NaN is written as null."""
    write_text(path, json.dumps(_finite(values), indent=1, ensure_ascii=False) + "\n")


def _finite(value):
    """Replace floats that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def save_weights(network, path) -> None:
    """Write a network's weights atomically, as ``.weights.h5``."""
    with atomic(path) as temporary:
        network.save_weights(temporary)


def create(folder: Path, config: N2VStemConfig) -> None:
    """Make a model folder with its configuration, or check that it holds an equal one.

    Raises
    ------
    FolderError
        The folder holds a model of another configuration.
    """
    if (folder / CONFIG).exists():
        stored = read_config(folder)
        if stored != config:
            old, new = stored.to_dict(), config.to_dict()
            changes = ", ".join(f"{k}: {old[k]!r} -> {new[k]!r}" for k in new if old[k] != new[k])
            raise FolderError(
                f"{folder} holds a model with another configuration ({changes}); use another "
                "name, open it as it is with N2VStem(None, name, basedir), or replace it with "
                "overwrite=True (--overwrite)"
            )
        return
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is a file, expected a folder or nothing; use another name")
    if folder.exists() and any((folder / name).exists() for name in OWN_FILES):
        raise FolderError(f"{folder} has model files but no {CONFIG}; it is damaged, use another")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / CONFIG, config.to_dict())


def erase(folder: Path) -> None:
    """Remove a model's files from its folder; whatever else lies there stays.

    Raises
    ------
    FolderError
        The folder holds no model, so nothing in it is ours to remove.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        ours = "format_version" in read_json(folder, CONFIG)  # other programs have a config.json
    except FolderError:
        ours = False
    if not ours:
        raise FolderError(
            f"{folder} is not a model folder (no {CONFIG} of ours); nothing was removed"
        )
    checkpoint = folder / CHECKPOINT
    if checkpoint.is_symlink():
        checkpoint.unlink()
    elif checkpoint.exists():
        shutil.rmtree(checkpoint)
    for name in (*OWN_FILES[1:], CONFIG):  # the configuration last: it marks the folder as ours
        (folder / name).unlink(missing_ok=True)


# -- reading --------------------------------------------------------------------------------------
def own_file(folder: Path, name: str) -> Path:
    """Return a file of the folder, refusing links that leave it.

    Raises
    ------
    FolderError
        The file is missing, not a plain file, or a link to somewhere else.
    """
    folder, path = Path(folder), Path(folder) / name
    root = folder.resolve()
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):
        raise FolderError(f"{path}: is a link that leads in a circle; refused") from None
    if root not in resolved.parents:
        raise FolderError(f"{path}: leads out of the model folder to {resolved}; refused")
    if not resolved.exists():
        raise FolderError(f"{path}: missing")
    if not resolved.is_file():
        raise FolderError(f"{path}: found a directory or device, expected a file")
    return path


def read_json(folder: Path, name: str) -> dict:
    """Read a JSON object from the folder.

    Raises
    ------
    FolderError
        Not JSON, not an object, a key twice, NaN or Infinity, or unreasonably large.
    """
    path = own_file(folder, name)
    if path.stat().st_size > MAX_JSON_BYTES:
        raise FolderError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_JSON_BYTES}")

    def unique(pairs):
        values = dict(pairs)
        if len(values) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"key {twice!r} appears twice")
        return values

    def refuse(constant):
        raise ValueError(f"{constant} is not a JSON number")

    try:
        values = json.loads(
            path.read_text(encoding="utf-8"), object_pairs_hook=unique, parse_constant=refuse
        )
    except (ValueError, RecursionError) as error:
        raise FolderError(f"{path}: not valid JSON ({error}); the file is damaged") from None
    if not isinstance(values, dict):
        raise FolderError(f"{path}: found {type(values).__name__}, expected a JSON object")
    return values


def read_config(folder: Path) -> N2VStemConfig:
    """Read and check config.json.

    Raises
    ------
    FolderError
        The folder is not there or has no configuration.
    ConfigError
        The configuration is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FolderError(f"{folder}: no such model folder{_neighbours(folder)}")
    if not (folder / CONFIG).exists():
        raise FolderError(f"{folder}: not a model folder (no {CONFIG}){_neighbours(folder)}")
    return N2VStemConfig.from_dict(read_json(folder, CONFIG), str(folder / CONFIG))


def _neighbours(folder: Path) -> str:
    """Name the model folders that do exist beside a missing one."""
    if not folder.parent.is_dir():
        return ""
    names = sorted(p.name for p in folder.parent.iterdir() if (p / CONFIG).is_file())[:10]
    return f"; models in {folder.parent}: {', '.join(names)}" if names else ""


def load_weights(network, folder: Path, name: str) -> None:
    """Load a weight file into a network, after looking at its structure.

    Raises
    ------
    FolderError
        Missing, damaged, suspicious, or made for another network.
    """
    path = own_file(folder, name)
    check_weights(path, n_parameters=network.count_params())
    before = network.get_weights()
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            network.load_weights(path)
        if not all(_all_finite(w) for w in network.get_weights()):
            raise ValueError("weights are not finite")
        for warning in said:  # Keras only warns of parts that keep their random weights
            if issubclass(warning.category, UserWarning):
                raise ValueError(warning.message)
    except Exception as error:
        network.set_weights(before)
        reason = " ".join(str(error).split("List of objects")[0].split())[:400]
        raise FolderError(
            f"{path}: does not fit the network of {CONFIG} ({reason}); the folder mixes files of "
            "different models or the file is damaged"
        ) from None


def _all_finite(array) -> bool:
    return bool(math.isfinite(float(abs(array).sum())))


def check_weights(path: Path, n_parameters: int) -> None:
    """Refuse a weight file that holds links, external or virtual data, or far too much of it.

    HDF5 links and external storage could read any file of the user's (CVE-2026-1669); declared
    sizes far beyond the network's could exhaust the memory, groups linked from many others the
    time.
    """
    import h5py

    seen = set()

    def inspect(group):
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise FolderError(f"{path}: {group.name} is linked twice; refused")
        seen.add(address)
        total = 0
        for key in group:
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise FolderError(f"{path}: {group.name}/{key} is a {type(link).__name__}; refused")
            item = group[key]
            if isinstance(item, h5py.Group):
                total += inspect(item)
                continue
            numbers = isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu"
            if not numbers or item.shape is None:
                raise FolderError(f"{path}: {group.name}/{key} is no array of numbers; refused")
            if item.external or item.is_virtual:
                raise FolderError(f"{path}: {item.name} keeps its data outside the file; refused")
            total += math.prod(item.shape)
        return total

    try:
        with h5py.File(path, "r") as file:
            total = inspect(file)
    except FolderError:
        raise
    except RecursionError:
        raise FolderError(f"{path}: groups are nested too deeply; refused") from None
    except Exception as error:  # h5py raises errors of many kinds for a damaged file
        raise FolderError(f"{path}: not a readable HDF5 file ({error}); it is damaged") from None
    if total > n_parameters + 1000:
        raise FolderError(
            f"{path}: holds {total} numbers, expected {n_parameters} for the network of {CONFIG}"
        )


# -- thresholds.json ------------------------------------------------------------------------------
_NUMBER = "a finite number of at least 0"
_RANGE = "two finite numbers of at least 0 [low, high]"
_THRESHOLD_KEYS = {
    "atoms": {
        "height_sigma": _NUMBER,
        "sign": "1 or -1",
        "min_distance_nm": _NUMBER,
        "method": "'truth', 'noise' or 'lattice'",
        "false_alarms_per_Mpx": _NUMBER,
        "interval_95": _RANGE,
        "frames": _NUMBER,
        "data_fingerprint": "a string",
    },
    "noise": {"lag1_x_max": _NUMBER, "lag1_y_max": _NUMBER, "residual_mean_max_sigma": _NUMBER},
    "domain": {"noise_to_sd": _RANGE, "pixel_size_nm": _RANGE},
}


def _is_number(value) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # not math.isfinite: JSON knows whole numbers that no float can hold
    return number and abs(value) <= sys.float_info.max


_FITS = {
    _NUMBER: lambda v: _is_number(v) and v >= 0,
    _RANGE: lambda v: (
        isinstance(v, list) and len(v) == 2 and all(map(_is_number, v)) and 0 <= v[0] <= v[1]
    ),
    "1 or -1": lambda v: _is_number(v) and v in (1, -1),
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
    if not (Path(folder) / THRESHOLDS).exists():
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
        if part not in _THRESHOLD_KEYS:
            raise FolderError(f"{where}: unknown key {part!r}, expected atoms, noise or domain")
        if not isinstance(numbers, dict):
            raise FolderError(f"{where}.{part}: found {numbers!r}, expected an object")
        for key, value in numbers.items():
            expected = _THRESHOLD_KEYS[part].get(key)
            if expected is None:
                known = ", ".join(_THRESHOLD_KEYS[part])
                raise FolderError(f"{where}.{part}: unknown key {key!r}, expected one of {known}")
            if not _FITS[expected](value):
                raise FolderError(f"{where}.{part}.{key}: found {value!r}, expected {expected}")


def check_version(values: dict, path: Path) -> None:
    """Take `format_version` out of a JSON object and check it."""
    version = values.pop("format_version", None)
    if type(version) is int and version > FORMAT_VERSION:
        raise FolderError(
            f"{path}: format_version {version} was written by a newer n2v_stem_keras; update the "
            "package: pip install -U n2v_stem_keras"
        )
    if type(version) is not int or version != FORMAT_VERSION:
        raise FolderError(f"{path}: format_version is {version!r}, expected {FORMAT_VERSION}")


def write_thresholds(folder: Path, thresholds: dict) -> None:
    """Write thresholds.json."""
    write_json(folder / THRESHOLDS, {"format_version": FORMAT_VERSION, **thresholds})


# -- training.json --------------------------------------------------------------------------------
def empty_record() -> dict:
    """Return the training record of a model that was never trained."""
    return {"runs": [], "history": {}}


def read_record(folder: Path) -> dict:
    """Read training.json: {'runs': [...], 'history': {name: [numbers]}}.

    Raises
    ------
    FolderError
        Unknown keys or wrong types.
    """
    if not (Path(folder) / TRAINING).exists():
        return empty_record()
    path = Path(folder) / TRAINING
    values = read_json(folder, TRAINING)
    check_version(values, path)
    if set(values) != {"runs", "history"}:
        raise FolderError(f"{path}: found keys {sorted(values)}, expected history and runs")
    if not isinstance(values["runs"], list) or not all(
        isinstance(run, dict) and isinstance(run.get("finished"), bool) for run in values["runs"]
    ):
        raise FolderError(f"{path}: runs: expected a list of objects with 'finished' true or false")
    history = values["history"]
    lengths = set()
    if isinstance(history, dict):
        for key, column in history.items():
            good = isinstance(column, list) and all(v is None or _is_number(v) for v in column)
            if not good:
                raise FolderError(f"{path}: history.{key}: expected a list of numbers")
            if key == "epoch" and not all(isinstance(v, int) for v in column):
                raise FolderError(f"{path}: history.epoch: expected a list of whole numbers")
            lengths.add(len(column))
    if not isinstance(history, dict) or len(lengths) > 1:
        raise FolderError(f"{path}: history: expected lists of numbers of one length")
    return values


def write_record(folder: Path, record: dict) -> None:
    """Write training.json, and its history as a table, training_log.csv."""
    write_json(folder / TRAINING, {"format_version": FORMAT_VERSION, **record})
    history = record["history"]
    rows = [",".join(history)]
    rows += [",".join("" if v is None else repr(v) for v in row) for row in zip(*history.values())]
    write_text(folder / LOG, "\n".join(rows) + "\n")
