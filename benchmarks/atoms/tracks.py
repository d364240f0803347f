"""Trajectories over 100 frames: how many of the true ones are followed, raw and denoised.

Part of `atoms`. The paper counts 2771 tracked adatoms raw and 5266 denoised (+89 %), without
truth. Here two simulated movies of 100 frames are tracked at 7 dB and at the level, of those
scanned, where tracking of the raw frames finds most nearly half of the true trajectories. Raw
frames are what trackpy makes of them, a Gaussian blur of the ADF frame, of the width and threshold
of greatest F1 on a third movie; the two-detector matched filter beside it; and a model trained
blind on the two noisy movies. A trajectory is an adatom seen in at least five frames on end; it is
found if one track holds it in at least half of them. A track of at least five frames is true if
most of its points are one adatom.
"""

from collections import Counter
from functools import partial

import numpy as np
import trials

from atoms import detection

SEEDS, TUNING_SEED, FRAMES = (300, 301), 302, 100
SCANNED = (16, 13, 11, 10, 9, 8, 7, 6)  # both detectors [dB]
LEAST_FRAMES, SEARCH_NM, MEMORY = 5, 0.25, 1


class Movies(detection.Movies):
    """Movies of many frames at a noise level, in units of the noise."""

    def __init__(self, level, seeds, n_frames, tiny):
        from n2v_stem_keras.noise import add_white_noise
        from n2v_stem_keras.simulate import reference_movie

        shape = (96, 96) if tiny else (256, 256)
        self.movies = [reference_movie(seed, shape, n_frames) for seed in seeds]
        self.truth = trials.clean(self.movies)
        noisy = [add_white_noise(m, level, seed=[3, s]) for m, s in zip(self.truth, seeds)]
        self.noisy = np.stack(noisy)
        self.sigma = (self.noisy - self.truth).std(axis=(0, 1, 2, 3))
        self.numbers = range(n_frames)


def raw_methods(tuning):
    """Name -> (parameters, image(data, s, t, parameter))."""
    template = detection.template_of(tuning)

    def blurred(data, s, t, width):
        return detection.gaussian(data.image(data.noisy, s, t), width, np.array([1.0, 0.0]))

    def matched(data, s, t, _):
        return detection.matched(data.image(data.noisy, s, t), None, template)

    return {
        "raw, Gaussian, ADF": (detection.WIDTHS, blurred),
        "raw, matched filter, both detectors": ((0,), matched),
    }


def model_methods(data, tuning, level, args, around=False):
    """Train on the movies to be tracked, or take the model that was."""
    from n2v_stem_keras import Movie, N2VStem, N2VStemConfig

    changes = (trials.TINY if args.tiny else {}) | ({} if around else trials.SINGLE)
    config = N2VStemConfig.preset("laptop", **changes)
    name = f"tracks-{level}dB" + ("-context" if around else "")
    model = N2VStem(config, name, args.context_models if around else args.models)
    if not model.record["runs"] or not model.record["runs"][-1]["finished"]:
        options = {"detectors": trials.DETECTORS, "pixel_size_nm": trials.PIXEL_NM}
        model.train(Movie.from_array(data.noisy, "STYXC", **options))
    peaks = np.abs(detection.template_of(tuning)).max(axis=(0, 1))
    found = {}
    for name, how in detection.AROUND.items() if around else {"model": "none"}.items():
        predict = partial(model.predict, context=how)
        denoised = detection.Denoised(predict, peaks / peaks.max())
        found[name] = (detection.PARAMETERS, denoised)
    return found


def follow(data, image, threshold):
    """Find, place and link; return one `atoms.track.Tracks` a movie."""
    import pandas as pd

    from n2v_stem_keras.atoms.find import peak_heights
    from n2v_stem_keras.atoms.refine import refine
    from n2v_stem_keras.atoms.track import link

    found = []
    for s in range(len(data.movies)):
        rows = []
        for t in data.numbers:
            peaks, _ = peak_heights(image(data, s, t), trials.PIXEL_NM, least=threshold)
            raw = data.image(data.noisy, s, t)
            for y, x in refine(raw, peaks, 0.14 / trials.PIXEL_NM).positions * trials.PIXEL_NM:
                rows.append((t, y, x))
        table = pd.DataFrame(rows, columns=["frame", "y_nm", "x_nm"])
        found.append(link(table, SEARCH_NM, MEMORY, len(data.numbers), LEAST_FRAMES))
    return found


def trajectories(movie):
    """Name -> frames of the adatoms that are in view for at least five frames on end."""
    frames = {}
    for t, ids in enumerate(movie.ids):
        for name in ids.tolist():
            frames.setdefault(name, []).append(t)
    found = {}
    for name, numbers in frames.items():
        parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
        for part in parts:
            if len(part) >= LEAST_FRAMES:
                found[name, int(part[0])] = set(part.tolist())
    return found


