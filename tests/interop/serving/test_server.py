"""A server for many: each gets its own stream, and nobody spoils it for the others."""

import ast
import contextlib
import json
import re
import socket
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from serving_clients import HELLO_THERE, all_of, frame_header, header

from n2v_stem_keras import N2VStem
from n2v_stem_keras.folder import folder as model_folder
from n2v_stem_keras.interop.serving import client as client_file
from n2v_stem_keras.interop.serving import tokens
from n2v_stem_keras.interop.serving.client import (
    ERROR,
    FRAME,
    HELLO,
    MAGIC,
    NEW_MOVIE,
    VERSION,
    Client,
)
from n2v_stem_keras.interop.serving.limits import Limits
from n2v_stem_keras.interop.serving.server import N_GREETED_EACH, Server
from n2v_stem_keras.interop.serving.wire import WELCOME
from n2v_stem_keras.prediction.stream import NEW_MOVIE as NEW_AREA

SHAPE = (45, 50, 2)


def frames(seed=0, n=4, shape=SHAPE):
    rng = np.random.default_rng(seed)
    return (500 + 20 * rng.normal(size=(n, *shape))).astype(np.float32)


def error_in(data):
    """The number of the frame and the sentence of the error that all of an answer is."""
    head, text = np.frombuffer(data[:32], "<u4"), data[32:]
    assert head[2] == 5
    assert head[7] == len(text)
    return int(head[3]), text.decode()


def after_welcome(data):
    n = 32 + int(np.frombuffer(data[:32], "<u4")[7])
    return data[n:]


def test_what_comes_back_is_what_stream_gives(serve, connect, served_model):
    client = connect(serve())
    given = frames()
    expected = list(served_model.stream(iter(given), engine="onnx", threads=1))
    found = [client(frame) for frame in given]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.abs(np.stack(found) - given).max() > 0.1 * given.std()
    assert json.loads(client.welcome)["detectors"] == ["ADF", "BF"]
    assert json.loads(client.welcome)["model"] == "m"


@pytest.fixture(scope="module")
def model_with_context(tmp_path_factory, plain_config):
    basedir = tmp_path_factory.mktemp("models")
    model = N2VStem(plain_config.replace(unet_context=True), "c", basedir)
    model_folder.save_weights(model.keras_model, model.logdir / model_folder.WEIGHTS_BEST)
    return N2VStem(None, "c", basedir)


def test_frames_before_are_looked_at_until_a_new_movie(model_with_context, connect):
    given = frames(shape=(64, 48, 2), n=6)
    server = Server(model_with_context, "tensorflow", limits=Limits(port=0))
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        client = connect(server)
        found = [client(frame) for frame in given[:3]]
        client.send(NEW_MOVIE)
        found += [client(frame) for frame in given[3:]]
    finally:
        server.stop()
        thread.join(30)
    marked = [*given[:3], NEW_AREA, *given[3:]]
    np.testing.assert_allclose(found, list(model_with_context.stream(iter(marked))), rtol=1e-5)
    together = list(model_with_context.stream(iter(given)))
    assert np.abs(found[4] - together[4]).max() > 1e-3 * given.std()


def test_ten_clients_each_get_their_own(serve, connect, served_model):
    server = serve()
    wrong, n = [], 10
    all_there = threading.Barrier(n)

    def one(seed):
        try:
            given = frames(seed, 6) * (1 + seed)  # another gain for each
            client = connect(server)
            all_there.wait(30)
            found = [client(frame) for frame in given]
            expected = list(served_model.stream(iter(given), engine="onnx", threads=1))
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


def test_a_client_that_does_not_read_starves_nobody_and_is_let_go(
    serve, connect, raw, wait_until, monkeypatch
):
    said = []
    server = serve(timeout_s=0.5, log=said.append)
    greedy = raw(server, HELLO_THERE)
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    shape = (512, 512, 2)
    data = frame_header(shape) + frames(n=1, shape=shape)[0].tobytes()
    sent = []

    def flood():
        try:
            for _ in range(200):
                greedy.sendall(data)
                sent.append(1)
        except OSError:
            pass

    flooding = threading.Thread(target=flood)
    flooding.start()
    polite = connect(server)
    for frame in frames(n=20):
        assert polite(frame).shape == SHAPE
    wait_until(lambda: any("not read within" in line for line in said))
    flooding.join(30)
    assert len(sent) < 100  # the others never left its own machine


