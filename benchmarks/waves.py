"""Does the lattice image draw waves where there is no lattice?

    python benchmarks/waves.py           # two minutes
    python benchmarks/waves.py --tiny    # a test

Frames of white noise, of noise whose neighbours along x correlate by 0.2, and of amorphous carbon
with noise go through the lattice image of the presets (windows of 256 px, 16 waves). A wave is
drawn where a peak of the spectrum is stronger than `lattice.waves.threshold`. What comes out is
given in standard deviations of the frame. Of carbon a part is right: its own image, which is
strong in few coefficients. Writes waves.md.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import trials

from n2v_stem_keras.noise import Scan, after_glow, scan_movie
from n2v_stem_keras.simulate import simulate_movie

RESULTS = Path(__file__).parent / "results"
SIDE, WINDOW, N_WAVES = 512, 256, 16


def lattice_image(frame):
    """Return the lattice image of a frame (Y, X, C), and its peaks, in thresholds."""
    from n2v_stem_keras.lattice import waves
    from n2v_stem_keras.lattice.windows import LocalWienerFilter

    strengths = []

    original = waves.draw_waves

    def heard(pieces, weight_y, weight_x, background, peaks, shifts):
        strengths.append(peaks[2].numpy() / waves.threshold(pieces.shape[1]))
        return original(pieces, weight_y, weight_x, background, peaks, shifts)

    waves.draw_waves = heard
    try:
        image = LocalWienerFilter(WINDOW, N_WAVES)(frame[None].astype(np.float32)).numpy()[0]
    finally:
        waves.draw_waves = original
    return image, strengths[0]


def noise(glow, n_frames, seed):
    """Yield frames of noise of two detectors, whose neighbours along x correlate."""
    rng = np.random.default_rng(seed)
    for _ in range(n_frames):
        frames = rng.normal(size=(1, SIDE, SIDE, 2))
        yield (after_glow(frames, glow) if glow else frames)[0]


def carbon(pixel_nm, level, n_frames):
    """Yield noisy frames of amorphous carbon of two detectors."""
    specimen = {"lattice": "none", "support_nm": 6.0, "density_nm2": 0.0}
    for seed in range(n_frames):
        clean = simulate_movie(seed, (SIDE, SIDE), 1, pixel_nm, **specimen).clean
        yield scan_movie(clean, Scan(), seed, level).noisy[0]


def kinds(of_noise, of_carbon):
    """Yield names, and frames (Y, X, 2)."""
    for name, glow in (("white noise", 0.0), ("noise, neighbours correlate by 0.2", 0.2)):
        yield name, noise(glow, of_noise, seed=0)
    for pixel_nm in (0.046, 0.02):
        for level in (10, 20, 30):
            name = f"amorphous carbon, {pixel_nm} nm/px, {level} dB"
            yield name, carbon(pixel_nm, level, of_carbon)


def row(name, frames, n):
    """Measure frames with n of their detectors."""
    strongest, n_waves, n_px, power = 0.0, 0, 0, []
    for frame in frames:
        frame = (frame - frame.mean((0, 1))) / frame.std((0, 1))
        image, strength = lattice_image(frame[..., :n])
        strongest = max(strongest, strength.max())
        n_waves += int((strength > 1).sum())
        n_px += frame[..., 0].size
        power.append(np.mean(image**2))
    return (
        f"| {name} | {n} | {n_px / 1e6:.1f} | {n_waves} | {strongest:.2f} | "
        f"{np.sqrt(np.mean(power)):.3f} |"
    )


def main():
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--tiny", action="store_true", help="a test")
    args = parser.parse_args()
    of_noise, of_carbon = (1, 1) if args.tiny else (400, 6)
    lines = [
        "| image | detectors | 10^6 px | waves drawn | strongest peak, in thresholds | rms drawn |",
        "|---|---|---|---|---|---|",
    ]
    for n in (1, 2):
        for name, frames in kinds(of_noise, of_carbon):
            lines.append(row(name, frames, n))
            print(lines[-1], flush=True)
    trials.write(args.out / "waves.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
