"""The package as a whole: cheap to import, complete when installed elsewhere."""

import inspect
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

import n2v_stem_keras
from n2v_stem_keras.folder import pretrained

ROOT = Path(__file__).parent.parent


def run_python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **options
    )


def test_importing_the_package_imports_neither_tensorflow_nor_keras():
    done = run_python(
        "import sys, n2v_stem_keras, n2v_stem_keras.cli\n"
        "assert not {'tensorflow', 'keras', 'scipy', 'skimage', 'matplotlib'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


ON_X86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="of x86 processors"
)


def environment_with(said):
    """Return the environment in which the user said this of oneDNN, or nothing."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    return environment if said is None else {**environment, "TF_ENABLE_ONEDNN_OPTS": said}


@ON_X86
@pytest.mark.parametrize("said", [None, "0"])
def test_onednn_is_asked_for_unless_the_user_says_no(said):
    code = "import os, n2v_stem_keras; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    done = run_python(code, env=environment_with(said))
    assert done.stdout.split() == [said or "1"], done.stderr


@ON_X86
@pytest.mark.slow
@pytest.mark.parametrize("said", [None, "0"])
def test_tensorflow_uses_onednn_unless_the_user_says_no(said):
    done = run_python(
        "import n2v_stem_keras\n"
        "from tensorflow.python.util import _pywrap_util_port\n"
        "print(_pywrap_util_port.IsMklEnabled())",
        env=environment_with(said),
    )
    assert done.stdout.split() == [str(said is None)], done.stderr


@pytest.mark.parametrize("name", ["N2VStem", "distill", "TrainingDiverged"])
def test_tensorflow_says_nothing_before_the_first_line(name):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = run_python(
        f"from n2v_stem_keras import {name}\nimport tensorflow as tf\ntf.zeros(1) + 1",
        env=environment,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_public_name_exists():
    for name in n2v_stem_keras.__all__:
        assert getattr(n2v_stem_keras, name) is not None
    assert set(n2v_stem_keras.__all__) <= set(dir(n2v_stem_keras))
    with pytest.raises(AttributeError, match="no attribute 'N2VStemm'"):
        n2v_stem_keras.N2VStemm  # noqa: B018


def public_functions(name):
    """Functions that a public name stands for: itself, or its public methods and properties."""
    found = getattr(n2v_stem_keras, name)
    if not inspect.isclass(found):
        return {name: found}
    functions = {}
    for key, member in inspect.getmembers_static(found):
        if key.startswith("_") and key != "__init__":
            continue
        member = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if inspect.isfunction(member):
            functions[f"{name}.{key}"] = member
    return functions


@pytest.mark.parametrize("name", sorted(set(n2v_stem_keras.__all__) - {"__version__"}))
def test_public_names_are_annotated(name):
    bare = []
    for place, function in public_functions(name).items():
        signature = inspect.signature(function)
        bare += [
            f"{place}: {parameter}"
            for parameter, about in signature.parameters.items()
            if about.annotation is inspect.Parameter.empty and parameter not in ("self", "cls")
        ]
        if signature.return_annotation is inspect.Signature.empty:
            bare.append(f"{place}: what it returns")
    assert not bare, "\n".join(bare)


@pytest.mark.parametrize("first", ["names", "modules"])
def test_public_names_are_what_they_say_whatever_was_imported_before(first):
    """Importing a module makes it an attribute of the package; none may hide a public name."""
    done = run_python(
        "import importlib, inspect, pkgutil, sys, n2v_stem_keras\n"
        "names = sorted(set(n2v_stem_keras.__all__) - {'__version__'})\n"
        "def check():\n"
        "    for name in names:\n"
        "        found = getattr(n2v_stem_keras, name)\n"
        "        assert inspect.isclass(found) or inspect.isfunction(found), (name, found)\n"
        "        assert found.__name__ == name, (name, found)\n"
        "        assert found.__module__.startswith('n2v_stem_keras.'), (name, found)\n"
        "        assert n2v_stem_keras.__dict__[name] is found, name\n"
        f"if {first == 'names'}:\n"
        "    check()\n"
        "for module in pkgutil.walk_packages(n2v_stem_keras.__path__, 'n2v_stem_keras.'):\n"
        "    if not module.name.startswith(('n2v_stem_keras.interop.napari', "
        "'n2v_stem_keras.__main__')):\n"
        "        importlib.import_module(module.name)\n"
        "check()"
    )
    assert done.returncode == 0, done.stderr


def test_the_tables_of_the_readme_are_the_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tables = re.findall(r"<!-- (benchmarks/\S+) -->\n((?:\|.*\n)+)", text)
    assert len(tables) == text.count("<!-- benchmarks/")
    for path, table in tables:
        assert table in (ROOT / path).read_text(encoding="utf-8"), path


@pytest.mark.slow
def test_a_wheel_installed_elsewhere_has_the_ready_made_models(tmp_path):
    """Build the wheel, install it into an empty folder, open a model there."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "elsewhere"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target",
         str(target), str(wheel)],
        check=True,
    )  # fmt: skip
    assert (target / "n2v_stem_keras" / "py.typed").exists()
    name = pretrained.names()[0]
    done = run_python(
        "import numpy as np, n2v_stem_keras\n"
        f"assert n2v_stem_keras.__file__.startswith({str(target)!r}), n2v_stem_keras.__file__\n"
        "from n2v_stem_keras import N2VStem\n"
        "from n2v_stem_keras.folder import pretrained\n"
        f"assert str(pretrained.find({name!r})).startswith({str(target)!r})\n"
        "from n2v_stem_keras.simulate import reference_movie\n"
        "assert reference_movie(0, shape=(32, 32), n_frames=1).clean.std() > 0\n"
        f"model = N2VStem.from_pretrained({name!r})\n"
        "frames = np.random.default_rng(0).normal(size=(1, 32, 32, len(model.config.channels)))\n"
        "assert np.isfinite(model.predict(frames)).all()\n",
        cwd=tmp_path,
        env={"PYTHONPATH": str(target), "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
