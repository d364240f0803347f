"""What comes from files steers no terminal, wherever it is shown."""

import ast
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import n2v_stem_keras
from n2v_stem_keras.cli import main
from n2v_stem_keras.config import ConfigError
from n2v_stem_keras.escaping import MOST, ShownError, escaped
from n2v_stem_keras.folder.folder import FolderError
from n2v_stem_keras.io import MovieError
from n2v_stem_keras.normalize import DataError

ROOT = Path(n2v_stem_keras.__file__).parent
STEERS = "a\x1b[2J\rb\x9bc\u202ed\ud800e\x7f\n"
SHOWN = r"a\u001b[2J\u000db\u009bc\u202ed\ud800e\u007f\n"


def test_what_is_not_printable_is_written_out():
    assert escaped(STEERS) == SHOWN
    assert escaped("a\nb", lines=True) == "a\nb"
    assert escaped("Å σ ± 中 \u00a0") == "Å σ ± 中 \u00a0"
    assert escaped(escaped(STEERS)) == SHOWN  # errors pass through twice
    assert len(escaped("x" * 10**6, most=100)) < 200


@pytest.mark.parametrize("kind", [MovieError, FolderError, DataError, ConfigError])
def test_errors_show_what_they_quote(kind):
    error = kind(STEERS)
    lines = SHOWN.replace(r"\n", "\n") if kind is ConfigError else SHOWN
    assert str(error) == str(pickle.loads(pickle.dumps(error))) == lines
    assert issubclass(kind, ShownError)
    assert len(str(kind("x" * 10**6))) < 2 * MOST


def calls(path, *names):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in found if ast.unparse(call.func) in names]


SOURCES = sorted(ROOT.rglob("*.py"))


def test_every_warning_is_escaped_or_constant():
    bare = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        for call in calls(path, "warnings.warn")
        if not isinstance(call.args[0], ast.Constant)
        and not ast.unparse(call.args[0]).startswith("escaped(")
    ]
    assert not bare


def test_the_command_line_prints_in_one_place():
    """The others are the template of a run file, and the answer of a check to its parent."""
    allowed = {"options.py", "run_files.py", "doctor_children.py"}
    printing = {p.name for p in (ROOT / "cli").glob("*.py") if calls(p, "print")}
    assert printing == allowed


def test_files_with_odd_names_are_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "a\x1b[2J\nn2v-stem: all is well"
    np.save(f"{name}.npy", np.random.default_rng(0).normal(size=(4, 32, 32)).astype("f4"))
    assert main(["info", f"{name}.npy", "--axes", "TYX"]) == 0
    said = capsys.readouterr()
    assert r"a\u001b[2J\nn2v-stem: all is well" in said.out
    assert "\x1b" not in said.out + said.err
    assert "\nn2v-stem: all is well" not in said.out + said.err
    assert main(["info", "no\x1bc.npy"]) == 4
    assert r"no\u001bc.npy: no such file" in capsys.readouterr().err


def test_provenance_of_a_file_is_shown(tmp_path, capsys):
    from n2v_stem_keras.io import Movie, write_movie

    movie = Movie.from_array(np.random.default_rng(0).normal(size=(3, 32, 32)), "TYX")
    write_movie(
        tmp_path / "a.ome.tif", movie, provenance={"k\x1b[1m\nx": "v\x1b]0;t\x07\nmodel: x"}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["info", str(tmp_path / "a.ome.tif")]) == 0
    said = capsys.readouterr().out
    assert r"made by: k\u001b[1m\nx" in said
    assert r"v\u001b]0;t\u0007\nmodel: x" in said
