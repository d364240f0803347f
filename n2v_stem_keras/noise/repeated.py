"""Frames that are the same to the last bit: repeated by the program that wrote them."""

from __future__ import annotations

import hashlib

import numpy as np


def frame_key(frame) -> bytes:
    """Return what differs between any two frames that differ."""
    frame = np.ascontiguousarray(frame)
    key = hashlib.blake2b(f"{frame.shape}{frame.dtype.str}".encode(), digest_size=16)
    key.update(frame.data)
    return key.digest()


def find_repeated(keys: dict) -> tuple:
    """Return which frames equal one before them.

    Parameters
    ----------
    keys : dict
        Number of a frame -> its `frame_key`.

    Returns
    -------
    tuple
        Their numbers, in order.
    """
    seen, found = set(), []
    for number in sorted(keys):
        if keys[number] in seen:
            found.append(number)
        seen.add(keys[number])
    return tuple(found)


def say_repeated(frames, n_frames: int) -> str:
    """Say which frames of so many that were looked at equal ones before them."""
    more = f" and {len(frames) - 5} more" if len(frames) > 5 else ""
    some = ", ".join(map(str, frames[:5])) + more
    return (
        f"{len(frames)} of {n_frames} frames equal one before them to the last bit: {some}. They "
        "were repeated when the movie was written and tell nothing new; use each frame once"
    )
