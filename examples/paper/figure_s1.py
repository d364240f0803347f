"""Fig. S1: two adatoms 0.34 nm apart, and the dip between them.

The paper shows two Au adatoms 0.34 nm (7.4 px) apart in an experimental frame and reads, on one
line profile, a drop of 57 % of the lower peak in the raw ADF frame, 28 % after a Gaussian blur,
14 % after TV and 29 % after Noise2Void.

Here the truth is known, and with it how deep the dip should be. Beside the pair shown there are
the dips of all pairs of several movies (``figure_s1b.png``), for one pair is luck: noise alone
makes dips. How often noise passes for a resolved pair is counted at places without adatoms. Not
like for like: these simulated adatoms are sharper than those of the experiment (source blur but no
aberrations, no liquid), so that the true dip is nearly whole; a blur that leaves 28 % there leaves
more here. What can be compared is how much of its dip a method keeps.

The noise is that of the reference test movies at (16, 16) and (7, 6) dB; in A/sigma the latter is
that of the paper's experiment. The pair shown is the one nearest to the x axis, chosen before
anything was denoised.
"""

import numpy as np
from common import (
    DETECTORS,
    PIXEL_NM,
    RECIPES,
    TEST_SEED,
    arguments,
    both_at,
    write_numbers,
)
from panels import in_window, window_at
from scipy.ndimage import map_coordinates
from supplement import (
    FLATTERED,
    INK,
    LEVELS,
    denoise_all,
    new_figure,
    reference_noise,
    scores,
    spread,
    with_noise,
)

from n2v_stem_keras import metrics
from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.plot import before_after
from n2v_stem_keras.plot.canvas import save
from n2v_stem_keras.simulate import adatom_pair, simulate_movie

SEPARATION_NM = 0.34
PAIRS, FRAMES = 4, 4  # a movie
CLEAR_NM = 0.5  # no other adatom is closer to a pair than this
SIDE_PX = 80
BEYOND_NM = 0.9  # the profile goes on beyond the pair
RAYLEIGH = 0.265  # dip between two points that are just resolved (Rayleigh)
PAPER = {"noisy": 0.57, "Gaussian 1 px": 0.28, "TV": 0.14, **dict.fromkeys(RECIPES, 0.29)}


def main():
    args = arguments(__doc__)
    movies = pair_movies(args.scale)
    clean = np.stack([movie.clean for movie in movies])
    shown, pair = nearest_to_x(movies)
    rows, found, levels, titles = [], {}, {}, []
    for k, psnr_db in enumerate(LEVELS):
        name = level_label(psnr_db, len(DETECTORS))
        sigma, snr = reference_noise(args.scale, psnr_db)
        noisy = with_noise(clean, sigma, [TEST_SEED, 1, k])
        frames, tuned = denoise_all(noisy, clean, sigma, both_at(args, psnr_db))
        found[name] = measure_all(frames, movies, clear_pairs)
        here = measure(frames, shown, 0, movies[shown].positions[0], pair[None])
        rows.append(row_of(frames, shown, pair, here, f"ADF, A/σ = {snr[0]:.1f}"))
        titles.append(f"ADF at {psnr_db[0]} dB, A/$\\sigma$ = {snr[0]:.1f}")
        levels[name] = {
            "noise_sigma": dict(zip(DETECTORS, sigma)),
            "adatom_snr": dict(zip(DETECTORS, snr)),
            "pairs": summary(found[name], measure_all(frames, movies, empty_pairs)),
            "dip_shown": {n: dict(zip(DETECTORS, p[0, :, 0])) for n, p in here.items()},
            "scores": scores(clean, frames),
            **tuned,
        }
    before_after(
        args.out / "figure_s1.png",
        rows,
        PIXEL_NM,
        caption="profiles 1 px wide, between the arrows, through both adatoms (triangles); the "
        "true one in orange",
    )
    draw_dips(args.out / "figure_s1b.png", found, titles)
    write_numbers(args, "figure_s1", {
        "paper": {"dip": {"ADF": PAPER}, "adatom_snr": {"ADF": 2}},
        "separation_nm": SEPARATION_NM,
        "movies": len(movies),
        "rayleigh": RAYLEIGH,
        "note": "Dips over all frames of all pairs that stand clear of other adatoms; percentiles, "
        "for noise makes long tails. n_lost: the lower adatom does not rise above the background. "
        "resolved: dip of at least 26.5 % (Rayleigh), lower adatom at least half as high as the "
        "higher one; the same is asked at places without adatoms, where it happens by chance. "
        + FLATTERED,
        "levels": levels,
    })  # fmt: skip
    for name, level in levels.items():
        print(f"{name}, A/sigma {level['adatom_snr']['ADF']:.1f}, median dip (resolved) in ADF:", *(
            f"{method} {100 * one['dip']['median']:.0f} % ({100 * one['resolved']:.0f} %, by "
            f"chance {100 * one['resolved_where_there_is_nothing']:.0f} %)"
            for method, one in level["pairs"]["ADF"].items()
            if one["dip"]["n"]
        ), sep="  ")  # fmt: skip


