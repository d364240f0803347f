"""Make the picture of docs/loss.md: the loss beside its noise floor, honest and leaking.

    python docs/make_pictures.py     # writes docs/loss.png; minutes on two CPU cores

Three small networks are trained on the same simulated frames (ADF, 20 dB): with white noise; with
after-glow that correlates neighbours along x, and a blind spot of one pixel; and with a blind spot
as wide as the diagnosis says.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from n2v_stem_keras import N2VStem, N2VStemConfig, noise
from n2v_stem_keras.simulate import reference_movie

PSNR_DB, RHO = 20.0, 0.4
# on top of the paper's settings, so that the picture does not change with the other presets
SMALL = {"unet_n_depth": 2, "unet_n_first": 12, "n2v_jitter": 0}
SMALL |= {"n2v_manipulator": "uniform_withoutCP", "n2v_neighborhood_radius": 1}
SMALL |= {"n2v_patch_shape": (64, 64), "train_batch_size": 4, "train_steps_per_epoch": 50}
SMALL |= {"train_learning_rate": 1e-3, "train_learning_rate_schedule": "cosine"}
SMALL |= {"train_ema_momentum": 0.99, "train_augment": True, "train_frame_step": 1}
PITCH = 4  # or as wide as the blind spot asks for
COLOURS = ("#0072b2", "#d55e00", "#009e73")


def main(argv=None):
    """Train three times, and draw the losses in one picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args(argv)
    clean = reference_movie(seed=3, shape=(128, 128), n_frames=32).clean[..., :1]
    white = noise.add_white_noise(clean, PSNR_DB, seed=4)
    glowing = noise.after_glow(white, RHO)
    span = noise.diagnose(glowing, "TYXC", ("ADF",)).detectors["ADF"].span
    trainings = {
        "white noise, blind spot 1x1": (white, (1, 1)),
        f"after-glow (lag 1: {RHO}), blind spot 1x1": (glowing, (1, 1)),
        f"after-glow, blind spot {span[0]}x{span[1]}": (glowing, span),
    }
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    ax = figure.subplots()
    for (label, (movie, span)), colour in zip(trainings.items(), COLOURS):
        changes = {"channels": ("ADF",), "train_epochs": args.epochs, **SMALL}
        changes |= {"n2v_span": span, "n2v_pitch": max(PITCH, max(span) + 1)}
        model = N2VStem(N2VStemConfig.preset("paper", **changes), basedir=None)
        history = model.train(movie, verbose=False).history
        run = model.record["runs"][-1]
        floor, error = run["noise_floor"], run["noise_floor_se"]
        above = np.array(history["val_loss"]) / floor
        print(f"{label}: {above[-1]:.3f} of the floor {floor:.3f} +-{error:.3f}")
        ax.plot(1 + np.arange(len(above)), above, "o-", ms=3, color=colour, label=label)
    ax.axhline(1, color="#1a1a1a", ls="--", lw=1, label="noise floor, and its error")
    ax.axhspan(1 - error / floor, 1 + error / floor, color="#1a1a1a", alpha=0.15, lw=0)
    ax.set(xlabel="epoch", ylabel="validation loss / noise floor")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(fontsize=8)
    figure.savefig(args.out / "loss.png", dpi=150)


if __name__ == "__main__":
    main()
