"""What the process of the viewer and the process that computes say to each other."""

from __future__ import annotations

import logging


class Stopped(Exception):
    """The user wants no more of it."""


class Failed(Exception):
    """The work failed; the message is for the user as it is."""


def sentence(error: Exception) -> str:
    """Return what an error says; of one that is none of the user's, its kind and a log entry."""
    # configurations, folders, movies and data that cannot be used are ValueErrors
    mendable = (Failed, ValueError, MemoryError, OSError, ImportError, FloatingPointError)
    if isinstance(error, mendable) and str(error):
        return str(error)
    logging.getLogger(__name__).error("unexpected error", exc_info=error)
    return f"{type(error).__name__}: {error} (please report it)"
