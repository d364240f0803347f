"""How far long work has come, and the time that is left."""

from __future__ import annotations

import sys
import time

from .escaping import escaped


def duration(seconds: float) -> str:
    """Write a time as a person would: '45 s', '3 min 20 s', '2 h 5 min', '3.2 weeks'.

    Examples
    --------
    >>> duration(45), duration(200), duration(7500), duration(2e6)
    ('45 s', '3 min 20 s', '2 h 5 min', '3.3 weeks')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    days = seconds / 86400
    return f"{days:.1f} days" if days < 14 else f"{days / 7:.1f} weeks"


class FrameProgress:
    """One running line on a terminal, from the second second on; nothing elsewhere.

    Parameters
    ----------
    what : str
        What is being done, e.g. 'Denoising'.
    n_frames : int
    show : bool
    stream : file, optional
        Default the standard error.
    unit : str
        What is counted.
    """

    def __init__(
        self, what: str, n_frames: int, show: bool = True, stream=None, unit: str = "frame"
    ):
        self.what, self.n_frames, self.unit, self.done = what, n_frames, unit, 0
        self.stream = stream or sys.stderr  # None where the standard error is closed
        self.live = show and self.stream is not None and self.stream.isatty()
        self._began = self._shown = time.monotonic()
        self._used = False

    def step(self) -> None:
        """Count one frame."""
        self.done += 1
        now = time.monotonic()
        if self.live and now - self._shown > (0.3 if self._used else 2.0):
            self._shown, self._used = now, True
            left = (now - self._began) / self.done * (self.n_frames - self.done)
            text = f"{self.what}: {self.unit} {self.done}/{self.n_frames}  {duration(left)} left"
            self.stream.write(f"\r{escaped(text)}\033[K")
            self.stream.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._used:
            self.stream.write("\r\033[K")
            self.stream.flush()
