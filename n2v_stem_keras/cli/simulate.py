"""Make simulated movies with known truth."""

import argparse
import math
from pathlib import Path

from ..counting import counted
from . import options
from .simulation_files import RECORD, earlier_files, make_movie, write_record

DESCRIPTION = """\
Make movies of adatoms on a lattice, ADF and BF, with known truth. Writes for each movie
  movie-00_clean.ome.tif             without noise
  movie-00_noisy_16-16dB.ome.tif     one per noise level
  movie-00_undistorted.ome.tif       with --scan: before the scan distorts it
  movie-00_positions.csv             true positions: frame, y, x [px], y_nm, x_nm, id, element
  movie-00_defects.csv               with --defects: their sites, likewise
and simulation.json, with all that is needed to make them again. Whole numbers of y and x are pixel
centres; an id stays with its adatom from frame to frame.

examples:
  n2v-stem simulate movies --psnr 16,16 --psnr 10,10
  n2v-stem simulate clusters --clusters 3,13 --hole 1.5nm --motion hops --drift 0.5 --dose 350
  n2v-stem simulate vacancies --lattice mos2 --density 0 --defects V_S:12,V_Mo:4 --drift 0.4
  n2v-stem simulate boundaries --tilt 27 --drift 0.4
  n2v-stem simulate atoms-on-carbon --lattice none --support 3nm --density 0.4
  n2v-stem simulate moire --layers 2 --twist 13 --density 0 --defects V2_C:4,Si_C:4
"""

