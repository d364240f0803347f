"""What the paper says it found, and the rules by which that holds or does not hold here.

A rule is a function of the numbers of one script (its JSON file). It returns what was measured and,
for each column (the paper's recipe, this package's preset; or one for both), a verdict. The words
of the rule stand beside it in the table, so that a reader can judge the judge.
"""

from dataclasses import dataclass

HOLDS, PART, NOT = "holds", "holds in part", "does not hold"
LOW, HIGH = "7/6 dB", "16/16 dB"
DETECTORS = ("ADF", "BF")
RECIPES = ("N2V, paper's recipe", "N2V, this package")
SHORT = {RECIPES[0]: "paper's recipe", RECIPES[1]: "this package"}
CLASSICAL = ("noisy", "Gaussian", "TV")
CHOSEN = "as chosen: depth 4, average, 5x5 first, bilinear"


@dataclass(frozen=True)
class Finding:
    """One row of the table of findings.

    Attributes
    ----------
    claim : str
        What the paper says.
    source : str
        Stem of the script whose numbers are used; empty where nothing here can test it.
    rule : str
        When it counts as holding; or why it cannot be tested.
    judge : callable or None
        Takes the numbers; returns (what was measured, {column: verdict}).
    """

    claim: str
    source: str
    rule: str
    judge: object = None


def verdict(*passed):
    """All, some or none of the conditions."""
    return HOLDS if all(passed) else PART if any(passed) else NOT


def both(judge_one):
    """Apply a rule to both recipes: {short name: verdict}."""
    return {SHORT[recipe]: judge_one(recipe) for recipe in RECIPES}


def listed(values, form="{:.1f}"):
    """Write label -> number as 'label number, ...'; a dash where there is none."""
    return ", ".join(f"{k} {'-' if v is None else form.format(v)}" for k, v in values.items())


def with_error(pair, form="{:+.2f}"):
    """Write a mean and its standard error."""
    mean, se = pair
    return form.format(mean) + ("" if se is None else f" ± {se:.2f}")


# -- variants -------------------------------------------------------------------------------------
def worse(*names):
    """Rule: each of these variants is worse than the network as chosen."""

    def judge(n):
        parts, clear = [], []
        for name in names:
            row = n["rows"].get(name)
            if row is None:
                parts.append(f"{name}: not run")
                continue
            change = row["change"]
            text = ", ".join(f"{d} {with_error(change[d])} dB" for d in DETECTORS)
            parts.append(f"{name}: {text} ({row['seeds']} seed{'s' * (row['seeds'] > 1)})")
            for mean, se in (change[d] for d in DETECTORS):
                clear.append(None if se is None else -1 if mean < -2 * se else int(mean > 2 * se))
        if not clear or None in clear:
            return "; ".join(parts), {"": "cannot be tested here, because there is only one seed"}
        if not any(clear):
            because = "no difference is larger than twice its error"
            return "; ".join(parts), {"": f"cannot be tested here, because {because}"}
        found = PART if -1 in clear else NOT
        if all(sign < 0 for sign in clear):
            found = HOLDS
        return "; ".join(parts), {"": found}

    return judge


def twice_as_fast(n):
    if n["speed"] is None:
        return "not run", {"": "not run"}
    ratio = n["speed"]["two mono over dual"]
    times = ratio["network_ms"]
    found = HOLDS if 1.8 <= times <= 2.3 else PART if times > 1.2 else NOT
    text = (f"two networks take {times:.2f} times the CPU time of one ({ratio['ms_per_frame']:.2f} "
            "times with reading and preparing the frames)")  # fmt: skip
    return text, {"": found}


def mono_adf_alike(n):
    row = n["rows"]["two networks, one detector each"]
    (adf, se), (bf, se_bf) = row["change"]["ADF"], row["change"]["BF"]
    text = (f"mono less dual: ADF {with_error((adf, se))}, BF {with_error((bf, se_bf))} dB "
            f"({row['seeds']} seeds)")  # fmt: skip
    if se is None:
        return text, {"": "cannot be tested here, because there is only one seed"}
    return text, {"": verdict(abs(adf) <= max(0.2, 2 * se), bf < -2 * se_bf)}


def bf_sooner(n):
    adf, bf = (n["losses"][d]["updates_to_reach"] for d in DETECTORS)
    text = (f"the dual network is where the mono one ends after {100 * bf[0]:.0f} % of the updates "
            f"in BF, {100 * adf[0]:.0f} % in ADF ({n['seeds']} seeds)")  # fmt: skip
    mean, se = bf
    return text, {"": HOLDS if mean + 2 * (se or 0) < 0.95 else PART if mean < 0.95 else NOT}


