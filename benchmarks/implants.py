"""Vacancies implanted into real scans of MoS2: are they drawn, and found?

    N2V_STEM_DATA=... python benchmarks/implants.py
    python benchmarks/implants.py --table

HAADF scans of one layer of MoS2 (SciLink). Columns are maxima of the blurred scan; the brighter
half holds Mo, the other S2. At some of each, far from each other, a disc around the column is
replaced by a disc around the centre of a hexagon of the same scan, which makes a vacancy with real
noise. At as many others it is replaced by a disc around another column of the kind, so that a seam
is not taken for a vacancy. The laptop preset is trained on the implanted scan and denoises it.

The fill is (D_vacancy - D_hollow) / (D_column - D_hollow), each the mean of the output over a disc
of 0.06 nm: 0 where a vacancy is drawn as it is, 1 where it is painted over. AUC is that of the same
mean, vacancies against transplanted columns, "raw" that of the likelihood ratio of the raw pixels
by the mean images of untouched columns and hollows. Deviations are listed at 4 false ones per 10^6
px. Intervals are 95 % of a bootstrap over sites. Writes implants.jsonl and implants.md.
"""

import os
from pathlib import Path

import numpy as np
import trials

SCANS = {
    "MoS2_stem_Exp-000-2.npy": 0.017578125,
    "MoS2_stem_Exp-001-5.npy": 0.013671875,
    "MoS2_stem_Exp-002-5.npy": 0.017578125,
}
BOND_NM, DISC_NM, SCORED_NM, BLUR_NM = 0.182, 0.1, 0.06, 0.03
APART_NM, MARGIN_NM, NUMBER = 0.65, 0.35, 24
FOUND_NM, N_BOOT = 0.08, 2000
HOWS = {"network alone": {"restore": False}, "restored": {}}


def maxima(image, size, sign=1):
    """Places of maxima of the blurred scan, (n, 2) [px]."""
    from scipy.ndimage import gaussian_filter
    from skimage.feature import peak_local_max

    blurred = sign * gaussian_filter(image, BLUR_NM / size)
    distance = max(2, round(0.5 * BOND_NM / size))
    return peak_local_max(blurred, min_distance=distance, exclude_border=round(MARGIN_NM / size))


