"""Messages of clients of the server, right and wrong."""

import numpy as np

from n2v_stem_keras.interop.serving.client import FRAME, HELLO, MAGIC, VERSION


def header(kind, number=0, shape=(0, 0, 0), n_bytes=0, magic=MAGIC, version=VERSION):
    return np.array([magic, version, kind, number, *shape, n_bytes], "<u4").tobytes()


HELLO_THERE = header(HELLO)


def frame_header(shape, n_bytes=None):
    n_bytes = 4 * int(np.prod(shape, dtype=np.int64)) if n_bytes is None else n_bytes
    return header(FRAME, 1, shape, n_bytes)


def all_of(connected):
    """What comes until the other side closes."""
    data = b""
    while part := connected.recv(2**16):
        data += part
    return data
