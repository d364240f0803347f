"""Fig. S5: electrons counted, 350 and 1860 of them per pixel and frame.

The paper shows two experimental frames at 3.17e5 and 1.67e6 e-/nm2/s, which at 1.9 frames/s and
0.046 nm/px are 353 and 1860 e-/px a frame, and says (Results) that denoising stands for about ten
times the fluence, arguing from simulated PSNR at 14 dB.

Here clean frames are known, electrons are counted (Poisson noise, no other), and the claim gets an
answer: ``fluence_gain`` is the factor in fluence at which plain averaging of frames would reach the
same PSNR; frames simulated at that fluence are scored as a check. Beyond the paper, BM3D between
Anscombe's transform and its inverse is among the methods, made for this noise. Not like for like:
there is no liquid, which in the experiment adds signal and so noise of its own. One network of each
recipe denoises both doses, as in the paper: that of white noise at 16/16 dB; ``--model-per-dose``
trains this package's on counted movies, one for each dose.
"""

import numpy as np
from common import (
    DETECTORS,
    PACKAGE,
    PAPER_LEVEL,
    PIXEL_NM,
    RECIPES,
    arguments,
    as_movie,
    clean_movies,
    trained,
    trained_at,
    write_numbers,
)
from panels import quietly, window_at

from n2v_stem_keras import baselines, metrics
from n2v_stem_keras.evaluation.evaluate import evaluate
from n2v_stem_keras.noise import add_poisson_noise
from n2v_stem_keras.plot import before_after

DOSES = (350, 1860)  # [e-/px] a frame
FLUENCE_RATE = {350: 3.17e5, 1860: 1.67e6}  # the paper's [e-/nm2/s]
METHODS = ("gaussian", "tv", "anscombe_bm3d")
SIDE_PX = 128
N_MOVIES = 2  # test movies scored; BM3D takes minutes for each


def counted(movies, dose, which):
    """Count electrons; over the dose, a fraction of the beam, (S, T, Y, X, C)."""
    key = {"training": 1, "test": 2}[which]
    return np.stack([
        add_poisson_noise(movie.clean, dose, seed=[key, i, dose], gain=1 / dose)
        for i, movie in enumerate(movies)
    ])  # fmt: skip


def models_of(args):
    """Open the models, recipe -> dose -> model."""

    def own(dose):
        """Open this package's model of a dose, trained on the training movies counted at it."""
        return trained(
            args,
            f"poisson-{dose}",
            lambda: counted(clean_movies(args.scale, "training"), dose, "training"),
        )

    found = {r: dict.fromkeys(DOSES, trained_at(args, PAPER_LEVEL, r)) for r in RECIPES}
    if args.model_per_dose:
        found[PACKAGE] = {dose: own(dose) for dose in DOSES}
    return found


def panels(noisy, clean, models, dose, methods=METHODS):
    """Panels of the first frame per detector, with its PSNR; methods tuned on that frame."""
    raw, truth = noisy[0][0], clean[0][0]
    images = {"counts": raw}
    for method in methods:
        if not baselines.available(method):
            label = baselines.METHODS[method].label
            images[label], _ = baselines.tune(
                method, raw[None], truth[None], noise_sigma=(raw - truth).std(axis=(0, 1)),
                gain=1 / dose,
            )  # fmt: skip
            images[label] = images[label][0]
    for label, model in models.items():
        images[label] = quietly(model.predict, as_movie(noisy[:1]))[0, 0]
    psnr = {name: metrics.psnr(truth, image) for name, image in images.items()}
    cut = window_at(np.array(truth.shape[:2]) / 2, truth.shape[:2], SIDE_PX)
    return [
        [
            *((n, image[cut][..., c], f"{psnr[n][c]:.1f} dB") for n, image in images.items()),
            ("truth", truth[cut][..., c]),
        ]
        for c in range(len(DETECTORS))
    ]


def equivalent(clean, dose, gain, c):
    """PSNR [dB] of frames counted at `gain` times the dose, on one detector: the check."""
    brighter = np.stack([
        add_poisson_noise(frames, dose * gain, seed=[3, i, dose, c], gain=1 / (dose * gain))
        for i, frames in enumerate(clean)
    ])  # fmt: skip
    return float(metrics.psnr(clean, brighter)[..., c].mean())


