"""Rims of frames, and holes that are none, by the models of `context.py`.

    python benchmarks/edges.py                 # needs the models that context.py trained, seed 0
    python benchmarks/edges.py --table

On movies never seen of drifting specimens whose adatoms hop: PSNR in the outer 8 px of each frame,
in the next 24, and inside; the same of frames that were cut, after denoising, from larger ones,
which lack no neighbours: so much of the rim is due to what lies outside. And the share of a perfect
lattice, adatoms on it taken off, that is drawn with less than a quarter of its contrast under a
Gaussian of 0.25 nm (`defects.false_holes`). Writes edges.jsonl and edges.md.
"""

from pathlib import Path

import context
import defects
import numpy as np
import trials

KIND = "hops and drift"
LEVELS = ((10, 10), (7, 6))
N_MOVIES, N_FRAMES, NUMBERS = 4, 12, (3, 6, 9)
SEED, AROUND = 900, 32
RINGS = {"outer 8 px": (0, 8), "8 to 32 px": (8, 32), "inside": (32, 10**6)}


def movies(tiny):
    """Simulate larger movies than are denoised, with adatoms and without: pairs."""
    from n2v_stem_keras.simulate import reference_movie

    side = (64 if tiny else 256) + 2 * AROUND
    options = {"shape": (side, side), "n_frames": N_FRAMES, "hops": True}
    seeds = range(SEED, SEED + (1 if tiny else N_MOVIES))
    return [(reference_movie(s, **options), reference_movie(s, density_nm2=0.0, **options))
            for s in seeds]  # fmt: skip


def run(args, level, what):
    """Measure one model."""
    model = context.trained(args, KIND, level, what, 0)
    inner = (slice(None), slice(AROUND, -AROUND), slice(AROUND, -AROUND))
    errors = {of: {ring: [] for ring in RINGS} for of in ("cut before", "cut after")}
    holes = []
    for movie, bare in movies(args.tiny):
        noisy = trials.white(movie.clean[None], level, "test")[0]
        value_range = np.ptp(movie.clean, axis=(0, 1, 2))
        whole = model.predict(context.as_movie(noisy, "TYXC"))[inner]
        own = model.predict(context.as_movie(noisy[inner], "TYXC"))
        truth = movie.clean[inner]
        y, x = np.indices(truth.shape[1:3])
        depth = np.minimum(np.minimum(y, x), np.minimum(y[::-1], x[:, ::-1]))
        for of, frames in (("cut before", own), ("cut after", whole)):
            square = ((frames - truth)[list(NUMBERS)] / value_range) ** 2
            for ring, (low, high) in RINGS.items():
                inside = (depth >= low) & (depth < high)
                errors[of][ring].append(square[:, inside].mean((0, 1)).tolist())
        lattice = bare.clean[inner]
        holes.append(defects.false_holes(lattice, own - (truth - lattice)).tolist())
    psnr = {
        of: {ring: (-10 * np.log10(np.mean(v, axis=0))).tolist() for ring, v in rings.items()}
        for of, rings in errors.items()
    }
    return {"level": level, "what": what, "psnr": psnr, "holes": holes}


def table(rows):
    """Markdown: one line a model."""
    lines = [
        "| noise | model | "
        + " | ".join(f"PSNR {ring}" for ring in RINGS)
        + " | outer 8 px, cut from larger frames | inside, likewise | false holes, ADF / BF [%] |",
        "|---" * (5 + len(RINGS)) + "|",
    ]
    for row in rows.values():
        cells = ["{}/{} dB".format(*row["level"]), row["what"]]
        cells += [context.pair(row["psnr"]["cut before"][ring]) for ring in RINGS]
        cells += [context.pair(row["psnr"]["cut after"][r]) for r in ("outer 8 px", "inside")]
        cells.append(context.pair(100 * np.mean(row["holes"], axis=0)))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("context-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    journal = trials.Journal(args.out / "edges.jsonl")
    for level in () if args.table else LEVELS[: 1 if args.tiny else None]:
        for what in context.WHATS:
            key = f"{level[0]}/{level[1]} dB | {what}"
            journal.run(key, lambda level=level, what=what: run(args, level, what))
    trials.write(args.out / "edges.md", table(journal.rows()))


if __name__ == "__main__":
    main()
