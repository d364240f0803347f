"""A file that is being written, and how far it has come, so that a killed process can go on.

The values grow in a file under a temporary name; beside it a small journal says how many frames are
surely on the disk. Both carry a key of all that decides the values: what is resumed is what was
begun.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
from pathlib import Path

from ..atomic import remove_of_dead, writer_mark
from .movie import MovieError

SYNCED_NBYTES = 2**26  # at most this much is written again after a kill


def resume_key(*facts) -> str:
    """Return a short key of all facts that decide the values of a file.

    >>> resume_key("model", {"tta": False}) == resume_key("model", {"tta": True})
    False
    """
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def passing_key() -> str:
    """Return the key of a file with which no other process is to go on."""
    return f"{writer_mark()}-{secrets.token_hex(4)}"


@dataclasses.dataclass
class Unfinished:
    """The two files of an unfinished one.

    Attributes
    ----------
    path : Path
        The file as it will be called.
    key : str
        See `resume_key`.
    """

    path: Path
    key: str

    @property
    def part(self) -> Path:
        """File that holds the values."""
        return self.path.with_name(f".{self.path.name[:40]}.{self.key}.part")

    @property
    def journal(self) -> Path:
        """File that says how many frames are there."""
        return self.part.with_suffix(".json")

    @property
    def _new_journal(self) -> Path:
        return self.journal.with_name(f"{self.journal.name}.tmp")

    def read(self) -> tuple[int, int] | None:
        """Return the number of frames on the disk, and where the first begins [bytes], if any."""
        try:
            found = json.loads(self.journal.read_text(encoding="utf-8"))
            n_frames, offset = found["frames"], found["offset"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = all(type(n) is int and n >= 0 for n in (n_frames, offset))
        return (n_frames, offset) if whole and n_frames and self.part.is_file() else None

    def write(self, n_frames: int, offset: int) -> None:
        """Note that so many frames are on the disk."""
        temporary = self._new_journal
        temporary.write_text(json.dumps({"frames": n_frames, "offset": offset}), encoding="utf-8")
        os.replace(temporary, self.journal)

    def remove(self) -> None:
        """Remove both files, if they are there, and what a killed process left of the second."""
        for file in (self.part, self.journal, self._new_journal):
            file.unlink(missing_ok=True)

    def remove_passing(self) -> None:
        """Remove what dead processes of this machine have left of this file (`passing_key`)."""
        pattern = re.escape(f".{self.path.name[:40]}.") + r"{mark}-[0-9a-f]{8}\.part"
        remove_of_dead(self.path.absolute().parent, pattern)

    def others(self) -> list[Path]:
        """Return files of the same name that were begun with another key."""
        pattern = re.compile(re.escape(f".{self.path.name[:40]}.") + r"[0-9a-f]{16}\.part")
        with contextlib.suppress(OSError):
            names = sorted(os.listdir(self.path.absolute().parent))
            found = [self.path.with_name(n) for n in names if pattern.fullmatch(n)]
            return [file for file in found if file != self.part]
        return []


def open_locked(part: Path, path: Path):
    """Open a file to read and write, and keep a second process from it until it is closed.

    Raises
    ------
    MovieError
        If another process writes it now.
    """
    file = open(part, "r+b")  # noqa: SIM115 - the caller closes it
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise MovieError(f"{path}: is being written by another process now; wait for it") from error
    except (ImportError, OSError):  # Windows, or a file system without locks
        pass
    return file
