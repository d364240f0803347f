"""What the doctor looks at by itself: each finding is said, and none stops the others."""

import pytest
from doctor_report import report

from n2v_stem_keras.cli import doctor_checks, main, requirements
from n2v_stem_keras.prediction.engines import EXPORT_ENGINES


@pytest.fixture
def without_children(monkeypatch):
    """Only the checks that take no time."""
    monkeypatch.setattr(doctor_checks, "children", lambda: iter(()))


def test_a_platform_that_keeps_its_memory_to_itself(without_children, monkeypatch, capsys):
    monkeypatch.delattr(doctor_checks.os, "sysconf")
    assert report(capsys)[2]["Machine", "memory"]["found"] == "this platform does not say"


def test_a_missing_extra_has_a_pip_line_and_what_it_is_for(without_children, monkeypatch, capsys):
    asked = requirements.libraries

    def libraries(extra="", distribution=requirements.DISTRIBUTION):
        if extra == "track":
            return [requirements.Library("trackpy", ">=0.6", "0.5", ("trackpy>=0.6",))]
        return asked(extra, distribution)

    monkeypatch.setattr(requirements, "libraries", libraries)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.split()[1:2] == ["track"]]
    assert lines[at].split() == ["missing", "track", "'n2v-stem", "atoms", "--track':", "needs",
                                 "trackpy"]  # fmt: skip
    assert lines[at + 1].strip() == "pip install 'n2v_stem_keras[track]'"
    assert lines[-1] == "The core works."


def test_a_library_of_the_core_that_is_too_old_fails(without_children, monkeypatch, capsys):
    old = requirements.Library("keras", ">=3.15", "3.2", ("keras>=3.15",))
    monkeypatch.setattr(requirements, "libraries", lambda extra="": [] if extra else [old])
    assert main(["doctor"]) == 5
    out = capsys.readouterr().out
    assert "FAILED   keras            3.2, expected >=3.15" in out
    assert "pip install 'keras>=3.15'" in out
    assert out.endswith("The core does not work: keras.\n")


def test_a_package_that_was_never_installed_is_said(without_children, monkeypatch, capsys):
    monkeypatch.setattr(requirements, "DISTRIBUTION", "no_such_package")
    monkeypatch.setattr(requirements.libraries, "__defaults__", ("", "no_such_package"))
    code, _, checks = report(capsys)
    assert code == 5
    assert "was never installed" in checks["Core", "libraries"]["found"]
    assert checks["Folders", "temporary"]["state"] == "ok"


def test_folders(without_children, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _, checks = report(
        capsys, "--folder", tmp_path / "new" / "one", "--folder", tmp_path / "file"
    )
    assert code == 0
    new, file = (checks["Folders", str(tmp_path / name)] for name in ("new/one", "file"))
    assert new["state"] == "ok"
    assert f"does not exist yet; {tmp_path} does" in new["found"]
    assert not (tmp_path / "new").exists()
    assert file["state"] == "failed"
    assert "is a file, expected a folder" in file["found"]


def test_a_check_with_an_error_of_its_own_does_not_stop_the_others(
    without_children, monkeypatch, capsys
):
    monkeypatch.setattr(doctor_checks.os, "cpu_count", lambda: 1 / 0)
    code, _, checks = report(capsys)
    assert code == 0
    assert checks["Machine", "processor"]["found"] == "ZeroDivisionError: division by zero"
    assert checks["Machine", "memory"]["state"] == "ok"


def test_every_extra_is_described():
    described = {*doctor_checks.FEATURES, *EXPORT_ENGINES}
    assert described == set(requirements.extras()) - set(doctor_checks.NOT_FEATURES)
