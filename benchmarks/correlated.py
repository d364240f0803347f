"""What the choices of a training are worth where the noise of neighbours correlates.

    python benchmarks/correlated.py            # everything; goes on where it stopped
    python benchmarks/correlated.py --table

Each row of a scan glows on: noise of the same sigma as white noise at 10/10 dB gets a correlation
along x. The laptop preset (each frame by itself) is trained on such reference movies as it is,
which measures the noise and chooses; with a blind spot of one pixel; and with a wider one that it
chooses, but no after-glow taken off. Scored on movies never seen. Writes correlated.jsonl and
correlated.md.
"""

from pathlib import Path

import context
import numpy as np
import trials

CORRELATIONS = (0.2, 0.4, 0.11, 0.0)
FIXED = {"n2v_after_glow": None, "n2v_level_rows": False, "n2v_background_px": None}
WAYS = {
    "as it chooses": {},
    "one pixel": {"n2v_span": (1, 1), **FIXED},
    "a wider spot": FIXED,
}
LEVEL = (10, 10)  # [dB]


def movies(which, correlation, tiny):
    """Return clean and noisy reference movies, (S, T, Y, X, C)."""
    from n2v_stem_keras.noise import after_glow

    clean = trials.clean(trials.structures("reference", which, tiny))
    noise = trials.white(clean, LEVEL, which) - clean
    if correlation:
        glowing = np.stack([after_glow(one, correlation) for one in noise])
        noise = glowing * (noise.std() / glowing.std())
    return clean, (clean + noise).astype(np.float32)


def run(args, correlation, way):
    """Train and score one model."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    changes = {**trials.SINGLE, **WAYS[way], **(trials.TINY if args.tiny else {})}
    config = N2VStemConfig.preset("laptop", channels=trials.DETECTORS, **changes)
    name = f"{way.replace(' ', '-')}-{correlation:g}"
    model = N2VStem(config, name, args.models)
    _, noisy = movies("training", correlation, args.tiny)
    model.train(context.as_movie(noisy))
    clean, noisy = movies("test", correlation, args.tiny)

    def denoise(movie, numbers, tta):
        return model.predict(context.as_movie(movie, "TYXC"))[list(numbers)]

    scored = trials.score(denoise, clean, noisy, variants=False)
    chosen = {n: model.config.to_dict()[n] for n in ("n2v_span", "n2v_after_glow")}
    return {"correlation": correlation, "way": way, **chosen, **scored}


def table(rows):
    """Markdown: one line a correlation."""
    lines = [
        "| correlation of neighbours along x | " + " | ".join(WAYS) + " | it chose |",
        "|---" * (2 + len(WAYS)) + "|",
    ]
    for correlation in sorted(CORRELATIONS):
        found = {w: rows.get(f"{correlation:g} | {w}") for w in WAYS}
        if not any(found.values()):
            continue
        cells = [f"{correlation:g}"]
        for row in found.values():
            cells.append(context.pair(np.mean(row["psnr"], axis=0)) if row else "-")
        chosen = found["as it chooses"]
        if chosen:
            y, x = chosen["n2v_span"]
            glow = chosen["n2v_after_glow"]
            glow = " / ".join(f"{share:.2f}" for share in glow) if glow else "none"
            cells.append(f"spot {y}x{x} px, after-glow {glow}")
        lines.append("| " + " | ".join([*cells, *["-"] * (not chosen)]) + " |")
    return "PSNR ADF / BF [dB]\n\n" + "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("correlated-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    journal = trials.Journal(args.out / "correlated.jsonl")
    if not args.table:
        every = {(c, w): None for w in WAYS for c in CORRELATIONS if c or w == "as it chooses"}
        for key in args.mine({f"{c:g} | {w}": (c, w) for c, w in every}):
            correlation, way = key.split(" | ")
            journal.run(key, lambda c=float(correlation), w=way: run(args, c, w))
    trials.write(args.out / "correlated.md", table(journal.rows()))


if __name__ == "__main__":
    main()
