"""Classical denoisers and Noise2Void on the reference movies, at three noise levels.

The comparison behind the paper's Figs 6, 7 and S6, on eight movies instead of one image. The noise
levels are those of the paper's text: 16/16 dB (ADF/BF) as its experiment seemed to have, 10/10, and
7/6 as in its Fig. 6. Gaussian, TV and BM3D are tuned once a level on the truth of frames that are
scored, so they are flattered. Noise2Void is one laptop-preset model per level. Scored twice: on the
noisy frames that it was trained on, which is how users denoise, and on test movies that it never
saw.
"""

import json
import math

import common

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


def short(numbers):
    """PSNR of every method at every level in one table, of both sets of movies.

    Parameters
    ----------
    numbers : dict
        Set -> rows of `scores.Evaluation.rows`.

    Returns
    -------
    str
        Markdown.
    """
    rows = [r for r in numbers["training"] if r["metric"] == "psnr"]
    levels = list(dict.fromkeys(r["level"] for r in rows))
    labels = list(dict.fromkeys((r["method"], r["label"]) for r in rows))
    held_out = [r for r in numbers["test"] if r["metric"] == "psnr" and r["kind"] == "model"]
    snr = {(r["level"], r["detector"]): r["adatom_snr"] for r in rows}
    heads = []
    for level in levels:
        strength = " / ".join(f"{snr[level, d]:.1f}" for d in common.DETECTORS)
        heads.append(f"{level} (A/sigma {strength})")
    lines = [
        "| PSNR [dB], ADF / BF | " + " | ".join(heads) + " |",
        "|---" * (len(levels) + 1) + "|",
    ]
    for method, label in labels:
        cells = [_cell([r for r in rows if r["method"] == method], level) for level in levels]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    cells = [_cell(held_out, level) for level in levels]
    lines.append("| Noise2Void, movies it never saw | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(rows, level):
    """Mean and standard error of both detectors at a level."""
    found = {r["detector"]: r for r in rows if r["level"] == level}
    parts = [_plus_minus(found[detector]) for detector in common.DETECTORS if detector in found]
    return " / ".join(parts) or "-"


def _plus_minus(row):
    mean, se = (float("nan") if row[key] is None else row[key] for key in ("mean", "se"))
    return "-" if math.isnan(mean) else f"{mean:.1f}" + ("" if math.isnan(se) else f" ± {se:.1f}")


def main():
    """Evaluate on both sets; write the tables."""
    from_json = {"action": "store_true", "help": "make the short table from the JSON again"}
    args = common.arguments(__doc__, short_table_only=from_json)
    if args.short_table_only:
        numbers = json.loads((args.out / "reference_table.json").read_text(encoding="utf-8"))
        common.write_text(args, "reference_table_short.md", short(numbers))
        return
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
        numbers[which] = list(result.rows())
        print(f"\n{head}\n{result.table()}\n")
    common.write_text(args, "reference_table.md", "\n\n".join(tables))
    common.write_numbers(args, "reference_table", {**numbers, "elsewhere": ELSEWHERE})
    common.write_text(args, "reference_table_short.md", short(numbers))


if __name__ == "__main__":
    main()
