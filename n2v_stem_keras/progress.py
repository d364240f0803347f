"""How far long work has come, and the time that is left.

tqdm draws it: a widget in a notebook, a line that is written over on a terminal. Where there is
neither, as in a pipe or in the log of a batch job, a line is added each minute.
"""

from __future__ import annotations

import functools
import sys
import time
import warnings

from .escaping import escaped

DELAY_S = 2.0  # what is done before shows nothing
LINE_EVERY_S = 60.0  # where lines cannot be written over


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
    """Shows how many frames are done, from the second second on, and the time left.

    Parameters
    ----------
    what : str
        What is being done, e.g. 'Denoising'; may be changed as it goes on.
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
        self._bar = self._open() if show and self.stream is not None else None

    def _open(self):
        """Return a bar of the kind that the stream can show."""
        kind, every, delay = _lines_class(), LINE_EVERY_S, LINE_EVERY_S
        shown = f"{{desc}}: {self.unit} {{n_fmt}}/{{total_fmt}}, {{remaining}} left"
        if can_be_written_over(self.stream):
            kind, every, delay = _bar_class(), 0.3, DELAY_S
            shown = f"{{desc}}: {self.unit} {{n_fmt}}/{{total_fmt}} |{{bar:20}}| {{remaining}} left"
        return kind(
            total=self.n_frames,
            desc=escaped(self.what),
            file=self.stream,
            bar_format=shown,
            mininterval=every,
            delay=delay,
            miniters=1,
            leave=False,
            nrows=20,  # some terminals say that they have none, and then nothing would be shown
        )

    def step(self) -> None:
        """Count one frame."""
        self.done += 1
        if self._bar is not None:
            self._bar.set_description_str(escaped(self.what), refresh=False)
            self._bar.update()

    def say(self, text: str, stream=None) -> None:
        """Write a line that stays, on the standard output unless another stream is given."""
        stream, text = stream or sys.stdout, escaped(text, lines=True)
        if stream is None:
            return
        bar = self._bar
        if isinstance(bar, _bar_class()) and bar.last_print_t >= bar.start_t + bar.delay:
            bar.write(text, file=stream)
        else:
            print(text, file=stream)
        stream.flush()
        if bar is not None:
            bar.last_print_t = time.time()  # this line says how far it is; wait with the next

    def close(self) -> None:
        """Clear the line."""
        if self._bar is not None:
            self._bar.close()


def can_be_written_over(stream) -> bool:
    """Return whether a stream is a terminal, or the output of a notebook's cell."""
    if type(stream).__module__.startswith("ipykernel"):
        return True
    return hasattr(stream, "isatty") and stream.isatty()


@functools.cache
def _bar_class():
    """Return tqdm's bar for where this runs, a notebook or a terminal."""
    with warnings.catch_warnings():
        # without ipywidgets a notebook shows the terminal's bar: no reason to warn
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # no thread watches over it

    return Bar


@functools.cache
def _lines_class():
    """Return a bar of tqdm that adds lines instead of writing over one."""
    from tqdm import tqdm

    class Lines(tqdm):
        monitor_interval = 0

        def display(self, msg=None, pos=None):
            """Write a line; an empty `msg`, which clears a bar, means none."""
            if msg is None:
                self.fp.write(f"{self}\n")
                self.fp.flush()

        def clear(self, nolock=False):
            """Lines stay."""

    return Lines
