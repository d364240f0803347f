"""Ready-made models: the folders of models/, installed as n2v_stem_keras.pretrained."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from .folder import CONFIG, FolderError, read_config


def models_directory() -> Path:
    """Return where the ready-made models lie, in an installation or in a checkout."""
    spec = importlib.util.find_spec("n2v_stem_keras.pretrained")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).resolve().parent.parent / "models"


def names() -> list[str]:
    """Return the names of the ready-made models."""
    return sorted(p.parent.name for p in models_directory().glob(f"*/{CONFIG}"))


def find(name: str) -> Path:
    """Return the folder of a ready-made model."""
    if name not in names():
        known = ", ".join(names()) or "none is installed"
        raise FolderError(f"no ready-made model {name!r}; known: {known}")
    return models_directory() / name


def describe() -> list[str]:
    """Print the ready-made models, a line each, and return their names."""
    found = names()
    for name in found:
        config = read_config(models_directory() / name)
        print(f"{name}: {' + '.join(config.channels)}, {config.unet_n_first} features")
    return found
