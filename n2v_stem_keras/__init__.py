"""Noise2Void denoising of atomic-resolution STEM movies on Keras 3.

>>> from n2v_stem_keras import N2VStem, N2VStemConfig
>>> config = N2VStemConfig.preset("laptop", channels=("ADF", "BF"))

Public names are imported when first used, so that importing the package costs next to nothing.
"""

import importlib
import os
import platform

from ._version import __version__

# Read when TensorFlow is imported. By itself it uses oneDNN only where there is AVX-512; on an x86
# processor without (AMD Milan, 2026-11) a training step took about half of the time with it, too
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# what goes wrong comes as an exception, too; n2v-stem doctor says what works
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_HOMES = {
    "N2VStem": "model",
    "N2VStemConfig": "config",
    "ConfigError": "config",
    "DataError": "normalize",
    "ExportedModel": "prediction.predictor",
    "FolderError": "folder.folder",
    "LiveReport": "prediction.stream",
    "Movie": "io",
    "MovieError": "io",
    "TrainingDiverged": "training.loop",
    "check_model": "check",
    "distill": "distillation",
    "open_model": "opening",
    "evaluate": "evaluation.evaluate",
    "export_bioimageio": "interop.bioimageio",
    "read_movie": "io",
    "simulate_movie": "simulate",
    "write_movie": "io",
}

_NEED_TENSORFLOW = {"N2VStem", "TrainingDiverged", "distill"}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NEED_TENSORFLOW:
        from .opening import import_tensorflow

        import_tensorflow()
    found = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found  # the next time Python finds it without asking here
    return found


def __dir__():
    return sorted({*globals(), *_HOMES})
