"""Real atoms labelled by hand: Pt on carbon (PtNC-HPAI, 12 areas, HAADF).

Part of `atoms`; needs the environment variable N2V_STEM_DATA. A model is trained blind on these
very frames. Filter widths and thresholds are tuned for F1 on areas 00-05 and used on 06-11, then
the other way round; recall and precision are over all areas together, their intervals from
drawing areas again (bootstrap, 95 %). The labels were set by eye on the noisy image and are
incomplete, so that precision counts atoms that nobody labelled as false: recall at a fixed number
of detections a frame does not depend on that; for it widths are tuned on the other areas, too.
"""

import csv
import os
from functools import partial
from pathlib import Path

import numpy as np
import trials

from atoms import detection

PIXEL_NM, MATCH_PX = 0.0293, 5
FOLDS = (range(6), range(6, 12))
WIDTHS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0)  # [px]
PER_FRAME = (50, 100)
DRAWS = 2000


class Areas:
    """Raw and denoised areas in units of their noise, with labels."""

    def __init__(self, args):
        from n2v_stem_keras import N2VStem, N2VStemConfig
        from n2v_stem_keras.io import read_movie
        from n2v_stem_keras.noise import estimate_noise

        folder = Path(os.environ["N2V_STEM_DATA"]) / "real" / "PtNC-HPAI"
        options = {"axes": "SYX", "detectors": ("HAADF",), "pixel_size_nm": PIXEL_NM}
        movie = read_movie(folder / "haadf.tif", **options)
        raw = [movie.frame(s, 0)[..., 0].astype(float) for s in range(movie.n_series)]
        tiny = trials.TINY if args.tiny else {}
        config = N2VStemConfig.preset("laptop", channels=("HAADF",), **trials.SINGLE, **tiny)
        model = N2VStem(config, "PtNC-HPAI", args.models)
        if not model.record["runs"] or not model.record["runs"][-1]["finished"]:
            model.train(movie)
        sigma = [estimate_noise(area).sigma for area in raw]
        self.raw = [area / s for area, s in zip(raw, sigma)]
        self.denoised = [area / s for area, s in zip(model.predict(movie), sigma)]
        self.labels = [_labels(folder, s, raw[0].shape) for s in range(len(raw))]


def _labels(folder, number, shape):
    """Positions inside an area, (n, 2) y, x [px]."""
    with open(folder / "labels" / f"{number:02d}.csv", encoding="utf-8") as file:
        places = np.array([[float(row["Y"]), float(row["X"])] for row in csv.DictReader(file)])
    return places[((places >= 0) & (places < shape)).all(axis=1)]


def methods():
    """Name -> (parameters, image(areas, number, parameter))."""
    from scipy.ndimage import gaussian_filter, gaussian_laplace

    from n2v_stem_keras.baselines import tv

    return {
        "raw maxima": ((0,), lambda areas, i, p: areas.raw[i]),
        "Gaussian": (WIDTHS, lambda areas, i, p: gaussian_filter(areas.raw[i], p)),
        "LoG": (WIDTHS, lambda areas, i, p: -gaussian_laplace(areas.raw[i], p) * p**2),
        "TV": ((0.5, 1, 1.5, 2, 3), lambda areas, i, p: tv(areas.raw[i], p, noise_sigma=1.0)),
        "model": ((0,), lambda areas, i, p: areas.denoised[i]),
    }


def run(args):
    """Find atoms in all areas by every method."""
    from n2v_stem_keras.atoms.find import peak_heights

    areas, rows = Areas(args), {}
    for name, (parameters, image) in methods().items():
        print(f"  {name}", flush=True)
        peaks = {
            p: [peak_heights(image(areas, i, p), PIXEL_NM) for i in range(len(areas.raw))]
            for p in parameters
        }
        rows[name] = _crossed(peaks, areas.labels)
    return {"labels": [len(known) for known in areas.labels], "rows": rows}


def _crossed(peaks, labels):
    """Tune on half of the areas and count on the other: counts of each area."""
    counts = {"F1": [None] * len(labels)} | {str(n): [None] * len(labels) for n in PER_FRAME}
    for tuned_on, used_on in (FOLDS, FOLDS[::-1]):
        curves = {p: _curve(found, labels, tuned_on) for p, found in peaks.items()}
        parameter, threshold = detection.operating_points(curves)["F1"]
        for i in used_on:
            places, heights = peaks[parameter][i]
            counts["F1"][i] = _count(places[heights >= threshold], labels[i])
        for n in PER_FRAME:
            best = max(
                peaks,
                key=lambda p: sum(_count(peaks[p][i][0][:n], labels[i])[0] for i in tuned_on),
            )
            for i in used_on:
                counts[str(n)][i] = _count(peaks[best][i][0][:n], labels[i])
    return counts


def _curve(found, labels, numbers):
    from n2v_stem_keras.atoms import precision_recall

    parts = ([found[i][0] for i in numbers], [labels[i] for i in numbers])
    return precision_recall(*parts, [found[i][1] for i in numbers], MATCH_PX)


def _count(places, labels):
    """(labels found, detections)."""
    from n2v_stem_keras.atoms import match

    return [len(match(places, labels, MATCH_PX).known), len(places)]


def plan(args):
    """Return key -> trial; nothing without the data."""
    return {"labels | PtNC-HPAI": partial(run, args)} if "N2V_STEM_DATA" in os.environ else {}


def report(rows):
    """Markdown: recall and precision with intervals."""
    (row,) = rows.values()
    labels = np.array(row["labels"])
    lines = [
        "| method | F1 | recall | precision | "
        + " | ".join(f"recall at {n} detections a frame" for n in PER_FRAME)
        + " |",
        "|---" * (4 + len(PER_FRAME)) + "|",
    ]
    for name, counts in row["rows"].items():
        cells = [name]
        for what in ("f1", "recall", "precision"):
            cells.append(_interval(counts["F1"], labels, what))
        cells += [_interval(counts[str(n)], labels, "recall") for n in PER_FRAME]
        lines.append("| " + " | ".join(cells) + " |")
    gain = _gain(row["rows"]["model"]["F1"], row["rows"]["Gaussian"]["F1"], labels)
    text = f"F1 of the model above the Gaussian's, area by area drawn again: {gain}."
    head = f"## Labelled by hand: PtNC-HPAI, {labels.sum()} labels in {len(labels)} areas"
    return f"{head}\n\n" + "\n".join(lines) + f"\n\n{text}"


def _scores(counts, labels):
    hits, found = np.asarray(counts).sum(axis=0)
    known = labels.sum()
    return {"recall": hits / known, "precision": hits / max(1, found),
            "f1": 2 * hits / (found + known)}  # fmt: skip


def _draws(labels):
    rng = np.random.default_rng(0)
    return rng.integers(len(labels), size=(DRAWS, len(labels)))


def _interval(counts, labels, what):
    """Value and 95 % interval."""
    counts = np.asarray(counts)
    drawn = [_scores(counts[d], labels[d])[what] for d in _draws(labels)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{_scores(counts, labels)[what]:.2f} ({low:.2f}-{high:.2f})"


def _gain(one, other, labels):
    one, other = np.asarray(one), np.asarray(other)
    drawn = [
        _scores(one[d], labels[d])["f1"] - _scores(other[d], labels[d])["f1"]
        for d in _draws(labels)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    now = _scores(one, labels)["f1"] - _scores(other, labels)["f1"]
    return f"{now:+.3f} ({low:+.3f} to {high:+.3f})"
