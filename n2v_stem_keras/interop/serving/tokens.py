"""Who may come in: anyone on this machine, and from elsewhere those who know a secret."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import stat
from pathlib import Path

MIN_LENGTH, MAX_LENGTH = 16, 256


class TokenError(ValueError):
    """A token that protects nothing, or none where one is needed."""


def is_loopback(host: str) -> bool:
    """Return whether a host name means this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(a[4][0].partition("%")[0]).is_loopback for a in found)


def refuse_strangers(host: str) -> None:
    """Raise an error if other machines could come in without a token.

    Raises
    ------
    TokenError
    """
    if not is_loopback(host):
        raise TokenError(
            f"{host} can be reached from other machines, and no token keeps strangers out; name a "
            "file for one (token_file; it is made if it is not there)"
        )


def read_or_make(path: Path) -> str:
    """Return the token in a file; a new one is made where there is no such file.

    Raises
    ------
    TokenError
        Others may read the file, or what it holds is too short.
    """
    path = Path(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def _read(path):
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TokenError(f"{path}: others may read this token; chmod 600 {path}")
    token = path.read_text(encoding="utf-8").strip()
    if not MIN_LENGTH <= len(token.encode()) <= MAX_LENGTH:
        raise TokenError(
            f"{path}: holds a token of {len(token.encode())} bytes, expected {MIN_LENGTH} to "
            f"{MAX_LENGTH}; remove the file, and a new one is made"
        )
    return token


def fits(given: bytes, token: str) -> bool:
    """Compare what a client said with the token, in a time that tells nothing of either."""
    digests = (hashlib.sha256(said).digest() for said in (given, token.encode()))
    return hmac.compare_digest(*digests)
