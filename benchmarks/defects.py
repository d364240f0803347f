"""Are point defects drawn, and found: missing columns, divacancies, dopants?

    python benchmarks/defects.py               # everything; goes on where it stopped
    python benchmarks/defects.py --table       # the tables again from the journal

Movies of 12 drifting frames with point defects far from each other: one layer of MoS2 with missing
columns of S and of Mo, and two layers of graphene, twisted by 13 degrees, with divacancies, single
Si and three Si together. White noise is so strong that the first defect of each has a given d', its
signal-to-noise ratio in one frame for a filter that knows its shape and place, all detectors
together. For each noise the laptop preset is trained on eight movies with as many defects, with and
without `unet_context`, and scored on eight never seen, all frames: the network alone, with what it
left out restored from each frame alone, and from the frames around.

Contrast is the projection of what is drawn, less the perfect crystal, on the true difference,
within 10 px and over both detectors: 1 where a defect is drawn as it is, 0 where the crystal is
drawn as perfect. Recall is that of the same number thresholded where it is exceeded at one of 1000
intact places, each where a twin of the movie has such a defect; "raw" is the matched filter itself.
"Listed" are defects with a deviation within 0.15 nm, at the default rate of 4 false ones per 10^6
px. False ones are counted on the same movies without defects. On these, too, false holes are
measured: where what is drawn, projected on the crystal under a Gaussian of 0.25 nm, has less than a
quarter of its contrast. "After-glow" is MoS2 scanned by a detector that glows on along x, so that
neighbours correlate by 0.2. Writes defects.jsonl, defects.md and defects_short.md.
"""

import json
from pathlib import Path

import context
import numpy as np
import trials

TWIST_RAD = np.deg2rad(13.2)
# what each is, how many defects of each name are there, and how many intact places are looked at
SPECIMENS = {
    "MoS2": ({"lattice": "mos2"}, {"V_S": (12, 36), "V_Mo": (6, 14)}),
    "twisted bilayer graphene": (
        {"lattice": "graphene", "n_layers": 2, "twist_rad": TWIST_RAD},
        {"V2_C": (6, 18), "Si_C": (6, 18), "Si3_C": (5, 5)},
    ),
}
GLOWING = "MoS2, after-glow"
SPECIMENS[GLOWING] = SPECIMENS["MoS2"]
GLOW = 0.2
D_PRIMES = {"MoS2": (4.1, 2.0, 6.0), "twisted bilayer graphene": (4.5, 2.2, 9.0)}
WORDS = {
    "V_S": "S2 column missing",
    "V_Mo": "Mo column missing",
    "V2_C": "divacancy",
    "Si_C": "one Si",
    "Si3_C": "three Si together",
}
DRIFT = {"drift_px": 0.4, "drift_walk_px": 0.2}
SEEDS = {"training": range(8), "test": range(100, 108)}
N_FRAMES, RADIUS_PX = 12, 10
FOUND_NM, HOLE_NM, LEAST_CONTRAST = 0.15, 0.25, 0.25
RATES = (1e-3, 1e-2)  # of intact places that exceed a threshold
N_HOLES = 3  # movies that false holes are looked for in
HOWS = {
    "network alone": {"restore": False},
    "restored, each frame": {"context": "none"},
    "restored": {},
}


