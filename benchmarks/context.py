"""What the frames around each are worth: a model that sees them against one that does not.

    python benchmarks/context.py               # everything; goes on where it stopped
    python benchmarks/context.py --table       # the tables again from the journal

Trains `N2VStem` with ``preset("laptop")``, with and without `unet_context`, for the same number of
steps on 96 noisy frames of 256x256 px, 8 movies of 12, and scores both on these movies and on
movies never seen: the still lattice with moving adatoms, and ``hops=True``, where the specimen
drifts by 0-1 px a frame and adatoms hop. The model with context is also scored with the frames
before alone, as a stream sees them, and with none. The middle frames of longer and shorter movies
of the same kind give the curve over the number of frames. Writes context.jsonl (the
journal), context.md and context_short.md. Models stay in --models; `ghosts.py` uses them.
"""

import json
from pathlib import Path

import numpy as np
import trials

NUMBERS = (1, 4, 7, 10)  # frames of each movie that are scored
KINDS = {"still lattice": False, "hops and drift": True}
WHATS = {"single": {"unet_context": False}, "context": {"unet_context": True}}
CONTEXTS = ("both", "past", "none")
LENGTHS = (1, 2, 4, 8, 12, 48, 100)  # frames of the movies of the curve
CURVE_SEEDS = range(200, 204)
SEEDS = (0, 1, 2)


def movies_of(kind, seeds, n_frames, tiny=False):
    """Simulate movies of a kind."""
    from n2v_stem_keras.simulate import reference_movie

    options = {"shape": (64, 64), "n_frames": min(n_frames, 9)} if tiny else {"n_frames": n_frames}
    return [reference_movie(seed, hops=KINDS[kind], **options) for seed in seeds]


class Set:
    """Training and test movies of a kind, clean and noisy, at a noise level."""

    def __init__(self, kind, level, tiny=False):
        seeds = {w: list(s)[: 3 if tiny else None] for w, s in trials.SEEDS.items()}
        self.movies = {w: movies_of(kind, seeds[w], 12, tiny) for w in seeds}
        self.truth = {w: trials.clean(m) for w, m in self.movies.items()}
        self.noisy = {w: trials.white(t, level, w) for w, t in self.truth.items()}


def as_movie(frames, axes="STYXC"):
    """Wrap frames."""
    from n2v_stem_keras import Movie

    known = {"detectors": trials.DETECTORS, "pixel_size_nm": trials.PIXEL_NM, "name": "simulated"}
    return Movie.from_array(frames, axes, **known)


def name_of(kind, level, what, seed):
    """Name of a model's folder."""
    return f"{kind.replace(' ', '-')}-{level[0]}-{level[1]}dB-{what}-seed{seed}"


def trained(args, kind, level, what, seed, data=None):
    """Train a model, or open it where it is trained already; a broken-off training goes on."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    changes = trials.TINY if args.tiny else {}
    config = N2VStemConfig.preset("laptop", train_seed=seed, **WHATS[what], **changes)
    model = N2VStem(config, name_of(kind, level, what, seed), args.models)
    record = model.logdir / "training.json"
    runs = json.loads(record.read_text(encoding="utf-8"))["runs"] if record.exists() else []
    if not (runs and runs[-1]["finished"]):
        data = data or Set(kind, level, args.tiny)
        model.train(as_movie(data.noisy["training"]))
        model = N2VStem(None, model.name, args.models)
    return model


def run(args, kind, level, what, seed):
    """Train and score one model."""
    data = Set(kind, level, args.tiny)
    model = trained(args, kind, level, what, seed, data)
    last = json.loads((model.logdir / "training.json").read_text(encoding="utf-8"))["runs"][-1]
    found = {key: last[key] for key in ("seconds", "best", "early_epochs")}
    for context in CONTEXTS if what == "context" else ("none",):

        def denoise(movie, numbers, tta, context=context):
            return model.predict(as_movie(movie, "TYXC"), context=context)[list(numbers)]

        for which in data.truth:
            scored = trials.score(
                denoise, data.truth[which], data.noisy[which], NUMBERS, variants=False
            )
            found[f"{which}, {context}"] = scored
    return {"kind": kind, "level": level, "what": what, "seed": seed, **found}


def curve(args, kind, level, n_frames):
    """Score the middle frame of movies of a number of frames by the first seed's models."""
    from n2v_stem_keras.metrics import psnr
    from n2v_stem_keras.noise import add_white_noise

    movies = movies_of(kind, CURVE_SEEDS, n_frames, args.tiny)
    found = {}
    for what in WHATS:
        model, scores = trained(args, kind, level, what, 0), []
        for i, movie in enumerate(movies):
            noisy = add_white_noise(movie.clean, level, seed=[9, i])
            middle = len(noisy) // 2
            _, denoised = next(model.predict_frames(as_movie(noisy, "TYXC"), start=middle))
            scores.append(psnr(movie.clean[middle][None], denoised[None].astype(float))[0].tolist())
        found[what] = scores
    return {"kind": kind, "level": level, "n_frames": n_frames, **found}


