"""The live network with what the frames before know: frames a second, latency, memory.

Part of `live`. A drifting movie of 512x512 px and two detectors, there and back again, is
given to `stream` as fast as it takes them (two frames side by side, a thread each), to the live
preset with and without `unet_context`. Speed does not depend on what a network has learnt: these
are not trained.
"""

import numpy as np
import trials

from live import process, speed
from live.stream import resident_mib

FRAMES, LEVEL = 24, (10, 10)  # of the movie
SECONDS, REPEATS = 20.0, 3
WAYS = {
    "single": (False, "none"),
    "frames before": (True, "past"),
    "no frame before": (True, "none"),
}


def movie(tiny):
    """Make noisy frames of a drifting specimen, there and back again, in whole numbers."""
    from n2v_stem_keras.noise import add_white_noise
    from n2v_stem_keras.simulate import reference_movie

    side = 64 if tiny else 512
    clean = reference_movie(0, (side, side), FRAMES, hops=True).clean
    noisy = add_white_noise(clean, LEVEL, seed=0)
    noisy = np.round((noisy - noisy.min()) / np.ptp(noisy) * 4095).astype(np.uint16)
    return [*noisy, *noisy[-2:0:-1]]


def trial(args, name, engine, repeat):
    """Stream for some seconds."""
    from n2v_stem_keras import LiveReport, N2VStem, N2VStemConfig

    sees, context = WAYS[name]
    config = N2VStemConfig.preset("live", channels=trials.DETECTORS, unet_context=sees)
    model = N2VStem(config, basedir=None)
    model.trained = True
    frames, seconds = movie(args.tiny), 0.5 if args.tiny else SECONDS
    options = {"engine": engine, "threads": 1, "n_parallel": 2, "context": context}
    for _ in model.stream(iter(frames[:8]), **options):
        pass  # warms up
    report, memory = LiveReport(), []

    def given():
        """Frames until the time is over."""
        number = 0
        while report.seconds < seconds:
            yield frames[number % len(frames)]
            number += 1

    for _ in model.stream(given(), report=report, **options):
        if report.n_frames % 20 == 0:
            memory.append(round(resident_mib(), 1))
    return {
        "fps": report.frames_per_second,
        "n_frames": report.n_frames,
        "latency_ms": {str(p): 1e3 * report.latency(p) for p in (50, 99)},
        "memory_MiB": memory,
    }


def plan(args):
    """Return key -> trial; those that are compared follow each other."""
    engines = speed.ENGINES[:1] if args.tiny else speed.ENGINES
    return {
        f"around | {name} | {engine} | {repeat}": (
            lambda name=name, engine=engine, repeat=repeat: process.call(
                trial, args, 1, name, engine, repeat
            )
        )
        for engine in engines
        for repeat in range(1 if args.tiny else REPEATS)
        for name in WAYS
    }


def report(rows):
    """Markdown: one line an engine and way."""
    lines = [
        "## The live preset with the frames before, streamed as fast as it goes",
        "",
        "| engine | sees | frames a second, median (least to most) | a frame takes [ms] | latency, "
        "median / 99 % [ms] | memory, after 40 frames / at the end [MiB] |",
        "|---" * 6 + "|",
    ]
    found = {}
    for key, row in rows.items():
        if key.startswith("around | "):
            _, name, engine, _ = key.split(" | ")
            found.setdefault((engine, name), []).append(row)
    for (engine, name), each in found.items():
        fps = [row["fps"] for row in each]
        latency = " / ".join(
            f"{np.median([row['latency_ms'][p] for row in each]):.0f}" for p in ("50", "99")
        )
        memory = [row["memory_MiB"] for row in each if row["memory_MiB"]]
        level = " / ".join(f"{np.median([m[i] for m in memory]):.0f}" for i in (1, -1))
        lines.append(
            f"| {engine} | {name} | {speed.with_spread(fps)} | {1e3 / np.median(fps):.1f} | "
            f"{latency} | {level} |"
        )
    return "\n".join(lines)
