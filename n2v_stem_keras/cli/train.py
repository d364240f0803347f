"""Train a model on noisy movies."""

import argparse
from pathlib import Path

from ..counting import counted
from ..escaping import escaped
from . import movie_files, options

DESCRIPTION = """\
Train a model on noisy movies; nothing but the movies is needed.

The model is a folder, BASEDIR/NAME. Ctrl-C leaves a usable model; the same command again goes on
where it stopped. On a finished model it asks for --continue, or for another name.

example:
  n2v-stem train movie.tif --name au-graphene --preset laptop
"""

WENT_ON = "# This training went on from the weights of one with these options:"


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
    parser.add_argument(
        "--continue",
        action="store_true",
        help="train a finished model on from its weights; card and run.yaml say so",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a model of this name")
    options.add_file_options(parser)
    options.add_part_option(parser)
    options.add_strict_option(parser)
    options.add_movie_options(parser)
    options.add_run_options(parser)


def run(args) -> int:
    """Train."""
    from ..config import N2VStemConfig
    from ..folder.folder import check_name, check_trained
    from ..opening import find_folder, import_tensorflow

    options.check_counts(args, "epochs", "steps_per_epoch")
    movies = movie_files.read_movies(args)
    settings = options.parse_settings(args.set)
    if "channels" not in settings:
        settings["channels"] = channel_names(movies[0])
    if args.keep_rows:
        settings["n2v_level_rows"] = False
    if args.seed is not None:
        settings["train_seed"] = args.seed
    start = args.transfer_from
    if start:
        start = start if Path(start).exists() else find_folder(start)  # a ready-made one
        check_trained(Path(start))
        settings = {**_network_of(start), **settings}
    config = N2VStemConfig.preset(
        args.preset,
        pixel_size_nm=movies[0].pixel_size_nm,
        n_frames=max(movie.n_frames for movie in movies),
        **settings,
    ).check()
    name = args.name or movies[0].name.split(".")[0]
    check_name(name)
    for movie in movies:
        options.say(args, options.describe_movie(movie))
    held = movie_files.read_movies(args, args.validation) if args.validation else None
    folder = Path(args.basedir) / name
    _refuse_finished(args, folder, config)
    import_tensorflow()

    from ..training.devices import open_strategy
    from ..training.run import check_start

    devices = None if args.dry_run else open_strategy(args.strategy, config)
    planned = _plan(args, movies, held, config, folder)
    # all that would be refused is, before the folder of the model is touched
    check_start(planned, start)
    options.refuse_doubts(args, name, planned.warnings)
    if args.dry_run:
        return _describe(planned, folder)
    return _train(args, planned, folder, devices, start)


def _network_of(folder) -> dict:
    """Return the settings that make the network of a model, for one that starts from it."""
    from ..folder.folder import read_config

    config = read_config(Path(folder))
    return {name: getattr(config, name) for name in config.names() if name.startswith("unet_")}


def _refuse_finished(args, folder, config) -> None:
    """Ask what is meant where a model of this name is finished, or not there to go on with."""
    from ..folder.folder import FolderError, check_erasable, is_model_of
    from ..folder.record import read_record

    go_on = vars(args)["continue"]
    if args.overwrite:
        if go_on:
            raise options.UsageError("--continue and --overwrite exclude each other")
        check_erasable(folder)
        return
    runs = read_record(folder)["runs"] if is_model_of(folder, config) else []
    if runs and runs[-1]["finished"] and not go_on:
        n_epochs = runs[-1].get("first_epoch", 0) + runs[-1]["epochs"]
        raise FolderError(
            f"{folder}: this training is finished ({counted(n_epochs, 'epoch')}). Say "
            "--continue to train the model on from its weights, another --name for another model, "
            "or --overwrite to replace it"
        )
    if go_on and not runs:
        raise FolderError(f"{folder}: no model was trained there; --continue has nothing to go on")


def _plan(args, movies, held, config, folder):
    """Plan the training: on which frames, for how long, from where on."""
    from ..folder.folder import WEIGHTS_BEST, WEIGHTS_LAST, is_model_of, read_config
    from ..series import collect_series
    from ..training.choices import choose_preparation
    from ..training.plan import plan

    names = None if movies[0].detectors else config.channels
    learnt = args.transfer_from is not None
    if not args.overwrite and is_model_of(folder, config):
        config = config.chosen_as(read_config(folder))
        learnt |= any((folder / weights).exists() for weights in (WEIGHTS_BEST, WEIGHTS_LAST))
    config = choose_preparation(config, movies, detectors=names)
    read = {"detectors": names, "fingerprint": True, "verbose": not args.quiet}
    return plan(
        config,
        collect_series(movies, config, **read),
        collect_series(held, config, **read),
        args.epochs,
        args.steps_per_epoch,
        folder=None if args.no_resume or args.overwrite else folder,
        from_scratch=not learnt,
    )


def _describe(planned, folder) -> int:
    """Say what would be done and how long it would take, without a folder or a training."""
    import warnings

    from ..network.unet import build_network

    for text in planned.warnings:
        warnings.warn(escaped(text), stacklevel=2)
    options.show(
        f"Would train {folder}: {planned.describe()}, "
        f"{build_network(planned.config).count_params():,} parameters, detectors "
        f"{', '.join(planned.config.channels)}"
    )
    if planned.unfinished:
        state = planned.unfinished[0]
        done = state.epoch - state.first_epoch
        options.show(f"It would go on after {done} of {counted(planned.epochs, 'epoch')}")
    options.show(f"All epochs take {planned.describe_time()}")
    return 0


def _train(args, planned, folder, devices, start) -> int:
    """Carry out the plan."""
    import keras

    from ..model import N2VStem
    from ..training.run import run as carry_out

    model = N2VStem(planned.config, folder.name, folder.parent, overwrite=args.overwrite)
    # what is interrupted before its first step leaves the options of the training before
    begins = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: _echo_run(model, args, resumed=bool(planned.unfinished))
    )
    model.callbacks.append(begins)
    try:
        carry_out(model, planned, devices, transfer_from=start, verbose=not args.quiet)
    except KeyboardInterrupt:
        options.show(
            f"\nStopped. {model.logdir} holds a usable model; the same command goes on where it "
            "stopped."
        )
        raise
    history = model.history().history
    losses = history.get("val_loss") or history["loss"]
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


def _echo_run(model, args, resumed: bool):
    """Write the options that were used into the model folder, above those of the one before."""
    import yaml

    from ..atomic import write_text
    from ..folder.folder import RUN
    from ..folder.record import trainings

    left_out = {"command", "parser", "run", "dry_run", "quiet", "overwrite"}
    values = {k: v for k, v in vars(args).items() if k not in left_out and v not in (None, False)}
    if args.set:
        values["set"] = options.parse_settings(args.set)
    text = yaml.safe_dump({**values, "name": model.name}, sort_keys=False)
    file, before = model.logdir / RUN, ""
    if file.exists() and len(trainings(model.record)) > 1:
        before = file.read_text(encoding="utf-8").partition("\n")[2]
        if resumed:  # its own options stand there already
            before = "".join(before.partition(WENT_ON)[1:])
        else:
            before = f"{WENT_ON}\n" + "".join(f"# {line}\n" for line in before.splitlines())
    write_text(file, f"# n2v-stem train --run {RUN}\n{text}{before}")
