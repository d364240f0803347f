"""Atoms found and placed on simulated movies: raw frames, filters and models against the limits.

Part of `atoms`. Every method makes an image in which local maxima are atoms and their height
above the local background is the score. Filter widths and strengths are tuned on four of the
training movies, for each of two operating points apart: greatest F1, and greatest recall at a
precision of at least 95 %, with the threshold; these are used on four movies that nothing was
tuned or trained on. Beside them the matched filter over both detectors, which is the best that a
single frame allows for isolated atoms of known shape in white noise (on a lattice that it does not
know), and the Cramer-Rao bound of positions.
"""

from functools import partial

import numpy as np
import trials

MATCH_PX = 3.0
LONE_NM = 0.5
TUNED_ON, NUMBERS = range(4), (0, 3, 6, 9)
WIDTHS = (0.7, 0.9, 1.1, 1.3, 1.5, 1.8, 2.2)  # [px]
PRECISION = 0.95
SIGNS = np.array([1.0, -1.0])


class Movies:
    """Clean and noisy movies in units of the noise, atoms bright, with true positions."""

    def __init__(self, which, level, tiny):
        self.movies = trials.structures("reference", which, tiny)
        self.truth = trials.clean(self.movies)
        self.noisy = trials.white(self.truth, level, which)
        self.sigma = (self.noisy - self.truth).std(axis=(0, 1, 2, 3))
        if which == "training":
            self.movies = [self.movies[i] for i in TUNED_ON if i < len(self.movies)]
            self.truth, self.noisy = (a[: len(self.movies)] for a in (self.truth, self.noisy))
        else:
            self.movies = list(self.movies)
        self.numbers = [t for t in NUMBERS if t < self.truth.shape[1]]

    def frames(self):
        """Yield (movie, frame, positions)."""
        for s, movie in enumerate(self.movies):
            for t in self.numbers:
                yield s, t, movie.positions[t]

    def image(self, frames, s, t):
        """Return a frame in units of the noise, atoms bright, (Y, X, C)."""
        return SIGNS * frames[s, t] / self.sigma


