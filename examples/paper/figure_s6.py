"""Figure S6: Noise2Void and BM3D at 7 dB (ADF) and 6 dB (BF), and the time each takes.

Both detectors, from left to right: noisy, BM3D, Noise2Void and the truth, with the PSNR of the
whole frame below; in the JSON file the scores of both over all test movies, the CPU time of a frame
of both detectors, and its ratio.

The paper finds Noise2Void about 13 times faster than BM3D, on a GPU (RTX A5000) and with a larger
network; here both run on the CPU named in the JSON file, with the scale's network, so the ratio is
not like for like. BM3D is told the true sigma and tuned on the truth: flattered. Without the
package bm3d the script says how to install it and makes the figure without BM3D.
"""

import json
import time

import numpy as np
from common import RECIPES, arguments, both_at, noisy_frames, write_numbers
from evaluation import evaluate_test_movies, table
from panels import (
    adatom_row,
    in_window,
    quietly,
    rows_of,
    scored,
    simulated_frame,
    simulated_movie,
    window_at,
)

from n2v_stem_keras import baselines
from n2v_stem_keras.plot import before_after

NAME = "figure_s6"
LEVEL = (7, 6)
PAPER = {"bm3d_time_over_noise2void_time": 13}


def main():
    """Make the figure."""
    args = arguments(__doc__)
    missing = baselines.available("bm3d")
    movie, models = simulated_movie(args), both_at(args, LEVEL)
    t, atoms = adatom_row(movie)
    frame = simulated_frame(movie, t, LEVEL, models, methods=() if missing else ("bm3d",))
    scores = frame.scores()
    centre = atoms.mean(axis=0) if len(atoms) else [side / 2 for side in movie.clean.shape[1:3]]
    window = window_at(centre, movie.clean.shape[1:3])
    y = round(centre[0]) - window[0].start
    before_after(
        args.out / f"{NAME}.png",
        rows_of(
            frame,
            window,
            lambda detector, label: scored(scores[detector].get(label)),
            profile_y=y,
            marks=in_window(atoms, window),
            compare=-1,
        ),
        profiles_last=True,
        pixel_size_nm=movie.pixel_size_nm,
        caption="profiles 1 px wide, along the ticks, through adatoms (triangles), the true one in "
        "orange",
    )
    records, heading, notes = scores_of_figure_07(args, models)
    seconds = cpu_seconds(frame, movie, models, missing)
    ratio = None if missing else {k: seconds["BM3D"] / seconds[k] for k in RECIPES}
    print(missing or f"BM3D takes so many times as long: {ratio}")
    numbers = {
        "drawn": {**frame.about, "scores": scores},
        "heading": heading,
        "scores": records,
        "cpu_seconds_per_frame": seconds,
        "bm3d_time_over_noise2void_time": ratio,
        "missing": missing,
        "notes": notes,
        "paper": PAPER,
    }
    write_numbers(args, NAME, numbers)


def scores_of_figure_07(args, models):
    """Scores over all test movies, from figure 7's numbers if it was made at this scale."""
    path = args.out / "figure_07.json"
    if path.exists():
        numbers = json.loads(path.read_text(encoding="utf-8"))
        if numbers["scale"] == args.scale.name and numbers["seed"] == args.seed:
            return numbers["scores"], numbers["heading"], numbers["notes"]
    evaluation = evaluate_test_movies(args, [LEVEL], models, ("bm3d",))
    print(evaluation.table())
    return table(evaluation), evaluation.heading(), evaluation.notes


def cpu_seconds(frame, movie, models, missing):
    """CPU time of a frame of both detectors, label -> [s], all threads together."""
    noisy = noisy_frames([movie], LEVEL)[0]
    found = {}
    for label, model in models.items():
        for _ in range(2):  # the first is compiled
            began = time.process_time()
            quietly(model.predict, noisy, axes="TYXC", pixel_size_nm=movie.pixel_size_nm)
            found[label] = (time.process_time() - began) / len(noisy)
    if not missing:
        strengths = frame.tuned["BM3D"]
        sigma = np.sqrt(np.mean((frame.images["noisy"] - frame.truth) ** 2.0, axis=(0, 1)))
        began = time.process_time()
        for c, detector in enumerate(frame.detectors):
            baselines.bm3d(frame.images["noisy"][..., c], strengths[detector], sigma[c])
        found["BM3D"] = time.process_time() - began
    return found


if __name__ == "__main__":
    main()
