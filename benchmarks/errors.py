"""Where the squared error of the laptop preset lies: at adatoms, or in the lattice.

    python benchmarks/errors.py --models gains-models

Takes the models that `gains.py` trained (seed 0) and the reference movies that they never saw. For
each detector: PSNR, the share of the squared error within 0.3 nm of what stands out of the truth
by 15 % of its range (adatoms), PSNR elsewhere, and the share of the error's power in Fourier
coefficients at most 2 px from those of the lattice, with the share that they are of all
coefficients. Writes errors.md.
"""

from pathlib import Path

import numpy as np
import trials

NUMBERS = (1, 7)  # frames of each movie, as in gains.py
STANDS_OUT, NEAR_PX, SPOT, SPOT_PX = 0.15, 13, 0.05, 5


def shares(truth, image):
    """PSNR, share near adatoms, PSNR away, power at spots, area of spots; of (T, Y, X)."""
    from scipy.ndimage import maximum_filter

    data_range = np.ptp(truth, axis=(1, 2), keepdims=True)
    error = (image - truth) / data_range
    ground = np.median(truth)
    out = abs(truth - ground) > STANDS_OUT * data_range
    near = np.stack([maximum_filter(frame, NEAR_PX) for frame in out])
    lattice = np.where(near, ground, truth)
    lattice = lattice - lattice.mean((1, 2), keepdims=True)
    height = abs(np.fft.fft2(lattice)).mean(0)
    spots = maximum_filter(height > SPOT * height.max(), SPOT_PX, mode="wrap")
    power = abs(np.fft.fft2(error)) ** 2
    square = error**2
    return [
        -10 * np.log10(square.mean()),
        square[near].sum() / square.sum(),
        -10 * np.log10(square[~near].mean()),
        power[:, spots].sum() / power.sum(),
        spots.mean(),
    ]


def main():
    """Measure, and write the table."""
    models = {"type": Path, "default": Path("gains-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    from n2v_stem_keras import N2VStem
    from n2v_stem_keras.normalize import scan
    from n2v_stem_keras.prediction.tiles import denoise_movie

    lines = [
        "| noise | detector | PSNR [dB] | squared error at adatoms | PSNR elsewhere [dB] | "
        "error power at the lattice's spots | coefficients there |",
        "|---" * 7 + "|",
    ]
    truth = trials.clean(trials.structures("reference", "test"))
    for level in trials.LEVELS:
        noisy = trials.white(truth, level, "test")
        model = N2VStem(None, f"reference-{level[0]}-{level[1]}dB-seed0", args.models)
        found = []
        for clean, raw in zip(truth, noisy):
            frames = denoise_movie(model.denoiser, raw, scan(raw), numbers=list(NUMBERS))
            images = np.stack(list(frames))
            clean = clean[list(NUMBERS)]
            found.append([shares(clean[..., c], images[..., c]) for c in range(2)])
        for name, values in zip(trials.DETECTORS, np.mean(found, axis=0)):
            psnr, near, away, spots, area = values
            lines.append(
                f"| {level[0]}/{level[1]} dB | {name} | {psnr:.1f} | {100 * near:.0f} % | "
                f"{away:.1f} | {100 * spots:.0f} % | {100 * area:.1f} % |"
            )
    trials.write(args.out / "errors.md", "\n".join(lines))


if __name__ == "__main__":
    main()
