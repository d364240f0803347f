"""The variants of the network that the paper tried, each against the one it chose.

One thing changes in each row: depth, pooling, the first kernel, the outermost skip connection, the
blocks, the bottleneck, upsampling; and two networks of one detector each, with as many updates each
and in the same time. The paper says in words which was better and gives no numbers.

The trainings are short (`reduced.py` says how); seeds are 0, 1 and 2, the same for all rows, and a
difference is that of rows of the same seed, with its standard error over seeds. It counts as found
where it is larger than twice that error. ``mesh`` is the rms of what repeats every 2^depth px in
the error of the denoised frames, in units of the noise: a chequerboard. Writes variants.json,
variants.md and the journal variants.jsonl, and goes on where it stopped.
"""

import time
from functools import partial

import numpy as np
from common import DETECTORS, arguments, write_numbers, write_text
from reduced import ABOUT, LEVEL, SEEDS, STEPS, Bench, Journal, mean_se

NAME = "variants"
BASE = "as chosen: depth 4, average, 5x5 first, bilinear"
VARIANTS = {
    BASE: {},
    "depth 3": {"unet_n_depth": 3},
    "depth 2": {"unet_n_depth": 2},
    "max pooling": {"unet_pool": "max"},
    "blur pooling (N2V2)": {"unet_pool": "blur"},
    "first kernels 3x3": {"unet_kern_size_first": 3},
    "no outermost skip (N2V2)": {"unet_top_skip": False},
    "separable convolutions": {"unet_block": "separable"},
    "ASPP at the bottleneck": {"unet_bottleneck": "aspp"},
    "ASPP in every block": {"unet_block": "aspp"},
    "transposed convolutions": {"unet_upsample": "transposed"},
}
MONO, HALF = "two networks, one detector each", "two networks, in the same time"
PAPER = {
    "depth": "2 to 4 tried, 4 best",
    "average pooling": "better than max",
    "first kernel 5x5": "better than 3x3",
    "no outermost skip, separable, ASPP": "worse",
    "dual": "twice as fast as two mono networks; BF converges sooner",
}
# what the paper's findings are about for all seeds, then the rest
ORDER = (
    (BASE, "max pooling", "depth 2", MONO, "first kernels 3x3", "no outermost skip (N2V2)",
     "depth 3", "separable convolutions", "ASPP at the bottleneck", "transposed convolutions",
     "ASPP in every block"),
    (HALF, "blur pooling (N2V2)"),
)  # fmt: skip


def main():
    """Train what is missing, then write the table."""
    only = {"action": "store_true", "help": "write the table of what the journal holds"}
    args = arguments(__doc__, table=only)
    journal = Journal(args.out / f"{NAME}.jsonl")
    if not args.table:
        bench = Bench(args.scale)
        for names in names_of(args):
            for seed in seeds_of(args):
                for name in names:
                    for key, changes, steps in trainings(name, seed):
                        journal.run(key, partial(bench.trial, changes, seed, steps))
        journal.run("speed", lambda: speed(bench))
    numbers = summary(journal.rows())
    write_text(args, f"{NAME}.md", markdown(numbers))
    write_numbers(args, NAME, {**numbers, "about": ABOUT, "paper": PAPER})
    print(markdown(numbers))


def seeds_of(args):
    """Seeds; two in a test."""
    return SEEDS[:2] if args.scale.name == "tiny" else SEEDS


def names_of(args):
    """Return groups of rows in the order of their training; a few in a test."""
    return ((BASE, "max pooling", MONO, HALF),) if args.scale.name == "tiny" else ORDER


def trainings(name, seed):
    """List the trainings of a row: key, changes, steps."""
    if name not in (MONO, HALF):
        return [(f"{name} | {seed}", VARIANTS[name], STEPS)]
    steps = STEPS if name == MONO else STEPS // 2
    return [(f"{name} | {d} | {seed}", {"channels": (d,)}, steps) for d in DETECTORS]


