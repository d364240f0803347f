"""One file for each detector: written side by side, with the face of one writer."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from .write import MovieWriter


class SplitWriter:
    """Write the detectors of a movie into a file each; a context manager.

    Parameters
    ----------
    writers : list of MovieWriter
        One for each detector, in the order of C.
    """

    def __init__(self, writers: list[MovieWriter]):
        self.writers = writers

    @property
    def n_frames(self) -> int:
        """Number of frames that make each file."""
        return self.writers[0].n_frames

    @property
    def n_written(self) -> int:
        """Number of frames that are written into all of them."""
        return min(writer.n_written for writer in self.writers)

    @property
    def others(self) -> list[Path]:
        """See `MovieWriter.others`."""
        return [file for writer in self.writers for file in writer.others]

    def __enter__(self) -> SplitWriter:
        with contextlib.ExitStack() as stack:
            for writer in self.writers:
                stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception) -> None:
        self._stack.__exit__(*exception)

    def write(self, frame: np.ndarray) -> None:
        """Write the next frame (Y, X, C); a file that has it already, of an earlier run, waits."""
        number = self.n_written
        for c, writer in enumerate(self.writers):
            if writer.n_written == number:
                writer.write(frame[..., c : c + 1])

    def read(self, number: int) -> np.ndarray:
        """Return a frame (Y, X, C) that is written, as intensities."""
        return np.concatenate([writer.read(number) for writer in self.writers], axis=-1)
