"""Make the notebooks of the numbered examples, which are their one source.

    python examples/make_notebooks.py                # into examples/notebooks
    python examples/make_notebooks.py --run          # and runs them, pictures inline
    python examples/make_notebooks.py --run --tiny   # seconds each, to test an installation

The examples are scripts with cells ("percent" format of jupytext). A cell that only a script needs
is left out of the notebook, one that only a notebook needs is commented out in the script. Needs
the extra ``docs``.
"""

import argparse
from pathlib import Path

import jupytext
import nbformat

HERE = Path(__file__).parent
SCRIPTS = sorted(HERE.glob("[0-9]_*.py"))
ONLY_SCRIPT, PARAMETERS = "active-py", "parameters"


def notebook_of(script):
    """Return the notebook of an example, without outputs, the same each time."""
    notebook = jupytext.read(script, fmt="py:percent")
    notebook.cells = [c for c in notebook.cells if ONLY_SCRIPT not in c.metadata.get("tags", ())]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{script.stem.replace('_', '-')}-{number}"
        if cell.metadata.get("tags") != [PARAMETERS]:
            cell.metadata = {}
        if cell.cell_type == "code":
            cell.source = cell.source.replace("import argparse\n", "")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def set_parameters(notebook, **values):
    """Add lines to the cell of parameters, which therefore hold."""
    [cell] = [c for c in notebook.cells if PARAMETERS in c.metadata.get("tags", ())]
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in values.items())


def run(notebook, folder, timeout_s=None):
    """Run a notebook within a folder; its outputs are put into it."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=timeout_s, resources=resources).execute()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "notebooks", help="folder")
    parser.add_argument("--run", action="store_true", help="run them one after the other")
    parser.add_argument("--tiny", action="store_true", help="with --run: seconds each")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        notebook = notebook_of(script)
        if args.run:
            if args.tiny:
                set_parameters(notebook, TINY=True)
            run(notebook, args.out)
        path = args.out / f"{script.stem}.ipynb"
        nbformat.write(notebook, path)
        print(f"Wrote {path}")


if __name__ == "__main__":
    main()
