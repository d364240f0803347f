"""Figure 8: one model of each recipe on one frame at 16.0 and at 9.9 dB.

Both detectors, from left to right: the truth, noisy at 16.0 dB, denoised by both recipes, noisy at
9.9 dB, denoised by both, with the PSNR of the whole frame below and profiles along the row of
pixels through most adatoms, as in the paper, which drew its profiles through four.

The paper reports ADF from 16.0 to 30.9 dB and from 9.9 to 27.5 dB, by one network that was trained
on experimental frames and is applied at every level. Here one network of each recipe, too, trained
on simulated movies at 16 dB only. Not like for like in the data range (the paper's is not stated;
here max - min of the clean frame) and the training data.
"""

import numpy as np
from common import arguments, both_at, noisy_frames, write_numbers
from panels import adatom_row, in_window, quietly, simulated_movie, window_at

from n2v_stem_keras import metrics
from n2v_stem_keras.atoms import sign_of
from n2v_stem_keras.plot import before_after, line_profile

NAME = "figure_08"
LEVELS = (16.0, 9.9)
TRAINED_AT = (16, 16)
PAPER = {"psnr_db": {"ADF": {"16.0": 30.9, "9.9": 27.5}}}


def main():
    """Make the figure."""
    args = arguments(__doc__)
    movie = simulated_movie(args)
    models = both_at(args, TRAINED_AT)
    t, atoms = adatom_row(movie, most=4)
    images, levels = {"truth": movie.clean[t]}, {}
    for level in LEVELS:
        noisy = noisy_frames([movie], (level, level))[0]
        denoised = {
            label: quietly(model.predict, noisy, axes="TYXC", pixel_size_nm=movie.pixel_size_nm)
            for label, model in models.items()
        }
        images[f"noisy, {level} dB"] = noisy[t]
        images |= {f"{label}, {level} dB": frames[t] for label, frames in denoised.items()}
        levels[f"{level}"] = measure(movie, noisy, denoised, t)
    centre = atoms.mean(axis=0) if len(atoms) else [side / 2 for side in movie.clean.shape[1:3]]
    window, y = window_at(centre, movie.clean.shape[1:3]), round(centre[0])
    before_after(
        args.out / f"{NAME}.png",
        [row(images, c, detector, window, atoms, y) for c, detector in enumerate(movie.detectors)],
        profiles_last=True,
        pixel_size_nm=movie.pixel_size_nm,
        caption="profiles 1 px wide, along the ticks, through adatoms (triangles), the true one in "
        "orange",
    )
    for level, at_level in levels.items():
        for detector, by_place in at_level["scores"].items():
            for label, found in by_place["frame_drawn"].items():
                print(f"{detector}: {level} -> {label} {found['psnr']:.1f} dB")
    line = [[y, window[1].start], [y, window[1].stop - 1]]
    numbers = {
        "data": f"simulated test movie of {movie.clean.shape[1]}x{movie.clean.shape[2]} px, "
        f"frame {t}, white noise",
        "models": {label: model.name for label, model in models.items()},
        "levels": levels,
        "line_yx_px": line,
        "profiles": {
            detector: {k: line_profile(im[..., c], line)[1] for k, im in images.items()}
            for c, detector in enumerate(movie.detectors)
        },
        "paper": PAPER,
    }
    write_numbers(args, NAME, numbers)


def measure(movie, noisy, denoised, t):
    """Scores of the frame drawn and of the whole movie, and A/sigma, by label."""
    sigma = np.sqrt(np.mean((noisy - movie.clean) ** 2.0, axis=(1, 2)))
    found = {"adatom_snr_A_over_sigma": {}, "scores": {}}
    for c, detector in enumerate(movie.detectors):
        found["adatom_snr_A_over_sigma"][detector] = metrics.adatom_snr(
            movie.clean[..., c], movie.positions, sigma[:, c], movie.pixel_size_nm
        )
        found["scores"][detector] = {"frame_drawn": {}, "mean_over_frames": {}}
    for label, frames in {"noisy": noisy, **denoised}.items():
        for detector, scores in metrics.score(movie.clean, frames, movie.detectors).items():
            places = found["scores"][detector]
            places["frame_drawn"][label] = {name: v[t] for name, v in scores.items()}
            places["mean_over_frames"][label] = {name: v.mean() for name, v in scores.items()}
    return found


def row(images, c, detector, window, atoms, y):
    """Row of `plot.before_after` for one detector."""
    truth = images["truth"][..., c]
    panels = [
        (
            label,
            image[(*window, c)],
            None if label == "truth" else f"{metrics.psnr(truth, image[..., c]):.1f} dB",
        )
        for label, image in images.items()
    ]
    return {
        "name": detector,
        "panels": panels,
        "sqrt": sign_of(detector) > 0,
        "reference": 0,
        "compare": 0,
        "profile_y": y - window[0].start,
        "marks": in_window(atoms, window),
    }


if __name__ == "__main__":
    main()
