"""Write README.md: what the paper reports in each figure, and what holds here.

The numbers are those of the JSON files that the figure scripts wrote; a figure without one is "not
run". ``python examples/paper/make_readme.py`` after the scripts.
"""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "paper"  # as in common.py
README = Path(__file__).with_name("README.md")
DETECTORS = ("ADF", "BF")
LOW, HIGH = "7/6 dB", "16/16 dB"
OURS = "Noise2Void"
LINE = "<br>"  # between lines of a cell
EACH, ONE = "N2V, trained at each level", "N2V, trained at 16 dB"

HEAD = """# The figures of the paper

Thornley et al., *Noise2Void for denoising atomic resolution scanning transmission electron
microscopy images*, npj Comput. Mater. 12, 68 (2026). One script per figure; each writes pictures
(PNG) and numbers (JSON) to `benchmarks/results/paper`. This page is
made from these numbers by `make_readme.py`. Figures 3, 5, S4, S7 and S8 are measured at two noise
levels and drawn at the stronger noise, 7/6 dB.

```
for f in examples/paper/figure_*.py; do python $f; done
python examples/paper/make_readme.py
```

**Scale.** By default *laptop*: movies of 12 frames of 256x256 px at 0.046 nm/px, eight to train on
and four others to test on, and the preset `laptop` (depth 3, 16 features) with the blind spots and
the length that it had before `benchmarks/recipe.py` searched for better ones (mean of 11x11 px,
pitch 6, 15 epochs). The scripts train six models between them, each once (white noise at 7/6,
10/10, 13/13, 16/16 and 20/20 dB in ADF/BF, counts at 350 e-/px), and keep them in `paper-models`:
about four minutes each on two otherwise idle cores, then minutes for each figure (not timed as a
whole). S5 was run with `--without-bm3d`, which leaves Anscombe + BM3D out. `--paper-scale` takes
the paper's network, settings and amount of data and needs a GPU.

**Not like for like, throughout.** The paper's experiment is not public; every figure here is
simulated, so that there is a truth. Its network is larger and saw 8475 experimental frames; here a
small one saw 96 simulated noisy frames. The paper's data range is not stated, on which PSNR
depends; here it is max - min of each clean frame and detector. By the height of a lone adatom over
the noise, A/sigma, which does not depend on it, the paper's experiment (about 2 in ADF) is here at
7 dB. Classical methods are told the noise and tuned on the truth of the frames scored: flattered.
"""


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes
    ----------
    name, title : str
        Stem of the files, and what is shown.
    paper : str
        What the paper reports.
    alike : str
        Whether that is like for like, and why (beyond what holds throughout).
    here : callable
        Takes the numbers and returns what holds here.
    """

    name: str
    title: str
    paper: str
    alike: str
    here: object

    @property
    def label(self):
        """Such as 3 or S1."""
        return self.name.removeprefix("figure_").lstrip("0").upper()


def listed(values, form="{:.1f}"):
    """Write label -> number as 'label number, ...'; a dash where there is none."""
    return ", ".join(f"{k} {'-' if v is None else form.format(v)}" for k, v in values.items())


def picked(table, *keys):
    """Take the same entry of each value of a dict: label -> value[keys]."""
    found = {}
    for label, value in table.items():
        for key in keys:
            value = value[key]
        found[label] = value
    return found


def records(numbers, detector, metric, level=None):
    """Mean of a metric, label -> number, from the records of `evaluation.table`."""
    return {
        r["label"]: r[metric][0]
        for r in numbers["scores"]
        if r["detector"] == detector and metric in r and level in (None, r["level"])
    }


# -- what holds here, figure by figure ------------------------------------------------------------
def lattice_profiles(n):
    parts = []
    for level, found in n["levels"].items():
        r = found["correlation_with_true_profile"]
        parts += [f"{d} at {level}: {listed(r[d], '{:.2f}')}" for d in DETECTORS]
    return "Correlation of the profile with the true one:<br>" + LINE.join(parts)


def adatom_snr(n):
    return "SNR in ADF on the profile (all lone adatoms of the frame): " + ", ".join(
        f"{label} {snr['profile']:.{0 if snr['profile'] > 99 else 1}f} ({snr['frame']:.1f})"
        for label, snr in n["adatom_snr"]["ADF"].items()
    )


def spots(n):
    parts = []
    for level, found in n["levels"].items():
        snr = found["spot_snr"]["mean_over_frames"]
        parts += [f"{d} at {level}: {listed(picked(snr[d], 'second order'))}" for d in DETECTORS]
    return "SNR of the second order, mean over frames:<br>" + LINE.join(parts)


def frame_scores(n):
    return "PSNR [dB] of the frame:<br>" + LINE.join(
        f"{d}: {listed(picked(n['scores'][d], 'psnr'))}" for d in DETECTORS
    )


def factors(n):
    gains = LINE.join(
        f"{d}: PSNR x{f['psnr']:.1f}, SSIM x{f['ssim']:.0f}, N-RMSE 1/{f['nrmse']:.0f}"
        for d, f in n["improvement"].items()
    )
    return f"{gains}<br>PSNR [dB], all test movies:<br>" + LINE.join(
        f"{d}: {listed(records(n, d, 'psnr'))}" for d in DETECTORS
    )


def two_levels(n):
    return "One model trained at 16 dB:<br>" + LINE.join(
        f"{d}: "
        + ", ".join(
            f"{one['noisy']['psnr']:.1f} -> {one['denoised']['psnr']:.1f} dB"
            for one in (found["scores"][d]["mean_over_frames"] for found in n["levels"].values())
        )
        for d in DETECTORS
    )


def sweep(n):
    parts = []
    for detector, by_method in n["ratio_of_psnr"].items():
        for label in (EACH, ONE, "TV"):
            parts.append(f"{detector}, {label}: {listed(by_method[label], '{:.2f}')}")
    return "Output / input PSNR:<br>" + LINE.join(parts)


def wins(n):
    return "Beats TV (a model per level):<br>" + LINE.join(
        f"{d}, {metric.upper()}: {', '.join(levels) or 'nowhere'}"
        for d, by_metric in n["beats_tv_at"].items()
        for metric, levels in by_metric.items()
    )


def bm3d(n):
    ratio = n["bm3d_time_over_noise2void_time"]
    slower = "BM3D is not installed" if ratio is None else f"BM3D takes {ratio:.1f} times as long"
    return f"{slower}<br>PSNR [dB], all test movies:<br>" + LINE.join(
        f"{d}: {listed(records(n, d, 'psnr'))}" for d in DETECTORS
    )


def dips(n):
    return "Median dip in ADF (pairs resolved, by chance):<br>" + LINE.join(
        f"{level}, A/sigma {found['adatom_snr']['ADF']:.1f}: "
        + ", ".join(
            f"{label} {100 * one['dip']['median']:.0f} % ({100 * one['resolved']:.0f} %, "
            f"{100 * one['resolved_where_there_is_nothing']:.0f} %)"
            for label, one in found["pairs"]["ADF"].items()
        )
        for level, found in n["levels"].items()
    )


def clusters(n):
    return "ADF intensity over the true one (rms error in sigma), medians:<br>" + LINE.join(
        f"{size} at {level}: "
        + ", ".join(
            f"{label} {one['signal_over_true']['median']:.2f} "
            f"({one['rms_error_in_sigma']['median']:.2f})"
            for label, one in found["on_the_cluster"]["ADF"].items()
        )
        for level, both in n["levels"].items()
        for size, found in both["clusters"].items()
    )


def fluence(n):
    return "PSNR [dB] (gain in fluence):<br>" + LINE.join(
        f"{d} at {dose}: "
        + ", ".join(
            f"{label} {one['psnr']['mean']:.1f} (x{one['fluence_gain']:.3g})"
            for label, one in found["scores"][d].items()
        )
        for dose, found in n["doses"].items()
        for d in DETECTORS
    )


def invented(n):
    parts = []
    for level, found in n["levels"].items():
        peaks = found["adf_peaks_of_half_a_height_per_frame"]
        for kind, word in (("noise_denoised", "noise"), ("lattice_denoised", "bare lattice")):
            one = found[kind]["ADF"]
            parts.append(
                f"{word} at {level}: rms {one['rms_over_input_noise']:.3f} sigma, largest "
                f"{one['largest_towards_adatoms_in_heights']:.2f} adatoms, {peaks[kind]:.1f} peaks "
                "a frame above half an adatom"
            )
        parts.append(f"a frame with adatoms has {peaks['test_movie_truth']:.0f} such peaks")
    return "ADF, denoised:<br>" + LINE.join(parts)


def periods(n):
    parts = [
        f"{d} at {level}: {one['highest_over_surroundings']:.1f} (white noise "
        f"{found['noise'][d]['highest_over_surroundings']:.1f}), ring "
        f"{one['ring_at_graphene_orders'][0]:.2f}"
        for level, found in n["levels"].items()
        for d, one in found["noise_denoised"].items()
    ]
    head = "Highest FFT peak over its surroundings, ring at graphene's first order over beside it:"
    return LINE.join([head, *parts])


def point(n):
    parts = []
    for level, found in n["levels"].items():
        for name, by_height in found["response"]["flat frame"].items():
            one = by_height["1 adatoms"]
            width = one["width_out_px"]
            parts.append(
                f"{name} at {level}: {100 * one['height_out_over_in']:.0f} % of its height, "
                + ("" if width is None else f"{width:.1f} px wide ({one['width_in_px']:.1f} in), ")
                + f"{one['bf_at_the_point_percent_of_adatom']:.0f} % of an adatom in BF"
            )
    return "A point of one adatom's height, flat frame:<br>" + LINE.join(parts)


FIGURES = (
    Figure(
        "figure_03",
        "lattice along a profile",
        "Only Noise2Void shows the lattice in ADF (experiment)",
        "no: simulated; the correlation with the truth takes the place of the eye",
        lattice_profiles,
    ),
    Figure(
        "figure_04",
        "lone adatoms along a profile",
        "SNR in ADF: raw 2, Gaussian 3.3, TV 7.2, Noise2Void 12 (experiment)",
        "same SNR of the raw adatoms, but no liquid; a background that is nearly flat makes any "
        "SNR large",
        adatom_snr,
    ),
    Figure(
        "figure_05",
        "FFT and lattice spots",
        "SNR of the second order in BF: raw 9.0, Gaussian 8.2, TV 10.7, Noise2Void 16.0; all six "
        "first-order spots in ADF with Noise2Void only (experiment, 512x512 px)",
        "no: compare methods, not with the paper; the SNR grows with the side of the frame",
        spots,
    ),
    Figure(
        "figure_06",
        "a frame at 7/6 dB",
        "(numbers in Fig. 7)",
        "yes in specimen, optics and input PSNR",
        frame_scores,
    ),
    Figure(
        "figure_07",
        "scores at 7/6 dB",
        "ADF: PSNR x3, SSIM and N-RMSE an order of magnitude; BF: SSIM x9, N-RMSE 1/6",
        "yes in specimen, optics and input PSNR; SSIM factors are large because that of noise is "
        "near zero",
        factors,
    ),
    Figure(
        "figure_08",
        "a frame at 16 and 9.9 dB",
        "ADF 16.0 -> 30.9 dB, 9.9 -> 27.5 dB",
        "yes: one model at both levels; but the paper's was trained on the experiment",
        two_levels,
    ),
    Figure(
        "figure_09",
        "PSNR against PSNR, 7-20 dB",
        "output / input PSNR in ADF about 3 at the lowest level, 1.6 at the highest; above TV at "
        "each",
        "yes, beside the data range",
        sweep,
    ),
    Figure(
        "figure_s1",
        "two adatoms 0.34 nm apart",
        "dip in ADF: raw 57 %, Gaussian (1 px) 28 %, TV 14 %, Noise2Void 29 % (experiment, one "
        "pair)",
        "no: these adatoms are sharper, their true dip is nearly whole; many pairs, chance counted",
        dips,
    ),
    Figure(
        "figure_s3",
        "SSIM and N-RMSE, 7-20 dB",
        "above TV in ADF at every level",
        "yes, beside the data range",
        wins,
    ),
    Figure(
        "figure_s4",
        "clusters",
        "pictures only (experiment)",
        "no: flat islands of 7 and 19 atoms, with truth",
        clusters,
    ),
    Figure(
        "figure_s5",
        "350 and 1860 e-/px counted",
        "two frames of the experiment; ten times less fluence, argued from PSNR at 14 dB",
        "the claim is the same, the noise is counted electrons without liquid",
        fluence,
    ),
    Figure(
        "figure_s6",
        "BM3D",
        "BM3D 13 times slower (GPU)",
        "no: both on the CPU, a smaller network",
        bm3d,
    ),
    Figure(
        "figure_s7",
        "noise alone",
        "artefacts of low intensity compared with atoms; no number",
        "yes",
        invented,
    ),
    Figure(
        "figure_s8",
        "FFT of denoised noise",
        "no well defined periodicities; no number",
        "yes",
        periods,
    ),
    Figure(
        "figure_s9",
        "one bright point in ADF",
        "artefacts of low intensity; no number",
        "probably: the point's size and height are not stated",
        point,
    ),
)


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
    lines = [HEAD, "| figure | the paper | here | like for like? |", "|:--|:--|:--|:--|"]
    pictures = []
    for figure in FIGURES:
        path = results / f"{figure.name}.json"
        script = f"[{figure.label}]({figure.name}.py), {figure.title}"
        if not path.exists():
            lines.append(f"| {script} | {figure.paper} | not run | {figure.alike} |")
            continue
        numbers = json.loads(path.read_text(encoding="utf-8"))
        here = figure.here(numbers)
        if numbers["scale"] != "laptop":
            here = f"({numbers['scale']} scale) {here}"
        lines.append(f"| {script} | {figure.paper} | {here} | {figure.alike} |")
        for picture in sorted(results.glob(f"{figure.name}*.png")):
            pictures.append((figure, picture.name))
    lines.append("")
    for figure, name in pictures:
        where = os.path.relpath(RESULTS / name, README.parent).replace(os.sep, "/")
        label = figure.label + name.removeprefix(figure.name).removesuffix(".png")
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