# -- chequerboards, transfer ----------------------------------------------------------------------
def chequerboards(n):
    early, final = (
        n["chequerboard"][k] for k in ("b: transposed, no jitter", "c: bilinear, jitter")
    )
    parts, passed = [], []
    for d in DETECTORS:
        before, after = (max(one[d]["peaks"]["Nyquist corners"]) for one in (early, final))
        grid = [one[d]["peaks"]["grid of blind pixels, mean"] for one in (early, final)]
        rms = max(one[d]["mesh_in_sigma"]["2"] for one in (early, final))
        parts.append(
            f"{d}: highest peak at the Nyquist corners {before:.1f} -> {after:.1f}, at the grid's "
            f"frequencies {grid[0]:.1f} -> {grid[1]:.1f} (rms of the mesh of 2 px: at most "
            f"{rms:.4f} sigma)"
        )
        passed.append(before > 5 and after < before / 2)
    return "; ".join(parts), {"paper's recipe": verdict(*passed)}


def transfer(n):
    gain, scores = n["psnr_gained_by_training"], n["scores"]
    text = "; ".join(
        f"{kind}: " + ", ".join(f"{d} {with_error(by[d])} dB" for d in DETECTORS)
        for kind, by in gain.items()
    )
    lattice = listed({k: one["lattice"]["ADF"][0] for k, one in scores.items()}, "{:.2f}")
    small = [pair[0] <= 0.5 for by in gain.values() for pair in by.values()]
    text = f"PSNR gained over the old network: {text}; correlation of the ADF lattice: {lattice}"
    return text + f" ({n['seeds']} seed{'s' * (n['seeds'] > 1)})", {"": verdict(*small)}


def fresh_lattice(n):
    lattice = {k: one["lattice"]["ADF"] for k, one in n["scores"].items() if k != "noisy"}
    text = ", ".join(f"{k} {with_error(pair, '{:.2f}')}" for k, pair in lattice.items())
    fresh, old = lattice["fresh, all"], lattice["as it is"]
    return text, {"": HOLDS if fresh[0] > old[0] else NOT}


# -- the lattice ----------------------------------------------------------------------------------
def profile_correlations(n):
    found = n["levels"][LOW]["correlation_with_true_profile"]
    text = "; ".join(f"{d}: {listed(found[d], '{:.2f}')}" for d in DETECTORS)
    others = max(found["ADF"][k] for k in ("Gaussian", "TV"))

    def one(recipe):
        seen = [found[d][recipe] >= 0.5 for d in DETECTORS]
        return verdict(*seen) if others < 0.5 else PART if any(seen) else NOT

    return text, both(one)


def six_spots(n):
    found = n["levels"][LOW]["spot_snr"]["six_spots_in_drawn_frame"]["ADF"]
    others = max(found[k] for k in CLASSICAL)

    def one(recipe):
        return NOT if found[recipe] == 0 else HOLDS if found[recipe] == 6 and others < 6 else PART

    return f"ADF: {listed(found, '{:.0f}')}", both(one)


def second_order(n):
    snr = {
        k: v["second order"]
        for k, v in n["levels"][LOW]["spot_snr"]["mean_over_frames"]["BF"].items()
    }
    return f"BF: {listed(snr)}", both(lambda r: verdict(snr[r] > max(snr[k] for k in CLASSICAL)))


# -- adatoms --------------------------------------------------------------------------------------
def snr_order(n):
    snr = {k: v["frame"] for k, v in n["adatom_snr"]["ADF"].items()}
    rising = snr["noisy"] < snr["Gaussian"] < snr["TV"]
    return f"all lone adatoms: {listed(snr)}", both(
        lambda r: verdict(rising, snr[r] > max(snr[k] for k in CLASSICAL))
    )


def flat_background(n):
    rms = n["background_rms"]["ADF"]
    share = {k: v / rms["noisy"] for k, v in rms.items()}
    return f"rms over that of the noisy frame: {listed(share, '{:.3f}')}", both(
        lambda r: verdict(*(rms[r] < rms[k] for k in CLASSICAL))
    )