def plan(args):
    """Every trial: key -> function."""
    levels = trials.LEVELS[2:] if args.tiny else trials.LEVELS[::-1]
    found = {}
    for seed in SEEDS[: 1 if args.tiny else None]:
        for kind in reversed(KINDS):
            for level in levels:
                for what in WHATS:
                    trial = (kind, level, what, seed)
                    found[key_of(*trial)] = lambda trial=trial: run(args, *trial)
        if seed:
            continue
        for kind in KINDS:
            for n_frames in LENGTHS[:3] if args.tiny else LENGTHS:
                trial = (kind, levels[0], n_frames)
                key = f"{kind} | {levels[0][0]}/{levels[0][1]} dB | {n_frames} frames"
                found[key] = lambda trial=trial: curve(args, *trial)
    return found


def key_of(kind, level, what, seed):
    """Key of a trial in the journal."""
    return f"{kind} | {level[0]}/{level[1]} dB | {what} | seed {seed}"


# -- tables ---------------------------------------------------------------------------------------
def pair(values, form="{:.2f}"):
    """Write ADF / BF."""
    return " / ".join(form.format(v) for v in values)


def mean(row, which, metric="psnr"):
    """Mean over movies of a row, ADF and BF."""
    return np.mean(row[which][metric], axis=0) if which in row else None


def tables(rows):
    """Markdown: gains by kind and level, and the curve."""
    text = []
    for which, words in (("training", "the noisy training movies"), ("test", "movies never seen")):
        lines = [
            "| kind | noise | seeds | single frames | both sides | gain | worst seed | past | none "
            "| SSIM single | SSIM both sides | contrast both sides |",
            "|---" * 12 + "|",
        ]
        for kind in KINDS:
            for level in trials.LEVELS:
                lines += _line(rows, which, kind, level)
        text.append(f"## Scored on {words}, PSNR ADF / BF [dB]\n\n" + "\n".join(lines))
    lines = ["| kind | frames | single frames | with context |", "|---" * 4 + "|"]
    curves = [row for row in rows.values() if "n_frames" in row]
    for row in curves:
        cells = [row["kind"], str(row["n_frames"])]
        cells += [pair(np.mean(row[what], axis=0)) for what in WHATS]
        lines.append("| " + " | ".join(cells) + " |")
    if curves:
        title = "## The middle frame of movies of other lengths, 7/6 dB"
        text.append(title + "\n\n" + "\n".join(lines))
    return "\n\n".join(text)


def short_table(rows):
    """Markdown: the same on the training movies, for the README."""
    lines = [
        "| noise | each frame by itself | with the frames around | with those before |",
        "|---" * 4 + "|",
    ]
    kind = "hops and drift"
    for level in trials.LEVELS:
        by = {w: rows.get(key_of(kind, level, w, 0)) for w in WHATS}
        if not all(by.values()):
            continue
        cells = [f"{level[0]}/{level[1]} dB"]
        for what, seen in (("single", "none"), ("context", "both"), ("context", "past")):
            cells.append(pair(mean(by[what], f"training, {seen}"), "{:.1f}"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _line(rows, which, kind, level):
    by = {w: [rows.get(key_of(kind, level, w, s)) for s in SEEDS] for w in WHATS}
    both = [(s, c) for s, c in zip(by["single"], by["context"]) if s and c]
    if not both:
        return []
    gains = [mean(c, f"{which}, both") - mean(s, f"{which}, none") for s, c in both]
    cells = [kind, f"{level[0]}/{level[1]} dB", str(len(both))]
    cells.append(pair(np.mean([mean(s, f"{which}, none") for s, _ in both], axis=0)))
    cells.append(pair(np.mean([mean(c, f"{which}, both") for _, c in both], axis=0)))
    cells.append(pair(np.mean(gains, axis=0), "{:+.2f}"))
    cells.append(pair(np.min(gains, axis=0), "{:+.2f}"))
    for context in ("past", "none"):
        cells.append(pair(np.mean([mean(c, f"{which}, {context}") for _, c in both], axis=0)))
    for i, metric in ((0, "ssim"), (1, "ssim"), (1, "contrast")):
        seen = f"{which}, {('none', 'both')[i]}"
        cells.append(pair(np.mean([mean(b[i], seen, metric) for b in both], axis=0)))
    return ["| " + " | ".join(cells) + " |"]


def main():
    """Run what is missing, then write the tables."""
    only = {"default": "", "help": "only trials whose key contains this"}
    models = {"type": Path, "default": Path("context-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, only=only, models=models)
    journal = trials.Journal(args.out / "context.jsonl")
    if not args.table:
        wanted = {key: trial for key, trial in plan(args).items() if args.only in key}
        for key in args.mine(wanted):
            journal.run(key, wanted[key])
    trials.write(args.out / "context.md", tables(journal.rows()))
    trials.write(args.out / "context_short.md", short_table(journal.rows()))


if __name__ == "__main__":
    main()
