"""The model folder on disk: written atomically, read with suspicion.

    <basedir>/<name>/
      config.json               N2VStemConfig plus format_version
      weights_best.weights.h5   lowest masked validation loss
      weights_last.weights.h5
      thresholds.json           numbers tuned after training, read back at prediction
      training.json             provenance and the whole loss history
      training_log.csv          the history as a table
      network.onnx, .json       the network for other engines, if it was exported; see `export`
      checkpoint/epoch-NNNN/    while training; see `training.checkpoint`
      run.yaml                  options of the command line, if it was used
      README.md                 model card

Folders are passed between labs, so nothing in one is trusted: all JSON is checked key by key,
links that leave the folder are refused, weight files may not hold links or external storage, and
no code from a folder ever runs. Every file is written whole or not at all (`atomic`).
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import platform
import shutil
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from ..atomic import atomic, write_json
from ..config import N2VStemConfig
from ..escaping import ShownError
from ..io.files import nearest, path_problem

CONFIG, THRESHOLDS, TRAINING = "config.json", "thresholds.json", "training.json"
WEIGHTS_BEST, WEIGHTS_LAST = "weights_best.weights.h5", "weights_last.weights.h5"
LOG, RUN, CARD, CHECKPOINT = "training_log.csv", "run.yaml", "README.md", "checkpoint"
GRAPH, EXPORT = "network.onnx", "network.json"
OWN_FILES = (CONFIG, THRESHOLDS, TRAINING, WEIGHTS_BEST, WEIGHTS_LAST, LOG, RUN, CARD)
OWN_FILES += (GRAPH, EXPORT)
LOCK = ".training.lock"
MAX_JSON_BYTES = 64 * 2**20  # a history of a million epochs is smaller
FORMAT_VERSION = 1  # of thresholds.json and training.json


class FolderError(ShownError):
    """A model folder that cannot be used: names file, key, what was found and expected."""


class MissingFolder(FolderError, FileNotFoundError):
    """There is no model folder of this name."""


# -- writing --------------------------------------------------------------------------------------
def save_weights(network, path) -> None:
    """Write a network's weights atomically, as ``.weights.h5``.

    HDF5 makes the file in memory: on a full disk it crashes the process when it closes one.
    """
    made = _WeightsInMemory()
    network.save_weights(made)
    with atomic(path) as temporary:
        temporary.write_bytes(made.getvalue())


class _WeightsInMemory(io.BytesIO):
    """A file in memory with the name that Keras looks at to choose a format."""

    def __str__(self):
        return f"memory/{WEIGHTS_BEST}"


def create(folder: Path, config: N2VStemConfig) -> N2VStemConfig:
    """Make a model folder with its configuration, or check that it holds an equal one.

    Returns
    -------
    N2VStemConfig
        The folder's: what was left to a training, that has chosen.

    Raises
    ------
    FolderError
        See `is_model_of`.
    """
    if not is_model_of(folder, config):
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder, config)
    return read_config(folder)


def write_config(folder: Path, config: N2VStemConfig) -> None:
    """Write config.json."""
    write_json(folder / CONFIG, config.to_dict())


def check_name(name: str) -> None:
    """Raise `FolderError` unless a folder can have this name."""
    if not isinstance(name, str) or Path(name).name != name or name in (".", ".."):
        raise FolderError(f"name {name!r} is a path; give the folder above it as basedir")
    if problem := path_problem(name):
        raise FolderError(f"name {name!r}: {problem}")


def is_model_of(folder: Path, config: N2VStemConfig) -> bool:
    """Return whether a folder holds a model of a configuration; False if it can become one.

    Raises
    ------
    FolderError
        The folder holds a model of another configuration, or is no place for one.
    """
    if is_there(folder, CONFIG):
        stored = read_config(folder)
        config = config.chosen_as(stored)
        if stored != config:
            old, new = stored.to_dict(), config.to_dict()
            changes = ", ".join(f"{k}: {old[k]!r} -> {new[k]!r}" for k in new if old[k] != new[k])
            raise FolderError(
                f"{folder} holds a model with another configuration ({changes}); use another "
                "name, open it as it is with N2VStem(None, name, basedir), or replace it with "
                "overwrite=True"
            )
        return True
    above = next((one for one in folder.absolute().parents if one.exists()), None)
    if above is not None and not above.is_dir():
        raise FolderError(f"{above} is a file, expected a folder to make {folder.name} in")
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is a file, expected a folder or nothing; use another name")
    if folder.exists() and any(is_there(folder, name) for name in OWN_FILES):
        raise FolderError(f"{folder} has model files but no {CONFIG}; it is damaged, use another")
    return False


def erase(folder: Path) -> None:
    """Remove a model's files from its folder; whatever else lies there stays.

    Raises
    ------
    FolderError
        See `check_erasable`; or it is being trained.
    """
    if not check_erasable(folder):
        return
    checkpoint = folder / CHECKPOINT
    with for_one_training(folder):
        if checkpoint.is_symlink():
            checkpoint.unlink()
        elif checkpoint.exists():
            shutil.rmtree(checkpoint)
        # the configuration last: it marks the folder as ours
        for name in (*OWN_FILES[1:], CONFIG):
            (folder / name).unlink(missing_ok=True)


def check_erasable(folder: Path) -> bool:
    """Return whether there is a model to remove.

    Raises
    ------
    FolderError
        The folder holds something else, so nothing in it is ours to remove.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is a file, expected a folder or nothing; use another name")
    if not folder.exists() or not any(folder.iterdir()):
        return False
    try:
        ours = "format_version" in read_json(folder, CONFIG)  # other programs have a config.json
    except FolderError:
        ours = False
    if not ours:
        raise FolderError(
            f"{folder} is not a model folder (no {CONFIG} of ours); nothing was removed"
        )
    return True


