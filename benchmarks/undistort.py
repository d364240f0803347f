"""Are rows found where they lie, and put back? Simulated crystals, and real ones that hum.

    N2V_STEM_DATA=... python benchmarks/undistort.py

Simulated: frames of 256x256 and 512x512 px at 10/10 dB, both detectors, of four layers of graphene
without adatoms (period 5.3 px) and of one layer of MoS2 (6.8 px), whose rows are displaced along x
by 0.1 to 0.5 px rms: each row by itself, in a slow walk, or by a hum at 0.21 cycles a row. "As
scanned" is the displacement, without its mean and slope, which look like another lattice;
"measured" what is left of it when the rows are moved by what `row_displacement` finds, and "put
back" when they are moved as `undistorted` does. Two noise levels more for straight rows, which are
to stay. Rms over the rows of eight frames [px], the outer 3 rows left out.

Real: raw frames of crystals. The power of the strongest lattice spot over what displaced rows
spread of it along its column of the Fourier transform, as scanned and put back. Writes
undistort.md.
"""

import itertools
import os
from pathlib import Path

import numpy as np
import trials

N_FRAMES, INSIDE = 8, slice(3, -3)
LEVEL = 10.0
CRYSTALS = {
    "graphene": {"n_layers": 4, "pixel_size_nm": 0.04},
    "MoS2": {"lattice": "mos2", "pixel_size_nm": 0.04},
}
KINDS = {
    "each row by itself": lambda rms: {"jitter_px": (0.0, rms)},
    "walk": lambda rms: {"walk_px": (0.0, rms * np.sqrt(1 - np.exp(-1 / 32)))},
    "hum": lambda rms: {"hum_px": (rms,), "hum_cycles": (0.21,)},
}
SIDES = (256, 512)
SIZES = (0.1, 0.3, 0.5)  # rms [px]
STRAIGHT_DB = (16.0, 10.0, 7.0)
REAL = {
    "MoS2": "real/MoS2-SciLink/MoS2_stem_Exp-000-2.npy",
    "Si, tilt boundary": "real/grain-boundaries/Si_tilt_haadf85.npy",
    "CdTe, twin": "real/grain-boundaries/CdTe_twin_haadf26.npy",
    "MoS2, Se implanted": "real/temul/MoS2_Se_adf.npy",
    "SrTiO3, jitter": "real/SrTiO3-jitter/SrTiO3_haadf.npy",
    "SrTiO3, scan lines": "real/SrTiO3-scanline/SrTiO3_Tecnai.npy",
}


def flat(moved):
    """Displacements (n,) without mean and slope."""
    rows = np.arange(len(moved))
    return moved - np.polyval(np.polyfit(rows, moved, 1), rows)


def errors(crystal, side, scan, level):
    """Rms of the displacement, of what is measured wrongly, and of what is put back wrongly."""
    from n2v_stem_keras.noise import Scan, scan_movie
    from n2v_stem_keras.simulate import simulate_movie
    from n2v_stem_keras.undistort import row_displacement

    found = []
    for seed in range(N_FRAMES):
        options = {"n_frames": 1, "density_nm2": 0.0, **CRYSTALS[crystal]}
        movie = simulate_movie([seed, 21], (side, side), **options)
        one = scan_movie(movie.clean, Scan(**scan), [seed, 22], psnr_db=level)
        true = flat(one.displacement_px[0, :, :, 1].mean(1))
        measured = row_displacement(one.noisy[0])
        if measured is None:
            moves = np.zeros((2, len(true)))
        else:
            moves = measured.displacement_px[:, 1], measured.likely_px[:, 1]
        left = [true, *(flat(move - true) for move in moves)]
        found.append([np.mean(part[INSIDE] ** 2) for part in left])
    return np.sqrt(np.mean(found, axis=0))


