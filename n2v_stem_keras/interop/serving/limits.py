"""What clients of the server may do, and how much of everything there is."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of a server.

    Attributes
    ----------
    port : int
        0: one that is free.
    max_clients : int
        Connected at the same time.
    max_side, min_side : int
        Of a frame [px].
    max_rate : float
        Messages of one client a second; what comes faster waits. 0: as they come.
    timeout_s : float
        How long one message may take, from its first byte on, and one answer to be read [s].
    idle_s : float
        How long a client may say nothing [s].
    hello_s : float
        How long it may take to say hello [s].
    n_parallel : int
        Frames denoised at the same time.

    Raises
    ------
    ValueError
        A number is none that makes sense.
    """

    port: int = 7557
    max_clients: int = 16
    max_side: int = 2048
    min_side: int = 16
    max_rate: float = 0.0
    timeout_s: float = 10.0
    idle_s: float = 600.0
    hello_s: float = 5.0
    n_parallel: int = 1

    def __post_init__(self):
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and least <= value <= most):
                raise ValueError(f"{name} is {value}, expected {least:g} to {most:g}")


_RANGES = {
    "port": (0, 65535),
    "max_clients": (1, 1000),
    "max_side": (16, 16384),
    "max_rate": (0, 1e6),
    "timeout_s": (0.01, 3600),
    "idle_s": (0.01, 86400 * 7),
    "hello_s": (0.01, 3600),
    "n_parallel": (1, 256),
}
