"""What the package's own metadata asks for, and what of it is installed.

Nothing is listed here: libraries, versions and extras are those that pip reads.
"""

from __future__ import annotations

import functools
import importlib.metadata
from dataclasses import dataclass

DISTRIBUTION = "n2v_stem_keras"


@dataclass(frozen=True)
class Library:
    """A library that is asked for.

    Attributes
    ----------
    name : str
        As pip knows it.
    wanted : str
        Versions that will do, e.g. ``>=3.15``; empty for any.
    version : str or None
        The one that is installed.
    missing : tuple of str
        What pip would have to install: itself, if it is missing or of another version, or what an
        extra of its own asks for.
    """

    name: str
    wanted: str
    version: str | None
    missing: tuple[str, ...]


def python_versions() -> str:
    """Return the versions of Python that will do, e.g. ``>=3.11,<3.14``."""
    return importlib.metadata.metadata(DISTRIBUTION)["Requires-Python"] or ""


def fits(version: str, wanted: str) -> bool:
    """Return whether a version is one of those wanted.

    >>> fits("3.11.4", ">=3.11,<3.14")
    True
    >>> fits("3.14.0", ">=3.11,<3.14")
    False
    """
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(version, prereleases=True)


def libraries(extra: str = "", distribution: str = DISTRIBUTION) -> list[Library]:
    """Return what an extra asks for; without one, what the package cannot do without.

    Parameters
    ----------
    extra : str
    distribution : str
        Name of another package than this.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        The package lies somewhere on Python's path, but was never installed.
    """
    from packaging.requirements import Requirement

    found = []
    for line in importlib.metadata.requires(distribution) or []:
        asked = Requirement(line)
        always = asked.marker is None or asked.marker.evaluate({"extra": ""})
        if (asked.marker is None or asked.marker.evaluate({"extra": extra})) and (
            not extra or not always
        ):
            found.append(_look_up(asked))
    return found


def extras() -> list[str]:
    """Return the names of the package's extras."""
    return importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []


def _look_up(asked) -> Library:
    try:
        version = importlib.metadata.version(asked.name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    if version is None or not fits(version, str(asked.specifier)):
        return Library(asked.name, str(asked.specifier), version, (str(asked).split(";")[0],))
    inner = (_missing_of_extra(asked.name, extra) for extra in sorted(asked.extras))
    return Library(asked.name, str(asked.specifier), version, tuple(sum(inner, ())))


@functools.cache
def _missing_of_extra(distribution: str, extra: str) -> tuple[str, ...]:
    """Return what is missing of e.g. ``tensorflow[and-cuda]``."""
    return sum((one.missing for one in libraries(extra, distribution)), ())