def pair_movies(scale):
    """Movies like the reference movies, with pairs that stay where they are."""
    return [
        simulate_movie(
            [TEST_SEED, 1, i],
            shape=(scale.side_px, scale.side_px),
            n_frames=min(FRAMES, scale.n_frames),
            pixel_size_nm=PIXEL_NM,
            pairs=(PAIRS, SEPARATION_NM),
        )
        for i in range(2 * scale.n_test)
    ]


def clear_pairs(movie, t):
    """Pairs of a frame with no other adatom near, (n, 2, 2) y, x [px], left adatom first."""
    placed = movie.positions[t]
    apart = np.linalg.norm(placed[:, None] - placed, axis=-1) * PIXEL_NM
    np.fill_diagonal(apart, np.inf)
    inner = np.minimum(placed, np.array(movie.clean.shape[1:3]) - 1 - placed).min(axis=1)
    found = []
    for i, j in np.argwhere(np.triu(np.abs(apart - SEPARATION_NM) < 1e-6)):
        others = np.delete(apart[[i, j]], [i, j], axis=1)
        if others.min(initial=np.inf) > CLEAR_NM and inner[[i, j]].min() * PIXEL_NM > 0.3:
            ends = placed[[i, j]]
            found.append(ends[np.argsort(ends[:, 1])])
    return np.array(found).reshape(-1, 2, 2)


def empty_pairs(movie, t):
    """Pairs of places without any adatom near, as far apart as the pairs, (n, 2, 2) y, x [px]."""
    rng = np.random.default_rng([TEST_SEED, 1, t])
    shape = np.array(movie.clean.shape[1:3])
    found = []
    for middle in rng.uniform(0.1 * shape, 0.9 * shape, (40, 2)):
        angle = rng.uniform(0, 2 * np.pi)
        pair = adatom_pair(SEPARATION_NM, angle, middle * PIXEL_NM) / PIXEL_NM
        apart = np.linalg.norm(pair[:, None] - movie.positions[t], axis=-1) * PIXEL_NM
        if apart.min(initial=np.inf) > CLEAR_NM:
            found.append(pair)
    return np.array(found[:20]).reshape(-1, 2, 2)


def measure(frames, s, t, atoms, pairs):
    """Measure the pairs of one frame: method -> (n, C, 3).

    The last axis is the dip; the lower adatom's height (at its true position, above the mean
    background); and that height over the higher one's.
    """
    found = np.empty((len(frames), len(pairs), len(DETECTORS), 3))
    for c, detector in enumerate(DETECTORS):
        stack = np.stack([image[s, t, ..., c] for image in frames.values()])
        exclusion_px = metrics.adatoms.BACKGROUND_NM / PIXEL_NM
        ground = [metrics.background_pixels(image, atoms, exclusion_px).mean() for image in stack]
        sign = -1 if detector == "BF" else 1
        for p, (first, second) in enumerate(pairs):
            found[:, p, c, 0] = metrics.dip(stack, first, second, ground, dark=sign < 0)
            at = [map_coordinates(image, np.array([first, second]).T, order=1) for image in stack]
            heights = sign * (np.array(at) - np.array(ground)[:, None])
            found[:, p, c, 1] = heights.min(axis=1)
            found[:, p, c, 2] = heights.min(axis=1) / np.abs(heights).max(axis=1)
    return dict(zip(frames, found))


