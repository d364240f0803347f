"""Five hundred files that arrive slowly, grow, are renamed and replaced, while `live` watches.

    python benchmarks/live_files.py [--files 500]

A made-up microscope writes files of nine kinds into a folder, a part of each after the other: TIFFs
to which pages are appended, npy files and TIFFs for which room is made beforehand, SER and MRC
files that grow, zarr folders, files that are renamed when they are whole, and files that are
replaced or written over after they were taken. A third bears time stamps an hour ahead of the
clock, a third an hour behind. Between the parts of a file it pauses for longer than --settle.

The network hands on what it is given, so that each result must equal its file as it was in the
end: every frame, and no other. Files without such a result have to be named in what `live` prints.
Writes results/live_files.md.
"""

import argparse
import heapq
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

TABLE = Path(__file__).parent / "results" / "live_files.md"
SIDE, N_FRAMES = 64, 2
PART_S = 0.6  # between two parts of a file; three times --settle
AGAIN_S = 4.0  # after which a file is replaced or written over
RATE = 2.5  # files a second that begin
IDLE_S = 12.0  # --until-idle
SHIFTS_S = (0.0, 3600.0, -3600.0)  # of the microscope's clock


# -- the microscope -------------------------------------------------------------------------------
def tiff_pages(path, frames):
    """Append page after page."""
    import tifffile

    for frame in frames:
        tifffile.imwrite(path, frame, append=path.exists(), metadata=None)
        yield


def filled(path, file, frames):
    """Fill a file in which there is room."""
    for t, frame in enumerate(frames):
        yield
        file[t] = frame
        file.flush()
        os.utime(path)
    yield


def npy_room(path, frames):
    """Make room, then fill it."""
    yield from filled(
        path, np.lib.format.open_memmap(path, "w+", frames.dtype, frames.shape), frames
    )


def tiff_room(path, frames):
    """Make room for all pages, then fill it."""
    import tifffile

    tifffile.imwrite(path, shape=frames.shape, dtype=frames.dtype, metadata={"axes": "TYX"})
    yield from filled(path, tifffile.memmap(path), frames)


def ser_grows(path, frames):
    """Write the header, which counts the valid frames, anew with each frame."""
    import instrument_files

    whole = instrument_files.write_ser(path.with_suffix(".whole"), frames).read_bytes()
    path.with_suffix(".whole").unlink()
    size = 50 + frames[0].nbytes + 8
    for t in range(len(frames) + 1):
        data = whole[: len(whole) - size * (len(frames) - t)]
        path.write_bytes(data[:18] + struct.pack("<I", t) + data[22:])
        yield


def mrc_grows(path, frames):
    """Write a header that says how many frames there will be, and half frames after it."""
    import instrument_files

    instrument_files.write_mrc(path.with_suffix(".whole"), frames)
    whole = path.with_suffix(".whole").read_bytes()
    path.with_suffix(".whole").unlink()
    half = frames[0].nbytes // 2
    for end in range(len(whole) - half * (2 * len(frames) - 1), len(whole) + 1, half):
        path.write_bytes(whole[:end])
        yield


def zarr_folder(path, frames):
    """Make the array, then write a chunk a frame: the folder's own time stays as it is."""
    import zarr

    array = zarr.open(
        str(path), mode="w", shape=frames.shape, chunks=(1, SIDE, SIDE), dtype=frames.dtype
    )
    for t, frame in enumerate(frames):
        yield
        array[t] = frame
    yield


def renamed(path, frames):
    """Write under another name."""
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb") as file:
        np.save(file, frames[:1])
        yield
        file.seek(0)
        np.save(file, frames)
    os.replace(part, path)
    yield


def replaced(path, frames):
    """Rename another file to the name of one that was taken."""
    np.save(path, frames[::-1] + 100)
    yield AGAIN_S
    new = path.with_name(f"{path.stem}.new")
    with open(new, "wb") as file:
        np.save(file, frames)
    os.replace(new, path)
    yield


def written_over(path, frames):
    """Write other frames over those that were taken; the size stays."""
    np.save(path, frames[::-1] + 100)
    yield AGAIN_S
    np.save(path, frames)
    yield


KINDS = {
    "TIFF, pages appended": (tiff_pages, ".tif"),
    "npy, room made beforehand": (npy_room, ".npy"),
    "TIFF, room made beforehand": (tiff_room, ".tif"),
    "SER, growing": (ser_grows, ".ser"),
    "MRC, growing": (mrc_grows, ".mrc"),
    "zarr, a chunk a frame": (zarr_folder, ".zarr"),
    "npy, renamed when whole": (renamed, ".npy"),
    "npy, replaced after it was taken": (replaced, ".npy"),
    "npy, written over after it was taken": (written_over, ".npy"),
}


