"""Fig. S7: noise alone, and a lattice without adatoms: does the network make atoms of noise?

The paper denoises one image of Gaussian noise, looks at it, and finds artefacts of low intensity
compared with atoms, without a number.

Here the numbers are given, over as many frames as a movie has: what is left of the noise (rms),
and the largest excursion in the direction of adatoms (bright in ADF, dark in BF) in heights of a
lone adatom, beside that of the noise itself; and how many ADF peaks reach half of that height,
beside how many do in a frame with adatoms. Like for like, but for one point: the frames of noise
are standardised with the mean and the standard deviation of a noisy movie, whose noise they have
(see ``artefacts.py``); the paper does not say how it did. ``standardised_by_itself`` is the other
way: noise as strong as noise and specimen together. Beyond the paper, the case that happens in
practice: a noisy lattice without any adatom. Measured at (16, 16) and (7, 6) dB, drawn at the
latter.
"""

import numpy as np
from artefacts import BY_STREAM, SIGNS, bare_lattice, bench
from common import DETECTORS, PIXEL_NM, RECIPES, TEST_SEED, arguments, write_numbers
from panels import window_at
from supplement import DRAWN, LEVELS, with_noise

from n2v_stem_keras.plot import before_after

SIDE_PX = 128
HALF = 0.5  # peaks counted are at least this high [heights of a lone adatom]


def excursions(frames, ground, bench):
    """Numbers of frames that hold no adatom: detector -> name -> number.

    Parameters
    ----------
    frames : numpy.ndarray
        (T, Y, X, C), noisy or denoised.
    ground : numpy.ndarray
        What they should be, broadcast against them.
    bench : Bench
        Units.
    """
    error = frames - ground
    shift, rms = error.mean(axis=(0, 1, 2)), error.std(axis=(0, 1, 2))
    towards = ((error - shift) * SIGNS).max(axis=(1, 2)) / np.abs(bench.height)  # (T, C)
    away = ((shift - error) * SIGNS).max(axis=(0, 1, 2)) / np.abs(bench.height)
    return {
        detector: {
            "rms_over_input_noise": rms[c] / bench.sigma[c],
            "mean_shift_in_sigma": shift[c] / bench.sigma[c],
            "largest_towards_adatoms_in_heights": towards[:, c].max(),
            "largest_of_a_frame_median_in_heights": float(np.median(towards[:, c])),
            "largest_away_in_heights": away[c],
        }
        for c, detector in enumerate(DETECTORS)
    }


def count_peaks(frames, bench):
    """Count peaks of at least half an adatom's height in ADF, mean per frame of (T, Y, X, C)."""
    from skimage.feature import peak_local_max

    counts = []
    for frame in frames[..., 0]:
        threshold = np.median(frame) + HALF * bench.height[0]
        found = peak_local_max(frame, min_distance=3, threshold_abs=threshold)
        counts.append(len(found))
    return float(np.mean(counts))


def main():
    args = arguments(__doc__)
    lattice = bare_lattice(args)
    recipes = {recipe: {} for recipe in RECIPES}
    for psnr_db in LEVELS:
        drawn = {}
        for recipe, levels in recipes.items():
            test = bench(args, psnr_db, recipe)
            noise = test.noise([TEST_SEED, 71])
            bare = with_noise(np.stack([lattice] * len(noise)), test.sigma, [TEST_SEED, 72])
            from_noise, from_bare = test.apply(noise), test.apply(bare)
            drawn[recipe] = from_noise, from_bare
            stretched = test.apply(test.noise([TEST_SEED, 73], test.sd))
            levels[test.name] = {
                **test.facts(),
                "noise": excursions(noise, test.mean, test),
                "noise_denoised": excursions(from_noise, test.mean, test),
                "noise_standardised_by_itself_denoised": excursions(stretched, test.mean, test),
                "lattice_denoised": excursions(from_bare, lattice, test),
                "adf_peaks_of_half_a_height_per_frame": {
                    "noise": count_peaks(noise, test),
                    "noise_denoised": count_peaks(from_noise, test),
                    "lattice_denoised": count_peaks(from_bare, test),
                    "test_movie_denoised": count_peaks(test.denoised, test),
                    "test_movie_truth": count_peaks(test.clean, test),
                },
            }
        if psnr_db == DRAWN:
            draw(args.out / "figure_s7.png", test, noise, bare, drawn, lattice)
    write_numbers(args, "figure_s7", {
        "paper": {"numbers": None, "finding": "artefacts of low intensity compared with atoms"},
        "note": BY_STREAM + " Excursions from the mean, or from the true lattice, over all frames; "
        "towards adatoms is bright in ADF and dark in BF.",
        "recipes": recipes,
    })  # fmt: skip
    for recipe, levels in recipes.items():
        for name, level in levels.items():
            for kind in ("noise_denoised", "lattice_denoised"):
                print(f"{recipe}, {name}, {kind}:", *(
                    f"{detector} rms {one['rms_over_input_noise']:.3f} sigma, largest "
                    f"{one['largest_towards_adatoms_in_heights']:.2f} adatoms"
                    for detector, one in level[kind].items()
                ), sep="  ")  # fmt: skip
            peaks = level["adf_peaks_of_half_a_height_per_frame"]
            print("ADF peaks a frame:", *(f"{k} {n:.1f}" for k, n in peaks.items()), sep="  ")


def draw(path, test, noise, bare, drawn, lattice):
    """Draw the frames on the range of a real one, and the denoised ones on that of noise."""
    cut = window_at(np.array(noise.shape[1:3]) / 2, noise.shape[1:3], SIDE_PX)
    from_noise = {f"noise, {recipe}": found[0] for recipe, found in drawn.items()}
    from_bare = {f"lattice, {recipe}": found[1] for recipe, found in drawn.items()}
    columns = {
        "noise alone": noise,
        **from_noise,
        "noisy lattice, no adatoms": bare,
        **from_bare,
        "test movie, truth": test.clean,
    }
    rows = [
        {
            "name": detector,
            "panels": [(label, frames[0][cut][..., c]) for label, frames in columns.items()],
            "sqrt": detector == "ADF",
        }
        for c, detector in enumerate(DETECTORS)
    ]
    # on a range of its own, that of the lattice
    stretched = {
        "noise alone": noise,
        **from_noise,
        "lattice, truth": lattice[None],
        **from_bare,
        "test movie, truth": test.clean,
    }
    panels = [(label, frames[0][cut][..., 0]) for label, frames in stretched.items()]
    rows.append({"name": "ADF, stretched", "panels": panels, "reference": 3})
    before_after(path, rows, PIXEL_NM, f"Noise and models at {test.name}")


if __name__ == "__main__":
    main()
