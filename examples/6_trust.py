# %% [markdown]
"""
# 6. Trust: how far to believe the result

As a script: `python examples/6_trust.py`, after `3_prediction.py`.

A denoised frame is an estimate. Five questions to it, none of which needs the truth. What to do
when an answer is bad stands in docs/trust.md.
"""

# %%
import argparse
import warnings
from pathlib import Path

import numpy as np

from n2v_stem_keras import DataError, Movie, N2VStem, check_model, read_movie
from n2v_stem_keras.atoms import Criterion, sign_of
from n2v_stem_keras.check import write_page
from n2v_stem_keras.evaluation.repeats import score_repeats
from n2v_stem_keras.metrics import residual_statistics
from n2v_stem_keras.noise import estimate_noise
from n2v_stem_keras.plot import fourier_panels
from n2v_stem_keras.plot.deviations import deviations_on_frame

# %% tags=["parameters"]
OUT = Path("out")  # where the examples before wrote
TINY = False  # a matter of seconds, to test an installation

# %% tags=["active-py"]
parser = argparse.ArgumentParser(description="Trust: how far to believe the result.")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
parser.add_argument("--tiny", action="store_true", help="seconds, to test an installation")
args = parser.parse_args()
OUT, TINY = args.out, args.tiny

# %% [markdown]
"""
## 1. Was the model trained for this?

`predict` warns where noise or pixel size are beyond what the training has seen. Here the same
movie is said to have larger pixels.
"""

# %%
movie, denoised = (read_movie(OUT / f"{name}.ome.tif") for name in ("noisy", "denoised"))
names = movie.detectors
model = N2VStem(None, "model", basedir=OUT)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.predict(movie.frame(0, 0)[None], pixel_size_nm=1.5 * (movie.pixel_size_nm or 0.05))
for warning in caught:
    print(f"Warning: {warning.message}")

# %% [markdown]
"""
## 2. Was only noise taken away?

Then input minus output has the variance of the noise, no correlation, and no lattice spots in its
Fourier transform. Spots in the right panel are lattice that was lost.
"""

# %%
t = movie.n_frames // 2
raw, after = movie.frame(0, t).astype(float), denoised.frame(0, t).astype(float)
sigma = np.array([estimate_noise(raw[..., c]).sigma for c in range(len(names))])
found = residual_statistics(raw[None], after[None], sigma)
for c, name in enumerate(names):
    print(
        f"{name}: taken away {found.variance[c]:.3f} sigma^2, "
        f"correlation of neighbours {found.lag1_x[c]:+.3f}"
    )
images = {"noisy": raw, "denoised": after, "taken away": raw - after}
rows = [
    {"name": name, "panels": [(label, image[..., c]) for label, image in images.items()]}
    for c, name in enumerate(names)
]
fourier_panels(OUT / "6_fourier.png", rows, movie.pixel_size_nm or 0.05, title=f"frame {t}")

# %% tags=["active-ipynb"]
# from IPython.display import Image
#
# Image(OUT / "6_fourier.png")

# %% [markdown]
"""
## 3. What did the network leave out?

A network draws the usual where pixels say little: a missing column comes out as an intact one.
But what was taken away still holds it. The rate of false ones is stated.
"""

# %%
table = model.deviations(movie, false_per_Mpx=4)
table.to_csv(OUT / "6_deviations.csv", index=False)
here = table[table["frame"] == t]
print(f"{len(table)} deviations in {movie.n_frames} frames, {len(here)} of them in frame {t}")
deviations_on_frame(
    OUT / "6_deviations.png", raw, after, here, names, movie.pixel_size_nm, f"frame {t}"
)

# %% tags=["active-ipynb"]
# Image(OUT / "6_deviations.png")

# %% [markdown]
"""
## 4. Does it make atoms or lattice of nothing?

Simulated frames go through the model: pure noise, one bright point, amorphous carbon, a hole in a
lattice, a tilt boundary, point defects, an atom in one detector alone. `n2v-stem check` does the
same.
"""

# %%
size = movie.pixel_size_nm or 0.05


def predict(frames, context="none"):
    """Denoise test frames, each by itself, or those of a movie together."""
    frames = Movie.from_array(frames, "TYXC", detectors=names, pixel_size_nm=size)
    with warnings.catch_warnings():  # noise alone is far from what it was trained for
        warnings.simplefilter("ignore", UserWarning)
        return model.predict(frames, context=context, verbose=False)


def predict_movie(frames):
    """Denoise test frames of one movie."""
    return predict(frames, context="both")


criteria = {name: Criterion(3.0, sign_of(name)) for name in names}
for name, part in model.thresholds.items():
    if "atoms" in part:  # set by example 4
        criteria[name] = Criterion(part["atoms"]["height_sigma"], sign_of(name))
options = {"predict_movie": predict_movie, "pixel_size_nm": size, "n_frames": 2 if TINY else 8}
report = check_model(predict, criteria, **options)
for answer in report.answers:
    said = f"{answer.question}, {answer.detector}: {answer.found}"
    print(f"{answer.verdict}  {said} ({answer.allowed})")
write_page(OUT / "6_check.html", report, "Artefact tests of the model of example 2")

# %% [markdown]
"""
## 5. Is it better than a blur?

Every second frame is denoised, and scored by the frames before and after it, whose noise is
independent. Take a movie that the model was not trained on: here it was, so the score flatters.
"""

# %%
known = {"axes": "TYXC", "detectors": names, "pixel_size_nm": movie.pixel_size_nm}
methods = {"model": lambda frames: model.predict(frames, **known)}
try:
    print(score_repeats(movie.series()[0], names, methods))
except DataError as error:  # too few frames, or too small for their drift
    print(f"Not scored: {error}")
print(f"\nWrote {OUT}/6_check.html, 6_deviations.csv, 6_fourier.png and 6_deviations.png.")
print("Look at 6_fourier.png: are there lattice spots in what was taken away? And at what FAILs")
print("above: docs/trust.md says what to do about each.")
