"""Train on a movie with known truth, denoise it, compare."""

import argparse
import time
from pathlib import Path

from ..counting import counted
from . import options

DESCRIPTION = """\
The main job from end to end, in under five minutes on two CPU cores: make a movie of gold atoms on
graphene with known truth (ADF and BF), add noise, train on the noisy frames alone, denoise them,
compare with classical filters, and write everything into one folder.
"""

PSNR_DB = {"ADF": 10.0, "BF": 10.0}  # A/sigma of a lone atom about 3 in ADF, as in experiments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--out", default="n2v-stem-demo", metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--tiny", action="store_true", help="seconds instead of minutes, to test an installation"
    )
    parser.add_argument("--quiet", action="store_true", help="print the result only")


def run(args) -> int:
    """Run the demo."""
    out = Path(args.out)
    if (out / "demo_noisy.ome.tif").exists():
        raise options.UsageError(f"{out} holds an earlier demo; remove it or choose another --out")
    from ..opening import import_tensorflow

    import_tensorflow()
    from ..config import N2VStemConfig
    from ..io import write_movie
    from ..model import N2VStem

    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    clean, noisy, options_of_movie = make_movies(args)
    for name, frames in (("clean", clean), ("noisy", noisy)):
        write_movie(out / f"demo_{name}.ome.tif", as_movie(frames, options_of_movie))
    options.say(
        args,
        f"Made {counted(noisy.shape[0], 'movie')} of {counted(noisy.shape[1], 'frame')} in {out}",
    )

    config = N2VStemConfig.preset("laptop", train_seed=args.seed, **DEMO_CHANGES)
    if args.tiny:
        config = config.replace(train_epochs=1, train_steps_per_epoch=5, unet_n_first=4)
    model = N2VStem(config, "demo-model", out)
    noisy_movie = as_movie(noisy, options_of_movie)
    model.train(noisy_movie, verbose=not args.quiet)
    denoised = model.predict(noisy_movie, verbose=not args.quiet)
    write_movie(out / "demo_denoised.ome.tif", as_movie(denoised, options_of_movie))
    options.show(compare(out, clean, noisy, denoised, options_of_movie), lines=True)
    options.say(args, f"Everything is in {out}. Total {time.monotonic() - began:.0f} s.")
    return 0


# chosen so that the whole demo stays under five minutes on two cores
DEMO_CHANGES = {"train_epochs": 8}


def make_movies(args):
    """Return clean and noisy movies, (S, T, Y, X, C), and what `io.Movie` needs to know."""
    import numpy as np

    from ..noise import add_white_noise
    from ..simulate import reference_movie

    n_movies, n_frames, side = (2, 5, 64) if args.tiny else (4, 12, 256)
    movies = [
        reference_movie(args.seed * 1000 + i, shape=(side, side), n_frames=n_frames)
        for i in range(n_movies)
    ]
    detectors = movies[0].detectors
    psnr = [PSNR_DB[name] for name in detectors]
    noisy = [
        add_white_noise(movie.clean, psnr, seed=[args.seed, i]) for i, movie in enumerate(movies)
    ]
    described = {"detectors": detectors, "pixel_size_nm": movies[0].pixel_size_nm}
    return np.stack([m.clean for m in movies]), np.stack(noisy), described


def as_movie(frames, described):
    """Wrap an array as a movie."""
    from ..io import Movie

    return Movie.from_array(frames, "STYXC", name="demo", **described)


def compare(out, clean, noisy, denoised, described) -> str:
    """Score noisy, Gaussian, TV and Noise2Void; draw the picture; return the table."""
    from ..atoms import sign_of
    from ..baselines import tune
    from ..metrics import score, telling_window
    from ..plot import before_after
    from .denoise_pictures import SHOWN_PX

    movie, frame = 0, clean.shape[1] // 2
    truth, raw = clean[movie, frame], noisy[movie, frame]
    detectors = described["detectors"]
    panels = {"noisy": raw}
    for label, method in (("Gaussian", "gaussian"), ("TV", "tv")):
        panels[label], _ = tune(method, raw, truth)
    panels["Noise2Void"] = denoised[movie, frame]
    panels["truth"] = truth
    scores = {
        label: score(truth[None], image[None], detectors)
        for label, image in panels.items()
        if label != "truth"
    }
    window, _ = telling_window(truth[..., 0], SHOWN_PX, described["pixel_size_nm"])
    rows = []
    for c, name in enumerate(detectors):
        shown = [
            (label, image[window][..., c], f"{scores[label][name]['psnr'][0]:.1f} dB")
            if label in scores
            else (label, image[window][..., c])
            for label, image in panels.items()
        ]
        rows.append({"name": name, "panels": shown, "sqrt": sign_of(name) > 0})
    before_after(
        out / "demo.png",
        rows,
        pixel_size_nm=described["pixel_size_nm"],
        title="Simulated Au adatoms on graphene",
    )
    head = "one frame     " + "".join(f"{f'{d} PSNR [dB]':>16}{f'{d} SSIM':>10}" for d in detectors)
    lines = [head]
    for label, by_detector in scores.items():
        line = f"{label:<14}"
        for name in detectors:
            values = by_detector[name]
            line += f"{values['psnr'].mean():>16.1f}{values['ssim'].mean():>10.2f}"
        lines.append(line)
    lines.append(
        "Gaussian and TV were tuned on the truth of this very frame; Noise2Void never saw it."
    )
    return "\n".join(lines)
