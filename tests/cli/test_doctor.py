"""n2v-stem doctor: it finds what is broken, and is never broken itself."""

import pytest
from doctor_report import report

from n2v_stem_keras.folder import pretrained


@pytest.mark.slow
def test_this_installation_works(tmp_path, capsys):
    code, works, checks = report(capsys, "--folder", tmp_path)
    assert (code, works) == (0, True)
    assert {section for section, _ in checks} == {
        "Core", "Machine", "Engines", "Models", "Features", "Folders",
    }  # fmt: skip
    assert all(check["state"] == "ok" for check in checks.values() if check["core"])
    assert 0.01 < checks["Engines", "convolution"]["facts"]["gflops"] < 1e6
    assert set(checks["Models", "ready-made"]["facts"]["seconds"]) == set(pretrained.names())
    assert checks["Folders", str(tmp_path)]["facts"]["free_MiB"] > 0
    assert checks["Machine", "processor"]["facts"]["usable"] >= 1
    assert not list(tmp_path.iterdir())
