"""Figure 9: PSNR of the output against PSNR of the input, 7 to 20 dB.

Gaussian, TV, and Noise2Void, mean and standard error over all test movies; dashed, a blank frame at
the true mean intensity. One model of each recipe is trained at 16 dB and applied at every level, as
the paper applies its one; models trained at the level itself stand beside it at 7/6, 10 and 16 dB
(to train at all five, of both recipes, is left to those with the time: ``--every-level``). In the
second file a frame at 7, 13 and 20 dB before and after, by the model trained at 16 dB.

The paper applies one network, trained on experimental frames, to one simulated frame with more or
less noise, and reports ratios of output to input PSNR in ADF of about 3 at the lowest and 1.6 at
the highest level, better than TV at each. Not like for like: the data range is stated here
(max - min of each clean frame), the lowest level is 7 dB in ADF and 6 dB in BF, and Gaussian and TV
are tuned on the truth of the frames scored. Figure S3 draws SSIM and N-RMSE of the same run.
"""

from common import PAPER as PAPERS
from common import arguments, noisy_frames, trained_at, write_numbers
from evaluation import evaluate_test_movies, plot_rows, table
from panels import adatom_row, quietly, simulated_movie, window_at

from n2v_stem_keras import metrics
from n2v_stem_keras.atoms import sign_of
from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.plot import before_after
from n2v_stem_keras.plot.scores import method_lines

NAME = "figure_09"
LEVELS = ((7, 6), (10, 10), (13, 13), (16, 16), (20, 20))
SHARED = (16, 16)
TRAINED = ((7, 6), (10, 10), SHARED)  # levels that have models of their own
ONE, EACH = "this package, trained at 16 dB", "this package, trained at the level"
PAPER_ONE, PAPER_EACH = "paper's recipe, trained at 16 dB", "paper's recipe, trained at the level"
OPTIONS = {"every_level": {"action": "store_true", "help": "train at all levels"}}
PAPER = {"ratio_of_psnr": {"ADF": {"lowest level": 3, "highest level": 1.6}}}


def main(args=None):
    """Make the figure, and return its numbers."""
    args = args or arguments(__doc__, **OPTIONS)
    levels = levels_of(args)
    own = levels if args.every_level else [level for level in levels if level in TRAINED]
    each = {level: trained_at(args, level) for level in own}
    theirs = {level: trained_at(args, level, PAPERS) for level in own}
    models = {
        PAPER_ONE: theirs[SHARED],
        PAPER_EACH: theirs,
        ONE: each[SHARED],
        EACH: each,
    }
    evaluation = evaluate_test_movies(args, levels, models, ("gaussian", "tv"))
    records = table(evaluation)
    method_lines(
        args.out / f"{NAME}.png", plot_rows(records), ("psnr",), caption=evaluation.heading()
    )
    examples(args, levels[:: max(1, len(levels) // 2)], each[SHARED])
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
        if record["kind"] in ("classical", "model"):
            by_method = found.setdefault(record["detector"], {})
            by_level = by_method.setdefault(record["label"], {})
            by_level[record["level"]] = record["psnr"][0] / record["psnr_in"]
    return found


def examples(args, levels, model):
    """Draw one frame before and after at some levels, by one model, as figure_09b.png."""
    movie = simulated_movie(args)
    t, atoms = adatom_row(movie)
    centre = atoms.mean(axis=0) if len(atoms) else [side / 2 for side in movie.clean.shape[1:3]]
    window = window_at(centre, movie.clean.shape[1:3])
    images = {}
    for level in levels:
        noisy = noisy_frames([movie], level)[0]
        denoised = quietly(model.predict, noisy, axes="TYXC", pixel_size_nm=movie.pixel_size_nm)
        label = level_label(level, len(level))
        images[f"noisy, {label}"], images["denoised, " + label] = noisy[t], denoised[t]
    images["truth"] = truth = movie.clean[t]
    rows = []
    for c, detector in enumerate(movie.detectors):
        psnr = {k: metrics.psnr(truth[..., c], image[..., c]) for k, image in images.items()}
        panels = [
            (k, image[(*window, c)], None if k == "truth" else f"{psnr[k]:.1f} dB")
            for k, image in images.items()
        ]
        rows.append({"name": detector, "panels": panels, "sqrt": sign_of(detector) > 0})
    before_after(args.out / f"{NAME}b.png", rows, pixel_size_nm=movie.pixel_size_nm)


if __name__ == "__main__":
    main()
