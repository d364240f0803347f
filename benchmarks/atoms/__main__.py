"""Atoms: found, placed, tracked, counted where there are none, told apart; and real, labelled ones.

    python benchmarks/atoms --models gains-models    # everything; goes on where it stopped
    python benchmarks/atoms --table                  # the tables again from the journal

Five parts, a file each: `detection` (recall, precision and position errors at three noise levels
against filters and the physical limits), `tracks` (trajectories over 100 frames), `labels`
(PtNC-HPAI, real and labelled by hand; needs N2V_STEM_DATA), `calibration` (is the stated rate of
false atoms met) and `pairs` (how close may two atoms be). Models of the first, fourth and last part
are those that `gains.py` trained (seed 0), those that see the frames around `context.py` (the still
lattice, --context-models); the others are trained here into the same folders. Writes
atoms.jsonl (the journal), atoms.md, atoms_short.md and pictures.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import trials

from atoms import calibration, detection, labels, pairs, tracks

PARTS = {
    "detection": detection,
    "tracks": tracks,
    "labels": labels,
    "calibration": calibration,
    "pairs": pairs,
}


def main():
    """Run what is missing, then write the tables and the pictures."""
    models = {"type": Path, "default": Path("gains-models"), "help": "default: %(default)s"}
    only = {"default": "", "help": "only trials whose key contains this"}
    around = {"type": Path, "default": Path("context-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models, only=only, context_models=around)
    journal = trials.Journal(args.out / "atoms.jsonl")
    if not args.table:
        wanted = {key: trial for part in PARTS.values() for key, trial in part.plan(args).items()}
        for key in args.mine([key for key in wanted if args.only in key]):
            journal.run(key, wanted[key])
    text = []
    for name, part in PARTS.items():
        rows = {k: row for k, row in journal.rows().items() if k.startswith(name + " | ")}
        if rows:
            text.append(part.report(rows))
        if rows and part is detection:
            part.draw(args.out, rows)
            trials.write(args.out / "atoms_short.md", part.short_report(rows))
    trials.write(args.out / "atoms.md", "\n\n".join(text))


if __name__ == "__main__":
    main()
