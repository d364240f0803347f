"""What the frames around are worth on real movies, scored by frames that no model has seen.

    N2V_STEM_DATA=... python benchmarks/real_movies.py
    python benchmarks/real_movies.py --table

Each model is trained on half of the data and denoises it; the other half scores. The preset with
and without `unet_context`, the best Gaussian and the raw frames, on:

amorphous carbon
    Eight TEM frames of one area, noise correlated along both axes. Models see every second frame;
    those between, one before (a) and one after (c) each, score by the mean of (f - a)(f - c), which
    is the squared error whatever their noise (arXiv 2210.05553). Both halves in turn.
nanoparticle
    Five frames of counted electrons, simulated elsewhere, 0.15 a pixel; columns change. Counts are
    halved at random (binomial thinning, arXiv 2301.07276), which gives two independent movies: one
    is denoised, the other scores by the squared difference less its own variance, its mean.

Intervals are 95 % of a bootstrap over blocks of 32x32 px, the same for all methods. Writes
real_movies.jsonl (the journal) and real_movies.md.
"""

import os
from pathlib import Path

import numpy as np
import trials

BORDER, BLOCK, N_BOOT = 16, 32, 1000
WIDTHS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # of the Gaussian [px]
WHATS = ("single", "context")


def data():
    """Return the folder of the development data."""
    return Path(os.environ["N2V_STEM_DATA"])


def carbon(half):
    """Return (movie to train on, functions that score its frames), by frame number."""
    frames = np.load(data() / "repeats/amorphous-C-TEM/frames.npy").astype(np.float32)
    seen = frames[half::2]
    score = {}
    for i in range(len(seen)):
        t = 2 * i + half
        if 0 < t < len(frames) - 1:
            a, c = frames[t - 1].astype(float), frames[t + 1].astype(float)
            # beam and camera are not steady: the same mean
            score[i] = lambda f, a=a, c=c: (f - a - (f - a).mean()) * (f - c - (f - c).mean())
    return seen[..., None], score, 0.1354


def nanoparticle(half):
    """Return the same of halved counts."""
    counts = np.load(data() / "bench/StatSTEM-series/series.npz")["counts"]
    one = np.random.default_rng(0).binomial(counts, 0.5)
    halves = one, counts - one
    seen, rest = halves[half].astype(np.float32), halves[1 - half].astype(float)
    score = {t: lambda f, r=r: (f - r) ** 2 - r for t, r in enumerate(rest)}
    return seen[..., None], score, 0.0125


SETS = {"amorphous carbon": (carbon, (0, 1)), "nanoparticle": (nanoparticle, (0,))}


def blocks(errors):
    """Mean of a map of errors over each block."""
    inner = errors[BORDER:-BORDER, BORDER:-BORDER]
    n_y, n_x = (n // BLOCK for n in inner.shape)
    inner = inner[: n_y * BLOCK, : n_x * BLOCK]
    return inner.reshape(n_y, BLOCK, n_x, BLOCK).mean((1, 3)).ravel()


def model_of(args, name, half, what, frames, size):
    """Train on frames (T, Y, X, 1), or open what was trained on them."""
    from n2v_stem_keras import Movie, N2VStem, N2VStemConfig

    movie = Movie.from_array(frames, "TYXC", detectors=("HAADF",), pixel_size_nm=size, name=name)
    tiny = trials.TINY if args.tiny else {}
    config = N2VStemConfig.preset(
        "laptop",
        channels=("HAADF",),
        pixel_size_nm=size,
        unet_context=what == "context",
        **tiny,
    )
    model = N2VStem(config, f"{name.replace(' ', '-')}-{half}-{what}", args.models)
    if not model.record["runs"] or not model.record["runs"][-1]["finished"]:
        model.train(movie)
        model = N2VStem(None, model.name, args.models)
    return model


def denoised_by(args, name, half, what, frames, size):
    """Train, and denoise the frames."""
    from n2v_stem_keras import Movie

    known = {"detectors": ("HAADF",), "pixel_size_nm": size, "name": name}
    movie = Movie.from_array(frames, "TYXC", **known)
    return model_of(args, name, half, what, frames, size).predict(movie)[..., 0]


def run(args, name, half, what):
    """Score one method: mean error of each block, over the scored frames."""
    from scipy.ndimage import gaussian_filter

    make, _ = SETS[name]
    movie, score, size = make(half)

    def scored(frames):
        return np.mean([blocks(score[t](frames[t].astype(float))) for t in score], axis=0)

    found = {}
    if what == "filters":
        raw = movie[..., 0]
        found["raw"] = scored(raw)
        for width in WIDTHS:
            found[f"Gaussian {width:g} px"] = scored([gaussian_filter(f, width) for f in raw])
    else:
        found[what] = scored(denoised_by(args, name, half, what, movie, size))
    errors = {key: [float(f"{v:.6g}") for v in values] for key, values in found.items()}
    return {"set": name, "half": half, "what": what, "errors": errors}


def table(rows):
    """Markdown: one line a method."""
    lines = [
        "| data | method | squared error | less than with each frame by itself |",
        "|---" * 4 + "|",
    ]
    for name in SETS:
        errors = {}
        for row in rows.values():
            if row["set"] == name:
                for key, values in row["errors"].items():
                    errors.setdefault(key, []).extend(values)
        if "single" not in errors:
            continue
        n = len(errors["single"])
        errors = {key: np.array(v) for key, v in errors.items() if len(v) == n}
        best = min((k for k in errors if k.startswith("Gaussian")), key=lambda k: errors[k].mean())
        picks = np.random.default_rng(0).integers(0, n, (N_BOOT, n))
        for key in ("raw", best, *(w for w in WHATS if w in errors)):
            low, high = np.percentile(errors[key][picks].mean(1), (2.5, 97.5))
            less = errors["single"] - errors[key]
            below, above = np.percentile(less[picks].mean(1), (2.5, 97.5))
            lines.append(
                f"| {name} | {key} | {errors[key].mean():.4g} ({low:.4g} to {high:.4g}) | "
                f"{less.mean():.3g} ({below:.3g} to {above:.3g}) |"
            )
    return "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("real-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    journal = trials.Journal(args.out / "real_movies.jsonl")
    wanted = [(s, h, w) for s, (_, halves) in SETS.items() for h in halves
              for w in (*WHATS, "filters")]  # fmt: skip
    for name, half, what in [] if args.table else args.mine(wanted):
        key = f"{name} | half {half} | {what}"
        journal.run(key, lambda trial=(name, half, what): run(args, *trial))
    trials.write(args.out / "real_movies.md", table(journal.rows()))


if __name__ == "__main__":
    main()
