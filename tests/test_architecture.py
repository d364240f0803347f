"""The house has floors: arrows of import point down, and there are no circles.

Imports are read from the source, those inside functions included. What stands directly in the
package, module or wing, has its floor in `FLOORS`; a new one must be given one.
"""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import n2v_stem_keras

PACKAGE = n2v_stem_keras.__name__
ROOT = Path(n2v_stem_keras.__file__).parent
# the lowest first; what stands on one floor may import from its own and from those below
FLOORS = (
    (
        *(
            "_version",
            "atomic",
            "counting",
            "escaping",
            "progress",
            "noise",
            "temporal",
            "metrics",
            "baselines",
            "atoms",
        ),
        *("simulate", "io", "undistort", "deviations"),
    ),
    ("lattice", "preparation"),  # the configuration asks them what they allow
    ("config",),
    ("normalize", "network"),
    ("series", "limits", "folder", "provenance"),
    ("prediction",),
    ("training", "detection"),
    ("model",),
    ("opening",),
    ("check", "evaluation", "distillation", "plot"),
    ("interop",),
    ("cli", "__main__"),
)
RANKS = {name: rank for rank, names in enumerate(FLOORS) for name in names}
# wings that must be of use without Keras, each by itself
WITHOUT_KERAS = (*FLOORS[0], "plot", "evaluation", "config", "normalize", "folder")
KERAS = {"keras", "tensorflow"}


def module_name(path):
    """Name of a source file below the package: 'io.read', 'io' for io/__init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)


SOURCES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def wing(name):
    return name.partition(".")[0]


def absolute(module, level, target):
    """Dotted name that a relative import means, from the package on."""
    parts = [PACKAGE, *module.split(".")]
    if SOURCES[module].name != "__init__.py" or module == "__init__":
        parts = parts[:-1]
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [target])])


def resolve(name):
    """Module below the package that a dotted name is, or lies in; None if it is another's."""
    if name == PACKAGE or not name.startswith(f"{PACKAGE}."):
        return None
    name = name.removeprefix(f"{PACKAGE}.")
    name = n2v_stem_keras._HOMES.get(name, name)  # a public name stands for its home
    while name and name not in SOURCES:
        name = name.rpartition(".")[0]
    return name or None


def calls_of_import_module(module):
    calls = (node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call))
    return [call for call in calls if "import_module" in ast.unparse(call.func)]


def imported(module):
    """Dotted names of what a module imports anywhere, 'keras.layers' and the like included."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node.level, node.module) if node.level else node.module
            yield from (f"{base}.{alias.name}" for alias in node.names)
    for call in calls_of_import_module(module):
        if isinstance(call.args[0], ast.Constant):
            name = call.args[0].value
            level = len(name) - len(name.lstrip("."))
            yield absolute(module, level, name[level:]) if level else name


def targets(module):
    """Modules of the package that one imports."""
    return {found for name in imported(module) if (found := resolve(name))} - {module}


def parents(module):
    parts = module.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts))}


def test_arrows_are_found_wherever_they_stand():
    assert "io" in targets("series")  # from .io import as_movie
    assert {"io.hdf5", "io.tiff"} <= targets("io.read")  # from . import hdf5, tiff
    assert "interop.bioimageio" in targets("cli.export")  # inside of a function
    assert "model" in targets("cli.doctor_children")  # from .. import N2VStem
    assert any(name.startswith("keras") for name in imported("model"))


def test_every_module_at_the_top_has_a_floor():
    assert {wing(name) for name in SOURCES} - {"__init__"} <= set(RANKS)


def test_imports_point_down():
    wrong = [
        f"{module} imports {target}"
        for module in SOURCES
        if module != "__init__" and wing(module) in RANKS
        for target in sorted(targets(module))
        if RANKS.get(wing(target), -1) > RANKS[wing(module)]
    ]
    assert not wrong, "\n".join(wrong)


def test_there_are_no_circles():
    """Importing a module also runs the ``__init__`` of the packages that it lies in."""
    graph = {}
    for module in SOURCES:
        found = targets(module)
        around = {package for target in found for package in parents(target)}
        graph[module] = found | (around - parents(module) - {module})
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_nothing_is_imported_by_a_name_that_is_made_up():
    """A made-up name hides an arrow; only the public names of the package may be found so."""
    hidden = []
    for module in SOURCES:
        for call in calls_of_import_module(module):
            name = call.args[0]
            if isinstance(name, ast.Constant):
                continue  # an arrow like any other, see `imported`
            start = ast.unparse(name).lstrip("f'\"")
            if len(call.args) > 1 or call.keywords or start.startswith((".", PACKAGE)):
                hidden.append(f"{module}: {ast.unparse(call)}")
    assert [line.partition(":")[0] for line in hidden] == ["__init__"], "\n".join(hidden)


def test_few_files_stand_at_the_top():
    assert len(list(ROOT.glob("*.py"))) <= 16


def test_the_lowest_floor_imports_no_keras_anywhere():
    wrong = [
        f"{module} imports {name}"
        for module in SOURCES
        if wing(module) in FLOORS[0]
        for name in imported(module)
        if name.partition(".")[0] in KERAS
    ]
    assert not wrong, "\n".join(wrong)


IMPORT_WHOLE = """
import importlib, pkgutil, sys
wing = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(getattr(wing, "__path__", []), f"{wing.__name__}."):
    importlib.import_module(found.name)
print(*sys.modules)
"""


@pytest.mark.parametrize("name", [name for name in WITHOUT_KERAS if name in SOURCES])
def test_wings_work_without_keras(name):
    """Import a wing whole, in a process of its own."""
    code = [sys.executable, "-c", IMPORT_WHOLE, f"{PACKAGE}.{name}"]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not KERAS & loaded
    if name in FLOORS[0]:
        own = {found.removeprefix(f"{PACKAGE}.") for found in loaded if f"{PACKAGE}." in found}
        assert {wing(found) for found in own} <= set(FLOORS[0])
