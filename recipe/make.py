"""Make the conda-forge recipe of setup.cfg, which is its one source.

    python -m build --sdist && python recipe/make.py dist/n2v_stem_keras-*.tar.gz

Writes recipe/recipe.yaml, to be copied to recipes/n2v_stem_keras of conda-forge/staged-recipes. The
archive gives the version and the SHA-256; it must be the one that PyPI has. Without it the SHA-256
is left out, and conda-forge refuses the recipe.
"""

import argparse
import configparser
import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
# names that conda-forge gives to what PyPI calls otherwise
NAMES = {"matplotlib": "matplotlib-base"}
LICENCE = "LICENSE"


def described():
    """Return what setup.cfg says: metadata, Python, requirements, commands."""
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    version = {}
    exec((ROOT / "n2v_stem_keras" / "_version.py").read_text(encoding="utf-8"), version)
    options = found["options"]
    lines = [line.split("#")[0].strip() for line in options["install_requires"].splitlines()]
    commands = found["options.entry_points"]["console_scripts"]
    return {
        "name": found["metadata"]["name"],
        "version": version["__version__"],
        "summary": found["metadata"]["description"],
        "licence": found["metadata"]["license"],
        "python": options["python_requires"],
        "requirements": [conda(line) for line in lines if line],
        "commands": [line.strip() for line in commands.splitlines() if line.strip()],
    }


def conda(requirement):
    """Return a requirement of PyPI as conda writes it.

    >>> conda("matplotlib>=3.8")
    'matplotlib-base >=3.8'
    """
    name, versions = re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", requirement).groups()
    name = NAMES.get(name.lower(), name.lower())
    return f"{name} {versions}".strip()


def recipe(about, sha256):
    """Return the recipe, in the format of rattler-build (schema version 1)."""
    oldest = re.search(r">=([\d.]+)", about["python"]).group(1)
    run = "\n".join(f"    - {line}" for line in about["requirements"])
    entries = "\n".join(f"      - {line}" for line in about["commands"])
    tools = "\n".join(
        f"        - {line.split('=')[0].strip()} --help" for line in about["commands"]
    )
    check = f"  sha256: {sha256}" if sha256 else "  # sha256: python recipe/make.py dist/*.tar.gz"
    return f"""# made by recipe/make.py of setup.cfg; change that
schema_version: 1

context:
  name: {about["name"]}
  version: "{about["version"]}"
  python_min: "{oldest}"

package:
  name: ${{{{ name }}}}
  version: ${{{{ version }}}}

source:
  url: https://pypi.org/packages/source/n/${{{{ name }}}}/${{{{ name }}}}-${{{{ version }}}}.tar.gz
{check}

build:
  number: 0
  noarch: python
  script: ${{{{ PYTHON }}}} -m pip install . -vv --no-deps --no-build-isolation
  python:
    entry_points:
{entries}

requirements:
  host:
    - python ${{{{ python_min }}}}.*
    - pip
    - setuptools >=77
    - wheel
  run:
    - python {about["python"]}
{run}

tests:
  - python:
      imports:
        - {about["name"]}
      pip_check: true
      python_version: ${{{{ python_min }}}}.*
  - requirements:
      run:
        - python ${{{{ python_min }}}}.*
    script:
{tools}

about:
  summary: {about["summary"]}
  license: {about["licence"]}
  license_file: {LICENCE}

extra:
  recipe-maintainers: []  # accounts of those who submit it
"""


def main():
    """Write recipe/recipe.yaml."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", nargs="?", type=Path, help="the source archive of the release")
    args = parser.parse_args()
    about, sha256 = described(), None
    if args.archive:
        expected = f"{about['name']}-{about['version']}.tar.gz"
        if args.archive.name != expected:
            parser.error(f"{args.archive}: found another archive, expected {expected}")
        sha256 = hashlib.sha256(args.archive.read_bytes()).hexdigest()
    (ROOT / "recipe" / "recipe.yaml").write_text(recipe(about, sha256), encoding="utf-8")


if __name__ == "__main__":
    main()
