# %% [markdown]
"""
# 1. Data: a noisy movie, and what its noise is like

As a script: `python examples/1_data.py` simulates gold adatoms on graphene, so that the truth is
known. `python examples/1_data.py my_movie.dm4` takes your own file; then there is no truth.

Noise2Void learns from the noisy frames alone. It assumes one thing: the noise of a pixel says
nothing about the noise of its neighbours. So look at the noise before you train.
"""

# %%
import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from n2v_stem_keras import Movie, noise, read_movie, write_movie
from n2v_stem_keras.atoms import sign_of
from n2v_stem_keras.plot import before_after
from n2v_stem_keras.simulate import reference_movie

# %% tags=["parameters"]
MOVIE = None  # your own file; None: simulated
OUT = Path("out")  # all examples after this one read what this one writes there
TINY = False  # a matter of seconds, to test an installation

# %% tags=["active-py"]
parser = argparse.ArgumentParser(description="Data: a noisy movie, and what its noise is like.")
parser.add_argument("movie", nargs="?", help="your own file; default: simulated")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
parser.add_argument("--tiny", action="store_true", help="seconds, to test an installation")
args = parser.parse_args()
MOVIE, OUT, TINY = args.movie, args.out, args.tiny

# %% [markdown]
"""
## The movie

Simulated frames have 10 dB: a lone adatom is then three times as high as the noise in ADF. The
specimen drifts, some adatoms tremble, and a few hop to another site in each frame.
"""

# %%
PSNR_DB = {"ADF": 10, "BF": 10}


def simulate():
    """Make a movie of which everything is known: clean frames, and where the adatoms are."""
    side, n_frames = (64, 8) if TINY else (256, 40)
    truth = reference_movie(seed=1, shape=(side, side), n_frames=n_frames, hops=True)
    psnr = [PSNR_DB[name] for name in truth.detectors]
    noisy = noise.add_white_noise(truth.clean, psnr, seed=2)
    known = {"detectors": truth.detectors, "pixel_size_nm": truth.pixel_size_nm}
    known |= {"frame_time_s": 0.5, "voltage_kV": 80}
    write_movie(OUT / "clean.ome.tif", Movie.from_array(truth.clean, "TYXC", **known))
    places = [
        pd.DataFrame({"frame": t, "particle": ids, "y": yx[:, 0], "x": yx[:, 1]})
        for t, (ids, yx) in enumerate(zip(truth.ids, truth.positions))
    ]
    pd.concat(places).to_csv(OUT / "truth.csv", index=False)
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


if (OUT / "noisy.ome.tif").exists():
    raise FileExistsError(f"{OUT} holds an earlier run; remove it or choose another folder (--out)")
OUT.mkdir(parents=True, exist_ok=True)

# OME-TIFF keeps detectors and pixel size
movie = your_own(MOVIE) if MOVIE else simulate()
write_movie(OUT / "noisy.ome.tif", movie, dtype=movie.dtype)
movie = read_movie(OUT / "noisy.ome.tif")
print(f"{movie.n_frames} frames of {movie.frame_shape} px (Y, X), {', '.join(movie.detectors)},")
print(f"pixel size {movie.pixel_size_nm or 'unknown'} nm. Is this right? It is used later.")

# %% [markdown]
"""
## Its noise

What `n2v-stem info` prints: strength, correlation, and which blind spot suits the movie.
"""

# %%
diagnosis = noise.diagnose(movie)
(OUT / "1_noise.txt").write_text(f"{diagnosis}\n", encoding="utf-8")
print(f"\n{diagnosis}\n")

# The same frames as a slow detector would give them: each pixel glows on into the next.
glowing = noise.after_glow(np.stack(list(movie.series()[0])), rho1=0.2)
worse = noise.diagnose(glowing, "TYXC", movie.detectors).detectors[movie.detectors[0]]
print(f"With after-glow: correlation {worse.noise.lag1_x:.2f} along x, n2v_span={worse.span}.\n")

# %% [markdown]
"""
## One frame, and the mean of all

The mean is calmer, but what moves is smeared out. What can you see in one frame?
"""

# %%
t = movie.n_frames // 2
images = {"one frame": movie.frame(0, t), "mean of all": np.mean(list(movie.series()[0]), 0)}
if not MOVIE:
    images["truth"] = read_movie(OUT / "clean.ome.tif").frame(0, t)
rows = [
    {
        "name": name,
        "panels": [(label, image[..., c]) for label, image in images.items()],
        "sqrt": sign_of(name) > 0,  # bright atoms on a dark ground
    }
    for c, name in enumerate(movie.detectors)
]
before_after(OUT / "1_frames.png", rows, movie.pixel_size_nm, title=f"frame {t}")
print(f"Wrote {OUT}/noisy.ome.tif, 1_noise.txt and 1_frames.png.")
print("Look at 1_frames.png: what can you see in one frame? And at the verdict 'blind spot'.")

# %% tags=["active-ipynb"]
# from IPython.display import Image
#
# Image(OUT / "1_frames.png")
