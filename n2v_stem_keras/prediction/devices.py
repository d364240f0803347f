"""An engine on a device other than the CPU: looked at before it is believed.

An engine is named ``engine`` or ``engine:device``, such as ``onnx:cuda``. Whether a graphics card
computes what the CPU does depends on drivers, versions and settings that nobody here has seen (see
`TRIED`). So the first frame goes through both. Where they differ, or the device fails then or
later, the CPU takes over, and it is said aloud. Many frames go into one call, fewer where the
device's memory does not hold so many.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import numpy as np

from ..escaping import escaped

AUTO, CPU = "auto", "cpu"
TRIED = (CPU,)  # devices that this package was ever run on by those who make it
# largest deviation from the CPU, in standard deviations of the data: float32 in another order of
# addition differs by 1e-5, TF32 and float16 by 1e-3 to 1e-2
TOLERANCE = 1e-3


def split(engine: str) -> tuple[str, str]:
    """Take the name of an engine and its device apart.

    >>> split("onnx:cuda"), split("onnx")
    (('onnx', 'cuda'), ('onnx', 'auto'))
    """
    name, _, device = engine.partition(":")
    return name, device or AUTO


def joined(engine: str, device: str) -> str:
    """Name an engine on a device; the CPU goes without saying."""
    return engine if device in (AUTO, CPU) else f"{engine}:{device}"


class OnDevice:
    """An engine on a device, and on the CPU where that does not do.

    Parameters
    ----------
    name : str
        The engine's.
    device : str
    open_on : callable
        Takes the name of a device, returns the engine on it.

    Attributes
    ----------
    device : str
        What runs now.
    takes_many : bool
        Whether many frames a call are faster than one.

    Warns
    -----
    UserWarning
        The CPU takes over; why is said.
    """

    def __init__(self, name: str, device: str, open_on: Callable):
        self._name, self.device, self._open_on = name, device, open_on
        # one call at a time: some devices take no more, and none is faster by it
        self._lock, self._is_checked, self._most = threading.Lock(), False, None
        self._running = self._cpu = open_on(CPU)
        self.export, self.tile_overlap = self._cpu.export, self._cpu.tile_overlap
        try:
            self._running = open_on(device)
        except Exception as error:  # whatever a driver raises
            self._fall_back(f"it cannot be used ({_first_line(error)})")

    @property
    def name(self) -> str:
        """Engine and device, as they are now."""
        return joined(self._name, self.device)

    @property
    def takes_many(self) -> bool:
        """Whether many frames a call are faster than one."""
        return self.device != CPU

    def run(self, *inputs) -> np.ndarray:
        """(B, Y, X, C_in) -> (B, Y, X, C), float32."""
        if self.device == CPU:
            return self._running.run(*inputs)
        with self._lock:
            found = self._on_device(inputs)
        return self._cpu_run(inputs) if found is None else found

    def _cpu_run(self, inputs):
        return self._running.run(*inputs)

    def _on_device(self, inputs):
        """Return what the device makes of frames; None where the CPU has taken over."""
        # blank frames prove nothing
        if not self._is_checked and np.ptp(inputs[0][:1]) > 0:
            self._check([x[:1] for x in inputs])
        parts, at, n = [], 0, len(inputs[0])
        while at < n and self.device != CPU:
            most = min(n - at, self._most or n)
            try:
                parts.append(self._running.run(*(x[at : at + most] for x in inputs)))
            except Exception as error:
                if most == 1:
                    self._fall_back(f"it failed ({_first_line(error)})")
                self._most = max(1, most // 2)  # its memory, most likely
            else:
                at += most
        if self.device == CPU:
            return None
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _check(self, inputs):
        """Compare the first frame with the CPU's."""
        expected = self._cpu.run(*inputs)
        try:
            found = self._running.run(*inputs)
        except Exception as error:
            self._fall_back(f"it failed at the first frame ({_first_line(error)})")
            return
        off = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
        if not off <= TOLERANCE:
            self._fall_back(
                f"its first frame differs from the CPU's by up to {off:.2g} standard deviations, "
                f"{TOLERANCE:g} are allowed"
            )
            return
        self._is_checked, self._cpu = True, None  # which costs memory

    def _fall_back(self, reason):
        text = f"Using the CPU instead of {self.name}: {reason}. n2v-stem doctor looks at devices"
        warnings.warn(escaped(text), stacklevel=2)
        self._running = self._cpu or self._open_on(CPU)
        self.device, self._is_checked = CPU, True


def _first_line(error) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__