class Specimen:
    """A clean movie with defects, and what each of them, or one at another place, changes."""

    def __init__(self, name, seed, tiny=False):
        from n2v_stem_keras.noise import after_glow
        from n2v_stem_keras.simulate import simulate_movie

        options, numbers = SPECIMENS[name]
        shape = (128, 128) if tiny else (256, 256)
        numbers = {k: (2, 2) if tiny else n for k, n in numbers.items()}
        wanted = {k: sum(n) for k, n in numbers.items()}
        options = {**options, **DRIFT, "density_nm2": 0.0}
        both = simulate_movie([seed, 31], shape, N_FRAMES, defects=wanted, **options)
        self.perfect = simulate_movie([seed, 31], shape, N_FRAMES, **options).clean
        self.drift_px, self.defects = both.drift_px, both.defects
        order = {k: [i for i, d in enumerate(self.defects) if d.name == k] for k in wanted}
        self.there = np.zeros(len(self.defects), bool)
        for k, (n, _) in numbers.items():
            self.there[order[k][:n]] = True
        self.change = both.clean - self.perfect
        self.nearest = np.stack([self._nearest(t, shape) for t in range(N_FRAMES)])
        self.clean = self.perfect + self.change * self.there[self.nearest][..., None]
        if name == GLOWING:
            self.change = after_glow(self.perfect + self.change, GLOW)
            self.perfect, self.clean = (after_glow(f, GLOW) for f in (self.perfect, self.clean))
            self.change -= self.perfect

    def _nearest(self, t, shape):
        from scipy.spatial import cKDTree

        centres = np.array([d.centre for d in self.defects]) + self.drift_px[t]
        return cKDTree(centres).query(np.indices(shape).reshape(2, -1).T)[1].reshape(shape)

    def places(self, t):
        """Places of the defects that are there, (n, 2) [px]."""
        return np.array([d.centre for d in self.defects])[self.there] + self.drift_px[t]

    def measure(self, frames, sigma):
        """Contrast of each: rows of (name, there, contrast, d'), for frames (T, Y, X, C)."""
        rows = []
        for t, frame in enumerate(frames):
            for i, defect in enumerate(self.defects):
                y, x = np.rint(defect.centre + self.drift_px[t]).astype(int)
                low, high = np.array([y, x]) - RADIUS_PX, np.array([y, x]) + RADIUS_PX + 1
                if low.min() < 0 or (high > frame.shape[:2]).any():
                    continue
                window = np.s_[t, low[0] : high[0], low[1] : high[1]]
                wanted = self.change[window] * (self.nearest[window] == i)[..., None] / sigma
                # at intact places what is truly there is taken off, too
                truth = self.perfect if self.there[i] else self.clean
                drawn = (frame[window[1:]] - truth[window]) / sigma
                power = float((wanted**2).sum())
                contrast = float((drawn * wanted).sum()) / power
                row = [defect.name, bool(self.there[i]), round(contrast, 3), round(power**0.5, 2)]
                rows.append(row)
        return rows


def noisy_of(name, frames, sigma, which):
    """Add noise to movies (S, T, Y, X, C), which have glown on already."""
    from n2v_stem_keras.noise import after_glow

    noisy = trials.white_sigma(frames, sigma, which)
    if name == GLOWING:
        noise = np.stack([after_glow(one, GLOW) for one in noisy - frames])
        noisy = frames + noise * (sigma / noise.std(axis=(0, 1, 2, 3)))
    return noisy.astype(np.float32)


def false_holes(clean, drawn):
    """Share of the area in which a perfect crystal is drawn with next to no contrast, (C,)."""
    from scipy.ndimage import gaussian_filter

    width = (0, *2 * (HOLE_NM / trials.PIXEL_NM,), 0)

    def near(image):
        return gaussian_filter(image.astype(float), width)

    ground, own = near(clean), near(drawn)
    slope = (near(clean * drawn) - ground * own) / (near(clean**2.0) - ground**2)
    inner = slope[:, 2 * RADIUS_PX : -2 * RADIUS_PX, 2 * RADIUS_PX : -2 * RADIUS_PX]
    return (inner < LEAST_CONTRAST).mean(axis=(0, 1, 2))


def sigma_for(name, d_prime):
    """Noise of each detector, (C,), for which the first defect of a specimen has this d'."""
    specimen = Specimen("MoS2" if name == GLOWING else name, 0)
    data_range = np.ptp(specimen.perfect, axis=(1, 2)).mean(axis=0)
    rows = specimen.measure(specimen.perfect, data_range)
    first = next(iter(SPECIMENS[name][1]))
    at_range = np.mean([row[3] for row in rows if row[0] == first])
    return data_range * at_range / d_prime


