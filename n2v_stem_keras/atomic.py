"""Files and folders that appear whole or not at all.

Each is written to a temporary name and renamed, so that a process that dies leaves the
version before it whole.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import platform
import re
import shutil
import tempfile
import zlib
from pathlib import Path

SCRATCH = "n2v-stem-"


@contextlib.contextmanager
def atomic(path):
    """Yield a temporary path beside `path` that becomes `path` if the block succeeds.

    The temporary name keeps all suffixes, because Keras insists on ``.weights.h5``. On any error
    it is removed and what stood under the final name stays.

    Raises
    ------
    OSError
        With the free space named, if the disk is full.
    """
    path = Path(path)
    temporary = temporary_path(path)
    _remove_leftovers(path)
    temporary.unlink(missing_ok=True)  # a link of that name would be written through
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if _is_of_full_disk(error):
            raise disk_full(path) from error
        raise


@contextlib.contextmanager
def atomic_folder(path):
    """Yield a new, empty folder beside `path` that becomes `path` if the block succeeds.

    Folders above it are made. On any error it is removed. What stands under the final name has to
    be gone by the end of the block.
    """
    path = Path(path)
    temporary = temporary_path(path)
    _remove_leftovers(path)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if _is_of_full_disk(error):
            raise disk_full(path) from error
        raise


@contextlib.contextmanager
def scratch_folder():
    """Yield a new, empty folder among the system's temporary ones; it is gone afterwards.

    Those of processes that were killed are removed.
    """
    mark = writer_mark()
    there = Path(tempfile.gettempdir())
    remove_of_dead(there, re.escape(SCRATCH) + r"{mark}-\w+")
    with tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{mark}-") as folder:
        yield Path(folder)


def temporary_path(path, pid: int | None = None) -> Path:
    """Return the temporary path that a process of this machine, by default this one, writes to."""
    path = Path(path)
    # names have room for 255 bytes
    return path.with_name(f".tmp-{writer_mark(path.name, pid)}-{path.name[-50:]}")


def writer_mark(name: str = "", pid: int | None = None) -> str:
    """Return what tells who writes a file of a name: a process, by default this one.

    The machine counts, too, as folders are shared.

    >>> writer_mark("a.tif", 17).startswith("17-")
    True
    """
    mark = zlib.crc32(os.fsencode(f"{platform.node()}/{name}"))
    return f"{os.getpid() if pid is None else pid}-{mark:08x}"


def remove_of_dead(folder: Path, pattern: str, name: str = "") -> None:
    """Remove files and folders that processes of this machine that are dead have left.

    Parameters
    ----------
    folder : Path
    pattern : str
        Regular expression of their names, in which {mark} stands for a `writer_mark`.
    name : str
        See `writer_mark`.
    """
    if os.name != "posix":  # elsewhere one cannot ask without a risk whether a process lives
        return
    mark = writer_mark(name, 0).removeprefix("0")
    pattern = re.compile(pattern.replace("{mark}", rf"(\d+){mark}"))
    with contextlib.suppress(OSError):
        for found in filter(None, map(pattern.fullmatch, os.listdir(folder))):
            if _is_alive(int(found[1])):
                continue
            left = folder / found.string
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what processes of this machine that are dead have left beside a file."""
    pattern = r"\.tmp-{mark}-" + re.escape(path.name[-50:])
    remove_of_dead(path.parent, pattern, path.name)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def _is_of_full_disk(error: BaseException) -> bool:
    """Return whether an error is that of a full disk, or of a quota; libraries say it in words."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    words = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
    return isinstance(error, Exception) and any(text in str(error) for text in words)


def disk_full(path: Path) -> OSError:
    """Return an error that says what could not be written and how much space there is."""
    free = shutil.disk_usage(path.parent).free / 2**20
    return OSError(
        errno.ENOSPC,
        f"no space left to write {path.name} ({free:.1f} MiB free); the version before it is "
        "whole. Free some space and run the same command again",
        str(path),
    )


def _sync_directory(path) -> None:
    """Make a rename durable, where the platform lets a directory be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        # names of files may hold bytes that are no UTF-8; so escaped they are good JSON, too
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path, values: dict) -> None:
    """Write a JSON file atomically; NaN is written as null."""
    write_text(path, json.dumps(_finite(values), indent=1, ensure_ascii=False) + "\n")


def _finite(value):
    """Replace floats that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
