"""What real scans do to an image: the numbers behind `noise.SCANS`.

    N2V_STEM_DATA=... python benchmarks/scans.py
    python benchmarks/scans.py --table

For each raw STEM frame of the development data: noise over the standard deviation of the frame, its
correlation along x at lags 1 and 4, the share of it that whole rows have in common, distinct
levels, pixels at the lowest one, and, where there is a lattice, the rms displacement of rows (y, x)
beyond what noise feigns, that along x against the row before, and the frequencies of hum. Beside
them the three strengths of `noise.SCANS`, on simulated graphene at 16/16 dB, as the same functions
see them: ADF. Writes scans.json and scans.md.
"""

import json
import os
from pathlib import Path

import numpy as np
import trials

FILES = (
    "real/PtNC-HPAI/haadf.tif",
    "real/MoS2-SciLink/*.npy",
    "real/SrTiO3-scanline/*.npy",
    "real/Sjeon-molecular/haadf.npy",
    "real/tk_r_em/*.npy",
    "real/temul/*.npy",
    "real/SrTiO3-jitter/*.npy",
    "real/grain-boundaries/*.npy",
)
QUANTILES = (0.17, 0.5, 0.83)
COLUMNS = (
    "noise_to_sd",
    "lag1_x",
    "lag4_x",
    "row_share",
    "levels",
    "lowest",
    "y_px",
    "x_px",
    "neighbours_px",
)


def frames():
    """Yield (name, frame) of each raw frame."""
    import tifffile

    data = Path(os.environ["N2V_STEM_DATA"])
    for pattern in FILES:
        for path in sorted(data.glob(pattern)):
            stack = tifffile.imread(path) if path.suffix == ".tif" else np.load(path)
            stack = stack if stack.ndim == 3 else stack[None]
            for i, frame in enumerate(stack):
                name = f"{path.parent.name}/{path.stem}" + (f" {i}" if len(stack) > 1 else "")
                yield name, frame


def measure(frame):
    """Measure a frame (Y, X)."""
    from n2v_stem_keras.noise import estimate_noise, row_share
    from n2v_stem_keras.noise.pixels import levels
    from n2v_stem_keras.undistort import find_hum, row_displacement

    noise, values = estimate_noise(frame[None].astype(np.float32)), levels(frame[None])
    found = {
        "noise_to_sd": noise.sigma / float(frame.std()),
        "lag1_x": noise.lag1_x,
        "lag4_x": float(noise.acf_x[4]),
        "row_share": row_share(noise),
        "levels": values.number,
        "lowest": values.share_lowest,
        "y_px": None,
        "x_px": None,
        "neighbours_px": None,
        "hum": [],
    }
    rows = row_displacement(frame)
    if rows is not None:
        found["y_px"], found["x_px"] = rows.rms_px.tolist()
        found["periods_px"] = [round(float(p), 2) for p in rows.periods_px]
        found["error_px"] = float(np.median(rows.error_px[:, 1]))
        moved, error = rows.displacement_px[:, 1], rows.error_px[:, 1]
        apart = np.mean(np.diff(moved) ** 2) / 2 - np.mean(error[np.isfinite(error)] ** 2)
        if found["x_px"] == found["x_px"]:  # known
            found["neighbours_px"] = float(np.sqrt(max(apart, 0)))
        found["hum"] = [[round(h.cycles, 3), round(h.rms_px, 3)] for h in find_hum(rows)]
    return {
        k: (round(v, 4) if np.isfinite(v) else None) if isinstance(v, float) else v
        for k, v in found.items()
    }


def simulated():
    """Yield (name, frame) of the three strengths."""
    from n2v_stem_keras.noise import SCANS, scan_movie
    from n2v_stem_keras.simulate import reference_movie

    clean = reference_movie(0, shape=(512, 512), n_frames=1).clean
    for name in SCANS:
        yield f"simulated, {name}", scan_movie(clean, name, 0, psnr_db=(16, 16)).noisy[0, ..., 0]


def cell(value):
    """Write a number."""
    if value is None or not np.isfinite(value):
        return "-"
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def table(rows):
    """Markdown: quantiles first, then every frame."""
    lines = [
        "| frame | noise / sd | lag 1 along x | lag 4 | share of whole rows | levels | at the "
        "lowest | rows displaced along y [px] | along x [px] | x, against "
        "the row before [px] | hum: cycles a row, rms [px] |",
        "|---" * 11 + "|",
    ]
    real = [row for name, row in rows.items() if not name.startswith("simulated")]
    for q in QUANTILES:
        cells = []
        for column in COLUMNS:
            known = [r[column] for r in real if r[column] is not None and np.isfinite(r[column])]
            cells.append(cell(float(np.quantile(known, q))) if known else "-")
        lines.append(f"| **{q:.0%} of the real ones lie below** | " + " | ".join(cells) + " | |")
    for name, row in rows.items():
        hum = ", ".join(f"{cycles:.3f} {rms:.2f}" for cycles, rms in row["hum"])
        cells = [name, *(cell(row[column]) for column in COLUMNS), hum]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Measure, then write the table."""
    args = trials.arguments(__doc__)
    record = args.out / "scans.json"
    if args.table:
        rows = json.loads(record.read_text(encoding="utf-8"))
    else:
        rows = {name: measure(np.asarray(frame)) for name, frame in (*frames(), *simulated())}
        trials.write(record, json.dumps(rows, indent=0))
    trials.write(args.out / "scans.md", table(rows))


if __name__ == "__main__":
    main()
