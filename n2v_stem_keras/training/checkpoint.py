"""Checkpoints of an unfinished training: all that is needed to resume it to the bit.

    <model folder>/checkpoint/epoch-NNNN/
      state.json    next epoch, extent of the run, data fingerprints, history, best epoch
      arrays.npz    weights, optimizer variables, averaged weights

Written whole under a temporary name and renamed; the one before is removed afterwards. Epoch 0 is
written before the first step, so that a run killed at any moment resumes exactly.
"""

from __future__ import annotations

import contextlib
import shutil
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ..atomic import atomic, atomic_folder, write_json
from ..folder import folder as model_folder
from ..folder.folder import FolderError


@dataclass
class RunState:
    """Where a run stands; with the arrays beside it, all that resuming needs.

    Attributes
    ----------
    epoch : int
        Next epoch, counted over all runs of the folder.
    first_epoch, epochs, steps_per_epoch : int
        Extent of this run.
    fingerprints : list of str
        Fingerprints of the training movies, then of the validation movies.
    history : dict
        History of all runs so far.
    best : dict or None
        ``epoch`` and ``val_loss`` of the best weights of this run.
    """

    epoch: int
    first_epoch: int
    epochs: int
    steps_per_epoch: int
    fingerprints: list
    history: dict = field(default_factory=dict)
    best: dict | None = None
    seconds: float = 0.0


def save_checkpoint(folder: Path, state: RunState, arrays: dict) -> None:
    """Write checkpoint/epoch-NNNN whole, then remove the one before."""
    root = folder / model_folder.CHECKPOINT
    if root.is_symlink():  # the one before is removed: not through a link to somebody's folders
        raise FolderError(f"{root}: is a link; refused. Remove it")
    root.mkdir(exist_ok=True)
    final = root / f"epoch-{state.epoch:04d}"
    with atomic_folder(final) as temporary:
        write_json(temporary / "state.json", asdict(state))
        with atomic(temporary / "arrays.npz") as path, open(path, "wb") as file:
            np.savez(file, **arrays)
        shutil.rmtree(final, ignore_errors=True)
    for other in root.iterdir():
        if other != final:
            shutil.rmtree(other, ignore_errors=True)


def load_checkpoint(folder: Path) -> tuple[RunState, dict] | None:
    """Read the newest checkpoint, or return None if there is none.

    Raises
    ------
    FolderError
        It is damaged.
    """
    root = folder / model_folder.CHECKPOINT
    if root.is_symlink():
        raise FolderError(f"{root}: is a link; refused")
    names = sorted(p.name for p in root.glob("epoch-*")) if root.is_dir() else []
    if not names:
        return None
    where = root / max(names, key=lambda name: int(name[6:]) if name[6:].isdigit() else -1)
    way_out = "remove it, or train with resume=False"
    values = model_folder.read_json(where, "state.json")
    kinds = RunState(0, 0, 0, 0, []).__dict__
    for key, value in values.items():
        expected = (dict, type(None)) if key == "best" else type(kinds.get(key))
        if key not in kinds or not isinstance(value, expected):
            raise FolderError(f"{where}/state.json: bad key or value {key}: {value!r}; {way_out}")
    if set(values) != set(kinds):
        raise FolderError(f"{where}/state.json: incomplete; {way_out}")
    try:
        with np.load(model_folder.own_file(where, "arrays.npz"), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise FolderError(f"{where}/arrays.npz: damaged ({error}); {way_out}") from None
    return RunState(**values), arrays


def data_fingerprints(series, held=(), teaching=None) -> list[str]:
    """Return what must be equal for a training to go on: fingerprints of movies and teacher."""
    found = [s.statistics.fingerprint for s in (*series, *held)]
    return [*found, teaching.fingerprint] if teaching else found


def find_unfinished(
    folder: Path | None, series, held=(), teaching=None, steps_per_epoch: int | None = None
) -> tuple[RunState, dict] | None:
    """Return the checkpoint of an unfinished training on the same data, or None.

    Parameters
    ----------
    folder : Path or None
        The model folder, if there is one.
    series, held : lists of Series
        Movies to train and to validate on, with fingerprints.
    teaching : distillation.Teaching, optional
        What a teacher makes of the movies.
    steps_per_epoch : int, optional
        Number of steps, if one is asked for.

    Raises
    ------
    FolderError
        It used other data, or another number of steps; or it is damaged.
    """
    if folder is None:
        return None
    fingerprints = data_fingerprints(series, held, teaching)
    found = load_checkpoint(folder)
    if found is None:
        return None
    state = found[0]
    way_out = "pass the same, or resume=False to start a new run from the current weights"
    if state.fingerprints != fingerprints:
        differ = [f"{a} -> {b}" for a, b in zip(state.fingerprints, fingerprints) if a != b]
        n_before, n_now = len(state.fingerprints), len(fingerprints)
        what = differ[0] if differ else f"{n_before} movies -> {n_now} movies"
        raise FolderError(
            f"{folder}: the unfinished training used other data (fingerprint {what}); {way_out}"
        )
    if steps_per_epoch not in (None, state.steps_per_epoch):
        raise FolderError(
            f"{folder}: the unfinished training has {state.steps_per_epoch} steps per epoch, "
            f"not {steps_per_epoch}; {way_out}"
        )
    return found


def remove_checkpoint(folder: Path) -> None:
    """Remove all checkpoints of a folder."""
    shutil.rmtree(folder / model_folder.CHECKPOINT, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed process left behind."""
    for path in folder.glob(".tmp-*"):
        with contextlib.suppress(OSError):
            path.unlink()
