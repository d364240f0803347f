"""1. Data: a noisy movie, and what its noise is like.

    python examples/1_data.py                # simulated gold adatoms: the truth is known
    python examples/1_data.py my_movie.dm4   # your own file; then there is no truth

Noise2Void learns from the noisy frames alone. It assumes one thing: the noise of a pixel says
nothing about the noise of its neighbours. So look at the noise before you train.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from n2v_stem_keras import Movie, noise, read_movie, write_movie
from n2v_stem_keras.atoms import sign_of
from n2v_stem_keras.plot import before_after
from n2v_stem_keras.simulate import reference_movie

PSNR_DB = {"ADF": 10, "BF": 10}  # a lone adatom is then three times as high as the noise in ADF


def simulate(out, tiny):
    """Make a movie of which everything is known: clean frames, and where the adatoms are."""
    side, n_frames = (64, 8) if tiny else (256, 40)
    # the specimen drifts, some adatoms tremble, a few hop to another site in each frame
    truth = reference_movie(seed=1, shape=(side, side), n_frames=n_frames, hops=True)
    psnr = [PSNR_DB[name] for name in truth.detectors]
    noisy = noise.add_white_noise(truth.clean, psnr, seed=2)
    known = {"detectors": truth.detectors, "pixel_size_nm": truth.pixel_size_nm}
    known |= {"frame_time_s": 0.5, "voltage_kV": 80}
    write_movie(out / "clean.ome.tif", Movie.from_array(truth.clean, "TYXC", **known))
    places = [
        pd.DataFrame({"frame": t, "particle": ids, "y": yx[:, 0], "x": yx[:, 1]})
        for t, (ids, yx) in enumerate(zip(truth.ids, truth.positions))
    ]
    pd.concat(places).to_csv(out / "truth.csv", index=False)
    return Movie.from_array(noisy, "TYXC", **known)


def your_own(path):
    """Open a file. What it does not say can be said here."""
    # other arguments: axes="SYX", detectors=("HAADF",), pixel_size_nm=0.02; a dict of files makes
    # one movie of one file for each detector: read_movie({"ADF": "a.ser", "BF": "b.ser"})
    movie = read_movie(path)
    names = movie.detectors or [f"C{c}" for c in range(movie.n_detectors)]
    known = {k: getattr(movie, k) for k in ("pixel_size_nm", "frame_time_s", "voltage_kV")}
    # of separate movies (axis S) the first
    return Movie.from_array(movie.series()[0], "TYXC", detectors=names, **known)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("movie", nargs="?", help="your own file; default: simulated")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    parser.add_argument("--tiny", action="store_true", help="seconds, to test an installation")
    args = parser.parse_args(argv)
    out = args.out
    if (out / "noisy.ome.tif").exists():
        parser.error(f"{out} holds an earlier run; remove it or choose another --out")
    out.mkdir(parents=True, exist_ok=True)

    # All examples after this one read these files. OME-TIFF keeps detectors and pixel size.
    movie = your_own(args.movie) if args.movie else simulate(out, args.tiny)
    write_movie(out / "noisy.ome.tif", movie, dtype=movie.dtype)
    movie = read_movie(out / "noisy.ome.tif")
    print(
        f"{movie.n_frames} frames of {movie.frame_shape} px (Y, X), {', '.join(movie.detectors)},"
    )
    print(f"pixel size {movie.pixel_size_nm or 'unknown'} nm. Is this right? It is used later.")

    # What `n2v-stem info` prints: strength, correlation, and which blind spot suits the movie.
    diagnosis = noise.diagnose(movie)
    (out / "1_noise.txt").write_text(f"{diagnosis}\n", encoding="utf-8")
    print(f"\n{diagnosis}\n")

    # The same frames as a slow detector would give them: each pixel glows on into the next.
    glowing = noise.after_glow(np.stack(list(movie.series()[0])), rho1=0.2)
    worse = noise.diagnose(glowing, "TYXC", movie.detectors).detectors[movie.detectors[0]]
    print(
        f"With after-glow: correlation {worse.noise.lag1_x:.2f} along x, n2v_span={worse.span}.\n"
    )

    # One frame, and the mean of all: calmer, but what moves is smeared out.
    t = movie.n_frames // 2
    images = {"one frame": movie.frame(0, t), "mean of all": np.mean(list(movie.series()[0]), 0)}
    if not args.movie:
        images["truth"] = read_movie(out / "clean.ome.tif").frame(0, t)
    rows = [
        {
            "name": name,
            "panels": [(label, image[..., c]) for label, image in images.items()],
            "sqrt": sign_of(name) > 0,  # bright atoms on a dark ground
        }
        for c, name in enumerate(movie.detectors)
    ]
    before_after(out / "1_frames.png", rows, movie.pixel_size_nm, title=f"frame {t}")
    print(f"Wrote {out}/noisy.ome.tif, 1_noise.txt and 1_frames.png.")
    print("Look at 1_frames.png: what can you see in one frame? And at the verdict 'blind spot'.")


if __name__ == "__main__":
    main()
