"""Standard output and error that may be closed, full, or read by nobody any more.

A closed descriptor is taken by the next file that is opened, into which the libraries would then
write their messages: so all three are opened first. What nobody reads (``| head -1``) is let go,
and the work goes on: it is in files.
"""

import contextlib
import errno
import os
import sys


@contextlib.contextmanager
def usable_streams():
    """Let print() work while the block runs, whatever the standard streams are.

    Raises
    ------
    OSError
        At the end, if what was printed could not be written, as on a full disk.
    """
    _open_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_Patient, before)
    try:
        yield
        sys.stdout.flush()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _open_descriptors() -> None:
    """Open the null device for those of the descriptors 0 to 2 that are closed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


class _Patient:
    """A text stream without a reader is written to all the same.

    Characters that its encoding does not have are escaped.
    """

    def __init__(self, stream):
        if stream is None:  # so Python has it if it was closed before
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end
        self._stream = stream
        with contextlib.suppress(AttributeError, ValueError):
            self._stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        return self._do(self._stream.write, text) or len(text)

    def flush(self) -> None:
        self._do(self._stream.flush)

    def _do(self, action, *args):
        try:
            return action(*args)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ESHUTDOWN):
                raise
            # the interpreter would complain once more when it ends
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name):
        return getattr(self._stream, name)
