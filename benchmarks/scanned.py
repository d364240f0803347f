"""Scans as bad as a microscope's: the preset, what it might have chosen, and the others.

    python benchmarks/scanned.py --careamics-python ENV/bin/python
    python benchmarks/scanned.py --table        # the table again from the journal

Simulated specimens are scanned as `noise.SCANS` says: rows beside their places, uneven support,
after-glow, offsets and gains of rows, spikes, few levels. Trained on and scored are the same 96
noisy frames, 8 movies of 12, as users denoise; the truth is the clean frame, equally distorted.

preset, single
    ``preset("laptop")`` with each frame by itself: what it chooses, from the noise that it measures
    and with its lattice image. Beside it the same without lattice image, and with one blind pixel
    and nothing done to frames before.
preset
    With the frames around, as it is.
BM3D
    With the strength of least error on the truth.
structN2V
    CAREamics, with a blind spot of 11 px along x, both detectors through one network, trained for
    --minutes. Without --careamics-python it is left out; `peers.py` makes such an environment.

Writes scanned.jsonl (the journal) and scanned.md.
"""

import re
from pathlib import Path

import context
import numpy as np
import peers
import trials

LEVEL = (10, 10)  # PSNR before pixels glow on [dB]
SCANS = ("typical", "bad", "mild")
NUMBERS = (1, 7)
SPECIMENS = {
    "reference": {},
    "MoS2 with vacancies": {
        "lattice": "mos2",
        "defects": {"V_S": 12, "V_Mo": 6},
        "density_nm2": 0.0,
    },
    "atoms on carbon": {"lattice": "none", "support_nm": 3.0, "density_nm2": 1.0},
    "grain boundary": {"boundary": True},
}
# of ``preset("laptop")``
PLAIN = {"n2v_span": (1, 1), "n2v_after_glow": None, "n2v_level_rows": False}
WHATS = {
    "preset": {},
    "preset, single": trials.SINGLE,
    "no lattice image": {**trials.SINGLE, "unet_lattice": "none"},
    "one pixel, nothing before": {**trials.SINGLE, **PLAIN},
}
OTHERS = ("BM3D", "structN2V")
CHOICES = ("preset, single", "no lattice image", "one pixel, nothing before")
STRUCT = ("--span", 11)


def movies_of(specimen, scan, tiny=False):
    """Simulate and scan the movies of a specimen: noisy, truth (S, T, Y, X, C)."""
    from n2v_stem_keras.noise import scan_movie
    from n2v_stem_keras.simulate import reference_movie, simulate_movie

    size = {"shape": (64, 64), "n_frames": 9} if tiny else {"shape": (256, 256)}
    found = []
    for seed in trials.SEEDS["training"][: 3 if tiny else None]:
        options = dict(SPECIMENS[specimen])
        if tiny:  # as many find no room
            options.pop("defects", None)
        if not options:
            movie = reference_movie(seed, hops=True, **size)
        else:
            if options.pop("boundary", False):
                degrees = np.random.default_rng([seed, 7]).uniform(10, 50)
                options["boundary_rad"] = float(np.deg2rad(degrees))
            movie = simulate_movie([seed, 12], motion="hops", drift_px=0.4, **options, **size)
        found.append(scan_movie(movie.clean, scan, seed=[seed, 13], psnr_db=LEVEL))
    return np.stack([m.noisy for m in found]), np.stack([m.truth for m in found])


