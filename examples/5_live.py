# %% [markdown]
"""
# 5. Live: the denoised frame before the next one comes

As a script: `python examples/5_live.py`, after `3_prediction.py`.

A large model takes too long for a live view. It teaches a small one (distillation), which then
denoises frames as they come. At the microscope `n2v-stem live` does this with files.
"""

# %%
import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from n2v_stem_keras import (
    LiveReport,
    Movie,
    N2VStem,
    N2VStemConfig,
    distill,
    read_movie,
    write_movie,
)
from n2v_stem_keras.atoms import sign_of
from n2v_stem_keras.metrics import psnr
from n2v_stem_keras.plot import before_after

# %% tags=["parameters"]
OUT = Path("out")  # where the examples before wrote
TINY = False  # a matter of seconds, to test an installation

# %% tags=["active-py"]
parser = argparse.ArgumentParser(description="Live: the denoised frame before the next one comes.")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
parser.add_argument("--tiny", action="store_true", help="seconds, to test an installation")
args = parser.parse_args()
OUT, TINY = args.out, args.tiny

# %% [markdown]
"""
## A small model, taught by the large one

The student learns from the teacher's image of each noisy frame, and blind as well.
"""


# %%
def seconds_per_frame(model, movie, n_frames=8):
    """Time the network on a few frames, after a first one that sets everything up."""
    frames = np.stack([movie.frame(0, t) for t in range(min(n_frames, movie.n_frames))])
    for part in (frames[:1], frames):
        began = model.denoiser.seconds
        model.predict(part)
    return (model.denoiser.seconds - began) / len(frames)


movie = read_movie(OUT / "noisy.ome.tif")
teacher = N2VStem(None, "model", basedir=OUT)
config = N2VStemConfig.preset("live", channels=movie.detectors, train_epochs=10)
if TINY:
    small = {"train_epochs": 1, "train_steps_per_epoch": 3, "n2v_patch_shape": (64, 64)}
    config = config.replace(unet_n_first=4, **small)
student = distill(teacher, movie, config, "model-live", basedir=OUT, overwrite=True)
for model in (teacher, student):
    n, seconds = model.keras_model.count_params(), seconds_per_frame(model, movie)
    print(f"{model.name}: {n:,} weights, {1e3 * seconds:.0f} ms a frame")
# student.export(format="onnx") and engine="auto" run it through OpenVINO or ONNX Runtime,
# where one of these extras is installed.

# %% [markdown]
"""
## Frames as they come

One thread reads, one denoises, this one uses what is ready. Who comes too late is dropped: a live
view shows the present. To lose nothing (files) take `when_behind="wait"`.
"""

# %%
FRAMES_PER_SECOND = 50 if TINY else 5


def microscope(movie, frames_per_second):
    """Give frames as a microscope does: at their time, whether anybody is ready or not."""
    began = time.monotonic()
    for t, frame in enumerate(movie.series()[0]):
        time.sleep(max(0.0, began + t / frames_per_second - time.monotonic()))
        yield frame


report, frames = LiveReport(), []
source = microscope(movie, FRAMES_PER_SECOND)
for frame in student.stream(source, when_behind="drop", report=report):
    frames.append(frame)  # show it, find atoms in it, steer the microscope
print(f"\n{FRAMES_PER_SECOND} frames a second came: {report}")
print(f"dropped: {report.dropped or 'none'}")

# Statistics are those of the stream so far, so the first frames are the least certain.
live = np.stack(frames)
about = {"detectors": movie.detectors, "pixel_size_nm": movie.pixel_size_nm}
write_movie(OUT / "live.ome.tif", Movie.from_array(live, "TYXC", **about), overwrite=True)

# %% [markdown]
"""
## Is it good enough, and in time?

What does the small model lack? And is the latency steady, or does it grow? Then frames come too
fast: a smaller network, an engine, or `n_parallel=2`.
"""


# %%
def draw_latency(path, report, frame_time_s):
    """Draw how long each frame took from the source to the user."""
    figure = Figure(figsize=(5.5, 3), layout="constrained")
    ax = figure.subplots()
    ax.plot(1e3 * np.array(report.latency_s), "o-", ms=3, color="#0072b2", label="latency")
    ax.axhline(1e3 * frame_time_s, color="#d55e00", ls="--", label="time between frames")
    ax.set(xlabel="frame used", ylabel="latency [ms]", ylim=(0, None))
    ax.legend(fontsize=8)
    figure.savefig(path, dpi=150)


draw_latency(OUT / "5_latency.png", report, 1 / FRAMES_PER_SECOND)
t = [t for t in range(movie.n_frames) if t not in report.dropped][-1]
large = read_movie(OUT / "denoised.ome.tif").frame(0, t)
images = {"noisy": movie.frame(0, t), "large": large, "live": live[-1]}
if (OUT / "clean.ome.tif").exists():
    images["truth"] = read_movie(OUT / "clean.ome.tif").frame(0, t)
    for label in ("large", "live"):
        found = np.ravel(psnr(images["truth"], images[label]))
        print(f"{label}: PSNR {', '.join(f'{v:.1f}' for v in found)} dB (frame {t})")
rows = [
    {
        "name": name,
        "panels": [(label, image[..., c]) for label, image in images.items()],
        "sqrt": sign_of(name) > 0,
    }
    for c, name in enumerate(movie.detectors)
]
before_after(OUT / "5_live.png", rows, movie.pixel_size_nm, title=f"frame {t}")
print(f"Wrote {OUT}/model-live, live.ome.tif, 5_live.png and 5_latency.png.")
print("Look at 5_live.png: what does the small model lack? And is the latency steady, or does")
print("it grow? Then frames come too fast: a smaller network, an engine, or n_parallel=2.")

# %% tags=["active-ipynb"]
# from IPython.display import Image, display
#
# display(Image(OUT / "5_live.png"), Image(OUT / "5_latency.png"))
