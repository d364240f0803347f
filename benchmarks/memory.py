"""Memory of training on a 17 GB movie, and of one large frame.

    python benchmarks/memory.py
    python benchmarks/memory.py --frame

Training must stay below 2 GB beyond the network:
Two movies of 8192 frames of 512x512 px and two detectors, float32, 17.2 GB: a lazy sequence that
makes seeded noisy frames on demand, and a TIFF written sparsely, every 50th frame holding noise and
the others blank. Each trains in a process of its own; its peak memory is compared with that of the
same training on eight frames.

--frame: one frame of 4096x4096 px and two detectors goes through the ready-made model graphene-au
on TensorFlow, without tiles being asked for, in Python and by `n2v-stem denoise`; the whole process
must stay below 2.5 GB. Both write benchmarks/results/memory.json.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "memory.json"
N_FRAMES, SIDE = 8192, 512
CHANGES = {"train_epochs": 2, "train_steps_per_epoch": 10}


class NoisyFrames:
    """A lazy movie: frame t is made of its number when it is asked for."""

    def __init__(self, n_frames):
        import numpy as np

        self.shape, self.dtype = (n_frames, SIDE, SIDE, 2), np.dtype("float32")
        y, x = np.mgrid[:SIDE, :SIDE]
        lattice = np.cos(y / 1.5) * np.cos(x / 1.7)
        self.clean = np.stack([lattice, -lattice], axis=-1).astype(np.float32)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, t):
        import numpy as np

        noise = np.random.default_rng(t).standard_normal(self.clean.shape, np.float32)
        return self.clean + noise


def write_sparse(path, n_frames, every=50):
    """Write a TIFF of full size of which only every 50th frame takes space on the disk."""
    import numpy as np
    import tifffile

    frames = NoisyFrames(n_frames)
    shape = (n_frames, 2, SIDE, SIDE)
    tifffile.imwrite(
        path, shape=shape, dtype="float32", bigtiff=True, metadata={"axes": "TCYX"}
    )  # without data: a hole of full size
    with tifffile.TiffFile(path) as tif:
        offset = tif.series[0].dataoffset
    with open(path, "r+b") as file:
        for t in range(0, n_frames, every):
            file.seek(offset + t * 2 * SIDE * SIDE * 4)
            file.write(np.ascontiguousarray(frames[t].transpose(2, 0, 1)).tobytes())


def child(kind, path):
    """Train in this process and print its peak memory [MiB]."""
    import warnings

    from n2v_stem_keras import N2VStem, N2VStemConfig

    warnings.simplefilter("ignore")
    config = N2VStemConfig.preset("laptop", **CHANGES)
    if kind == "sparse file":
        config = config.replace(train_frame_step=50)
    movie = path or NoisyFrames(8 if kind == "eight frames" else N_FRAMES)
    model = N2VStem(config, basedir=None)
    history = model.train(movie, detectors=("ADF", "BF"), verbose=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_MiB": peak, "loss": history.history["loss"]}))


def measure(kind, path=""):
    out = subprocess.run(
        [sys.executable, __file__, "--child", kind, "--path", path],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    if out.returncode:
        sys.exit(out.stderr)
    return json.loads(out.stdout.splitlines()[-1])


LARGE, TILE = 4096, 1024
LARGE_LIMIT_GB = 2.5


def write_large_frame(folder):
    """Write a noisy frame of a crystal with adatoms as large.npy and large.ome.tif."""
    import numpy as np

    from n2v_stem_keras.io import Movie, write_movie
    from n2v_stem_keras.simulate import reference_movie

    clean = reference_movie(3, shape=(TILE, TILE), n_frames=1).clean[0]
    clean = np.concatenate([clean, clean[::-1]])
    clean = np.concatenate([clean, clean[:, ::-1]], axis=1)
    clean = np.tile(clean, (LARGE // (2 * TILE), LARGE // (2 * TILE), 1))
    sigma = np.ptp(clean, axis=(0, 1)) / 10**0.5  # 10 dB
    noise = np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    frame = (clean + sigma * noise).astype(np.float32)[None]
    np.save(os.path.join(folder, "large.npy"), frame)
    known = {"detectors": ("ADF", "BF"), "pixel_size_nm": 0.046}
    write_movie(os.path.join(folder, "large.ome.tif"), Movie.from_array(frame, "TYXC", **known))


def large_child(kind, folder):
    """Denoise the large frame in this process and print its peak memory [GB]."""
    import warnings

    warnings.simplefilter("ignore")
    if kind == "predict":
        import numpy as np

        from n2v_stem_keras import N2VStem

        frame = np.load(os.path.join(folder, "large.npy"))
        model = N2VStem.from_pretrained("graphene-au")
        known = {"detectors": ("ADF", "BF"), "pixel_size_nm": 0.046}
        model.predict(frame, **known, engine="tensorflow", verbose=False)
    else:
        from n2v_stem_keras.cli import main as n2v_stem

        words = [os.path.join(folder, "large.ome.tif"), "--model", "graphene-au"]
        words += ["--engine", "tensorflow", "--out", folder, "--quiet"]
        code = n2v_stem(["denoise", *words])
        if code:
            sys.exit(code)
    print(json.dumps({"peak_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}))


def measure_large_frame(result):
    """Add what one large frame takes."""
    with tempfile.TemporaryDirectory() as folder:
        measure("write", folder)
        for kind in ("predict", "denoise"):
            peak = measure(kind, folder)["peak_GB"]
            result[f"frame of {LARGE}x{LARGE} px, {kind}: whole process [GB]"] = round(peak, 2)
            print(f"{kind}: {peak:.2f} GB, limit {LARGE_LIMIT_GB:g} GB", flush=True)


def write(result):
    """Write the results, of which those that are not measured now stay."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(known | result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child")
    parser.add_argument("--path", default="")
    parser.add_argument("--frame", action="store_true", help="one large frame instead")
    args = parser.parse_args()
    if args.child == "write":
        write_large_frame(args.path)
        return print("{}")
    if args.child in ("predict", "denoise"):
        return large_child(args.child, args.path)
    if args.child:
        return child(args.child, args.path)
    if args.frame:
        result = {}
        measure_large_frame(result)
        return write(result)
    result = {"movie_GB": N_FRAMES * SIDE * SIDE * 2 * 4 / 1e9}
    base = measure("eight frames")
    result["network_and_program_MiB"] = round(base["peak_MiB"])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sparse.tif")
        write_sparse(path, N_FRAMES)
        result["sparse_file_on_disk_GB"] = os.stat(path).st_blocks * 512 / 1e9
        for kind, where in (("lazy sequence", ""), ("sparse file", path)):
            peak = measure(kind, where)["peak_MiB"]
            result[f"{kind}: beyond the network [MiB]"] = round(peak - base["peak_MiB"])
            print(f"{kind}: peak {peak:.0f} MiB, {peak - base['peak_MiB']:+.0f} MiB", flush=True)
    return write(result)


if __name__ == "__main__":
    main()
