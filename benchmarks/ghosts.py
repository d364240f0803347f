"""Do atoms that have hopped stay where they were, or come out fainter where they are?

    python benchmarks/ghosts.py                # from the models of context.py
    python benchmarks/ghosts.py --table

On movies never seen of drifting specimens whose adatoms hop (``hops=True``), the models that
`context.py` trained, with and without the frames around, are compared in the very frame after each
hop of 0.246 nm or more: what is drawn at the old site (denoised minus clean), what is lacking at
the new one (clean minus denoised), both in units of a lone adatom's height; atoms found within 3 px
of old sites and farther than that from any true atom, against as many random sites; and the error
of the position at the new site, as found in the denoised frame. Old sites, and random ones, lie
farther than 0.3 nm from all true atoms of the frame. "Knowing" is the posterior mean of an observer
who is told both sites, the shape of an adatom, that it was at the old one, and how often adatoms
hop, to one of six sites: no frame before tells more. Writes ghosts.jsonl and ghosts.md.
"""

from pathlib import Path

import context
import numpy as np
import trials

N_FRAMES = 24
HOP_NM, CLEAR_NM = 0.246, 0.3
NEAR_PX = 3.0
COLUMNS = ("old", "ghost", "random", "lacking", "miss_px")
N_HOPS = 3000
HOP_RATE, N_SITES, REACH_PX = 0.05, 6, 4
SEED = 5000  # of the first movie


def hops_of(movie):
    """Return the hops of a movie: (frame after it, old site, new site), y, x [px] in that frame."""
    found = []
    drift = np.diff(movie.drift_px, axis=0)
    for t in range(1, len(movie.positions)):
        before = dict(zip(movie.ids[t - 1].tolist(), movie.positions[t - 1]))
        for name, new in zip(movie.ids[t].tolist(), movie.positions[t]):
            if name not in before:
                continue
            old = before[name] + drift[t - 1]
            if np.linalg.norm(new - old) * movie.pixel_size_nm >= HOP_NM * 0.999:
                found.append((t, old, new))
    return found


def is_clear(site, atoms, shape, pixel_size_nm):
    """Whether a site lies in the frame and away from its atoms."""
    inside = all(4 <= v < n - 4 for v, n in zip(site, shape))
    apart = np.linalg.norm(atoms - site, axis=1) * pixel_size_nm if len(atoms) else np.array([9.0])
    return inside and apart.min() > CLEAR_NM


