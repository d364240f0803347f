"""The command line: ``n2v-stem COMMAND``, one file per command.

Arguments are parsed before anything heavy is imported.
"""

import argparse
import contextlib
import os
import sys
import warnings

from .._version import __version__
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
    warnings.showwarning = _show_warning
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
    args = build_parser().parse_args(argv)
    try:
        args = run_files.with_run_file(args, argv)
        if COMMANDS[args.command].NEEDS_TENSORFLOW:
            from ..opening import import_tensorflow

            import_tensorflow()
        return COMMANDS[args.command].run(args) or 0
    except KeyboardInterrupt:
        options.complain("\nInterrupted.")
        return 130
    except options.user_errors() as error:
        options.complain(f"n2v-stem: {error}", lines=isinstance(error, ShownError))
        return options.exit_code(error)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    """Show warnings as sentences, without the line of code that raised them."""
    options.complain(f"Warning: {message}")
