"""Fig. S11: losses of one network of two detectors and of two networks of one detector each.

The paper shows that after 32 epochs the losses of the dual network and of the ADF network no longer
fall, while that of the BF network still does, and takes it as a sign that BF converges sooner in a
dual network. Here the same three networks at reduced scale (`reduced.py`), from the journal of
`variants.py` (of all seeds that it holds; without any, this script trains one): the validation loss
of each detector less the noise floor, mean of the seeds, against updates. ``updates_to_reach`` are
those that the dual network needs for a loss as low as the mono network's last one (linear between
epochs), over all updates. Both lose at the same rate of learning, which falls to zero: so a loss
that still fell in the paper cannot be told from one that is as low as it gets, but which network is
ahead can.
"""

from functools import partial

import numpy as np
from common import DETECTORS, arguments, write_numbers
from reduced import ABOUT, SEEDS, Bench, Journal, mean_se
from supplement import INK, new_figure
from variants import BASE, MONO, trainings

from n2v_stem_keras.plot.canvas import save

NAME = "figure_s11"
COLOURS = {"dual": "#0072b2", "mono": "#d55e00"}
PAPER = {"finding": "dual and ADF mono level off after 32 epochs, BF mono still falls"}


def main():
    """Read the losses, train what is missing, draw."""
    args = arguments(__doc__)
    journal = Journal(args.out / "variants.jsonl")
    wanted = {"dual": BASE, "mono": MONO}
    seeds = complete(journal.rows(), wanted.values())
    if not seeds:
        bench, seeds = Bench(args.scale), SEEDS[:1]
        for name in wanted.values():
            for key, changes, steps in trainings(name, seeds[0]):
                journal.run(key, partial(bench.trial, changes, seeds[0], steps))
    rows, losses = journal.rows(), {kind: {} for kind in wanted}
    for seed in seeds:
        for kind, name in wanted.items():
            for key, *_ in trainings(name, seed):
                for d, values in rows[key]["val_loss"].items():
                    losses[kind].setdefault(d, []).append(values)
    losses = {kind: {d: np.array(v) for d, v in by.items()} for kind, by in losses.items()}
    n = rows[f"{BASE} | {seeds[0]}"]["steps"]
    draw(args.out / f"{NAME}.png", losses, n)
    numbers = {}
    for d in DETECTORS:
        dual, mono = losses["dual"][d], losses["mono"][d]
        numbers[d] = {
            "last_loss": {kind: mean_se(losses[kind][d][:, -1]) for kind in losses},
            "dual_less_mono": mean_se(dual[:, -1] - mono[:, -1]),
            "updates_to_reach": mean_se([reach(a, b[-1]) for a, b in zip(dual, mono)]),
            "fall_in_the_last_third": {
                kind: mean_se(losses[kind][d][:, -len(dual[0]) // 3] - losses[kind][d][:, -1])
                for kind in losses
            },
        }
        print(d, numbers[d])
    write_numbers(args, NAME, {
        "paper": PAPER, "about": ABOUT, "seeds": len(seeds), "updates": n, "losses": numbers,
    })  # fmt: skip


def complete(rows, names):
    """Return the seeds of which the journal holds all trainings of some variants."""
    return [seed for seed in SEEDS if all(k in rows for n in names for k, *_ in trainings(n, seed))]


def reach(losses, level):
    """Share of all updates after which a falling loss is at a level; 1 where it never is.

    Examples
    --------
    >>> reach([4.0, 3.0, 2.0, 1.0], 2.5)
    0.625
    """
    losses = np.minimum.accumulate(np.asarray(losses, float))
    below = np.flatnonzero(losses <= level)
    if not len(below):
        return 1.0
    k = int(below[0])
    part = 0.0 if k == 0 else (losses[k - 1] - level) / (losses[k - 1] - losses[k])
    return float((k + (part if k else 1.0)) / len(losses))


def draw(path, losses, n_updates):
    """Draw the validation losses against updates."""
    figure, axes = new_figure(len(DETECTORS), (3.6, 2.8))
    for ax, d in zip(axes, DETECTORS):
        for kind, by_detector in losses.items():
            values = by_detector[d]
            x = n_updates * np.arange(1, values.shape[1] + 1) / values.shape[1]
            ax.plot(x, values.T, color=COLOURS[kind], linewidth=0.5, alpha=0.5)
            ax.plot(x, values.mean(axis=0), color=COLOURS[kind], linewidth=1.6, label=kind)
        ax.set_title(d, fontsize=9, color=INK)
        ax.set_xlabel("updates", fontsize=8)
    axes[0].set_ylabel("validation loss [variance]", fontsize=8)
    axes[-1].legend(fontsize=8, frameon=False)
    save(figure, path)


if __name__ == "__main__":
    main()
