"""The format of messages: 32 bytes as the page says, all of it in time, nothing else believed."""

import socket
import threading
import time

import numpy as np
import pytest

from n2v_stem_keras.interop.serving import wire
from n2v_stem_keras.interop.serving.client import FRAME, HELLO, MAGIC, VERSION
from n2v_stem_keras.interop.serving.wire import Header, Silence, WireError


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_header_is_eight_little_endian_numbers():
    header = Header(FRAME, 7, 3, 5, 2, 120)
    assert header.packed().hex(" ", 4) == (
        "4e325653 01000000 03000000 07000000 03000000 05000000 02000000 78000000"
    )
    assert Header.of(header.packed()) == header
    assert header.shape == (3, 5, 2)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((MAGIC + 1, VERSION, FRAME, 0, 0, 0, 0, 0), "no message of n2v-stem"),
        ((MAGIC, VERSION + 1, FRAME, 0, 0, 0, 0, 0), f"version {VERSION + 1} of the wire format"),
        ((MAGIC, VERSION, 99, 0, 0, 0, 0, 0), "kind 99"),
    ],
)
def test_what_is_no_header_is_refused(numbers, said):
    with pytest.raises(WireError, match=said):
        Header.of(np.array(numbers, "<u4").tobytes())


def test_a_message_arrives_as_it_was_sent(pair):
    ours, theirs = pair
    frame = np.arange(30, dtype=wire.PIXEL).reshape(3, 5, 2)
    wire.send(ours, Header(FRAME, 4, *frame.shape), frame, 5)
    header = wire.receive_header(theirs, 5, 5)
    assert header == Header(FRAME, 4, 3, 5, 2, frame.nbytes)
    found = np.empty(header.shape, wire.PIXEL)
    wire.receive_into(theirs, memoryview(found).cast("B"), 5)
    np.testing.assert_array_equal(found, frame)


def test_pieces_are_put_together(pair):
    ours, theirs = pair
    data = Header(HELLO).packed()

    def slowly():
        for byte in data:
            ours.sendall(bytes([byte]))

    thread = threading.Thread(target=slowly)
    thread.start()
    assert wire.receive_header(theirs, 5, 5) == Header(HELLO)
    thread.join()


def test_the_end_is_none_between_messages_and_an_error_within(pair):
    ours, theirs = pair
    ours.sendall(Header(HELLO).packed()[:20])
    ours.shutdown(socket.SHUT_WR)
    wire.receive_into(theirs, memoryview(bytearray(12)), 5)
    with pytest.raises(WireError, match="ended after 8 of 20 bytes"):
        wire.receive_into(theirs, memoryview(bytearray(20)), 5)
    assert wire.receive_header(theirs, 5, 5) is None


def test_silence_is_told_from_slowness(pair):
    ours, theirs = pair
    with pytest.raises(Silence, match=r"nothing came for 0\.05 s"):
        wire.receive_header(theirs, 0.05, 5)
    ours.sendall(b"abc")
    with pytest.raises(Silence, match=r"3 of 8 bytes of a message came within 0\.1 s"):
        wire.receive_into(theirs, memoryview(bytearray(8)), 0.1)


def test_a_trickle_does_not_move_the_deadline(pair):
    """However steadily bytes come, all of a message has its time."""
    ours, theirs = pair
    stopped = threading.Event()

    def trickle():
        while not stopped.wait(0.02):
            ours.sendall(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    began = time.monotonic()
    try:
        with pytest.raises(Silence):
            wire.receive_into(theirs, memoryview(bytearray(10**6)), 0.3)
    finally:
        stopped.set()
        thread.join()
    assert time.monotonic() - began < 3


def test_an_answer_that_nobody_reads_ends(pair):
    ours, _ = pair
    with pytest.raises(Silence, match="was not read within"):
        wire.send(ours, Header(FRAME), np.zeros(2**24, np.uint8), 0.1)
