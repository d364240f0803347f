"""What was made by this account, and what came from others.

An export runs like code: its graph may do anything with the frames, and nothing that could be
compared with the weights tells whether it is the network. So an export bears a seal, an HMAC-SHA256
under a key that never leaves the account, and one without it is not opened. The installed models
came with the package and need none; who trusts the exports of others sets `TRUST`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import sys
import warnings
from pathlib import Path

from ..escaping import escaped

TRUST = "N2V_STEM_TRUST_EXPORTS"  # environment variable; 1: exports of others are opened
N_BYTES = 32
_own_key = secrets.token_bytes(N_BYTES)  # where no file can be kept, of this process


def trusts_others() -> bool:
    """Return whether the user trusts the exports of others."""
    return os.environ.get(TRUST, "") not in ("", "0")


def seal(values: dict) -> str:
    """Return the seal of this account for some values of a JSON file."""
    text = json.dumps(values, sort_keys=True).encode()
    return hmac.new(_key(), text, hashlib.sha256).hexdigest()


def is_sealed(values: dict, found: str) -> bool:
    """Return whether this account has put a seal on these values."""
    return hmac.compare_digest(seal(values).encode(), found.encode(errors="replace"))


def key_file() -> Path:
    """Return where the key is kept."""
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA")
    else:
        home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "n2v_stem_keras" / "key"


def _key() -> bytes:
    """Return the key, which is made when it is first asked for."""
    try:
        path = key_file()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"key-{os.getpid()}")
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(secrets.token_bytes(N_BYTES))
            try:  # of two processes the first one wins
                os.link(temporary, path)
            except FileExistsError:
                pass
            finally:
                temporary.unlink(missing_ok=True)
        key = path.read_bytes()
        if len(key) == N_BYTES:
            return key
        reason = f"holds {len(key)} bytes, expected {N_BYTES}; remove it"
    except (OSError, RuntimeError) as error:  # no home, no permission, a disk that is full
        reason = str(error)
    warnings.warn(
        escaped(f"the key for exports cannot be kept ({reason}): only this process can open those"),
        stacklevel=4,
    )
    return _own_key