def trained(args, name, d_prime, what, seed, noisy):
    """Train a model, or open it where it is trained already."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    changes = trials.TINY if args.tiny else {}
    config = N2VStemConfig.preset("laptop", train_seed=seed, **context.WHATS[what], **changes)
    folder = f"defects-{name.replace(' ', '-')}-{d_prime}-{what}-seed{seed}"
    model = N2VStem(config, folder, args.models)
    record = model.logdir / "training.json"
    runs = json.loads(record.read_text(encoding="utf-8"))["runs"] if record.exists() else []
    if not (runs and runs[-1]["finished"]):
        model.train(context.as_movie(noisy))
        model = N2VStem(None, model.name, args.models)
    return model


def run(args, name, d_prime, what, seed):
    """Train and measure one model."""
    from n2v_stem_keras.metrics import psnr

    seeds = {w: list(s)[: 2 if args.tiny else None] for w, s in SEEDS.items()}
    specimens = {w: [Specimen(name, s, args.tiny) for s in seeds[w]] for w in seeds}
    sigma = sigma_for(name, d_prime)
    noisy = {
        w: noisy_of(name, np.stack([s.clean for s in of]), sigma, w) for w, of in specimens.items()
    }
    model = trained(args, name, d_prime, what, seed, noisy["training"])
    found = {"raw": {"rows": [], "psnr": []}, **{how: {"rows": [], "psnr": []} for how in HOWS}}
    listed, holes = {"found": {}, "false": 0, "Mpx": 0.0}, {how: [] for how in HOWS}
    for specimen, frames in zip(specimens["test"], noisy["test"]):
        movie = context.as_movie(frames, "TYXC")
        outputs = {"raw": frames}
        for how, options in HOWS.items():
            outputs[how] = model.predict(movie, **options)
        for how, output in outputs.items():
            found[how]["rows"] += specimen.measure(output, sigma)
            found[how]["psnr"] += psnr(specimen.clean, output.astype(float)).tolist()
        _listed(listed, specimen, model.deviations(movie))
    perfect = np.stack([s.perfect for s in specimens["test"]])
    for i, frames in enumerate(noisy_of(name, perfect, sigma, "training")):
        clean, movie = perfect[i], context.as_movie(frames, "TYXC")
        listed["false"] += len(model.deviations(movie))
        listed["Mpx"] += clean[..., 0].size / 1e6
        for how, options in HOWS.items() if i < N_HOLES else ():
            holes[how].append(false_holes(clean, model.predict(movie, **options)).tolist())
    for how in found.values():
        how["psnr"] = np.mean(how["psnr"], axis=0).round(2).tolist()
    return {"specimen": name, "d_prime": d_prime, "what": what, "seed": seed,
            "defects": summary(found), "psnr": {how: f["psnr"] for how, f in found.items()},
            "listed": listed, "holes": holes}  # fmt: skip


def _listed(listed, specimen, table):
    """Count true defects with a deviation."""
    for t in range(N_FRAMES):
        here = table[table["frame"] == t][["y", "x"]].to_numpy(float)
        places = specimen.places(t)
        names = [d.name for d, there in zip(specimen.defects, specimen.there) if there]
        apart = np.linalg.norm(here[:, None] - places, axis=-1) * trials.PIXEL_NM
        for i, name in enumerate(names):
            inside = (places[i] > 4).all() and (places[i] < specimen.clean.shape[1] - 5).all()
            if inside:
                tally = listed["found"].setdefault(name, [0, 0])
                tally[0] += bool(len(here) and apart[:, i].min() < FOUND_NM)
                tally[1] += 1


def summary(seen):
    """Contrast and recall of each defect and way, from rows of `Specimen.measure`."""
    found = {}
    for name in dict.fromkeys(row[0] for row in seen["raw"]["rows"]):
        of = {how: [r for r in part["rows"] if r[0] == name] for how, part in seen.items()}
        found[name] = {"d": round(float(np.mean([r[3] for r in of["raw"]])), 2)}
        for how, rows in of.items():
            there, intact = (np.array([r[2] for r in rows if r[1] == w]) for w in (True, False))
            found[name][how] = {
                "contrast": round(float(there.mean()), 3),
                "se": round(float(there.std() / np.sqrt(len(there))), 4),
                "recall": [
                    round(float((there > np.quantile(intact, 1 - rate)).mean()), 3)
                    for rate in RATES
                ],
                "sites": [len(there), len(intact)],
            }
    return found


# -- tables ---------------------------------------------------------------------------------------
def table(rows):
    """Markdown: one line a defect and model."""
    lines = [
        "| specimen, model, seed | defect | d' | contrast: network alone | restored, each frame | "
        "restored | recall at 1/1000: raw | network alone | restored, each frame | restored | "
        "listed |",
        "|---" * 11 + "|",
    ]
    for row in rows.values():
        for name, of in row["defects"].items():
            about = f"{row['specimen']}, {row['what']}, {row['seed']}"
            cells = [about, WORDS[name], f"{of['d']:.1f}"]
            cells += [f"{of[how]['contrast']:.2f} ± {of[how]['se']:.2f}" for how in HOWS]
            cells += [f"{of[how]['recall'][0]:.2f}" for how in ("raw", *HOWS)]
            seen, of = row["listed"]["found"][name]
            lines.append("| " + " | ".join([*cells, f"{seen} of {of}"]) + " |")
    text = ["\n".join(lines)]
    lines = [
        "| specimen, model, seed | d' | PSNR, ADF / BF [dB]: network alone | restored, each frame "
        "| restored | false deviations per 10^6 px, asked 4 (95 %) | false holes, ADF / BF "
        "[% of the area]: network alone | restored, each frame | restored |",
        "|---" * 9 + "|",
    ]
    for row in rows.values():
        cells = [f"{row['specimen']}, {row['what']}, {row['seed']}", str(row["d_prime"])]
        cells += [context.pair(row["psnr"][how]) for how in HOWS]
        n, area = row["listed"]["false"], row["listed"]["Mpx"]
        low, high = poisson_interval(n)
        cells.append(f"{n / area:.1f} ({low / area:.1f} to {high / area:.1f})")
        shares = (100 * np.mean(row["holes"][how], axis=0) for how in HOWS)
        cells += [context.pair(share, "{:.3f}") for share in shares]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n\n".join([*text, "\n".join(lines)])


def poisson_interval(n):
    """Exact 95 % interval of a count's mean."""
    from scipy.stats import chi2

    return (chi2.ppf(0.025, 2 * n) / 2 if n else 0.0), chi2.ppf(0.975, 2 * n + 2) / 2