def dips(n):
    parts, kept = [], {}
    for level, found in n["levels"].items():
        dip = {k: one["dip"]["median"] for k, one in found["pairs"]["ADF"].items()}
        kept[level] = dip
        shown = {k: None if v is None else 100 * v for k, v in dip.items()}
        parts.append(f"{level}: {listed(shown, '{:.0f} %')}")

    def one(recipe):
        return verdict(*((dip[recipe] or 0) > (dip["TV"] or 0) for dip in kept.values()))

    return "; ".join(parts), both(one)


def more_tracked(n):
    parts, ratios = [], {}
    for level, found in n["levels"].items():
        ratios[level] = {r: found[r]["tracked_over_gaussian"] for r in RECIPES}
        tracked = {k: one["tracked"] for k, one in found.items()}
        parts.append(f"{level}: {listed(tracked, '{:.0f}')} of {found['noisy']['adatoms']}")

    def one(recipe):
        low = n["levels"][LOW]
        ratio = ratios[LOW][recipe]
        enough = low[recipe]["tracked"] > 0 if ratio is None else ratio >= 1.89
        return HOLDS if enough else PART if (ratio or 0) > 1 else NOT

    return "tracked at 95 of 100 right: " + "; ".join(parts), both(one)


def gaussian_width(n):
    tuned = {level: found["tuned"]["Gaussian"] for level, found in n["levels"].items()}
    text = "; ".join(f"best at {k}: {by['ADF']:g} px in ADF, {by['BF']:g} px in BF"
                     for k, by in tuned.items())  # fmt: skip
    return text, {"": verdict(*(by[d] == 1 for by in tuned.values() for d in DETECTORS))}


# -- scores ---------------------------------------------------------------------------------------
def mean_of(n, detector, label, metric, level=None):
    """Mean of a metric from the records of `evaluation.table`."""
    (found,) = (
        r[metric][0]
        for r in n["scores"]
        if r["detector"] == detector and r["label"] == label and level in (None, r["level"])
    )
    return found


def best_of_all(n):
    parts, passed = [], {recipe: [] for recipe in RECIPES}
    for d in DETECTORS:
        psnr = {k: mean_of(n, d, k, "psnr") for k in (*CLASSICAL, *RECIPES)}
        parts.append(f"{d}: {listed(psnr)} dB")
        for metric, sign in (("psnr", 1), ("ssim", 1), ("nrmse", -1)):
            others = max(sign * mean_of(n, d, k, metric) for k in CLASSICAL)
            for recipe in RECIPES:
                passed[recipe].append(sign * mean_of(n, d, recipe, metric) > others)
    return "; ".join(parts), both(lambda r: verdict(*passed[r]))


def factors(n):
    wanted = {"ADF": {"psnr": 3, "ssim": 10, "nrmse": 10}, "BF": {"ssim": 9, "nrmse": 6}}
    parts = []
    for recipe in RECIPES:
        for d, by in n["improvement"][recipe].items():
            parts.append(f"{SHORT[recipe]}, {d}: PSNR x{by['psnr']:.1f}, SSIM x{by['ssim']:.0f}, "
                         f"N-RMSE 1/{by['nrmse']:.1f}")  # fmt: skip
    return "; ".join(parts), both(
        lambda r: verdict(*(
            n["improvement"][r][d][name] >= least
            for d, by in wanted.items() for name, least in by.items()
        ))
    )  # fmt: skip


def bm3d(n):
    psnr = {d: {k: mean_of(n, d, k, "psnr") for k in ("BM3D", *RECIPES)} for d in DETECTORS}
    text = "; ".join(f"{d}: {listed(by)} dB" for d, by in psnr.items())
    return text, both(lambda r: verdict(*(by[r] > by["BM3D"] for by in psnr.values())))


def faster_than_bm3d(n):
    ratio = n["bm3d_time_over_noise2void_time"]
    if ratio is None:
        return n["missing"], {"": "cannot be tested here, because BM3D is not installed"}
    text = "BM3D takes so many times as long, CPU time of one thread: " + listed(
        {SHORT[r]: ratio[r] for r in RECIPES}, "{:.0f}"
    )
    return text, both(lambda r: HOLDS if ratio[r] >= 13 else PART if ratio[r] > 1 else NOT)


def two_levels(n):
    paper = {"16.0": 30.9, "9.9": 27.5}
    found = {level: one["scores"]["ADF"]["mean_over_frames"] for level, one in n["levels"].items()}
    text = "; ".join(
        f"{level} dB: " + listed({SHORT[r]: by[r]["psnr"] for r in RECIPES})
        for level, by in found.items()
    )
    return text, both(
        lambda r: verdict(*(by[r]["psnr"] >= paper[level] - 0.5 for level, by in found.items()))
    )