def simulated():
    """Markdown: one line a crystal, kind and size."""
    columns = ("crystal", "side [px]", "rows", "noise", "as scanned", "measured", "put back")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for crystal, side in itertools.product(CRYSTALS, SIDES):
        cases = [("straight", {}, level) for level in STRAIGHT_DB]
        cases += [(f"{k}, {rms:g} px", KINDS[k](rms), LEVEL) for k in KINDS for rms in SIZES]
        for name, scan, level in cases:
            values = " | ".join(f"{v:.3f}" for v in errors(crystal, side, scan, level))
            lines.append(f"| {crystal} | {side} | {name} | {level:g} dB | {values} |")
            print(lines[-1], flush=True)
    return lines


def spot_and_beside(frame, spots):
    """Power of the strongest spot, and what displaced rows spread of it along y [dB].

    Both over the power of the noise. Beside are the frequencies of the spot's column that no spot
    of the lattice lies at.
    """
    plane = np.asarray(frame, float)
    window = np.hanning(plane.shape[0])[:, None] * np.hanning(plane.shape[1])
    power = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
    height, width = power.shape
    noise = np.median(power[np.abs(np.fft.fftfreq(height)) > 0.4])
    ky, kx = spots[np.argmax([_near(power, *spot) for spot in spots])]
    column = power[:, round(kx * width) % width]
    rows = np.fft.fftfreq(height)
    free = np.ones(height, bool)
    for y, x in (*spots, *-spots, (0.0, 0.0)):
        if abs((x - kx + 0.5) % 1 - 0.5) < 4 / width:
            free &= np.abs((rows - y + 0.5) % 1 - 0.5) > 4 / height
    beside = max(column[free].sum() - noise * free.sum(), noise)
    return 10 * np.log10([_near(power, ky, kx) / noise, beside / noise])


def _near(power, ky, kx):
    """Highest power within a pixel of a frequency."""
    y, x = (round(k * n) for k, n in zip((ky, kx), power.shape))
    return max(power[(y + i) % len(power), (x + j) % power.shape[1]]
               for i in (-1, 0, 1) for j in (-1, 0, 1))  # fmt: skip


def real():
    """Markdown: one line a frame."""
    from n2v_stem_keras.undistort import find_hum, row_displacement, undistorted
    from n2v_stem_keras.undistort.rows import _spots

    lines = [
        "| frame | rows lie beside, y / x [px] | hum: cycles a row, rms [px] | as scanned "
        "| put back |",
        "|---" * 5 + "|",
    ]
    for name, file in REAL.items():
        frame = np.load(Path(os.environ["N2V_STEM_DATA"]) / file).astype(np.float32)
        measured = row_displacement(frame)
        spots = _spots(((frame - frame.mean()) / frame.std())[None].astype(float))
        if measured is None or np.isnan(measured.rms_px[1]):
            lines.append(f"| {name} | not known" + " | -" * 3 + " |")
            continue
        before = spot_and_beside(frame, spots)
        after = spot_and_beside(undistorted(frame, measured), spots)
        hums = "; ".join(f"{h.cycles:.3f}, {h.rms_px:.2f}" for h in find_hum(measured)) or "none"
        rms = " / ".join("-" if np.isnan(v) else f"{v:.2f}" for v in measured.rms_px)
        cells = [name, rms, hums, *(f"{spot - beside:.1f} dB" for spot, beside in (before, after))]
        lines.append("| " + " | ".join(cells) + " |")
    print("\n".join(lines), flush=True)
    return lines


def main():
    """Measure, and write the tables."""
    args = trials.arguments(__doc__)
    if args.tiny:
        globals().update(SIDES=(128,), N_FRAMES=1, SIZES=(0.3,))
    text = ["Displacement along x, rms [px].", "", *simulated()]
    if "N2V_STEM_DATA" in os.environ:
        text += ["", "Real frames: strongest spot over what is spread of it along y.", "", *real()]
    trials.write(args.out / "undistort.md", "\n".join(text))


if __name__ == "__main__":
    main()
