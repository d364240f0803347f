"""Ready-made models: the folders of models/, installed as n2v_stem_keras.pretrained."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ..escaping import escaped
from .folder import CONFIG, MissingFolder, read_config
from .thresholds import read_thresholds


def models_directory() -> Path:
    """Return where the ready-made models lie, in an installation or in a checkout."""
    spec = importlib.util.find_spec("n2v_stem_keras.pretrained")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).resolve().parents[2] / "models"


def names() -> list[str]:
    """Return the names of the ready-made models."""
    return sorted(p.parent.name for p in models_directory().glob(f"*/{CONFIG}"))


def find(name: str) -> Path:
    """Return the folder of a ready-made model."""
    if name not in names():
        known = ", ".join(names()) or "none is installed"
        raise MissingFolder(f"no ready-made model {name!r}; known: {known}")
    return models_directory() / name


def is_one(folder: Path) -> bool:
    """Return whether a folder is one of those that came with the package."""
    return Path(folder).resolve().parent == models_directory().resolve()


def describe() -> list[str]:
    """Print the ready-made models, a line each, and return their names."""
    found = names()
    for name in found:
        print(escaped(f"{name}: {summary(models_directory() / name)}"))
    return found


def summary(folder: Path) -> str:
    """Say in one line what a model folder is for: detectors, pixel size, noise, size."""
    config = read_config(folder)
    parts = [" + ".join(config.channels)]
    domains = {
        c: d["domain"] for c, d in read_thresholds(folder, config.channels).items() if "domain" in d
    }
    pixels = [d["pixel_size_nm"] for d in domains.values() if d.get("pixel_size_nm")]
    if pixels:
        low, high = min(p[0] for p in pixels), max(p[1] for p in pixels)
        parts.append(f"{low:.3f} to {high:.3f} nm/px")
    noise = {c: d["noise_to_sd"] for c, d in domains.items() if d.get("noise_to_sd")}
    # all of a movie's standard deviation may be noise, but not more than all
    noise = [f"{c} {low:.2f} to {min(high, 1):.2f}" for c, (low, high) in noise.items()]
    if noise:
        parts.append(f"noise sigma / sd {', '.join(noise)}")
    return "; ".join([*parts, f"{config.unet_n_first} features, depth {config.unet_n_depth}"])