DEFAULT_PSNR = "10,10"  # A/sigma of a lone Au adatom about 3 in ADF, as in experiments
# What --reference fixes, and what each is without it.
SPECIMEN = {
    "lattice": "graphene",
    "layers": None,
    "density": 0.25,
    "clusters": None,
    "pairs": None,
    "hole": None,
    "drift": 0.0,
    "drift_walk": 0.0,
    "defects": None,
    "twist": 0.0,
    "tilt": None,
    "edge": None,
    "support": None,
    "imaging": "fast",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("out_dir", nargs="?", metavar="OUT_DIR", help="folder to write into")
    size = parser.add_argument_group("size")
    size.add_argument("--movies", type=int, default=8, metavar="N", help="default: %(default)s")
    size.add_argument("--frames", type=int, default=12, metavar="N", help="default: %(default)s")
    size.add_argument(
        "--size", default="256", metavar="PX", help="side, or Y,X [px] (default: %(default)s)"
    )
    size.add_argument(
        "--pixel-size", default="0.046nm", metavar="LENGTH", help="default: %(default)s"
    )
    _add_specimen_options(parser)
    _add_noise_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier simulation")
    options.add_run_options(parser)


def _add_specimen_options(parser):
    group = parser.add_argument_group("specimen")
    group.add_argument(
        "--reference",
        action="store_true",
        help="the specimen of the package's reference movies; only --motion steps or hops is free",
    )
    group.add_argument(
        "--lattice",
        metavar="NAME",
        help="graphene, hbn, mos2, ws2, none, or a structure file that ASE reads; several, with "
        "commas in between, to draw from for each movie (default: graphene)",
    )
    group.add_argument(
        "--layers", type=int, metavar="N", help="default: 4 of graphene, 1 of the others"
    )
    group.add_argument(
        "--density", type=float, metavar="D", help="single adatoms [nm^-2] (default: 0.25)"
    )
    group.add_argument("--clusters", metavar="N,SIZE", help="clusters in view, and adatoms in each")
    group.add_argument(
        "--pairs", metavar="N,DISTANCE", help="pairs of adatoms in view, and their separation"
    )
    group.add_argument(
        "--defects",
        metavar="NAME:N,...",
        help="point defects of the topmost layer, and how many of each in view: V_S a vacancy (in "
        "MoS2 of both S of a column), V2_C a divacancy, Si_C Si in the place of C, Si3_C three "
        "of them together",
    )
    group.add_argument(
        "--twist", type=float, metavar="DEG", help="turn every second layer (default: 0)"
    )
    line = group.add_mutually_exclusive_group()
    line.add_argument(
        "--tilt",
        type=float,
        metavar="DEG",
        help="a tilt boundary through the view, beyond which the crystal is turned so far",
    )
    line.add_argument(
        "--edge",
        action="store_const",
        const=True,
        help="the crystal ends at a straight edge through the view",
    )
    group.add_argument(
        "--support",
        metavar="THICKNESS",
        help="amorphous carbon of uneven thickness below the lattice, e.g. 3nm",
    )
    group.add_argument("--hole", metavar="RADIUS", help="a round hole in view, e.g. 1.5nm")
    group.add_argument(
        "--motion",
        choices=("steps", "hops", "none"),
        default="steps",
        help="steps: half of the adatoms step by 0.06 nm per axis, 3%% reappear elsewhere; hops: "
        "30%% jitter by 0.03 nm, 5%% hop by 0.25-0.5 nm (default: %(default)s)",
    )
    group.add_argument(
        "--drift", type=float, metavar="PX", help="steady drift, in a random direction [px/frame]"
    )
    group.add_argument(
        "--drift-walk", type=float, metavar="PX", help="random drift beside it [px/frame per axis]"
    )
    group.add_argument(
        "--imaging",
        choices=("fast", "multislice"),
        help="multislice needs abTEM and takes minutes a frame (default: fast)",
    )


def _add_noise_options(parser):
    group = parser.add_argument_group("noise")
    group.add_argument(
        "--psnr",
        action="append",
        metavar="ADF,BF",
        help=f"white noise at this PSNR [dB]; may be repeated (default: {DEFAULT_PSNR} if there "
        "is no --dose)",
    )
    group.add_argument(
        "--dose",
        action="append",
        metavar="D",
        help="counting noise at this dose [e-/px]; may be repeated",
    )
    group.add_argument(
        "--after-glow",
        type=float,
        metavar="RHO",
        help="let pixels glow on along x: lag-1 autocorrelation of the noise, below 1. The clean "
        "movie glows likewise, so that it stays the truth to score against",
    )
    group.add_argument(
        "--scan",
        metavar="STRENGTH",
        help="scan as badly as a microscope: mild, typical or bad (rows beside their places, hum, "
        "drift, uneven support, after-glow, row offsets, spikes, few levels; "
        "noise.SCANS). The clean movie is distorted likewise, and so are the positions",
    )


def run(args) -> int:
    """Simulate and write movie after movie."""
    from ..progress import FrameProgress

    out, plan = _checked_out_dir(args), _plan(args)
    earlier = earlier_files(out)
    if earlier and not args.overwrite:
        raise options.UsageError(
            f"{out} holds an earlier simulation ({earlier[0].name}); use --overwrite to replace "
            "it, or another folder"
        )
    if args.dry_run:
        options.show(_announce(args, out, plan))
        return 0
    out.mkdir(parents=True, exist_ok=True)
    for file in earlier:
        file.unlink()
    progress = FrameProgress("Simulating", args.movies * args.frames, not args.quiet)
    try:
        movies = [make_movie(out, i, args, plan, progress.step) for i in range(args.movies)]
    finally:
        progress.close()
    write_record(out / RECORD, args, movies)
    options.say(args, _summary(out, movies), lines=True)
    return 0


def _checked_out_dir(args):
    """Return the folder to write into."""
    if not args.out_dir:
        raise options.UsageError("OUT_DIR is missing: into which folder shall the movies go?")
    return Path(args.out_dir)


def _plan(args):
    """Turn the options into arguments of the simulation and noise levels; all checked."""
    from ..simulate import Specimen
    from ..simulate.movies import check_imaging

    for name in ("movies", "frames"):
        if getattr(args, name) < 1:
            raise options.UsageError(f"--{name} {getattr(args, name)}: expected 1 or more")
    if args.seed < 0:
        raise options.UsageError(f"--seed {args.seed}: expected 0 or more")
    side = _numbers("--size", args.size, int)
    if len(side) > 2 or min(side) < 1:
        raise options.UsageError(f"--size {args.size}: expected a side or Y,X [px]")
    movie = {
        "shape": (side[0], side[-1]),
        "n_frames": args.frames,
        "pixel_size_nm": options.length_nm(args.pixel_size, "--pixel-size"),
    }
    if args.reference:
        movie["hops"] = _reference_hops(args)
    else:
        specimen, imaging = _specimen(args), _given(args, "imaging")
        try:
            for lattice in specimen["lattice"]:
                check_imaging(imaging, Specimen(**{**specimen, "lattice": lattice}))
        except ValueError as error:
            raise options.UsageError(str(error)) from None
        movie |= {**specimen, "imaging": imaging}
    if args.after_glow is not None and not 0 <= args.after_glow < 1:
        raise options.UsageError(f"--after-glow {args.after_glow}: expected 0 <= RHO < 1")
    if args.scan is not None:
        from ..noise import SCANS

        if args.scan not in SCANS:
            raise options.UsageError(f"--scan {args.scan}: expected one of {', '.join(SCANS)}")
        if args.after_glow:
            raise options.UsageError("--scan brings its after-glow; leave --after-glow away")
    return {"movie": movie, "levels": _noise_levels(args)}


def _given(args, name):
    """Return a specimen's option, or its default."""
    value = getattr(args, name)
    return SPECIMEN[name] if value is None else value


def _reference_hops(args):
    """Whether the reference movies hop; other options of the specimen are refused."""
    given = [name for name in SPECIMEN if getattr(args, name) is not None]
    if given or args.motion == "none":
        name = "--" + given[0].replace("_", "-") if given else "--motion none"
        raise options.UsageError(f"--reference fixes the specimen; leave {name} away")
    return args.motion == "hops"


def _specimen(args):
    """Return the fields of `simulate.Specimen`; lattice is a list to draw from."""
    specimen = {
        "lattice": [_lattice(name) for name in _given(args, "lattice").split(",")],
        "n_layers": args.layers,
        "density_nm2": _given(args, "density"),
        "motion": args.motion,
        "drift_px": _given(args, "drift"),
        "drift_walk_px": _given(args, "drift_walk"),
        "twist_rad": math.radians(_given(args, "twist")),
        "defects": _defects(args.defects),
        "boundary_rad": None if args.tilt is None else math.radians(args.tilt),
        "edge": bool(args.edge),
    }
    if args.clusters is not None:
        specimen["clusters"] = tuple(_numbers("--clusters", args.clusters, int, 2))
    if args.pairs is not None:
        number, comma, length = args.pairs.partition(",")
        if not comma:
            raise options.UsageError(f"--pairs {args.pairs}: expected N,DISTANCE, e.g. 5,0.34nm")
        number = _numbers("--pairs", number, int, 1)[0]
        specimen["pairs"] = (number, options.length_nm(length, "--pairs"))
    if args.support is not None:
        specimen["support_nm"] = options.length_nm(args.support, "--support")
    if args.hole is not None:
        specimen["hole_radius_nm"] = options.length_nm(args.hole, "--hole")
    return specimen


def _defects(text):
    """Turn 'V_S:12,Si_C:3' into numbers by name."""
    found = {}
    for part in text.split(",") if text is not None else ():
        name, _, number = part.strip().partition(":")
        if not number.isdecimal():
            raise options.UsageError(f"--defects {text}: expected NAME:N,..., e.g. V_S:12,Si_C:3")
        found[name] = found.get(name, 0) + int(number)
    return found


def _lattice(name):
    """Return a lattice's name, or the ASE structure in a file of that name."""
    name = name.strip()
    if not Path(name).is_file():
        return name
    try:
        from ase.io import read
    except ImportError:
        raise ImportError(
            f'--lattice {name}: a structure file needs ASE: pip install "n2v_stem_keras[sim]"'
        ) from None
    try:
        return read(name)
    except Exception as error:  # ASE's readers raise whatever their format makes them
        raise options.UsageError(
            f"--lattice {name}: ASE cannot read it ({type(error).__name__}: {error})"
        ) from None


def _numbers(option, text, kind, n=None):
    """Split '16,16' into numbers."""
    try:
        numbers = [kind(part) for part in str(text).split(",")]
    except ValueError:
        numbers = []
    if not numbers or (n is not None and len(numbers) != n):
        what = "whole numbers" if kind is int else "numbers"
        raise options.UsageError(
            f"{option} {text}: expected {n or 'one or more'} {what}, separated by commas"
        )
    return numbers


def _noise_levels(args):
    """Return label -> (kind, value) of the noisy versions to write."""
    from ..simulate.fast import DETECTORS

    levels = {}
    for text in args.psnr or ([] if args.dose else [DEFAULT_PSNR]):
        psnr = _numbers("--psnr", text, float)
        psnr = psnr * len(DETECTORS) if len(psnr) == 1 else psnr
        if len(psnr) != len(DETECTORS) or not all(map(math.isfinite, psnr)):
            raise options.UsageError(
                f"--psnr {text}: expected one number or {len(DETECTORS)}, {','.join(DETECTORS)}"
            )
        levels["-".join(f"{value:g}" for value in psnr) + "dB"] = ("psnr", psnr)
    for text in args.dose or []:
        dose = _numbers("--dose", text, float, 1)[0]
        if not 0 < dose < math.inf:
            raise options.UsageError(f"--dose {text}: expected a number above 0 [e-/px]")
        levels[f"{dose:g}e"] = ("dose", dose)
    if args.after_glow:
        levels = {f"{label}_glow-{args.after_glow:g}": v for label, v in levels.items()}
    if args.scan:
        levels = {f"{label}_scan-{args.scan}": v for label, v in levels.items()}
    return levels


def _announce(args, out, plan):
    """Say what would be written."""
    height, width = plan["movie"]["shape"]
    levels = ", ".join(plan["levels"])
    n_bytes = 4 * 2 * height * width * args.frames * args.movies * (1 + len(plan["levels"]))
    return (
        f"Would write {args.movies} movies of {args.frames} frames, {height} x {width} px, clean "
        f"and noisy ({levels}), {n_bytes / 2**20:.0f} MiB, into {out}"
    )


def _summary(out, movies):
    """Say what was written, and how well adatoms stand out."""
    import numpy as np

    lines = [f"Wrote {counted(len(movies), 'movie')} and {RECORD} into {out}"]
    seen = [movie["adatom_height_to_sigma"] for movie in movies]
    for label in next((levels for levels in seen if levels), {}):
        known = [levels[label] for levels in seen if levels]
        parts = [f"{d} {np.mean([k[d] for k in known]):.1f}" for d in known[0]]
        lines.append(f"{label}: a lone adatom stands {', '.join(parts)} sigma out of the noise")
    noisy = next(file for file in movies[0]["files"] if "_noisy_" in file)
    lines.append(f"Next: n2v-stem train {out / noisy.replace('movie-00', 'movie-*')}")
    return "\n".join(lines)