def test_a_client_with_many_frames_waits_in_line(
    serve, connect, raw, served_model, monkeypatch, wait_until
):
    """Frames of two clients take turns, however many one of them has sent."""
    order, network = [], served_model.denoiser_on("onnx", 1)
    running = network.engine.run
    started = threading.Event()

    def noted(*inputs):
        started.wait(30)
        order.append(inputs[0].shape[1:3])
        return running(*inputs)

    monkeypatch.setattr(network.engine, "run", noted)
    server = serve()
    greedy = raw(server, HELLO_THERE)
    one = frame_header((32, 32, 2)) + frames(n=1, shape=(32, 32, 2))[0].tobytes()
    greedy.sendall(one * 40)
    reading = threading.Thread(target=lambda: [greedy.recv(2**20) for _ in range(3)])
    reading.start()

    def has_what_it_wants():
        before = server.pool._work_queue.qsize()
        time.sleep(1.0)
        return before > 1 and server.pool._work_queue.qsize() == before

    wait_until(has_what_it_wants)
    polite = connect(server)
    threading.Timer(0.3, started.set).start()
    polite(frames(n=1, shape=(64, 48, 2))[0])
    reading.join(30)
    assert order.index((64, 48)) <= 5


def trickle(connected):
    """Send a byte now and then, until the other side has had enough."""
    with contextlib.suppress(OSError):
        for _ in range(300):
            connected.sendall(b"0")
            time.sleep(0.02)


def test_half_a_frame_ends_the_connection_and_nothing_else(serve, connect, raw):
    server = serve(timeout_s=0.3)
    polite = connect(server)
    half = raw(server, HELLO_THERE + frame_header(SHAPE) + b"0" * 1000)
    trickling = raw(server, HELLO_THERE + frame_header(SHAPE))
    answer = after_welcome(all_of(half))
    assert error_in(answer)[1].startswith("1000 of 18000 bytes of a message came within 0.3 s")
    began = time.monotonic()
    trickle(trickling)
    assert time.monotonic() - began < 5
    gone = raw(server, HELLO_THERE + frame_header(SHAPE) + b"0" * 10)
    gone.shutdown(socket.SHUT_WR)
    assert "ended after 10 of 18000 bytes" in error_in(after_welcome(all_of(gone)))[1]
    assert polite(frames(n=1)[0]).shape == SHAPE


GARBAGE = {
    "http": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + b" " * 32, "no message of n2v-stem"),
    "pickle": (b"\x80\x04\x95" + b"cos\nsystem\n" * 10, "no message of n2v-stem"),
    "version": (header(HELLO, version=9), "version 9 of the wire format"),
    "kind": (header(77), "kind 77"),
    "no hello": (frame_header(SHAPE), "expected a hello"),
    "long token": (header(HELLO, n_bytes=2**31), "at most 256 bytes"),
    "huge": (HELLO_THERE + frame_header((2**31, 2**31, 2), 0), "2147483648 x 2147483648 px"),
    "wide": (HELLO_THERE + frame_header((16, 2049, 2)), "sides of 16 to 2048 px are served"),
    "flat": (HELLO_THERE + frame_header((1, 64, 2)), "sides of 16 to 2048 px are served"),
    "detectors": (HELLO_THERE + frame_header((32, 32, 5)), "5 detectors, the model needs 2"),
    "bytes": (HELLO_THERE + frame_header((32, 32, 2), 2**32 - 1), "expected 8192"),
    "again": (HELLO_THERE + HELLO_THERE, "where frames are expected"),
    "new": (HELLO_THERE + header(NEW_MOVIE, n_bytes=5), "where frames are expected"),
    "silence": (b"", "nothing came for 0.5 s"),
    "short": (b"N2VS", "0 of 28 bytes"),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_answered_by_a_sentence_and_the_door(serve, connect, raw, kind):
    server = serve(hello_s=0.5, timeout_s=0.5)
    data, expected = GARBAGE[kind]
    answer = all_of(raw(server, data))
    if np.frombuffer(answer[:32], "<u4")[2] == 2:
        answer = after_welcome(answer)
    assert expected in error_in(answer)[1]
    assert np.frombuffer(answer[:32], "<u4")[4] == 0  # the connection does not go on
    assert connect(server)(frames(n=1)[0]).shape == SHAPE


