"""Files of microscopes: from each file of the development data to a denoised file and back.

    N2V_STEM_DATA=... python benchmarks/files.py [table] [commands] [lazy] [big]

table:     each file x opens, axes, pixel size, detectors, voltage, denoised by a tiny network,
           written as OME-TIFF, ImageJ TIFF and hspy, and read back equal; or the reason why not.
commands:  a scan with one SER file per detector, and an EMD stack as Velox writes it, both of the
           package's simulated gold on graphene, taken from raw file to denoised OME-TIFF to table
           of atoms by three commands with the ready-made model, as a user types them.
lazy:      peak memory of reading every frame of files of 4 GB, beyond that of reading ten frames.
big:       a 10 GB movie (TIFF, a sparse file) denoised by a tiny network: peak memory; killed half
           way with SIGKILL and gone on with; compared with the movie's own beginning.

Without arguments, all. Writes benchmarks/results/files.md, replacing the parts that were run.
"""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
RESULTS = HERE / "results" / "files.md"
REAL = {
    # file: what it does not say
    "real/PtNC-HPAI/haadf.tif": {"axes": "SYX", "pixel_size_nm": 0.0293},
    "real/MoS2-SciLink/MoS2_stem_Exp-000-2.npy": {"pixel_size_nm": 0.0176},
    "real/MoS2-SciLink/MoS2_stem_Exp-001-5.npy": {"pixel_size_nm": 0.0137},
    "real/MoS2-SciLink/MoS2_stem_Exp-002-5.npy": {"pixel_size_nm": 0.0176},
    "real/SrTiO3-scanline/SrTiO3_Tecnai.npy": {"pixel_size_nm": 0.0135},
}
PAIR = "16x16x5_STEM_BF_DF_preview"
TINY = {
    "unet_n_depth": 1, "unet_n_first": 2, "unet_kern_size_first": 3, "unet_lattice": "none",
    "train_epochs": 1, "train_steps_per_epoch": 1,
}  # fmt: skip
LAZY_FRAMES, LAZY_SIDE = 2000, 1024  # of uint16: 4.2 GB
N_FRAMES, SIDE = 5000, 512  # of two detectors in float32: 10.5 GB


def sources(data):
    """Yield the name of each file, its source for `read_movie`, and what is said of it."""
    for path in sorted((data / "formats").iterdir()):
        yield f"formats/{path.name}", path, {}
    members = {name: data / "formats" / f"{PAIR}_{i}.ser" for name, i in (("BF", 1), ("DF", 2))}
    yield f"BF={PAIR}_1.ser DF={PAIR}_2.ser", members, {}
    for name, said in REAL.items():
        yield name, data / name, said


def tiny_model(channels):
    """Return a tiny network for these detectors; that it is not trained does not matter here."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    return N2VStem(N2VStemConfig.preset("laptop", channels=channels, **TINY), "tiny", basedir=None)


def table(data):
    """Return the table of all files."""
    from n2v_stem_keras.io import MovieError, read_movie

    lines = [
        "| file | axes | shape | type | nm/px | detectors | s/frame | kV | denoised | OME-TIFF | "
        "ImageJ | hspy |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    refused = []
    for name, source, said in sources(data):
        try:
            movie = read_movie(source, **said)
        except MovieError as error:
            refused.append(f"- `{name}`: {str(error).replace(str(data) + '/', '')}")
            lines.append(f"| {name} | refused, see below |" + " |" * 10)
            continue
        marked = movie.axes + ("*" if movie.axes_guessed else "")
        known = [
            marked, " x ".join(map(str, movie.shape)), movie.dtype,
            f"{movie.pixel_size_nm:.4g}" + ("†" if "pixel_size_nm" in said else "")
            if movie.pixel_size_nm else "-",
            ", ".join(movie.detectors) if movie.detectors else "-",
            f"{movie.frame_time_s:.4g}" if movie.frame_time_s else "-",
            f"{movie.voltage_kV:.4g}" if movie.voltage_kV else "-",
        ]  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(map(str, [*known, *round_trips(movie)])) + " |")
        print(lines[-1], flush=True)
    notes = "\\* The file does not name its stack of images; T is assumed, with a warning. † Said\n"
    notes += "by the user, as the file does not say. - The file does not say.\n\n"
    notes += "BF and DF of a scan are one movie in the `.emi` file, too.\n\nRefused:\n\n"
    return "\n".join(lines) + "\n\n" + notes + "\n".join(refused) + "\n"


def round_trips(movie):
    """Denoise, write, read back; return a word for each step."""
    from n2v_stem_keras.io import read_movie, write_movie

    channels = movie.detectors or tuple(f"C{i}" for i in range(movie.n_detectors))
    movie = movie.replace(detectors=channels)
    denoised = tiny_model(channels).predict(movie)
    words = ["yes" if denoised.shape == movie.shape and np.isfinite(denoised).all() else "NO"]
    with tempfile.TemporaryDirectory() as folder:
        for form, suffix in (("ome", "ome.tif"), ("imagej", "tif"), ("hspy", "hspy")):
            path = Path(folder) / f"{form}.{suffix}"
            write_movie(path, denoised, like=movie, format=form, provenance={"model": "tiny"})
            words.append(equal(read_movie(path), movie, denoised))
    return words


def equal(back, movie, denoised):
    """Return 'equal' if a file has everything that was written, else what differs."""
    differs = []
    if (back.axes, back.shape, back.detectors) != (movie.axes, movie.shape, movie.detectors):
        differs.append(f"{back.axes} {back.shape} {back.detectors}")
    elif not np.array_equal(back.to_array(), denoised):
        differs.append("values")
    for key in ("pixel_size_nm", "frame_time_s", "voltage_kV"):
        found, expected = getattr(back, key), getattr(movie, key)
        if (found is None) != (expected is None) or not np.isclose(found or 0, expected or 0):
            differs.append(f"{key} {found}")
    if back.provenance != {"model": "tiny"}:
        differs.append("provenance")
    return "; ".join(differs) or "equal"


def run(command, **options):
    """Run a command of the package as a user types it; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "n2v_stem_keras", *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        **options,
    )
    if done.returncode:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout + done.stderr


