"""How far blind training is from clean targets: against the number of frames, and against time.

    python benchmarks/gap.py                 # everything; goes on where it stopped
    python benchmarks/gap.py --table         # the tables and the picture again from the journal

The laptop preset's network and settings on reference movies at 10/10 dB (ADF/BF), one seed, blind
and with clean targets at every pixel: for 1, 3, 12, 48, 96 and 300 frames at equal time (1000
steps), and on 96 frames for 250 to 4000 steps. Scored on the noisy training frames themselves, and
on movies that it never saw. Writes gap.jsonl (the journal), gap.md and gap.png.
"""

import numpy as np
import trials

LEVEL = (10, 10)
STEPS, FRAMES = 1000, 96
ALL_FRAMES, ALL_STEPS = (1, 3, 12, 48, 96, 300), (250, 500, 1000, 2000, 4000)
SCORED = 24  # frames, evenly spaced


def training_movies(n_frames, tiny):
    """Simulate clean movies of 12 frames, or the first frames of one: a list of (T, Y, X, C)."""
    from n2v_stem_keras.simulate import reference_movie

    options = {"shape": (64, 64)} if tiny else {}
    n_movies = -(-n_frames // 12)
    movies = [reference_movie(seed, **options).clean for seed in range(n_movies)]
    return movies if n_movies > 1 else [movies[0][:n_frames]]


def noisy(movies, which):
    """Add white noise to a list of movies; the same as on stacked ones."""
    return list(trials.white(movies, LEVEL, which))


def run(args, n_frames, steps, what):
    """Train and score once."""
    from n2v_stem_keras import N2VStemConfig

    truth = training_movies(n_frames, args.tiny)
    frames = noisy(truth, "training")
    test = trials.clean(trials.structures("reference", "test", args.tiny))
    config = N2VStemConfig.preset("laptop", **(trials.TINY if args.tiny else {}))
    trained = trials.train(
        config, frames, 3 if args.tiny else steps, targets=truth if what == "clean" else None
    )
    places = [(i, t) for i, movie in enumerate(truth) for t in range(len(movie))]
    chosen = np.linspace(0, len(places) - 1, min(SCORED, len(places)), dtype=int)
    places = [places[k] for k in chosen]
    own = []
    for i in sorted({i for i, _ in places}):
        numbers = [t for j, t in places if j == i]
        own.append(trials.score(trained, truth[i : i + 1], frames[i : i + 1], numbers, False))
    return {
        "frames": n_frames,
        "steps": steps,
        "what": what,
        "seconds": round(trained.seconds, 1),
        "training": {name: [row[name][0] for row in own] for name in own[0]},
        "test": trials.score(trained, test, trials.white(test, LEVEL, "test"), (1, 7), False),
    }


def plan():
    """Every trial: (frames, steps, what)."""
    sizes = [(n, STEPS) for n in ALL_FRAMES] + [(FRAMES, s) for s in ALL_STEPS if s != STEPS]
    return [(*size, what) for size in sizes for what in ("blind", "clean")]


def key_of(n_frames, steps, what):
    """Key of a trial in the journal."""
    return f"{n_frames} frames | {steps} steps | {what}"


def table(rows, sizes, head):
    """Markdown: one line a size, both kinds of training, both sets of movies."""
    lines = [
        f"| {head} | blind, training frames | clean targets | gap | blind, held-out | "
        "clean targets | gap | seconds |",
        "|---" * 8 + "|",
    ]
    for label, n_frames, steps in sizes:
        pair = [rows.get(key_of(n_frames, steps, what)) for what in ("blind", "clean")]
        if None in pair:
            continue
        cells = [label]
        for which in ("training", "test"):
            means = [trials.mean_and_se(row[which]["psnr"])[0] for row in pair]
            cells += [" / ".join(f"{v:.2f}" for v in mean) for mean in means]
            cells.append(" / ".join(f"{c - b:+.2f}" for b, c in zip(*means)))
        cells.append(f"{pair[0]['seconds']:.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(path, rows):
    """Draw PSNR against frames and against steps."""
    from matplotlib.figure import Figure

    from n2v_stem_keras.plot.canvas import save

    fig = Figure(figsize=(12, 3.4), layout="constrained")
    axes = fig.subplots(1, 4)
    panels = [(n, STEPS) for n in ALL_FRAMES], [(FRAMES, s) for s in ALL_STEPS]
    for k, (sizes, label) in enumerate(zip(panels, ("training frames", "steps"))):
        for c, detector in enumerate(trials.DETECTORS):
            ax = axes[2 * k + c]
            for what, style in (("clean", "o-"), ("blind", "s-")):
                for which, colour in (("training", "tab:blue"), ("test", "tab:orange")):
                    found = [(s, rows.get(key_of(*s, what))) for s in sizes]
                    x = [s[k] for s, row in found if row]
                    y = [np.mean(row[which]["psnr"], axis=0)[c] for _, row in found if row]
                    name = {"clean": "clean targets", "blind": "blind"}[what]
                    where = {"training": "training frames", "test": "held-out"}[which]
                    ax.semilogx(
                        x, y, style, color=colour, mfc="white" if what == "clean" else None,
                        label=f"{name}, {where}",
                    )  # fmt: skip
            ax.set_xlabel(label)
            ax.set_title(detector)
            ax.grid(alpha=0.3)
    axes[0].set_ylabel("PSNR [dB]")
    axes[0].legend(fontsize=7)
    save(fig, path)


def main():
    """Run what is missing, then write the tables and the picture."""
    args = trials.arguments(__doc__)
    journal = trials.Journal(args.out / "gap.jsonl")
    if not args.table:
        for trial in args.mine(plan()):
            journal.run(key_of(*trial), lambda trial=trial: run(args, *trial))
    rows = journal.rows()
    frames = table(rows, [(str(n), n, STEPS) for n in ALL_FRAMES], "frames")
    times = table(rows, [(str(s), FRAMES, s) for s in ALL_STEPS], "steps")
    trials.write(
        args.out / "gap.md",
        f"PSNR [dB], ADF / BF, input 10 / 10 dB.\n\n## Frames, {STEPS} steps each\n\n{frames}\n\n"
        f"## Steps, on {FRAMES} frames\n\n{times}",
    )
    picture(args.out / "gap.png", rows)


if __name__ == "__main__":
    main()