def frames_of(number: int) -> np.ndarray:
    """Return the frames of a file, (T, Y, X), which no other file has."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = 1000 + 200 * np.cos(x / rng.uniform(2, 5)) * np.cos(y / rng.uniform(2, 5))
    return (image + rng.normal(0, 30, (N_FRAMES, SIDE, SIDE))).astype("<u2")


def run_microscope(folder: Path, n_files: int, rng) -> dict[str, tuple[str, np.ndarray]]:
    """Write all files; return the kind and the frames of each."""
    made, due = {}, []
    for number in range(n_files):
        kind = list(KINDS)[number % len(KINDS)]
        write, suffix = KINDS[kind]
        path, frames = folder / f"scan_{number:03d}{suffix}", frames_of(number)
        made[path.stem] = kind, frames
        shift = SHIFTS_S[number // len(KINDS) % 3]
        heapq.heappush(due, (number / RATE, number, path, shift, write(path, frames)))
    began = time.monotonic()
    while due:
        when, number, path, shift, parts = heapq.heappop(due)
        time.sleep(max(0.0, began + when - time.monotonic()))
        try:
            pause = next(parts) or PART_S
        except StopIteration:
            continue
        for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
            if file.exists():
                now = time.time() + shift
                os.utime(file, (now, now))
        pause *= rng.uniform(1.0, 1.5)
        heapq.heappush(due, (time.monotonic() - began + pause, number, path, shift, parts))
    return made


# -- the network ----------------------------------------------------------------------------------
def make_model(folder: Path) -> Path:
    """Make a network that hands on what it is given.

    Each convolution sees x and -x behind a LeakyReLU, of which the difference is x again.
    """
    from n2v_stem_keras import N2VStem, N2VStemConfig
    from n2v_stem_keras.folder import folder as model_folder
    from n2v_stem_keras.network.unet import LEAKY_SLOPE

    config = N2VStemConfig(
        channels=("ADF",), unet_n_depth=1, unet_n_first=2, unet_kern_size=3, unet_kern_size_first=3,
        n2v_patch_shape=(32, 32), n2v_pitch=8, n2v_jitter=0,
    )  # fmt: skip
    model = N2VStem(config, "same", folder)
    network = model.keras_model
    for layer in network.layers:
        weights = layer.get_weights()
        if not weights:
            continue
        kernel, *rest = (0 * w for w in weights)
        middle = kernel.shape[0] // 2
        last = kernel.shape[2] - 2  # what skips comes last
        behind = layer.name != "enc0_conv0"
        outputs = (1,) if kernel.shape[-1] == 1 else (1, -1)
        if not layer.name.startswith("mid"):
            for n, sign in enumerate(outputs):
                if behind:
                    kernel[middle, middle, last:, n] = np.array((sign, -sign)) / (1 + LEAKY_SLOPE)
                else:
                    kernel[middle, middle, 0, n] = sign
        layer.set_weights([kernel, *rest])
    model_folder.save_weights(network, folder / "same" / model_folder.WEIGHTS_BEST)
    return folder / "same"


# -- what came of it ------------------------------------------------------------------------------
def judge(made, out: Path, said: str) -> dict[str, Counter]:
    """Return how often what came of the files of each kind."""
    from n2v_stem_keras import read_movie

    found = {kind: Counter() for kind in KINDS}
    for stem, (kind, frames) in made.items():
        file = out / f"{stem}_denoised.ome.tif"
        named = re.search(rf"\b{stem}\b", said) is not None
        if not file.exists():
            found[kind]["named" if named else "LOST"] += 1
            continue
        result = np.squeeze(read_movie(file).to_array())
        same = result.shape == frames.shape and np.allclose(result, frames, atol=0.5)
        found[kind]["from the final content" if same else "named" if named else "WRONG"] += 1
        if not same:
            print(f"{stem} ({kind}): {result.shape}, expected {frames.shape}", flush=True)
    return found


def write_table(found, n_files: int, taken: int, seconds: float) -> None:
    """Write results/live_files.md."""
    outcomes = ("from the final content", "named", "LOST", "WRONG")
    lines = [
        "# Files that arrive slowly",
        "",
        f"Made by `benchmarks/live_files.py`: {n_files} files of {N_FRAMES} frames of "
        f"{SIDE}x{SIDE} px arrive in a folder that `n2v-stem live` watches. They are written "
        f"part by part, with pauses of {PART_S:g} s and more (`--settle` is 0.2 s). A third bears "
        "time stamps an hour ahead, a third an hour behind. The network hands on what it is "
        "given, so each result tells which content it was made of.",
        "",
        "| kind | files | denoised from the final content | named | lost | from other content |",
        "|---|---|---|---|---|---|",
    ]
    for kind, counts in found.items():
        row = " | ".join(str(counts[outcome]) for outcome in outcomes)
        lines.append(f"| {kind} | {counts.total()} | {row} |")
    total = sum(found.values(), Counter())
    row = " | ".join(str(total[outcome]) for outcome in outcomes)
    lines += [
        f"| all | {total.total()} | {row} |",
        "",
        f"`live` denoised {taken} times in {seconds:.0f} s: what had changed after it was taken it "
        "took again.",
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))


def main() -> int:
    """Run the microscope beside `live`, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="live-files-") as folder:
        place = Path(folder)
        (place / "scans").mkdir()
        model = make_model(place / "models")
        words = ["live", "--watch", place / "scans", "--out", place / "out", "--model", model]
        words += ["--engine", "tensorflow", "--until-idle", IDLE_S, "--axes", "TYX"]
        words += ["--detectors", "ADF", "--pixel-size", "0.05nm"]
        command = [sys.executable, "-m", "n2v_stem_keras", *map(str, words)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
        began = time.monotonic()
        with open(place / "said", "w") as log:
            options = {"stdout": log, "stderr": subprocess.STDOUT, "env": environment}
            live = subprocess.Popen(command, **options)
            try:
                while live.poll() is None and "Watching" not in (place / "said").read_text():
                    time.sleep(0.1)
                made = run_microscope(place / "scans", args.files, np.random.default_rng(0))
                code = live.wait(900)
            finally:
                live.kill()
        said = (place / "said").read_text()
        print(f"exit code {code}\n{said[-2000:]}")
        taken = int(re.search(r"(\d+) files, \d+ left out", said)[1])
        found = judge(made, place / "out", said)
    write_table(found, args.files, taken, time.monotonic() - began)
    bad = sum(counts["LOST"] + counts["WRONG"] for counts in found.values())
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
