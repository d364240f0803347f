"""Train the ready-made models anew: ``python models/make.py [NAME]`` (up to an hour each).

All are trained on noisy simulated movies, each with a specimen, a rotation, a pixel size, a
drift, a noise level (7 to 20 dB in either detector) and a scan of its own: two in five are scanned
without a fault, the others as real ones are, from 'mild' to 'bad' (`noise.SCANS`). Lattices have
point defects, some have a boundary, an edge or a hole, and some lie on amorphous carbon. What a
movie needs done to its frames before is looked up for each by itself, in use as in training.

- graphene-au: ADF and BF of gold adatoms and clusters on one to six layers of graphene, 0.035 to
  0.060 nm/px. Each detector has a UNet of its own, so that the model does not draw into one what
  only the other shows. It sees the frames around each, or those before.
- 2d-adf-bf: ADF and BF of graphene, hBN, MoS2 and WS2, 0.025 to 0.060 nm/px, likewise.
- haadf-general: one HAADF detector; heavy adatoms and clusters on these lattices or on amorphous
  carbon alone, 0.025 to 0.060 nm/px.
- graphene-au-live, 2d-adf-bf-live: small networks for frames as they come, taught by these on such
  movies (`distill`), with the ONNX graph that other engines run. Each detector has a network of its
  own, as in the teacher.

2d-adf-bf and haadf-general are also shown what their movies show without noise, of every two crops
one (`train_on_truth`): blind, a network learns little of what is rare, such as defects. The best
epoch is that of least loss on six further movies.

What ships as graphene-au was made by an earlier state of this script, which validated on one of its
movies, and graphene-au-live by one whose movies had white noise alone: made again with scans it was
1 dB worse on those. 2d-adf-bf-live does not ship.

Thresholds of atoms are set on reference movies at three noise levels, the strictest is kept. Scored
on movies that they never saw; the figures are appended to the model card. ``--finish`` does this
again with a model that is trained, ``--checks`` what `n2v-stem check` finds alone.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from n2v_stem_keras import Movie, N2VStem, N2VStemConfig, distill, limits
from n2v_stem_keras.atomic import write_text
from n2v_stem_keras.check import detector_crosstalk, lattice_in_hole
from n2v_stem_keras.cli import main as main_of_cli
from n2v_stem_keras.distillation import train_on_truth
from n2v_stem_keras.folder import card, folder
from n2v_stem_keras.folder.thresholds import read_thresholds, write_thresholds
from n2v_stem_keras.metrics import score
from n2v_stem_keras.noise import Scan, add_white_noise, scan_movie
from n2v_stem_keras.series import collect_series
from n2v_stem_keras.simulate import reference_movie, simulate_movie

SEED, TEST_SEEDS = 2026, range(100, 104)
N_FRAMES = 12
N_HELD, HELD_SEED = 6, 2027  # movies that trainings are validated on
SIDE = 384  # of a frame [px]
NOISE_DB = (7.0, 20.0)
SCANS = (Scan(), Scan(), "mild", "typical", "bad")  # with equal chance
LEVELS = (7, 10, 16, 20)  # scored [dB]
ATOM_LEVELS = (7, 10, 16)  # thresholds of atoms are set at [dB]
FALSE_ATOMS_PER_MPX = 2.0
MARGIN = 1.1  # of the heights asked for: other lattices than the reference movies' are met, too
HOLES_NM = (0.5, 1.0, 2.0)  # radii of holes looked into [nm]
REFERENCE_NM = 0.046
CHECKED, MADE_BY = "`n2v-stem check`:", "\n\nMade by `python models/make.py`.\n"  # on the card
# defects of each lattice, and up to how many of each lie in view
DEFECTS = {
    "graphene": {"V_C": 8, "V2_C": 6, "Si_C": 6, "Si3_C": 3},
    "hbn": {"V_B": 8, "V_N": 8},
    "mos2": {"V_S": 20, "V_Mo": 8, "W_Mo": 8},
    "ws2": {"V_S": 20, "V_W": 8, "Mo_W": 8},
    "none": {},
}
GRAPHENE = (("graphene", (1, 2, 3, 4, 5, 6)),)
TWO_D = (("graphene", (1, 2, 4)), ("hbn", (1, 2)), ("mos2", (1, 2)), ("ws2", (1, 2)))


@dataclass(frozen=True)
class Recipe:
    """What a ready-made model is trained on.

    Attributes
    ----------
    channels : tuple of str
        Detectors.
    lattices : tuple
        Pairs of a lattice and its numbers of layers, drawn from with equal chance.
    adatoms : tuple of str
        Elements, drawn from with equal chance.
    pixel_nm : tuple of float
        Range of pixel sizes [nm/px].
    words : str
        What it is for, for the card.
    changes : dict
        Fields that differ from the preset.
    preset : str
    teacher : str
        Ready-made model that teaches it; if there is none, noise is its only teacher.
    tested_on : tuple
        Pairs of a name and arguments of `simulate_movie`: what it is scored on beside reference
        movies.
    n_movies : int
    holes : float
        Share of the crystals that have a hole.
    on_truth : bool
        Whether it is also shown what the movies show without noise (`train_on_truth`).
    """

    channels: tuple
    lattices: tuple
    adatoms: tuple
    pixel_nm: tuple
    words: str
    changes: dict = field(default_factory=dict)
    preset: str = "laptop"
    teacher: str = ""
    tested_on: tuple = ()
    n_movies: int = 36
    holes: float = 0.2
    on_truth: bool = False


# what a movie needs is looked up for each; white noise is what is left of it
PREPARED = {
    "n2v_background_px": "each",
    "n2v_after_glow": "each",
    "n2v_level_rows": "each",
    "n2v_span": (1, 1),
}
LARGE = {**PREPARED, "train_epochs": 25, "train_steps_per_epoch": 200}
# nothing that one detector shows is drawn into the other; narrower, so that two cost as one
TWO_NETWORKS = {"unet_independent_detectors": True, "unet_n_first": 12}
SMALL = {"unet_independent_detectors": True, "unet_context": False}
SMALL |= {"train_epochs": 20, "train_steps_per_epoch": 200}
VACANCIES = (
    ("MoS2 with vacancies", {"lattice": "mos2", "density_nm2": 0.05, "defects": {"V_S": 8}}),
    ("WS2 with a boundary", {"lattice": "ws2", "density_nm2": 0.05, "boundary_rad": 0.3}),
    ("hBN with an edge", {"lattice": "hbn", "density_nm2": 0.05, "edge": True}),
)
ON_CARBON = ("Pt on carbon", {"lattice": "none", "adatom": "Pt", "support_nm": 5.0})
AU = "Gold adatoms and clusters on one to six layers of graphene, ADF and BF recorded at once"
LAYERS = "Graphene, hBN, MoS2 and WS2 with point defects and adatoms, ADF and BF recorded at once"
MODELS = {
    "graphene-au": Recipe(
        ("ADF", "BF"), GRAPHENE, ("Au",), (0.035, 0.060), f"{AU}.", {**LARGE, **TWO_NETWORKS}
    ),
    "2d-adf-bf": Recipe(
        ("ADF", "BF"),
        TWO_D,
        ("Au", "Si", "Pt"),
        (0.025, 0.060),
        f"{LAYERS}.",
        {**LARGE, **TWO_NETWORKS, "unet_blurs": 4},
        tested_on=VACANCIES,
        on_truth=True,
    ),
    "haadf-general": Recipe(
        ("HAADF",),
        (*TWO_D, *GRAPHENE, ("none", (1,)), ("none", (1,))),
        ("Au", "Pt", "W"),
        (0.025, 0.060),
        "Heavy adatoms and clusters on thin lattices (graphene, hBN, MoS2, WS2) or on amorphous "
        "carbon, HAADF alone.",
        {**LARGE, "unet_blurs": 4},
        tested_on=(VACANCIES[0], ON_CARBON),
        n_movies=48,
        holes=0.5,
        on_truth=True,
    ),
    "graphene-au-live": Recipe(
        ("ADF", "BF"),
        GRAPHENE,
        ("Au",),
        (0.035, 0.060),
        f"{AU}, for frames as they come: taught by graphene-au.",
        SMALL,
        preset="live",
        teacher="graphene-au",
    ),
    "2d-adf-bf-live": Recipe(
        ("ADF", "BF"),
        TWO_D,
        ("Au", "Si", "Pt"),
        (0.025, 0.060),
        f"{LAYERS}, for frames as they come: taught by 2d-adf-bf.",
        SMALL,
        preset="live",
        teacher="2d-adf-bf",
        tested_on=VACANCIES,
    ),
}


def specimen(rng, recipe):
    """Draw the arguments of `simulate_movie`."""
    lattice, layers = recipe.lattices[rng.integers(len(recipe.lattices))]
    options = {
        "pixel_size_nm": float(rng.uniform(*recipe.pixel_nm)),
        "lattice": lattice,
        "n_layers": int(rng.choice(layers)),
        "adatom": str(rng.choice(recipe.adatoms)),
        "density_nm2": float(rng.uniform(0.05, 0.5)),
        "clusters": (2, int(rng.integers(3, 12))) if rng.random() < 0.4 else 0,
        "motion": str(rng.choice(["steps", "hops", "none"])),
        "drift_px": float(rng.uniform(0, 1)) if rng.random() < 0.5 else 0.0,
        "defects": {
            name: int(rng.integers(0, most + 1)) for name, most in DEFECTS[lattice].items()
        },
    }
    if lattice == "none":
        options["support_nm"] = float(rng.uniform(2, 12))
        return options
    if rng.random() < 0.3:
        options["support_nm"] = float(rng.uniform(0.5, 4))
    kind = rng.random()
    if kind < 0.15:
        options["boundary_rad"] = float(rng.uniform(0.1, 0.5))
    elif kind < 0.3:
        options["edge"] = True
    elif kind < 0.3 + recipe.holes:
        options["hole_radius_nm"] = float(rng.uniform(0.6, 2.5))
    return options


def drawn_movie(rng, recipe):
    """Simulate a movie, and the options it was made with; others where these have no room."""
    while True:
        options = specimen(rng, recipe)
        try:
            clean = simulate_movie(rng, (SIDE, SIDE), N_FRAMES, **options).clean
            return clean[..., : len(recipe.channels)], options
        except ValueError as error:  # defects or adatoms that lie too close
            print(f"\nanother specimen: {error}")


def simulated_movies(recipe, n_movies, seed=SEED):
    """Simulate noisy movies, as a list of `Movie`, and what each shows without noise."""
    rng, movies, truths = np.random.default_rng([seed, len(recipe.channels)]), [], []
    for number in range(n_movies):
        clean, options = drawn_movie(rng, recipe)
        level = rng.uniform(*NOISE_DB, len(recipe.channels))
        scan = SCANS[rng.integers(len(SCANS))]
        one = scan_movie(clean, scan, int(rng.integers(2**31)), psnr_db=level)
        name = named(options, scan, zip(recipe.channels, level))
        movies.append(as_movie(one.noisy, recipe.channels, options["pixel_size_nm"], name))
        truths.append(one.truth)
        print(f"\rsimulating {number + 1}/{n_movies}", end="", flush=True)
    print()
    return movies, truths


def named(options, scan, levels):
    """Name a movie by what it shows."""
    on_crystal = f"{options['n_layers']} x {options['lattice']}"
    words = [f"{options['adatom']} on {'carbon' if options['lattice'] == 'none' else on_crystal}"]
    kinds = {"boundary_rad": "boundary", "edge": "edge", "hole_radius_nm": "hole"}
    words += [word for option, word in kinds.items() if options.get(option)]
    words.append(f"scan {scan if isinstance(scan, str) else 'without a fault'}")
    return ", ".join([*words, *(f"{c} {db:.1f} dB" for c, db in levels)])


def as_movie(frames, channels, pixel_size_nm, name="simulated"):
    """Wrap (T, Y, X, C) frames with their detectors and pixel size."""
    return Movie.from_array(
        frames, "TYXC", detectors=channels, pixel_size_nm=pixel_size_nm, name=name
    )


def test_movies(recipe):
    """Clean movies that no model saw, as pairs of a name and (S, T, Y, X, C)."""
    n = len(recipe.channels)
    frames = [reference_movie(s, n_frames=N_FRAMES).clean[..., :n] for s in TEST_SEEDS[:2]]
    yield "gold on four layers of graphene", np.stack(frames)
    for name, options in recipe.tested_on:
        frames = [
            simulate_movie(s, n_frames=N_FRAMES, **options).clean[..., :n] for s in (200, 201)
        ]
        yield name, np.stack(frames)


def merit(model, recipe):
    """Score the model on movies that it never saw; Markdown."""
    head = " | ".join(f"{c} PSNR [dB] | {c} SSIM" for c in recipe.channels)
    lines = [
        "## Figures of merit",
        "",
        f"{recipe.words} Means over simulated movies of {N_FRAMES} frames that the model never "
        f"saw, at {REFERENCE_NM} nm/px. Scans are those of `n2v-stem simulate --scan`, scored "
        "against the equally distorted truth.",
        "",
        f"| specimen | noise | frames | {head} |",
        "|---" * (2 * len(recipe.channels) + 3) + "|",
    ]
    ways = ("none", "both") if model.config.unet_context else ("none",)
    for what, clean in test_movies(recipe):
        for level, scan in [*((level, Scan()) for level in LEVELS), (10, "typical"), (10, "bad")]:
            scanned = [
                scan_movie(movie, scan, [SEED, level, i], psnr_db=level)
                for i, movie in enumerate(clean)
            ]
            truth = np.stack([one.truth for one in scanned])
            for way in ways:
                denoised = [
                    model.predict(
                        as_movie(one.noisy, recipe.channels, REFERENCE_NM),
                        context=way,
                        verbose=False,
                    )
                    for one in scanned
                ]
                table = score(truth, np.stack(denoised), recipe.channels)
                values = [table[c][m].mean() for c in recipe.channels for m in ("psnr", "ssim")]
                noise = f"{level} dB" + (f", scan {scan}" if isinstance(scan, str) else "")
                frames = "each by itself" if way == "none" else "and those around"
                found = " | ".join(f"{v:.2f}" for v in values)
                lines.append(f"| {what} | {noise} | {frames} | {found} |")
                print(lines[-1], flush=True)
    if recipe.channels == ("ADF", "BF"):

        def predict(movie):  # each frame is a test of its own
            movie = as_movie(movie, recipe.channels, REFERENCE_NM)
            return model.predict(movie, context="none", verbose=False)

        lines += ["", *crosstalk(predict, recipe.channels), "", *holes(predict, recipe.channels)]
    lines += ["", *checked(model)]
    return "\n".join(lines) + MADE_BY


def checked(model):
    """Say what `n2v-stem check` finds at three noise levels; Markdown lines."""
    lines = [CHECKED, "", "| noise | asked | failed |", "|---|---|---|"]
    for level in ATOM_LEVELS:
        with tempfile.TemporaryDirectory() as out:
            main_of_cli(["check", str(model.logdir), "--psnr", str(level), "--out", out])
            answers = json.loads((Path(out) / "check.json").read_text(encoding="utf-8"))["answers"]
        failed = [
            f"{a['question']}, {a['detector']}: {a['found']} (allowed {a['allowed']})"
            for a in answers
            if a["passed"] is False
        ]
        asked = sum(a["passed"] is not None for a in answers)
        lines.append(f"| {level} dB | {asked} | {'; '.join(failed) or 'none'} |")
    return lines


def crosstalk(predict, detectors):
    """Say how much of an adatom in one detector appears in the other's output; Markdown lines."""
    lines = [
        "An adatom that only one detector shows appears in the other's output with this share of "
        "the height that it has there when it is there (mean, and 95th percentile of the absolute "
        "value over lone adatoms):",
        "",
        "| noise | shown by | looked for in | mean | 95th percentile |",
        "|---|---|---|---|---|",
    ]
    for level in LEVELS:
        for found in detector_crosstalk(predict, detectors, level):
            lines.append(
                f"| {level} dB | {found.source} | {found.target} | {100 * found.share:+.1f} % | "
                f"{100 * found.share_95:.1f} % |"
            )
    return lines


