"""The figure scripts of the paper run as from the command line, what is slow made quick."""

import json
import runpy
import sys
import types
from pathlib import Path

import matplotlib.image
import pytest
from scipy.ndimage import gaussian_filter

SCRIPTS = Path(__file__).parents[2] / "examples" / "paper"


class FakeBM3D(types.ModuleType):
    """A blur in place of the package bm3d."""

    BM3DProfile = types.SimpleNamespace

    def __init__(self):
        super().__init__("bm3d")

    def bm3d(self, frame, sigma, profile):
        """Blur more where the noise is said to be stronger."""
        return gaussian_filter(frame, sigma)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Where all scripts of this module write, and keep their models."""
    return tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("models")


@pytest.fixture
def run(folders, monkeypatch, few_validation_pixels):
    """Run a script as from the command line; returns its numbers and its pictures.

    What is slow and tested elsewhere is made quick: BM3D is a blur, TV does not converge, pictures
    are small.
    """
    from n2v_stem_keras.baselines import denoisers
    from n2v_stem_keras.plot import canvas

    out, models = folders
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setitem(sys.modules, "bm3d", FakeBM3D())
    monkeypatch.setattr(denoisers, "_TV_ITERATIONS", 20)
    monkeypatch.setattr(canvas, "DPI", 50)

    def run_script(name, *options):
        command = [name, "--tiny", "--out", str(out), "--models", str(models), *options]
        monkeypatch.setattr(sys, "argv", command)
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        numbers = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
        assert numbers["scale"] == "tiny"
        assert numbers["paper"]
        pictures = {p.name: matplotlib.image.imread(p) for p in out.glob(f"{name}*.png")}
        assert all(picture[..., :3].std() > 0.05 for picture in pictures.values())
        assert not list(out.glob(".*"))
        return numbers, pictures

    yield run_script
    for name in [n for n, m in sys.modules.items() if _lives_in(m, SCRIPTS)]:
        del sys.modules[name]


def _lives_in(module, folder):
    return Path(getattr(module, "__file__", None) or "/").parent == folder


@pytest.fixture
def functions(monkeypatch):
    """Functions of a script."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return lambda name: runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="imported")
