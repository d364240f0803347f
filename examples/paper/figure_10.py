"""Figure 10: a trained network on another session, as it is, trained on, and trained afresh.

Both detectors, from left to right: noisy, the first session's network as it is, the same trained on
with half of the new frames, a fresh one trained with half of them and one with all, and the truth,
with profiles along an armchair row through an adatom.

The paper's second session is another day and another microscopist on a similar specimen, 1230
frames; it finds that all denoise effectively, the fresh ones with a slightly improved lattice in
ADF, so that retraining is hardly needed. Here the second session differs in dose (13 instead of 16
dB), rotation, focus (a blur of 0.03 nm more), pixel size (0.052 instead of 0.046 nm), gain and
offset. Networks and trainings are short (`reduced.py`), at several seeds: training on and training
afresh take as many updates as the first training did. Beside the PSNR the contrast of lone adatoms
over their true one, and the correlation of the lattice, where no adatom is near, with the true one.
"""

from functools import partial

import numpy as np
from common import (
    DETECTORS,
    PACKAGE,
    TEST_SEED,
    arguments,
    trained_at,
    write_numbers,
)
from panels import in_window, lone, quietly, window_around
from reduced import SEEDS, STEPS, Bench, Journal, mean_se
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from n2v_stem_keras import Movie, metrics
from n2v_stem_keras.noise import add_white_noise
from n2v_stem_keras.plot import before_after
from n2v_stem_keras.simulate import reference_movie

NAME = "figure_10"
FIRST, SECOND = (16, 16), (13, 13)  # (ADF, BF) [dB]
NEW_PIXEL_NM, BLUR_NM, GAIN, OFFSET = 0.052, 0.03, 4000.0, 300.0
N_MOVIES, N_TEST = 4, 2
AWAY_NM = 0.4  # the lattice is measured farther than this from all adatoms
HALF_NM = 1.4  # of the profile
KINDS = ("as it is", "trained on, half", "fresh, half", "fresh, all")
PAPERS = {"finding": "all denoise; fresh ones slightly better in the ADF lattice; retraining is "
                     "not required for similar samples"}  # fmt: skip


def main():
    """Train and score what is missing, then draw the first seed."""
    args = arguments(__doc__)
    journal, bench, session = Journal(args.out / f"{NAME}.jsonl"), {}, Session(args.scale)
    seeds = SEEDS[:1] if args.scale.name == "tiny" else SEEDS
    drawn = args.out / f"{NAME}.png"
    for seed in seeds:
        key = f"{seed}"
        path = drawn if seed == seeds[0] else None
        if key not in journal.rows():
            bench = bench or Bench(args.scale, FIRST)
            journal.run(key, partial(trial, bench, session, seed, path))
    rows = [row["scores"] for row in journal.rows().values()]
    table = {
        kind: {
            name: {d: mean_se([row[kind][name][d] for row in rows]) for d in DETECTORS}
            for name in rows[0][kind]
        }
        for kind in rows[0]
    }
    gain = {
        kind: {
            d: mean_se([row[kind]["psnr"][d] - row["as it is"]["psnr"][d] for row in rows])
            for d in DETECTORS
        }
        for kind in KINDS[1:]
    }
    package = session.score(session.denoise(trained_at(args, FIRST, PACKAGE)))
    for kind, found in table.items():
        print(kind, found)
    write_numbers(args, NAME, {
        "paper": PAPERS,
        "seeds": len(rows),
        "updates": STEPS,
        "scores": table,
        "psnr_gained_by_training": gain,
        "this package's preset, trained on the first session, as it is": package,
    })  # fmt: skip


