"""Classical denoisers and Noise2Void on the reference movies, at three noise levels.

The comparison behind the paper's Figs 6, 7 and S6, on eight movies instead of one image. The noise
levels are those of the paper's text: 16/16 dB (ADF/BF) as its experiment seemed to have, 10/10, and
7/6 as in its Fig. 6. Gaussian, TV and BM3D are tuned once a level on the truth of frames that are
scored, so they are flattered. Noise2Void is one laptop-preset model per level. Scored twice: on the
noisy frames that it was trained on, which is how users denoise, and on test movies that it never
saw.
"""

import common
from evaluation import table

from n2v_stem_keras.evaluation.evaluate import evaluate

LEVELS = ((16.0, 16.0), (10.0, 10.0), (7.0, 6.0))
SETS = {"training": "the very noisy frames that it was trained on", "test": "movies it never saw"}
METHODS = {"training": ("gaussian", "tv", "bm3d", "temporal"), "test": ("gaussian", "tv")}
# PSNR ADF / BF [dB] measured on such movies with another simulator (3 graphene layers, other
# contrast), for orientation
ELSEWHERE = {
    "16-16dB": {"Gaussian": (28.8, 24.6), "TV": (30.7, 24.9), "BM3D": (33.5, 27.1)},
    "10-10dB": {"Gaussian": (25.4, 22.7), "TV": (27.1, 23.5), "BM3D": (29.0, 24.4)},
    "7-6dB": {"Gaussian": (23.1, 20.7), "TV": (25.3, 22.2), "BM3D": (28.2, 24.1)},
}


def main():
    """Evaluate on both sets; write the tables."""
    args = common.arguments(__doc__)
    models = {"Noise2Void": {level: common.trained_at(args, level) for level in LEVELS}}
    tables, numbers = [], {}
    for which, words in SETS.items():
        movies = common.clean_movies(args.scale, which)
        noisy = {level: common.noisy_frames(movies, level, which) for level in LEVELS}
        result = evaluate(
            [movie.clean for movie in movies],
            common.DETECTORS,
            common.PIXEL_NM,
            noisy=noisy,
            models=models,
            methods=METHODS[which] if args.scale.name != "tiny" else ("gaussian",),
            tune_per="level",
            positions=[movie.positions for movie in movies],
            progress=lambda done, total, what: print(f"{done}/{total} {what}", flush=True),
        )
        head = f"Noise2Void on {words} ({len(movies)} movies of {args.scale.n_frames} frames)"
        tables.append(f"### {head}\n\n{result.to_markdown()}")
        numbers[which] = table(result)
        print(f"\n{head}\n{result.table()}\n")
    common.write_text(args, "reference_table.md", "\n\n".join(tables))
    common.write_numbers(args, "reference_table", {**numbers, "elsewhere": ELSEWHERE})


if __name__ == "__main__":
    main()