def holes(predict, detectors):
    """Say how much lattice is drawn into a hole; Markdown lines."""
    lines = [
        "Contrast of the lattice in the output, over its true contrast, in a round hole of four "
        "layers of graphene (right: 0 %) and away from it (right: 100 %), ADF / BF:",
        "",
        "| noise | " + " | ".join(f"hole of radius {r} nm" for r in HOLES_NM) + " | away |",
        "|---" * (len(HOLES_NM) + 2) + "|",
    ]
    for level in LEVELS:
        found = [lattice_in_hole(predict, detectors, r, level) for r in HOLES_NM]
        cells = [[100 * f.inside for f in pair] for pair in found]
        cells.append([100 * f.outside for f in found[0]])
        cells = [" / ".join(f"{value:.0f} %" for value in pair) for pair in cells]
        lines.append(f"| {level} dB | " + " | ".join(cells) + " |")
    return lines


def set_thresholds(model, recipe):
    """Set the thresholds of atoms at several noise levels; keep the strictest of each detector."""
    clean = reference_movie(TEST_SEEDS[-1] + 1).clean[..., : len(recipe.channels)]
    strictest = {}
    for level in ATOM_LEVELS:
        noisy = add_white_noise(clean, level, seed=[SEED, level])
        movie = as_movie(noisy, recipe.channels, REFERENCE_NM)
        found = model.optimize_thresholds(movie, false_alarms_per_Mpx=FALSE_ATOMS_PER_MPX)
        for channel, part in found.items():
            before = strictest.get(channel)
            if before is None or part["height_sigma"] > before["height_sigma"]:
                strictest[channel] = part
        print(f"{level} dB: { ({c: p['height_sigma'] for c, p in found.items()}) }", flush=True)
    for channel, part in strictest.items():
        part = {**part, "height_sigma": round(MARGIN * part["height_sigma"], 4)}
        model.thresholds[channel]["atoms"] = part
    write_thresholds(model.logdir, model.thresholds)


