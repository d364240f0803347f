"""Write README.md: every figure and finding of the paper, and whether it holds here.

The numbers are those of the JSON files that the scripts wrote; what has none is "not run". Verdicts
come from `findings.py`: a figure's is that of its findings together. After the scripts,
``python examples/paper/make_readme.py``.
"""

import argparse
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from findings import (
    CLASSICAL,
    DETECTORS,
    FINDINGS,
    HOLDS,
    NOT,
    PART,
    RECIPES,
    SHORT,
    both,
    listed,
    verdict,
)

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "paper"  # as in common.py
README = Path(__file__).with_name("README.md")
LINE = "<br>"  # between lines of a cell
NOT_RUN = "not run"

HEAD = """# The figures and findings of the paper

Thornley et al., *Noise2Void for denoising atomic resolution scanning transmission electron
microscopy images*, npj Comput. Mater. 12, 68 (2026). One script a figure; each writes pictures
(PNG) and numbers (JSON) to `benchmarks/results/paper`. This page is made from these numbers by
`make_readme.py`; verdicts are computed by the rules of `findings.py`.

```
for f in examples/paper/variants.py examples/paper/figure_*.py; do python $f; done
python examples/paper/seeds.py
python examples/paper/make_readme.py
```

**Two columns.** *This package* is the preset `laptop` as it is shipped. *Paper's recipe* is the
paper's network, blind spots, loss and optimiser: depth 4, a grid of pitch 24 jittered by 2 px,
the mean of a window, Adam at a constant rate, no augmentation, no lattice image, single frames.
Made to fit one core: 8 features at the first level instead of 64; 1504 updates of one frame of
256x256 px instead of 22 600 of twelve of 512x512; a rate of 5e-4 instead of 1e-5, with which so few
updates converge; all frames instead of every other one. It is trained once, at 16/16 dB, and
applied at every level, as the paper does with its one network: at 7/6 dB its loss was still that of
a blank frame after 16 of 32 epochs, and the training was stopped. *This package* is trained at the
level itself, on other movies than those shown, unless a row says otherwise.

**Scale.** By default *laptop*: movies of 12 frames of 256x256 px at 0.046 nm/px, eight to train on
and four others to test on. Pictures show models trained at seed 0; findings are means over as many
seeds as a row says, ± the standard error of the mean. Models are kept in `paper-models`.
`--paper-scale` takes the paper's network, settings and amount of data and needs a GPU. None was at
hand: the paper's own network was not run, nor its frames a second.

**Not like for like, throughout.** The paper's experiment is not public; every figure here is
simulated, so that there is a truth. Its network saw 8475 experimental frames; here 96 simulated
ones. The paper's data range is not stated, on which PSNR depends; here it is max - min of each
clean frame and detector. By the height of a lone adatom over the noise, A/sigma, which does not
depend on it, the paper's experiment (about 2 in ADF) is here at 7 dB. Classical methods are told
the noise and tuned on the truth of the frames scored: flattered.
"""


@dataclass(frozen=True)
class Figure:
    """One row of the table of figures.

    Attributes
    ----------
    label, title : str
        Such as 3 or S1, and what is shown.
    script : str
        Stem of its script; empty where there is none.
    paper : str
        What the paper reports.
    alike : str
        Whether that is like for like, and why (beyond what holds throughout).
    here : callable or None
        Takes the numbers and returns what was measured and {column: verdict}, where no finding
        does.
    verdict : str
        Where no finding gives one.
    pictures : tuple of str
        Names of PNG files.
    """

    label: str
    title: str
    script: str
    paper: str
    alike: str = ""
    here: object = None
    verdict: str = ""
    pictures: tuple = ()


# -- what holds here, where no finding says it ----------------------------------------------------
def frame_scores(n):
    psnr = {d: {k: v["psnr"] for k, v in n["scores"][d].items()} for d in DETECTORS}
    text = "PSNR [dB] of the frame:<br>" + LINE.join(f"{d}: {listed(by)}" for d, by in psnr.items())
    return text, both(
        lambda r: verdict(*(by[r] > max(by[k] for k in CLASSICAL) for by in psnr.values()))
    )


