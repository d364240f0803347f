"""Figure S3: SSIM and N-RMSE of the output against PSNR of the input, 7 to 20 dB.

The sweep of figure 9 in the two other metrics, drawn from figure_09.json; where that does not
exist at this scale and seed, figure 9 is made first. N-RMSE is 10^(-PSNR/20) of each frame.

The paper's Fig. S3 is not open to us; its text says that Noise2Void beats TV in ADF at every level.
"""

import json

import figure_09
from common import arguments, write_numbers
from evaluation import plot_rows

from n2v_stem_keras import __version__
from n2v_stem_keras.plot.scores import method_lines

NAME = "figure_s3"


def main():
    """Make the figure."""
    args = arguments(__doc__, **figure_09.OPTIONS)
    numbers = sweep(args)
    rows = plot_rows(numbers["scores"])
    method_lines(args.out / f"{NAME}.png", rows, ("ssim", "nrmse"), caption=numbers["heading"])
    better = {
        detector: wins(numbers["scores"], detector)
        for detector in dict.fromkeys(record["detector"] for record in numbers["scores"])
    }
    for detector, by_metric in better.items():
        for metric, levels in by_metric.items():
            print(f"{detector}, {metric}: beats TV at", levels)
    kept = {key: numbers[key] for key in ("heading", "scores", "notes")}
    paper = {"noise2void_beats_tv": {"ADF": "at every level"}}
    write_numbers(args, NAME, {**kept, "beats_tv_at": better, "paper": paper})


def sweep(args):
    """Numbers of figure 9 of this scale and seed, made where they do not exist."""
    path = args.out / f"{figure_09.NAME}.json"
    if path.exists():
        numbers = json.loads(path.read_text(encoding="utf-8"))
        made = numbers["scale"], numbers["seed"], numbers["version"]
        if made == (args.scale.name, args.seed, __version__):
            return numbers
    return figure_09.main(args)


def wins(records, detector):
    """Levels at which a model trained at 16 dB beats TV, metric -> label -> levels."""
    found = {}
    for metric, sign in (("psnr", 1), ("ssim", 1), ("nrmse", -1)):
        score = {
            (r["level"], r["label"]): sign * r[metric][0]
            for r in records
            if r["detector"] == detector and r.get(metric, [None])[0] is not None
        }
        levels = dict.fromkeys(level for level, _ in score)
        found[metric] = {
            label: [level for level in levels if score[level, label] > score[level, "TV"]]
            for label in (figure_09.ONE, figure_09.PAPER_ONE)
        }
    return found


if __name__ == "__main__":
    main()
