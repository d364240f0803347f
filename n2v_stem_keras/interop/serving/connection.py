"""One client of the server: a thread reads its frames, another sends the answers.

A client has its own stream: statistics and frames before of no other. Few frames of it are on their
way at the same time; what it sends beyond waits in its own machine. A frame that cannot be denoised
is answered by an error, and the connection goes on; what is no message ends it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import time
from collections import deque
from concurrent.futures import CancelledError

import numpy as np

from ...normalize import DataError, check_finite
from ...prediction.stream import NEW_MOVIE, RunningStatistics, denoise_stream
from . import tokens, wire
from .wire import Header, WireError

N_AHEAD = 2  # frames of one client that wait for the network
LINGER_S, LINGER_BYTES = 1.0, 2**26  # so long is read on after an error, or it might not arrive
WRONG_TOKEN_S = 1.0  # that a wrong token takes, so that guessing does


class Refused(Exception):
    """A client that is told why, and let go."""


class Connection:
    """One client, from its first byte on.

    Parameters
    ----------
    server : Server
    connected : socket.socket
    address : tuple
    """

    def __init__(self, server, connected: socket.socket, address):
        self.server, self.limits = server, server.limits
        self.address, self.name = address, f"{address[0]}:{address[1]}"
        self.reading = connected
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # timeouts belong to the object, and reading and sending have their own
        self.sending = connected.dup()
        self.answers = queue.Queue(N_AHEAD)
        self.n_frames, self.n_errors = 0, 0
        self._numbers, self._slot, self._is_broken = deque(), 0.0, False

    # -- coming in -------------------------------------------------------------------------------
    def greet(self) -> None:
        """Let the client say who it is.

        Raises
        ------
        Refused
            It may not come in.
        WireError
            It speaks something else.
        """
        wait = self.limits.hello_s
        header = wire.receive_header(self.reading, wait, wait)
        if header is None:
            raise WireError("the connection ended before it said hello")
        if header.kind != wire.HELLO or header.n_bytes > tokens.MAX_LENGTH:
            raise WireError(f"expected a hello with a token of at most {tokens.MAX_LENGTH} bytes")
        said = bytearray(header.n_bytes)
        wire.receive_into(self.reading, memoryview(said), wait)
        if self.server.token and not tokens.fits(said, self.server.token):
            time.sleep(WRONG_TOKEN_S)
            raise Refused("wrong token")

    def welcome(self) -> None:
        """Say what is served."""
        facts = json.dumps(self.server.facts).encode()
        wire.send(self.sending, Header(wire.WELCOME), facts, self.limits.timeout_s)

    def refuse(self, reason: str) -> None:
        """Say why, as far as the client listens, and let it go."""
        with contextlib.suppress(OSError, WireError):
            self._say(0, reason, goes_on=False, timeout_s=LINGER_S)
            self.sending.shutdown(socket.SHUT_WR)
            deadline, n_bytes = time.monotonic() + LINGER_S, 0
            while (left := deadline - time.monotonic()) > 0 and n_bytes < LINGER_BYTES:
                self.reading.settimeout(left)
                part = self.reading.recv(2**16)
                if not part:
                    break
                n_bytes += len(part)

    # -- reading ---------------------------------------------------------------------------------
    def read(self) -> None:
        """Take frames until the client has no more, or breaks the rules."""
        frames = self._frames()
        try:
            while not self._is_broken:
                stream = denoise_stream(
                    self.server.denoiser,
                    frames,
                    RunningStatistics(),
                    context=self.server.context,
                    submit=self.server.pool.submit,
                )
                try:
                    for denoised in stream:
                        self._answer(self._numbers.popleft(), denoised)
                    break
                except (WireError, OSError):
                    raise
                except Exception as error:  # of what goes before the network, such as the drift
                    reason = _sentence(error)
                    self._answer(self._numbers.popleft(), f"{reason}; the stream begins anew")
        except WireError as error:
            self._answer(0, Refused(str(error)))
        except OSError:
            self._is_broken = True
        finally:
            self._answer(0, None)

    def _frames(self):
        """Yield the client's frames, each when the one before is on its way."""
        while not self._is_broken:
            self._keep_pace()
            header = wire.receive_header(self.reading, self.limits.idle_s, self.limits.timeout_s)
            if header is None or self.server.stopped.is_set():
                return
            if header.kind == wire.NEW_MOVIE and not header.n_bytes:
                yield NEW_MOVIE
                continue
            self._check(header)
            frame = np.empty(header.shape, wire.PIXEL)
            view = memoryview(frame).cast("B")
            wire.receive_into(self.reading, view, self.limits.timeout_s)
            try:
                check_finite(frame, "stream", header.number)
            except DataError as error:
                self._answer(header.number, str(error))
                continue
            self._numbers.append(header.number)
            yield frame

    def _keep_pace(self):
        """Wait until the next message may come."""
        if self.limits.max_rate:
            now = time.monotonic()
            if self._slot > now:
                self.server.stopped.wait(self._slot - now)
            self._slot = max(self._slot, now) + 1 / self.limits.max_rate

    def _check(self, header):
        """Refuse what is no frame of this server, before there is room for it."""
        if header.kind != wire.FRAME:
            raise WireError(f"message of kind {header.kind} where frames are expected")
        least, most = self.limits.min_side, self.limits.max_side
        height, width, n = header.shape
        channels = self.server.model.config.channels
        if not (least <= height <= most and least <= width <= most):
            raise WireError(
                f"frame {header.number} has {height} x {width} px; sides of {least} to {most} px "
                "are served (max_side)"
            )
        if n != len(channels):
            raise WireError(
                f"frame {header.number} has {n} detectors, the model needs {len(channels)}: "
                f"{', '.join(channels)}"
            )
        expected = height * width * n * wire.PIXEL.itemsize
        if header.n_bytes != expected:
            raise WireError(
                f"frame {header.number} of {height} x {width} x {n} float32 has {header.n_bytes} "
                f"bytes, expected {expected}"
            )

    def _answer(self, number, answer):
        """Put an answer behind the others; wait while there are many."""
        while not self._is_broken:
            try:
                self.answers.put((number, answer), timeout=0.2)
                return
            except queue.Full:
                pass

    # -- answering -------------------------------------------------------------------------------
    def send(self) -> str:
        """Send answers until there are no more; return why the client had to go, if it had to."""
        while True:
            try:
                number, answer = self.answers.get(timeout=0.2)
            except queue.Empty:
                if self._is_broken:  # nothing more is put there
                    return ""
                continue
            if answer is None:
                return ""
            if isinstance(answer, Refused):
                self.refuse(str(answer))
                return str(answer)
            try:
                self._send_one(number, answer)
            except (WireError, OSError) as error:
                self.break_off()
                return str(error) if isinstance(error, WireError) else ""

    def _send_one(self, number, answer):
        if not isinstance(answer, str):
            try:
                answer = np.ascontiguousarray(answer.result(), wire.PIXEL)
            except CancelledError:
                answer = "the server is being stopped"
            except Exception as error:
                answer = _sentence(error)
        if isinstance(answer, str):
            self.n_errors += 1
            self._say(number, answer, goes_on=True, timeout_s=self.limits.timeout_s)
            return
        header = Header(wire.FRAME, number, *answer.shape)
        wire.send(self.sending, header, answer, self.limits.timeout_s)
        self.n_frames += 1

    def _say(self, number, text, goes_on, timeout_s):
        header = Header(wire.ERROR, number, int(goes_on))
        wire.send(self.sending, header, text.encode(), timeout_s)

    def break_off(self) -> None:
        """End both sides at once."""
        self._is_broken = True
        with contextlib.suppress(OSError):
            self.reading.shutdown(socket.SHUT_RDWR)

    def stop_reading(self) -> None:
        """Take no more frames; what is on its way is answered."""
        with contextlib.suppress(OSError):
            self.reading.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Give the sockets back."""
        self._is_broken = True
        self.sending.close()
        self.reading.close()


def _sentence(error) -> str:
    """Say an error in a line, without what only the server's owner should see."""
    known = isinstance(error, (DataError, ValueError, MemoryError))
    text = " ".join(str(error).split())[:500] if known else ""
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__} in the server"