def table(evaluation, clean, level, dose):
    """Scores of a level: detector -> method -> numbers, with the equivalent fluence checked."""
    found = {detector: {} for detector in DETECTORS}
    for row in evaluation.rows():
        if row["level"] != level or row["note"]:
            continue
        method = found[row["detector"]].setdefault(row["label"], {})
        method[row["metric"]] = {"mean": row["mean"], "se": row["se"]}
        if row["parameter_name"]:
            method[f"{row['parameter_name']} [{row['parameter_unit']}]"] = row["parameter"]
    for c, detector in enumerate(DETECTORS):
        for label, method in found[detector].items():
            # of the mean PSNR: the mean of factors would follow the luckiest movie
            gain = metrics.fluence_gain(
                found[detector]["noisy"]["psnr"]["mean"], method["psnr"]["mean"]
            )
            method["fluence_gain"] = gain
            method["equivalent_dose_e_px"] = gain * dose
            if label in RECIPES:
                method["psnr_counted_at_equivalent_dose"] = equivalent(clean, dose, gain, c)
    return found


def main():
    per_dose = {"action": "store_true", "help": "train on counts, one model a dose"}
    quick = {"action": "store_true", "help": "leave out Anscombe + BM3D, which takes minutes"}
    args = arguments(__doc__, model_per_dose=per_dose, without_bm3d=quick)
    methods = METHODS[:2] if args.without_bm3d else METHODS
    movies = clean_movies(args.scale, "test")[:N_MOVIES]
    clean = np.stack([movie.clean for movie in movies])
    models = models_of(args)
    noisy = {dose: counted(movies, dose, "test") for dose in DOSES}
    label = {dose: f"{dose} e-/px" for dose in DOSES}
    evaluation = evaluate(
        clean,
        DETECTORS,
        PIXEL_NM,
        noisy={label[dose]: noisy[dose] for dose in DOSES},
        models={
            recipe: {label[dose]: model for dose, model in by_dose.items()}
            for recipe, by_dose in models.items()
        },
        methods=methods,
        positions=[movie.positions for movie in movies],
        gain={label[dose]: 1 / dose for dose in DOSES},
        tune_per="level",
    )
    rows, doses = [], {}
    for dose in DOSES:
        own = {recipe: by_dose[dose] for recipe, by_dose in models.items()}
        for c, images in enumerate(panels(noisy[dose], clean, own, dose, methods)):
            name = f"{DETECTORS[c]}, {dose} e⁻/px"
            rows.append({"name": name, "panels": images, "sqrt": DETECTORS[c] == "ADF"})
        doses[label[dose]] = {
            "e_per_px": dose,
            "paper_e_per_nm2_s": FLUENCE_RATE[dose],
            "adatom_snr": {
                row["detector"]: row["adatom_snr"]
                for row in evaluation.rows()
                if row["level"] == label[dose]
            },
            "scores": table(evaluation, clean, label[dose], dose),
        }
    before_after(args.out / "figure_s5.png", rows, PIXEL_NM)
    missing = {method: reason for method in METHODS if (reason := baselines.available(method))}
    write_numbers(args, "figure_s5", {
        "paper": {"fluence_gain": 10, "at_input_psnr_db": 14},
        "note": "Mean and standard error over movies. fluence_gain: times the dose that plain "
        "averaging would need for the same PSNR. psnr_counted_at_equivalent_dose: PSNR of frames "
        "simulated at that dose. Panels are tuned on the frame shown. "
        "Gaussian, TV and Anscombe + BM3D are tuned on the truth of frames that are scored, once a "
        "dose and detector: flattered.",
        "models": {r: {d: m.name for d, m in by.items()} for r, by in models.items()},
        "methods": methods,
        "not_run": missing,
        "notes": evaluation.notes,
        "doses": doses,
    })  # fmt: skip
    for name, numbers in doses.items():
        for detector, methods in numbers["scores"].items():
            snr = numbers["adatom_snr"][detector]
            print(f"{name}, {detector}, A/sigma {snr:.1f}:", *(
                f"{method} {one['psnr']['mean']:.1f} dB (x{one['fluence_gain']:.3g})"
                for method, one in methods.items()
            ), sep="  ")  # fmt: skip


if __name__ == "__main__":
    main()
