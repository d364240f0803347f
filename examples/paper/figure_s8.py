"""Fig. S8: the FFT of denoised noise: is there a period that was not there?

The paper shows the FFT magnitudes of its denoised image of Gaussian noise and finds no well defined
periodicities, without a number.

Here the sharpness of a spectrum is a number: the highest FFT magnitude over the mean of its
surroundings (a ring of 3-8 px about it), of each frame, and of the mean magnitude of all frames,
where a period that comes back in every frame stands out and chance does not. White noise is
measured in the same way. Another number asks for the lattice: denoised noise is a filtered noise,
and a network that has seen graphene only may let the frequencies of graphene pass; ``ring`` is the
radial profile at a graphene order over its mean beside it. How sharp a spectrum is does not say how
strong: ``rms`` does [fraction of the beam]. Frames as in ``figure_s7.py``, measured at (16, 16) and
(7, 6) dB and drawn at the latter.
"""

import numpy as np
from artefacts import BY_STREAM, bench
from common import DETECTORS, PIXEL_NM, RECIPES, TEST_SEED, arguments, write_numbers
from supplement import DRAWN, LEVELS

from n2v_stem_keras.metrics.fourier import GRAPHENE_ORDERS_NM, fft_magnitude, radial_profile
from n2v_stem_keras.plot import fourier_panels

INNER_PX, OUTER_PX = 3, 8  # ring around a peak, in steps of frequency
LOWEST_PX = 10  # lower frequencies have no ring of their own
EDGE_NM = 9.0  # of the panels [nm^-1]
BESIDE_NM = (1.5, 2.5)  # what is beside a graphene order [nm^-1]


def sharpness(magnitude):
    """Highest magnitude over the mean of a ring around it, and where [nm^-1], of (Y, X)."""
    from scipy.ndimage import convolve

    y, x = np.mgrid[-OUTER_PX : OUTER_PX + 1, -OUTER_PX : OUTER_PX + 1]
    ring = (np.hypot(y, x) >= INNER_PX) & (np.hypot(y, x) <= OUTER_PX)
    surroundings = convolve(magnitude, ring / ring.sum(), mode="wrap")
    centre = np.array(magnitude.shape) // 2
    distance = np.hypot(*(np.indices(magnitude.shape) - centre[:, None, None]))
    ratio = np.where(distance < LOWEST_PX, 0.0, magnitude / surroundings)
    place = np.array(np.unravel_index(np.argmax(ratio), ratio.shape))
    frequency = np.hypot(*((place - centre) / magnitude.shape / PIXEL_NM))
    return float(ratio.max()), float(frequency)


def rings(magnitude):
    """Radial profile at the graphene orders over its mean beside them, nan beyond Nyquist."""
    radii, profile = radial_profile(magnitude, PIXEL_NM)
    found = []
    for order in GRAPHENE_ORDERS_NM:
        away = np.abs(radii - order)
        beside = profile[(away >= BESIDE_NM[0]) & (away <= BESIDE_NM[1])].mean()
        found.append(float(np.interp(order, radii, profile) / beside))
    return found


def spectrum(frames):
    """Numbers of (T, Y, X, C) frames: detector -> name -> number."""
    found = {}
    for c, detector in enumerate(DETECTORS):
        magnitudes = fft_magnitude(frames[..., c])
        single = [sharpness(magnitude)[0] for magnitude in magnitudes]
        mean, frequency = sharpness(magnitudes.mean(axis=0))
        found[detector] = {
            "rms": float(frames[..., c].std(axis=(1, 2)).mean()),
            "highest_over_surroundings": float(np.median(single)),
            "highest_over_surroundings_max": max(single),
            "mean_of_frames": {"highest_over_surroundings": mean, "at_per_nm": frequency},
            "ring_at_graphene_orders": rings(magnitudes.mean(axis=0)),
        }
    return found


def main():
    args = arguments(__doc__)
    recipes = {recipe: {} for recipe in RECIPES}
    for psnr_db in LEVELS:
        columns = {}
        for recipe, levels in recipes.items():
            test = bench(args, psnr_db, recipe)
            noise = test.noise([TEST_SEED, 71])
            denoised = test.apply(noise)
            columns |= {"noise alone": noise, f"noise, {recipe}": denoised}
            levels[test.name] = {
                **test.facts(),
                "frames": len(noise),
                "noise": spectrum(noise),
                "noise_denoised": spectrum(denoised),
            }
        if psnr_db == DRAWN:
            columns |= {f"test movie, {recipe}": test.denoised, "test movie, truth": test.clean}
            draw(args.out / "figure_s8.png", test, columns)
    write_numbers(args, "figure_s8", {
        "paper": {"numbers": None, "finding": "no well defined periodicities"},
        "note": BY_STREAM + " highest_over_surroundings: median over frames of the highest FFT "
        "magnitude over the mean of a ring around it.",
        "graphene_orders_per_nm": GRAPHENE_ORDERS_NM,
        "recipes": recipes,
    })  # fmt: skip
    for recipe, levels in recipes.items():
        for name, level in levels.items():
            for kind in ("noise", "noise_denoised"):
                print(f"{recipe}, {name}, {kind}:", *(
                    f"{detector} highest peak {one['highest_over_surroundings']:.1f}, of the mean "
                    f"spectrum {one['mean_of_frames']['highest_over_surroundings']:.2f}, ring at "
                    f"the first order {one['ring_at_graphene_orders'][0]:.2f}"
                    for detector, one in level[kind].items()
                ), sep="  ")  # fmt: skip


def draw(path, test, columns):
    """Draw the spectra of noise, of the same denoised, and of a frame with adatoms."""
    rows = [
        {"name": detector, "panels": [(k, frames[0, ..., c]) for k, frames in columns.items()]}
        for c, detector in enumerate(DETECTORS)
    ]
    title = f"Noise and models at {test.name}"
    fourier_panels(path, rows, PIXEL_NM, max_frequency=EDGE_NM, title=title)


if __name__ == "__main__":
    main()
