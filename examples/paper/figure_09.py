"""Figure 9: PSNR of the output against PSNR of the input, 7 to 20 dB.

Gaussian, TV, and Noise2Void, mean and standard error over all test movies; dashed, a blank frame at
the true mean intensity. One model of each recipe is trained at 16 dB and applied at every level, as
the paper applies its one; models of this package trained at the level itself stand beside them at
7/6 and 16 dB (to train at all five is left to those with the time: ``--every-level``). In the
second file the same as bars at 7, 13 and 20 dB, the paper's example points; their frames are in
Figs S12 to S14.

The paper applies one network, trained on experimental frames, to one simulated frame with more or
less noise, and reports ratios of output to input PSNR in ADF of about 3 at the lowest and 1.6 at
the highest level, better than TV at each. Not like for like: the data range is stated here
(max - min of each clean frame), the lowest level is 7 dB in ADF and 6 dB in BF, and Gaussian and TV
are tuned on the truth of the frames scored. Figure S3 draws SSIM and N-RMSE of the same run.
"""

import numpy as np
from common import PAPER as PAPERS
from common import arguments, trained_at, write_numbers
from evaluation import plot_rows, score_test_movies

from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.plot.scores import method_bars, method_lines

NAME = "figure_09"
LEVELS = ((7, 6), (10, 10), (13, 13), (16, 16), (20, 20))
SHARED = (16, 16)
TRAINED = ((7, 6), SHARED)  # levels that have models of their own
ONE, EACH = "this package, trained at 16 dB", "this package, trained at the level"
PAPER_ONE = "paper's recipe, trained at 16 dB"
OPTIONS = {"every_level": {"action": "store_true", "help": "train at all levels"}}
PAPER = {"ratio_of_psnr": {"ADF": {"lowest level": 3, "highest level": 1.6}}}


def main(args=None):
    """Make the figure, and return its numbers."""
    args = args or arguments(__doc__, **OPTIONS)
    levels = levels_of(args)
    own = levels if args.every_level else [level for level in levels if level in TRAINED]
    each = {level: trained_at(args, level) for level in own}
    models = {
        PAPER_ONE: trained_at(args, SHARED, PAPERS),
        ONE: each[SHARED],
        EACH: each,
    }
    evaluation, records = score_test_movies(args, NAME, levels, models, ("gaussian", "tv"))
    method_lines(
        args.out / f"{NAME}.png", plot_rows(records), ("psnr",), caption=evaluation.heading()
    )
    examples = {level_label(level, len(level)) for level in levels[:: max(1, len(levels) // 2)]}
    rows = [row for row in plot_rows(records) if row["level"] in examples]
    method_bars(args.out / f"{NAME}b.png", rows, ("psnr",), caption=evaluation.heading())
    ratios = ratio(records)
    for detector, by_method in ratios.items():
        for label, by_level in by_method.items():
            text = ", ".join(f"{level}: {value:.2f}" for level, value in by_level.items())
            print(f"{detector} {label}: output/input PSNR {text}")
    numbers = {
        "heading": evaluation.heading(),
        "scores": records,
        "ratio_of_psnr": ratios,
        "notes": evaluation.notes,
        "paper": PAPER,
    }
    write_numbers(args, NAME, numbers)
    return numbers


def levels_of(args):
    """Levels of the sweep; two in a test."""
    return (LEVELS[0], SHARED) if args.scale.name == "tiny" else LEVELS


def ratio(records):
    """PSNR of the output over that of the input, detector -> method -> level -> ratio."""
    found = {}
    for record in records:
        if record["kind"] in ("classical", "model") and np.isfinite(record["psnr"][0] or np.nan):
            by_method = found.setdefault(record["detector"], {})
            by_level = by_method.setdefault(record["label"], {})
            by_level[record["level"]] = record["psnr"][0] / record["psnr_in"]
    return found


if __name__ == "__main__":
    main()
