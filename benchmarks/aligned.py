"""Movies that were aligned before: margins that hold nothing.

    python benchmarks/aligned.py               # everything; goes on where it stopped
    python benchmarks/aligned.py --table

Movies of 12 frames whose specimens drift, at 7/6 dB, as they were scanned; and aligned, each frame
moved back by whole pixels and what it leaves empty filled with 0, as ImageJ does. NaN, as HyperSpy
fills it, gives the same to the bit (tests/prediction/test_whole.py). ``preset("laptop")`` is
trained on either and scored on the same pixels, those that all frames of an aligned movie hold, of
the frames that it was trained on. Writes aligned.jsonl (the journal) and aligned.md.
"""

from pathlib import Path

import context
import numpy as np
import trials

LEVEL = trials.LEVELS[-1]
DRIFT_PX = 1.2
FILLS = {"as scanned": None, "aligned, filled with 0": 0.0}


def movies(tiny=False):
    """Simulate clean and noisy movies (S, T, Y, X, C), and their drift in whole px (S, T, 2)."""
    from n2v_stem_keras.noise import add_white_noise
    from n2v_stem_keras.simulate import simulate_movie

    size = {"shape": (64, 64), "n_frames": 9} if tiny else {"shape": (256, 256), "n_frames": 12}
    found = [
        simulate_movie([seed, 21], motion="hops", drift_px=DRIFT_PX, **size)
        for seed in list(trials.SEEDS["training"])[: 3 if tiny else None]
    ]
    clean = np.stack([movie.clean for movie in found])
    noisy = np.stack([add_white_noise(c, LEVEL, seed=[21, i]) for i, c in enumerate(clean)])
    drift = np.stack([np.rint(m.drift_px - m.drift_px[0]).astype(int) for m in found])
    return clean, noisy, drift


def aligned(frames, drift, fill):
    """Move each frame of (S, T, Y, X, C) back by whole pixels, and fill what it leaves empty."""
    found, size = np.full(frames.shape, fill, np.float32), frames.shape[2:4]
    for s, t in np.ndindex(drift.shape[:2]):
        pairs = []
        for n, by in zip(size, -drift[s, t]):
            to = slice(max(0, by), n + min(0, by))
            pairs.append((to, slice(to.start - by, to.stop - by)))
        (to_y, from_y), (to_x, from_x) = pairs
        found[s, t, to_y, to_x] = frames[s, t, from_y, from_x]
    return found


def run(args, what):
    """Train on the movies, and score what all frames hold."""
    from n2v_stem_keras import N2VStem, N2VStemConfig
    from n2v_stem_keras.metrics import psnr

    clean, noisy, drift = movies(args.tiny)
    if FILLS[what] is not None:
        noisy = aligned(noisy, drift, FILLS[what])
    changes = trials.TINY if args.tiny else {}
    name = "aligned-" + what.replace(" ", "-").replace(",", "")
    model = N2VStem(N2VStemConfig.preset("laptop", **changes), name, args.models)
    if not model.record["runs"] or not model.record["runs"][-1]["finished"]:
        model.train(context.as_movie(noisy))
        model = N2VStem(None, name, args.models)
    scores, reach = [], set()
    for movie, truth, by in zip(noisy, clean, drift):
        denoised = model.predict(context.as_movie(movie, "TYXC"))
        if FILLS[what] is None:  # the same pixels as below
            denoised = aligned(denoised[None], by[None], 0.0)[0]
        truth = aligned(truth[None], by[None], np.nan)[0]
        held = np.isfinite(truth[..., 0]).all(axis=0)
        rows, columns = (np.flatnonzero(held.any(axis=a)) for a in (1, 0))
        part = np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scores.append(psnr(truth[part], denoised[part].astype(float)).mean(axis=0).tolist())
        reach.add(tuple(np.subtract(held.shape, [len(rows), len(columns)]).tolist()))
    return {"what": what, "psnr": scores, "margins_px": sorted(reach)}


def table(rows):
    """Markdown: one line a way."""
    lines = ["| movies | PSNR ADF / BF [dB] |", "|---|---|"]
    for what in FILLS:
        if what in rows:
            mean = np.mean(rows[what]["psnr"], axis=0)
            lines.append(f"| {what} | {context.pair(mean)} |")
    return "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("aligned-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    journal = trials.Journal(args.out / "aligned.jsonl")
    for what in [] if args.table else args.mine(list(FILLS)):
        journal.run(what, lambda what=what: run(args, what))
    trials.write(args.out / "aligned.md", table(journal.rows()))


if __name__ == "__main__":
    main()
