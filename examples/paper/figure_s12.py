"""Figs S12 to S14: what goes in and what comes out at 7, 13 and 20 dB.

The frames behind the three example points of Fig. 9b, one picture each (``figure_s12.png``,
``figure_s13.png``, ``figure_s14.png``): noisy, TV, Noise2Void by both recipes, and the truth, with
the PSNR of the whole frame below. As in the paper one network denoises all levels; here it was
trained at 16/16 dB. TV is tuned on the truth of the frame shown: flattered.
"""

from common import DETECTORS, arguments, both_at, write_numbers
from figure_09 import SHARED
from panels import adatom_row, rows_of, scored, simulated_frame, simulated_movie, window_at

from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.plot import before_after

NAME = "figure_s12"
LEVELS = {"figure_s12": (7, 6), "figure_s13": (13, 13), "figure_s14": (20, 20)}
SIDE_PX = 136


def main():
    """Make the three pictures."""
    args = arguments(__doc__)
    movie, models = simulated_movie(args), both_at(args, SHARED)
    t, atoms = adatom_row(movie)
    shape = movie.clean.shape[1:3]
    centre = atoms.mean(axis=0) if len(atoms) else [side / 2 for side in shape]
    window, levels = window_at(centre, shape, SIDE_PX), {}
    for name, level in LEVELS.items():
        frame = simulated_frame(movie, t, level, models, methods=("tv",))
        scores = frame.scores()
        before_after(
            args.out / f"{name}.png",
            rows_of(frame, window, lambda d, label, s=scores: scored(s[d].get(label))),
            pixel_size_nm=movie.pixel_size_nm,
        )
        levels[level_label(level, len(DETECTORS))] = {**frame.about, "scores": scores}
        for detector, by_label in scores.items():
            text = ", ".join(f"{label} {found['psnr']:.1f}" for label, found in by_label.items())
            print(f"{name}, {detector}: PSNR [dB] {text}")
    write_numbers(args, NAME, {"levels": levels, "paper": {"numbers": None, "see": "figure_09"}})


if __name__ == "__main__":
    main()