SWEPT = {
    RECIPES[0]: "paper's recipe, trained at 16 dB",
    RECIPES[1]: "this package, trained at 16 dB",
}


def ratios(n):
    found = {r: n["ratio_of_psnr"]["ADF"][label] for r, label in SWEPT.items()}
    ends = {r: (next(iter(by.values())), list(by.values())[-1]) for r, by in found.items()}
    text = "; ".join(f"{SHORT[r]}: {listed(by, '{:.2f}')}" for r, by in found.items())
    return text, both(lambda r: verdict(ends[r][0] >= 2.55, ends[r][1] >= 1.36))


def beats_tv(n):
    won = n["beats_tv_at"]["ADF"]
    n_levels = len({r["level"] for r in n["scores"]})
    text = "; ".join(
        f"{metric.upper()}: "
        + ", ".join(f"{SHORT[r]} at {len(by[SWEPT[r]])} of {n_levels} levels" for r in RECIPES)
        for metric, by in won.items()
    )
    return text, both(
        lambda r: HOLDS if all(len(by[SWEPT[r]]) == n_levels for by in won.values())
        else PART if any(by[SWEPT[r]] for by in won.values()) else NOT
    )  # fmt: skip


def adf_over_bf(n):
    levels = list(dict.fromkeys(r["level"] for r in n["scores"]))
    gains = {
        r: [
            [mean_of(n, d, label, "psnr", level) - mean_of(n, d, "noisy", "psnr", level)
             for d in DETECTORS]
            for level in levels
        ]
        for r, label in SWEPT.items()
    }  # fmt: skip
    text = "; ".join(
        f"{SHORT[r]}: " + ", ".join(
            f"{level} {adf:+.1f} / {bf:+.1f}" for level, (adf, bf) in zip(levels, by)
        )
        for r, by in gains.items()
    )  # fmt: skip
    return f"dB gained, ADF / BF: {text}", both(
        lambda r: verdict(*(adf > bf for adf, bf in gains[r]))
    )


def ten_times(n):
    first, gains = next(iter(n["doses"].items()))
    found = {r: {d: gains["scores"][d][r]["fluence_gain"] for d in DETECTORS} for r in RECIPES}
    text = f"at {first}: " + "; ".join(
        f"{SHORT[r]} {listed(by, 'x{:.3g}')}" for r, by in found.items()
    )
    return text, both(lambda r: verdict(*(gain >= 10 for gain in found[r].values())))


# -- artefacts ------------------------------------------------------------------------------------
def low_intensity(n):
    worst = {
        r: {
            level: found["noise_denoised"]["ADF"]["largest_towards_adatoms_in_heights"]
            for level, found in n["recipes"][r].items()
        }
        for r in RECIPES
    }
    text = "; ".join(f"{SHORT[r]}: {listed(by, '{:.2f}')}" for r, by in worst.items())
    return f"highest in adatoms' heights, ADF: {text}", both(
        lambda r: verdict(*(value < 0.5 for value in worst[r].values()))
    )


def no_periods(n):
    parts, passed = [], {r: [] for r in RECIPES}
    for r in RECIPES:
        for level, found in n["recipes"][r].items():
            for d in DETECTORS:
                noise, out = found["noise"][d], found["noise_denoised"][d]
                peak = out["highest_over_surroundings"] / noise["highest_over_surroundings"]
                ring = out["ring_at_graphene_orders"][0]
                share = out["rms"] / noise["rms"]
                parts.append(
                    f"{SHORT[r]}, {d} at {level}: {peak:.2f}, ring {ring:.2f}, rms {share:.3f} of "
                    "the noise"
                )
                passed[r].append(peak < 1.25 and ring < 1.5)
    head = "highest FFT peak over that of white noise, ring at graphene's first order: "
    return head + "; ".join(parts), both(lambda r: verdict(*passed[r]))


def one_pixel(n):
    def most(recipe, point, key):
        return max(
            abs(found["response"]["flat frame"][point]["1 adatoms"][key])
            for found in n["recipes"][recipe].values()
        )

    pixel, shape, in_bf = "one pixel", "adatom's shape", "bf_largest_percent_of_adatom"
    out = {r: 100 * most(r, pixel, "height_out_over_in") for r in RECIPES}
    leak = {r: (most(r, pixel, in_bf), most(r, shape, in_bf)) for r in RECIPES}
    text = "; ".join(
        f"{SHORT[r]}: {out[r]:.0f} % of a pixel in ADF, {leak[r][0]:.0f} % of an adatom in BF; of "
        f"an adatom's shape in ADF alone {leak[r][1]:.0f} % of an adatom in BF"
        for r in RECIPES
    )
    return text, both(lambda r: verdict(out[r] <= 10 and leak[r][0] <= 10, leak[r][1] <= 10))


