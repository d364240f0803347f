"""How close may two atoms be: separation resolved at 50 % success, and the dip at 0.34 nm.

Part of `atoms`. Pairs of Au adatoms of one separation on four layers of graphene, at the noise
of the reference movies; raw frames (a Gaussian over both detectors, and the matched filter, each
with the threshold of greatest F1 on the reference movies) and the model that was trained on the
reference movies. A pair is resolved if each of its atoms is met by a peak of its own within 0.1 nm.
The dip between two atoms 0.34 nm apart (`metrics.dip`; the paper's Fig. S1) is read off the ADF
frame: truth, a Gaussian of 1 px, the model.
"""

from functools import partial

import numpy as np
import trials

from atoms import detection

SEPARATIONS_NM = (0.16, 0.2, 0.24, 0.28, 0.34, 0.4, 0.5)
DIP_NM = 0.34
N_MOVIES, N_PAIRS = 16, 5
NEAR_NM, MIN_DISTANCE_NM = 0.1, 0.1
LEVELS = trials.LEVELS[:2]


class Pairs(detection.Movies):
    """Frames with pairs of one separation, in units of the noise."""

    def __init__(self, separation_nm, level, tiny):
        from n2v_stem_keras.simulate import simulate_movie

        options = {"shape": (96, 96) if tiny else (256, 256), "n_frames": 1, "motion": "none"}
        number = 1 if tiny else N_PAIRS
        self.movies = [
            simulate_movie([5, i], pairs=(number, separation_nm), density_nm2=0.05, **options)
            for i in range(2 if tiny else N_MOVIES)
        ]
        self.truth = trials.clean(self.movies)
        self.sigma = trials.reference_sigma(level, tiny)
        self.noisy = trials.white_sigma(self.truth, self.sigma, "test")
        self.numbers = [0]

    def pairs(self, s, separation_px):
        """Places of both atoms, (k, 2, 2), of the pairs well inside a frame."""
        places = self.movies[s].positions[0]
        apart = np.linalg.norm(places[:, None] - places, axis=-1)
        first, second = np.nonzero(np.triu(np.abs(apart - separation_px) < 0.2, 1))
        found = np.stack([places[first], places[second]], axis=1)
        last = np.array(self.truth.shape[2:4]) - 9
        return found[((found > 8) & (found < last)).all(axis=(1, 2))]


def run(level, args):
    """Resolve pairs of every separation by every method."""
    tuning = detection.Movies("training", level, args.tiny)
    wanted = ("Gaussian, both detectors", "matched filter, both detectors", "model")
    every = detection.methods(level, args, tuning)
    tuned = {}
    for name in wanted:
        parameters, image = every[name]
        curves = {
            p: detection.curve(tuning, partial(detection.fixed, image, p)) for p in parameters
        }
        tuned[name] = (image, *detection.operating_points(curves)["F1"])
    rows = {name: {} for name in wanted}
    dips = {}
    for separation in SEPARATIONS_NM[-2:] if args.tiny else SEPARATIONS_NM:
        data = Pairs(separation, level, args.tiny)
        for name, (image, parameter, threshold) in tuned.items():
            fixed = partial(detection.fixed, image, parameter)
            rows[name][str(separation)] = _resolved(data, fixed, threshold, separation)
        if separation == DIP_NM:
            dips = _dips(data, every["model"][1])
    return {"level": level, "rows": rows, "dips": dips}


def _resolved(data, image, threshold, separation_nm):
    """Count pairs resolved, and all pairs."""
    from n2v_stem_keras.atoms import match
    from n2v_stem_keras.atoms.find import peak_heights

    n = n_resolved = 0
    for s in range(len(data.movies)):
        found, _ = peak_heights(image(data, s, 0), trials.PIXEL_NM, MIN_DISTANCE_NM, threshold)
        for pair in data.pairs(s, separation_nm / trials.PIXEL_NM):
            n += 1
            n_resolved += len(match(found, pair, NEAR_NM / trials.PIXEL_NM).known) == 2
    return [n_resolved, n]


def _dips(data, model_image):
    """Dips of all pairs in the ADF frame: mean and standard error."""
    from scipy.ndimage import gaussian_filter

    from n2v_stem_keras.metrics import dip

    rows = []
    for s in range(len(data.movies)):
        stack = np.stack([
            data.image(data.truth, s, 0)[..., 0],
            gaussian_filter(data.image(data.noisy, s, 0)[..., 0], 1.0),
            model_image(data, s, 0, "ADF"),
        ])  # fmt: skip
        rows += [dip(stack, *pair) for pair in data.pairs(s, DIP_NM / trials.PIXEL_NM)]
    rows = np.array(rows)
    se = np.nanstd(rows, axis=0, ddof=1) / np.sqrt(np.isfinite(rows).sum(axis=0))
    values = np.stack([np.nanmean(rows, axis=0), se], axis=1).round(3).tolist()
    return dict(zip(("truth", "Gaussian of 1 px", "model"), values))


def half_success(counts):
    """Separation [nm] at which half of the pairs are resolved, by linear interpolation."""
    at = np.array([float(s) for s in counts])
    share = np.maximum.accumulate([k / n for k, n in counts.values()])
    above = np.flatnonzero(share >= 0.5)
    if not len(above):
        return None
    i = above[0]
    if i == 0:
        return float(at[0])
    part = (0.5 - share[i - 1]) / (share[i] - share[i - 1])
    return float(at[i - 1] + part * (at[i] - at[i - 1]))


def plan(args):
    """Return key -> trial."""
    return {f"pairs | {a}/{b} dB": partial(run, (a, b), args) for a, b in LEVELS}


def report(rows):
    """Markdown: share of pairs resolved against separation, and dips."""
    separations = list(next(iter(next(iter(rows.values()))["rows"].values())))
    lines = [
        "| level | method | " + " | ".join(f"{s} nm" for s in separations) + " | half at [nm] |",
        "|---" * (3 + len(separations)) + "|",
    ]
    dips = []
    for row in rows.values():
        level = f"{row['level'][0]}/{row['level'][1]} dB"
        for name, counts in row["rows"].items():
            half = half_success(counts)
            cells = [level, name, *(f"{100 * k / n:.0f} %" for k, n in counts.values())]
            cells.append(f"{half:.2f}" if half else "never")
            lines.append("| " + " | ".join(cells) + " |")
        said = ", ".join(f"{name} {m:.2f} ± {se:.2f}" for name, (m, se) in row["dips"].items())
        dips.append(f"Dip at {DIP_NM} nm, ADF, {level}: {said}.")
    return "## Pairs resolved\n\n" + "\n".join(lines) + "\n\n" + "\n\n".join(dips)
