"""Denoise frames that other programs send, over a local connection."""

import argparse
import signal
from pathlib import Path

from ..interop.serving.limits import Limits
from . import options

DESCRIPTION = """\
Serve a model to programs on this machine, such as the Python inside a microscope's: a frame in, a
denoised frame out, over TCP. The wire format, and a client of 30 lines that needs numpy only, are
in docs/live.md. Each connection is a stream of its own.

Only this machine is listened to unless --host says otherwise; then a token is needed, which clients
have to know. Nothing is encrypted: across a network that is not your own use a tunnel, such as
ssh -L. Ctrl-C answers the frames at hand and ends.

examples:
  n2v-stem serve --model graphene-au-live --engine auto
  n2v-stem serve --model models/au-graphene-live --host 0.0.0.0 --token-file n2v-stem.token
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    limits = Limits()
    parser.add_argument(
        "--model", metavar="FOLDER", help="model folder, or the name of a ready-made model"
    )
    options.add_engine_options(parser, "auto", "as in denoise (default: %(default)s)")
    parser.add_argument(
        "--parallel",
        type=int,
        default=1,
        metavar="N",
        help="frames denoised at the same time, with --threads 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--context",
        choices=("past", "none"),
        default="past",
        help="whether a model with unet_context looks at the frames before (default: %(default)s)",
    )
    group = parser.add_argument_group("who may connect")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="listen on this address (default: %(default)s, this machine only)",
    )
    group.add_argument(
        "--port", type=int, default=limits.port, help="0: a free one (default: %(default)s)"
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help="what clients have to say; made with a new token, for you alone to read, if it is not "
        "there",
    )
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--max-clients",
        type=int,
        default=limits.max_clients,
        metavar="N",
        help="at the same time (default: %(default)s)",
    )
    group.add_argument(
        "--max-side",
        type=int,
        default=limits.max_side,
        metavar="PX",
        help="largest side of a frame; memory is bounded by it (default: %(default)s)",
    )
    group.add_argument(
        "--max-rate",
        type=float,
        default=limits.max_rate,
        metavar="N",
        help="frames of one client a second; 0: as they come (default: 0)",
    )
    group.add_argument(
        "--timeout",
        type=float,
        default=limits.timeout_s,
        metavar="SECONDS",
        help="that a frame may take to arrive, or an answer to be read (default: %(default)g)",
    )
    group.add_argument(
        "--idle",
        type=float,
        default=limits.idle_s,
        metavar="SECONDS",
        help="that a client may say nothing (default: %(default)g)",
    )
    options.add_run_options(parser)


def run(args) -> int:
    """Serve until stopped."""
    from ..interop.serving import tokens

    if not args.model:
        raise options.UsageError("--model is missing; see n2v-stem serve --help")
    options.set_engine(args)
    try:
        limits = Limits(
            max_clients=args.max_clients,
            max_side=args.max_side,
            max_rate=args.max_rate,
            timeout_s=args.timeout,
            idle_s=args.idle,
            port=args.port,
            n_parallel=args.parallel,
        )
        if not args.token_file:
            tokens.refuse_strangers(args.host)
        if args.dry_run:
            options.show(f"Would serve {args.model} on {args.host}:{args.port}")
            return 0
        token = tokens.read_or_make(Path(args.token_file)) if args.token_file else ""
    except ValueError as error:
        raise options.UsageError(str(error)) from None
    return _serve(args, limits, token)


def _serve(args, limits, token) -> int:
    from ..interop.serving.server import Server

    model = options.open_model(args.model, args.engine, args.threads)
    server = Server(
        model,
        args.engine,
        args.threads,
        host=args.host,
        token=token,
        limits=limits,
        context=args.context,
        log=lambda line: options.say(args, line),
    )
    server.warm_up()
    before = {kind: signal.signal(kind, lambda *_: server.stop()) for kind in _ENDING}
    host, port = server.address
    by = f", token in {args.token_file}" if token else ""
    engine = server.denoiser.engine.name
    options.say(args, f"Serving {model.name} ({engine}) on {host}:{port}{by}; Ctrl-C ends")
    try:
        report = server.serve()
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    options.say(args, str(report))
    return 0


_ENDING = (signal.SIGINT, signal.SIGTERM)
