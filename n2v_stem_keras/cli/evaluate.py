"""Score models and classical methods against the truth."""

import argparse
import difflib
import re
from pathlib import Path

from ..atoms import sign_of
from . import options
from .evaluation_movies import DEFAULT_PSNR, gather

DESCRIPTION = """\
Score models and classical methods on movies whose truth is known: PSNR, SSIM, N-RMSE, fluence gain
and time per frame, by detector and noise level, mean and standard error over movies. Prints a table
and writes evaluation.csv, evaluation.json, evaluation.png and, for each noise level,
evaluation_frames_<level>.png, a frame of the first movie as each method left it.

The movies are
  --reference N         the package's own (the default, N = 4), with noise added;
  --simulated DIR       those of 'n2v-stem simulate DIR', with their noisy files, or noise added;
  --truth ... --noisy   files, paired in their order; without --noisy, noise is added;
  --repeats MOVIE       a real movie without truth: every second frame is denoised, and scored by
                        the frames before and after it, beside the best Gaussian. Prints the error
                        and a 95 % interval, writes repeats.csv and repeats.json.

Classical methods are tuned on the truth, which takes most of the time: minutes for each movie and
level with BM3D, an hour or so for 8 reference movies at three levels on two CPU cores.
--methods none scores models only.

examples:
  n2v-stem evaluate models/au-graphene --reference 4 --psnr 10,10
  n2v-stem evaluate models/a models/b --simulated movies --methods gaussian,tv
  n2v-stem evaluate models/a --truth clean.ome.tif --noisy noisy.ome.tif
  n2v-stem evaluate models/a --repeats movie.dm4
"""

DEFAULT_METHODS = "gaussian,tv,bm3d,temporal"
OUTPUTS = ("evaluation.csv", "evaluation.json")
PICTURE, FRAMES = "evaluation", "evaluation_frames"
REPEATS_OUTPUTS = ("repeats.csv", "repeats.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="model folders, or names of ready-made models"
    )
    group = parser.add_argument_group("movies")
    group.add_argument("--truth", nargs="+", metavar="MOVIE", help="noise-free movies")
    group.add_argument("--noisy", nargs="+", metavar="MOVIE", help="noisy ones, in the same order")
    group.add_argument(
        "--positions", nargs="+", metavar="CSV", help="adatoms of each movie: frame, y, x [px]"
    )
    group.add_argument("--repeats", metavar="MOVIE", help="a movie without truth")
    group.add_argument("--simulated", metavar="DIR", help="a folder of n2v-stem simulate")
    group.add_argument("--reference", type=int, metavar="N", help="N reference movies")
    group.add_argument(
        "--psnr",
        action="append",
        metavar="A,B",
        help="add white noise at this PSNR [dB], one for all detectors or one each; may be "
        f"repeated (default where there are no noisy movies: {' '.join(DEFAULT_PSNR)})",
    )
    group.add_argument(
        "--gain",
        metavar="A,B",
        help="what one electron adds to the reading, one for all detectors or one each; the method "
        "anscombe_bm3d needs it (known for the doses of n2v-stem simulate)",
    )
    parser.add_argument(
        "--methods",
        default=DEFAULT_METHODS,
        metavar="A,B",
        help="classical methods, or none (default: %(default)s)",
    )
    parser.add_argument(
        "--tune-per",
        choices=("movie", "level"),
        default="movie",
        help="tune classical methods on each movie, or, many times quicker, once a noise level on "
        "a frame of each movie (default: %(default)s)",
    )
    parser.add_argument(
        "--out", default="evaluation", metavar="DIR", help="where to write (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of added noise (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation")
    options.add_picture_options(parser)
    options.add_movie_options(parser)
    options.add_run_options(parser)


