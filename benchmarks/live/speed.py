"""Frames a second of filters and networks, on every engine.

Part of `live`. Each contestant takes a frame of 512x512 px and two detectors and gives it back
denoised, in its own units. Two ways: one frame after another, both threads on each; and two frames
side by side, a thread on each, which is what `stream(n_parallel=2, threads=1)` does. Three repeats.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import trials

from live import process, quality

REPEATS, SECONDS = 3, 2.0  # of a repeat, at least
MOST = 200  # frames of a repeat, at most
ENGINES = ("tensorflow", "onnx", "openvino")
WAYS = {"one after another": (1, 2), "two side by side": (2, 1)}  # frames at once, threads of each


def networks(args):
    """Name -> function that opens a model."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    def untrained(config):
        model = N2VStem(config, basedir=None)
        model.trained = True
        return model

    tiny = {"unet_n_first": 4} if args.tiny else {}
    found = {
        "the paper's network": lambda: untrained(N2VStemConfig(channels=trials.DETECTORS, **tiny)),
        "laptop preset": lambda: untrained(
            N2VStemConfig.preset("laptop", channels=trials.DETECTORS, **trials.SINGLE)
        ),
        "teacher": quality.teacher,
    }
    for name in list(quality.STUDENTS)[: 1 if args.tiny else None]:
        found[name] = lambda name=name: quality.student(args, name)
    return found


def noisy_frame(tiny=False):
    """Make a frame (Y, X, C) at 10/10 dB, in whole numbers, as a microscope gives it."""
    _, noisy = quality.frames((10, 10), tiny)
    frame = noisy[0, 0]
    return np.round((frame - frame.min()) / np.ptp(frame) * 4095).astype(np.uint16)


def whole_way(model, engine, threads):
    """Return frame -> denoised frame, with statistics that are known as in a stream."""
    from n2v_stem_keras.prediction.stream import RunningStatistics

    denoiser, statistics = model.denoiser_on(engine, threads), RunningStatistics()

    def denoise(frame):
        statistics.add(frame)
        known = statistics.now
        return known.restore(denoiser(known.standardise(frame)[None])[0])

    return denoise


def frames_per_second(denoise, frame, n_parallel, seconds=SECONDS):
    """Measure: a frame first, which warms up, then for some seconds."""
    denoise(frame)
    began = time.perf_counter()
    denoise(frame)
    n = int(np.clip(seconds / (time.perf_counter() - began), 2 * n_parallel, MOST))
    found = []
    with ThreadPoolExecutor(n_parallel) as pool:
        for _ in range(REPEATS):
            began = time.perf_counter()
            for _ in pool.map(denoise, [frame] * n):
                pass
            found.append(n / (time.perf_counter() - began))
    return found


def trial(args, name, way, engine=None):
    """Measure one contestant; each runs in a process of its own."""
    n_parallel, threads = WAYS[way]
    frame = noisy_frame(args.tiny)
    seconds = 0.1 if args.tiny else SECONDS
    if engine is None:
        kind = quality.FILTERS[name]
        strength, sigma = [1.0, 1.0], frame.std(axis=(0, 1)) / 3

        def denoise(frame):
            return quality.filter_frame(kind, frame.astype(np.float32), strength, sigma)
    else:
        denoise = whole_way(networks(args)[name](), engine, threads)
    return {"fps": frames_per_second(denoise, frame, n_parallel, seconds)}


def plan(args):
    """Return key -> trial."""
    wanted = [(name, None) for name in quality.FILTERS]
    names = networks(args)
    students = list(quality.STUDENTS)[1:]  # the first shows which engine is the best
    wanted += [
        (name, engine)
        for name in names
        for engine in (ENGINES[-1:] if name in students else ENGINES)
    ]
    return {
        f"speed | {name} | {engine or 'CPU'} | {way}": (
            lambda name=name, way=way, engine=engine: process.call(
                trial, args, WAYS[way][1], name, way, engine
            )
        )
        for name, engine in wanted
        for way in WAYS
        if not (engine == "tensorflow" and way == "two side by side")  # shares its threads
    }


def best(rows, name):
    """Fastest engine and way of a contestant: median frames a second, engine, way."""
    found = [
        (float(np.median(row["fps"])), *key.split(" | ")[2:])
        for key, row in rows.items()
        if key.startswith(f"speed | {name} | ")
    ]
    return max(found) if found else None


def report(rows):
    """Markdown: the whole frontier."""
    found = {tuple(k.split(" | ")[1:]): row for k, row in rows.items() if k.startswith("speed | ")}
    levels = [f"{a}/{b} dB" for a, b in quality.LEVELS]
    lines = [
        "## Frames a second, 512x512 px, two detectors, two threads",
        "",
        f"| | engine | {' | '.join(WAYS)} | "
        + " | ".join(f"PSNR at {level} [dB]" for level in levels)
        + " |",
        "|---" * (2 + len(WAYS) + len(levels)) + "|",
    ]
    for name, engine in dict.fromkeys(key[:2] for key in found):
        cells = [name, engine]
        cells += [
            with_spread(found[name, engine, way]["fps"]) if (name, engine, way) in found else "-"
            for way in WAYS
        ]
        psnr = quality.psnr_of(rows, name)
        cells += [quality.pair(psnr[level]) if level in psnr else "-" for level in levels]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def short_report(rows):
    """Markdown: each contestant on its fastest engine."""
    levels = [f"{a}/{b} dB" for a, b in quality.LEVELS]
    columns = ["", "frames a second", "engine, frames at once", *(f"PSNR at {v}" for v in levels)]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for name in dict.fromkeys(key.split(" | ")[1] for key in rows if key.startswith("speed | ")):
        fps, engine, way = best(rows, name)
        psnr = quality.psnr_of(rows, name)
        cells = [name, f"{fps:.3g}", f"{engine}, {WAYS[way][0]}"]
        cells += [quality.pair(psnr[v], "{:.1f}") if v in psnr else "-" for v in levels]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def with_spread(values):
    """Write median, least and most."""
    return f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"
