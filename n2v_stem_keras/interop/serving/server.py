"""The server: frames in, denoised frames out, for a few clients at the same time.

One network serves all. Each client has at most a few frames waiting for it, first come, first
served, so that nobody starves; and each has its own two threads and timeouts, so that one who is
slow, silent or wrong holds up none of the others. So memory is bounded: clients times a few frames.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from ...counting import counted
from . import tokens
from .connection import Connection, Refused
from .limits import Limits
from .wire import WireError

POLL_S = 0.2
STOP_S = 10.0  # that frames on their way are waited for at the end
# connections that may be about to say hello at the same time, and of them from one address: whoever
# opens many and says nothing does not keep out those from elsewhere
N_GREETED, N_GREETED_EACH = 32, 16
COMPLAINT_S = 1.0  # between two lines about clients that were refused


@dataclasses.dataclass
class ServerReport:
    """How a server fared: clients that were served, frames, frames with errors, refused."""

    n_clients: int = 0
    n_frames: int = 0
    n_errors: int = 0
    n_refused: int = 0

    def __str__(self):
        return (
            f"{counted(self.n_clients, 'client')}, {counted(self.n_frames, 'frame')}, "
            f"{self.n_errors} of them answered by an error, "
            f"{counted(self.n_refused, 'connection')} refused"
        )


class Server:
    """A model that listens.

    Parameters
    ----------
    model : Predictor
    engine, threads
        As in `Predictor.predict`.
    host : str
        Address to listen on. Beyond this machine (loopback) a token is needed.
    token : str
        What clients have to say; '' lets anyone in.
    limits : Limits
    context : {'past', 'none'}
        See `Predictor.stream`.
    log : callable, optional
        Takes a line of text.

    Attributes
    ----------
    address : (str, int)
        Where it listens.
    report : ServerReport

    Raises
    ------
    tokens.TokenError
        Others than this machine could come in without a token.
    OSError
        The address cannot be listened on.

    Notes
    -----
    Nothing is encrypted. Across a network that is not your own use a tunnel, such as ssh -L.
    """

    def __init__(
        self,
        model,
        engine: str | None = None,
        threads: int | None = None,
        *,
        host: str = "127.0.0.1",
        token: str = "",
        limits: Limits | None = None,
        context: str = "past",
        log: Callable[[str], object] | None = None,
    ):
        if not token:
            tokens.refuse_strangers(host)
        self.model, self.token, self.context = model, token, context
        self.limits, self.log = limits or Limits(), log or (lambda line: None)
        self.denoiser = model.denoiser_on(engine, threads)
        self.report, self.stopped = ServerReport(), threading.Event()
        self.pool = ThreadPoolExecutor(self.limits.n_parallel, "serve")
        self._lock, self._connections, self._greeting = threading.Lock(), set(), Counter()
        self._complained = 0.0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server(
            (host, self.limits.port), family=family, backlog=N_GREETED
        )
        self.address = self._listening.getsockname()[:2]

    @property
    def facts(self) -> dict:
        """What clients are told of what is served."""
        return {
            "model": self.model.name,
            "detectors": list(self.model.config.channels),
            "engine": self.denoiser.engine.name,
            "max_side": self.limits.max_side,
            "min_side": self.limits.min_side,
            "max_rate": self.limits.max_rate,
        }

    def warm_up(self, side: int = 64) -> None:
        """Denoise a frame, so that the first client does not wait for what happens only once."""
        shape = (1, side, side, self.model.config.n_channel_in)
        # noise, since a device is compared with the CPU
        self.denoiser(np.random.default_rng(0).normal(size=shape).astype(np.float32))

    def serve(self) -> ServerReport:
        """Serve until `stop`; frames that are on their way then are answered."""
        # numpy's matrix products, whose threads would get into the way of the network's
        one_thread = threadpool_limits(1, "blas")
        self._listening.settimeout(POLL_S)
        try:
            while not self.stopped.is_set():
                try:
                    connected, address = self._listening.accept()
                except TimeoutError:
                    continue
                except OSError:  # too many open files, or the client has gone already
                    self.stopped.wait(POLL_S)
                    continue
                self._begin(connected, address)
        finally:
            self._end()
            one_thread.restore_original_limits()
        return self.report

    def stop(self) -> None:
        """End `serve`, from any thread or a signal."""
        self.stopped.set()

    # -- clients ---------------------------------------------------------------------------------
    def _begin(self, connected, address):
        """Meet a client in a thread of its own, if there are not too many to be met."""
        with self._lock:
            self._greeting[address[0]] += 1
            is_crowded = self._greeting[address[0]] > N_GREETED_EACH
            is_crowded |= self._greeting.total() > N_GREETED
        if is_crowded:
            connected.close()
            self._greeted(address, "too many connections that have not said hello")
            return
        try:
            client = Connection(self, connected, address)
            threading.Thread(target=self._meet, args=(client,), daemon=True).start()
        except (OSError, RuntimeError) as error:  # no more threads, or files
            connected.close()
            self._greeted(address, str(error))

    def _greeted(self, address, complaint=""):
        with self._lock:
            self._greeting[address[0]] -= 1
            self._greeting += Counter()  # forgets those who have come in or gone
        if complaint:
            self._refused(f"{address[0]}: {complaint}")

    def _refused(self, complaint):
        """Count a client that was refused; say so, but not for each of very many."""
        with self._lock:
            self.report.n_refused += 1
            now = time.monotonic()
            is_said = now - self._complained > COMPLAINT_S
            self._complained = now if is_said else self._complained
        if is_said:
            self.log(f"Refused {complaint}")

    def _meet(self, client):
        """Let a client say hello, and serve it if it may come in."""
        complaint = ""
        try:
            client.greet()
            with self._lock:
                if len(self._connections) >= self.limits.max_clients:
                    raise Refused(
                        f"{self.limits.max_clients} clients are being served, and no more are "
                        "(max_clients); try again later"
                    )
                self._connections.add(client)
        except (Refused, WireError) as error:
            client.refuse(str(error))
            complaint = str(error)
        except OSError as error:
            complaint = str(error)
        self._greeted(client.address, complaint)
        if complaint:
            client.close()
            return
        self._serve_one(client)

    def _serve_one(self, client):
        began, reason = time.monotonic(), ""
        try:
            client.welcome()
            reader = threading.Thread(target=client.read, daemon=True)
            reader.start()
            reason = client.send()
            client.break_off()
            reader.join()
        except (OSError, WireError, RuntimeError) as error:
            reason = str(error)
        finally:
            client.close()
            with self._lock:
                self._connections.discard(client)
                self.report.n_clients += 1
                self.report.n_frames += client.n_frames
                self.report.n_errors += client.n_errors
        seconds = time.monotonic() - began
        line = f"{client.name}: {client.n_frames} frames in {seconds:.1f} s"
        self.log(f"{line}; ended: {reason}" if reason else line)

    def _end(self):
        """Take no more frames, answer those that are on their way, and close."""
        self._listening.close()
        with self._lock:
            there = list(self._connections)
        for client in there:
            client.stop_reading()
        deadline = time.monotonic() + STOP_S
        while self._connections and time.monotonic() < deadline:
            time.sleep(0.02)
        with contextlib.suppress(OSError):
            for client in list(self._connections):
                client.break_off()
        self.pool.shutdown(cancel_futures=True)
