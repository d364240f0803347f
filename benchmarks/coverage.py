"""Do the intervals that standard errors give hold the truth?

    python benchmarks/coverage.py --models context-models
    python benchmarks/coverage.py --table

`standard_error` of movies of 12 frames that the models never saw, and how many of the pixels lie
within 1.645 of it: 90 % should. Adatoms on drifting graphene at 10/10 and 7/6 dB, by the models of
`context.py`; MoS2 with missing columns at d' 4.1, by that of `defects.py` (both are trained where
--models has none); a hole and an edge of graphene at 10/10 dB, by the ready-made `graphene-au`,
which draws edges less well. "Adatoms" and defects are the pixels within 0.1 nm of their place,
"hole" and "edge" those farther than 0.2 nm from the crystal's end and those nearer, "lattice" what
is 0.3 nm and more from all of these. "Fresh frames" are real ones: of the TEM movie of
`real_movies.py` every second frame is denoised, and of the frames between them, which no model has
seen, so many pixels lie within the interval that their noise and the standard error give together.
Writes coverage.jsonl and coverage.md.
"""

import os
from pathlib import Path

import context
import defects
import numpy as np
import trials
from scipy.ndimage import distance_transform_edt

Z90 = 1.645
NEAR_NM, EDGE_NM, FAR_NM = 0.1, 0.2, 0.3
SEEDS = (100, 101)  # movies of each kind
# name -> (noise [dB], options of the specimen; None: reference movies)
GRAPHENE = {
    "adatoms, 10/10 dB": ((10, 10), None),
    "adatoms, 7/6 dB": ((7, 6), None),
    "hole, 10/10 dB": ((10, 10), {"hole_radius_nm": 1.6}),
    "edge, 10/10 dB": ((10, 10), {"edge": True}),
}
MOS2 = "MoS2, d' 4.1"
FRESH = "amorphous carbon"


def near(shape, places, distance):
    """Pixels so near to places, (Y, X) bool."""
    y, x = np.indices(shape)
    squares = [(y - a) ** 2 + (x - b) ** 2 for a, b in places]
    return np.min(squares, axis=0) <= distance**2 if squares else np.zeros(shape, bool)


def regions_of_graphene(movie, t):
    """Masks (Y, X) of a frame, by name."""
    shape, px = movie.clean.shape[1:3], movie.pixel_size_nm
    atoms, beside = (near(shape, movie.positions[t], d / px) for d in (NEAR_NM, FAR_NM))
    empty = movie.hole_mask(t)
    if movie.boundary is not None:
        places = np.moveaxis(np.indices(shape), 0, -1)
        empty = movie.boundary.distance(places, movie.drift_px[t]) > 0
    inside = distance_transform_edt(empty) if empty.any() else np.zeros(shape)
    outside = distance_transform_edt(~empty) if empty.any() else np.full(shape, np.inf)
    edge = np.where(empty, inside, outside) < EDGE_NM / px
    far = ~beside & (outside > FAR_NM / px) & ~empty
    return {"lattice": far, "adatoms": atoms & ~empty & ~edge, "hole": empty & ~edge, "edge": edge}


def regions_of_mos2(specimen, t):
    """Likewise."""
    shape = specimen.clean.shape[1:3]
    names = [d.name for d, there in zip(specimen.defects, specimen.there) if there]
    places = specimen.places(t)
    found = {"lattice": ~near(shape, places, FAR_NM / trials.PIXEL_NM)}
    for name in dict.fromkeys(names):
        of = places[[n == name for n in names]]
        found[defects.WORDS[name]] = near(shape, of, NEAR_NM / trials.PIXEL_NM)
    return found


def simulated(args, name):
    """Yield (model, movie, clean, regions) of each movie of a name."""
    from n2v_stem_keras import open_model
    from n2v_stem_keras.simulate import simulate_movie

    shape = (96, 96) if args.tiny else (256, 256)
    if name == MOS2:
        noise = defects.sigma_for("MoS2", 4.1)
        training = [defects.Specimen("MoS2", s, args.tiny).clean for s in range(8)]
        noisy = defects.noisy_of("MoS2", np.stack(training), noise, "training")
        model = defects.trained(args, "MoS2", 4.1, "context", 0, noisy)
        for seed in SEEDS:
            one = defects.Specimen("MoS2", seed, args.tiny)
            frames = defects.noisy_of("MoS2", one.clean[None], noise, "test")[0]
            yield model, frames, one.clean, lambda t, one=one: regions_of_mos2(one, t)
        return
    level, options = GRAPHENE[name]
    if options is None:
        model = context.trained(args, "hops and drift", level, "context", 0)
        movies = context.movies_of("hops and drift", SEEDS, 12, args.tiny)
    else:
        model = open_model("graphene-au")
        how = {"drift_px": 0.4, "density_nm2": 0.5, **options}
        movies = [simulate_movie([seed, 61], shape, 3 if args.tiny else 12, **how)
                  for seed in SEEDS]  # fmt: skip
    for movie in movies:
        frames = trials.white(movie.clean[None], level, "test")[0]
        yield model, frames, movie.clean, lambda t, movie=movie: regions_of_graphene(movie, t)


