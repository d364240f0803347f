"""How a denoised movie was made: what is stored with it, for whoever finds the file later."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from ._version import __version__


def model_fingerprint(model) -> str:
    """Return ``sha256:...`` of a model's configuration and weights.

    Parameters
    ----------
    model : N2VStem
    """
    digest = hashlib.sha256()
    settings = {k: v for k, v in model.config.to_dict().items() if not k.startswith("train_")}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for weight in model.keras_model.get_weights():
        array = np.ascontiguousarray(weight)
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(array.data)
    return f"sha256:{digest.hexdigest()}"


def of_denoising(model, movie, tta: bool = False, **settings) -> dict:
    """Return the provenance of a movie that a model denoised.

    Parameters
    ----------
    model : N2VStem
    movie : io.Movie
        The noisy one.
    tta : bool
        Whether flips were averaged.
    settings
        More of what was chosen; None is left out.
    """
    return {
        "software": f"n2v_stem_keras {__version__}",
        "model": model.name,
        "model_fingerprint": model_fingerprint(model),
        "source": movie.name,
        "source_type": str(movie.dtype),
        "tta": bool(tta),
        **{key: value for key, value in settings.items() if value is not None},
    }
