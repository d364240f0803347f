"""Real time on two cores: what runs how fast, how well, and where the time goes.

    python benchmarks/live students    # trains the small networks; goes on where it stopped
    python benchmarks/live speed       # frames a second of everything; nothing else may run
    python benchmarks/live stream      # 60 s of a paced source; nothing else may run
    python benchmarks/live stages      # where the time of a frame goes; nothing else may run
    python benchmarks/live size        # cost against size; nothing else may run
    python benchmarks/live around      # with the frames before; nothing else may run
    python benchmarks/live             # all of it
    python benchmarks/live --table     # the tables again from the journal

Students are trained by `distill` on the movies that the ready-made model graphene-au was trained
on, from its output. PSNR is that of one 512x512 frame of each of four reference movies that no
network saw. Frames a second are those of frames of 512x512 px and two detectors as a stream makes
them: standardised, padded, denoised and restored, two threads for every side. Writes live.jsonl
(the journal), live.md and live_short.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import trials

from live import around, quality, size, speed, stages, stream

PARTS = {
    "students": quality,
    "speed": speed,
    "stream": stream,
    "stages": stages,
    "size": size,
    "around": around,
}


def main():
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--models", type=Path, default=Path("live-models"), help="the students")
    parser.add_argument(
        "--gains", type=Path, default=Path("gains-models"), help="those of gains.py"
    )
    parser.add_argument("--out", type=Path, default=trials.HERE, help="default: %(default)s")
    parser.add_argument("--only", default="", help="only trials whose key contains this")
    parser.add_argument("--table", action="store_true", help="only write the tables again")
    parser.add_argument("--tiny", action="store_true", help="a test: everything minimal")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    journal = trials.Journal(args.out / "live.jsonl")
    if not args.table:
        for name in args.parts or PARTS:
            for key, trial in PARTS[name].plan(args).items():
                if args.only in key:
                    journal.run(key, trial)
    rows, text = journal.rows(), []
    for name, part in PARTS.items():
        if any(key.startswith(name + " | ") for key in rows):
            text.append(part.report(rows))
    trials.write(args.out / "live.md", "\n\n".join(text) + "\n")
    trials.write(args.out / "live_short.md", speed.short_report(rows))


if __name__ == "__main__":
    main()
