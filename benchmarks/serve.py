"""The server under load: many clients, slow ones, half frames and garbage at the same time.

    python benchmarks/serve.py

A process serves a ready-made model (`n2v-stem serve`) on loopback. Clients in a second process send
frames of 512x512 px and two detectors, each the next when it has the last: 1, 2 and 10 of them;
then 10 of them again while others read nothing, send half frames, and send random bytes. Frames a
second, latency at the client, fairness (frames of the slowest client over those of the fastest) and
the server's memory. Everything is bounded in number and time. Prints a table and writes
benchmarks/results/serve.json.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from n2v_stem_keras.interop.serving.client import FRAME, HELLO, MAGIC, VERSION, Client

RESULTS = Path(__file__).parent / "results" / "serve.json"
SIDE, MODEL = 512, "graphene-au-live"


def header(kind, shape=(0, 0, 0), n_bytes=0):
    return np.array([MAGIC, VERSION, kind, 1, *shape, n_bytes], "<u4").tobytes()


def resident_mib(pid):
    """Memory that a process holds now [MiB]; NaN where the system does not say."""
    try:
        with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return float("nan")


class Server:
    """n2v-stem serve in a process of its own, while the block runs."""

    def __init__(self, engine, threads, parallel):
        command = [sys.executable, "-m", "n2v_stem_keras", "serve", "--model", MODEL, "--port", "0"]
        command += ["--engine", engine, "--threads", str(threads), "--parallel", str(parallel)]
        command += ["--timeout", "2", "--max-clients", "32"]
        self.command = command

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.address = "127.0.0.1", int(re.search(r":(\d+);", line)[1])
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait(60)


def polite(address, frame, stop, latencies):
    """Send a frame, wait for the answer, and so on."""
    client = Client(*address)
    while not stop.is_set():
        began = time.perf_counter()
        client(frame)
        latencies.append(time.perf_counter() - began)
    client.close()


def rude(address, shape, stop, seed):
    """Read nothing, send half a frame, or garbage, over and over."""
    rng = np.random.default_rng(seed)
    n_bytes = 4 * int(np.prod(shape))
    while not stop.is_set():
        try:
            with socket.create_connection(address, timeout=1) as connected:
                if seed % 3 == 0:  # reads nothing
                    connected.sendall(header(HELLO))
                    for _ in range(20):
                        connected.sendall(header(FRAME, shape, n_bytes) + bytes(n_bytes))
                elif seed % 3 == 1:  # half a frame, and silence
                    half = header(FRAME, shape, n_bytes) + bytes(n_bytes // 2)
                    connected.sendall(header(HELLO) + half)
                    stop.wait(3)
                else:
                    connected.sendall(rng.bytes(10_000))
        except OSError:
            pass
        stop.wait(0.05)


def trial(server, n_clients, n_rude, seconds, side):
    shape = (side, side, 2)
    frame = (1000 + 30 * np.random.default_rng(0).normal(size=shape)).astype(np.float32)
    stop, latencies, memory = threading.Event(), [[] for _ in range(n_clients)], []
    threads = [threading.Thread(target=polite, args=(server.address, frame, stop, one))
               for one in latencies]  # fmt: skip
    threads += [threading.Thread(target=rude, args=(server.address, shape, stop, seed))
                for seed in range(n_rude)]  # fmt: skip
    for thread in threads:
        thread.start()
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        memory.append(resident_mib(server.process.pid))
        time.sleep(0.1)
    took = time.monotonic() - began
    stop.set()
    for thread in threads:
        thread.join()
    n_frames, whole = [len(one) for one in latencies], np.concatenate(latencies)
    return {
        "clients": n_clients,
        "rude clients": n_rude,
        "frames a second": sum(n_frames) / took,
        "latency 50 % [ms]": 1e3 * float(np.percentile(whole, 50)),
        "latency 99 % [ms]": 1e3 * float(np.percentile(whole, 99)),
        "slowest over fastest client": min(n_frames) / max(n_frames),
        "memory, largest [MiB]": max(memory),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--engine", default="onnx")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows = []
    with Server(args.engine, args.threads, args.parallel) as server:
        for n_clients, n_rude in ((1, 0), (2, 0), (10, 0), (10, 9)):
            rows.append(trial(server, n_clients, n_rude, args.seconds, args.side))
            print("; ".join(f"{key} {value:.4g}" for key, value in rows[-1].items()), flush=True)
    about = {"side": args.side, "engine": args.engine, "threads": args.threads}
    args.out.write_text(json.dumps({**about, "parallel": args.parallel, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