def no_adatoms_in_holes(n):
    from scipy.stats import poisson

    parts, passed = [], {r: [] for r in RECIPES}
    for r in RECIPES:
        for level, by_dose in n["recipes"][r].items():
            one = by_dose["ten times the dose"]
            low, high = one["interval_95"]
            parts.append(
                f"{SHORT[r]} at {level}: {one['adatoms_in_holes']} in {one['holes']} holes (share "
                f"with one {low:.2f}-{high:.2f}; {one['expected_if_as_outside']:.0f} if as outside"
                f", {one['expected_of_the_threshold']:.1f} of the threshold)"
            )
            most = poisson.ppf(0.975, one["expected_of_the_threshold"])
            passed[r].append(one["adatoms_in_holes"] <= most)
    return "; ".join(parts), both(lambda r: verdict(*passed[r]))


BY_SEED = "by more than twice the standard error over seeds, in both detectors (in part: in one)"
FINDINGS = (
    Finding(
        "A depth of four is best of two to four",
        "variants",
        f"depths 2 and 3 are worse, {BY_SEED}",
        worse("depth 2", "depth 3"),
    ),
    Finding(
        "Average pooling is better than max pooling",
        "variants",
        f"max is worse, {BY_SEED}",
        worse("max pooling"),
    ),
    Finding(
        "Kernels of 5x5 in the first layer help",
        "variants",
        f"3x3 is worse, {BY_SEED}",
        worse("first kernels 3x3"),
    ),
    Finding(
        "Separable convolutions are worse",
        "variants",
        f"worse, {BY_SEED}",
        worse("separable convolutions"),
    ),
    Finding(
        "ASPP at the bottleneck and in every block is worse",
        "variants",
        f"both worse, {BY_SEED}",
        worse("ASPP at the bottleneck", "ASPP in every block"),
    ),
    Finding(
        "Without the outermost skip connection (N2V2) it is worse",
        "variants",
        f"worse, {BY_SEED}",
        worse("no outermost skip (N2V2)"),
    ),
    Finding(
        "Jitter and bilinear upsampling significantly diminish chequerboards",
        "figure_02",
        "peak at the Nyquist corners over its surroundings: above 5 in the early network, and "
        "less than half of that in the final one, in both detectors",
        chequerboards,
    ),
    Finding(
        "Only Noise2Void shows the lattice in ADF and BF along a profile",
        "figure_03",
        "correlation with the true profile of at least 0.5 at 7/6 dB in both detectors, and "
        "below that of Gaussian and TV in ADF",
        profile_correlations,
    ),
    Finding(
        "SNR of an adatom in ADF: raw 2, Gaussian 3.3, TV 7.2, Noise2Void 12",
        "figure_04",
        "in this order, Noise2Void highest",
        snr_order,
    ),
    Finding(
        "ADF has a flatter background after Noise2Void than after Gaussian and TV",
        "figure_04",
        "least rms far from adatoms, its lattice included",
        flat_background,
    ),
    Finding(
        "Two adatoms 0.34 nm apart stay apart: dip of 57 % raw, 28 % Gaussian, 14 % TV, 29 % "
        "Noise2Void",
        "figure_s1",
        "median dip larger than TV's at both levels",
        dips,
    ),
    Finding(
        "Only Noise2Void shows all six first-order spots in the FFT of ADF",
        "figure_05",
        "six stand out at 7/6 dB, and fewer by every other method",
        six_spots,
    ),
    Finding(
        "SNR of second-order spots in BF: raw 9.0, Gaussian 8.2, TV 10.7, Noise2Void 16.0",
        "figure_05",
        "highest at 7/6 dB, mean over frames",
        second_order,
    ),
    Finding(
        "The FFT after Noise2Void has six-fold symmetry in what passes, like an expert's mask",
        "",
        "the sentence describes a picture and gives no quantity; Fig. 5 shows ours",
    ),
    Finding(
        "89 % more adatoms are tracked after denoising (5266 instead of 2771)",
        "figure_01b",
        "at 7/6 dB at least 1.89 times as many as after a blur of 1 px",
        more_tracked,
    ),
    Finding(
        "Noise2Void is best in PSNR, SSIM and N-RMSE in both detectors at 7/6 dB",
        "figure_07",
        "above noisy, Gaussian and TV in all six",
        best_of_all,
    ),
    Finding(
        "At 7/6 dB PSNR x3, SSIM and N-RMSE an order of magnitude in ADF; SSIM x9, N-RMSE 1/6 "
        "in BF",
        "figure_07",
        "all five factors reached",
        factors,
    ),
    Finding(
        "A Gaussian of 1 px is better than those of 0.5 and 2 px",
        "figure_03",
        "least squared error of the three, in both detectors, at 7/6 and 16/16 dB",
        gaussian_width,
    ),
    Finding(
        "Fewer artefacts than BM3D",
        "figure_07",
        "higher PSNR in both detectors, BM3D tuned on the truth",
        bm3d,
    ),
    Finding(
        "About 13 times faster than BM3D (GPU)",
        "figure_s6",
        "at least 13 times, here on a CPU",
        faster_than_bm3d,
    ),
    Finding(
        "22 ms a frame (45 frames/s), Gaussian 11 ms, TV 300 ms; real time",
        "",
        "the paper's network needs a GPU, and none was at hand",
    ),
    Finding(
        "ADF from 16.0 to 30.9 dB and from 9.9 to 27.5 dB by one network",
        "figure_08",
        "no more than 0.5 dB below at both levels",
        two_levels,
    ),
    Finding(
        "Above TV in ADF at every level from 7 to 20 dB",
        "figure_s3",
        "in PSNR, SSIM and N-RMSE at all levels, trained at 16 dB",
        beats_tv,
    ),
    Finding(
        "Denoising is most effective in ADF",
        "figure_09",
        "more dB gained than in BF at every level, trained at 16 dB",
        adf_over_bf,
    ),
    Finding(
        "Output over input PSNR in ADF about 3 at the lowest level and 1.6 at the highest",
        "figure_09",
        "no more than 15 % below both, trained at 16 dB",
        ratios,
    ),
    Finding(
        "About ten times less fluence will do",
        "figure_s5",
        "averaging would need ten times the dose in both detectors, at the lower dose",
        ten_times,
    ),
    Finding(
        "What is made of noise is of low intensity compared with adatoms",
        "figure_s7",
        "nothing in ADF above half an adatom at both levels",
        low_intensity,
    ),
    Finding(
        "What is made of noise has no well-defined periods",
        "figure_s8",
        "highest FFT peak within 25 % of white noise's, ring at graphene's first order below "
        "1.5, at both levels and detectors",
        no_periods,
    ),
    Finding(
        "A bright point leaves artefacts of low intensity",
        "figure_s9",
        "a bright pixel leaves no more than 10 % of itself, and of an adatom in BF; a point of an "
        "adatom's shape in ADF alone no more than 10 % of one in BF",
        one_pixel,
    ),
    Finding(
        "No adatoms are drawn in holes, at ten times the dose",
        "figure_s10",
        "no more than the thresholds' own false alarms allow (95 %), at both levels",
        no_adatoms_in_holes,
    ),
    Finding(
        "On a similar new sample retraining is hardly needed",
        "figure_10",
        "no training gains more than 0.5 dB in either detector",
        transfer,
    ),
    Finding(
        "A fresh network shows the ADF lattice slightly better",
        "figure_10",
        "higher correlation with the true lattice, trained on all",
        fresh_lattice,
    ),
    Finding(
        "One dual network is about twice as fast as two mono networks",
        "variants",
        "1.8 to 2.3 times",
        twice_as_fast,
    ),
    Finding(
        "BF converges sooner in the dual network",
        "figure_s11",
        "where the mono network ends after less than 95 % of the updates (twice the standard "
        "error included)",
        bf_sooner,
    ),
    Finding(
        "Mono ADF is similar to dual; mono BF is worse after as many updates",
        "variants",
        "ADF within 0.2 dB or twice the standard error, BF lower by more than that",
        mono_adf_alike,
    ),
    Finding(
        "Artefacts are more likely where there are few images to train on",
        "",
        "the paper measures nothing of the kind, and neither does a figure of it",
    ),
    Finding(
        "Training takes an hour and a half on a workstation, denoising runs on a laptop",
        "",
        "another machine and another network; times are in docs/results.md",
    ),
)