class Session:
    """The second session: noisy frames to train with, and test movies with their truth."""

    def __init__(self, scale):
        side = scale.side_px
        options = {"shape": (side, side), "n_frames": scale.n_frames, "pixel_size_nm": NEW_PIXEL_NM}
        movies = [reference_movie([TEST_SEED, 9, i], **options) for i in range(N_MOVIES + N_TEST)]
        clean = np.stack([self.seen(movie) for movie in movies])
        noisy = np.stack([
            add_white_noise(frames, SECOND, seed=[9, i]) for i, frames in enumerate(clean)
        ])  # fmt: skip
        self.movies = movies[N_MOVIES:]
        self.training, self.noisy, self.clean = (
            noisy[:N_MOVIES], noisy[N_MOVIES:], clean[N_MOVIES:],
        )  # fmt: skip

    def seen(self, movie):
        """Return what the other microscope makes of a clean movie, (T, Y, X, C)."""
        width = BLUR_NM / NEW_PIXEL_NM
        return OFFSET + GAIN * gaussian_filter(movie.clean, (0, width, width, 0))

    def as_movie(self, frames):
        """Wrap (S, T, Y, X, C) frames of this session."""
        return Movie.from_array(
            frames, "STYXC", detectors=DETECTORS, pixel_size_nm=NEW_PIXEL_NM, name="second session"
        )

    def denoise(self, model):
        """Denoise the test movies, (S, T, Y, X, C)."""
        return quietly(model.predict, self.as_movie(self.noisy))

    def score(self, denoised):
        """PSNR [dB], contrast of lone adatoms, correlation of the lattice: name -> detector."""
        found = {name: {d: [] for d in DETECTORS} for name in ("psnr", "adatom", "lattice")}
        pixels = np.indices(self.clean.shape[2:4]).reshape(2, -1).T
        for s, movie in enumerate(self.movies):
            for t, atoms in enumerate(movie.positions):
                away = cKDTree(atoms).query(pixels)[0] > AWAY_NM / NEW_PIXEL_NM
                y, x = np.rint(atoms[lone(atoms, NEW_PIXEL_NM)]).astype(int).T
                for c, d in enumerate(DETECTORS):
                    image, truth = denoised[s, t, ..., c], self.clean[s, t, ..., c]
                    found["psnr"][d].append(metrics.psnr(truth[..., None], image[..., None])[0])
                    ground = image.ravel()[away], truth.ravel()[away]
                    found["lattice"][d].append(np.corrcoef(*ground)[0, 1])
                    heights = [(image[y, x] - np.median(image)).mean(),
                               (truth[y, x] - np.median(truth)).mean()]  # fmt: skip
                    found["adatom"][d].append(heights[0] / heights[1])
        return {
            name: {d: float(np.nanmean(values)) for d, values in by_detector.items()}
            for name, by_detector in found.items()
        }


def trial(bench, session, seed, path):
    """Train all networks of a seed and score them on the second session."""
    half = session.training[: max(1, N_MOVIES // 2)]
    model, *_ = bench.train({}, seed)
    images = {"noisy": session.noisy, "as it is": session.denoise(model)}
    quietly(model.train, session.as_movie(half), verbose=False)
    images["trained on, half"] = session.denoise(model)
    for kind, frames in (("fresh, half", half), ("fresh, all", session.training)):
        images[kind] = session.denoise(fresh(bench, seed, session.as_movie(frames)))
    if path is not None:
        draw(path, session, images)
    return {"seed": seed, "scores": {kind: session.score(one) for kind, one in images.items()}}


def fresh(bench, seed, movie):
    """Train a new network of the same kind on a movie."""
    from n2v_stem_keras import N2VStem

    model = N2VStem(bench.config({}, seed), "fresh", basedir=None)
    quietly(model.train, movie, verbose=False)
    return model


def profile_line(movie):
    """Line along an armchair row through the lone adatom farthest from the edge, (2, 2) [px]."""
    shape = np.array(movie.clean.shape[1:3])
    atoms = movie.positions[0]
    alone = atoms[lone(atoms, NEW_PIXEL_NM)]
    if not len(alone):
        alone = (shape / 2)[None]
    inner = np.minimum(alone, shape - 1 - alone).min(axis=1)
    adatom = alone[np.argmax(inner)]
    carbon = movie.scene.lattice(0)["C"]
    top = carbon[np.isclose(carbon[:, 0], carbon[:, 0].min()), 1:] / NEW_PIXEL_NM
    near = top[cKDTree(top).query(adatom, 4)[1]]
    bond = near[np.argsort(np.linalg.norm(near - near[0], axis=1))[1]] - near[0]
    half = min(HALF_NM / NEW_PIXEL_NM, inner.max() - 1)
    return adatom + np.array([[-half], [half]]) * bond / np.linalg.norm(bond)


def draw(path, session, images):
    """Draw a part of the first test frame."""
    line = profile_line(session.movies[0])
    window = window_around(line, session.clean.shape[2:4])
    rows = [
        {
            "name": detector,
            "panels": [
                *((label, frames[0, 0][window][..., c]) for label, frames in images.items()),
                ("truth", session.clean[0, 0][window][..., c]),
            ],
            "sqrt": detector == "ADF",
            "line": in_window(line, window),
            "compare": -1,
            "scaled_by": range(1, len(images) + 1),
        }
        for c, detector in enumerate(DETECTORS)
    ]
    before_after(
        path,
        rows,
        NEW_PIXEL_NM,
        caption="profiles 1 px wide along an armchair row through an adatom, between the arrows; "
        "the true one in orange",
        profiles_last=True,
    )


if __name__ == "__main__":
    main()
