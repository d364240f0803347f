"""A minute of frames from a source that does not wait.

Part of `live`. The largest student that makes 60 frames a second is given 45 a second; where none
does, the fastest student is given 0.75 of what it makes. So is the student that is like the
ready-made graphene-au-live. Latency is from when the source gave a frame until its denoised one was
in the caller's hands.
"""

import resource
import threading
import time

import numpy as np
import trials

from live import quality, speed

FPS, SECONDS = 45.0, 60.0
ENOUGH = 60.0  # frames a second that a network must make to be given 45
REPEATS = 6
SHARE = 0.75  # of the frames a second that it makes, for another
READY_MADE = "s4-f16-d1, independent"


def paced(frames, fps, seconds):
    """Yield frames at a steady pace, whether or not anyone is ready for them."""
    began = time.monotonic()
    for number in range(int(fps * seconds)):
        wait = began + number / fps - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield frames[number % len(frames)]


def resident_mib():
    """Memory that this process holds now [MiB]."""
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def trial(args, name, fps, seconds):
    """Stream, and watch the memory."""
    from n2v_stem_keras import LiveReport

    model = quality.student(args, name)
    frame = speed.noisy_frame(args.tiny)
    rng = np.random.default_rng(0)
    frames = [np.roll(frame, rng.integers(0, 64, 2), (0, 1)) for _ in range(8)]
    options = {"engine": "openvino", "threads": 1, "n_parallel": 2, "when_behind": "drop"}
    for _ in model.stream(iter(frames), **options):
        pass  # warms up
    report, memory = LiveReport(), []
    stop = threading.Event()

    def watch():
        while not stop.wait(seconds / 12):
            memory.append(round(resident_mib(), 1))

    watcher = threading.Thread(target=watch)
    watcher.start()
    used = 0
    for denoised in model.stream(paced(frames, fps, seconds), report=report, **options):
        used += int(np.isfinite(denoised[::64, ::64]).all())
    stop.set()
    watcher.join()
    return {
        "student": name,
        "fps_given": fps,
        "seconds": report.seconds,
        "n_frames": report.n_frames,
        "used": used,
        "dropped": len(report.dropped),
        "latency_ms": {str(p): 1e3 * report.latency(p) for p in (50, 90, 99, 100)},
        "memory_MiB": memory,
    }


def chosen(args):
    """Student and pace, from what `speed` measured."""
    rows = trials.Journal(args.out / "live.jsonl").rows()
    found = {n: speed.best(rows, n) for n in quality.STUDENTS}
    found = {n: top[0] for n, top in found.items() if top}
    if not found:
        raise SystemExit("run the part speed first")
    fast = [n for n, fps in found.items() if fps >= ENOUGH]
    if fast:
        return min(fast, key=found.get), FPS
    fastest = max(found, key=found.get)
    return fastest, SHARE * found[fastest]


def pace_of_ready_made(args):
    """Student and pace."""
    rows = trials.Journal(args.out / "live.jsonl").rows()
    return READY_MADE, min(FPS, SHARE * speed.best(rows, READY_MADE)[0])


def plan(args):
    """Return key -> trial."""
    if args.tiny:
        return {"stream | 0": lambda: trial(args, next(iter(quality.STUDENTS)), 10.0, 2.0)}
    found = {f"stream | {n}": lambda: trial(args, *chosen(args), SECONDS) for n in range(REPEATS)}
    found["stream | ready-made"] = lambda: trial(args, *pace_of_ready_made(args), SECONDS)
    return found


def report(rows):
    """Markdown: dropped frames, latency, memory."""
    lines = [
        "## A minute of frames from a source that does not wait",
        "",
        "| repeat | student | frames a second given | frames used | dropped | latency, median / "
        "90 % / 99 % / longest [ms] | memory, least to most [MiB] |",
        "|---" * 7 + "|",
    ]
    streams = {key.split(" | ")[1]: row for key, row in rows.items() if key.startswith("stream | ")}
    for name in sorted(streams):  # numbers first
        row, number = streams[name], int(name) + 1 if name.isdigit() else name
        latency = " / ".join(f"{row['latency_ms'][p]:.0f}" for p in ("50", "90", "99", "100"))
        memory = row["memory_MiB"]
        lines.append(
            f"| {number} | {row['student']} | {row['fps_given']:.1f} | {row['used']} | "
            f"{row['dropped']} | {latency} | {min(memory):.0f} to {max(memory):.0f} |"
        )
    return "\n".join(lines)