def scores_by_level(n):
    psnr = {
        level: {k: v["psnr"] for k, v in found["scores"]["ADF"].items()}
        for level, found in n["levels"].items()
    }
    text = "PSNR [dB], ADF:<br>" + LINE.join(f"{level}: {listed(by)}" for level, by in psnr.items())
    return text, both(lambda r: verdict(*(by[r] > by["TV"] for by in psnr.values())))


def clusters(n):
    text, passed = [], {recipe: [] for recipe in RECIPES}
    for level, by_size in n["levels"].items():
        for size, found in by_size["clusters"].items():
            on = found["on_the_cluster"]["ADF"]
            signal = {k: one["signal_over_true"]["median"] for k, one in on.items()}
            error = {k: one["rms_error_in_sigma"]["median"] for k, one in on.items()}
            text.append(f"{size} at {level}: " + ", ".join(
                f"{k} {signal[k]:.2f} ({error[k]:.2f})" for k in on
            ))  # fmt: skip
            for recipe in RECIPES:
                others = min(error[k] for k in error if k not in RECIPES)
                passed[recipe].append(error[recipe] < others and abs(signal[recipe] - 1) < 0.1)
    head = "ADF intensity over the true one (rms error in sigma), medians:<br>"
    return head + LINE.join(text), both(lambda r: verdict(*passed[r]))


FIGURES = (
    Figure("1a", "the network", "", "architecture",
           verdict="holds: the preset `paper` builds it, and tests pin its layers"),
    Figure("1b", "adatoms found in a frame", "figure_01b", "89 % more adatoms",
           "no: simulated, with all adatoms known"),
    Figure("2", "chequerboards", "figure_02", "chequerboards of the early network, gone in the "
           "final one", "trained on simulated frames; the grid here has a random phase",
           pictures=("figure_02.png", "figure_02b.png", "figure_02d.png")),
    Figure("3", "lattice along a profile", "figure_03", "only Noise2Void shows the lattice in ADF "
           "(experiment)", "no: simulated; correlation with the truth in place of the eye"),
    Figure("4", "lone adatoms along a profile", "figure_04", "SNR in ADF: raw 2, Gaussian 3.3, TV "
           "7.2, Noise2Void 12 (experiment)", "same SNR of the raw adatoms, but no liquid"),
    Figure("5", "FFT and lattice spots", "figure_05", "all six first-order spots in ADF with "
           "Noise2Void only; SNR of the second order in BF", "compare methods, not with the paper"),
    Figure("6", "a frame at 7/6 dB", "figure_06",
           "pictures (numbers in Fig. 7); here: highest PSNR in both detectors",
           "yes in specimen, optics and input PSNR", frame_scores),
    Figure("7", "scores at 7/6 dB", "figure_07", "Noise2Void best; PSNR x3, SSIM and N-RMSE an "
           "order of magnitude in ADF", "yes in specimen, optics and input PSNR"),
    Figure("8", "a frame at 16 and 9.9 dB", "figure_08", "ADF 16.0 -> 30.9 dB, 9.9 -> 27.5 dB",
           "one model at both levels, as there; but the paper's was trained on the experiment"),
    Figure("9", "PSNR against PSNR", "figure_09", "output / input PSNR in ADF about 3 to 1.6",
           "yes, beside the data range", pictures=("figure_09.png", "figure_09b.png")),
    Figure("10", "another session", "figure_10", "retraining is hardly needed",
           "no: simulated sessions, reduced scale"),
    Figure("table of variants", "what else was tried (Results, in words)", "variants",
           "depth, pooling, first kernel, skip, blocks, ASPP, mono", "reduced scale"),
    Figure("S1", "two adatoms 0.34 nm apart", "figure_s1", "dip in ADF: raw 57 %, Gaussian 28 %, "
           "TV 14 %, Noise2Void 29 %", "no: these adatoms are sharper; many pairs, chance counted",
           pictures=("figure_s1.png", "figure_s1b.png")),
    Figure("S2", "not known", "", "the text never refers to it",
           verdict="cannot be tested here, because the text does not say what it shows and the "
           "supplement is not open to us"),
    Figure("S3", "SSIM and N-RMSE, 7-20 dB", "figure_s3", "above TV in ADF at every level",
           "yes, beside the data range"),
    Figure("S4", "clusters", "figure_s4",
           "pictures only (experiment); here: least error on it, its intensity within 10 %",
           "no: flat islands of 7 and 19 atoms, with truth", clusters),
    Figure("S5", "350 and 1860 e-/px counted", "figure_s5", "two frames; ten times less fluence",
           "counted electrons without liquid, by networks of white noise, which draw too strong a "
           "BF of them; trained on counts (`--model-per-dose`): not run with this preset"),
    Figure("S6", "BM3D", "figure_s6", "13 times slower (GPU)", "no: both on a CPU"),
    Figure("S7", "noise alone", "figure_s7", "artefacts of low intensity", "yes"),
    Figure("S8", "FFT of denoised noise", "figure_s8", "no well-defined periodicities", "yes"),
    Figure("S9", "one bright point in ADF", "figure_s9", "artefacts of low intensity",
           "probably: size and height are not stated",
           pictures=("figure_s9.png", "figure_s9b.png")),
    Figure("S10", "holes at ten times the dose", "figure_s10", "no adatoms in holes",
           "no: simulated; many holes, exact intervals. Neither network has seen a hole, and "
           "neither draws it empty: what it makes of it is dark in ADF, so it is no adatom"),
    Figure("S11", "losses of dual and mono networks", "figure_s11", "BF mono still falls after 32 "
           "epochs", "reduced scale"),
    Figure("S12-S14", "frames at 7, 13 and 20 dB", "figure_s12",
           "pictures behind Fig. 9; here: PSNR above TV's in ADF",
           "yes, beside the data range", scores_by_level, "",
           ("figure_s12.png", "figure_s13.png", "figure_s14.png")),
)  # fmt: skip


