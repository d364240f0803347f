"""Figure 2: chequerboards, of transposed convolutions and an unjittered grid of blind pixels.

As in the paper: a, the noisy frame; b, an early network, with transposed convolutions and a grid of
blind pixels that is not jittered; c, the paper's network, with bilinear upsampling and jitter; FFT
magnitudes of whole frames, where a chequerboard makes spots, are in ``figure_02b.png``. In a third
file (``figure_02d.png``) the blind pixels of one frame with and without jitter, and what replaces
them. Both networks are trained by the paper's recipe, as ``common.py`` makes it fit, at 16/16 dB.
`variants.py` has transposed convolutions alone.

The paper shows pictures. Here chequerboards are numbers, from the error of the denoised frames,
averaged over all test movies: ``mesh`` is the rms of what repeats every 2, 16 and 24 px in units of
the noise (the finest upsampling, all of them, the grid), and ``peaks`` is the FFT magnitude of the
mean error at the Nyquist corners and at the grid's own frequencies over that of its surroundings.
Not like for like in one thing: the grid of this package starts at a random place in each frame, so
that even without jitter no pixel is blind more often than another.
"""

import numpy as np
from common import (
    DETECTORS,
    PAPER,
    PIXEL_NM,
    arguments,
    as_movie,
    clean_movies,
    level_name,
    noisy_frames,
    trained,
    trained_at,
    write_numbers,
)
from panels import MODEL, quietly, window_at
from reduced import mesh

from n2v_stem_keras.plot import before_after, fourier_panels
from n2v_stem_keras.plot.canvas import INK, MARK, grid, save

NAME = "figure_02"
LEVEL = (16, 16)
EARLY_NAME = f"{level_name(LEVEL)}-transposed-unjittered"
EARLY = {"unet_upsample": "transposed", "n2v_jitter": 0}
FINAL, FIRST = "c: bilinear, jitter", "b: transposed, no jitter"
SIDE_PX, MASK_PX = 96, 64
PITCH = 24
PAPERS = {"finding": "chequerboards in b, significantly diminished in c"}


def main():
    """Train the early network, measure both, and draw."""
    args = arguments(__doc__)
    movies = clean_movies(args.scale, "test")
    clean = np.stack([movie.clean for movie in movies])
    noisy = noisy_frames(movies, LEVEL)
    models = {
        FIRST: trained(
            args,
            f"{level_name(LEVEL)}-transposed-unjittered",
            training_frames(args),
            PAPER,
            **EARLY,
        ),
        FINAL: trained_at(args, LEVEL, PAPER),
        MODEL: trained_at(args, LEVEL),
    }
    images = {"a: noisy": noisy, **{
        label: quietly(model.predict, as_movie(noisy)) for label, model in models.items()
    }}  # fmt: skip
    sigma = np.std(noisy - clean, axis=(0, 1, 2, 3))
    found = {
        label: {
            d: describe((frames[..., c] - clean[..., c]) / sigma[c])
            for c, d in enumerate(DETECTORS)
        }
        for label, frames in images.items()
    }
    draw(args.out / f"{NAME}.png", images, clean)
    draw_masks(args.out / f"{NAME}d.png", noisy[0, 0, ..., 0], models[FINAL].config)
    write_numbers(args, NAME, {
        "paper": PAPERS,
        "note": "mesh: rms of what repeats every so many px in the error, in sigma of the noise; "
        "peaks: FFT magnitude of the mean error over that of its surroundings.",
        "models": {label: model.name for label, model in models.items()},
        "chequerboard": found,
    })  # fmt: skip
    for label, by_detector in found.items():
        for d, one in by_detector.items():
            print(f"{label}, {d}:", one)


def training_frames(args):
    """Return the function that makes the noisy training frames."""
    return lambda: noisy_frames(clean_movies(args.scale, "training"), LEVEL, "training")


