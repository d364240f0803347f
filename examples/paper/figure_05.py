"""Figure 5: a frame in Fourier space, noisy and denoised, and the SNR of the lattice's spots.

FFT magnitudes of both detectors, and below them the polar maps folded six-fold with the radial
profile over them: noisy, Gaussian, TV, Noise2Void and the truth. In the JSON file the SNR of both
orders of graphene (4.69 and 8.13 nm^-1) in the frame drawn, and its mean over all frames of the
movie; the definition is that of `fourier.lattice_spots`.

The paper reads, in BF and second order, 9.0 raw, 8.2 Gaussian, 10.7 TV and 16.0 Noise2Void from an
experimental frame of 512x512 px, without a definition. Here a simulated frame of the scale's size
(256 px at laptop scale) with the truth beside it, at 7 dB (ADF) and 6 dB (BF), where adatoms are as
weak as in the paper's experiment (drawn), and at 16 dB, its match by eye; each by the model trained
at that level. The numbers compare methods, not with the paper's. The SNR says how clear a spot is,
not how true: a method that erases everything but the spot makes it as large as you like. Without a
lattice it reads 3.7 +- 0.6 in 256x256 px; the picture has a dash where the spot lies below its
range.
"""

import numpy as np
from common import arguments, both_at, noisy_frames, write_numbers
from panels import (
    classical_images,
    quietly,
    simulated_frame,
    simulated_movie,
)

from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.metrics.fourier import GRAPHENE_ORDERS_NM, lattice_spot_snr
from n2v_stem_keras.plot import fourier_panels

NAME = "figure_05"
DRAWN = (7, 6)  # (ADF, BF) [dB]
LEVELS = (DRAWN, (16, 16))
PAPER = {
    "data": "experimental, 512x512 px",
    "spot_snr": {
        "BF": {"second order": {"noisy": 9.0, "Gaussian": 8.2, "TV": 10.7, "Noise2Void": 16.0}}
    },
}


def main():
    """Measure at both levels, draw at one."""
    args = arguments(__doc__)
    movie = simulated_movie(args)
    numbers = {"orders_nm-1": GRAPHENE_ORDERS_NM, "levels": {}}
    for level in LEVELS:
        models = both_at(args, level)
        frame = simulated_frame(movie, 0, level, models)
        if level == DRAWN:
            draw(args.out / f"{NAME}.png", frame, movie.pixel_size_nm)
        numbers["levels"][level_label(level, 2)] = measure(frame, movie, level, models)
    write_numbers(args, NAME, {**numbers, "paper": PAPER})


def draw(path, frame, pixel_size_nm):
    """Draw a frame by every method in Fourier space."""
    rows = [
        {
            "name": detector,
            "panels": [(label, image[..., c]) for label, image in frame.images.items()],
        }
        for c, detector in enumerate(frame.detectors)
    ]
    fourier_panels(path, rows, pixel_size_nm, maps_last=True)


def measure(frame, movie, level, models):
    """Measure the SNR of the lattice's spots, in a frame and over all of its movie."""
    spots = {
        "drawn_frame": spot_snr({k: v[None] for k, v in frame.images.items()}, movie),
        "mean_over_frames": spot_snr(all_frames(movie, level, models), movie),
        "frames_averaged": len(movie.clean),
    }
    for detector, found in spots["mean_over_frames"].items():
        pairs = {k: "/".join(f"{snr:.1f}" for snr in v.values()) for k, v in found.items()}
        text = ", ".join(f"{label} {pair}" for label, pair in pairs.items())
        print(f"{level_label(level, 2)}, {detector}: spot SNR, first/second order: {text}")
    return {**frame.about, "spot_snr": spots, "scores": frame.scores()}


def all_frames(movie, level, models):
    """Denoise all frames of a movie by every method, label -> (T, Y, X, C)."""
    noisy = noisy_frames([movie], level)[0]
    sigma = np.sqrt(np.mean((noisy - movie.clean) ** 2.0, axis=(1, 2)))
    classical, _ = classical_images(noisy, movie.detectors, movie.clean, sigma)
    denoised = {
        label: quietly(model.predict, noisy, axes="TYXC", pixel_size_nm=movie.pixel_size_nm)
        for label, model in models.items()
    }
    return {"noisy": noisy, **classical, **denoised, "truth": movie.clean}


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
