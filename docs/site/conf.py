"""The site of the documentation: its sources are the project's own pages, where they lie.

    python docs/site/build.py            # into docs/site/html, warnings are errors
    python docs/site/build.py --serve    # and shows it on http://localhost:8000

The source folder is the project itself, so that the links between README, docs/, benchmarks/ and
models/ hold on the site as they do in the repository. Nothing is fetched while it is built.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from n2v_stem_keras import __version__  # noqa: E402
from n2v_stem_keras.opening import import_tensorflow  # noqa: E402

import_tensorflow()  # silently, before the docstrings of what needs it are read

project, author = "n2v_stem_keras", "The n2v_stem_keras developers"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]

root_doc = "docs/site/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "docs/site/**.md",
    "examples/README.md",
    "examples/notebooks/*.ipynb",
    "examples/paper/README.md",
    "models/*/README.md",
    "nion_swift/README.md",
    "benchmarks/results/**.md",
]
exclude_patterns = ["docs/site/html", "docs/site/links", "benchmarks/results/*_short.md"]

# -- Markdown and notebooks ---------------------------------------------------------------------
myst_heading_anchors = 6
# cards and results begin with the heading that suits them, and stand behind links, not in a menu
suppress_warnings = ["myst.header", "toc.not_included"]
# notebooks are shown as they lie there; tests/examples runs them
nb_execution_mode = "off"

# -- reference ----------------------------------------------------------------------------------
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say types and units
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
napoleon_use_ivar = True
default_role = "literal"  # in docstrings a name in single backticks is code

# -- links to the web, of which publishers refuse to answer programs ------------------------------
linkcheck_allowed_redirects = {r"https://doi\.org/.*": r".*"}
linkcheck_ignore = [r"http://localhost.*", r"https://doi\.org/10\.1038/.*"]

# -- HTML ---------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = f"{project} {version}"
html_static_path, templates_path = [], ["templates"]
html_additional_pages = {"index": "front.html"}  # the top of the site leads to its first page
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
html_show_sourcelink = False


def without_made_up_docstrings(app, what, name, member, skip, options):
    """Leave out fields of named tuples, which their class describes."""
    return skip or str(getattr(member, "__doc__", "")).startswith("Alias for field number")


def setup(app):
    """Connect what Sphinx calls."""
    app.connect("autodoc-skip-member", without_made_up_docstrings)