def trained(args, specimen, scan, what, noisy):
    """Train a model, or open it where it is trained already; a broken-off training goes on."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    changes = {**WHATS[what], **(trials.TINY if args.tiny else {})}
    name = re.sub(r"[ ,|/]+", "-", f"scanned-{key_of(specimen, scan, what)}")
    model = N2VStem(N2VStemConfig.preset("laptop", **changes), name, args.models)
    if not model.record["runs"] or not model.record["runs"][-1]["finished"]:
        model.train(context.as_movie(noisy))
        model = N2VStem(None, name, args.models)
    return model


def run(args, specimen, scan, what):
    """Score one contestant."""
    noisy, truth = movies_of(specimen, scan, args.tiny)
    record = {}
    if what == "BM3D":
        frames, strength = trials.tuned_bm3d(truth, noisy, NUMBERS)
        record["strength"] = strength
    elif what == "structN2V":
        work = args.work / re.sub(r"[ ,|/]+", "-", key_of(specimen, scan, what))
        denoised, record = peers.careamics(STRUCT, {"training": noisy}, args, work)
        frames = denoised["training"][:, list(NUMBERS)]
    else:
        model = trained(args, specimen, scan, what, noisy)
        record["chosen"] = trials.chosen(model.config)
        frames = [model.predict(context.as_movie(m, "TYXC"))[list(NUMBERS)] for m in noisy]
    found = trials.plain_psnr(trials.given(frames), truth, noisy, NUMBERS)
    return {"specimen": specimen, "scan": scan, "what": what, **record, **found}


def key_of(specimen, scan, what):
    """Key of a trial in the journal."""
    return f"{specimen} | {scan} | {what}"


def plan(args):
    """Every trial: key -> function."""
    found = {}
    for scan in SCANS[: 1 if args.tiny else None]:
        for specimen in SPECIMENS:
            for what in (*OTHERS, *WHATS):
                if what != "structN2V" or args.careamics_python:
                    trial = (specimen, scan, what)
                    found[key_of(*trial)] = lambda trial=trial: run(args, *trial)
    return found


def table(rows):
    """Markdown: one line a specimen and scan."""
    lines = [
        "| specimen | scan | BM3D | structN2V | preset, single | above the best of both | preset | "
        "no lattice image | one pixel, nothing before | single, below the best choice | it chose |",
        "|---" * 11 + "|",
    ]
    for scan in ("mild", "typical", "bad"):
        for specimen in SPECIMENS:
            lines += _line(rows, specimen, scan)
    return "\n".join(lines)


def _line(rows, specimen, scan):
    whats = {w: rows.get(key_of(specimen, scan, w)) for w in (*OTHERS, *WHATS)}
    psnr = {w: np.mean(row["psnr"], axis=0) for w, row in whats.items() if row}
    own = psnr.get("preset, single")
    if own is None:
        return []

    def cell(values, form="{:.2f}"):
        return "-" if values is None else " / ".join(form.format(v) for v in values)

    others = [psnr[w] for w in OTHERS if w in psnr]
    known = [psnr[w] for w in CHOICES if w in psnr]
    below = np.max(known, axis=0) - own if len(known) > 1 else None
    cells = [specimen, scan, *(cell(psnr.get(w)) for w in OTHERS), cell(own)]
    cells.append(cell(own - np.max(others, axis=0), "{:+.2f}") if others else "-")
    cells += [cell(psnr.get(w)) for w in ("preset", *CHOICES[1:])]
    cells.append(cell(below))
    cells.append(trials.chosen_in_words(whats["preset, single"]["chosen"]))
    return ["| " + " | ".join(cells) + " |"]


def main():
    """Run what is missing, then write the table."""
    args = trials.arguments(
        __doc__,
        careamics_python={"help": "python of an environment that has CAREamics"},
        models={"type": Path, "default": Path("scanned-models"), "help": "default: %(default)s"},
        work={"type": Path, "default": Path("peers"), "help": "default: %(default)s"},
        minutes={"type": float, "default": 5.0, "help": "of CAREamics' training; default: 5"},
        seed={"type": int, "default": 0, "help": "of CAREamics' training; default: 0"},
        only={"default": "", "help": "only trials whose key contains this"},
    )
    journal = trials.Journal(args.out / "scanned.jsonl")
    wanted = plan(args)
    for key in [] if args.table else args.mine([k for k in wanted if args.only in k]):
        journal.run(key, wanted[key])
    trials.write(args.out / "scanned.md", table(journal.rows()))


if __name__ == "__main__":
    main()
