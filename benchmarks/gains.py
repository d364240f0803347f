"""What the laptop preset reaches: above tuned BM3D, below clean targets, over seeds, elsewhere.

    python benchmarks/gains.py                 # everything; goes on where it stopped
    python benchmarks/gains.py --table         # the table again from the journal
    python benchmarks/gains.py --epochs 30 --models gains-models-30    # twice the steps

Trains `N2VStem` with ``preset("laptop")``, each frame by itself (``unet_context=False``), on 96
noisy frames of 256x256 px and scores it on these very frames (that is how users denoise) and on
movies it never saw: the reference movies, with three seeds, and structures that the recipe was not
tuned on, at the same absolute noise. Beside it, on the same frames: BM3D tuned on their truth (one
strength a noise level and detector), and the same network trained with clean targets at every pixel
for the same number of steps, and the preset with the other choice of first epochs: with
`n2v_early_pitch` where the preset leaves it out, and without where it uses it. Writes gains.jsonl
(the journal), gains.md and gains_short.md; with another number of steps than the preset's, e.g.,
gains_3000_steps.jsonl and gains_3000_steps.md.
"""

import json
from pathlib import Path

import numpy as np
import trials

NUMBERS = (1, 7)  # frames of each movie that are scored
OTHERWISE = "blind, the other way"
WORDS = {"training": "the noisy training frames", "test": "movies it never saw"}


class Set:
    """Training and test movies of a structure, clean and noisy, at a noise level."""

    def __init__(self, structure, level, tiny):
        self.movies = {w: trials.structures(structure, w, tiny) for w in trials.SEEDS}
        self.truth = {w: trials.clean(m) for w, m in self.movies.items()}
        if structure == "reference":
            self.noisy = {w: trials.white(t, level, w) for w, t in self.truth.items()}
        else:
            sigma = trials.reference_sigma(level, tiny)
            self.noisy = {w: trials.white_sigma(t, sigma, w) for w, t in self.truth.items()}

    def snr(self):
        """A/sigma of a lone adatom on the training movies, per detector."""
        from n2v_stem_keras.metrics import psnr

        heights = [m.lone_adatom_height() for m in self.movies["training"]]
        truth, noisy = self.truth["training"], self.noisy["training"]
        # height over range, times range over sigma
        return (np.nanmean(heights, axis=0) * 10 ** (psnr(truth, noisy).mean((0, 1)) / 20)).tolist()

    def psnr_in(self):
        """PSNR of the noisy training frames, per detector [dB]."""
        from n2v_stem_keras.metrics import psnr

        return psnr(self.truth["training"], self.noisy["training"]).mean((0, 1)).tolist()

    def scores(self, denoise):
        """Score a denoiser on both sets."""
        return {
            w: trials.score(denoise, self.truth[w], self.noisy[w], NUMBERS, variants=False)
            for w in self.truth
        }


def changes_of(args):
    """Return what differs from the preset."""
    if args.tiny:
        return {**trials.SINGLE, **trials.TINY}
    return {**trials.SINGLE, **({"train_epochs": args.epochs} if args.epochs else {})}


def blind(data, args, name, seed, **others):
    """Train the preset, with other changes, as a user does, and score it."""
    from n2v_stem_keras import Movie, N2VStem, N2VStemConfig

    changes = {**changes_of(args), **others}
    config = N2VStemConfig.preset("laptop", train_seed=seed, **changes)
    model = N2VStem(config, name.replace(" ", "-").replace("/", "-"), args.models)
    record = model.logdir / "training.json"
    runs = json.loads(record.read_text(encoding="utf-8"))["runs"] if record.exists() else []
    if not (runs and runs[-1]["finished"]):
        model.train(as_movie(Movie, data.noisy["training"]))
        model = N2VStem(None, model.name, args.models)
    run = json.loads(record.read_text(encoding="utf-8"))["runs"][-1]

    def denoise(movie, numbers, tta):
        movie = Movie.from_array(
            movie, "TYXC", detectors=trials.DETECTORS, pixel_size_nm=trials.PIXEL_NM, name="scored"
        )
        return model.predict(movie, tta=tta)[list(numbers)]

    found = {name: run[name] for name in ("seconds", "best", "early_epochs")}
    return {**found, **data.scores(denoise)}