def commands(_):
    """Return the terminal of two scans taken from raw file to table of atoms."""
    from instrument_files import write_emi, write_ser, write_velox

    from n2v_stem_keras.noise import add_white_noise
    from n2v_stem_keras.simulate import reference_movie

    made = reference_movie(0, shape=(256, 256), n_frames=4)
    noisy = add_white_noise(made.clean, 10.0, seed=0)
    low, high = noisy.min((0, 1, 2)), noisy.max((0, 1, 2))
    counts = np.rint((noisy - low) / (high - low) * 60000).astype("u2")
    size = made.pixel_size_nm
    text = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for i in range(2):
            write_ser(folder / f"scan_{i + 1}.ser", counts[..., i], size)
        write_emi(folder / "scan.emi", volts=60000)
        images = {name: counts[..., i] for i, name in enumerate(("ADF", "BF"))}
        write_velox(folder / "velox.emd", images, size, volts=60000)
        pair = ["--detector-files", "ADF=scan_1.ser", "BF=scan_2.ser"]
        for files, stem in ((pair, "scan"), (["velox.emd"], "velox")):
            model = ["--model", "graphene-au", "--out", "out"]
            for command in (["info", *files], ["denoise", *files, *model],
                            ["atoms", *files, *model]):  # fmt: skip
                printed = run(command, cwd=folder)
                shown = printed if command[0] != "info" else printed.split("\n\n")[0]
                text.append(f"$ n2v-stem {' '.join(command)}\n{shown.strip()}\n")
                print(text[-1], flush=True)
            rows = (folder / "out" / f"{stem}_atoms.csv").read_text().splitlines()
            text.append(f"$ head -3 out/{stem}_atoms.csv\n" + "\n".join(rows[:3]) + "\n")
    return "```\n" + "\n".join(text) + "```\n"


class Zeros:
    """Frames of zeros that take no memory, for writers that want (T, Y, X)."""

    def __init__(self, n_frames):
        self.frame = np.zeros((LAZY_SIDE, LAZY_SIDE), "u2")
        self.shape, self.dtype = (n_frames, *self.frame.shape), self.frame.dtype


def write_large(path, n_frames):
    """Write a file of full size, sparse where its format allows, by its suffix."""
    import h5py
    from instrument_files import write_mrc, write_velox

    from n2v_stem_keras.io import Movie, write_movie
    from n2v_stem_keras.io.formats import create

    few = Zeros(n_frames)
    if path.suffix == ".mrc":
        write_mrc(path, np.zeros((1, LAZY_SIDE, LAZY_SIDE), "u2"))
        with open(path, "r+b") as file:
            for place in (8, 36):  # number of frames: NZ, MZ
                file.seek(place)
                file.write(n_frames.to_bytes(4, "little"))
            file.truncate(1024 + n_frames * few.frame.nbytes)
    elif path.suffix == ".emd":
        write_velox(path, {"HAADF": np.zeros((2, LAZY_SIDE, LAZY_SIDE), "u2")})
        with h5py.File(path, "r+") as file:
            (image,) = file["Data/Image"].values()
            del image["Data"]
            shape = (LAZY_SIDE, LAZY_SIDE, n_frames)
            image.create_dataset("Data", shape, "u2", chunks=(*shape[:2], 1))
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("m", few.shape, "u2", chunks=(4, 256, 256), compression="gzip")
    else:
        frame = few.frame[..., None]
        movie = Movie("m", "TYX", few.shape, few.dtype, lambda s, t: frame)
        form = {".hspy": "hspy", ".npy": "npy"}.get(path.suffix, "imagej")
        if form == "hspy":
            create(path, movie, form)
        else:
            write_movie(path, movie, dtype="u2", format=form)


