"""The site of the documentation: built without a warning, and no link of it leads nowhere."""

import html.parser
import os
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

import n2v_stem_keras

ROOT = Path(__file__).parents[1]
pytest.importorskip("myst_nb")
pytest.importorskip("pydata_sphinx_theme")


class Page(html.parser.HTMLParser):
    """What a page links to, and the places in it that others may link to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.add(attributes.get("id"))
        kinds = {"a": "href", "link": "href", "img": "src", "script": "src"}
        if found := attributes.get(kinds.get(tag)):
            self.links.append((tag, found))


def build(out, source=ROOT, *options):
    """Build without a network, as far as an environment can say so."""
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, str(source / "docs" / "site" / "build.py"), "--out", str(out), *options],
        env={**os.environ, **nowhere, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site").resolve()
    done = build(out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def broken_links(site):
    """Return links within a site that lead nowhere."""
    pages = {p: Page(p) for p in site.resolve().rglob("*.html") if "_static" not in p.parts}
    broken = []

    for path, page in pages.items():
        for _, link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            name = urllib.parse.unquote(parts.path)
            target = (path.parent / name).resolve() if name else path
            place = urllib.parse.unquote(parts.fragment)
            if not (target.exists() and (target not in pages or place in pages[target].anchors)):
                broken.append(f"{path.name}: {link}")
    return broken


@pytest.mark.slow
def test_every_link_within_the_site_leads_somewhere(site):
    assert not broken_links(site)


def test_a_link_that_leads_nowhere_is_noticed(tmp_path):
    (tmp_path / "a.html").write_text("<a href='b.html#here'></a><a href='c.html'></a>")
    (tmp_path / "b.html").write_text("<p id='there'></p><a href='a.html'></a><a href='#there'>")
    assert sorted(broken_links(tmp_path)) == ["a.html: b.html#here", "a.html: c.html"]


@pytest.mark.slow
def test_nothing_is_fetched_to_show_a_page(site):
    for path in (p for p in site.rglob("*.html") if "_static" not in p.parts):
        for tag, link in Page(path).links:
            if tag != "a":
                assert not urllib.parse.urlsplit(link).netloc, f"{path.name}: {link}"


@pytest.mark.slow
def test_every_page_and_public_name_is_on_the_site(site):
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / "docs" / f"{page.stem}.html").exists()
    for notebook in (ROOT / "examples" / "notebooks").glob("*.ipynb"):
        assert (site / "examples" / "notebooks" / f"{notebook.stem}.html").exists()
    documented = "".join(p.read_text() for p in (site / "docs" / "site" / "api").glob("*.html"))
    for name in set(n2v_stem_keras.__all__) - {"__version__"}:
        kind = getattr(n2v_stem_keras, name)
        names = (f"n2v_stem_keras.{name}", f"{kind.__module__}.{name}")
        homes = [n.rpartition(".")[0] for n in names]
        # a wing that hands its module's names on stands for it
        names += tuple(f"{home.rpartition('.')[0]}.{name}" for home in homes)
        assert any(f'id="{n}"' in documented for n in names), name
    front = (site / "index.html").read_text()
    assert "url=docs/site/index.html" in front


def one_page(folder, text):
    """Return the sources of a site of one page, set up as ours is."""
    source = folder / "source"
    others = shutil.ignore_patterns("*.md", "html", "links")
    shutil.copytree(ROOT / "docs" / "site", source / "docs" / "site", ignore=others)
    (source / "docs/site/index.md").write_text(f"# Page\n\n{text}\n")
    return source


@pytest.mark.slow
def test_a_warning_fails_the_build(tmp_path):
    """A link to a page that is not there, in a site of one page."""
    done = build(tmp_path / "out", one_page(tmp_path, "[nothing](nothing.md)"))
    assert done.returncode == 1
    assert "nothing.md" in done.stderr + done.stdout


@pytest.mark.slow
def test_links_to_the_web_are_asked(tmp_path):
    """Here to one that nobody answers."""
    done = build(tmp_path / "out", one_page(tmp_path, "[nobody](http://127.0.0.1:9/)"), "--links")
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr + done.stdout
