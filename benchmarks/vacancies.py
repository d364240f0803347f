"""Does a model that sees the frames around draw vacancies that one without does not?

    python benchmarks/vacancies.py
    python benchmarks/vacancies.py --table

Movies of 12 frames of single-layer MoS2 that drifts, at 10/10 dB, in which 12 columns of two S and
6 of Mo are missing, far from each other. Models with and without `unet_context` are trained on
eight of them and scored on four never seen, four frames each. At each vacancy the denoised frame
less the perfect crystal is compared with the true difference, within 8 px and over both detectors:
1 where the vacancy is drawn as it is, 0 where the crystal is drawn as perfect. The same at as many
intact columns, which should give 0, with what would be missing there. d' is the signal-to-noise
ratio of a vacancy in one noisy frame for a filter that knows its shape and place. Writes
vacancies.jsonl and vacancies.md.
"""

import json
from pathlib import Path

import context
import numpy as np
import trials

LEVEL = (10, 10)
MISSING = {"S": 12, "Mo": 6}  # columns
APART_NM, CUT_NM, RADIUS_PX = 0.7, 0.08, 8
DRIFT = {"drift_px": 0.4, "drift_walk_px": 0.2}
N_FRAMES, MARGIN_PX = 12, 20


class Crystal:
    """A movie with vacancies, without, and with those at other columns, all clean."""

    def __init__(self, seed, tiny=False):
        from n2v_stem_keras.simulate import structures

        shape = (96, 96) if tiny else (256, 256)
        rng = np.random.default_rng([seed, 30])
        lattice = {"rotation_rad": rng.uniform(0, 2 * np.pi), "origin_nm": tuple(rng.random(2))}
        size = np.array(shape) * trials.PIXEL_NM
        atoms = structures.lattice("mos2", (0, size[0], 0, size[1]), **lattice)
        columns = [(e, tuple(c)) for e in MISSING for c in np.unique(atoms[e][:, 1:], axis=0)]
        chosen = self._choose(rng, columns, size, tiny)
        self.sites = {"vacancy": chosen[::2], "intact": chosen[1::2]}
        self.movies = {
            name: self._simulate(seed, shape, lattice, sites)
            for name, sites in (("perfect", ()), *self.sites.items())
        }
        self.drift_px = self.movies["perfect"].drift_px
        self.clean = self.movies["vacancy"].clean

    def _choose(self, rng, columns, size, tiny):
        """Draw columns that lie apart, in turn one that will be missing and one that will not."""
        inside = MARGIN_PX * trials.PIXEL_NM
        chosen = []
        for element, number in MISSING.items():
            left = 2 * (2 if tiny else number)
            for i in rng.permutation(len(columns)):
                name, place = columns[i]
                place = np.array(place)
                if name != element or (place < inside).any() or (place > size - inside).any():
                    continue
                if all(np.linalg.norm(place - other) > APART_NM for _, other in chosen):
                    chosen.append((element, place))
                    left -= 1
                if not left:
                    break
        return chosen

    def _simulate(self, seed, shape, lattice, sites):
        from n2v_stem_keras.simulate import simulate_movie, structures

        holes = tuple(structures.circle(place, CUT_NM, 12) for _, place in sites)
        return simulate_movie(
            [seed, 30], shape, N_FRAMES, lattice="mos2", density_nm2=0.0, holes_nm=holes,
            **DRIFT, **lattice,
        )  # fmt: skip

    def measure(self, denoised, numbers, sigma):
        """Return (kind, element, contrast, d') of each site in each frame."""
        perfect, rows = self.movies["perfect"].clean, []
        for kind, sites in self.sites.items():
            missing = self.movies[kind].clean - perfect
            # at intact columns everything but what is truly there counts
            truth = perfect if kind == "vacancy" else self.clean
            for t in numbers:
                for element, place in sites:
                    y, x = np.rint(place / trials.PIXEL_NM + self.drift_px[t]).astype(int)
                    low, high = np.array([y, x]) - RADIUS_PX, np.array([y, x]) + RADIUS_PX + 1
                    if low.min() < 0 or (high > perfect.shape[1:3]).any():
                        continue
                    window = np.s_[t, low[0] : high[0], low[1] : high[1]]
                    wanted = missing[window] / sigma
                    drawn = (denoised[window] - truth[window]) / sigma
                    power = float((wanted**2).sum())
                    contrast = float((drawn * wanted).sum()) / power
                    rows.append([kind, element, round(contrast, 3), round(power**0.5, 2)])
        return rows


def run(args, what, seed):
    """Train and measure one model."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    seeds = {w: list(s)[: 3 if args.tiny else None] for w, s in trials.SEEDS.items()}
    crystals = {w: [Crystal(s, args.tiny) for s in seeds[w]] for w in seeds}
    noisy = {w: trials.white(np.stack([c.clean for c in crystals[w]]), LEVEL, w) for w in crystals}
    changes = trials.TINY if args.tiny else {}
    config = N2VStemConfig.preset("laptop", train_seed=seed, **context.WHATS[what], **changes)
    model = N2VStem(config, f"vacancies-{what}-seed{seed}", args.models)
    record = model.logdir / "training.json"
    runs = json.loads(record.read_text(encoding="utf-8"))["runs"] if record.exists() else []
    if not (runs and runs[-1]["finished"]):
        model.train(context.as_movie(noisy["training"]))
    found = {}
    for how in context.CONTEXTS if what == "context" else ("none",):
        rows, psnr = [], []
        for crystal, movie in zip(crystals["test"], noisy["test"]):
            denoised = model.predict(context.as_movie(movie, "TYXC"), context=how)
            sigma = (movie - crystal.clean).std(axis=(0, 1, 2))
            rows += crystal.measure(denoised, context.NUMBERS, sigma)
            psnr.append(_psnr(crystal.clean, denoised))
        found[how] = {"rows": rows, "psnr": np.mean(psnr, axis=0).round(2).tolist()}
    return {"what": what, "seed": seed, "seen": found}


def _psnr(clean, denoised):
    from n2v_stem_keras.metrics import psnr

    numbers = list(context.NUMBERS)
    return psnr(clean[numbers], denoised[numbers].astype(float)).mean(axis=0)


def table(rows):
    """Markdown: one line a model."""
    lines = [
        "| model | PSNR, ADF / BF [dB] | two S missing: contrast drawn (d') | Mo missing | at "
        "intact columns of S: mean, standard deviation | of Mo | sites |",
        "|---" * 7 + "|",
    ]
    for row in rows.values():
        for how, found in row["seen"].items():
            name = row["what"] if row["what"] == "single" else f"context, {how}"
            cells = [name, context.pair(found["psnr"])]
            for kind in ("vacancy", "intact"):
                for element in MISSING:
                    at = [r[2:] for r in found["rows"] if r[:2] == [kind, element]]
                    values, d = np.array(at).T
                    if kind == "vacancy":
                        se = values.std() / np.sqrt(len(values))
                        cells.append(f"{values.mean():.2f} ± {se:.2f} ({d.mean():.1f})")
                    else:
                        cells.append(f"{values.mean():+.2f}, {values.std():.2f}")
            lines.append("| " + " | ".join([*cells, str(len(found["rows"]) // 2)]) + " |")
    return "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("context-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    journal = trials.Journal(args.out / "vacancies.jsonl")
    wanted = [] if args.table else args.mine(list(context.WHATS))
    for what in wanted:
        journal.run(f"{what} | seed 0", lambda what=what: run(args, what, 0))
    trials.write(args.out / "vacancies.md", table(journal.rows()))


if __name__ == "__main__":
    main()
