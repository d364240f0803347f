"""Linear imaging against abTEM's multislice: six cells of graphene with Au adatoms.

Needs the extra ``sim``. Each cell, 3.0 nm wide, has its own rotation, origin and adatoms (the
reference movie's surroundings at a higher density, 0.4 nm^-2, so that neighbours are there; the
last two hold a cluster). Both images are blurred by the same source. The multislice images are
kept in --out and not computed again. Writes fast_vs_multislice.json, .md and .png.

    python benchmarks/fast_vs_multislice.py
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from n2v_stem_keras.plot import before_after
from n2v_stem_keras.simulate import fast, multislice
from n2v_stem_keras.simulate.optics import PAPER
from n2v_stem_keras.simulate.specimen import Specimen, draw_scene

RESULTS = Path(__file__).with_name("results")
N_CELLS, N_LAYERS, SIDE, PIXEL_NM, DENSITY_NM2 = 6, 4, 66, 0.046, 0.4


def cell(seed):
    """Atoms of one cell, with a margin of 0.8 nm on each side."""
    clusters = (1, 7) if seed >= N_CELLS - 2 else 0
    specimen = Specimen(n_layers=N_LAYERS, density_nm2=DENSITY_NM2, clusters=clusters)
    return draw_scene(specimen, [77, seed], (SIDE, SIDE), 1, PIXEL_NM, 0.8).atoms(0)


def multislice_image(seed, atoms, out):
    """Multislice image of a cell, from the file of an earlier run if there is one."""
    path = out / f"cell-{seed}.npy"
    if path.exists():
        return np.load(path)
    began = time.monotonic()
    image = multislice.image(atoms, (SIDE, SIDE), PIXEL_NM)
    np.save(path, image)
    print(f"cell {seed}: multislice {time.monotonic() - began:.0f} s", flush=True)
    return image


def compare(seed, truth, linear, gold):
    """Figures of one cell, per detector."""
    pixels = np.moveaxis(np.indices((SIDE, SIDE)), 0, -1) * PIXEL_NM
    apart = np.linalg.norm(pixels[:, :, None] - gold[:, 1:], axis=-1).min(axis=2)
    inside = np.all((gold[:, 1:] >= 0) & (gold[:, 1:] < SIDE * PIXEL_NM), axis=1)
    row = {"cell": seed, "adatoms": int(inside.sum())}
    for c, name in enumerate(fast.DETECTORS):
        a, b, far = truth[..., c], linear[..., c], apart > 0.3
        row[name] = {
            "correlation": float(np.corrcoef(a.ravel(), b.ravel())[0, 1]),
            "lattice_correlation": float(np.corrcoef(a[far], b[far])[0, 1]),
            "slope": float(np.polyfit(b.ravel(), a.ravel(), 1)[0]),
            "rms_error_of_range": float(np.std(a - b) / np.ptp(a)),
        }
    return row


def table(rows):
    """Markdown of all cells, the worst at the end."""
    head = "| cell | adatoms | " + " | ".join(
        f"{d} correlation | {d} away from adatoms | {d} slope | {d} error [% of range]"
        for d in fast.DETECTORS
    )
    lines = [head + " |", "|" + "---|" * (2 + 4 * len(fast.DETECTORS))]
    for row in rows:
        cells = [
            f"{row[d]['correlation']:.3f} | {row[d]['lattice_correlation']:.3f} | "
            f"{row[d]['slope']:.2f} | {100 * row[d]['rms_error_of_range']:.1f}"
            for d in fast.DETECTORS
        ]
        lines.append(f"| {row['cell']} | {row['adatoms']} | " + " | ".join(cells) + " |")
    worst = [f"{min(row[d]['correlation'] for row in rows):.3f} | | | " for d in fast.DETECTORS]
    return "\n".join([*lines, "| lowest | | " + " | ".join(worst) + " |"])


def seconds_a_frame():
    """Processor time of a 512x512 frame of both detectors, lattice and adatoms [s], three times."""
    scene = draw_scene(Specimen(n_layers=N_LAYERS), 0, (512, 512), 1, PIXEL_NM, 0.8)
    times = []
    for _ in range(3):
        began = time.process_time()
        fast.contrast(scene.atoms(0), (512, 512), PIXEL_NM, "graphene", N_LAYERS)
        times.append(time.process_time() - began)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="fast_vs_multislice", type=Path, help="multislice images")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows, images = [], []
    for seed in range(N_CELLS):
        atoms = cell(seed)
        truth = multislice_image(seed, atoms, args.out)
        linear = fast.contrast(atoms, (SIDE, SIDE), PIXEL_NM, "graphene", N_LAYERS)
        linear += [fast.background(d) for d in fast.DETECTORS]
        rows.append(compare(seed, truth, linear, atoms["Au"]))
        images.append((truth, linear))
    times = seconds_a_frame()
    speed = (
        f"A frame of 512x512 px, both detectors, takes linear imaging {min(times):.2f} to "
        f"{max(times):.2f} s of processor time (three runs)."
    )
    print(f"{table(rows)}\n\n{speed}")
    RESULTS.mkdir(exist_ok=True)
    record = {"optics": repr(PAPER), "cells": rows, "seconds_512x512": times}
    (RESULTS / "fast_vs_multislice.json").write_text(json.dumps(record, indent=1) + "\n")
    (RESULTS / "fast_vs_multislice.md").write_text(f"{table(rows)}\n\n{speed}\n")
    drawn = []
    for seed in (0, N_CELLS - 1):
        for c, name in enumerate(fast.DETECTORS):
            panels = [
                (label, image[..., c])
                for label, image in zip(("multislice", "linear"), images[seed], strict=True)
            ]
            corr = rows[seed][name]["correlation"]
            panels[1] = (*panels[1], f"correlation {corr:.3f}")
            drawn.append(
                {"name": name, "panels": panels, "sqrt": name == "ADF", "reference": 0,
                 "profile_y": SIDE // 2}
            )  # fmt: skip
    before_after(RESULTS / "fast_vs_multislice.png", drawn, PIXEL_NM)


if __name__ == "__main__":
    main()
