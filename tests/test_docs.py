"""What README and docs say of commands, options, settings, names and files is there.

And it is short: the README has a size, and no sentence runs on.
"""

import dataclasses
import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.cli import COMMANDS, build_parser, movie_files, options
from n2v_stem_keras.io.read import SUFFIXES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SITE = sorted((ROOT / "docs" / "site").rglob("*.md"))
PAGES += [page for page in SITE if "html" not in page.parts]
DOCS = [page for page in PAGES if page.parent.name == "docs"]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md"]
README_BYTES, SENTENCE_WORDS = 12_288, 30
FIELDS = {field.name for field in dataclasses.fields(N2VStemConfig)}
# what the code calls that is no field of the configuration
OTHER_NAMES = {"n2v_stem_keras"}


def names(pages):
    return [page.relative_to(ROOT).as_posix() for page in pages]


def blocks(text):
    """Lines inside of fenced blocks."""
    return [line for block in re.findall(r"^```.*?\n(.*?)^```", text, re.M | re.S)
            for line in block.splitlines()]  # fmt: skip


def spans(text):
    """Code within the text."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.findall(r"`([^`\n]+)`", text)


def commands(text):
    """Calls of n2v-stem, in blocks and within the text, as lists of words."""
    lines = [part.strip() for line in blocks(text) for part in line.split("&&")]
    found = [re.sub(r"^\$ ", "", line) for line in [*lines, *spans(text)]]
    return [shlex.split(line, comments=True) for line in found if line.startswith("n2v-stem ")]


def is_accepted(words):
    """Return whether the parser takes a command line."""
    try:
        build_parser().parse_args(words[1:])
    except SystemExit as error:
        return error.code == 0  # --help and --version
    return True


def settings(text):
    """NAME=VALUE of every --set."""
    return re.findall(r"--set (\w+=[\w.,-]+)", text)


def slug(heading):
    """Anchor of a heading as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.strip().replace(" ", "-")


def is_there(name):
    """Return whether a dotted name is a module, or something in one."""
    module, _, attribute = name.rpartition(".")
    found = importlib.import_module(module)
    return hasattr(found, attribute) or importlib.util.find_spec(name) is not None


def sentences(text):
    """Sentences of the prose, of lists and of the cells of tables; a piece of code is a word."""
    text = re.sub(r"^```.*?^```|<!--.*?-->|!\[.*?\]\(.*?\)", "", text, flags=re.M | re.S)
    text = re.sub(r"`[^`\n]+`", "code", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    parts = [part for line in text.splitlines() for part in line.split(" | ")]
    found = [s for part in parts for s in re.split(r"(?<=[.!?])[*)]*\s+", part)]
    return [s.strip("|-#* ") for s in found if re.search(r"\w", s)]


def n_words(sentence):
    return len(re.findall(r"\S*\w\S*", sentence))


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_are_accepted(page):
    text = page.read_text(encoding="utf-8")
    for words in commands(text):
        if len(words) == 2 and words[1] in COMMANDS:  # the text speaks of a command
            continue
        assert is_accepted(words), f"{page.name}: {shlex.join(words)}"


def test_a_wrong_command_is_noticed():
    [words] = commands("```\nn2v-stem denoise a.tif --modell b  # a comment\n```\n")
    assert words[-1] == "b"
    assert not is_accepted(words)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_options_exist(page):
    parser = build_parser()
    [commands_of] = [a for a in parser._actions if hasattr(a, "choices") and a.choices]
    known = {o for command in commands_of.choices.values() for o in command._option_string_actions}
    known |= set(parser._option_string_actions)
    known |= {"--tiny", "--out", "--run", "--local"}  # of the examples
    for span in spans(page.read_text(encoding="utf-8")):
        if span.startswith(("n2v-stem ", "--")):
            unknown = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", span)) - known
            assert not unknown, f"{page.name}: {span}"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_settings_are_valid(page):
    text = page.read_text(encoding="utf-8")
    for pair in settings(text):
        if not pair.isupper():  # NAME=VALUE
            N2VStemConfig.preset("laptop", **options.parse_settings([pair])).check()
    for span in spans(text):
        for name in re.findall(r"\b(?:unet|n2v|train)_\w*[a-z]\b", span):
            assert name in FIELDS | OTHER_NAMES or name.startswith("n2v_stem"), (
                f"{page.name}: {name}"
            )


@pytest.mark.parametrize("page", DOCS, ids=names(DOCS))
def test_names_of_the_package_exist(page):
    for span in spans(page.read_text(encoding="utf-8")):
        for name in re.findall(r"\bn2v_stem_keras(?:\.\w+)+", span):
            assert is_there(name), f"{page.name}: {name}"


@pytest.mark.parametrize("page", LINKED, ids=names(LINKED))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = page if not path else page.parent / path
        assert file.exists(), f"{page.name}: {target}"
        assert ROOT in file.resolve().parents, f"{page.name}: {target} leads out of the project"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in map(slug, headings), f"{page.name}: {target}"


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= README_BYTES


def test_the_readme_leads_to_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in DOCS:
        assert f"(docs/{page.name}" in text, page.name


@pytest.mark.parametrize("page", LINKED, ids=names(LINKED))
def test_no_sentence_runs_on(page):
    long = [s for s in sentences(page.read_text(encoding="utf-8")) if n_words(s) > SENTENCE_WORDS]
    assert not long, f"{page.name}: {long}"


def test_a_long_sentence_is_noticed():
    text = "# Title\n\nShort. " + "word " * 31 + "`some code`. [Link](page.md) ends.\n\n| a | b |\n"
    assert [n_words(s) for s in sentences(text)] == [1, 1, 32, 2, 1, 1]


def test_the_page_on_files_names_what_is_read_and_written():
    named = set(spans((ROOT / "docs" / "files.md").read_text(encoding="utf-8")))
    assert set(SUFFIXES) <= named
    assert set(movie_files.FORMATS) <= named


# the pictures show what a training warns of
@pytest.mark.filterwarnings("ignore:.*the noise is correlated along")
@pytest.mark.slow
def test_the_picture_of_the_loss_is_made(tmp_path, few_validation_pixels, capsys):
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "make_pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    pictures.SMALL |= {"unet_n_first": 2, "unet_n_depth": 1, "train_steps_per_epoch": 2}
    pictures.main(["--out", str(tmp_path), "--epochs", "1"])
    assert (tmp_path / "loss.png").stat().st_size > 10_000
    assert len(re.findall("of the floor", capsys.readouterr().out)) == 3


def test_every_example_is_in_the_table():
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for script in (ROOT / "examples").glob("*.py"):
        assert f"({script.name})" in text
