"""The client that others copy, against a server of a few lines that says what it is told to."""

import socket
import threading

import numpy as np
import pytest

from n2v_stem_keras.interop.serving.client import ERROR, FRAME, HELLO, NEW_MOVIE, Client
from n2v_stem_keras.interop.serving.wire import WELCOME, Header, receive_header, receive_into


@pytest.fixture
def server():
    """Return a function that serves one client with given answers; it notes what it was told."""
    threads, told, listening = [], [], socket.create_server(("127.0.0.1", 0))

    def serve(*answers):
        def work():
            connected, _ = listening.accept()
            with connected:
                for answer in answers:
                    head = receive_header(connected, 10, 10)
                    if head is None:
                        return
                    data = bytearray(head.n_bytes)
                    receive_into(connected, memoryview(data), 10)
                    told.append((head, bytes(data)))
                    if answer is not None:
                        header, said = answer(head, data)
                        connected.sendall(header._replace(n_bytes=len(said)).packed() + said)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return listening.getsockname(), told

    yield serve
    listening.close()
    for thread in threads:
        thread.join(10)


def welcome(head, data):
    return Header(WELCOME), b'{"model": "m"}'


def doubled(head, data):
    frame = 2 * np.frombuffer(data, "<f4")
    return Header(FRAME, head.number, *head.shape), frame.astype("<f4").tobytes()


def error(goes_on):
    return lambda head, data: (Header(ERROR, head.number, goes_on), b"this is why")


def test_it_says_hello_with_its_token_and_sends_frames(server):
    (host, port), told = server(welcome, doubled, None, doubled)
    client = Client(host, port, token="secret", timeout=10)
    assert client.welcome == '{"model": "m"}'
    frame = np.arange(24, dtype=np.int16).reshape(3, 4, 2)  # any type, any order
    np.testing.assert_array_equal(client(frame), 2 * frame.astype("f4"))
    client.send(NEW_MOVIE)
    np.testing.assert_array_equal(client(frame[::-1]), 2 * frame[::-1].astype("f4"))
    client.close()
    assert [head.kind for head, _ in told] == [HELLO, FRAME, NEW_MOVIE, FRAME]
    assert told[0][1] == b"secret"
    assert [head.number for head, _ in told] == [0, 1, 1, 2]
    assert told[1][0].shape == (3, 4, 2)


def test_an_error_of_one_frame_is_raised_and_it_goes_on(server):
    (host, port), _ = server(welcome, error(1), doubled)
    client = Client(host, port, timeout=10)
    frame = np.ones((2, 3, 1), "f4")
    with pytest.raises(RuntimeError, match="this is why"):
        client(frame)
    np.testing.assert_array_equal(client(frame), 2 * frame)
    client.close()


@pytest.mark.parametrize("answers", [(error(0),), (welcome,)])
def test_after_the_last_word_the_connection_is_closed(server, answers):
    (host, port), _ = server(*answers)
    if len(answers) == 1 and answers[0] is not welcome:
        with pytest.raises(RuntimeError, match="this is why"):
            Client(host, port, timeout=10)
        return
    client = Client(host, port, timeout=10)
    with pytest.raises((RuntimeError, OSError)):
        client(np.ones((2, 3, 1), "f4"))
    assert client.file.closed
