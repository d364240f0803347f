"""A server in a thread, and clients that behave, or do not."""

import socket
import threading

import pytest

from n2v_stem_keras import ExportedModel
from n2v_stem_keras.interop.serving.client import Client
from n2v_stem_keras.interop.serving.limits import Limits
from n2v_stem_keras.interop.serving.server import Server

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="session")
def served_model(exported_model):
    return ExportedModel(exported_model[0] / "m")


@pytest.fixture
def serve(served_model):
    """Return a function that starts a server; all are stopped at the end."""
    running = []

    def start(token="", model=served_model, log=None, **limits):
        limits = Limits(**{"port": 0, "timeout_s": 5.0, **limits})
        server = Server(model, "onnx", 1, token=token, limits=limits, log=log)
        thread = threading.Thread(target=server.serve)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def connect():
    """Return a function that connects a client; all are closed at the end."""
    clients = []

    def connected(server, token="", **options):
        clients.append(Client(*server.address, token=token, **options))
        return clients[-1]

    yield connected
    for client in clients:
        client.close()


@pytest.fixture
def raw():
    """Return a function that connects and sends bytes as they are; returns the socket."""
    sockets = []

    def connected(server, data=b""):
        found = socket.create_connection(server.address, timeout=30)
        sockets.append(found)
        found.sendall(data)
        return found

    yield connected
    for found in sockets:
        found.close()