def short_table(rows):
    """Markdown: contrast drawn by the laptop preset, for the README."""
    lines = [
        "| defect | d' in one frame | drawn by the network | with what it left out | the same, "
        "each frame by itself |",
        "|---" * 5 + "|",
    ]
    for specimen, (first, *_) in D_PRIMES.items():
        row = rows.get(key_of(specimen, first, "context", 0))
        for name, of in row["defects"].items() if row else ():
            order = ("network alone", "restored", "restored, each frame")
            shown = [f"{of[how]['contrast']:.2f}" for how in order]
            lines.append("| " + " | ".join([WORDS[name], f"{of['d']:.1f}", *shown]) + " |")
    return "\n".join(lines)


def key_of(name, d_prime, what, seed):
    """Key of a trial in the journal."""
    return f"{name} | d' {d_prime} | {what} | seed {seed}"


def plan(args):
    """Every trial: key -> function."""
    found = {}
    for seed in (0,) if args.tiny else (0, 1, 2):
        for i in range(1 if args.tiny or seed else 3):
            for name, levels in D_PRIMES.items():
                for what in context.WHATS:
                    trial = (name, levels[i], what, seed)
                    found[key_of(*trial)] = lambda trial=trial: run(args, *trial)
    if not args.tiny:
        trial = (GLOWING, D_PRIMES["MoS2"][0], "single", 0)
        found[key_of(*trial)] = lambda: run(args, *trial)
    return found


def main():
    """Run what is missing, then write the tables."""
    only = {"default": "", "help": "only trials whose key contains this"}
    models = {"type": Path, "default": Path("context-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, only=only, models=models)
    journal = trials.Journal(args.out / "defects.jsonl")
    if not args.table:
        wanted = {key: trial for key, trial in plan(args).items() if args.only in key}
        for key in args.mine(wanted):
            journal.run(key, wanted[key])
    trials.write(args.out / "defects.md", table(journal.rows()))
    trials.write(args.out / "defects_short.md", short_table(journal.rows()))


if __name__ == "__main__":
    main()
