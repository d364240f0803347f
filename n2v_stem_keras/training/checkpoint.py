"""Checkpoints of an unfinished training: all that is needed to resume it to the bit.

    <model folder>/checkpoint/epoch-NNNN/
      state.json    next epoch, extent of the run, data fingerprints, history, best epoch
      arrays.npz    weights, optimizer variables, averaged weights

Written whole under a temporary name and renamed; the one before is removed afterwards. Epoch 0 is
written before the first step, so that a run killed at any moment resumes exactly.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from ..atomic import atomic_folder, write_json
from ..folder import folder as model_folder
from ..folder.folder import FolderError
from ..io import npz
from ..io.movie import MovieError

MAX_EPOCHS = 10**8  # of all runs of a folder, and steps of an epoch


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
    root = model_folder.own_folder(folder, model_folder.CHECKPOINT)
    root.mkdir(exist_ok=True)
    final = root / f"epoch-{state.epoch:04d}"
    with atomic_folder(final) as temporary:
        write_json(temporary / "state.json", asdict(state))
        made = io.BytesIO()  # numpy complains over and over where a disk is full
        np.savez(made, **arrays)
        (temporary / "arrays.npz").write_bytes(made.getvalue())
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
    root = model_folder.own_folder(folder, model_folder.CHECKPOINT)
    names = sorted(p.name for p in root.glob("epoch-*")) if root.is_dir() else []
    if not names:
        return None
    where = root / max(names, key=lambda name: int(name[6:]) if name[6:].isdigit() else -1)
    way_out = "remove it, or train with resume=False"
    values = model_folder.read_json(where, "state.json")
    kinds = {one.name: one for one in fields(RunState)}
    for key, value in values.items():
        if key not in kinds or not _FITS[key](value):
            raise FolderError(f"{where}/state.json: bad key or value {key}: {value!r}; {way_out}")
    if set(values) != set(kinds):
        raise FolderError(f"{where}/state.json: incomplete; {way_out}")
    state = RunState(**values)
    last, lengths = state.first_epoch + state.epochs, {len(v) for v in state.history.values()}
    if not state.first_epoch <= state.epoch <= last or lengths - {state.epoch}:
        raise FolderError(
            f"{where}/state.json: epoch {state.epoch}, first_epoch {state.first_epoch}, epochs "
            f"{state.epochs} and {sorted(lengths)} entries of the history do not fit together; "
            f"{way_out}"
        )
    try:
        arrays = dict(npz.read(model_folder.own_file(where, "arrays.npz")))
    except MovieError as error:
        raise FolderError(f"{error}; {way_out}") from None
    return state, arrays


def _is_count(value, least: int = 0) -> bool:
    return type(value) is int and least <= value <= MAX_EPOCHS


# what each entry of state.json has to be
_FITS = {
    "epoch": _is_count,
    "first_epoch": _is_count,
    "epochs": lambda v: _is_count(v, 1),
    "steps_per_epoch": lambda v: _is_count(v, 1),
    "fingerprints": lambda v: isinstance(v, list) and all(isinstance(one, str) for one in v),
    "history": lambda v: (
        isinstance(v, dict)
        and all(
            isinstance(column, list)
            and all(one is None or model_folder.is_number(one) for one in column)
            for column in v.values()
        )
    ),
    "best": lambda v: (
        v is None
        or (
            isinstance(v, dict)
            and _is_count(v.get("epoch"))
            and (v.get("val_loss") is None or model_folder.is_number(v["val_loss"]))
        )
    ),
    "seconds": lambda v: model_folder.is_number(v) and v >= 0,
}


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
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
            continue
        with contextlib.suppress(OSError):
            path.unlink()