def lazy(_):
    """Return peak memory of reading large files of each kind through."""
    code = (
        "import sys, resource, warnings; warnings.simplefilter('ignore')\n"
        "from n2v_stem_keras.io import read_movie\n"
        "m = read_movie(sys.argv[1], sys.argv[2] or None)\n"
        "for t in range(min(m.n_frames, int(sys.argv[3]))): m.frame(0, t)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    lines = ["| file of 4.2 GB | 10 frames [MiB] | all 2000 frames [MiB] |", "|---|---|---|"]
    for suffix in (".mrc", ".emd", ".hspy", ".h5", ".tif", ".npy"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"m{suffix}"
            write_large(path, LAZY_FRAMES)
            axes = "TYX" if suffix in (".h5", ".npy") else ""
            peaks = [
                float(subprocess.check_output([sys.executable, "-c", code, path, axes, str(n)]))
                for n in (10, LAZY_FRAMES)
            ]
        lines.append(f"| {suffix} | {peaks[0]:.0f} | {peaks[1]:.0f} |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def write_sparse(path):
    """Write a TIFF of full size of which every 50th frame holds noise and takes space on disk."""
    import tifffile

    metadata = {"axes": "TCYX"}
    tifffile.imwrite(
        path, shape=(N_FRAMES, 2, SIDE, SIDE), dtype="float32", bigtiff=True, metadata=metadata
    )
    with tifffile.TiffFile(path) as tif:
        offset = tif.series[0].dataoffset
    with open(path, "r+b") as file:
        for t in range(0, N_FRAMES, 50):
            noise = np.random.default_rng(t).normal(100, 10, (2, SIDE, SIDE)).astype("f4")
            file.seek(offset + t * noise.nbytes)
            file.write(noise.tobytes())


def big(_):
    """Denoise 10 GB; be killed half way; go on. Return what it took."""
    from n2v_stem_keras import N2VStem, N2VStemConfig

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_sparse(folder / "big.tif")
        config = N2VStemConfig.preset("laptop", channels=("ADF", "BF"), **TINY)
        noise = np.random.default_rng(0).normal(100, 10, (8, 64, 64, 2)).astype("f4")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            N2VStem(config, "tiny", folder).train(noise, verbose=False)
        command = [sys.executable, "-m", "n2v_stem_keras", "denoise", str(folder / "big.tif"),
                   "--model", str(folder / "tiny"), "--detectors", "ADF,BF", "--no-picture",
                   "--out", str(folder / "out")]  # fmt: skip
        done = kill_half_way(command, folder / "out")
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        if second.returncode:
            sys.exit(second.stderr)
        going_on = next(line for line in second.stdout.splitlines() if "Going on" in line)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        same = same_frames(folder, done)
        left = sorted(p.name for p in (folder / "out").iterdir())
    found = {
        "movie [GB]": N_FRAMES * 2 * SIDE * SIDE * 4 / 1e9,
        "frames surely on the disk when killed": done,
        "second run": going_on,
        "peak memory of either run [MiB]": round(peak),
        "frames around the kill equal to those denoised at once": same,
        "left in the folder": ", ".join(left),
    }
    print(json.dumps(found, indent=1), flush=True)
    return "\n".join(f"- {key}: {value}" for key, value in found.items()) + "\n"


def kill_half_way(command, out):
    """Start a command and kill it when half of the frames are noted; return how many those are."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        for journal in out.glob(".*.json") if out.exists() else ():
            try:
                n_frames = json.loads(journal.read_text())["frames"]
            except (OSError, ValueError):
                continue
            if n_frames >= N_FRAMES // 2:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return json.loads(journal.read_text())["frames"]
        time.sleep(0.2)
    sys.exit("the first run ended before it was killed")


def same_frames(folder, n_done):
    """Return whether frames around the kill are what `predict_frames` gives without one."""
    from n2v_stem_keras import N2VStem
    from n2v_stem_keras.io import read_movie

    after = read_movie(folder / "out" / "big_denoised.ome.tif")
    model = N2VStem(None, "tiny", folder)
    first = n_done - 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        movie = read_movie(folder / "big.tif", detectors=("ADF", "BF"))
        frames = model.predict_frames(movie, start=first)
        return all(
            np.array_equal(after.frame(s, t), frame)
            for (s, t), frame in (next(frames) for _ in range(60))
        )


PARTS = {
    "table": ("Each file of the development data", table),
    "commands": ("From raw file to denoised movie to table of atoms", commands),
    "lazy": ("Files of 4 GB, frame by frame", lazy),
    "big": ("A movie of 10 GB, killed and gone on with", big),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    chosen = parser.parse_args().parts or list(PARTS)
    data = Path(os.environ.get("N2V_STEM_DATA", ""))
    for name in chosen:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = PARTS[name][1](data)
        put(name, text)


def put(name, text):
    """Put a part into the file of results, replacing what an earlier run wrote."""
    old = RESULTS.read_text() if RESULTS.exists() else ""
    found = dict(re.findall(r"<!-- (\w+) -->\n(.*?)(?=<!-- \w+ -->\n|\Z)", old, re.DOTALL))
    found[name] = f"## {PARTS[name][0]}\n\n{text}\n"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("".join(f"<!-- {n} -->\n{found[n]}" for n in PARTS if n in found))


if __name__ == "__main__":
    main()