def measure_all(frames, movies, pairs_of):
    """`measure` all pairs of all frames, as `pairs_of` gives them: method -> (n, C, 3)."""
    found = [
        measure(frames, s, t, atoms, pairs_of(movie, t))
        for s, movie in enumerate(movies)
        for t, atoms in enumerate(movie.positions)
    ]
    return {name: np.concatenate([one[name] for one in found]) for name in frames}


def nearest_to_x(movies):
    """Movie and pair (in its first frame) that lie nearest to the x axis."""
    candidates = []
    for s, movie in enumerate(movies):
        for pair in clear_pairs(movie, 0):
            dy, dx = pair[1] - pair[0]
            candidates.append((abs(np.degrees(np.arctan2(dy, dx))), s, pair))
    if not candidates:
        raise RuntimeError("no pair stands clear of other adatoms in the first frames")
    _, s, pair = min(candidates, key=lambda candidate: candidate[0])
    return s, pair


def resolved(pairs):
    """Share of pairs (n, 3) with a dip of Rayleigh's and the lower one not much lower."""
    return float(np.mean((pairs[:, 0] >= RAYLEIGH) & (pairs[:, 2] >= 0.5)))


def summary(found, empty):
    """Spread of dips and heights, and the share of resolved pairs: detector -> method -> ..."""
    return {
        detector: {
            name: {
                "dip": spread(pairs[:, c, 0]),
                "lower_adatom_over_true": spread(pairs[:, c, 1] / found["truth"][:, c, 1]),
                "resolved": resolved(pairs[:, c]),
                "resolved_where_there_is_nothing": resolved(empty[name][:, c]),
            }
            for name, pairs in found.items()
        }
        for c, detector in enumerate(DETECTORS)
    }


def row_of(frames, s, pair, found, name):
    """Row of `before_after`: ADF around a pair, with the row of pixels through it."""
    cut = window_at(pair.mean(axis=0), frames["truth"].shape[2:4], SIDE_PX)
    inside = in_window(pair, cut)
    y, beyond = inside[:, 0].mean(), BEYOND_NM / PIXEL_NM
    x = np.clip(inside[:, 1] + [-beyond, beyond], 0, cut[1].stop - cut[1].start - 1)
    panels = [
        (label, image[s, 0, ..., 0][cut], percent(*found[label][0, 0]))
        for label, image in frames.items()
    ]
    line = np.rint([[y, x[0]], [y, x[1]]])
    extras = {"sqrt": True, "line": line, "marks": inside, "compare": -1}
    return {"name": name, "panels": panels, **extras}


def percent(dip, _, lower_over_higher):
    """Text below a panel."""
    return f"dip {100 * dip:.0f} %" if lower_over_higher >= 0.5 else "an adatom is lost"


def draw_dips(path, found, titles):
    """Draw how the ADF dips are distributed, one panel per noise level."""
    figure, axes = new_figure(len(found), (4.2, 3.0), sharey=True)
    for ax, level, title in zip(axes, found.values(), titles):
        names = [name for name in level if name != "truth"]
        values = [level[name][:, 0, 0] for name in names]
        true = spread(level["truth"][:, 0, 0])
        ax.axhspan(true["p16"], true["p84"], color="#009e73", alpha=0.25, linewidth=0)
        ax.axhline(true["median"], color="#009e73", linewidth=1, label="clean frames")
        boxes = ax.boxplot(
            [v[np.isfinite(v)] for v in values],
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            widths=0.55,
            medianprops={"color": INK},
        )
        for box in boxes["boxes"]:
            box.set(facecolor="#c9d7e3", edgecolor=INK, linewidth=0.8)
        paper = [(k + 1, PAPER[name]) for k, name in enumerate(names) if name in PAPER]
        style = {"marker": "D", "color": "#d55e00", "markersize": 4, "linestyle": "none"}
        ax.plot(*zip(*paper), **style, label="paper's experiment, one pair")
        ax.set_xticks(
            range(1, len(names) + 1), [n.replace(" ", "\n", 1) for n in names], fontsize=8
        )
        ax.set_title(title, fontsize=9, color=INK)
        ax.set_ylim(0, 2)
    axes[0].set_ylabel("dip / height of the lower adatom", fontsize=8)
    axes[-1].legend(fontsize=7, frameon=False, loc="upper right")
    save(figure, path)


if __name__ == "__main__":
    main()
