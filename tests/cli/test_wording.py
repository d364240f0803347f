"""On the command line messages speak of options, in Python of arguments."""

import ast
import re
from pathlib import Path

import pytest

import n2v_stem_keras
from n2v_stem_keras.cli.wording import in_options

ROOT = Path(n2v_stem_keras.__file__).parent
# arguments of Python that options stand for
ARGUMENTS = ("axes", "detectors", "pixel_size_nm", "frame_time_s", "voltage_kV", "series",
             "overwrite", "resume", "transfer_from", "validation_data", "engine", "authors",
             "license", "n2v_span", "n2v_level_rows")  # fmt: skip


def text_of(node):
    """Text of a constant or of an f-string, with something that may stand in its gaps."""
    if isinstance(node, ast.Constant):
        return node.value
    text = ""
    for part in node.values:
        gap = "(1, 5)" if text.endswith("n2v_span=") else "x"
        text += part.value if isinstance(part, ast.Constant) else gap
    return text


def messages():
    """Text of the package outside of the command line that is no docstring."""
    for path in sorted(ROOT.rglob("*.py")):
        if "cli" in path.parts or "simulate" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {
            id(part)
            for node in ast.walk(tree)
            for part in (
                node.values
                if isinstance(node, ast.JoinedStr)
                else [node.value]
                if isinstance(node, ast.Expr)
                else []
            )
        }
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if (is_text and id(node) not in parts) or isinstance(node, ast.JoinedStr):
                yield path.relative_to(ROOT).as_posix(), text_of(node)


def test_the_package_speaks_of_no_options():
    """But of commands to type: 'n2v-stem atoms --calibrate'."""
    found = [
        f"{path}: {text}"
        for path, text in messages()
        if re.search(r"(?<![\w-])--[a-z]", re.sub(r"n2v-stem[^;)]*|pip install.*", "", text))
        and not path.startswith(("interop/napari", "io/rosetta"))
    ]
    assert not found, "\n".join(found)


def test_the_command_line_speaks_of_no_arguments():
    wrong = []
    for path, text in messages():
        if not re.search(rf"\b({'|'.join(ARGUMENTS)})=", text):
            continue
        said = in_options(text)
        if re.search(rf"(?<!--set )\b({'|'.join(ARGUMENTS)})=", said):
            wrong.append(f"{path}: {said}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("python", "options"),
    [
        ("say axes=, for example 'YX'", "say --axes, for example 'YX'"),
        ("rename with detectors=", "rename with --detectors"),
        ("replace it with overwrite=True", "replace it with --overwrite"),
        ("say pixel_size_nm= for each", "say --pixel-size for each"),
        ("Train with n2v_span=(1, 5)", "Train with --set n2v_span=1,5"),
        ("train with n2v_level_rows=True, as", "train with --set n2v_level_rows=True, as"),
        ("or train with resume=False", "or train with --no-resume"),
        ("choose one with series=", "choose one with FILE::PLACE"),
        ("choose with series=, or a.emd::NAME", "choose with a.emd::NAME"),
        ("model.optimize_thresholds(movie) counts them", "n2v-stem atoms --calibrate counts them"),
        ("steps_per_epoch is 0", "--steps-per-epoch is 0"),
        ("start from this model (transfer_from)", "start from this model (--transfer-from)"),
        ("a/n2v_span_1.tif: no such file", "a/n2v_span_1.tif: no such file"),
    ],
)
def test_words(python, options):
    assert in_options(python) == options