def the_other_way(data, args, name, seed):
    """As `blind`, with a denser grid first where the preset has none, and without where it has."""
    from n2v_stem_keras import N2VStemConfig
    from n2v_stem_keras.training import data as training_data

    config = N2VStemConfig.preset("laptop", **changes_of(args))
    early = trials.early_epochs_of(config, data.noisy["training"])
    name = f"{name}-otherwise"
    if early:
        return blind(data, args, name, seed, n2v_early_pitch=None)
    before, training_data.EARLY_SIGNAL = training_data.EARLY_SIGNAL, 0.0
    try:
        return blind(data, args, name, seed)
    finally:
        training_data.EARLY_SIGNAL = before


def as_movie(cls, frames):
    """Wrap (S, T, Y, X, C)."""
    return cls.from_array(
        frames,
        "STYXC",
        detectors=trials.DETECTORS,
        pixel_size_nm=trials.PIXEL_NM,
        name="simulated",
    )


def with_truth(data, args, seed):
    """Train the same network on the same noisy frames, as long, with clean targets."""
    from n2v_stem_keras import N2VStemConfig

    changes = changes_of(args)
    config = N2VStemConfig.preset("laptop", train_seed=seed, **changes)
    steps = config.train_epochs * config.train_steps_per_epoch
    trained = trials.train(config, data.noisy["training"], steps, targets=data.truth["training"])
    return {"seconds": round(trained.seconds, 1), "steps": steps, **data.scores(trained)}


def bm3d(data):
    """Score BM3D, tuned on the frames scored."""
    found = {"strength": {}}
    for which, truth in data.truth.items():
        noisy = data.noisy[which]
        denoised, found["strength"][which] = trials.tuned_bm3d(truth, noisy, NUMBERS)
        found[which] = trials.score(trials.given(denoised), truth, noisy, NUMBERS, variants=False)
    return found


def blank(data):
    """Score the mean of each true frame, which tells what a PSNR is worth."""
    found = {}
    for which, truth in data.truth.items():
        frames = truth[:, list(NUMBERS)]
        means = np.broadcast_to(frames.mean((2, 3), keepdims=True), frames.shape)
        found[which] = trials.plain_psnr(trials.given(means), truth, data.noisy[which], NUMBERS)
    return found


def plan(tiny):
    """Every trial: (structure, level, what, seed)."""
    levels = trials.LEVELS[1:2] if tiny else trials.LEVELS
    structures = ["reference", *list(trials.STRUCTURES)[: 1 if tiny else None]]
    seeds = () if tiny else (1, 2)
    wanted = []
    for structure in structures:
        several = levels if structure == "reference" else trials.LEVELS[1:2]
        wanted += [(structure, level, "blind", 0) for level in levels]
        wanted += [(structure, level, "clean", 0) for level in several]
        wanted += [(structure, level, OTHERWISE, 0) for level in several]
        wanted += [(structure, level, what, 0) for level in levels for what in ("blank", "bm3d")]
        wanted += [(structure, level, "blind", seed) for seed in seeds for level in several]
    return wanted


def key_of(structure, level, what, seed):
    """Key of a trial in the journal."""
    return f"{structure} | {level[0]}/{level[1]} dB | {what} | seed {seed}"


def run(args, structure, level, what, seed):
    """Run one trial."""
    data = Set(structure, level, args.tiny)
    name = f"{structure}-{level[0]}-{level[1]}dB-seed{seed}"
    found = {
        "blank": lambda: blank(data),
        "blind": lambda: blind(data, args, name, seed),
        OTHERWISE: lambda: the_other_way(data, args, name, seed),
        "clean": lambda: with_truth(data, args, seed),
        "bm3d": lambda: bm3d(data),
    }[what]()
    return {
        "structure": structure,
        "level": level,
        "what": what,
        "seed": seed,
        "snr": data.snr(),
        "psnr_in": data.psnr_in(),
        **found,
    }


# -- table ----------------------------------------------------------------------------------------


