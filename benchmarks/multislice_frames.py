"""Image small reference-like movies by multislice, for ``recipe.py --multislice``.

    python benchmarks/multislice_frames.py --out multislice-frames [--share 1/2]

Needs the extra ``sim``; two minutes of one core a frame, by PRISM with an interpolation of 3. Four
movies of two frames of 128x128 px at 0.046 nm/px: gold adatoms on four layers of graphene, as the
reference movies. Each frame is a file, written whole, so that an interrupted run goes on.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from n2v_stem_keras.simulate import multislice
from n2v_stem_keras.simulate.specimen import Specimen, draw_scene

N_MOVIES, N_FRAMES, SIDE, PIXEL_NM = 4, 2, 128, 0.046


def main():
    """Image what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("multislice-frames"))
    parser.add_argument("--share", default="1/1", help="which part of the frames, e.g. 1/2")
    args = parser.parse_args()
    part, of = map(int, args.share.split("/"))
    args.out.mkdir(parents=True, exist_ok=True)
    frames = [(m, t) for t in range(N_FRAMES) for m in range(N_MOVIES)]
    for m, t in frames[part - 1 :: of]:
        path = args.out / f"movie-{m}-frame-{t}.npy"
        if path.exists():
            continue
        began = time.monotonic()
        scene = draw_scene(Specimen(n_layers=4), [55, m], (SIDE, SIDE), N_FRAMES, PIXEL_NM, 0.8)
        image = multislice.image(scene.atoms(t), (SIDE, SIDE), PIXEL_NM, prism_interpolation=3)
        temporary = path.with_name(f".{path.name}")
        np.save(temporary, image)
        os.replace(temporary, path)
        print(f"{path}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
