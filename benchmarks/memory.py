"""Memory of training on a 17 GB movie: it must stay below 2 GB beyond the network.

    python benchmarks/memory.py

Two movies of 8192 frames of 512x512 px and two detectors, float32, 17.2 GB: a lazy sequence that
makes seeded noisy frames on demand, and a TIFF written sparsely, every 50th frame holding noise and
the others blank. Each trains in a process of its own; its peak memory is compared with that of the
same training on eight frames. Writes benchmarks/results/memory.json.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child")
    parser.add_argument("--path", default="")
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.path)
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
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return None


if __name__ == "__main__":
    main()
