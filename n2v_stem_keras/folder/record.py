"""training.json: provenance of all trainings of a model, and their whole loss history."""

from __future__ import annotations

from pathlib import Path

from ..atomic import write_json, write_text
from .folder import (
    FORMAT_VERSION,
    LOG,
    TRAINING,
    FolderError,
    check_version,
    is_number,
    is_there,
    read_json,
)

SIMULATION = "simulation"  # name of the teacher that knows the truth
# what is read back of a run, if it is there
_FITS = {
    "movies": lambda v: (
        isinstance(v, list)
        and all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in v)
    ),
    "first_epoch": lambda v: type(v) is int and v >= 0,
    "early_epochs": lambda v: v is None or (type(v) is int and v >= 0),
    "seed": lambda v: v is None or type(v) is int,
    "noise_floor": lambda v: v is None or is_number(v),
    "best": lambda v: v is None or isinstance(v, dict),
    "transfer_from": lambda v: v is None or isinstance(v, str),
}


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
    if not is_there(folder, TRAINING):
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
    for number, run in enumerate(values["runs"]):
        for key, fits in _FITS.items():
            if key in run and not fits(run[key]):
                raise FolderError(f"{path}: runs[{number}].{key}: found {run[key]!r}; damaged")
    history = values["history"]
    lengths = set()
    if isinstance(history, dict):
        for key, column in history.items():
            good = isinstance(column, list) and all(v is None or is_number(v) for v in column)
            if not good:
                raise FolderError(f"{path}: history.{key}: expected a list of numbers")
            if key == "epoch" and not all(isinstance(v, int) for v in column):
                raise FolderError(f"{path}: history.epoch: expected a list of whole numbers")
            lengths.add(len(column))
    if not isinstance(history, dict) or len(lengths) > 1:
        raise FolderError(f"{path}: history: expected lists of numbers of one length")
    return values


def trainings(record: dict) -> list[dict]:
    """Return the runs that made the present weights: the last, and those that it went on from."""
    made = []
    for run in reversed(record["runs"]):
        made.insert(0, run)
        if run.get("transfer_from") or not run.get("first_epoch"):
            break
    return made


def movies_of(runs: list[dict]) -> list[dict]:
    """Return the movies of runs, each once, as training.json describes them."""
    found = {}
    for run in runs:
        for movie in run.get("movies", []):
            found.setdefault(movie.get("fingerprint", id(movie)), movie)
    return list(found.values())


def write_record(folder: Path, record: dict) -> None:
    """Write training.json, and its history as a table, training_log.csv."""
    write_json(folder / TRAINING, {"format_version": FORMAT_VERSION, **record})
    history = record["history"]
    rows = [",".join(history)]
    rows += [",".join("" if v is None else repr(v) for v in row) for row in zip(*history.values())]
    write_text(folder / LOG, "\n".join(rows) + "\n")