def make(name, basedir, finish=False, **changes):
    """Train a model, or finish one that is trained: thresholds, figures and card."""
    recipe = MODELS[name]
    settings = {**recipe.changes, **changes}
    config = N2VStemConfig.preset(
        recipe.preset, channels=recipe.channels, train_seed=SEED, **settings
    )
    if finish:
        model = N2VStem(None, name, basedir)
    else:
        movies, truths = simulated_movies(recipe, recipe.n_movies)
        # of one movie alone the best epoch would be one of chance
        held = {"validation_data": simulated_movies(recipe, N_HELD, HELD_SEED)[0]}
        if recipe.teacher:
            teacher = N2VStem(None, recipe.teacher, basedir)
            model = distill(teacher, movies, config, name, basedir, **held)
        else:
            model = N2VStem(config, name, basedir)
            if recipe.on_truth:
                train_on_truth(model, movies, truths, **held)
            else:
                model.train(movies, **held)
    # the best weights are all that ships
    (model.logdir / "weights_last.weights.h5").unlink(missing_ok=True)
    if recipe.teacher:
        model.export(format="onnx")
    set_thresholds(model, recipe)
    text = card.write(model) + "\n" + merit(model, recipe)
    write_text(model.logdir / folder.CARD, text)


def ask_again(name, basedir):
    """Write what `n2v-stem check` finds by now into a model's card."""
    path = basedir / name / folder.CARD
    before, _, _ = path.read_text(encoding="utf-8").removesuffix(MADE_BY).partition(CHECKED)
    found = "\n".join(checked(N2VStem(None, name, basedir)))
    write_text(path, f"{before.rstrip()}\n\n{found}{MADE_BY}")


