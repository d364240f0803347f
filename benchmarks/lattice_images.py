"""How good the lattice images are that the network is shown, without and with plane waves.

    python benchmarks/lattice_images.py

Frames of 256x256 px with adatoms and white noise, at the noise of the reference movies, through
`lattice.windows.LocalWienerFilter` with windows of 256 px as in the laptop preset. Scored against
the same lattice without adatoms: squared error relative to the noise, and contrast (slope against
the truth). Straight, and bent by up to 0.7 and 1.5 px along each axis over 128 px and more, where
no plane wave fits a window; then the contrast of the lattice drawn into a hole (`check`), and the
time of a frame. Writes lattice_images.md.
"""

import time

import numpy as np
import trials

N_FRAMES = 4
WINDOW, N_WAVES = 256, 16
LATTICES = {"graphene": {"n_layers": 4}, "MoS2": {"lattice": "mos2"}}
CASES = [("graphene", level, 0.0) for level in trials.LEVELS]
CASES += [("MoS2", trials.LEVELS[1], 0.0)]
CASES += [("graphene", trials.LEVELS[0], bend) for bend in (0.7, 1.5)]
CASES += [("MoS2", trials.LEVELS[1], bend) for bend in (0.7, 1.5)]
HOLES_NM = (1.0, 0.5)


def bent(frames, most_px):
    """Displace (N, Y, X, C) smoothly by up to about `most_px` along each axis [px]."""
    from scipy.ndimage import map_coordinates

    y, x = np.mgrid[: frames.shape[1], : frames.shape[2]].astype(float)
    dy = 0.5 * most_px * (np.sin(2 * np.pi * x / 256 + 0.3) + np.cos(2 * np.pi * y / 300))
    dx = 0.5 * most_px * (np.cos(2 * np.pi * y / 256) + np.sin(2 * np.pi * x / 200))
    images = [
        [map_coordinates(frame[..., c], [y + dy, x + dx], order=3, mode="reflect") for c in (0, 1)]
        for frame in frames
    ]
    return np.asarray(images).transpose(0, 2, 3, 1)


def frames_of(lattice, bend_px):
    """Clean frames with adatoms, and the lattice alone without its mean, (N, Y, X, C)."""
    from n2v_stem_keras.simulate import simulate_movie

    found = []
    for options in ({}, {"density_nm2": 0.0}):
        movies = [
            simulate_movie([seed, 11], n_frames=1, **LATTICES[lattice], **options).clean[0]
            for seed in range(N_FRAMES)
        ]
        found.append(bent(np.stack(movies), bend_px) if bend_px else np.stack(movies))
    clean, bare = found
    return clean, bare - bare.mean(axis=(1, 2), keepdims=True)


def filtered(keep, frames):
    """Lattice images in the units of the frames (N, Y, X, C)."""
    sd = frames.std(axis=(1, 2), keepdims=True)
    standard = (frames - frames.mean(axis=(1, 2), keepdims=True)) / sd
    images = [keep(frame[None].astype(np.float32)).numpy()[0] for frame in standard]
    return np.stack(images) * sd


def score(keep, lattice, level, bend_px):
    """Error relative to the noise [dB] and contrast, per detector."""
    clean, truth = frames_of(lattice, bend_px)
    sigma = trials.reference_sigma(level)
    noise = np.random.default_rng([5, *level]).standard_normal(clean.shape)
    images = filtered(keep, clean + sigma * noise)
    error = ((images - truth) ** 2).mean((0, 1, 2)) / sigma**2
    contrast = (images * truth).mean((0, 1, 2)) / (truth**2).mean((0, 1, 2))
    return 10 * np.log10(error), contrast


def in_holes(keep, level):
    """Contrast inside a hole, a dict of radius [nm] -> per detector."""
    from n2v_stem_keras.check import lattice_in_hole

    return {
        radius: [
            found.inside
            for found in lattice_in_hole(
                lambda movie: filtered(keep, movie) + movie.mean(axis=(1, 2), keepdims=True),
                trials.DETECTORS,
                radius_nm=radius,
                psnr_db=float(level[0]),
            )
        ]
        for radius in HOLES_NM
    }


def seconds(keep, repeats=10):
    """Least time of a frame of 256x256 px and two detectors [s]."""
    import tensorflow as tf

    frame = tf.random.stateless_normal((1, 256, 256, 2), [0, 0])
    call = tf.function(keep.call)
    call(frame)
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        call(frame)
        took.append(time.perf_counter() - began)
    return min(took)


def main():
    """Measure, and write the tables."""
    trials.arguments(__doc__)
    from n2v_stem_keras.lattice.windows import LocalWienerFilter

    kinds = [LocalWienerFilter(WINDOW), LocalWienerFilter(WINDOW, N_WAVES)]
    lines = [
        "Squared error of lattice images over the noise variance [dB], and their contrast, ADF / "
        "BF.",
        "",
        "| lattice | noise of | bent by [px] | filter alone | contrast | with plane waves | "
        "contrast |",
        "|---" * 7 + "|",
    ]
    for lattice, level, bend_px in CASES:
        cells = [lattice, f"{level[0]}/{level[1]} dB", f"{bend_px:g}"]
        for keep in kinds:
            error, contrast = score(keep, lattice, level, bend_px)
            cells += [" / ".join(f"{v:.1f}" for v in error)]
            cells += [" / ".join(f"{v:.2f}" for v in contrast)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Contrast of the lattice drawn into a hole in graphene, ADF / BF.",
        "",
        "| noise | radius [nm] | filter alone | with plane waves |",
        "|---" * 4 + "|",
    ]
    for level in trials.LEVELS:
        found = [in_holes(keep, level) for keep in kinds]
        for radius in HOLES_NM:
            cells = [" / ".join(f"{v:.2f}" for v in each[radius]) for each in found]
            lines.append(f"| {level[0]} dB | {radius:g} | {' | '.join(cells)} |")
    times = [seconds(keep) for keep in kinds]
    ratio = f"{times[1] / times[0]:.1f}"
    lines += ["", f"A frame of 256x256 px takes {ratio} times as long with plane waves."]
    trials.write(trials.HERE / "lattice_images.md", "\n".join(lines))


if __name__ == "__main__":
    main()