def numbers_of(results, stem):
    """Numbers of a script, or None where it was not run."""
    path = results / f"{stem}.json"
    return json.loads(path.read_text(encoding="utf-8")) if stem and path.exists() else None


def of_all_seeds(results, stem):
    """Numbers of a script for each seed that it was run at, the first seed's first."""
    folders = (results, *sorted(results.glob("seed*")))
    return [found for folder in folders if (found := numbers_of(folder, stem)) is not None]


NUMBER = re.compile(r"(?<![\d.])[+-]?\d+(?:\.\d+)?")


def averaged(texts):
    """Write texts that differ in their numbers alone as one: mean ± standard error.

    Examples
    --------
    >>> averaged(["ADF: 7 dB to 30.1", "ADF: 7 dB to 30.5"])
    'ADF: 7 dB to 30.3 ± 0.2'
    """
    words = {tuple(NUMBER.split(text)) for text in texts}
    if len(words) > 1:  # something was found at one seed and not at another
        return "; ".join(dict.fromkeys(texts))
    between, written = words.pop(), []
    for numbers in zip(*map(NUMBER.findall, texts)):
        written.append(numbers[0] if len(set(numbers)) == 1 else _mean_se(numbers))
    return "".join(a + b for a, b in zip(between, [*written, ""]))


def _mean_se(numbers):
    values = [float(number) for number in numbers]
    mean, n = sum(values) / len(values), len(values)
    se = (sum((value - mean) ** 2 for value in values) / (n - 1) / n) ** 0.5
    digits = max(len(number.partition(".")[2]) for number in numbers)
    sign = "+" if numbers[0][0] in "+-" else ""
    return f"{mean:{sign}.{digits}f} ± {se:.{digits}f}"


def over_seeds(finding, by_seed):
    """Return what was measured at all seeds, and {column: verdict}: part where seeds disagree."""
    if len(by_seed) < 2:
        return judged(finding, by_seed[0] if by_seed else None)
    found = [judged(finding, numbers) for numbers in by_seed]
    measured = f"{averaged([text for text, _ in found])} ({len(found)} seeds)"
    verdicts = {column: [own[column] for _, own in found] for column in found[0][1]}
    agreed = {c: one[0] if len(set(one)) == 1 else PART for c, one in verdicts.items()}
    for column, one in verdicts.items():
        if len(set(one)) > 1:
            head = f"; {column}, by seed: " if column else "; by seed: "
            measured += head + ", ".join(one)
    return measured, agreed