# -- methods: parameters to choose from, and an image for one of them ------------------------------
def gaussian(image, width, weights):
    """Blur the weighted sum of the detectors."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(image @ weights, width)


def log(image, width, weights):
    """Laplacian of a Gaussian, atoms bright."""
    from scipy.ndimage import gaussian_laplace

    return -gaussian_laplace(image @ weights, width) * width**2


def matched(image, _, template):
    """Correlate each detector with the shape of an atom, and add (noise is 1 in both)."""
    from scipy.signal import fftconvolve

    padded = np.pad(image, [(len(template) // 2,) * 2] * 2 + [(0, 0)], mode="reflect")
    flipped = template[::-1, ::-1]
    parts = [fftconvolve(padded[..., c], flipped[..., c], "valid") for c in range(image.shape[-1])]
    return np.sum(parts, axis=0)


def classical(image, parameter, name, c):
    """Denoise one detector by a method of `baselines`."""
    from n2v_stem_keras import baselines

    return getattr(baselines, name)(image[..., c], parameter, noise_sigma=1.0)


def template_of(data):
    """Shape of a lone adatom in units of the noise, (K, K, C), mean over those of the movies."""
    from scipy.ndimage import shift

    reach = 6
    shapes = []
    for s, t, places in data.frames():
        image = data.image(data.truth, s, t)
        for y, x in places[lone(places, image.shape)]:
            iy, ix = round(y), round(x)
            low = iy - reach - 2, ix - reach - 2
            high = iy + reach + 3, ix + reach + 3
            if min(low) < 0 or high[0] > image.shape[0] or high[1] > image.shape[1]:
                continue
            part = image[low[0] : high[0], low[1] : high[1]]
            moved = shift(part, (iy - y, ix - x, 0), order=3, mode="nearest")[2:-2, 2:-2]
            shapes.append(moved - np.median(moved, axis=(0, 1)))
    return np.mean(shapes, axis=0)


def lone(places, shape):
    """Which atoms are at least 0.5 nm from all others and from the border."""
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + 1e9 * np.eye(len(places))
    near = LONE_NM / trials.PIXEL_NM
    border = np.minimum(places, np.array(shape[:2]) - 1 - places).min(axis=1)
    return (apart.min(axis=1, initial=np.inf) >= near) & (border >= near / 2)


def methods(level, args, tuning):
    """Name -> (parameters, image(data, s, t, parameter))."""
    from n2v_stem_keras import N2VStem

    def of_raw(function, **options):
        return lambda data, s, t, p: function(data.image(data.noisy, s, t), p, **options)

    both = np.abs(template_of(tuning)).max(axis=(0, 1))
    both = both / both.max()
    found = {}
    for c, detector in enumerate(trials.DETECTORS):
        one = np.eye(2)[c]
        found[f"raw maxima, {detector}"] = ((0,), of_raw(gaussian, weights=one))
        found[f"Gaussian, {detector}"] = (WIDTHS, of_raw(gaussian, weights=one))
        found[f"LoG, {detector}"] = (WIDTHS, of_raw(log, weights=one))
        found[f"TV, {detector}"] = ((0.5, 1, 1.5, 2, 3), of_raw(classical, name="tv", c=c))
        found[f"BM3D, {detector}"] = ((0.6, 0.8, 1, 1.2), of_raw(classical, name="bm3d", c=c))
    found["Gaussian, both detectors"] = (WIDTHS, of_raw(gaussian, weights=both))
    found["matched filter, both detectors"] = (
        (0,),
        of_raw(matched, template=template_of(tuning)),
    )
    folder = f"reference-{level[0]}-{level[1]}dB-seed0"
    model = N2VStem(None, folder, args.models)
    denoised = Denoised(model.predict, both)
    return found | {"model": (PARAMETERS, denoised)}


PARAMETERS = ("ADF", "BF", "both")  # of a model: the detectors that are looked at
AROUND = {"model, frames around": "both", "model, frames before": "past"}


def context_methods(level, args, tuning):
    """Return the same of a model of `context.py`, which sees the frames around, or before."""
    import context

    from n2v_stem_keras import N2VStem

    both = np.abs(template_of(tuning)).max(axis=(0, 1))
    folder = context.name_of("still lattice", level, "context", 0)
    model = N2VStem(None, folder, args.context_models)

    def seeing(how):
        return lambda movie: model.predict(context.as_movie(movie, "TYXC"), context=how)

    return {
        name: (PARAMETERS, Denoised(seeing(how), both / both.max())) for name, how in AROUND.items()
    }


class Denoised:
    """Images of a model: its detectors, or both weighted by the height of an atom."""

    def __init__(self, predict, both):
        self.predict, self.weights = predict, {"ADF": [1, 0], "BF": [0, 1], "both": both}
        self._kept = {}

    def frames(self, data, s):
        """Return a denoised movie."""
        if (id(data), s) not in self._kept:
            self._kept[id(data), s] = self.predict(data.noisy[s])
        return self._kept[id(data), s]

    def __call__(self, data, s, t, parameter):
        """Return a denoised frame in units of the noise, atoms bright, (Y, X)."""
        return SIGNS * self.frames(data, s)[t] / data.sigma @ self.weights[parameter]


# -- scores ---------------------------------------------------------------------------------------
def curve(data, image):
    """Thresholds, precision and recall of a method with one parameter."""
    from n2v_stem_keras.atoms import precision_recall
    from n2v_stem_keras.atoms.find import peak_heights

    places, heights, known = [], [], []
    for s, t, true in data.frames():
        found = peak_heights(image(data, s, t), trials.PIXEL_NM)
        places.append(found[0])
        heights.append(found[1])
        known.append(true)
    return precision_recall(places, known, heights, MATCH_PX)


def f1_of(precision, recall):
    """Harmonic mean, 0 where nothing was found."""
    return 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def operating_points(curves):
    """Return the best (parameter, threshold) for each point, from the tuning movies."""
    best = {"F1": (-1, None, None), "95 %": (-1, None, None)}
    for parameter, (thresholds, precision, recall) in curves.items():
        f1 = f1_of(precision, recall)
        i = int(f1.argmax())
        if f1[i] > best["F1"][0]:
            best["F1"] = float(f1[i]), parameter, float(thresholds[i])
        enough = np.flatnonzero(precision >= PRECISION)
        if len(enough):
            j = enough[recall[enough].argmax()]
            if recall[j] > best["95 %"][0]:
                best["95 %"] = float(recall[j]), parameter, float(thresholds[j])
    return {point: (parameter, threshold) for point, (_, parameter, threshold) in best.items()}


def at(found, threshold):
    """Recall, precision and F1 at a threshold."""
    thresholds, precision, recall = found
    above = np.flatnonzero(thresholds >= threshold)
    if not len(above):
        return {"recall": 0.0, "precision": float("nan"), "f1": 0.0}
    p, r = float(precision[above[-1]]), float(recall[above[-1]])
    return {"recall": r, "precision": p, "f1": float(f1_of(p, r))}


def position_errors(data, image, threshold, pixels):
    """Errors of lone atoms that were found, y and x [pm], after a fit to `pixels`."""
    from n2v_stem_keras.atoms import match
    from n2v_stem_keras.atoms.find import peak_heights
    from n2v_stem_keras.atoms.refine import refine

    errors = []
    for s, t, true in data.frames():
        found, _ = peak_heights(image(data, s, t), trials.PIXEL_NM, least=threshold)
        placed = refine(pixels(data, s, t), found, 0.14 / trials.PIXEL_NM).positions
        pairs = match(placed, true, MATCH_PX)
        alone = lone(true, data.truth.shape[2:4])[pairs.known]
        errors.append((placed[pairs.found] - true[pairs.known])[alone])
    return 1000 * trials.PIXEL_NM * np.concatenate(errors)


def cramer_rao(data):
    """Bound of a position per axis [pm], rms over the lone atoms, and their number.

    For each atom sigma / sqrt(sum (ds/dx)^2) with both detectors' sums added, s the noise-free
    image of this atom alone.
    """
    from n2v_stem_keras.simulate import fast

    reach, step = 12, 0.05  # [px]

    def image(place):
        atom = {"Au": [[0.0, *((reach + place) * trials.PIXEL_NM)]]}
        side = (2 * reach + 1,) * 2
        return fast.contrast(atom, side, trials.PIXEL_NM, "graphene", 4) / data.sigma

    variances = []
    for _, _, true in data.frames():
        for place in true[lone(true, data.truth.shape[2:4])]:
            offset = place - np.rint(place)
            for shift in np.eye(2) * step:
                slope = (image(offset + shift) - image(offset - shift)) / (2 * step)
                variances.append(1 / (slope**2).sum())
    bound = 1000 * trials.PIXEL_NM * np.sqrt(np.mean(variances))
    return float(bound), len(variances) // 2


def run(level, args, methods=methods):
    """Score all methods at a noise level."""
    tuning, test = Movies("training", level, args.tiny), Movies("test", level, args.tiny)
    bound, n_lone = cramer_rao(test)
    found = methods(level, args, tuning)
    rows = {}
    for name, (parameters, image) in found.items():
        print(f"  {name}", flush=True)
        curves = {p: curve(tuning, partial(fixed, image, p)) for p in parameters}
        row = {}
        tested = {}
        for point, (parameter, threshold) in operating_points(curves).items():
            if parameter is None:
                row[point] = None
                continue
            if parameter not in tested:
                tested[parameter] = curve(test, partial(fixed, image, parameter))
            row[point] = {"parameter": parameter, "threshold": threshold}
            row[point] |= at(tested[parameter], threshold)
        if row["F1"]:
            row |= _positions(row, image, test)
            row["curve"] = thinned(*tested[row["F1"]["parameter"]][1:])
        rows[name] = row
    n_atoms = sum(len(true) for _, _, true in test.frames())
    return {"level": level, "bound_pm": bound, "n_lone": n_lone, "n_atoms": n_atoms, "rows": rows}


def thinned(precision, recall, n=200):
    """Keep points of a curve at even steps of recall, and some beyond the last true atom."""
    steps = np.searchsorted(recall, np.linspace(0, recall.max(), n))
    tail = np.linspace(steps[-1], len(recall) - 1, 20).astype(int)
    kept = np.unique(np.minimum(np.concatenate([steps, tail]), len(recall) - 1))
    return [precision[kept].round(4).tolist(), recall[kept].round(4).tolist()]


def fixed(image, parameter, data, s, t):
    return image(data, s, t, parameter)


def _positions(row, image, test):
    """Position errors at the F1 point: fitted to the raw pixels, and to the denoised ones."""
    parameter, threshold = row["F1"]["parameter"], row["F1"]["threshold"]
    at_best = partial(fixed, image, parameter)
    sources = {"raw": lambda d, s, t: d.image(d.noisy, s, t)}
    if isinstance(image, Denoised):
        sources["denoised"] = lambda d, s, t: SIGNS * image.frames(d, s)[t] / d.sigma
    found = {}
    for source, pixels in sources.items():
        errors = position_errors(test, at_best, threshold, pixels)
        rms = float(np.sqrt(np.mean(errors**2))) if len(errors) else None
        found[f"rms_pm_{source}"], found[f"n_{source}"] = rms, len(errors)
        if isinstance(image, Denoised):  # of which they are drawn
            found[f"errors_pm_{source}"] = errors.ravel().round(2).tolist()
    return found


# -- tables ---------------------------------------------------------------------------------------
def by_level(rows):
    """Return one row a level, with all methods."""
    found = {}
    for row in rows.values():
        level = tuple(row["level"])
        known = found.get(level, row)
        found[level] = {**row, "rows": {**known["rows"], **row["rows"]}}
    return found


def report(rows):
    """Markdown: one table a level."""
    text = ["## Found and placed"]
    for level, row in by_level(rows).items():
        lines = [
            "| method | F1 | recall | precision | recall at 95 % precision (precision met) | "
            "position error per axis, fit to raw pixels [pm] | to denoised [pm] |",
            "|---" * 7 + "|",
        ]
        for name, found in row["rows"].items():
            f1, p95 = found["F1"], found["95 %"]
            cells = [name]
            cells += [f"{f1[k]:.3f}" for k in ("f1", "recall", "precision")] if f1 else ["-"] * 3
            cells.append(f"{p95['recall']:.3f} ({p95['precision']:.2f})" if p95 else "never")
            for source in ("raw", "denoised"):
                rms = found.get(f"rms_pm_{source}")
                cells.append(f"{rms:.1f} (n {found[f'n_{source}']})" if rms else "-")
            lines.append("| " + " | ".join(cells) + " |")
        lines.append(
            f"\nCramer-Rao bound per axis, both detectors, {row['n_lone']} lone atoms: "
            f"{row['bound_pm']:.1f} pm. {row['n_atoms']} atoms in all."
        )
        text.append(f"### {level[0]}/{level[1]} dB\n\n" + "\n".join(lines))
    return "\n\n".join(text)


SHORT = (
    "raw maxima, ADF",
    "BM3D, ADF",
    "Gaussian, ADF",
    "matched filter, both detectors",
    "model",
    "model, frames around",
    "model, frames before",
)


def short_report(rows):
    """Markdown: F1 and recall at 95 % precision of some methods at each level, for the README."""
    found = {f"{a}/{b} dB": row for (a, b), row in by_level(rows).items()}
    lines = [
        "| method | " + " | ".join(f"F1 at {a} | recall at 95 % precision" for a in found) + " |",
        "|---" * (1 + 2 * len(found)) + "|",
    ]
    for name in SHORT:
        if not any(name in row["rows"] for row in found.values()):
            continue
        cells = [name]
        for row in found.values():
            f1, p95 = (row["rows"].get(name, {}).get(k) for k in ("F1", "95 %"))
            if name not in row["rows"]:
                cells += ["-", "-"]
                continue
            cells += [f"{f1['f1']:.2f}" if f1 else "-", f"{p95['recall']:.2f}" if p95 else "never"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plan(args):
    """Return key -> trial."""
    found = {f"detection | {a}/{b} dB": partial(run, (a, b), args) for a, b in trials.LEVELS}
    for level in trials.LEVELS:
        key = f"detection | {level[0]}/{level[1]} dB | frames around"
        found[key] = partial(run, level, args, context_methods)
    return found


def draw(out, rows):
    """Draw precision against recall, and position errors."""
    from n2v_stem_keras.plot.atoms import localisation_errors, precision_recall_curves

    for row in by_level(rows).values():
        label = row["level"][0]
        curves = {n: f["curve"] for n, f in row["rows"].items() if "curve" in f and "BF" not in n}
        title = f"{row['level'][0]}/{row['level'][1]} dB (ADF/BF)"
        precision_recall_curves(out / f"atoms-precision-recall-{label}dB.png", curves, (), title)
        model = row["rows"].get("model", {})
        if "errors_pm_raw" not in model:
            continue
        errors = {f"fit to {s} pixels": np.array(model[f"errors_pm_{s}"]) for s in
                  ("raw", "denoised")}  # fmt: skip
        localisation_errors(
            out / f"atoms-localisation-{label}dB.png", errors, row["bound_pm"], title
        )
