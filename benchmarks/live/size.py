"""Cost against size: frames of 256 to 2048 px, streams of 10 to 1000 frames.

Part of `live`. Each point in a process of its own, whose peak memory is noted.
"""

import resource
import time

import numpy as np

from live import process, quality, stream

SIDES, COUNTS, COUNT_SIDE = (256, 512, 1024, 2048), (10, 100, 1000), 512
REPEATS = 3


def measure(args, model_name, side, n_frames):
    """Stream frames that are made on demand; processor and wall time, and peak memory."""
    model = quality.teacher() if model_name == "teacher" else quality.student(args, model_name)
    rng = np.random.default_rng(0)
    frame = rng.normal(100, 10, (side, side, 2)).astype(np.float32)

    def source(n):
        for number in range(n):
            yield np.roll(frame, number, 0)

    options = {"engine": "openvino", "threads": 1, "n_parallel": 2}
    for _ in model.stream(source(2), **options):
        pass
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in model.stream(source(n_frames), **options):
            pass
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {"seconds": seconds, "n_frames": n_frames, "side": side, "peak_MiB": peak}


def plan(args):
    """Return key -> trial."""
    if args.tiny:
        wanted = [(next(iter(quality.STUDENTS)), 64, 3)]
    else:
        student = stream.chosen(args)[0] if has_speed(args) else None
        wanted = [(student, side, max(8, 4 * (1024 // side) ** 2)) for side in SIDES]
        wanted += [(student, COUNT_SIDE, n) for n in COUNTS]
        wanted += [("teacher", side, 8) for side in SIDES]
    return {
        f"size | {name} | {side} px | {n} frames": (
            lambda name=name, side=side, n=n: process.call(measure, args, 1, name, side, n)
        )
        for name, side, n in wanted
    }


def has_speed(args):
    """Whether `speed` has measured the students."""
    path = args.out / "live.jsonl"
    return path.exists() and "speed | " in path.read_text(encoding="utf-8")


def report(rows):
    """Markdown: time per megapixel, and memory."""
    lines = [
        "## Cost against size",
        "",
        "| network | frame [px] | frames | ms a frame | ms a megapixel and frame | peak memory "
        "[MiB] |",
        "|---" * 6 + "|",
    ]
    for key, row in rows.items():
        if not key.startswith("size | "):
            continue
        ms = [1e3 * s / row["n_frames"] for s in row["seconds"]]
        area = row["side"] ** 2 / 2**20
        lines.append(
            f"| {key.split(' | ')[1]} | {row['side']} | {row['n_frames']} | {np.median(ms):.3g} "
            f"({min(ms):.3g} to {max(ms):.3g}) | {np.median(ms) / area:.3g} | "
            f"{row['peak_MiB']:.0f} |"
        )
    return "\n".join(lines)
