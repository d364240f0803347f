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
import shutil
import zlib
from pathlib import Path


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


def temporary_path(path, pid: int | None = None) -> Path:
    """Return the temporary path that a process of this machine, by default this one, writes to."""
    path = Path(path)
    # the machine counts, as folders are shared; and names have room for 255 bytes
    mark = zlib.crc32(os.fsencode(f"{platform.node()}/{path.name}"))
    return path.with_name(
        f".tmp-{os.getpid() if pid is None else pid}-{mark:08x}-{path.name[-50:]}"
    )


def _remove_leftovers(path: Path) -> None:
    """Remove what processes of this machine that are dead have left beside a file."""
    if os.name != "posix":  # elsewhere one cannot ask without a risk whether a process lives
        return
    ending = temporary_path(path, 0).name.removeprefix(".tmp-0")
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            pid = name.removeprefix(".tmp-").removesuffix(ending)
            if f".tmp-{pid}{ending}" == name and pid.isdecimal() and not _is_alive(int(pid)):
                left = path.with_name(name)
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)


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
