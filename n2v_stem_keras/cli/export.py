"""Export a model to ONNX, TensorFlow, or a package of bioimage.io."""

import argparse
import time
from pathlib import Path

from . import movie_files, options

DESCRIPTION = """\
Write the network of a model folder as ONNX into that folder (or, with --out, elsewhere), for the
engines onnx and openvino of 'n2v-stem denoise', which then start in a second. A training makes the
export stale; then export again. A ready-made model needs --out, since the installed one stays as it
is. Needs the extra 'onnx'.

--format bioimageio writes a package for the BioImage Model Zoo: Keras and ONNX weights, a test
frame and what becomes of it, description, documentation and a picture in one zip. It needs
--author and --license; the test frame is simulated unless --test-movie gives one.

examples:
  n2v-stem export models/au-graphene
  n2v-stem export graphene-au --out models/graphene-au
  n2v-stem export models/au-graphene --format bioimageio --out au-graphene.zip \\
      --author 'Jane Doe; affiliation=University of Somewhere' --license CC-BY-4.0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "model", nargs="?", metavar="FOLDER", help="model folder, or the name of a ready-made model"
    )
    parser.add_argument(
        "--format",
        choices=("onnx", "tf_saved_model", "bioimageio"),
        default="onnx",
        help="tf_saved_model: a folder for TensorFlow; bioimageio: a package of bioimage.io "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="somewhere else: a new folder, which becomes a copy of the model with the export, or "
        "a new .onnx file; of a SavedModel a new folder; of a package, default NAME.zip here",
    )
    _add_package_options(parser)
    parser.add_argument("--quiet", action="store_true", help="print warnings and errors only")


def _add_package_options(parser):
    group = parser.add_argument_group("package of bioimage.io")
    group.add_argument(
        "--author",
        action="append",
        metavar="NAME",
        help="who answers for the model, e.g. 'Jane Doe; affiliation=Somewhere; "
        "orcid=0000-0001-2345-6789; github_user=jane'; may be repeated",
    )
    group.add_argument("--license", metavar="SPDX", help="e.g. CC-BY-4.0 or BSD-3-Clause")
    group.add_argument("--title", help="name of the package (default: made of the model's)")
    group.add_argument("--description", metavar="TEXT", help="default: made of the configuration")
    group.add_argument(
        "--test-movie",
        metavar="MOVIE",
        help="its middle frame becomes the test frame (default: a simulated one)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace an existing package")
    options.add_movie_options(parser)


def run(args) -> int:
    """Export."""
    if not args.model:
        raise options.UsageError("which model? Name a model folder or a ready-made model")
    if args.format != "bioimageio":
        _refuse_package_options(args)
    began = time.monotonic()
    model = options.open_model(args.model)
    if args.format == "bioimageio":
        path = _package(args, model)
    else:
        path = model.export(args.out, args.format)
    options.say(args, f"Wrote {path} in {time.monotonic() - began:.0f} s")
    if args.format == "onnx" and (not args.out or path != Path(args.out)):  # into a model folder
        folder = args.out or args.model
        options.say(args, f"Next: n2v-stem denoise MOVIE --model {folder} --engine onnx")
    return 0


def _refuse_package_options(args):
    names = ("author", "license", "title", "description", "test_movie", "overwrite")
    given = [name for name in names if getattr(args, name)]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise options.UsageError(f"{option} is for --format bioimageio; give both, or neither")


def _package(args, model):
    """Write a package of bioimage.io."""
    from ..interop.bioimageio import export_bioimageio

    pixel_size_nm = options.length_nm(args.pixel_size, "--pixel-size")
    movie = (
        movie_files.open_movie(args, args.test_movie, args.test_movie) if args.test_movie else None
    )
    try:
        return export_bioimageio(
            model,
            args.out or f"{model.name}.zip",
            authors=[parse_author(text) for text in args.author or []],
            license=args.license,
            name=args.title,
            description=args.description,
            test_input=movie,
            pixel_size_nm=pixel_size_nm,
            overwrite=args.overwrite,
        )
    except options.user_errors():
        raise
    except ValueError as error:  # authors, licence, title
        raise options.UsageError(str(error)) from None


def parse_author(text: str) -> dict:
    """Turn 'Jane Doe; affiliation=Somewhere' into a dictionary.

    >>> parse_author("Jane Doe; affiliation=Somewhere")
    {'name': 'Jane Doe', 'affiliation': 'Somewhere'}
    """
    name, *parts = (part.strip() for part in text.split(";"))
    author = {"name": name}
    for part in filter(None, parts):
        key, equals, value = part.partition("=")
        if not equals:
            raise options.UsageError(
                f"--author {text}: expected 'NAME; KEY=VALUE; ...', found {part!r}"
            )
        author[key.strip()] = value.strip()
    return author
