"""Diagnose the noise of every file of the development data.

    N2V_STEM_DATA=... python benchmarks/diagnose.py

The table gives the lag-1 autocorrelation by the plain estimator (median over the images of a file)
beside that of `noise.diagnose`, the variance of row means relative to white noise, and the blind
spot; the reports follow in full. Writes diagnose.json and diagnose.md in benchmarks/results/.
Files that `io.read_movie` does not open are listed by name.
"""

import json
import os
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent / "results"
REAL = [
    # pattern, axes, pixel size
    ("real/PtNC-HPAI/haadf.tif", "SYX", 0.0293),
    ("real/MoS2-SciLink/MoS2_stem_Exp-000-2.npy", "YX", 0.0176),
    ("real/MoS2-SciLink/MoS2_stem_Exp-001-5.npy", "YX", 0.0137),
    ("real/MoS2-SciLink/MoS2_stem_Exp-002-5.npy", "YX", 0.0176),
    ("real/SrTiO3-scanline/SrTiO3_Tecnai.npy", "YX", 0.0135),
]


def movies(data):
    """Yield the name of each file, and its movie, or None if it cannot be read."""
    from n2v_stem_keras.io import Movie, MovieError, read_movie

    for path, axes, pixel_size in REAL:
        yield path, read_movie(data / path, axes, detectors=("HAADF",), pixel_size_nm=pixel_size)
    for path in sorted((data / "bench" / "stemdenoise").glob("*.npz")):
        noisy = np.load(path)["noisy"]
        yield (
            f"bench/stemdenoise/{path.name}",
            Movie.from_array(noisy, "YX", detectors=("HAADF",), name=path.stem),
        )
    for path in sorted((data / "formats").iterdir()):
        try:
            movie = read_movie(path)
        except MovieError:
            movie = None
        yield f"formats/{path.name}", movie


def plain(movie, c):
    """Lag-1 autocorrelation along x and y by the plain estimator, median over images."""
    from n2v_stem_keras.noise import plain_lag1

    if min(movie.frame_shape) < 6:
        return np.nan, np.nan
    frames = [movie.frame(s, 0)[..., c] for s in range(movie.n_series)]
    return plain_lag1(np.stack(frames))


def row(name, detector, lags, found):
    """Line of the table."""
    if found.noise is None:
        return f"| {name} | {detector} | | | | | |"
    noise, span = found.noise, f"{found.span[0]}x{found.span[1]}"
    verdict = {True: "one pixel", False: f"not one pixel ({span})", None: "unknown"}
    return (
        f"| {name} | {detector} | {lags[0]:z.2f} / {lags[1]:z.2f} | {noise.lag1_x:z.2f} / "
        f"{noise.lag1_y:z.2f} | {found.row_noise:.1f} | {found.cause} | "
        f"{verdict[found.justified]} |"
    )


def main():
    from n2v_stem_keras.noise import diagnose

    lines = [
        "| file | detector | lag-1 x / y, plain | lag-1 x / y | row means / white | cause | "
        "blind spot |",
        "|---|---|---|---|---|---|---|",
    ]
    reports, unread, results = [], [], {}
    for name, movie in movies(Path(os.environ["N2V_STEM_DATA"])):
        if movie is None:
            unread.append(name)
            continue
        diagnosis = diagnose(movie)
        results[name] = diagnosis.as_dict()
        for c, (detector, found) in enumerate(diagnosis.detectors.items()):
            lags = plain(movie, c)
            results[name]["detectors"][detector]["plain_lag1_x_y"] = [
                float(v) if np.isfinite(v) else None for v in lags
            ]
            lines.append(row(name, detector, lags, found))
        reports.append(f"### {name}\n\n```\n{diagnosis}\n```")
        print(diagnosis, end="\n\n", flush=True)
    text = "\n".join(lines) + "\n\n" + "\n\n".join(reports) + "\n"
    if unread:
        text += f"\nNot read, for want of a reader: {', '.join(unread)}.\n"
    HERE.mkdir(exist_ok=True)
    (HERE / "diagnose.md").write_text(text)
    (HERE / "diagnose.json").write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