def learn_periods(name, basedir):
    """Set the periods of the lattices that a model knows by specimens such as it was trained on.

    Seen without much noise: the limits that a training learns know lattices that stand out of it.
    """
    global N_FRAMES, NOISE_DB, SCANS
    N_FRAMES, NOISE_DB, SCANS = 1, (40.0, 40.0), (Scan(),)
    recipe, at = MODELS[name], basedir / name
    thresholds = read_thresholds(at, recipe.channels)
    movies, _ = simulated_movies(recipe, recipe.n_movies)
    measured = [
        limits.measure(s.frames, s.statistics)
        for movie in movies
        for s in collect_series(movie, N2VStemConfig(channels=recipe.channels))
    ]
    learnt = limits.learn(measured, [m.pixel_size_nm for m in movies], folder.read_config(at))
    for channel, parts in learnt.items():
        known = thresholds[channel]["domain"]
        seen = [v for part in (known, parts["domain"]) for v in part.get("period_nm", ())]
        known["period_nm"] = [min(seen), max(seen)]
        print(f"{name}, {channel}: lattices repeat after {known['period_nm']} nm")
    write_thresholds(at, thresholds)


def main():
    """Train the models named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODELS)}; all")
    parser.add_argument("--basedir", type=Path, default=Path(__file__).parent)
    parser.add_argument("--finish", action="store_true", help="set thresholds and write cards only")
    parser.add_argument("--checks", action="store_true", help="ask `n2v-stem check` again only")
    parser.add_argument("--periods", action="store_true", help="of lattices; learn these only")
    args = parser.parse_args()
    if unknown := set(args.names) - set(MODELS):
        parser.error(f"no model {', '.join(sorted(unknown))}; known: {', '.join(MODELS)}")
    for name in args.names or MODELS:
        if args.periods:
            learn_periods(name, args.basedir)
        elif args.checks:
            ask_again(name, args.basedir)
        else:
            make(name, args.basedir, args.finish)


if __name__ == "__main__":
    main()
