"""Fig. S4: gold clusters of 7 and of 19 atoms, denoised.

The paper shows Au nanoclusters of its experiment before and after denoising, without numbers.

Here the clusters are simulated, flat islands of known size among single adatoms, and the truth
stands beside them. Numbers say two things of the cluster itself: its summed ADF intensity as a
share of the true one, from which atoms are counted, and the error on its pixels in units of the
noise. Not like for like: the paper's clusters are of unknown size and shape, and in liquid.

The noise is that of the reference test movies at (7, 6) dB, experiment-like in A/sigma (drawn),
and at (16, 16) dB, in fractions of the beam: the brighter clusters widen the range of a frame, so
that its PSNR reads higher at the same noise.
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
from panels import window_at
from scipy.spatial import cKDTree
from supplement import (
    DRAWN,
    FLATTERED,
    LEVELS,
    denoise_all,
    reference_noise,
    scores,
    spread,
    with_noise,
)

from n2v_stem_keras import metrics
from n2v_stem_keras.evaluation.contenders import level_label
from n2v_stem_keras.plot import before_after
from n2v_stem_keras.simulate import simulate_movie

SIZES = (7, 19)  # atoms in a cluster
CLUSTERS, FRAMES = 2, 2  # a movie
REACH_NM = 0.2  # a cluster is all pixels this close to its atoms
NEIGHBOURS_NM = 0.45  # atoms of one cluster are linked by no more than this
SIDE_PX = 96
SHOWN = ("noisy", "Gaussian tuned", "TV", *RECIPES, "truth")


def cluster_movies(scale, size):
    """Movies like the reference movies, with clusters of a size."""
    return [
        simulate_movie(
            [TEST_SEED, 4, size, i],
            shape=(scale.side_px, scale.side_px),
            n_frames=min(FRAMES, scale.n_frames),
            pixel_size_nm=PIXEL_NM,
            clusters=(CLUSTERS, size),
        )
        for i in range(scale.n_test)
    ]


def clusters_in(placed, size):
    """Clusters of a frame, atoms linked by short distances: list of (n >= size, 2) y, x [px]."""
    from scipy.sparse.csgraph import connected_components

    near = cKDTree(placed).sparse_distance_matrix(cKDTree(placed), NEIGHBOURS_NM / PIXEL_NM)
    _, label = connected_components(near, directed=False)
    groups = [placed[label == n] for n in range(label.max() + 1)]
    return [group for group in groups if len(group) >= size]


def measure(frames, movies, sigma, size):
    """Compare intensity and pixels of clusters with the truth: detector -> method -> spread."""
    names = [name for name in frames if name != "truth"]
    found = {d: {n: {"signal": [], "error": []} for n in names} for d in DETECTORS}
    pixels = np.moveaxis(np.indices(movies[0].clean.shape[1:3]), 0, -1).reshape(-1, 2)
    for s, movie in enumerate(movies):
        for t, atoms in enumerate(movie.positions):
            for cluster in clusters_in(atoms, size):
                on = cKDTree(cluster).query(pixels)[0] <= REACH_NM / PIXEL_NM
                for c, detector in enumerate(DETECTORS):
                    true, scale = _signal(movie.clean[t, ..., c], atoms, on)
                    for name in names:
                        image = frames[name][s, t, ..., c]
                        signal, values = _signal(image, atoms, on)
                        found[detector][name]["signal"].append(signal / true)
                        error = np.sqrt(np.mean((values - scale) ** 2)) / sigma[c]
                        found[detector][name]["error"].append(error)
    return {
        detector: {
            name: {
                "signal_over_true": spread(one["signal"]),
                "rms_error_in_sigma": spread(one["error"]),
            }
            for name, one in methods.items()
        }
        for detector, methods in found.items()
    }


def _signal(image, atoms, on):
    """Sum a cluster's pixels above the background; return the sum and the pixels."""
    ground = metrics.background_pixels(image, atoms, 0.3 / PIXEL_NM).mean()
    values = image.reshape(-1)[on]
    return values.sum() - on.sum() * ground, values


def panels(frames, movies, size):
    """Panels of each detector around the first cluster of the first movie."""
    centre = clusters_in(movies[0].positions[0], size)[0].mean(axis=0)
    cut = window_at(centre, frames["truth"].shape[2:4], SIDE_PX)
    return [[(n, frames[n][0, 0, ..., c][cut]) for n in SHOWN] for c in range(len(DETECTORS))]


def main():
    args = arguments(__doc__)
    movies = {size: cluster_movies(args.scale, size) for size in SIZES}
    levels = {}
    for k, psnr_db in enumerate(LEVELS):
        name, rows = level_label(psnr_db, len(DETECTORS)), []
        sigma, snr = reference_noise(args.scale, psnr_db)
        levels[name] = {
            "noise_sigma": dict(zip(DETECTORS, sigma)),
            "adatom_snr": dict(zip(DETECTORS, snr)),
            "clusters": {},
        }
        for size in SIZES:
            clean = np.stack([movie.clean for movie in movies[size]])
            noisy = with_noise(clean, sigma, [TEST_SEED, 4, k, size])
            frames, tuned = denoise_all(noisy, clean, sigma, both_at(args, psnr_db))
            levels[name]["clusters"][f"{size} atoms"] = {
                "scores": scores(clean, frames),
                "on_the_cluster": measure(frames, movies[size], sigma, size),
                **tuned,
            }
            for detector, images in zip(DETECTORS, panels(frames, movies[size], size)):
                row = {"name": f"{size} atoms, {detector}", "panels": images}
                rows.append({**row, "sqrt": detector == "ADF"})
        if psnr_db == DRAWN:
            before_after(args.out / "figure_s4.png", rows, PIXEL_NM)
    write_numbers(args, "figure_s4", {
        "paper": {"numbers": None},
        "note": "PSNR, SSIM and N-RMSE over whole frames, data range max - min of each clean "
        "frame, which the cluster sets. on_the_cluster: pixels within 0.2 nm of its atoms, over "
        "all frames and movies. " + FLATTERED,
        "levels": levels,
    })  # fmt: skip
    for name, level in levels.items():
        for size, numbers in level["clusters"].items():
            signal = numbers["on_the_cluster"]["ADF"]
            print(f"{name}, {size}: ADF intensity over the true one (median)", *(
                f"{method} {one['signal_over_true']['median']:.2f}"
                for method, one in signal.items()
            ), sep="  ")  # fmt: skip


if __name__ == "__main__":
    main()
