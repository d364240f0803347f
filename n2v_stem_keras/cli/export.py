"""Export a model to ONNX, so that it runs without TensorFlow."""

import argparse
import time

from . import options

NEEDS_TENSORFLOW = True
DESCRIPTION = """\
Write the network of a model folder as ONNX into that folder (or, with --out, elsewhere), for the
engines onnx and openvino of 'n2v-stem denoise', which then start in a second. A training makes the
export stale; then export again. Needs the extra 'onnx'.

example:
  n2v-stem export models/au-graphene
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "model", metavar="FOLDER", help="model folder, or the name of a ready-made model"
    )
    parser.add_argument(
        "--format",
        choices=("onnx", "tf_saved_model"),
        default="onnx",
        help="tf_saved_model: a folder for TensorFlow (default: %(default)s)",
    )
    parser.add_argument(
        "--out", metavar="PATH", help="a new file (of a SavedModel, folder) instead"
    )
    parser.add_argument("--quiet", action="store_true", help="print warnings and errors only")


def run(args) -> int:
    """Export."""
    from .denoise import open_model

    began = time.monotonic()
    path = open_model(args.model).export(args.out, args.format)
    options.say(args, f"Wrote {path} in {time.monotonic() - began:.0f} s")
    if args.format == "onnx" and not args.out:
        options.say(args, f"Next: n2v-stem denoise MOVIE --model {args.model} --engine onnx")
    return 0
