"""n2v-stem serve: a process that listens, and ends when it is asked to."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from n2v_stem_keras import ExportedModel
from n2v_stem_keras.cli import main
from n2v_stem_keras.interop.serving.client import Client

SERVE = """
import sys
from n2v_stem_keras.cli import main
code = main(sys.argv[1:])
assert not {"tensorflow", "keras", "pickle5", "dask"} & set(sys.modules), "imported"
sys.exit(code)
"""


@pytest.mark.skipif(os.name != "posix", reason="asks by a signal")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_process_serves_until_it_is_asked_to_end(exported_model, tmp_path, kind):
    pytest.importorskip("onnxruntime")
    basedir, movie = exported_model
    command = ["serve", "--model", basedir / "m", "--engine", "onnx", "--threads", "1"]
    command += ["--port", "0", "--token-file", tmp_path / "token"]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        found = re.search(r"Serving m \(onnx\) on ([\d.]+):(\d+), token in", line)
        assert found, line + process.stderr.read()
        host, port = found[1], int(found[2])
        client = Client(host, port, (tmp_path / "token").read_text().strip())
        denoised = [client(frame) for frame in movie[:3]]
        with pytest.raises(RuntimeError, match="wrong token"):
            Client(host, port, "wrong")
        process.send_signal(kind)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    client.close()
    assert process.returncode == 0, err
    assert "1 client, 3 frames, 0 of them answered by an error, 1 connection refused" in out
    assert "Refused 127.0.0.1" in out
    light = ExportedModel(basedir / "m")
    expected = list(light.stream(iter(movie[:3]), engine="onnx", threads=1))
    np.testing.assert_allclose(denoised, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "--model is missing"),
        (["--model", "m", "--host", "0.0.0.0"], "no token keeps strangers out"),
        (["--model", "m", "--max-side", "3"], "max_side is 3, expected 16 to"),
        (["--model", "m", "--max-rate", "nan"], "max_rate is nan"),
        (["--model", "m", "--timeout", "0"], r"timeout_s is 0.0"),
        (["--model", "m", "--max-clients", "0"], "max_clients is 0"),
        (["--model", "m", "--parallel", "0"], "n_parallel is 0"),
        (["--model", "m", "--port", "70000"], "port is 70000, expected 0 to 65535"),
        (["--model", "m", "--token-file", "short"], "expected 16 to 256"),
    ],
)
def test_wrong_options_are_named(more, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("abc")
    (tmp_path / "short").chmod(0o600)
    assert main(["serve", *more]) == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(exported_model, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["serve", "--model", str(exported_model[0] / "m"), "--engine", "onnx",
                     "--port", str(port)])  # fmt: skip
    assert code == 4
    assert "in use" in capsys.readouterr().err


def test_a_dry_run_listens_to_nothing(tmp_path, capsys):
    token = tmp_path / "token"
    command = ["serve", "--model", "m", "--host", "0.0.0.0", "--token-file", str(token)]
    assert main([*command, "--dry-run"]) == 0
    assert "Would serve m on 0.0.0.0:7557" in capsys.readouterr().out
    assert not token.exists()