def table(rows):
    """Markdown: PSNR of every contestant, and what is asked of it."""
    text = []
    for which, words in WORDS.items():
        lines = [
            "| structure | noise | A/sigma | mean of the frame | BM3D | blind | above BM3D | "
            "clean targets | gap to them | spread over three seeds | minutes | "
            "a denser grid first | with the other choice |",
            "|---" * 13 + "|",
        ]
        for (structure, level), found in grouped(rows).items():
            value, spread = summary(found, which)
            cells = [structure, f"{level[0]}/{level[1]} dB", _pair(found[0]["snr"], "{:.1f}")]
            cells += [_with_se(value.get(w)) for w in ("blank", "bm3d", "blind")]
            cells.append(_difference(value.get("blind"), value.get("bm3d")))
            cells.append(_with_se(value.get("clean")))
            cells.append(_difference(value.get("clean"), value.get("blind")))
            cells.append("-" if spread is None else _pair(spread))
            minutes = [r["seconds"] / 60 for r in found if r["what"] == "blind"]
            cells.append(f"{min(minutes):.1f}" if minutes else "-")
            early = [r["early_epochs"] for r in found if r["what"] == "blind"]
            cells.append("-" if not early else "yes" if early[0] else "no")
            cells.append(_with_se(value.get(OTHERWISE)))
            lines.append("| " + " | ".join(cells) + " |")
        text.append(f"## Scored on {words}\n\n" + "\n".join(lines))
    return "\n\n".join(text)


def short_table(rows):
    """Markdown: the same on the training frames, for the README."""
    lines = [
        "| structure | noise | A/sigma | mean of the frame | BM3D | Noise2Void | clean targets | "
        "worst and best seed |",
        "|---" * 8 + "|",
    ]
    for (structure, level), found in grouped(rows).items():
        by, _ = summary(found, "training")
        cells = [structure, f"{level[0]}/{level[1]} dB", _pair(found[0]["snr"], "{:.1f}")]
        for value in (by.get(what) for what in ("blank", "bm3d", "blind", "clean")):
            cells.append(_pair(value[0], "{:.1f}") if value else "-")
        seeds = [np.mean(r["training"]["psnr"], axis=0) for r in found if r["what"] == "blind"]
        ends = (_pair(end(seeds, axis=0), "{:.1f}") for end in (np.min, np.max) if seeds)
        cells.append(f"{', '.join(ends)} of {len(seeds)}" if len(seeds) > 1 else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def grouped(rows):
    """Rows of each structure and level, in the order of the plan."""
    order = [key_of(*trial) for trial in plan(tiny=False)]
    groups = {}
    for key in sorted(rows, key=lambda k: order.index(k) if k in order else len(order)):
        row = rows[key]
        groups.setdefault((row["structure"], tuple(row["level"])), []).append(row)
    return groups


def summary(found, which):
    """Means and standard errors of the first seed, what -> (means, errors), and the spread."""
    by = {r["what"]: trials.mean_and_se(r[which]["psnr"]) for r in found if r["seed"] == 0}
    means = [trials.mean_and_se(r[which]["psnr"])[0] for r in found if r["what"] == "blind"]
    return by, np.ptp(means, axis=0) if len(means) > 2 else None


def _pair(values, form="{:.2f}"):
    return " / ".join(form.format(v) for v in values)


def _with_se(value):
    if value is None:
        return "-"
    return " / ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(*value))


def _difference(a, b):
    return "-" if a is None or b is None else _pair(np.subtract(a[0], b[0]), "{:+.2f}")


def main():
    """Run what is missing, then write the table."""
    only = {"default": "", "help": "only trials whose key contains this"}
    models = {"type": Path, "default": Path("gains-models"), "help": "default: %(default)s"}
    epochs = {"type": int, "help": "of 100 steps; default the preset's"}
    args = trials.arguments(__doc__, only=only, models=models, epochs=epochs)
    name = f"gains_{100 * args.epochs}_steps" if args.epochs else "gains"
    journal = trials.Journal(args.out / f"{name}.jsonl")
    if not args.table:
        wanted = [trial for trial in plan(args.tiny) if args.only in key_of(*trial)]
        for trial in args.mine(wanted):
            journal.run(key_of(*trial), lambda trial=trial: run(args, *trial))
    trials.write(args.out / f"{name}.md", table(journal.rows()))
    if name == "gains":
        trials.write(args.out / "gains_short.md", short_table(journal.rows()))


if __name__ == "__main__":
    main()
