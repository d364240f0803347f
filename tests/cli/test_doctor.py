"""n2v-stem doctor: it finds what is broken, and is never broken itself."""

import json

import pytest

from n2v_stem_keras.cli import main
from n2v_stem_keras.folder import pretrained


def report(capsys, *arguments):
    code = main(["doctor", "--json", *map(str, arguments)])
    found = json.loads(capsys.readouterr().out)
    return code, found["works"], {(c["section"], c["check"]): c for c in found["checks"]}


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
