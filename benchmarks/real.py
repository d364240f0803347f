"""Train on real scans with plain and with extended blind spots; say what correlation does.

    N2V_STEM_DATA=... python benchmarks/real.py --out real

For each data set and blind spot the command line trains a model on the very frames and denoises
them. The table says what the noise is like (autocorrelation at lag 1 along x and y, span that would
cover it), the SNR of peaks before and after (height above the mean local background over its rms,
at the peaks found after; and at the hand-set labels of PtNC-HPAI), and how much of the noise is
left in the output: the level of the power spectrum at high frequencies along the slow axis, where
these images have no content, as a standard deviation relative to the input's; and the same for the
row noise (what the means of neighbouring rows do not share). Writes real.json and real.md in
benchmarks/results/.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent / "results"
SETS = [
    # name, files, axes, pixel size, spans
    ("PtNC-HPAI", "real/PtNC-HPAI/haadf.tif", "SYX", "0.0293nm", [(1, 1)]),
    ("MoS2-SciLink", "real/MoS2-SciLink/*.npy", "YX", "0.016nm", [(1, 1), (1, 3)]),
    ("SrTiO3-scanline", "real/SrTiO3-scanline/*.npy", "YX", "0.0135nm", [(1, 1), (1, 11)]),
]


def run(*arguments):
    command = [sys.executable, "-m", "n2v_stem_keras", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, sep="", flush=True)
    if done.returncode:
        sys.exit(done.returncode)


def train_and_denoise(out, name, files, axes, pixel_size, span, epochs):
    """Return the folder that holds the denoised files, and the minutes of training.

    A model that is there already, finished, is not trained again.
    """
    model = f"{name}-{span[0]}x{span[1]}"
    denoised = out / model
    if not (out / "models" / model / "thresholds.json").exists():
        run("train", *files, "--axes", axes, "--pixel-size", pixel_size, "--detectors", "HAADF",
            "--preset", "laptop", "--epochs", epochs, "--name", model, "--basedir", out / "models",
            "--set", f"n2v_span={span[0]},{span[1]}")  # fmt: skip
    run("denoise", *files, "--axes", axes, "--pixel-size", pixel_size, "--detectors", "HAADF",
        "--model", out / "models" / model, "--out", denoised, "--overwrite")  # fmt: skip
    record = json.loads((out / "models" / model / "training.json").read_text())
    return denoised, record["runs"][-1]["seconds"] / 60


def row_noise(frame):
    """Return the standard deviation of what neighbouring rows do not share [intensity]."""
    rows = np.diff(frame.mean(axis=1), n=4)
    return float(np.median(np.abs(rows)) / 0.6745 / np.sqrt(70))


def measure(files, axes, denoised):
    """Average over the frames of a data set."""
    from n2v_stem_keras.cli.movie_files import movie_stem
    from n2v_stem_keras.io import read_movie
    from n2v_stem_keras.metrics import peak_gain
    from n2v_stem_keras.noise import estimate_noise, suggest_span

    rows = []
    for path in files:
        before = read_movie(path, axes, detectors=("HAADF",))
        after = read_movie(denoised / f"{movie_stem(path)}_denoised.ome.tif")
        assert after.axes == before.axes
        assert after.shape == before.shape
        for s in range(before.n_series):
            raw = before.frame(s, 0)[..., 0].astype(float)
            clean = after.frame(s, 0)[..., 0].astype(float)
            noise, left = estimate_noise(raw), estimate_noise(clean)
            gain = peak_gain(raw, clean, pixel_size_nm=after.pixel_size_nm)
            rows.append(
                {
                    "lag1_x": noise.lag1_x,
                    "lag1_y": noise.lag1_y,
                    "span": suggest_span(noise)[1],
                    "snr_before": gain[0] if gain else np.nan,
                    "snr_after": gain[1] if gain else np.nan,
                    "peaks": gain[2] if gain else 0,
                    "noise_left": left.sigma / noise.sigma,
                    "row_noise_left": row_noise(clean) / row_noise(raw),
                }
            )
    return {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}


def labelled_snr(path, denoised, axes):
    """Return the mean SNR at the hand-set atom positions of PtNC-HPAI, before and after."""
    from scipy.ndimage import gaussian_filter

    from n2v_stem_keras.cli.movie_files import movie_stem
    from n2v_stem_keras.io import read_movie
    from n2v_stem_keras.metrics import peak_snr

    raw = read_movie(path, axes, detectors=("HAADF",))
    clean = read_movie(denoised / f"{movie_stem(path)}_denoised.ome.tif")
    pairs = []
    for s in range(raw.n_series):
        with open(path.parent / "labels" / f"{s:02d}.csv") as file:
            places = np.array([[float(r["Y"]), float(r["X"])] for r in csv.DictReader(file)])
        frames = [movie.frame(s, 0)[..., 0].astype(float) for movie in (raw, clean)]
        nearest = np.rint(places)
        places = places[((nearest >= 0) & (nearest < frames[0].shape)).all(axis=1)]
        flat = [frame - gaussian_filter(frame, 0.5 / clean.pixel_size_nm) for frame in frames]
        pairs.append([peak_snr(f, places, 0.3 / clean.pixel_size_nm) for f in flat])
    return np.mean(pairs, axis=0).tolist()


def table(results):
    lines = [
        "| data | blind spot (y, x) [px] | noise lag-1 x / y | span that covers it | "
        "peak SNR before | after | noise left | row noise left |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(
            f"| {r['data']} | {r['blind_spot']} | {r['lag1_x']:.2f} / {r['lag1_y']:.2f} | "
            f"{r['span']:.0f} | {r['snr_before']:.1f} | {r['snr_after']:.1f} | "
            f"{100 * r['noise_left']:.0f} % | {100 * r['row_noise_left']:.0f} % |"
        )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="real", type=Path)
    parser.add_argument("--epochs", default=8, type=int)
    args = parser.parse_args()
    data = Path(os.environ["N2V_STEM_DATA"])
    results = []
    for name, pattern, axes, pixel_size, spans in SETS:
        files = sorted(data.glob(pattern))
        for span in spans:
            denoised, minutes = train_and_denoise(
                args.out, name, files, axes, pixel_size, span, args.epochs
            )
            results.append(
                {
                    "data": name,
                    "blind_spot": f"{span[0]}x{span[1]}",
                    "epochs": args.epochs,
                    "training_minutes": minutes,
                    **measure(files, axes, denoised),
                }
            )
            if name == "PtNC-HPAI":
                results[-1]["snr_at_hand_labels"] = labelled_snr(files[0], denoised, axes)
                print("SNR at hand labels, before and after:", results[-1]["snr_at_hand_labels"])
            print(table(results), flush=True)
            HERE.mkdir(exist_ok=True)
            (HERE / "real.json").write_text(json.dumps(results, indent=1) + "\n")
            (HERE / "real.md").write_text(table(results))


if __name__ == "__main__":
    main()
