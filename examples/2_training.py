# %% [markdown]
"""
# 2. Training: a model that has seen nothing but the noisy movie

As a script: `python examples/2_training.py`, after `1_data.py`.

In each step some pixels are hidden: each is replaced by one of its neighbours, and the network is
asked what was there. The lattice and the atoms can be guessed from around, the noise cannot. So
the best answer is the image without its noise. No clean image is needed for it.
"""

# %%
import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from n2v_stem_keras import N2VStem, N2VStemConfig, read_movie

# %% tags=["parameters"]
OUT = Path("out")  # where the example before wrote
TINY = False  # a matter of seconds, to test an installation

# %% tags=["active-py"]
parser = argparse.ArgumentParser(description="Training: a model that has seen only noisy frames.")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
parser.add_argument("--tiny", action="store_true", help="seconds, to test an installation")
args = parser.parse_args()
OUT, TINY = args.out, args.tiny

# %% [markdown]
"""
## Settings

The preset "laptop" was tuned for two CPU cores. Its 15 epochs are better than these 10. What else
to choose stands in docs/settings.md, and for `n2v_span` in 1_noise.txt.
"""

# %%
movie = read_movie(OUT / "noisy.ome.tif")
config = N2VStemConfig.preset(
    "laptop", channels=movie.detectors, pixel_size_nm=movie.pixel_size_nm, train_epochs=10
)
if TINY:
    config = config.replace(
        unet_n_depth=1,
        unet_n_first=4,
        unet_lattice="windows",
        unet_lattice_window=32,
        n2v_patch_shape=(64, 64),
        train_epochs=2,
        train_steps_per_epoch=3,
    )
model = N2VStem(config, "model", basedir=OUT)
print(f"{model.keras_model.count_params():,} weights; {config.n2v_perc_pix:.1f} % of the pixels")
print("are hidden in each step. The loss falls towards the noise floor, not towards zero.\n")

# %% [markdown]
"""
## Training, stopped and gone on with

Training may be stopped at any time. The folder then holds a usable model, and the same call goes
on where it stopped, to the same end as without the stop. Here somebody presses Ctrl-C as the
second epoch begins.
"""


# %%
def stop(epoch, logs):
    """Pretend that somebody presses Ctrl-C as the second epoch begins."""
    if epoch == 1:
        raise KeyboardInterrupt


if not model.trained:
    from keras.callbacks import LambdaCallback

    model.callbacks = [LambdaCallback(on_epoch_begin=stop)]
    try:
        model.train(movie)
    except KeyboardInterrupt:
        print(f"\nStopped after {len(model.history().epoch)} epoch.\n")
    model = N2VStem(None, "model", basedir=OUT)  # as in a new session: opens the folder
if model.record["runs"][-1]["finished"]:
    print(f"{model.logdir} is trained already; remove it to start anew.")
else:
    model.train(movie)

# %% tags=["active-ipynb"]
# model

# %% [markdown]
"""
## The loss beside its noise floor

Is the validation loss still falling? Then more epochs help. Is it below the floor and its error?
Then the noise is correlated: see docs/loss.md.
"""


# %%
def draw_loss(path, model):
    """Draw the loss of each detector beside the noise that no prediction can foresee."""
    history, run = model.history().history, model.record["runs"][-1]
    names = model.config.channels
    epochs = np.arange(1, len(history["loss"]) + 1)
    figure = Figure(figsize=(4.2 * len(names), 3.6), layout="constrained")
    panels = np.ravel(figure.subplots(1, len(names)))
    for ax, name, noise in zip(panels, names, run["movies"][0]["noise_to_sd"]):
        suffix = f"_{name}" if len(names) > 1 else ""
        ax.plot(epochs, history[f"loss{suffix}"], "o-", ms=3, color="#56b4e9", label="training")
        if run["noise_floor"] is not None:
            label = "validation: frames held out"
            ax.plot(epochs, history[f"val_loss{suffix}"], "s-", ms=3, color="#0072b2", label=label)
            # sigma^2 over the variance of the movie: what a perfect image would still be wrong by
            floor, error = noise**2, run["noise_floor_se"] * len(names) ** 0.5
            ax.axhline(floor, color="#d55e00", ls="--", label="noise floor and its error")
            ax.axhspan(floor - error, floor + error, color="#d55e00", alpha=0.15, lw=0)
        ax.set(title=name, xlabel="epoch", ylabel="loss [variance of the movie]")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=150)


run, history = model.record["runs"][-1], model.history().history
draw_loss(OUT / "2_loss.png", model)
if run["noise_floor"] is not None:
    floor, error = run["noise_floor"], run["noise_floor_se"]
    above = min(history["val_loss"]) - floor
    print(f"\nBest validation loss minus noise floor: {above:+.4f}, the squared error of the")
    print(f"picture in units of the movie's variance. The floor, {floor:.4f}, is known to")
    print(f"+-{error:.4f} only: compare epochs with each other, less with the floor.")
print(f"Wrote {model.logdir} and {OUT}/2_loss.png.")
print("Look at 2_loss.png: is the validation loss still falling? Then more epochs help.")
print("Is it below the floor and its error? Then the noise is correlated: see docs/loss.md.")

# %% tags=["active-ipynb"]
# from IPython.display import Image
#
# Image(OUT / "2_loss.png")
