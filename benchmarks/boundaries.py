"""Is the lattice drawn across a boundary? The preset with and without its lattice image.

    python benchmarks/boundaries.py             # everything; goes on where it stopped
    python benchmarks/boundaries.py --table     # the table again from the journal

Trains ``preset("laptop")`` with `unet_lattice` as it is and "none", each frame by itself and with
the frames around, on movies whose crystal turns by 10 to 50 degrees at a straight tilt boundary or
ends at an edge, and scores movies never seen: PSNR in the strip of 0.5 nm along the line, within 1
nm of it, and more than 2 nm inside a crystal, which counts as perfect. "Trained on perfect ones"
are models of the same movies without boundary, which never saw one. Writes boundaries.jsonl (the
journal) and boundaries.md.
"""

import json
import re
from pathlib import Path

import context
import numpy as np
import trials

SPECIMENS = {
    "graphene, tilt": {"tilt": True},
    "graphene, edge": {"edge": True},
    "MoS2, tilt": {"tilt": True, "lattice": "mos2", "density_nm2": 0.0},
}
LEVELS = ((10, 10), (7, 6), (16, 16))
ZONES_NM = {"0.5 nm strip": (0.0, 0.25), "within 1 nm": (0.0, 1.0), "crystal": (2.0, np.inf)}
WHATS = {
    "single": {"unet_context": False},
    "single, no lattice image": {"unet_context": False, "unet_lattice": "none"},
    "context": {},
    "context, no lattice image": {"unet_lattice": "none"},
}
SOURCES = ("boundaries", "perfect")  # of the training movies
NUMBERS = (2, 6, 9)
SEEDS = (0, 1, 2)
HOWS = {"network": {"restore": False}, "restored": {}}
DRIFT_PX = 0.4


def movies_of(specimen, which, source="boundaries", tiny=False):
    """Simulate the movies of a specimen, of training or test."""
    from n2v_stem_keras.simulate import simulate_movie

    options = dict(SPECIMENS[specimen])
    size = {"shape": (64, 64), "n_frames": 9} if tiny else {"shape": (256, 256)}
    tilt, edge, found = options.pop("tilt", False), options.pop("edge", False), []
    for seed in trials.SEEDS[which][: 3 if tiny else None]:
        line = {}
        if source == "boundaries":
            angle = np.random.default_rng([seed, 7]).uniform(10, 50)
            line = {"boundary_rad": float(np.deg2rad(angle))} if tilt else {"edge": edge}
        drawn = {"drift_px": DRIFT_PX, "motion": "hops", **options, **size, **line}
        found.append(simulate_movie([seed, 7], **drawn))
    return found


def zones(movie, t):
    """Return the pixels (Y, X) bool of each zone of a frame."""
    places = np.moveaxis(np.indices(movie.clean.shape[1:3]), 0, -1)
    away = movie.boundary.distance(places, movie.drift_px[t]) * movie.pixel_size_nm
    inside = away < -2 if movie.scene.specimen.edge else True
    return {
        name: (np.abs(away) >= low) & (np.abs(away) <= high) & (inside if low else True)
        for name, (low, high) in ZONES_NM.items()
    }


def trained(args, specimen, level, what, seed, source):
    """Train a model, or open it where it is trained already; a broken-off training goes on."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    changes = {**WHATS[what], **(trials.TINY if args.tiny else {})}
    config = N2VStemConfig.preset("laptop", train_seed=seed, **changes)
    key = key_of(specimen, level, what, seed, source)
    name = "boundaries-" + re.sub(r"[ ,|/]+", "-", key)
    model = N2VStem(config, name, args.models)
    record = model.logdir / "training.json"
    runs = json.loads(record.read_text(encoding="utf-8"))["runs"] if record.exists() else []
    if not (runs and runs[-1]["finished"]):
        movies = movies_of(specimen, "training", source, args.tiny)
        model.train(context.as_movie(trials.white(trials.clean(movies), level, "training")))
        model = N2VStem(None, model.name, args.models)
    return model


def run(args, specimen, level, what, seed, source):
    """Train and score one model."""
    model = trained(args, specimen, level, what, seed, source)
    movies = movies_of(specimen, "test", tiny=args.tiny)
    errors = {(how, zone): [] for how in HOWS for zone in ZONES_NM}
    for movie, frames in zip(movies, trials.white(trials.clean(movies), level, "test")):
        value_range = np.ptp(movie.clean, axis=(0, 1, 2))
        for how, options in HOWS.items():
            out = model.predict(context.as_movie(frames, "TYXC"), **options)
            for t in NUMBERS:
                error = ((out[t] - movie.clean[t]) / value_range) ** 2
                for name, zone in zones(movie, t).items():
                    errors[how, name].append([*error[zone].sum(0).tolist(), int(zone.sum())])
    found = {how: {} for how in HOWS}
    for (how, name), parts in errors.items():
        *total, n = np.sum(parts, axis=0)
        found[how][name] = [float(v) for v in np.round(-10 * np.log10(np.array(total) / n), 3)]
    trial = {"specimen": specimen, "level": level, "what": what, "seed": seed, "source": source}
    return {**trial, "psnr": found}


def key_of(specimen, level, what, seed, source):
    """Key of a trial in the journal."""
    return f"{specimen} | {level[0]}/{level[1]} dB | {what} | seed {seed} | {source}"


def plan(args):
    """Every trial: key -> function."""
    found = {}
    for seed in SEEDS[: 1 if args.tiny else None]:
        for level in LEVELS[: 1 if args.tiny else None]:
            for specimen in SPECIMENS:
                for source in SOURCES:
                    for what in WHATS:
                        trial = (specimen, level, what, seed, source)
                        found[key_of(*trial)] = lambda trial=trial: run(args, *trial)
    return found


def table(rows):
    """Markdown: PSNR by zone, and what the lattice image is worth there."""
    lines = [
        "| specimen | trained on | noise | model | seeds | "
        + " | ".join(f"{zone}, with lattice image | without" for zone in ZONES_NM)
        + " | of whole frames restored, strip |",
        "|---" * (6 + 2 * len(ZONES_NM)) + "|",
    ]
    for specimen in SPECIMENS:
        for source in SOURCES:
            for level in LEVELS:
                for what in ("single", "context"):
                    lines += _line(rows, specimen, source, level, what)
    return "\n".join(lines)


def _line(rows, specimen, source, level, what):
    pairs = [
        [
            rows.get(key_of(specimen, level, w, seed, source))
            for w in (what, f"{what}, no lattice image")
        ]
        for seed in SEEDS
    ]
    pairs = [pair for pair in pairs if all(pair)]
    if not pairs:
        return []

    def mean(which, how, zone):
        return context.pair(np.mean([pair[which]["psnr"][how][zone] for pair in pairs], axis=0))

    cells = [specimen, source, f"{level[0]}/{level[1]} dB", what, str(len(pairs))]
    for zone in ZONES_NM:
        cells += [mean(0, "network", zone), mean(1, "network", zone)]
    cells.append(mean(0, "restored", "0.5 nm strip"))
    return ["| " + " | ".join(cells) + " |"]


def main():
    """Run what is missing and write the table."""
    args = trials.arguments(
        __doc__,
        models={"type": Path, "default": Path("models-boundaries"), "help": "folder of models"},
        only={"default": "", "help": "only trials whose key has this in it"},
    )
    journal = trials.Journal(args.out / "boundaries.jsonl")
    if not args.table:
        for key, trial in args.mine(plan(args).items()):
            if args.only in key:
                journal.run(key, trial)
    trials.write(args.out / "boundaries.md", table(journal.rows()))


if __name__ == "__main__":
    main()
