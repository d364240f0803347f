"""One client, seen from the server's side: greeted, checked, paced, told why it has to go."""

import json
import socket
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from serving_clients import all_of, frame_header, header

from n2v_stem_keras.interop.serving import connection as module
from n2v_stem_keras.interop.serving import wire
from n2v_stem_keras.interop.serving.client import ERROR, FRAME, HELLO, NEW_MOVIE
from n2v_stem_keras.interop.serving.connection import Connection, Refused
from n2v_stem_keras.interop.serving.limits import Limits
from n2v_stem_keras.interop.serving.wire import Header, WireError
from n2v_stem_keras.prediction.stream import NEW_MOVIE as NEW_AREA

SHAPE = (20, 24, 2)


@pytest.fixture
def connected():
    """Return a function that makes a connection, and the client's end of it."""
    made = []

    def connect(token="", **limits):
        config = SimpleNamespace(channels=("ADF", "BF"))
        server = SimpleNamespace(
            limits=Limits(**{"timeout_s": 2.0, "hello_s": 2.0, **limits}),
            token=token,
            facts={"model": "m"},
            stopped=threading.Event(),
            model=SimpleNamespace(config=config),
        )
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname(), 5)
            found, address = listening.accept()
        ours = Connection(server, found, address)
        made.extend([ours, client])
        return ours, client

    yield connect
    for one in made:
        one.close()


def frame(seed=0):
    return np.random.default_rng(seed).normal(size=SHAPE).astype("<f4")


def message(data):
    return frame_header(SHAPE) + data.tobytes()


def test_a_client_says_hello_and_is_told_what_is_served(connected):
    ours, client = connected(token="secret")
    client.sendall(header(HELLO, n_bytes=6) + b"secret")
    ours.greet()
    ours.welcome()
    found = Header.of(client.recv(32))
    assert found.kind == wire.WELCOME
    assert json.loads(client.recv(found.n_bytes)) == {"model": "m"}


@pytest.mark.parametrize(
    ("said", "error", "match"),
    [
        (header(HELLO, n_bytes=5) + b"wrong", Refused, "wrong token"),
        (header(FRAME), WireError, "expected a hello"),
        (header(HELLO, n_bytes=2**20), WireError, "at most"),
        (b"", WireError, "before it said hello"),
    ],
)
def test_who_says_something_else_is_not_let_in(connected, monkeypatch, said, error, match):
    monkeypatch.setattr(module, "WRONG_TOKEN_S", 0.2)
    ours, client = connected(token="secret")
    client.sendall(said)
    client.shutdown(socket.SHUT_WR)
    began = time.monotonic()
    with pytest.raises(error, match=match):
        ours.greet()
    if error is Refused:  # guessing takes time
        assert time.monotonic() - began >= 0.2


def test_frames_come_out_and_bad_ones_are_answered_by_their_number(connected):
    ours, client = connected()
    bad = frame(1)
    bad[3, 4] = np.nan
    client.sendall(message(frame(0)) + message(bad) + header(NEW_MOVIE) + message(frame(2)))
    client.shutdown(socket.SHUT_WR)
    first, new, last = ours._frames()
    np.testing.assert_array_equal(first, frame(0))
    assert new is NEW_AREA
    np.testing.assert_array_equal(last, frame(2))
    number, answer = ours.answers.get_nowait()
    assert number == 1
    assert "stream" in answer


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (header(HELLO), "where frames are expected"),
        (frame_header((8, 24, 2)), "8 x 24 px; sides of 16 to 64 px are served"),
        (frame_header((20, 65, 2)), "20 x 65 px"),
        (frame_header((20, 24, 3)), "3 detectors, the model needs 2: ADF, BF"),
        (frame_header((20, 24, 2), n_bytes=12), "has 12 bytes, expected 3840"),
    ],
)
def test_what_is_no_frame_of_this_server_ends_it(connected, head, said):
    ours, client = connected(max_side=64)
    client.sendall(head)
    with pytest.raises(WireError, match=said):
        next(ours._frames())


def test_messages_are_paced(connected):
    ours, client = connected(max_rate=20.0)
    client.sendall(b"".join(message(frame(n)) for n in range(4)))
    client.shutdown(socket.SHUT_WR)
    began = time.monotonic()
    assert len(list(ours._frames())) == 4
    assert time.monotonic() - began > 0.15  # three waits of 50 ms


def test_answers_keep_their_order_and_an_error_goes_on(connected):
    ours, client = connected()
    ready = SimpleNamespace(result=lambda: frame(3))

    def broken():
        raise RuntimeError("a path of the owner's")

    for number, answer in enumerate((ready, SimpleNamespace(result=broken))):
        ours._answer(number, answer)
    thread = threading.Thread(target=ours.send)
    thread.start()
    ours._answer(2, "no such frame")
    ours._answer(0, None)
    thread.join(10)
    ours.close()
    data = all_of(client)
    head = Header.of(data[:32])
    assert (head.kind, head.number, head.shape) == (FRAME, 0, SHAPE)
    np.testing.assert_array_equal(
        np.frombuffer(data[32 : 32 + head.n_bytes], "<f4").reshape(SHAPE), frame(3)
    )
    rest, said = data[32 + head.n_bytes :], []
    while rest:
        head = Header.of(rest[:32])
        assert (head.kind, head.height) == (ERROR, 1)
        said.append((head.number, rest[32 : 32 + head.n_bytes].decode()))
        rest = rest[32 + head.n_bytes :]
    assert said == [(1, "RuntimeError in the server"), (2, "no such frame")]
    assert (ours.n_frames, ours.n_errors) == (1, 2)


def test_who_is_refused_is_told_why(connected):
    ours, client = connected()
    thread = threading.Thread(target=ours.refuse, args=("no more clients",))
    thread.start()
    head = Header.of(client.recv(32))
    assert (head.kind, head.height) == (ERROR, 0)
    assert client.recv(head.n_bytes) == b"no more clients"
    assert client.recv(1) == b""
    client.close()
    thread.join(10)
    assert not thread.is_alive()
