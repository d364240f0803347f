"""5. Live: the denoised frame before the next one comes.

    python examples/5_live.py      # after 3_prediction.py

A large model takes too long for a live view. It teaches a small one (distillation), which then
denoises frames as they come. At the microscope `n2v-stem live` does this with files.
"""

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

FRAMES_PER_SECOND = 5


def microscope(movie, frames_per_second):
    """Give frames as a microscope does: at their time, whether anybody is ready or not."""
    began = time.monotonic()
    for t, frame in enumerate(movie.series()[0]):
        time.sleep(max(0.0, began + t / frames_per_second - time.monotonic()))
        yield frame


def seconds_per_frame(model, movie, n_frames=8):
    """Time the network on a few frames, after a first one that sets everything up."""
    frames = np.stack([movie.frame(0, t) for t in range(min(n_frames, movie.n_frames))])
    for part in (frames[:1], frames):
        began = model.denoiser.seconds
        model.predict(part)
    return (model.denoiser.seconds - began) / len(frames)


def draw_latency(path, report, frame_time_s):
    """Draw how long each frame took from the source to the user."""
    figure = Figure(figsize=(5.5, 3), layout="constrained")
    ax = figure.subplots()
    ax.plot(1e3 * np.array(report.latency_s), "o-", ms=3, color="#0072b2", label="latency")
    ax.axhline(1e3 * frame_time_s, color="#d55e00", ls="--", label="time between frames")
    ax.set(xlabel="frame used", ylabel="latency [ms]", ylim=(0, None))
    ax.legend(fontsize=8)
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    parser.add_argument("--tiny", action="store_true", help="seconds, to test an installation")
    args = parser.parse_args(argv)
    out, movie = args.out, read_movie(args.out / "noisy.ome.tif")
    teacher = N2VStem(None, "model", basedir=out)

    # The student learns from the teacher's image of each noisy frame, and blind as well.
    config = N2VStemConfig.preset("live", channels=movie.detectors, train_epochs=10)
    if args.tiny:
        tiny = {"train_epochs": 1, "train_steps_per_epoch": 3, "n2v_patch_shape": (64, 64)}
        config = config.replace(unet_n_first=4, **tiny)
    student = distill(teacher, movie, config, "model-live", basedir=out, overwrite=True)
    for model in (teacher, student):
        n, seconds = model.keras_model.count_params(), seconds_per_frame(model, movie)
        print(f"{model.name}: {n:,} weights, {1e3 * seconds:.0f} ms a frame")
    # student.export(format="onnx") and engine="auto" run it through OpenVINO or ONNX Runtime,
    # where one of these extras is installed.

    # One thread reads, one denoises, this one uses what is ready. Who comes too late is dropped:
    # a live view shows the present. To lose nothing (files) take when_behind="wait".
    report, frames = LiveReport(), []
    rate = 50 if args.tiny else FRAMES_PER_SECOND
    source = microscope(movie, rate)
    for frame in student.stream(source, when_behind="drop", report=report):
        frames.append(frame)  # show it, find atoms in it, steer the microscope
    print(f"\n{rate} frames a second came: {report}")
    print(f"dropped: {report.dropped or 'none'}")

    # Statistics are those of the stream so far, so the first frames are the least certain.
    live = np.stack(frames)
    known = {"detectors": movie.detectors, "pixel_size_nm": movie.pixel_size_nm}
    write_movie(out / "live.ome.tif", Movie.from_array(live, "TYXC", **known), overwrite=True)
    draw_latency(out / "5_latency.png", report, 1 / rate)
    t = [t for t in range(movie.n_frames) if t not in report.dropped][-1]
    large = read_movie(out / "denoised.ome.tif").frame(0, t)
    images = {"noisy": movie.frame(0, t), "large": large, "live": live[-1]}
    if (out / "clean.ome.tif").exists():
        images["truth"] = read_movie(out / "clean.ome.tif").frame(0, t)
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
    before_after(out / "5_live.png", rows, movie.pixel_size_nm, title=f"frame {t}")
    print(f"Wrote {student.logdir}, live.ome.tif, 5_live.png and 5_latency.png.")
    print("Look at 5_live.png: what does the small model lack? And is the latency steady, or does")
    print("it grow? Then frames come too fast: a smaller network, an engine, or n_parallel=2.")


if __name__ == "__main__":
    main()
