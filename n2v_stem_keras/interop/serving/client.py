"""Client of n2v-stem serve: numpy and socket only, to be copied into a microscope's Python."""

import socket

import numpy as np

MAGIC, VERSION, HELLO, FRAME, NEW_MOVIE, ERROR = 0x5356324E, 1, 1, 3, 4, 5


class Client:
    """A stream: client(frame) takes (Y, X, C) and gives (Y, X, C) float32."""

    def __init__(self, host="127.0.0.1", port=7557, token="", timeout=30):
        self.socket, self.number = socket.create_connection((host, port), timeout), 0
        self.file = self.socket.makefile("rwb")
        self.send(HELLO, (0, 0, 0), token.encode())
        self.welcome = self.receive().decode()  # JSON: model, detectors, limits

    def __call__(self, frame):
        """Denoise a frame."""
        frame = np.ascontiguousarray(frame, "<f4")
        self.number += 1
        self.send(FRAME, frame.shape, frame.tobytes())
        return np.frombuffer(self.receive(), "<f4").reshape(frame.shape)

    def send(self, kind, shape=(0, 0, 0), data=b""):
        """Send a message; NEW_MOVIE says that what comes shows another area."""
        head = np.array([MAGIC, VERSION, kind, self.number, *shape, len(data)], "<u4")
        self.file.write(head.tobytes() + data)
        self.file.flush()

    def receive(self):
        """Return the data of the next message."""
        head = np.frombuffer(self.file.read(32) or b"no reply", "<u4")
        data = self.file.read(int(head[7])) if len(head) == 8 else b"the connection has ended"
        if len(head) < 8 or head[2] == ERROR:
            if len(head) < 8 or not head[4]:  # of no single frame
                self.close()
            raise RuntimeError(data.decode())
        return data

    def close(self):
        """End the connection."""
        self.file.close()
        self.socket.close()
