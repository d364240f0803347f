"""How far blind training is from clean targets: against the number of frames, and against time.

    python benchmarks/gap.py                 # everything; goes on where it stopped
    python benchmarks/gap.py --table         # the tables and the picture again from the journal

The laptop preset's network and settings on reference movies, one seed, blind and with clean
targets at every pixel: for 1, 3, 12, 48, 96 and 300 frames at equal time (750 steps) at 10/10 dB
(ADF/BF), and on 96 frames for 250 to 3000 steps, also at 16/16 dB. Scored on the noisy training
frames themselves, and on movies that it never saw. Writes gap.jsonl (the journal), gap.md and
gap.png.
"""

import numpy as np
import trials

LEVELS = ((10, 10), (16, 16))  # the first is that of the numbers of frames
STEPS, FRAMES = 750, 96
ALL_FRAMES, ALL_STEPS = (1, 3, 12, 48, 96, 300), (250, 750, 1500, 3000)
SCORED = 24  # frames, evenly spaced


def training_movies(n_frames, tiny):
    """Simulate clean movies of 12 frames, or the first frames of one: a list of (T, Y, X, C)."""
    from n2v_stem_keras.simulate import reference_movie

    options = {"shape": (64, 64)} if tiny else {}
    n_movies = -(-n_frames // 12)
    movies = [reference_movie(seed, **options).clean for seed in range(n_movies)]
    return movies if n_movies > 1 else [movies[0][:n_frames]]


def run(args, level, n_frames, steps, what):
    """Train and score once."""
    from n2v_stem_keras import N2VStemConfig

    truth = training_movies(n_frames, args.tiny)
    frames = list(trials.white(truth, level, "training"))
    test = trials.clean(trials.structures("reference", "test", args.tiny))
    config = N2VStemConfig.preset("laptop", **trials.SINGLE, **(trials.TINY if args.tiny else {}))
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
        "level": level,
        "frames": n_frames,
        "steps": steps,
        "what": what,
        "seconds": round(trained.seconds, 1),
        "training": {name: [row[name][0] for row in own] for name in own[0]},
        "test": trials.score(trained, test, trials.white(test, level, "test"), (1, 7), False),
    }


def plan():
    """Every trial: (level, frames, steps, what)."""
    sizes = [(LEVELS[0], n, STEPS) for n in ALL_FRAMES]
    sizes += [(level, FRAMES, s) for s in ALL_STEPS for level in LEVELS]
    return [(*size, what) for size in dict.fromkeys(sizes) for what in ("blind", "clean")]


def key_of(level, n_frames, steps, what):
    """Key of a trial in the journal."""
    return f"{level[0]}/{level[1]} dB | {n_frames} frames | {steps} steps | {what}"


def table(rows, sizes, head):
    """Markdown: one line a size, both kinds of training, both sets of movies."""
    lines = [
        f"| {head} | blind, training frames | clean targets | gap | blind, held-out | "
        "clean targets | gap | seconds |",
        "|---" * 8 + "|",
    ]
    for label, *size in sizes:
        blind, clean = (rows.get(key_of(*size, what)) for what in ("blind", "clean"))
        if blind is None:
            continue
        cells = [label]
        for which in ("training", "test"):
            means = [r and trials.mean_and_se(r[which]["psnr"])[0] for r in (blind, clean)]
            cells += [" / ".join(f"{v:.2f}" for v in mean) if mean else "-" for mean in means]
            gaps = zip(*means) if clean else ()
            cells.append(" / ".join(f"{c - b:+.2f}" for b, c in gaps) or "-")
        cells.append(f"{blind['seconds']:.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(path, rows):
    """Draw PSNR against frames and against steps."""
    from matplotlib.figure import Figure

    from n2v_stem_keras.plot.canvas import save

    panels = [("training frames", [(n, (LEVELS[0], n, STEPS)) for n in ALL_FRAMES])]
    panels += [("steps", [(s, (level, FRAMES, s)) for s in ALL_STEPS]) for level in LEVELS]
    blind = [[key_of(*at, "blind") in rows for _, at in points] for _, points in panels]
    panels = [panel for panel, there in zip(panels, blind) if sum(there) > 1]
    fig = Figure(figsize=(1.5 + 2.8 * len(panels), 5.6), layout="constrained")
    axes = fig.subplots(2, len(panels), sharex="col", squeeze=False)
    for column, (label, points) in zip(axes.T, panels):
        for c, ax in enumerate(column):
            for what, face in (("clean targets", "white"), ("blind", None)):
                for which, colour in (("training", "tab:blue"), ("test", "tab:orange")):
                    found = [(x, rows.get(key_of(*at, what.split()[0]))) for x, at in points]
                    found = [(x, row) for x, row in found if row]
                    ax.semilogx(
                        [x for x, _ in found],
                        [np.mean(row[which]["psnr"], axis=0)[c] for _, row in found],
                        "o-",
                        color=colour,
                        mfc=face,
                        label=f"{what}, {'training frames' if which == 'training' else 'held-out'}",
                    )
            ax.set_xticks([x for x, _ in points], [str(x) for x, _ in points])
            ax.minorticks_off()
            ax.grid(alpha=0.3)
        level = points[0][1][0]
        column[0].set_title(f"{level[0]}/{level[1]} dB in")
        column[-1].set_xlabel(label)
    for ax, detector in zip(axes[:, 0], trials.DETECTORS):
        ax.set_ylabel(f"{detector}, PSNR [dB]")
    axes[0, 0].legend(fontsize=7)
    save(fig, path)


def main():
    """Run what is missing, then write the tables and the picture."""
    args = trials.arguments(__doc__)
    journal = trials.Journal(args.out / "gap.jsonl")
    if not args.table:
        for trial in args.mine(plan()):
            journal.run(key_of(*trial), lambda trial=trial: run(args, *trial))
    rows = journal.rows()
    frames = [(str(n), LEVELS[0], n, STEPS) for n in ALL_FRAMES]
    parts = {f"Frames, {STEPS} steps each, {LEVELS[0][0]}/{LEVELS[0][1]} dB in": (frames, "frames")}
    for level in LEVELS:
        steps = [(str(s), level, FRAMES, s) for s in ALL_STEPS]
        parts[f"Steps, on {FRAMES} frames, {level[0]}/{level[1]} dB in"] = (steps, "steps")
    text = [
        "PSNR [dB], ADF / BF. Rows of up to 12 frames train on the first movie alone, whose frames "
        "score half a dB less in ADF than all movies': compare numbers of frames on held-out ones."
    ]
    for head, (sizes, label) in parts.items():
        measured = table(rows, sizes, label)
        text += [f"## {head}", measured] if measured.count("\n") > 1 else []
    trials.write(args.out / "gap.md", "\n\n".join(text))
    picture(args.out / "gap.png", rows)


if __name__ == "__main__":
    main()