def run(args) -> int:
    """Evaluate."""
    from ..opening import find_folder

    methods, out = checked_methods(args.methods), Path(args.out)
    if args.seed < 0:
        raise options.UsageError(f"--seed {args.seed}: expected 0 or more")
    picture = f"{PICTURE}.{args.picture_format}"
    outputs = REPEATS_OUTPUTS if args.repeats else (*OUTPUTS, picture)
    _refuse_existing(out, outputs, args.overwrite)
    folders = dict(zip(model_labels(args.models), map(find_folder, args.models)))
    if args.repeats:
        return _repeats(args, folders, out)
    movies = gather(args, list(folders.values()))
    if args.dry_run:
        options.show(_announce(movies, folders, methods, out))
        return 0
    shown = Shown(movies, args.frame, options.parse_crop(args.crop))
    out.mkdir(parents=True, exist_ok=True)
    evaluation = _evaluate(args, movies, folders, methods, shown)
    _write(evaluation, out / picture)
    frames = shown.draw(out, args.picture_format)
    if args.json:
        options.show((out / "evaluation.json").read_text(encoding="utf-8").rstrip("\n"), lines=True)
    else:
        options.say(args, evaluation.table(), lines=True)
        options.say(args, f"\nWrote {', '.join([*outputs, *frames])} into {out}")
    return 0


def _refuse_existing(out, names, overwrite):
    there = [name for name in names if (out / name).exists()]
    if there and not overwrite:
        raise options.UsageError(
            f"{out / there[0]} exists; use --overwrite to replace it, or another --out"
        )


def _repeats(args, folders, out):
    """Score models on a movie without truth."""
    from functools import partial

    from ..evaluation.repeats import score_repeats
    from ..folder.folder import read_config
    from ..io import read_movie
    from ..series import SelectedDetectors, detector_order

    others = ("truth", "noisy", "positions", "simulated", "reference", "psnr", "gain")
    given = [name for name in others if getattr(args, name)]
    if given:
        raise options.UsageError(f"--repeats needs no truth; leave --{given[0]} away")
    if args.crop or args.frame is not None:
        raise options.UsageError("--repeats draws no picture; leave --crop and --frame away")
    movie = read_movie(args.repeats, **options.movie_options(args))
    names = tuple(movie.detectors or [f"C{i}" for i in range(movie.n_detectors)])
    for folder in folders.values():
        channels = read_config(folder).channels
        order = detector_order(movie, channels)
        if folder is next(iter(folders.values())):
            names, first = channels, order
        elif set(channels) != set(names):
            raise options.UsageError("the models have different detectors; score them one by one")
    if movie.n_series > 1:
        raise options.UsageError(
            f"{args.repeats}: holds {movie.n_series} movies; name one, or say --axes TYX if they "
            "are frames of one area"
        )
    frames = next(iter(movie.series()))
    if folders:
        frames = SelectedDetectors(frames, first)
    if args.dry_run:
        options.show(
            f"Would score {', '.join(folders) or 'Gaussians'} on {args.repeats}, into {out}"
        )
        return 0
    known = {"axes": "TYXC", "detectors": names, "pixel_size_nm": movie.pixel_size_nm}
    known["verbose"] = not args.quiet
    models = {label: options.open_model(name) for label, name in zip(folders, args.models)}
    methods = {label: partial(_denoise, model, known) for label, model in models.items()}
    found = score_repeats(frames, names, methods, args.seed)
    out.mkdir(parents=True, exist_ok=True)
    paths = found.write(out)
    if args.json:
        options.show(paths[1].read_text(encoding="utf-8").rstrip("\n"), lines=True)
    else:
        options.say(args, found, lines=True)
        options.say(args, f"\nWrote {paths[0].name}, {paths[1].name} into {out}")
    return 0


def _denoise(model, known, frames):
    """Denoise with the detectors in the order given."""
    return model.predict(frames, **known)


def checked_methods(text) -> list[str]:
    """Return the names in 'gaussian,tv'; none for 'none'."""
    from ..baselines import METHODS

    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if names == ["none"]:
        return []
    for name in names:
        if name not in METHODS:
            near = difflib.get_close_matches(name, METHODS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(METHODS)}"
            raise options.UsageError(f"--methods {text}: unknown method {name!r}; {hint}")
    return list(dict.fromkeys(names))


def model_labels(models) -> list[str]:
    """Return the models' names, or as they were given where two have the same."""
    names = [Path(model).resolve().name for model in models]
    labels = [
        name if names.count(name) == 1 else model for name, model in zip(names, models, strict=True)
    ]
    if len(set(labels)) < len(labels):
        raise options.UsageError(f"a model is given twice: {', '.join(models)}")
    return labels