def speed(bench):
    """Time a frame of one network of two detectors, and of two networks, turn by turn [ms].

    As predicted whole, what reads and prepares the frames included; ``network_ms`` is the time of
    the networks alone, on one frame at a time. Times of the CPU, all threads together.
    """
    from n2v_stem_keras import N2VStem

    models = {
        name: [N2VStem(bench.config({"channels": channels}, 0), "speed", basedir=None)
               for channels in kinds]
        for name, kinds in {"dual": [DETECTORS], "two mono": [(d,) for d in DETECTORS]}.items()
    }  # fmt: skip
    side = bench.noisy.shape[2]
    whole, alone = {name: [] for name in models}, {name: [] for name in models}
    for _ in range(4):  # of which the first is compiled
        for name, networks in models.items():
            began = time.process_time()
            for model in networks:
                bench.denoise(model)
            whole[name].append(
                1000 * (time.process_time() - began) / np.prod(bench.noisy.shape[:2])
            )
            frames = [
                np.zeros((1, side, side, len(model.config.channels)), np.float32)
                for model in networks
            ]
            began = time.process_time()
            for model, frame in zip(networks, frames):
                for _ in range(5):
                    model.keras_model(frame, training=False)
            alone[name].append(1000 * (time.process_time() - began) / 5)
    found = {
        name: {"ms_per_frame": float(np.median(whole[name][1:])),
               "network_ms": float(np.median(alone[name][1:]))}
        for name in models
    }  # fmt: skip
    found["two mono over dual"] = {
        key: found["two mono"][key] / found["dual"][key] for key in ("ms_per_frame", "network_ms")
    }
    return found


def summary(rows):
    """Means over seeds, and differences from the base row of the same seed."""
    table = {}
    for name in (*VARIANTS, MONO, HALF):
        seeds = [seed for seed in SEEDS if all(k in rows for k, *_ in trainings(name, seed))]
        if not seeds:
            continue
        found = {seed: joined([rows[key] for key, *_ in trainings(name, seed)]) for seed in seeds}
        paired = [seed for seed in seeds if f"{BASE} | {seed}" in rows]
        table[name] = {
            "seeds": len(seeds),
            "steps": found[seeds[0]]["steps"],
            "parameters": found[seeds[0]]["parameters"],
            "seconds": mean_se([one["seconds"] for one in found.values()])[0],
            "psnr": {d: mean_se([one["psnr"][d] for one in found.values()]) for d in DETECTORS},
            "mesh_in_sigma": {
                d: mean_se([one["mesh_in_sigma"][d] for one in found.values()]) for d in DETECTORS
            },
            "change": {
                d: mean_se([
                    found[seed]["psnr"][d] - rows[f"{BASE} | {seed}"]["psnr"][d] for seed in paired
                ])
                for d in DETECTORS
            } if paired else {},
            "excess_loss": {
                d: np.mean([one["excess"][d] for one in found.values()], axis=0).tolist()
                for d in DETECTORS
            },
        }  # fmt: skip
    return {"level_db": LEVEL, "rows": table, "speed": rows.get("speed")}


def joined(rows):
    """One row, or those of two networks as one."""
    whole = {"psnr": {}, "mesh_in_sigma": {}, "excess": {}}
    for row in rows:
        whole["psnr"] |= row["psnr"]
        whole["mesh_in_sigma"] |= row["mesh_in_sigma"]
        whole["excess"] |= row["val_loss"]
    whole["steps"] = rows[0]["steps"]
    whole["parameters"] = sum(row["parameters"] for row in rows)
    whole["seconds"] = sum(row["seconds"] for row in rows)
    return whole


def with_error(pair, form="{:.2f}"):
    """Write a mean and its standard error."""
    mean, se = pair
    return form.format(mean) + ("" if se is None else " ± " + form.format(se).lstrip("+"))


def markdown(numbers):
    """Write the table."""
    lines = [
        ABOUT[0].upper() + ABOUT[1:] + ". Means over seeds ± standard error; change: paired by "
        "seed.",
        "",
        "| variant | PSNR, ADF [dB] | PSNR, BF [dB] | change, ADF | change, BF | mesh, ADF / BF "
        "[sigma] | parameters | CPU seconds | seeds |",
        "|:--|" + "--:|" * 8,
    ]
    for name, row in numbers["rows"].items():
        change = [
            "-" if name == BASE or not row["change"] else with_error(row["change"][d], "{:+.2f}")
            for d in DETECTORS
        ]
        mesh = " / ".join(f"{row['mesh_in_sigma'][d][0]:.4f}" for d in DETECTORS)
        cells = [
            name, *(with_error(row["psnr"][d]) for d in DETECTORS), *change, mesh,
            f"{row['parameters']}", f"{row['seconds']:.0f}", str(row["seeds"]),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    if numbers["speed"]:
        ratio = numbers["speed"]["two mono over dual"]
        lines += [
            "",
            f"Two networks of one detector each take {ratio['network_ms']:.2f} times as long as "
            f"one of two ({ratio['ms_per_frame']:.2f} times with reading and preparing the "
            "frames), in CPU time, measured turn by turn.",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