def score(data, tracked):
    """Share of trajectories found, share of tracks that are true, and their numbers."""
    from n2v_stem_keras.atoms import match

    n_true = n_found = n_tracks = n_right = 0
    for movie, tracks in zip(data.movies, tracked):
        owners = {}  # particle -> the adatom at each of its points
        for t, rows in tracks.table.groupby("frame"):
            places = rows[["y_nm", "x_nm"]].to_numpy() / trials.PIXEL_NM
            pairs = match(places, movie.positions[t], detection.MATCH_PX)
            names = np.full(len(places), -1)
            names[pairs.found] = movie.ids[t][pairs.known]
            for particle, name in zip(rows["particle"], names.tolist()):
                owners.setdefault(particle, []).append((int(t), name))
        wanted = trajectories(movie)
        for (name, _), frames in wanted.items():
            held = [
                sum(1 for t, who in points if who == name and t in frames)
                for points in owners.values()
            ]
            n_found += max(held, default=0) >= len(frames) / 2
        n_true += len(wanted)
        for points in owners.values():
            name, count = Counter(who for _, who in points).most_common(1)[0]
            n_right += name >= 0 and count > len(points) / 2
        n_tracks += len(owners)
    return {"trajectories": n_true, "found": n_found, "tracks": n_tracks, "true_tracks": n_right}


def compare(methods, data, tuning):
    """Tune each method on the third movie and track the others."""
    rows = {}
    for name, (parameters, image) in methods.items():
        curves = {
            p: detection.curve(tuning, partial(detection.fixed, image, p)) for p in parameters
        }
        parameter, threshold = detection.operating_points(curves)["F1"]
        fixed = partial(detection.fixed, image, parameter)
        rows[name] = {"parameter": parameter, **score(data, follow(data, fixed, threshold))}
    return rows


def scan(args):
    """Track the raw frames at every level."""
    levels = {}
    for level in SCANNED[:2] if args.tiny else SCANNED:
        data, tuning = sets(level, args.tiny)
        methods = {"raw, Gaussian, ADF": raw_methods(tuning)["raw, Gaussian, ADF"]}
        levels[str(level)] = compare(methods, data, tuning)["raw, Gaussian, ADF"]
    return {"levels": levels}


def half_found(levels):
    """Level [dB] at which raw tracking finds most nearly half."""
    share = {int(level): row["found"] / row["trajectories"] for level, row in levels.items()}
    return min(share, key=lambda level: abs(share[level] - 0.5))


def sets(level, tiny):
    """Movies to track, and the movie to tune on."""
    n_frames = 8 if tiny else FRAMES
    data = Movies((level, level), SEEDS, n_frames, tiny)
    return data, Movies((level, level), (TUNING_SEED,), min(12, n_frames), tiny)


def run(which, args):
    """Track raw and denoised frames at 7 dB, or where half is found raw; or with frames around."""
    journal = trials.Journal(args.out / "atoms.jsonl")
    level = 7
    if which == "half":
        level = half_found(journal.run("tracks | scan", partial(scan, args))["levels"])
    data, tuning = sets(level, args.tiny)
    if which == "frames around":
        methods = model_methods(data, tuning, level, args, around=True)
    else:
        methods = raw_methods(tuning) | model_methods(data, tuning, level, args)
    return {"level": level, "rows": compare(methods, data, tuning)}


def plan(args):
    """Return key -> trial."""
    found = {"tracks | scan": partial(scan, args)}
    found["tracks | half of them found raw"] = partial(run, "half", args)
    found["tracks | 7 dB"] = partial(run, "7 dB", args)
    found["tracks | 7 dB | frames around"] = partial(run, "frames around", args)
    return found


def report(rows):
    """Markdown: trajectories found, raw and denoised."""
    lines = [
        "| level, both detectors | method | trajectories found | of | tracks | of them true |"
        " trajectories more than raw |",
        "|---" * 7 + "|",
    ]
    levels = {}
    for row in rows.values():
        if "level" in row:
            levels.setdefault(row["level"], {}).update(row["rows"])
    for level, methods in levels.items():
        raw = methods["raw, Gaussian, ADF"]["found"] if "raw, Gaussian, ADF" in methods else 0
        for name, found in methods.items():
            cells = [f"{level} dB", name, found["found"], found["trajectories"]]
            cells += [found["tracks"], found["true_tracks"]]
            cells += [f"{100 * (found['found'] / raw - 1):+.0f} %" if raw else "-"]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    scanned = rows.get("tracks | scan", {"levels": {}})["levels"]
    shares = ", ".join(
        f"{100 * row['found'] / row['trajectories']:.0f} % at {level} dB"
        for level, row in scanned.items()
    )
    text = f"Raw tracking finds {shares}.\n\n" if shares else ""
    return "## Tracked over 100 frames\n\n" + text + "\n".join(lines)
