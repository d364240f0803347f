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
import shutil
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
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    temporary.unlink(missing_ok=True)  # a link of that name would be written through
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path) from error
        raise


@contextlib.contextmanager
def atomic_folder(path):
    """Yield a new, empty folder beside `path` that becomes `path` if the block succeeds.

    Folders above it are made. On any error it is removed. What stands under the final name has to
    be gone by the end of the block.
    """
    path = Path(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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
        temporary.write_text(text, encoding="utf-8")


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