def _announce(movies, folders, methods, out):
    """Say what would be done, after checking that the models know the detectors."""
    from ..evaluation.contenders import level_label, places
    from ..folder.folder import read_config

    for folder in folders.values():
        places(movies.detectors, read_config(folder).channels)
    levels = [level_label(level, len(movies.detectors)) for level in movies.levels]
    scored = [*methods, *folders]
    return (
        f"Would score {', '.join(scored) or 'the noisy frames only'} on {movies.described} "
        f"({', '.join(movies.detectors)}) at {', '.join(levels)}, into {out}"
    )


def _evaluate(args, movies, folders, methods, shown):
    """Open the models and score everything."""
    import dataclasses

    from ..evaluation.evaluate import evaluate

    models = {}
    if folders:
        models = {label: options.open_model(name) for label, name in zip(folders, args.models)}
    progress = StepProgress(not args.quiet)
    try:
        evaluation = evaluate(
            movies.clean,
            movies.detectors,
            movies.pixel_size_nm,
            noisy=movies.noisy,
            psnr_db=movies.psnr_db,
            models=models,
            methods=methods,
            positions=movies.positions,
            gain=movies.gain,
            tune_per=args.tune_per,
            seed=args.seed,
            progress=progress,
            look=shown,
        )
    finally:
        progress.close()
    return dataclasses.replace(
        evaluation, notes=(f"movies: {movies.described}.", *evaluation.notes)
    )


def _write(evaluation, picture):
    """Write table, numbers and figure, each whole or not at all."""
    from ..plot import scores

    evaluation.to_csv(picture.with_name("evaluation.csv"))
    evaluation.to_json(picture.with_name("evaluation.json"))
    scores.draw(picture, evaluation.rows(), caption=evaluation.heading())


class Shown:
    """What each method makes of one frame of the first movie, for a picture of each noise level.

    Parameters
    ----------
    movies : evaluation_movies.Movies
    frame : int or None
        Its number; None for the one in the middle.
    crop : (slice, slice) or None
        The part that is shown; None for the one that tells most.
    """

    def __init__(self, movies, frame, crop):
        first = movies.clean[0]
        n_frames, shape = len(first), first[0].shape[:2]
        self.frame = n_frames // 2 if frame is None else frame
        if not 0 <= self.frame < n_frames:
            raise options.UsageError(
                f"--frame {frame}: the first movie has frames 0 to {n_frames - 1}"
            )
        self.crop = options.crop_of(crop, shape, "the first movie")
        self.movies, self.levels = movies, {}

    def __call__(self, level, m, label, frames, order):
        """Keep the frame of a method, as `evaluation.evaluate` hands it over."""
        if m == 0:
            kept = self.levels.setdefault(level, {})
            kept[label] = {c: frames[self.frame, ..., i].copy() for i, c in enumerate(order)}

    def draw(self, out, kind) -> list[str]:
        """Write a picture of each noise level; return the names of the files."""
        from ..evaluation.contenders import BLANK
        from ..metrics import telling_window
        from ..plot import before_after
        from .denoise_pictures import SHOWN_PX

        names, written = self.movies.detectors, []
        for level, kept in self.levels.items():
            truth = kept.pop("truth")
            kept.pop(BLANK, None)
            size = self.movies.pixel_size_nm
            window = self.crop or telling_window(truth[0], SHOWN_PX, size)[0]
            rows = []
            for c, name in enumerate(names):
                images = {label: by[c] for label, by in kept.items() if c in by}
                images["truth"] = truth[c]
                panels = [(label, image[window]) for label, image in images.items()]
                rows.append({"name": name, "panels": panels, "sqrt": sign_of(name) > 0})
            written.append(f"{FRAMES}_{re.sub(r'[^0-9a-zA-Z.]+', '-', level)}.{kind}")
            title = f"{level}, frame {self.frame} of the first movie"
            before_after(out / written[-1], rows, size, title)
        return written


class StepProgress:
    """Show how far `evaluation.evaluate.evaluate` has come, as `progress.FrameProgress` does."""

    def __init__(self, show):
        self.show, self._line = show, None

    def __call__(self, done, total, what):
        """Count the steps done and name the next."""
        from ..progress import FrameProgress

        if self._line is None:
            self._line = FrameProgress("Evaluating", total, self.show, unit="step")
        self._line.what = f"Evaluating {what}" if what else "Evaluating"
        while self._line.done < done:
            self._line.step()

    def close(self):
        """Clear the line."""
        if self._line:
            self._line.close()