def run(args, name):
    """Measure the coverage of one kind."""
    if name == FRESH:
        return run_fresh(args)
    inside = {}
    for model, frames, clean, regions in simulated(args, name):
        movie = context.as_movie(frames.astype(np.float32), "TYXC")
        denoised = model.predict(movie, verbose=False)
        error = np.abs(denoised - clean) / model.standard_error(movie, verbose=False)
        for t in range(len(clean)):
            for region, mask in regions(t).items():
                if mask.any():
                    inside.setdefault(region, []).append(error[t][mask])
    found = {}
    for region, parts in inside.items():
        parts = np.concatenate(parts)
        found[region] = {
            "pixels": len(parts),
            "covered": (parts < Z90).mean(axis=0).round(3).tolist(),
            "rms": np.sqrt(np.mean(parts**2, axis=0)).round(2).tolist(),
        }
    return {"name": name, "regions": found}


def run_fresh(args):
    """Measure how many fresh pixels of a real movie lie within the intervals."""
    import real_movies

    from n2v_stem_keras import Movie

    seen, _, size = real_movies.carbon(0)
    model = real_movies.model_of(args, FRESH, 0, "context", seen, size)
    movie = Movie.from_array(seen, "TYXC", detectors=("HAADF",), pixel_size_nm=size)
    denoised = model.predict(movie, verbose=False)[..., 0].astype(float)
    error = model.standard_error(movie, verbose=False)[..., 0]
    fresh = real_movies.carbon(1)[0][..., 0].astype(float)
    # beam and camera are not steady: the same mean
    off = fresh - denoised
    off = np.abs(off - off.mean(axis=(1, 2), keepdims=True))
    # that of frames with correlated noise is told by their differences
    steps = np.diff(real_movies.carbon(1)[0][..., 0].astype(float), axis=0)
    noise = np.mean(steps.std(axis=(1, 2))) / 2**0.5
    return {
        "name": FRESH,
        "pixels": int(off.size),
        "noise": round(float((off < Z90 * noise).mean()), 4),
        "both": round(float((off < Z90 * np.hypot(noise, error)).mean()), 4),
        "error_to_noise": round(float(np.median(error) / noise), 3),
    }


def table(rows):
    """Markdown: one line a region."""
    lines = [
        "| movies | region | pixels | within 1.645 standard errors, first / second detector | rms "
        "of error over standard error |",
        "|---" * 5 + "|",
    ]
    for name in (*GRAPHENE, MOS2):
        for region, found in rows.get(name, {}).get("regions", {}).items():
            covered = " / ".join(f"{100 * v:.0f} %" for v in found["covered"])
            rms = " / ".join(f"{v:.2f}" for v in found["rms"])
            lines.append(f"| {name} | {region} | {found['pixels']} | {covered} | {rms} |")
    if fresh := rows.get(FRESH):
        lines += [
            "",
            f"Fresh frames of real {FRESH}, {fresh['pixels']} pixels: {100 * fresh['both']:.1f} % "
            "lie within 1.645 times noise and standard error together, and "
            f"{100 * fresh['noise']:.1f} % within 1.645 times the noise. The standard error is "
            f"{fresh['error_to_noise']:.2f} of the noise in the middle.",
        ]
    return "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("context-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    journal = trials.Journal(args.out / "coverage.jsonl")
    wanted = (*GRAPHENE, MOS2, FRESH)
    for name in [] if args.table else args.mine(wanted):
        if name == FRESH and "N2V_STEM_DATA" not in os.environ:
            print(f"{name}: left out, N2V_STEM_DATA is not set")
            continue
        journal.run(name, lambda name=name: run(args, name))
    trials.write(args.out / "coverage.md", table(journal.rows()))


if __name__ == "__main__":
    main()
