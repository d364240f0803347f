"""How a denoised movie was made: what is stored with it, for whoever finds the file later."""

from __future__ import annotations

from ._version import __version__
from .series import averages_flips

STANDARD_ERROR = "standard error of the output"


def of_denoising(
    model, movie, tta: bool | None = None, context: str = "both", restore: bool = True, **settings
) -> dict:
    """Return the provenance of a movie that a model denoised.

    Parameters
    ----------
    model : Predictor
    movie : io.Movie
        The noisy one.
    tta : bool or None
        Whether flips were averaged; None: of single images.
    context : str
        Which frames around were looked at, if the model looks at any.
    restore : bool
        Whether what the network left out was drawn; nothing is with `context` 'past'.
    settings
        More of what was chosen; None is left out.
    """
    return {
        "software": f"n2v_stem_keras {__version__}",
        "model": model.name,
        "model_fingerprint": model.fingerprint,
        "source": movie.name,
        "source_type": str(movie.dtype),
        **({"frames": f"{taken[0]}:{taken[-1] + 1}"} if (taken := movie.frames_taken) else {}),
        "tta": averages_flips(tta, movie),
        "restored": bool(restore) and context != "past",
        **({"context": context} if model.config.unet_context else {}),
        **{key: value for key, value in settings.items() if value is not None},
    }
