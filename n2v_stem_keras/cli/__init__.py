"""The command line: ``n2v-stem COMMAND``, one file per command.

Arguments are parsed before anything heavy is imported.
"""

import argparse
import contextlib
import os
import sys
import warnings

from .._version import __version__
from ..counting import counted
from ..escaping import ShownError, escaped
from . import (
    atoms,
    check,
    demo,
    denoise,
    doctor,
    evaluate,
    export,
    info,
    live,
    options,
    run_files,
    serve,
    simulate,
    streams,
    train,
)
from .wording import first_sentence, in_options

COMMANDS = {
    "train": train,
    "denoise": denoise,
    "live": live,
    "serve": serve,
    "evaluate": evaluate,
    "atoms": atoms,
    "check": check,
    "export": export,
    "info": info,
    "demo": demo,
    "doctor": doctor,
    "simulate": simulate,
}

AT_THE_END = ("train", "denoise", "atoms")  # commands that sum their warnings up


class _Parser(argparse.ArgumentParser):
    """Quotes what is wrong in an option so that it can be shown; so do the commands' parsers."""

    def error(self, message):
        super().error(escaped(message))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(
        prog="n2v-stem",
        description="Noise2Void denoising of atomic-resolution STEM movies.",
        epilog=options.EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"n2v_stem_keras {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=(module.__doc__ or "").strip().partition("\n")[0].rstrip("."),
            description=module.DESCRIPTION,
            epilog=options.EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        run_files.add_options(command)
        command.set_defaults(parser=command)
    return parser


def main(argv=None) -> int:
    """Run one command.

    Returns
    -------
    int
        Exit code; see `options.EXIT_CODES`.
    """
    os.environ["MPLBACKEND"] = "agg"  # no window is opened, whatever others set
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        with streams.usable_streams():
            return _run(argv)
    except OSError as error:  # of the standard output itself
        with contextlib.suppress(OSError):
            options.complain(f"n2v-stem: the standard output cannot be written: {error}")
        return options.exit_code(error)


def _run(argv) -> int:
    """Run one command on usable streams."""
    said = _Warnings()
    warnings.showwarning = said.show
    args = build_parser().parse_args(argv)
    try:
        args = run_files.with_run_file(args, argv)
        said.at_end = args.command in AT_THE_END
        # before minutes of training they are worth a stop; it ends with a word of each
        said.at_once = not said.at_end or (args.command == "train" and not args.dry_run)
        code = COMMANDS[args.command].run(args) or 0
        return max(code, 3) if said.texts and getattr(args, "strict", False) else code
    except KeyboardInterrupt:
        options.complain("\nInterrupted.")
        return 130
    except options.user_errors() as error:
        options.complain(f"n2v-stem: {in_options(error)}", lines=isinstance(error, ShownError))
        return options.exit_code(error)
    finally:
        said.sum_up()


class _Warnings:
    """Shows warnings as sentences, without the line of code that raised them.

    Each is said in full once: as it comes, or at the end, where nobody overlooks it. What was said
    as it came is named at the end by its first sentence.

    Attributes
    ----------
    texts : list of str
        What was said, each once.
    at_once, at_end : bool
        Whether they are shown as they come; and together at the end.
    """

    def __init__(self):
        self.texts, self.at_once, self.at_end = [], True, False

    def show(self, message, category, filename, lineno, file=None, line=None):
        """Take a warning."""
        text = in_options(message)
        if text not in self.texts:
            self.texts.append(text)
            if self.at_once:
                options.complain(f"Warning: {text}")

    def sum_up(self):
        """Show all of them together."""
        if not (self.at_end and self.texts):
            return
        if self.at_once:
            said = " | ".join(first_sentence(text) for text in self.texts)
            options.complain(f"{counted(len(self.texts), 'warning')}, see above: {said}")
            return
        if len(self.texts) > 1:
            options.complain(f"{len(self.texts)} warnings:")
        for text in self.texts:
            options.complain(f"Warning: {text}")
