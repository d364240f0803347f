"""Which settings of the blind training matter: one factor at a time, then with three seeds.

    python benchmarks/recipe.py                 # everything; goes on where it stopped
    python benchmarks/recipe.py --table         # the tables again from the journal

Screening: reference movies at 10/10 dB (ADF/BF), one seed, the work of 1000 steps of 16 crops of
64x64 px on the 16-feature network of depth 3 for every row (a network that costs more per step
gets fewer steps). Each row changes one thing from the best row before it, named in the table; the
paper's settings are a row. The rows that moved by more than 0.3 dB are confirmed with three seeds
at all three noise levels, and they and the paper's row also on counting noise, on a strong lattice
and, where abTEM is installed, on multislice frames. Writes recipe.jsonl (the journal) and
recipe.md.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import trials

STEPS = 1000
SCREEN_LEVEL = (10, 10)
DOSE_E_PX = 350  # the lower of the paper's two fluences (Fig. S5)
COUNTS, MULTISLICE = f"counts at {DOSE_E_PX} e-/px", "multislice, 10/10 dB"
MOS2 = "MoS2 with a hole, 10/10 dB"  # a lattice that is strong for its noise
# where the search began: the laptop preset before it, with small crops
START = {
    "unet_n_depth": 3,
    "unet_n_first": 16,
    "n2v_pitch": 6,
    "n2v_patch_shape": (64, 64),
    "train_epochs": 1,
    "train_batch_size": 16,
    "train_learning_rate": 1e-3,
    "train_learning_rate_schedule": "cosine",
    "train_ema_momentum": 0.99,
    "train_augment": True,
    "train_frame_step": 1,
}
WHOLE = {"n2v_patch_shape": (256, 256), "train_batch_size": 1}
NEIGHBOUR = {"n2v_manipulator": "uniform_withoutCP", "n2v_neighborhood_radius": 1}


@dataclass(frozen=True)
class Row:
    """One trial's settings: changes from the row that was best so far.

    Attributes
    ----------
    name, factor : str
        As in the table.
    base : str or None
        Name of the row it changes; None for the start.
    changes : dict
        Fields of the configuration.
    options : dict
        Arguments of `trials.train`.
    """

    name: str
    factor: str
    base: str | None
    changes: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    whole_paper: bool = False


B1, B2, B3 = "start", "a random one of the 8 nearest", "pitch 3, no jitter"
B6, B7 = "lattice images times 4", "lattice images times 4, rate 2e-3"
B8 = f"{B7}, pitch 2 first"
B9 = f"{B8}, 16 plane waves a window"
B10 = f"{B9}, blurs"
ROWS = [
    Row(B1, "start", None),
    Row("the paper", "the paper", None, whole_paper=True),
    Row(
        "the paper's blind spots and training, small network",
        "the paper",
        B1,
        {
            "n2v_pitch": 24,
            "train_learning_rate": 1e-5,
            "train_learning_rate_schedule": "constant",
            "train_ema_momentum": 0.0,
            "train_augment": False,
        },
    ),
    # what replaces a blind pixel
    Row("mean, radius 2", "replacement", B1, {"n2v_neighborhood_radius": 2}),
    Row("mean, radius 1", "replacement", B1, {"n2v_neighborhood_radius": 1}),
    Row("median, radius 2", "replacement", B1,
        {"n2v_manipulator": "median", "n2v_neighborhood_radius": 2}),
    Row("random neighbour, radius 32", "replacement", B1,
        {"n2v_manipulator": "uniform_withoutCP", "n2v_neighborhood_radius": 32}),
    Row("random neighbour, radius 5", "replacement", B1,
        {"n2v_manipulator": "uniform_withoutCP"}),
    Row("random neighbour, radius 2", "replacement", B1,
        {"n2v_manipulator": "uniform_withoutCP", "n2v_neighborhood_radius": 2}),
    Row(B2, "replacement", B1, NEIGHBOUR),
    # where blind pixels are
    Row("pitch 24", "pitch", B2, {"n2v_pitch": 24}),
    Row("pitch 8", "pitch", B2, {"n2v_pitch": 8}),
    Row("pitch 4, jitter 1", "pitch", B2, {"n2v_pitch": 4, "n2v_jitter": 1}),
    Row(B3, "pitch", B2, {"n2v_pitch": 3, "n2v_jitter": 0}),
    Row("pitch 2, no jitter", "pitch", B2, {"n2v_pitch": 2, "n2v_jitter": 0}),
    Row("pitch 6, no jitter", "jitter", B2, {"n2v_jitter": 0}),
    Row("a mask for each detector", "masks", B3, {"n2v_joint_mask": False}),
    Row("detectors weighted by their noise", "loss", B3, {}, {"noise_weighted": True}),
    # how it is trained
    Row("rate 3e-3", "learning rate", B3, {"train_learning_rate": 3e-3}),
    Row("rate 3e-4", "learning rate", B3, {"train_learning_rate": 3e-4}),
    Row("rate 1e-3, constant", "schedule", B3, {"train_learning_rate_schedule": "constant"}),
    Row("no average of weights", "average", B3, {"train_ema_momentum": 0.0}),
    Row("average over 1000 steps", "average", B3, {"train_ema_momentum": 0.999}),
    Row("4 crops of 128x128 px", "batch and crop", B3,
        {"train_batch_size": 4, "n2v_patch_shape": (128, 128)}),
    Row("4 crops of 64x64 px", "batch and crop", B3, {"train_batch_size": 4}),
    Row("no flips or turns", "augmentation", B3, {"train_augment": False}),
    Row("last layer from zeros", "initialisation", B3, {}, {"zero_head": True}),
    # the network, at equal cost
    Row("depth 2, 16 features", "network", B3, {"unet_n_depth": 2}),
    Row("depth 4, 16 features", "network", B3, {"unet_n_depth": 4}),
    Row("depth 3, 24 features", "network", B3, {"unet_n_first": 24}),
    Row("first kernels 3x3", "network", B3, {"unet_kern_size_first": 3}),
    Row("clean targets", "limit", B3, {}, {"clean": True}),
    # the lattice image as a further input
    Row("1 crop of 256x256 px", "batch and crop", B3, WHOLE),
    Row(B6, "lattice image", B3, {**WHOLE, "unet_lattice": "windows", "n2v_pitch": 4}),
    Row(B7, "learning rate", B6, {"train_learning_rate": 2e-3}),
    # in as many epochs as the preset has, so that there are first ones
    Row(B8, "pitch", B7, {"n2v_early_pitch": 2, "train_epochs": 15}),
    Row(B9, "lattice image", B8, {"unet_lattice": "waves"}),
    Row(B10, "blurs", B9, {"unet_blurs": 3}),
    Row("lattice images times 4, rate 3e-3", "learning rate", B6, {"train_learning_rate": 3e-3}),
]  # fmt: skip
BY_NAME = {row.name: row for row in ROWS}


def settings(row):
    """Return all fields of a row that differ from the plain defaults."""
    if row.whole_paper:
        # whole frames of the reference movies are 256x256; its batch would not fit a laptop
        return {"n2v_patch_shape": (256, 256), "train_frame_step": 1}
    base = settings(BY_NAME[row.base]) if row.base else START
    return {**base, **row.changes}


COST = ("unet_n_depth", "unet_n_first", "unet_kern_size_first", "unet_blurs",
        "unet_lattice", "unet_lattice_window", "n2v_patch_shape", "train_batch_size")  # fmt: skip


def steps_of(config, base, journal):
    """Return the number of steps that cost as much as `STEPS` of the start's network.

    A cost is measured once and noted, so that rows that differ in other things get equal steps.
    """
    its, bases = ({name: getattr(c, name) for name in COST} for c in (config, base))
    if its == bases:
        return STEPS
    changed = {name: value for name, value in its.items() if value != bases[name]}
    key = "work of a step | " + ", ".join(f"{n} = {v}" for n, v in changed.items())

    def measure():
        took = [trials.step_seconds(c, clock=time.process_time) for c in (base, config, base)]
        return {"of the start's": took[1] / min(took[0], took[2])}

    return max(1, round(STEPS / journal.run(key, measure)["of the start's"]))


def trial(row, data, level, seed, scale, journal):
    """Train and score one row."""
    from n2v_stem_keras import N2VStemConfig

    base = N2VStemConfig(**START)
    config = N2VStemConfig(**{**settings(row), "train_seed": seed, **scale}).check()
    steps = steps_of(config, base, journal) if not scale else 3
    options = dict(row.options)
    if options.pop("clean", False):
        options["targets"] = data["training"][0]
    trained = trials.train(config, data["training"][1], steps, **options)
    # the paper's network takes seconds a frame: without the averages over flips
    variants = not row.whole_paper
    scores = {n: trials.score(trained, *pair, variants=variants) for n, pair in data.items()}
    return {
        "row": row.name,
        "level": level,
        "seed": seed,
        "steps": steps,
        "seconds": round(trained.seconds, 1),
        "settings": {k: v for k, v in config.to_dict().items() if k in settings(row)},
        **scores,
    }


# -- the sets of movies ---------------------------------------------------------------------------
class Data:
    """Clean and noisy movies of a kind of noise, kept while trials ask for the same.

    Parameters
    ----------
    tiny : bool
        For tests.
    multislice : Path or None
        Folder of ``multislice_frames.py``.
    """

    def __init__(self, tiny, multislice=None):
        self.tiny, self.multislice = tiny, multislice
        self._clean, self._level, self._pair = {}, None, None

    def __call__(self, level):
        """Return 'training' and 'test', each (clean, noisy), at a noise level."""
        if level != self._level:
            kinds = {COUNTS: self._counts, MULTISLICE: self._multislice, MOS2: self._mos2}
            make = kinds.get(level, self._white)
            self._level, self._pair = level, {which: make(which, level) for which in trials.SEEDS}
        return self._pair

    def _reference(self, which):
        if which not in self._clean:
            movies = trials.structures("reference", which, self.tiny)
            self._clean[which] = trials.clean(movies)
        return self._clean[which]

    def _white(self, which, level):
        truth = self._reference(which)
        return truth, trials.white(truth, level, which)

    def _counts(self, which, level):
        """Electrons counted at the lower of the paper's two fluences, as a fraction of the beam."""
        from n2v_stem_keras.noise import add_poisson_noise

        truth = self._reference(which)
        seeds = ([trials.NOISE_KEY[which], i] for i in range(len(truth)))
        counts = [add_poisson_noise(t, DOSE_E_PX, seed) for t, seed in zip(truth, seeds)]
        return truth, (np.stack(counts) / DOSE_E_PX).astype(np.float32)

    def _mos2(self, which, level):
        """At the noise of the reference movies."""
        truth = trials.clean(trials.structures("MoS2 with a hole", which, self.tiny))
        sigma = trials.reference_sigma(SCREEN_LEVEL, self.tiny)
        return truth, trials.white_sigma(truth, sigma, which)

    def _multislice(self, which, level):
        """Three movies of multislice frames to train on, one to test.

        Each frame comes with six draws of noise, so that a movie has twelve as the others.
        """
        movies = []
        for m in {"training": (0, 1, 2), "test": (3,)}[which]:
            paths = sorted(self.multislice.glob(f"movie-{m}-frame-*.npy"))
            movies.append(np.repeat([np.load(path) for path in paths], 6, axis=0))
        truth = np.stack(movies)
        return truth, trials.white(truth, SCREEN_LEVEL, which)