@contextlib.contextmanager
def for_one_training(folder: Path | None):
    """Keep a second training, of this process or another, from a folder while the block runs.

    A process that is killed leaves nothing behind that would keep others out. Where the file system
    knows no locks, as on Windows, nothing is kept.

    Raises
    ------
    FolderError
        The folder is being trained.
    """
    if folder is None:
        yield
        return
    path = folder / LOCK
    if path.is_symlink():  # it may lead out of the folder
        path.unlink()
    with open(path, "a+", encoding="utf-8") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise FolderError(
                f"{folder}: is being trained by {file.read(200).strip() or 'another process'}; "
                "wait for it, or train under another name"
            ) from error
        except (ImportError, OSError):
            pass
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}, since {time.strftime('%H:%M')}\n")
        file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def refuse_existing(path: Path) -> None:
    """Raise `FolderError` if something stands where a new file or folder shall be."""
    if os.path.lexists(path):
        raise FolderError(f"{path} exists; remove it, or choose another name")


# -- reading --------------------------------------------------------------------------------------
def is_there(folder: Path, name: str) -> bool:
    """Return whether a folder has a file of this name, be it a link that leads nowhere."""
    return os.path.lexists(Path(folder) / name)


def own_file(folder: Path, name: str) -> Path:
    """Return a file of the folder, refusing links that leave it.

    Raises
    ------
    FolderError
        The file is missing, not a plain file, or a link to somewhere else.
    """
    path = Path(folder) / name
    resolved = _inside(Path(folder), path)
    if not resolved.exists():
        raise FolderError(f"{path}: missing")
    if not resolved.is_file():
        raise FolderError(f"{path}: found a directory or device, expected a file")
    return path


def own_folder(folder: Path, name: str) -> Path:
    """Return a folder in the model folder, which need not be there yet; refuse links in it.

    What is written into it or removed from it is then the model's own.

    Raises
    ------
    FolderError
        It or something in it is a link, or it is no folder.
    """
    path = Path(folder) / name
    if path.is_symlink():
        raise FolderError(f"{path}: is a link; refused. Remove it")
    _inside(Path(folder), path)
    if path.exists() and not path.is_dir():
        raise FolderError(f"{path}: found a file, expected a folder; remove it")
    for root, folders, files in os.walk(path):
        for inside in (Path(root, one) for one in (*folders, *files)):
            _inside(Path(folder), inside)
            if inside.is_symlink():
                raise FolderError(f"{inside}: is a link; refused. Remove it")
    return path


def _inside(folder: Path, path: Path) -> Path:
    """Return where a path leads, which has to be inside of the folder."""
    root = folder.resolve()
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):
        raise FolderError(f"{path}: is a link that leads in a circle; refused") from None
    if root not in resolved.parents:
        raise FolderError(f"{path}: leads out of the model folder to {resolved}; refused")
    return resolved


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
    if folder.is_file():
        raise FolderError(f"{folder}: is a file, expected the folder of a model")
    if not folder.is_dir():
        raise MissingFolder(f"{folder}: no such model folder{_neighbours(folder)}")
    if not is_there(folder, CONFIG):
        raise FolderError(f"{folder}: not a model folder (no {CONFIG}){_neighbours(folder)}")
    config = N2VStemConfig.from_dict(read_json(folder, CONFIG), str(folder / CONFIG))
    for name in (WEIGHTS_BEST, WEIGHTS_LAST):
        if is_there(folder, name):
            _refuse_larger_network(config, own_file(folder, name))
    return config


def _refuse_larger_network(config: N2VStemConfig, weights: Path) -> None:
    """Refuse a network that a weight file has no room for, before it is built."""
    room = weights.stat().st_size // 4  # float32
    if config.least_parameters > room:
        raise FolderError(
            f"{weights}: has room for {room} numbers, expected at least "
            f"{config.least_parameters} for the network of {CONFIG}; the folder mixes files of "
            "different models or a file is damaged"
        )


def check_trained(folder: Path) -> None:
    """Raise `FolderError` unless there is a model with weights in the folder."""
    read_config(folder)
    if not any(is_there(folder, name) for name in (WEIGHTS_BEST, WEIGHTS_LAST)):
        raise FolderError(f"{folder}: was never trained (no weights); train it first")


def _neighbours(folder: Path) -> str:
    """Name the model folders that do exist beside a missing one, and what may have been meant."""
    if not folder.exists() and (near := nearest(folder)):
        return near
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

    seen, not_plain = set(), []

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
            if item.chunks or item.nbytes != item.id.get_storage_size():
                not_plain.append(item.name)
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
    if not_plain:
        raise FolderError(
            f"{path}: {not_plain[0]} is stored in chunks, compressed or not at all; expected plain "
            "arrays, as Keras writes them; refused"
        )


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


def is_number(value) -> bool:
    """Return whether a value of a JSON file is a finite number."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # not math.isfinite: JSON knows whole numbers that no float can hold
    return number and abs(value) <= sys.float_info.max
