"""Noise2Void denoising of atomic-resolution STEM movies on Keras 3.

>>> from n2v_stem_keras import N2VStem, N2VStemConfig
>>> config = N2VStemConfig.preset("laptop", channels=("ADF", "BF"))

Public names are imported when first used, so that importing the package costs next to nothing.
"""

import importlib

from ._version import __version__

_HOMES = {
    "N2VStem": "model",
    "N2VStemConfig": "config",
    "ConfigError": "config",
    "DataError": "normalize",
    "ExportedModel": "predictor",
    "FolderError": "folder",
    "LiveReport": "live",
    "Movie": "io",
    "MovieError": "io",
    "TrainingDiverged": "trainer",
    "distill": "distillation",
    "read_movie": "io",
    "write_movie": "io",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_HOMES})
