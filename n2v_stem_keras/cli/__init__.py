"""The command line: ``n2v-stem COMMAND``, one file per command.

Arguments are parsed before anything heavy is imported.
"""

import argparse
import os
import sys
import warnings

from .._version import __version__
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


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
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
            help=module.__doc__.strip().splitlines()[0].rstrip("."),
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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its errors come as exceptions, too
    warnings.showwarning = _show_warning
    argv = sys.argv[1:] if argv is None else list(argv)
    args = build_parser().parse_args(argv)
    try:
        args = run_files.with_run_file(args, argv)
        if COMMANDS[args.command].NEEDS_TENSORFLOW:
            from ..opening import import_tensorflow

            import_tensorflow()
        return COMMANDS[args.command].run(args) or 0
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    except options.user_errors() as error:
        print(f"n2v-stem: {error}", file=sys.stderr)
        return options.exit_code(error)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    """Show warnings as sentences, without the line of code that raised them."""
    print(f"Warning: {message}", file=sys.stderr)
