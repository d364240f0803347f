"""What the level of a place says of the lattice there: where does it help, and where does it harm?

    python benchmarks/levels.py

Ready-made models denoise simulated movies that they never saw, each frame by itself, with the
lattice image taken away where the level says so (`lattice.levels`) and with it left, all else
equal: crystals, holes, an edge, a boundary, missing columns, a lattice on rough support and one
bent by 1.5 px, atoms on carbon; three pixel sizes, scans from none to 'bad'. PSNR against the
equally distorted truth. Holes alone were looked at when the rule was chosen. Writes levels.md.
"""

from contextlib import contextmanager

import lattice_images
import numpy as np
import trials

N_FRAMES, SEED = 3, 400
HOLE = {"hole_radius_nm": 1.5}
MODELS = ("graphene-au", "2d-adf-bf", "haadf-general", "graphene-au-live")
# name -> (models, options of the specimen)
SPECIMENS = {
    "gold on graphene": (MODELS, {"n_layers": 4}),
    "graphene with a hole": (MODELS, {"n_layers": 4, **HOLE}),
    "graphene, edge": (MODELS, {"n_layers": 3, "edge": True}),
    "graphene, tilt boundary": (MODELS, {"n_layers": 2, "boundary_rad": 0.4}),
    "graphene on 3 nm of carbon": (MODELS, {"n_layers": 2, "support_nm": 3.0}),
    "graphene, bent": (MODELS, {"n_layers": 4}),
    "MoS2, S missing": (MODELS[1:3], {"lattice": "mos2", "defects": {"V_S": 12}}),
    "gold on carbon": (MODELS[1:3], {"lattice": "none", "support_nm": 5.0}),
}
BENT_PX = 1.5
# name -> (scan, noise [dB], pixel size [nm])
SCANS = {
    "7 dB": (None, 7, 0.046),
    "10 dB": (None, 10, 0.046),
    "16 dB": (None, 16, 0.046),
    "10 dB, 0.030 nm/px": (None, 10, 0.030),
    "10 dB, 0.060 nm/px": (None, 10, 0.060),
    "10 dB, typical": ("typical", 10, 0.046),
    "16 dB, bad": ("bad", 16, 0.046),
}


@contextmanager
def blind_to_levels():
    """Leave the lattice image wherever it is, in networks that are built within."""
    from unittest.mock import patch

    from n2v_stem_keras.lattice import frame, windows

    with (
        patch.object(windows.LocalWienerFilter, "_presence_by_level", lambda *_: 1.0),
        patch.object(frame, "_presence_by_level", lambda *_: 1.0),
    ):
        yield


def scanned(specimen, scan, noise, size, tiny):
    """Return the noisy movie and its truth."""
    from n2v_stem_keras.noise import Scan, scan_movie
    from n2v_stem_keras.simulate import simulate_movie

    shape = (96, 96) if tiny else (256, 256)
    how = {"density_nm2": 0.2, "drift_px": 0.3, **SPECIMENS[specimen][1]}
    clean = simulate_movie(SEED, shape, N_FRAMES, size, **how).clean
    if specimen.endswith("bent"):
        clean = lattice_images.bent(clean, BENT_PX)
    return scan_movie(clean, scan or Scan(), SEED + 1, psnr_db=noise)


def psnr(model, one, size):
    """PSNR of each detector (C,) [dB]."""
    from n2v_stem_keras import Movie
    from n2v_stem_keras.metrics import psnr

    n = model.config.n_channel_out
    known = {"detectors": model.config.channels, "pixel_size_nm": size}
    movie = Movie.from_array(one.noisy[..., :n], "TYXC", **known)
    found = model.predict(movie, context="none", verbose=False)
    return np.mean(psnr(one.truth[..., :n], found.astype(float)), axis=0)


def main():
    """Measure all, and write the table."""
    import warnings

    from n2v_stem_keras import open_model

    args = trials.arguments(__doc__)
    warnings.simplefilter("ignore")  # what the models were not made for is meant
    heads = ["specimen", "model", *SCANS]
    lines, gains = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"], []
    for name in MODELS[:: 2 if args.tiny else 1]:
        models = [open_model(name)]
        with blind_to_levels():
            models.append(open_model(name))
        for specimen in list(SPECIMENS)[:: 4 if args.tiny else 1]:
            if name not in SPECIMENS[specimen][0]:
                continue
            cells = [specimen, name]
            for scan, noise, size in SCANS.values():
                one = scanned(specimen, scan, noise, size, args.tiny)
                with_levels = psnr(models[0], one, size)
                with blind_to_levels():
                    before = psnr(models[1], one, size)
                gains.append(with_levels - before)
                was = " / ".join(f"{v:.1f}" for v in before)
                cells.append(was + ": " + " / ".join(f"{v:+.2f}" for v in gains[-1]))
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    gains = np.concatenate(gains)
    lines += [
        "",
        "PSNR with the lattice image left [dB]: what is gained where levels take it away.",
        f"{len(gains)} gains: least {gains.min():+.2f}, median {np.median(gains):+.2f}, most "
        f"{gains.max():+.2f} dB; {np.sum(gains < -0.05)} below -0.05 dB, {np.sum(gains > 0.05)} "
        "above +0.05 dB.",
    ]
    trials.write(args.out / "levels.md", "\n".join(lines))


if __name__ == "__main__":
    main()