def test_random_bytes_do_no_harm(serve, connect, raw, wait_until):
    server = serve(hello_s=0.5, timeout_s=0.5)
    client = connect(server)
    rng = np.random.default_rng(0)
    for number in range(60):
        start = HELLO_THERE + header(FRAME)[:8] if number % 2 else b""
        raw(server, start + rng.bytes(int(rng.integers(1, 2000)))).close()
    wait_until(lambda: server.report.n_refused >= 30)
    assert client(frames(n=1)[0]).shape == SHAPE


def test_nothing_is_allocated_before_it_is_believed(serve, connect, raw):
    """Frames that are announced too large, or not as long as they have to be, take no memory."""
    server = serve()
    client = connect(server)
    client(frames(n=1)[0])
    tracemalloc.start()
    try:
        for data in (
            frame_header((2049, 2048, 2)),
            frame_header((2048, 2048, 9)),
            frame_header((2048, 2048, 2), 2**24),
            frame_header((2048, 2048, 2), 2**32 - 1),
            header(NEW_MOVIE, n_bytes=2**31),
            header(HELLO, n_bytes=2**31),
        ):
            assert error_in(after_welcome(all_of(raw(server, HELLO_THERE + data))))[1]
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        # the control: one that is believed takes what it says
        believed = raw(server, HELLO_THERE + frame_header((2048, 2048, 2)))
        believed.shutdown(socket.SHUT_WR)
        all_of(believed)
        assert tracemalloc.get_traced_memory()[1] > 32 * 2**20
    finally:
        tracemalloc.stop()
    assert client(frames(n=1)[0]).shape == SHAPE


def test_a_frame_that_cannot_be_denoised_is_answered_and_the_stream_goes_on(
    serve, connect, served_model
):
    client = connect(serve())
    given = frames(n=3)
    found = [client(given[0])]
    bad = given[1].copy()
    bad[3, 4, 1] = np.nan
    with pytest.raises(RuntimeError, match=r"frame 2 .*NaN"):
        client(bad)
    found += [client(frame) for frame in given[1:]]
    expected = list(served_model.stream(iter(given), engine="onnx", threads=1))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_error_of_the_network_is_answered_without_its_inside(
    serve, connect, served_model, monkeypatch
):
    network, n = served_model.denoiser_on("onnx", 1), []
    running = network.engine.run

    def failing(*inputs):
        n.append(1)
        if len(n) == 2:
            raise RuntimeError("secret/path/of/the/server")
        return running(*inputs)

    monkeypatch.setattr(network.engine, "run", failing)
    client = connect(serve())
    given = frames(n=3)
    client(given[0])
    with pytest.raises(RuntimeError) as error:
        client(given[1])
    assert str(error.value) == "RuntimeError in the server"
    assert client(given[2]).shape == SHAPE


def test_an_error_before_the_network_begins_the_stream_anew(
    model_with_context, connect, monkeypatch
):
    from n2v_stem_keras.temporal.context import FollowedPast

    server = Server(model_with_context, "tensorflow", limits=Limits(port=0))
    thread = threading.Thread(target=server.serve)
    thread.start()
    given, following, n = frames(shape=(64, 48, 2), n=4), FollowedPast.images_later, []

    def failing(self, *of_a_frame):
        n.append(1)
        if len(n) == 2:
            raise ValueError("no drift found")
        return following(self, *of_a_frame)

    monkeypatch.setattr(FollowedPast, "images_later", failing)
    try:
        client = connect(server)
        client(given[0])
        with pytest.raises(RuntimeError, match=r"no drift found; the stream begins anew"):
            client(given[1])
        found = [client(frame) for frame in given[2:]]
    finally:
        server.stop()
        thread.join(30)
    expected = list(model_with_context.stream(iter(given[2:])))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_no_more_clients_than_are_allowed(serve, connect, wait_until):
    server = serve(max_clients=2)
    first, _second = connect(server), connect(server)
    with pytest.raises(RuntimeError, match="2 clients are being served"):
        connect(server)
    assert first(frames(n=1)[0]).shape == SHAPE
    first.close()
    wait_until(lambda: server.report.n_clients == 1)
    assert connect(server)(frames(n=1)[0]).shape == SHAPE