def values_at(image, sites):
    """Interpolate an image at sites (n, 2)."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(image, np.asarray(sites).T, order=1)


def one_movie(models, level, seed, tiny):
    """Measure one movie: what -> rows of (old, lacking, ghost found, random found, error)."""
    from n2v_stem_keras.noise import add_white_noise
    from n2v_stem_keras.simulate import reference_movie

    options = {"shape": (64, 64)} if tiny else {}
    movie = reference_movie(seed, n_frames=N_FRAMES, hops=True, **options)
    noisy = add_white_noise(movie.clean, level, seed=[8, seed])
    heights = movie.lone_adatom_height() * np.ptp(movie.clean, axis=(1, 2)).mean(axis=0)
    signs = np.array([1, -1])
    rng, shape = np.random.default_rng([7, seed]), movie.clean.shape[1:3]
    hops = hops_of(movie)
    rows = {name: [] for name in models}
    for name, (model, how) in models.items():
        denoised = model.predict(context.as_movie(noisy, "TYXC"), context=how)
        found = peaks_of(denoised, noisy, heights)
        error = (denoised - movie.clean) * signs / heights
        for t, old, new in hops:
            atoms = movie.positions[t]
            row = dict.fromkeys(COLUMNS)
            if is_clear(old, atoms, shape, movie.pixel_size_nm):
                row["old"] = [float(values_at(error[t, ..., c], [old])[0]) for c in (0, 1)]
                row["ghost"] = is_found(found[t], old, atoms)
                while True:
                    site = rng.uniform(4, np.array(shape) - 4)
                    if is_clear(site, atoms, shape, movie.pixel_size_nm):
                        break
                row["random"] = is_found(found[t], site, atoms)
            if all(4 <= v < n - 4 for v, n in zip(new, shape)):
                row["lacking"] = [-float(values_at(error[t, ..., c], [new])[0]) for c in (0, 1)]
                apart = np.linalg.norm(found[t] - new, axis=1) if len(found[t]) else [np.inf]
                if np.min(apart) < NEAR_PX:
                    row["miss_px"] = float(np.min(apart))
            rows[name].append(_short(row))
        rng = np.random.default_rng([7, seed])  # the same random sites for all models
    return rows


def _short(row):
    """Round the numbers of a hop."""
    return {
        key: [round(v, 3) for v in value]
        if isinstance(value, list)
        else round(value, 3)
        if isinstance(value, float)
        else value
        for key, value in row.items()
    }


def peaks_of(denoised, noisy, heights):
    """Atoms of each frame, (n, 2) y, x [px]: peaks of the denoised ADF over half an adatom."""
    from n2v_stem_keras.atoms import Criterion, find_atoms
    from n2v_stem_keras.noise import estimate_noise

    sigma = np.array([estimate_noise(noisy[..., c]).sigma for c in (0, 1)])
    criteria = {"ADF": Criterion(0.5 * heights[0] / sigma[0], 1, 0.2), "BF": None}
    table = find_atoms(denoised, sigma, criteria, pixel_size_nm=trials.PIXEL_NM, raw=None)
    return [table.loc[table.frame == t, ["y", "x"]].to_numpy(float) for t in range(len(denoised))]


def is_found(found, site, atoms):
    """Whether an atom was found near a site that is no true atom."""
    if not len(found):
        return False
    near = found[np.linalg.norm(found - site, axis=1) <= NEAR_PX]
    if not len(near):
        return False
    apart = np.linalg.norm(near[:, None] - atoms, axis=-1).min(axis=1)
    return bool((apart > NEAR_PX).any())


def run(args, level, seed):
    """Measure one movie by all models of a level."""
    models = {"single": (context.trained(args, args.kind, level, "single", 0), "none")}
    # with no frame around it is as good as a single-frame model: context.py
    seeing = context.trained(args, args.kind, level, "context", 0)
    models |= {f"context, {how}": (seeing, how) for how in ("both", "past")}
    rows = one_movie(models, level, seed, args.tiny)
    columns = {name: [list(row.values()) for row in found] for name, found in rows.items()}
    return {"level": level, "seed": seed, "rows": columns}


def knowing(level):
    """Return what one draws who knows sites and rate at the old site, and lacks at the new [%]."""
    from n2v_stem_keras.noise import add_white_noise
    from n2v_stem_keras.simulate import reference_movie

    signal = []
    for seed in range(SEED, SEED + 4):
        movie = reference_movie(seed, n_frames=8, hops=True)
        sigma = (add_white_noise(movie.clean, level, seed=[8, seed]) - movie.clean).std((0, 1, 2))
        for t, old, new in hops_of(movie):
            y, x = np.rint(new).astype(int)
            far = np.linalg.norm(new - old) > 2 * REACH_PX
            if far and min(y, x) > REACH_PX and max(y, x) < min(movie.clean.shape[1:3]) - REACH_PX:
                part = np.s_[y - REACH_PX : y + REACH_PX + 1, x - REACH_PX : x + REACH_PX + 1]
                # what was not there before: a lone adatom, and what drifted a little
                change = (movie.clean[t][part] - movie.clean[t - 1][part]) / sigma
                signal.append(np.sqrt(np.square(change).sum()))
    d, noise = np.median(signal), np.random.default_rng(0).standard_normal(200_000)

    def believed(present, prior):
        log_odds = (present - 0.5) * d**2 + d * noise + np.log(prior / (1 - prior))
        return np.mean(1 / (1 + np.exp(-log_odds)))

    return 100 * believed(0, 1 - HOP_RATE), 100 * (1 - believed(1, HOP_RATE / N_SITES))


def table(rows):
    """Markdown: one line a level and model."""
    from scipy.stats import binomtest

    lines = [
        "| noise | model | hops | drawn at the old site, ADF / BF [% of an adatom] | more than "
        "single | lacking at the new site | more than single | found at old sites | at random "
        "sites | found at the new site | its error [px] |",
        "|---" * 11 + "|",
    ]
    for level in sorted({tuple(row["level"]) for row in rows.values()}, reverse=True):
        at = [row["rows"] for row in rows.values() if tuple(row["level"]) == level]
        by = {name: [dict(zip(COLUMNS, r)) for movie in at for r in movie[name]] for name in at[0]}
        for name in by:
            cells = [f"{level[0]}/{level[1]} dB", name, str(len(by[name]))]
            for what in ("old", "lacking"):
                pairs = [
                    (a[what], b[what])
                    for a, b in zip(by[name], by["single"])
                    if a[what] is not None
                ]
                own, base = (100 * np.array([p[i] for p in pairs]) for i in (0, 1))
                se = (own - base).std(axis=0) / np.sqrt(len(own))
                cells.append(context.pair(own.mean(axis=0), "{:+.1f}"))
                cells.append(
                    " / ".join(f"{m:+.1f} ± {s:.1f}" for m, s in zip((own - base).mean(axis=0), se))
                )
            for what in ("ghost", "random"):
                seen = [r[what] for r in by[name] if r[what] is not None]
                low, high = binomtest(sum(seen), len(seen)).proportion_ci(0.95, "exact")
                cells.append(f"{sum(seen)} of {len(seen)} ({100 * low:.2f}-{100 * high:.2f} %)")
            there = [r for r in by[name] if r["lacking"] is not None]
            errors = [r["miss_px"] for r in there if r["miss_px"] is not None]
            cells.append(f"{100 * len(errors) / len(there):.1f} %")
            cells.append(f"{np.sqrt(np.mean(np.square(errors)) / 2):.3f}")
            lines.append("| " + " | ".join(cells) + " |")
        old, lacking = (f"{value:.1f}" for value in knowing(level))
        cells = [f"{level[0]}/{level[1]} dB", "knowing, past", "", old, "", lacking, *[""] * 5]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("context-models"), "help": "default: %(default)s"}
    levels = {"default": "16,10,7", "help": "of the noise (default: %(default)s)"}
    kind = {"default": "hops and drift", "help": "movies that the models were trained on"}
    args = trials.arguments(__doc__, models=models, levels=levels, kind=kind)
    journal = trials.Journal(args.out / "ghosts.jsonl")
    wanted = [level for level in trials.LEVELS if str(level[0]) in args.levels.split(",")]
    for level in () if args.table else wanted:
        n_hops, seed = 0, SEED
        while n_hops < (10 if args.tiny else N_HOPS):
            key = f"{level[0]}/{level[1]} dB | movie {seed}"
            row = journal.run(key, lambda level=level, seed=seed: run(args, level, seed))
            n_hops += sum(r[0] is not None for r in row["rows"]["single"])
            seed += 1
    trials.write(args.out / "ghosts.md", table(journal.rows()))


if __name__ == "__main__":
    main()
