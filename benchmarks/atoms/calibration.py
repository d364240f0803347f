"""Is the stated rate of false atoms met on frames that the calibration did not see?

Part of `atoms`. `optimize_thresholds` on a noisy reference movie, against three nulls: noise
alone; the movie's lattice without adatoms, given as an image; and what it finds of that lattice by
itself. Then new frames through the same model: noise alone, and the true lattice without adatoms,
each with new noise. Rates per 10^6 px with their exact 95 % intervals; at least 50 false atoms are
expected at the stated rate. A threshold is the stricter one of noise and lattice, so with a lattice
one of the two rates is expected at what is stated and the other below.
"""

from functools import partial

import numpy as np
import trials

RATE_PER_MPX, EVENTS = 5.0, 50
NULLS = ("noise alone", "lattice given", "lattice found")


def run(level, args):
    """Calibrate and count again."""
    from n2v_stem_keras import Movie, N2VStem, detection
    from n2v_stem_keras.series import collect_series
    from n2v_stem_keras.simulate import reference_movie

    shape = (96, 96) if args.tiny else (256, 256)
    seed = trials.SEEDS["training"][0]
    truth = reference_movie(seed, shape).clean
    lattice = reference_movie(seed, shape, n_frames=1, density_nm2=0.0).clean
    noisy = trials.white(truth[None], level, "training")[0]
    movie = Movie.from_array(
        noisy, "TYXC", detectors=trials.DETECTORS, pixel_size_nm=trials.PIXEL_NM
    )
    model = N2VStem(None, f"reference-{level[0]}-{level[1]}dB-seed0", args.models)
    model = N2VStem(model.config, basedir=None) if args.tiny else model
    (series,) = collect_series(movie, model.config.channels)
    flat = np.broadcast_to(series.statistics.mean, (1, *shape, len(trials.DETECTORS)))
    rate = 500.0 if args.tiny else RATE_PER_MPX
    parts = {
        null: model.optimize_thresholds(movie, lattice=images, false_alarms_per_Mpx=rate)
        for null, images in zip(NULLS, (flat, lattice, None))
    }
    sigmas = detection.noise_sigmas(series)
    criteria = detection.criteria_of(model.config.channels, model.thresholds)
    n_frames = int(np.ceil(EVENTS / rate * 1e6 / np.prod(shape)))
    heights = {}
    for name, images in {"noise": flat, "lattice": lattice}.items():
        frames = detection.WithNoise(images, sigmas, n_frames, [1, len(heights)])
        heights[name] = detection.heights_without_atoms(model, series, sigmas, frames, criteria)
    events = {
        null: {
            name: [
                int((h >= part[d]["height_sigma"]).sum())
                for d, h in zip(trials.DETECTORS, heights[name])
            ]
            for name in heights
        }
        for null, part in parts.items()
    }
    area = n_frames * float(np.prod(shape)) / 1e6
    return {"level": level, "rate": rate, "parts": parts, "events": events, "area_Mpx": area}


def plan(args):
    """Return key -> trial."""
    return {f"calibration | {a}/{b} dB": partial(run, (a, b), args) for a, b in trials.LEVELS}


def report(rows):
    """Markdown: rates stated and met."""
    from n2v_stem_keras.atoms import poisson_interval

    lines = [
        "| level | detector | calibrated against | set by | threshold [raw sigma] | stated per Mpx "
        "| counted on new noise (95 %) | on the true lattice in new noise (95 %) |",
        "|---" * 8 + "|",
    ]
    for row in rows.values():
        for c, detector in enumerate(trials.DETECTORS):
            for null, parts in row["parts"].items():
                part = parts[detector]
                cells = [f"{row['level'][0]}/{row['level'][1]} dB", detector, null]
                method = "noise" if null == NULLS[0] else part["method"]  # a flat "lattice"
                cells += [method, f"{part['height_sigma']:.2f}"]
                cells += [f"{part['false_alarms_per_Mpx']:.2f}"]
                for events in row["events"][null].values():
                    low, high = (v / row["area_Mpx"] for v in poisson_interval(events[c]))
                    cells.append(f"{events[c] / row['area_Mpx']:.2f} ({low:.2f}-{high:.2f})")
                lines.append("| " + " | ".join(cells) + " |")
    return "## False atoms, stated and counted\n\n" + "\n".join(lines)
