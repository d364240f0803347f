"""The notebooks: made of the numbered examples, and run at their smallest scale."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")
NAMES = [script.stem for script in sorted(EXAMPLES.glob("[0-9]_*.py"))]
# what each shows at least: pictures, and tables of movies and models
N_PICTURES = {
    "1_data": 1, "2_training": 1, "3_prediction": 3, "4_atoms": 1, "5_live": 2, "6_trust": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("maker", EXAMPLES / "make_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_those_of_the_examples(maker, name):
    """Else run python examples/make_notebooks.py."""
    path = EXAMPLES / "notebooks" / f"{name}.ipynb"
    made = nbformat.writes(maker.notebook_of(EXAMPLES / f"{name}.py"))
    assert path.read_text(encoding="utf-8").rstrip() == made.rstrip()
    assert {p.stem for p in path.parent.glob("*.ipynb")} == set(NAMES)


def test_a_notebook_needs_no_command_line(maker):
    for script in maker.SCRIPTS:
        notebook = maker.notebook_of(script)
        nbformat.validate(notebook)
        code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        assert "argparse" not in code
        assert "__file__" not in code
        assert "Image(" in code  # which in the script is commented out
        maker.set_parameters(notebook, TINY=True)  # there is a cell of them


@pytest.mark.slow
def test_notebooks_run_with_pictures_inline(maker, tmp_path, monkeypatch):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    maker.main(["--run", "--tiny", "--out", str(tmp_path)])
    for name in NAMES:
        notebook = nbformat.read(tmp_path / f"{name}.ipynb", 4)
        outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
        kinds = [kind for o in outputs for kind in o.get("data", ())]
        assert kinds.count("image/png") >= N_PICTURES[name], name
        tables = [o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", ())]
        assert any("<table>" in t for t in tables) is (name in ("2_training", "3_prediction"))
        red = "".join(o.text for o in outputs if o.get("name") == "stderr")
        assert "port.cc" not in red  # TensorFlow's own words
        assert "cuda" not in red.lower()
