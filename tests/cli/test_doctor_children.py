"""What the doctor asks processes of its own: one that crashes or hangs is a finding."""

import re

import pytest
from doctor_report import report

from n2v_stem_keras.cli import doctor_children
from n2v_stem_keras.prediction.engines import EXPORT_ENGINES


def test_libraries_that_raise_or_crash_are_findings(tmp_path, monkeypatch, capsys):
    """A broken TensorFlow, and an ONNX Runtime for another processor."""
    (tmp_path / "tensorflow.py").write_text("raise ImportError('DLL load failed')")
    (tmp_path / "onnxruntime.py").write_text("import os\nos.kill(os.getpid(), 4)")
    (tmp_path / "openvino.py").write_text("import sys\nprint('chatter')\nsys.exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, works, checks = report(capsys)
    assert (code, works) == (5, False)
    broken = checks["Engines", "tensorflow"]
    assert broken["state"] == "failed"
    assert broken["found"] == "ImportError: DLL load failed"
    assert checks["Engines", "convolution"]["state"] == "failed"
    assert checks["Engines", "onnx"]["state"] == "failed"
    assert (
        "crashed (SIGILL); the library was built for another" in checks["Engines", "onnx"]["found"]
    )
    assert checks["Engines", "openvino"]["found"] == "SystemExit: 3"
    assert checks["Folders", "temporary"]["state"] == "ok"


def test_a_process_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(doctor_children, "SECONDS", 0.01)
    answers, ended = doctor_children._ask("onnx")
    assert answers == {}
    assert "did not end within 0.01 s" in ended


def test_where_no_process_may_be_started_that_is_said(monkeypatch, capsys):
    def forbidden(*arguments, **options):
        raise PermissionError("cannot fork")

    monkeypatch.setattr(doctor_children.subprocess, "run", forbidden)
    code, _, checks = report(capsys)
    assert code == 5
    assert checks["Engines", "tensorflow"]["found"] == (
        "its process could not be started (cannot fork)"
    )
    assert checks["Folders", "temporary"]["state"] == "ok"


def test_only_the_first_check_that_was_not_reached_tells_how_it_ended(monkeypatch):
    monkeypatch.setattr(doctor_children, "_is_there", lambda module: False)
    answers = {"tensorflow": {"line": "2.21", "facts": {}}}
    monkeypatch.setattr(doctor_children, "_ask", lambda group: (answers, "its process crashed"))
    said = {}
    for _, check, _, outcome in doctor_children.children():
        try:
            said[check] = outcome()[0]
        except doctor_children.CheckError as error:
            said[check] = error.reason
    assert said["tensorflow"] == "2.21"
    assert said["GPUs"] == "its process crashed"
    assert said["convolution"] == said["ready-made"] == "was not reached"


def test_engines_that_are_not_installed_do_not_count(monkeypatch, capsys):
    monkeypatch.setattr(doctor_children, "_is_there", lambda module: False)
    monkeypatch.setattr(doctor_children, "GROUPS", {"onnx": doctor_children.GROUPS["onnx"]})
    code, _, checks = report(capsys)
    assert code == 0
    assert checks["Engines", "onnx"]["state"] == "missing"
    assert checks["Engines", "onnx"]["advice"] == "pip install 'n2v_stem_keras[onnx]'"


@pytest.mark.parametrize("engine", sorted(EXPORT_ENGINES))
def test_devices_of_an_engine_are_timed(engine, monkeypatch):
    pytest.importorskip(EXPORT_ENGINES[engine].module)
    monkeypatch.setattr(doctor_children, "TIMED_FRAME", (64, 64))
    line, facts = doctor_children.GROUPS[engine][f"{engine} devices"][-1]()
    assert re.match(r"cpu \d+ ms a frame of 64x64 px \(graphene-au-live\); not here: ", line)
    assert facts["cpu"]["ms_per_frame"] > 0
    assert facts["cpu"]["tried"]
    assert {*facts["absent"], "cpu"} == set(EXPORT_ENGINES[engine].DEVICES)


def test_a_device_that_does_not_do_is_said(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(doctor_children, "TIMED_FRAME", (64, 64))
    there = classmethod(lambda cls: ["cuda", "cpu"])
    monkeypatch.setattr(EXPORT_ENGINES["onnx"], "available", there)
    line, facts = doctor_children._devices("onnx")
    assert "cuda FAILED: " in line
    assert "Using the CPU instead of onnx:cuda" in line
    assert facts["cuda"]["complaint"]
    assert not facts["cpu"]["complaint"]