def judged(finding, numbers):
    """Return what was measured, and {column: verdict}, of one finding at one seed."""
    if finding.judge is None:
        return "", {"": f"cannot be tested here, because {finding.rule}"}
    if numbers is None:
        return NOT_RUN, {"": NOT_RUN}
    measured, verdicts = finding.judge(numbers)
    if numbers["scale"] != "laptop":
        measured = f"({numbers['scale']} scale) {measured}"
    return measured, verdicts


def together(verdicts):
    """One verdict a column of several findings: all hold, none does, or something between."""
    columns = dict.fromkeys(column for one in verdicts for column in one)
    if len(columns) > 1:  # what is not about a recipe says nothing of it
        columns.pop("", None)
    found = {}
    for column in columns:
        own = [one[column] for one in verdicts if column in one]
        known = [v for v in own if v in (HOLDS, PART, NOT)]
        if not known:
            found[column] = own[0]
        else:
            found[column] = known[0] if len(set(known)) == 1 else PART
    return found


def written(verdicts):
    """Write verdicts by column."""
    if len(set(verdicts.values())) == 1 and set(verdicts) >= set(SHORT.values()):
        return f"{next(iter(verdicts.values()))} (both)"
    return LINE.join(f"{column}: {v}" if column else v for column, v in verdicts.items())


def readme(results=RESULTS):
    """Text of the README, from the JSON files in a folder.

    Parameters
    ----------
    results : pathlib.Path
        Where the scripts wrote.

    Returns
    -------
    str
        Markdown.
    """
    found = {f.claim: over_seeds(f, of_all_seeds(results, f.source)) for f in FINDINGS}
    head = "| figure | the paper | verdict | here | like for like? |"
    lines = [HEAD, "## Figures and tables", "", head, "|:--|:--|:--|:--|:--|"]
    pictures = []
    for figure in FIGURES:
        name = f"[{figure.label}]({figure.script}.py)" if figure.script else figure.label
        numbers = numbers_of(results, figure.script)
        own = [found[f.claim][1] for f in FINDINGS if f.source and f.source == figure.script]
        outcome, here = figure.verdict, ""
        if figure.script and numbers is None:
            outcome = here = NOT_RUN
        elif own:
            outcome, here = written(together(own)), "see the findings below"
        elif figure.here:
            here, verdicts = figure.here(numbers)
            outcome = written(verdicts)
        lines.append(
            f"| {name}, {figure.title} | {figure.paper} | {outcome} | {here} | {figure.alike} |"
        )
        for picture in figure.pictures or (f"{figure.script}.png",):
            if (results / picture).exists():
                pictures.append((figure, picture))
    lines += [
        "", "## Findings", "",
        "One row a sentence of finding in the paper. *Rule* says when it counts as holding; of "
        "several seeds it has to at each, or the verdict is *holds in part*. "
        "Where the number of seeds is not given it is one. "
        f"Columns: {SHORT[RECIPES[0]]} and {SHORT[RECIPES[1]]}; where there is one verdict, the "
        "trainings are of reduced scale (`reduced.py`).", "",
        "| the paper's finding | script | measured here | rule | verdict |",
        "|:--|:--|:--|:--|:--|",
    ]  # fmt: skip
    for finding in FINDINGS:
        measured, verdicts = found[finding.claim]
        script = f"[{finding.source}]({finding.source}.py)" if finding.source else "-"
        rule = finding.rule if finding.judge else "-"
        lines.append(f"| {finding.claim} | {script} | {measured} | {rule} | {written(verdicts)} |")
    variants = results / "variants.md"
    if variants.exists():
        lines += ["", "## Variants", "", variants.read_text(encoding="utf-8").rstrip()]
    lines += ["", "## Pictures", ""]
    for figure, name in pictures:
        where = os.path.relpath(RESULTS / name, README.parent).replace(os.sep, "/")
        label = name.removesuffix(".png").removeprefix("figure_").lstrip("0").upper()
        lines += [f"**{label}**, {figure.title}", "", f"![{figure.title}]({where})", ""]
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=README, help="default: %(default)s")
    args = parser.parse_args()
    args.out.write_text(readme(args.results), encoding="utf-8")
    print(args.out)


if __name__ == "__main__":
    main()