def describe(errors):
    """Measure chequerboards in errors (S, T, Y, X) [sigma]."""
    # sides that hold whole periods of both grids
    side = min(errors.shape[-2:]) // 48 * 48
    mean = errors.reshape(-1, *errors.shape[-2:])[:, :side, :side].mean(axis=0)
    window = np.hanning(side + 1)[:side]
    magnitude = np.abs(np.fft.fft2((mean - mean.mean()) * window[:, None] * window))
    half, step = side // 2, side // PITCH
    corners = [(half, half), (half, 0), (0, half)]
    orders = range(1, PITCH // 2 + 1)
    points = [(n * step, m * step) for n in orders for m in (0, *orders)]
    return {
        "mesh_in_sigma": {str(period): mesh(errors, period) for period in (2, 16, PITCH)},
        "peaks": {
            "Nyquist corners": [over_surroundings(magnitude, *place) for place in corners],
            "grid of blind pixels, mean": float(
                np.mean([over_surroundings(magnitude, *place) for place in points])
            ),
        },
    }


def over_surroundings(magnitude, y, x, inner=2, outer=5):
    """FFT magnitude at a place over the mean of a ring around it, (Y, X), periodic."""
    dy, dx = np.mgrid[-outer : outer + 1, -outer : outer + 1]
    ring = (np.hypot(dy, dx) > inner) & (np.hypot(dy, dx) <= outer)
    around = magnitude[(y + dy[ring]) % len(magnitude), (x + dx[ring]) % magnitude.shape[1]]
    return float(magnitude[y, x] / around.mean())


def draw(path, images, clean):
    """Draw a part of the first frame, and in a second file the spectra of whole frames."""
    shape = clean.shape[2:4]
    cut = window_at(np.divide(shape, 2), shape, SIDE_PX)
    rows = [
        {
            "name": detector,
            "panels": [
                *((label, frames[0, 0][cut][..., c]) for label, frames in images.items()),
                ("truth", clean[0, 0][cut][..., c]),
            ],
            "sqrt": detector == "ADF",
        }
        for c, detector in enumerate(DETECTORS)
    ]
    before_after(path, rows, PIXEL_NM)
    whole = [
        {
            "name": detector,
            "panels": [
                *((label, frames[0, 0, ..., c]) for label, frames in images.items()),
                ("truth", clean[0, 0, ..., c]),
            ],
        }
        for c, detector in enumerate(DETECTORS)
    ]
    fourier_panels(path.with_name(f"{NAME}b.png"), whole, PIXEL_NM)


def draw_masks(path, frame, config):
    """Draw blind pixels with and without jitter on a frame (Y, X), and the frame without them."""
    import tensorflow as tf

    from n2v_stem_keras.training.masking import grid_points, replace_points, sample_seed

    side = min(MASK_PX, *frame.shape)
    image = tf.constant(frame[:side, :side, None], tf.float32)
    seed = sample_seed(0, 0, 3)
    figure, axes = grid([1.0], 4, None, None)
    panels = [("input and target", image, None)]
    for label, jitter in (("unjittered grid", 0), ("jittered, as trained", config.n2v_jitter)):
        points = grid_points(seed, (side, side), config.n2v_pitch, jitter)
        panels.append((label, image, points))
    radius, manipulator = config.n2v_neighborhood_radius, config.n2v_manipulator
    blinded = replace_points(image, points, seed, config.span, radius, manipulator)
    panels.append(("blind pixels replaced", blinded, points))
    low, high = np.percentile(frame, (0.5, 99.5))
    for ax, (label, picture, points) in zip(axes[0], panels):
        ax.imshow(picture[..., 0], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        if points is not None:
            y, x = points.numpy().T
            ax.plot(x, y, "s", markersize=6, markerfacecolor="none", markeredgecolor=MARK)
        ax.set_title(label, fontsize=9, color=INK, pad=4)
        ax.set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("ADF", fontsize=10, color=INK)
    save(figure, path)


if __name__ == "__main__":
    main()
