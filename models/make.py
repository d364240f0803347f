"""Train the ready-made models anew: ``python models/make.py`` (about ten minutes on two cores).

graphene-au-demo: gold adatoms on graphene, ADF and BF at 0.046 nm/px, eight simulated movies of
twelve noisy frames at 10 dB in both detectors, the first laptop preset, seed 0 (the training movies
of ``examples/paper``, so that its model at this level has the same weights). Scored on two movies
that it never saw; the figures are appended to the model card.
"""

import argparse
from pathlib import Path

import numpy as np

from n2v_stem_keras import Movie, N2VStem, N2VStemConfig
from n2v_stem_keras.metrics import score
from n2v_stem_keras.noise import add_white_noise
from n2v_stem_keras.simulate import reference_movie

NAME, PSNR_DB = "graphene-au-demo", 10.0
TRAINING_SEEDS, TEST_SEEDS = range(8), range(100, 102)

# the laptop preset's settings before benchmarks/recipe.py searched for better ones
FIRST_LAPTOP = {
    "n2v_pitch": 6,
    "n2v_jitter": 2,
    "n2v_manipulator": "mean",
    "n2v_neighborhood_radius": 5,
    "train_epochs": 15,
}


def movies(seeds, noise_key):
    """Return clean and noisy movies, (S, T, Y, X, C)."""
    clean = np.stack([reference_movie(seed).clean for seed in seeds])
    noisy = [add_white_noise(c, PSNR_DB, seed=[noise_key, i]) for i, c in enumerate(clean)]
    return clean, np.stack(noisy)


def as_movie(frames):
    """Wrap (S, T, Y, X, C) frames with their detectors and pixel size."""
    return Movie.from_array(
        frames, "STYXC", detectors=("ADF", "BF"), pixel_size_nm=0.046, name="simulated"
    )


def figures(model) -> str:
    """Score the model on movies that it never saw, and on the noisy input."""
    clean, noisy = movies(TEST_SEEDS, 2)
    denoised = model.predict(as_movie(noisy))
    lines = [
        "## Figures of merit",
        "",
        "Two simulated movies that the model never saw, mean over 24 frames:",
        "",
        "| | ADF PSNR [dB] | ADF SSIM | BF PSNR [dB] | BF SSIM |",
        "|---|---|---|---|---|",
    ]
    for label, frames in (("noisy", noisy), ("denoised", denoised)):
        table = score(clean, frames, model.config.channels)
        values = [table[c][m].mean() for c in model.config.channels for m in ("psnr", "ssim")]
        lines.append(f"| {label} | " + " | ".join(f"{v:.2f}" for v in values) + " |")
    return "\n".join(lines) + "\n\nMade by `python models/make.py`.\n"


def main():
    """Train, score, and write the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--basedir", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    model = N2VStem(
        N2VStemConfig.preset("laptop", **FIRST_LAPTOP), NAME, args.basedir, overwrite=True
    )
    model.train(as_movie(movies(TRAINING_SEEDS, 1)[1]))
    folder = args.basedir / NAME
    with open(folder / "README.md", "a", encoding="utf-8") as card:
        card.write("\n" + figures(model))
    (folder / "weights_last.weights.h5").unlink()  # the best weights are all that is shipped


if __name__ == "__main__":
    main()
