"""A release: one version everywhere, archives that are whole and the same wherever built."""

import configparser
import email
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import n2v_stem_keras

ROOT = Path(__file__).parents[1]
NOT_SOURCE = ("__pycache__", ".*", "build", "dist", "*.egg-info", "html", "out")


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def pythons_promised():
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    found = re.findall(r"Python :: (3\.\d+)", metadata["metadata"]["classifiers"])
    oldest, after = re.fullmatch(
        r">=3\.(\d+),<3\.(\d+)", metadata["options"]["python_requires"]
    ).groups()
    assert found == [f"3.{minor}" for minor in range(int(oldest), int(after))]
    return found


def test_the_version_is_one():
    version = n2v_stem_keras.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)  # what a tag says
    assert read_yaml("CITATION.cff")["version"] == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_promised_python_is_tested_and_installed_on():
    jobs = read_yaml(".github/workflows/tests.yml")["jobs"]
    promised = pythons_promised()
    for job in ("fast", "installed"):
        assert jobs[job]["strategy"]["matrix"]["python"] == promised
    systems = {i["os"] for i in jobs["fast"]["strategy"]["matrix"]["include"]}
    assert systems == {"macos-latest", "windows-latest"}


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_recipe", ROOT / "recipe" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recipe_of_conda_forge_agrees_with_setup_cfg(maker):
    """What the committed one says, not what its maker would: names, versions, Python, commands."""
    found = read_yaml("recipe/recipe.yaml")
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    assert found["context"]["version"] == n2v_stem_keras.__version__
    assert found["context"]["name"] == metadata["metadata"]["name"]
    assert found["about"]["license"] == metadata["metadata"]["license"]
    assert (ROOT / found["about"]["license_file"]).exists()
    python, *run = found["requirements"]["run"]
    assert python == f"python {metadata['options']['python_requires']}"
    asked = metadata["options"]["install_requires"]
    asked = [line for line in asked.splitlines() if line and not line.startswith("#")]
    plain = [line.replace("matplotlib-base", "matplotlib").replace(" ", "") for line in run]
    assert plain == asked
    assert found["build"]["python"]["entry_points"] == ["n2v-stem = n2v_stem_keras.cli:main"]
    assert found["context"]["python_min"] == pythons_promised()[0]


def test_the_recipe_takes_the_archive_of_this_version_only(maker, tmp_path, monkeypatch):
    (tmp_path / "recipe").mkdir()
    about = maker.described()
    monkeypatch.setattr(maker, "ROOT", tmp_path)
    monkeypatch.setattr(maker, "described", lambda: about)
    for name, works in ((f"n2v_stem_keras-{about['version']}.tar.gz", True),
                        ("n2v_stem_keras-9.9.9.tar.gz", False)):  # fmt: skip
        archive = tmp_path / name
        archive.write_bytes(b"archive")
        monkeypatch.setattr(sys, "argv", ["make.py", str(archive)])
        if not works:
            with pytest.raises(SystemExit):
                maker.main()
            continue
        maker.main()
        text = (tmp_path / "recipe" / "recipe.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["source"]["sha256"] == hashlib.sha256(b"archive").hexdigest()


def test_the_environment_of_conda_is_one_that_is_promised():
    packages = read_yaml("environment.yml")["dependencies"]
    [python] = [p for p in packages if isinstance(p, str) and p.startswith("python=")]
    assert python.removeprefix("python=") in pythons_promised()
    [asked] = next(p["pip"] for p in packages if isinstance(p, dict))
    extras = set(re.fullmatch(r"\.\[(.+)\]", asked).group(1).split(","))
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    assert extras <= set(metadata["options.extras_require"])


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A wheel and a source archive, built twice: of files of another date, owned otherwise."""
    built = []
    environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
    for number in (1, 2):
        source = tmp_path_factory.mktemp("source") / str(number)
        ignored = shutil.ignore_patterns(*NOT_SOURCE)
        shutil.copytree(ROOT, source, ignore=ignored)
        for path in source.rglob("*"):
            os.utime(path, (10**9 * number,) * 2)
            if number == 2 and path.is_file():
                path.chmod(path.stat().st_mode | 0o020)
        out = tmp_path_factory.mktemp("dist")
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
        done = subprocess.run(build, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        built.append({path.suffix: path for path in out.iterdir()})
    return built


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".whl", ".gz"])
def test_what_is_built_twice_is_the_same_to_the_byte(archives, suffix):
    first, second = archives
    assert first[suffix].name == second[suffix].name
    digests = {hashlib.sha256(one[suffix].read_bytes()).hexdigest() for one in archives}
    assert len(digests) == 1


@pytest.mark.slow
def test_the_source_archive_is_whole(archives):
    """Tests, pages, examples and the models' logs are in it; nothing that was made is."""
    with tarfile.open(archives[0][".gz"]) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    tracked = set(done.stdout.split("\n")) if done.returncode == 0 else set()
    expected = {name for name in tracked if name and not name.startswith((".", "dist/"))}
    assert {"CITATION.cff", "tests/test_release.py", "docs/install.md"} <= names
    assert not expected - names
    made = {name for name in names if "__pycache__" in name or "docs/site/html" in name}
    assert not made


@pytest.mark.slow
def test_the_page_of_an_index_links_to_nothing_that_is_not_there(archives):
    with zipfile.ZipFile(archives[0][".whl"]) as wheel:
        [name] = [n for n in wheel.namelist() if n.endswith("/METADATA")]
        metadata = email.message_from_string(wheel.read(name).decode())
        tops = {n.partition("/")[0] for n in wheel.namelist()}
    text = metadata.get_payload()
    assert metadata["Version"] == n2v_stem_keras.__version__
    assert text.startswith("# n2v_stem_keras")
    assert "npj Comput. Mater." in text
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    assert all(link.startswith("https://") for link in links)
    assert "![" not in text
    assert {top.partition("-")[0] for top in tops} == {"n2v_stem_keras"}
