"""Figure 5: a frame in Fourier space, noisy and denoised, and the SNR of the lattice's spots.

FFT magnitudes of both detectors, and below them the polar maps folded six-fold with the radial
profile over them: noisy, Gaussian, TV, Noise2Void and the truth. In the JSON file the SNR of both
orders of graphene (4.69 and 8.13 nm^-1) in the frame drawn, and its mean over all frames of the
movie; the definition is that of `fourier.lattice_spots`.

The paper reads, in BF and second order, 9.0 raw, 8.2 Gaussian, 10.7 TV and 16.0 Noise2Void from an
experimental frame of 512x512 px, without a definition. Here a simulated frame of the scale's size
(256 px at laptop scale) with the truth beside it, at 7 dB (ADF) and 6 dB (BF), where adatoms are as
weak as in the paper's experiment (figure_05.png), and at 16 dB, its match by eye (figure_05b.png);
each by the model trained at that level. The numbers compare methods, not with the paper's. The SNR
says how clear a spot is, not how true: a method that erases everything but the spot makes it as
large as you like. Without a lattice it reads 3.7 +- 0.6 in 256x256 px; the picture has a dash where
the spot lies below its range.
"""

import numpy as np
from common import arguments, noisy_frames, trained_at, write_numbers
from panels import (
    MODEL,
    classical_images,
    quietly,
    shrink,
    simulated_frame,
    simulated_movie,
)

from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.metrics.fourier import GRAPHENE_ORDERS_NM, lattice_spot_snr
from n2v_stem_keras.plot import fourier_panels

NAME = "figure_05"
LEVELS = {"": (7, 6), "b": (16, 16)}  # suffix of the file: (ADF, BF) [dB]
PAPER = {
    "data": "experimental, 512x512 px",
    "spot_snr": {
        "BF": {"second order": {"noisy": 9.0, "Gaussian": 8.2, "TV": 10.7, "Noise2Void": 16.0}}
    },
}


def main():
    """Make the figure, at both levels."""
    args = arguments(__doc__)
    movie = simulated_movie(args)
    numbers = {"orders_nm-1": GRAPHENE_ORDERS_NM, "levels": {}}
    for suffix, level in LEVELS.items():
        model = trained_at(args, level)
        numbers["levels"][level_label(level, 2)] = draw(args, movie, level, model, suffix)
    write_numbers(args, NAME, {**numbers, "paper": PAPER})


def draw(args, movie, level, model, suffix):
    """Draw the first frame of a movie at a noise level, and return its numbers."""
    frame = simulated_frame(movie, 0, level, model)
    rows = [
        {
            "name": detector,
            "panels": [(label, image[..., c]) for label, image in frame.images.items()],
        }
        for c, detector in enumerate(frame.detectors)
    ]
    path = args.out / f"{NAME}{suffix}.png"
    shrink(fourier_panels(path, rows, movie.pixel_size_nm), n_greys=48)
    spots = {
        "drawn_frame": spot_snr({k: v[None] for k, v in frame.images.items()}, movie),
        "mean_over_frames": spot_snr(all_frames(movie, level, model), movie),
        "frames_averaged": len(movie.clean),
    }
    for detector, found in spots["mean_over_frames"].items():
        pairs = {k: "/".join(f"{snr:.1f}" for snr in v.values()) for k, v in found.items()}
        text = ", ".join(f"{label} {pair}" for label, pair in pairs.items())
        print(f"{path.stem} {detector}: spot SNR, first/second order: {text}")
    return {**frame.about, "spot_snr": spots, "scores": frame.scores()}


def all_frames(movie, level, model):
    """Denoise all frames of a movie by every method, label -> (T, Y, X, C)."""
    noisy = noisy_frames([movie], level)[0]
    sigma = np.sqrt(np.mean((noisy - movie.clean) ** 2.0, axis=(1, 2)))
    classical, _ = classical_images(noisy, movie.detectors, movie.clean, sigma)
    denoised = quietly(model.predict, noisy, axes="TYXC", pixel_size_nm=movie.pixel_size_nm)
    return {"noisy": noisy, **classical, MODEL: denoised, "truth": movie.clean}


def spot_snr(images, movie):
    """SNR of the lattice's spots, mean over frames.

    Parameters
    ----------
    images : dict
        label -> (T, Y, X, C).
    movie : SimulatedMovie
        For detectors and pixel size.

    Returns
    -------
    dict
        detector -> label -> order -> SNR.
    """
    found = {}
    for c, detector in enumerate(movie.detectors):
        found[detector] = {}
        for label, frames in images.items():
            snr = lattice_spot_snr(frames[..., c], movie.pixel_size_nm).mean(axis=0)
            found[detector][label] = dict(zip(("first order", "second order"), snr))
    return found


if __name__ == "__main__":
    main()
