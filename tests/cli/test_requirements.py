"""What the metadata of the package asks for, compared with what is installed."""

import importlib.metadata

import pytest

from n2v_stem_keras.cli import requirements
from n2v_stem_keras.cli.requirements import DISTRIBUTION

ASKED = {
    DISTRIBUTION: [
        "numpy>=1.26",
        'old>=2; extra == "track"',
        'absent; extra == "track"',
        'many[fast]>=1; extra == "dask"',
        f'{DISTRIBUTION}[track,dask]; extra == "all"',
        'only-windows; extra == "track" and sys_platform == "nowhere"',
    ],
    "many": ['engine>=3; extra == "fast"', 'other; extra == "slow"'],
}
INSTALLED = {DISTRIBUTION: "1.0", "numpy": "2.4", "old": "1.9", "many": "1.5"}


@pytest.fixture
def fake_metadata(monkeypatch):
    def version(name):
        if name not in INSTALLED:
            raise importlib.metadata.PackageNotFoundError(name)
        return INSTALLED[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", ASKED.get)
    requirements._missing_of_extra.cache_clear()
    yield
    requirements._missing_of_extra.cache_clear()


def test_what_cannot_be_done_without(fake_metadata):
    (numpy,) = requirements.libraries()
    assert (numpy.name, numpy.wanted, numpy.version, numpy.missing) == (
        "numpy",
        ">=1.26",
        "2.4",
        (),
    )


def test_missing_and_too_old_libraries_of_an_extra(fake_metadata):
    old, absent = requirements.libraries("track")
    assert (old.version, old.missing) == ("1.9", ("old>=2",))
    assert (absent.version, absent.missing) == (None, ("absent",))


def test_extras_of_others_and_of_ourselves_are_looked_into(fake_metadata):
    (many,) = requirements.libraries("dask")
    assert many.missing == ("engine>=3",)
    (everything,) = requirements.libraries("all")
    assert set(everything.missing) == {"old>=2", "absent", "engine>=3"}


def test_the_real_metadata_is_read():
    assert {"keras", "tensorflow", "numpy"} <= {one.name for one in requirements.libraries()}
    assert {"onnx", "em", "all"} <= set(requirements.extras())
    assert ">=3.11" in requirements.python_versions()
    assert all(one.version for one in requirements.libraries())