def test_those_who_say_nothing_keep_nobody_out(serve, connect, raw, wait_until):
    """More than may be met at a time: they are closed, and the others come in after."""
    server = serve(hello_s=0.3)
    for _ in range(N_GREETED_EACH + 20):
        raw(server)
    wait_until(lambda: server.report.n_refused == N_GREETED_EACH + 20)
    assert connect(server)(frames(n=1)[0]).shape == SHAPE


@pytest.mark.skipif(sys.platform != "linux", reason="the whole of 127.0.0.0/8 is loopback on Linux")
def test_a_flood_from_one_address_keeps_out_no_other(serve, raw, wait_until):
    server = serve(hello_s=20.0)
    flood = [raw(server) for _ in range(N_GREETED_EACH + 4)]
    with socket.create_connection(server.address, 30, source_address=("127.0.0.2", 0)) as other:
        other.sendall(HELLO_THERE)
        assert np.frombuffer(other.recv(32), "<u4")[2] == WELCOME
    assert flood[-1].recv(1) == b""
    wait_until(lambda: server.report.n_refused == 4)
    for one in flood:
        one.close()


def test_an_idle_client_is_let_go(serve, connect):
    client = connect(serve(idle_s=0.2))
    client(frames(n=1)[0])
    time.sleep(0.8)
    with pytest.raises(RuntimeError, match=r"nothing came for 0.2 s"):
        client.receive()


def test_a_rate_is_kept(serve, connect):
    client = connect(serve(max_rate=20.0))
    began = time.monotonic()
    for frame in frames(n=7):
        client(frame)
    assert time.monotonic() - began >= 6 / 20


TOKEN = "a-token-of-many-letters"


def test_a_token_is_asked_for(serve, connect, monkeypatch, wait_until):
    monkeypatch.setattr("n2v_stem_keras.interop.serving.connection.WRONG_TOKEN_S", 0.1)
    server = serve(TOKEN)
    assert connect(server, TOKEN)(frames(n=1)[0]).shape == SHAPE
    for wrong in ("", TOKEN[:-1], TOKEN + "x", "ü" * 20):
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="wrong token"):
            connect(server, wrong)
        assert time.monotonic() - began >= 0.1
    wait_until(lambda: server.report.n_refused == 4)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_strangers_are_not_let_in_without_a_token(served_model, host):
    with pytest.raises(tokens.TokenError, match="can be reached from other machines"):
        Server(served_model, "onnx", host=host)


def test_the_end_answers_what_is_on_its_way(serve, connect, served_model, monkeypatch):
    network = served_model.denoiser_on("onnx", 1)
    running, started = network.engine.run, threading.Event()

    def slow(*inputs):
        started.set()
        time.sleep(0.5)
        return running(*inputs)

    monkeypatch.setattr(network.engine, "run", slow)
    server = serve()
    client = connect(server)
    threading.Thread(target=lambda: (started.wait(30), server.stop())).start()
    assert client(frames(n=1)[0]).shape == SHAPE
    with pytest.raises(RuntimeError, match="the connection has ended"):
        client.receive()


def test_the_client_is_short_and_needs_numpy_and_socket_only():
    text = Path(client_file.__file__).read_text(encoding="utf-8")
    imports = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert {a.name for node in imports for a in node.names} == {"socket", "numpy"}
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 36
    page = (Path(__file__).parents[3] / "docs" / "live.md").read_text(encoding="utf-8")
    assert f"```python\n{text}```" in page
    assert Client.__init__.__defaults__[:2] == ("127.0.0.1", Limits().port)


def test_the_page_says_what_the_kinds_are():
    page = (Path(__file__).parents[3] / "docs" / "live.md").read_text(encoding="utf-8")
    said = {
        int(number): name.strip()
        for number, name in re.findall(r"^\| (\d) \| ([a-z ]+)", page, re.M)
    }
    kinds = {HELLO: "hello", WELCOME: "welcome", FRAME: "frame", NEW_MOVIE: "new movie"}
    assert said == {**kinds, ERROR: "error"}
    assert f"0x{MAGIC:X}" in page
    assert np.array([MAGIC], "<u4").tobytes() == b"N2VS"
    assert f"version ({VERSION})" in page
