"""The format of messages: 32 bytes of header, then so many bytes as it says (docs/live.md).

Nothing is pickled, and nothing is allocated before a header has been checked.
"""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

import numpy as np

from .client import ERROR, FRAME, HELLO, MAGIC, NEW_MOVIE, VERSION

WELCOME = 2
KINDS = (HELLO, WELCOME, FRAME, NEW_MOVIE, ERROR)
HEADER_BYTES = 32
_NUMBER = np.dtype("<u4")
PIXEL = np.dtype("<f4")


class WireError(Exception):
    """What came is no message that was expected; nothing after it can be understood."""


class Silence(WireError):
    """Nothing came, or could be sent, for as long as it is waited for."""


class Header(NamedTuple):
    """What comes before the data of a message.

    Attributes
    ----------
    kind : int
        One of `KINDS`.
    number : int
        The client's own number of a frame, which comes back with the answer.
    height, width, detectors : int
        Shape of a frame (Y, X, C); of an error ``height`` is 1 where the connection goes on.
    n_bytes : int
        Length of what follows.
    """

    kind: int
    number: int = 0
    height: int = 0
    width: int = 0
    detectors: int = 0
    n_bytes: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a frame (Y, X, C)."""
        return self.height, self.width, self.detectors

    def packed(self) -> bytes:
        """Return the 32 bytes."""
        return np.array([MAGIC, VERSION, *self], _NUMBER).tobytes()

    @classmethod
    def of(cls, data) -> Header:
        """Read the 32 bytes.

        Raises
        ------
        WireError
            They are something else, or of another version.
        """
        magic, version, *rest = np.frombuffer(data, _NUMBER).tolist()
        if magic != MAGIC:
            raise WireError("this is no message of n2v-stem (wrong first four bytes)")
        if version != VERSION:
            raise WireError(f"version {version} of the wire format; this server speaks {VERSION}")
        header = cls(*rest)
        if header.kind not in KINDS:
            raise WireError(f"message of kind {header.kind}, expected one of {KINDS}")
        return header


def receive_header(connection: socket.socket, idle_s: float, timeout_s: float) -> Header | None:
    """Wait for the next message.

    Parameters
    ----------
    connection : socket.socket
    idle_s : float
        How long a client may say nothing before it [s].
    timeout_s : float
        How long the header may take from its first byte on [s].

    Returns
    -------
    Header or None
        None if the client has nothing more to say.
    """
    data = bytearray(HEADER_BYTES)
    connection.settimeout(idle_s)
    try:
        n = connection.recv_into(data)
    except TimeoutError:
        raise Silence(f"nothing came for {idle_s:g} s") from None
    if not n:
        return None
    receive_into(connection, memoryview(data)[n:], timeout_s)
    return Header.of(data)


def receive_into(connection: socket.socket, view: memoryview, timeout_s: float) -> None:
    """Fill memory from a connection, all of it within a time [s].

    Raises
    ------
    WireError
        The connection ended before.
    Silence
        It took longer, however steadily it came.
    """
    deadline, filled = time.monotonic() + timeout_s, 0
    while filled < len(view):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Silence(_too_slow(filled, len(view), timeout_s))
        connection.settimeout(left)
        try:
            n = connection.recv_into(view[filled:])
        except TimeoutError:
            raise Silence(_too_slow(filled, len(view), timeout_s)) from None
        if not n:
            raise WireError(f"the connection ended after {filled} of {len(view)} bytes")
        filled += n


def _too_slow(filled, wanted, timeout_s):
    return f"{filled} of {wanted} bytes of a message came within {timeout_s:g} s"


def send(connection: socket.socket, header: Header, data, timeout_s: float) -> None:
    """Send a message, all of it within a time [s].

    Parameters
    ----------
    connection : socket.socket
    header : Header
        Its ``n_bytes`` are filled in.
    data : bytes or contiguous array
    timeout_s : float
    """
    data = memoryview(data).cast("B")
    connection.settimeout(timeout_s)
    try:
        connection.sendall(header._replace(n_bytes=len(data)).packed())
        connection.sendall(data)
    except TimeoutError:
        raise Silence(f"an answer was not read within {timeout_s:g} s") from None