class Scan:
    """A scan with vacancies and transplanted columns."""

    def __init__(self, name, size, seed=0):
        from scipy.spatial import cKDTree

        folder = Path(os.environ["N2V_STEM_DATA"]) / "real/MoS2-SciLink"
        self.raw, self.size = np.load(folder / name).astype(np.float32), size
        columns, rng = maxima(self.raw, size), np.random.default_rng(seed)
        heights = self.means(self.raw, columns)
        bright = heights > (np.quantile(heights, 0.1) + np.quantile(heights, 0.9)) / 2
        hollows = maxima(self.raw, size, -1)
        apart = cKDTree(columns).query(hollows)[0] * size
        hollows = hollows[(apart > 0.75 * BOND_NM) & (apart < 1.3 * BOND_NM)]
        self.image, self.sites = self.raw.copy(), []
        for kind, of in (("Mo", columns[bright]), ("S2", columns[~bright])):
            left = {"vacancy": NUMBER // 2, "column": NUMBER // 2}
            for i in rng.permutation(len(of)):
                taken = np.array([place for _, _, place in self.sites] or [(-9999, -9999)])
                if np.linalg.norm(taken - of[i], axis=1).min() * size < APART_NM:
                    continue
                what = max(left, key=left.get)
                if not left[what]:
                    break
                source = hollows if what == "vacancy" else np.delete(of, i, axis=0)
                self._transplant(of[i], source[rng.integers(len(source))])
                self.sites.append((kind, what, of[i]))
                left[what] -= 1
        touched = np.array([place for _, _, place in self.sites])
        self.untouched = {
            name: of[
                np.linalg.norm(of[:, None] - touched, axis=-1).min(axis=1) * size > APART_NM / 2
            ]
            for name, of in (("Mo", columns[bright]), ("S2", columns[~bright]), ("hollow", hollows))
        }

    def _disc(self, radius_nm):
        reach = int(np.ceil(radius_nm / self.size))
        offsets = np.moveaxis(np.indices(2 * (2 * reach + 1,)) - reach, 0, -1).reshape(-1, 2)
        return offsets[np.hypot(*offsets.T) * self.size <= radius_nm]

    def _transplant(self, to, source):
        disc = self._disc(DISC_NM)
        self.image[tuple((to + disc).T)] = self.raw[tuple((source + disc).T)]

    def means(self, image, places):
        """Mean over a disc around each place."""
        around = places[:, None] + self._disc(SCORED_NM)
        return image[around[..., 0], around[..., 1]].mean(axis=1)

    def likelihood(self, kind, places):
        """Logarithm of the likelihood ratio, vacancy over column, by the raw pixels."""
        disc = self._disc(DISC_NM)

        def patches(of):
            around = of[:, None] + disc
            return self.image[around[..., 0], around[..., 1]].astype(float)

        column, hollow = (patches(self.untouched[k]).mean(axis=0) for k in (kind, "hollow"))
        return (patches(places) - (column + hollow) / 2) @ (hollow - column)


def run(args, name):
    """Train on one implanted scan, and score."""
    from n2v_stem_keras import Movie, N2VStem, N2VStemConfig

    scan = Scan(name, SCANS[name])
    known = {"detectors": ("HAADF",), "pixel_size_nm": scan.size, "name": name}
    movie = Movie.from_array(scan.image, "YX", **known)
    changes = trials.TINY if args.tiny else {}
    config = N2VStemConfig.preset(
        "laptop", channels=("HAADF",), pixel_size_nm=scan.size, unet_context=False, **changes
    )
    model = N2VStem(config, f"implants-{Path(name).stem}", args.models)
    if not model.record["runs"] or not model.record["runs"][-1]["finished"]:
        model.train(movie)
    outputs = {how: model.predict(movie, **options) for how, options in HOWS.items()}
    table = model.deviations(movie)
    listed = table[["y", "x"]].to_numpy(float)
    rows = []
    for kind in ("Mo", "S2"):
        levels = {how: scan.means(o, scan.untouched[kind]).mean() for how, o in outputs.items()}
        hollow = {how: scan.means(o, scan.untouched["hollow"]).mean() for how, o in outputs.items()}
        for what in ("vacancy", "column"):
            places = np.array([p for k, w, p in scan.sites if (k, w) == (kind, what)])
            scores = {"raw": scan.likelihood(kind, places)}
            for how, output in outputs.items():
                drawn = scan.means(output, places)
                scores[how] = 1 - (drawn - hollow[how]) / (levels[how] - hollow[how])
            for i, place in enumerate(places):
                near = bool(len(listed)) and np.linalg.norm(listed - place, axis=1).min()
                found = len(listed) > 0 and near * scan.size < FOUND_NM
                rows.append([kind, what, bool(found), *(float(s[i]) for s in scores.values())])
    touched = np.array([place for _, _, place in scan.sites])
    far = [np.linalg.norm(touched - p, axis=1).min() * scan.size > FOUND_NM for p in listed]
    return {"scan": name, "rows": rows, "elsewhere": int(sum(far)), "px": int(scan.raw.size),
            "kinds": table["kind"].value_counts().to_dict()}  # fmt: skip


def auc(there, not_there):
    """Probability that a vacancy scores higher than a column."""
    apart = np.subtract.outer(there, not_there)
    return float((apart > 0).mean() + (apart == 0).mean() / 2)


def table(rows):
    """Markdown: one line a kind of column, all scans together."""
    lines = [
        "| vacancy | sites | fill: network alone | restored | AUC: raw likelihood | network alone "
        "| restored | listed | transplanted columns listed |",
        "|---" * 9 + "|",
    ]
    rng = np.random.default_rng(0)
    every = [row for scan in rows.values() for row in scan["rows"]]
    for kind in ("Mo", "S2"):
        vacancy, column = ([r for r in every if r[:2] == [kind, w]] for w in ("vacancy", "column"))
        if not vacancy:
            continue
        scores = [np.array([r[3:] for r in of]) for of in (vacancy, column)]
        picks = [rng.integers(0, len(s), (N_BOOT, len(s))) for s in scores]
        cells = [kind, f"{len(vacancy)} and {len(column)}"]
        for i in (1, 2):
            fill = 1 - scores[0][:, i]
            low, high = np.percentile(fill[picks[0]].mean(axis=1), (2.5, 97.5))
            cells.append(f"{fill.mean():.2f} ({low:.2f} to {high:.2f})")
        for i in range(3):
            there, intact = scores[0][:, i], scores[1][:, i]
            again = [auc(there[a], intact[b]) for a, b in zip(*picks)]
            low, high = np.percentile(again, (2.5, 97.5))
            cells.append(f"{auc(there, intact):.3f} ({low:.3f} to {high:.3f})")
        cells += [f"{sum(r[2] for r in of)} of {len(of)}" for of in (vacancy, column)]
        lines.append("| " + " | ".join(cells) + " |")
    n, n_px = (sum(scan[key] for scan in rows.values()) for key in ("elsewhere", "px"))
    return "\n".join(lines) + f"\n\nListed elsewhere: {n} in {n_px / 1e6:.2f} 10^6 px."


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("real-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    journal = trials.Journal(args.out / "implants.jsonl")
    for name in [] if args.table else args.mine(list(SCANS)):
        journal.run(name, lambda name=name: run(args, name))
    trials.write(args.out / "implants.md", table(journal.rows()))


if __name__ == "__main__":
    main()
