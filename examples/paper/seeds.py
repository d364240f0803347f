"""Run the scripts behind the findings again, with models trained at other seeds.

Each script writes its numbers into a folder of its seed (``seed1``, ``seed2`` beside those of the
first), from which `make_readme.py` takes means and standard errors. A script whose numbers are
there is left out, so that this goes on where it stopped. Left out as well: figure S6, which is
about time, and what trains several seeds itself (`variants.py`, figures 10 and S11).
"""

import subprocess
import sys
from pathlib import Path

from common import arguments
from findings import FINDINGS

OTHER_SEEDS = (1, 2)
OWN_SEEDS = ("variants", "figure_10", "figure_s11", "figure_s6")
QUICK = {"figure_s5": ["--without-bm3d"]}  # BM3D has no seed


def scripts():
    """List the scripts to run, in the order of the findings."""
    return [
        source
        for source in dict.fromkeys(finding.source for finding in FINDINGS)
        if source and source not in OWN_SEEDS
    ]


def main():
    """Run what is missing."""
    args = arguments(__doc__)
    for seed in OTHER_SEEDS:
        out = args.out / f"seed{seed}"
        for name in scripts():
            if (out / f"{name}.json").exists():
                continue
            print(f"seed {seed}: {name}", flush=True)
            script = Path(__file__).with_name(f"{name}.py")
            flags = [flag for flag in args.flags if not flag.startswith("--seed")]
            options = [*flags, "--seed", str(seed), "--out", str(out)]
            options += ["--models", str(args.models), *QUICK.get(name, [])]
            subprocess.run([sys.executable, str(script), *options], check=True)


if __name__ == "__main__":
    main()
