"""Train a model on noisy movies."""

import argparse
from pathlib import Path

from ..escaping import escaped
from . import movie_files, options

NEEDS_TENSORFLOW = True
DESCRIPTION = """\
Train a model on noisy movies; nothing but the movies is needed.

The model is a folder, BASEDIR/NAME. Ctrl-C leaves a usable model; the same command again goes on
where it stopped. On a finished model it trains on from its weights.

example:
  n2v-stem train movie.tif --name au-graphene --preset laptop
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("movies", nargs="*", metavar="MOVIE", help=options.MOVIE_HELP)
    parser.add_argument("--name", help="name of the model; default: that of the first movie")
    parser.add_argument(
        "--basedir", default="models", help="where model folders lie (default: %(default)s)"
    )
    parser.add_argument(
        "--preset",
        default="laptop",
        help="laptop: minutes on two CPU cores; paper: the published values, for a GPU "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="change one value of the configuration, e.g. --set n2v_span=1,5; may be repeated",
    )
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--steps-per-epoch", type=int, help="instead of the preset's")
    parser.add_argument("--seed", type=int, help="seed of everything random (default: 0)")
    parser.add_argument(
        "--validation",
        nargs="+",
        metavar="MOVIE",
        help="movies to validate on; default: a part of the training movies is held out",
    )
    parser.add_argument(
        "--transfer-from", metavar="FOLDER", help="start from the weights of another model"
    )
    parser.add_argument(
        "--no-resume", action="store_true", help="do not go on with an unfinished training"
    )
    parser.add_argument(
        "--strategy",
        choices=("mirrored",),
        help="mirrored: divide each batch among all GPUs of this host",
    )
    parser.add_argument(
        "--keep-rows",
        action="store_true",
        help="leave offsets of rows, which are otherwise taken off where rows stand out",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a model of this name")
    options.add_file_options(parser)
    options.add_movie_options(parser)
    options.add_run_options(parser)


def run(args) -> int:
    """Train."""
    from ..config import N2VStemConfig

    movies = movie_files.read_movies(args)
    settings = options.parse_settings(args.set)
    if "channels" not in settings:
        settings["channels"] = channel_names(movies[0])
    if args.keep_rows:
        settings["n2v_level_rows"] = False
    if args.seed is not None:
        settings["train_seed"] = args.seed
    config = N2VStemConfig.preset(
        args.preset,
        pixel_size_nm=movies[0].pixel_size_nm,
        n_frames=max(movie.n_frames for movie in movies),
        **settings,
    ).check()
    name = args.name or movies[0].name.split(".")[0]
    for movie in movies:
        options.say(args, options.describe_movie(movie))
    if args.dry_run:
        return _dry_run(args, movies, config, name)

    import keras

    from ..model import N2VStem

    model = N2VStem(config, name, args.basedir, overwrite=args.overwrite)
    # a training that is refused leaves the options of the one before
    begins = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: _echo_run(model.logdir, args, name)
    )
    model.callbacks.append(begins)
    held = movie_files.read_movies(args, args.validation) if args.validation else None
    try:
        history = model.train(
            movies,
            validation_data=held,
            epochs=args.epochs,
            steps_per_epoch=args.steps_per_epoch,
            detectors=None if movies[0].detectors else config.channels,
            resume=not args.no_resume,
            transfer_from=args.transfer_from,
            strategy=args.strategy,
            verbose=not args.quiet,
        )
    except KeyboardInterrupt:
        options.show(
            f"\nStopped. {model.logdir} holds a usable model; the same command goes on where it "
            "stopped."
        )
        raise
    losses = history.history.get("val_loss") or history.history["loss"]
    best = min(v for v in losses if v is not None)
    options.say(args, f"Wrote {model.logdir} (best loss {best:.4f}).")
    options.say(
        args, f"Next: n2v-stem denoise {_as_said(args)} --model {model.logdir} --out denoised"
    )
    return 0


def _as_said(args) -> str:
    """Return the first movie as the command line named it."""
    if args.pair:
        return f"--pair '{args.pair}'"
    if args.movies:
        return str(args.movies[0])
    return "--detector-files " + " ".join(args.detector_files[0])


def channel_names(movie) -> list[str]:
    """Return the detector names of a new model: the movie's, or C0, C1, ..."""
    return list(movie.detectors or [f"C{i}" for i in range(movie.n_detectors)])


def _dry_run(args, movies, config, name):
    """Say what would be done and how long it would take, without a folder or a training."""
    import warnings

    from ..folder.folder import (
        WEIGHTS_BEST,
        WEIGHTS_LAST,
        check_erasable,
        check_name,
        is_model_of,
        read_config,
    )
    from ..model import N2VStem
    from ..network.unet import build_network
    from ..series import collect_series
    from ..training.choices import choose_preparation
    from ..training.plan import plan
    from ..training.run import weights_of

    names, folder = None if movies[0].detectors else config.channels, Path(args.basedir) / name
    check_name(name)
    N2VStem.check_train_arguments(args.epochs, args.steps_per_epoch)
    if args.overwrite:
        check_erasable(folder)
    learnt = args.transfer_from is not None
    if not args.overwrite and is_model_of(folder, config):
        config = config.chosen_as(read_config(folder))
        learnt |= any((folder / weights).exists() for weights in (WEIGHTS_BEST, WEIGHTS_LAST))
    config = choose_preparation(config, movies, detectors=names)
    series = collect_series(movies, config, detectors=names, fingerprint=True)
    held = movie_files.read_movies(args, args.validation) if args.validation else None
    held = collect_series(held, config, detectors=names, fingerprint=True)
    planned = plan(
        config,
        series,
        held,
        args.epochs,
        args.steps_per_epoch,
        folder=None if args.no_resume or args.overwrite else folder,
        from_scratch=not learnt,
    )
    for text in planned.warnings:
        warnings.warn(escaped(text), stacklevel=2)
    network = build_network(config)
    if args.transfer_from is not None:
        weights_of(args.transfer_from, network)
    options.show(
        f"Would train {folder}: {planned.describe()}, "
        f"{network.count_params():,} parameters, detectors "
        f"{', '.join(config.channels)}"
    )
    if planned.unfinished:
        state = planned.unfinished[0]
        done = state.epoch - state.first_epoch
        options.show(f"It would go on after {done} of {planned.epochs} epochs")
    options.show(f"All epochs take {planned.describe_time()}")
    return 0


def _echo_run(folder, args, name):
    """Write the options that were used into the model folder."""
    import yaml

    from ..atomic import write_text
    from ..folder.folder import RUN

    left_out = {"command", "parser", "run", "dry_run", "quiet", "overwrite"}
    values = {k: v for k, v in vars(args).items() if k not in left_out and v not in (None, False)}
    if args.set:
        values["set"] = options.parse_settings(args.set)
    text = yaml.safe_dump({**values, "name": name}, sort_keys=False)
    write_text(folder / RUN, f"# n2v-stem train --run {RUN}\n{text}")
