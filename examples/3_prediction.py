# %% [markdown]
"""
# 3. Prediction: denoise a movie, and look at what was taken away

As a script: `python examples/3_prediction.py`, after `2_training.py`. A file of yours goes through
a ready-made model as `python examples/3_prediction.py my_movie.dm4 --model graphene-au`.

The output has the axes, the units and the pixel size of the input. What was taken away should
look like noise and nothing else; with a simulated movie the truth tells how good the rest is.
"""

# %%
import argparse
from pathlib import Path

import numpy as np

from n2v_stem_keras import open_model, read_movie, write_movie
from n2v_stem_keras.atoms import sign_of
from n2v_stem_keras.baselines import tune
from n2v_stem_keras.metrics import residual_statistics, score, telling_window
from n2v_stem_keras.noise import estimate_noise
from n2v_stem_keras.plot import before_after, residual_panel

# %% tags=["parameters"]
MOVIE = None  # a file of yours; None: the movie of example 1
MODEL = None  # a model's folder, or the name of a ready-made one; None: the model of example 2
OUT = Path("out")  # where the examples before wrote
TINY = False  # nothing here takes long

# %% tags=["active-py"]
parser = argparse.ArgumentParser(description="Prediction: denoise a movie.")
parser.add_argument("movie", nargs="?", help="a file of yours; default: that of example 1")
parser.add_argument("--model", help="folder, or name of a ready-made model; default: example 2's")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
parser.add_argument("--tiny", action="store_true", help="seconds, to test an installation")
args = parser.parse_args()
MOVIE, MODEL, OUT, TINY = args.movie, args.model, args.out, args.tiny

# %% [markdown]
"""
## Denoise

A model is its folder: this is all that another lab would need. It warns if the noise or the pixel
size are not those of the training. A movie larger than memory goes through `model.predict_frames`,
or `n2v-stem denoise`, frame by frame.
"""

# %%
movie = read_movie(MOVIE or OUT / "noisy.ome.tif")
model = open_model(MODEL or OUT / "model")
denoised = model.predict(movie)
made = {"model": model.name, "model_fingerprint": model.fingerprint}
OUT.mkdir(parents=True, exist_ok=True)
path = OUT / "denoised.ome.tif"
write_movie(path, denoised, like=movie, provenance=made, overwrite=True)
names = movie.detectors or [f"C{c}" for c in range(movie.n_detectors)]

# %% tags=["active-ipynb"]
# movie

# %% [markdown]
"""
## Beside two filters

Each has one parameter for each detector. It is tuned on the truth where there is one, which
flatters it, and else on the noisy frame.
"""

# %%
t = movie.n_frames // 2
raw, clean = movie.frame(0, t), None
if not MOVIE and (OUT / "clean.ome.tif").exists():
    clean = read_movie(OUT / "clean.ome.tif").frame(0, t)
images = {"noisy": raw}
for label, method in (("Gaussian", "gaussian"), ("TV", "tv")):
    images[label], parameter = tune(method, raw, clean)
    print(f"{label}: parameter {', '.join(f'{p:.3g}' for p in parameter)}")
images["Noise2Void"] = read_movie(path).frame(0, t)

# The residual, and what it should be: variance sigma^2, no correlation, mean zero.
sigma = np.array([estimate_noise(raw[..., c]).sigma for c in range(raw.shape[-1])])
for label, image in images.items():
    if label == "noisy":
        continue
    found = residual_statistics(raw[None], image[None], sigma)
    for c, name in enumerate(names):
        print(
            f"{name} {label:<10}  residual: variance {found.variance[c]:.3f} sigma^2, "
            f"correlation of neighbours {found.lag1_x[c]:+.3f}"
        )

# %% [markdown]
"""
## Pictures

The part of the frame that differs most from its lattice, so that single atoms can be judged. Is
the lattice the same everywhere? Where noise hides part of it, it fades, or lacks some of its
directions.
"""

# %%
best = images["Noise2Void"]
window, _ = telling_window(best[..., 0], 140, movie.pixel_size_nm)
rows = []
for c, name in enumerate(names):
    panels = [(label, image[..., c]) for label, image in images.items()]
    # the residual is shown around the mean, so that it has the others' grey scale
    panels.append(("taken away", raw[..., c] - best[..., c] + best[..., c].mean()))
    if clean is not None:
        scores = {k: score(clean[None], v[None], names) for k, v in images.items()}
        notes = {k: f"{by[name]['psnr'][0]:.1f} dB" for k, by in scores.items()}
        panels = [(label, image, notes.get(label)) for label, image in panels]
        panels.append(("truth", clean[..., c]))
        print(f"{name} PSNR: " + ", ".join(f"{k} {v}" for k, v in notes.items()))
    panels = [(label, image[window], *note) for label, image, *note in panels]
    # the grey scale of a row is that of the denoised frame
    rows.append({"name": name, "panels": panels, "sqrt": sign_of(name) > 0, "reference": 3})
    residual_panel(
        OUT / f"3_residual_{name}.png", raw[..., c], best[..., c], name, movie.pixel_size_nm
    )
before_after(OUT / "3_before_after.png", rows, movie.pixel_size_nm, title=f"frame {t}")
print(f"Wrote {path}, 3_before_after.png and a 3_residual_*.png for each detector.")
print("Look at 3_residual: spots in the right panel are lattice that was lost; atoms or streaks")
print("in the left one are worse. In 3_before_after: is the lattice the same everywhere? Where")
print("noise hides part of it, it fades, or lacks some of its directions: see docs/trust.md.")

# %% tags=["active-ipynb"]
# from IPython.display import Image, display
#
# display(Image(OUT / "3_before_after.png"))
# for name in names:
#     display(Image(OUT / f"3_residual_{name}.png"))