def key_of(row, level, seed):
    """Key of a trial in the journal."""
    noise = level if isinstance(level, str) else "/".join(map(str, level)) + " dB"
    return f"{row.name} | {noise} | seed {seed}"


# -- tables ---------------------------------------------------------------------------------------
def screening_table(rows):
    """Markdown table of the screening, each row beside the one that it changes."""
    lines = [
        "| factor | row | PSNR on the training frames, ADF / BF [dB] | change | contrast | "
        "averaged over flips | frame mean restored | held-out | steps | seeds |",
        "|---" * 10 + "|",
    ]

    def psnr(found, where="training", what="psnr"):
        return trials.mean_and_se(found[where][what])[0]

    def pair(values, form="{:.2f}"):
        return " / ".join(form.format(v) for v in values)

    def gain(found, what, now):
        if what not in found["training"]:
            return "-"
        return pair([a - b for a, b in zip(psnr(found, what=what), now)], "{:+.2f}")

    def contrast(found):
        values = psnr(found, what="contrast")
        return pair(values) if all(0.2 < v < 5 for v in values) else "none"

    for row in ROWS:
        found = rows.get(key_of(row, SCREEN_LEVEL, 0))
        if not found:
            continue
        base = rows.get(key_of(BY_NAME[row.base or B1], SCREEN_LEVEL, 0))
        now = psnr(found)
        change = [a - b for a, b in zip(now, psnr(base))] if base and base is not found else None
        seeds = sum(key_of(row, SCREEN_LEVEL, s) in rows for s in range(3))
        cells = [
            row.factor,
            row.name,
            pair(now),
            pair(change, "{:+.2f}") if change else "-",
            contrast(found),
            *(gain(found, what, now) for what in ("psnr_flips", "psnr_mean")),
            pair(psnr(found, "test")),
            str(found["steps"]),
            str(seeds),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def confirmation_table(rows, names, levels=trials.LEVELS):
    """Markdown table of mean and spread over the seeds there are, up to three at every level."""
    lines = [
        "| row | " + " | ".join(f"{a}/{b} dB" for a, b in levels) + " |",
        "|---" * (len(levels) + 1) + "|",
    ]
    for name in names:
        cells = []
        for level in levels:
            found = [rows.get(key_of(BY_NAME[name], level, s)) for s in range(3)]
            means = [trials.mean_and_se(f["training"]["psnr"])[0] for f in found if f]
            if not means:
                cells.append("-")
                continue
            mean = [sum(m[c] for m in means) / len(means) for c in range(2)]
            spread = [max(m[c] for m in means) - min(m[c] for m in means) for c in range(2)]
            scatter = f"spread {spread[0]:.2f} / {spread[1]:.2f} of {len(means)}"
            seeds = scatter if len(means) > 1 else "one seed"
            cells.append(f"{mean[0]:.2f} / {mean[1]:.2f} ({seeds})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def other_table(rows):
    """Markdown table of other noise and other images, one seed."""
    lines = ["| row | " + " | ".join((COUNTS, MOS2, MULTISLICE)) + " |", "|---|---|---|---|"]
    for name in OTHERS:
        cells = []
        for kind in (COUNTS, MOS2, MULTISLICE):
            found = rows.get(key_of(BY_NAME[name], kind, 0))
            means = found and trials.mean_and_se(found["training"]["psnr"])[0]
            cells.append(" / ".join(f"{m:.2f}" for m in means) if found else "-")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


CONFIRMED = [B1, B3, B8, B9, B10]  # moved by more than 0.3 dB between them
OTHERS = ["the paper's blind spots and training, small network", B1, B3, B6, B7, B8, B9, B10]


def main():
    """Run what is missing, then write the tables."""
    folder = {"type": Path, "help": "folder of multislice_frames.py: also train on these"}
    only = {"default": "", "help": "only trials whose key contains this"}
    args = trials.arguments(__doc__, multislice=folder, only=only)
    journal = trials.Journal(args.out / "recipe.jsonl")
    scale = {"unet_n_first": 2, "n2v_patch_shape": (32, 32)} if args.tiny else {}
    if not args.table:
        data = Data(args.tiny, args.multislice)
        kinds = [COUNTS, MOS2] if args.multislice is None else [COUNTS, MOS2, MULTISLICE]
        wanted = [(row, SCREEN_LEVEL, 0) for row in ROWS]
        wanted += [(BY_NAME[name], kind, 0) for kind in kinds for name in OTHERS]
        wanted += [
            (BY_NAME[name], level, seed)
            for level in trials.LEVELS
            for seed in range(3)
            for name in CONFIRMED
            if (level, seed) != (SCREEN_LEVEL, 0)
        ]
        wanted = [trial for trial in wanted if args.only in key_of(*trial)]
        for row, level, seed in args.mine(wanted):
            journal.run(
                key_of(row, level, seed),
                lambda row=row, level=level, seed=seed: trial(
                    row, data(level), level, seed, scale, journal
                ),
            )
    rows = journal.rows()
    text = (
        f"## Screening at {SCREEN_LEVEL[0]}/{SCREEN_LEVEL[1]} dB\n\n{screening_table(rows)}\n\n"
        f"## Confirmed\n\n{confirmation_table(rows, CONFIRMED)}\n\n"
        f"## On other noise and other images\n\n{other_table(rows)}\n"
    )
    trials.write(args.out / "recipe.md", text)


if __name__ == "__main__":
    main()
