"""What weakening the lattice images of whole frames is worth (`wiener.AsBlinded`).

    python benchmarks/as_blinded.py --models gains-models    # minutes; goes on where it stopped
    python benchmarks/as_blinded.py --table                  # the table again from the journal

The models of the reference movies that `gains.py` trained (seed 0), each applied twice: as it is,
and with lattice images as strong as the filter makes them. Writes as_blinded.jsonl (the journal)
and as_blinded.md.
"""

from pathlib import Path

import gains
import numpy as np
import trials

WAYS = ("as the filter makes them", "as blind spots weaken them")


def run(args, level):
    """Score a model with both."""
    from n2v_stem_keras import Movie, N2VStem

    data, found = gains.Set("reference", level, args.tiny), {}
    for way in WAYS:
        model = N2VStem(None, f"reference-{level[0]}-{level[1]}dB-seed0", args.models)
        if args.tiny:
            model = N2VStem(model.config.replace(**trials.TINY), basedir=None)
            model.trained = True
        if way == WAYS[0]:
            layer = model.keras_model.get_layer("wiener_as_blinded")
            layer.shares = [1.0] * len(layer.shares)

        def denoise(movie, numbers, tta, model=model):
            movie = Movie.from_array(
                movie, "TYXC", detectors=trials.DETECTORS, pixel_size_nm=trials.PIXEL_NM, name="m"
            )
            return model.predict(movie)[list(numbers)]

        found[way] = data.scores(denoise)
    return {"level": level, **found}


def table(rows):
    """Markdown: PSNR and contrast with both."""
    lines = [
        "| noise | frames | lattice images | PSNR, ADF / BF [dB] | contrast, ADF / BF |",
        "|---" * 5 + "|",
    ]
    for row in rows.values():
        for which, words in gains.WORDS.items():
            for way in WAYS:
                psnr, contrast = (
                    np.mean(row[way][which][name], axis=0) for name in ("psnr", "contrast")
                )
                cells = [f"{row['level'][0]}/{row['level'][1]} dB", words, way]
                cells += [
                    f"{psnr[0]:.2f} / {psnr[1]:.2f}",
                    f"{contrast[0]:.3f} / {contrast[1]:.3f}",
                ]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("gains-models"), "help": "default: %(default)s"}
    args = trials.arguments(__doc__, models=models)
    journal = trials.Journal(args.out / "as_blinded.jsonl")
    if not args.table:
        for level in trials.LEVELS[1:2] if args.tiny else trials.LEVELS:
            journal.run(f"{level[0]}/{level[1]} dB", lambda level=level: run(args, level))
    trials.write(args.out / "as_blinded.md", table(journal.rows()) + "\n")


if __name__ == "__main__":
    main()
