"""What is put back of residuals: where does it help, and where does it harm?

    python benchmarks/leftover.py

Ready-made models denoise simulated movies that they never saw, with and without the filter of
residuals (`prediction.leftover`), all else equal: lattices, a tilt boundary, an edge, missing
columns, atoms on amorphous carbon, counted electrons, three pixel sizes, scans from none to 'bad'.
PSNR against the equally distorted truth, of each frame by itself and of frames with those around.
The filter was chosen on real scans, and none of this was looked at before. Writes leftover.md.
"""

import numpy as np
import trials

N_FRAMES, SEED = 4, 300
# name -> (model, options of the specimen)
SPECIMENS = {
    "gold on graphene": ("graphene-au", {"n_layers": 4}),
    "graphene, tilt boundary": ("graphene-au", {"n_layers": 2, "boundary_rad": 0.4}),
    "graphene, edge": ("graphene-au", {"n_layers": 4, "edge": True}),
    "MoS2, S missing": ("haadf-general", {"lattice": "mos2", "defects": {"V_S": 12}}),
    "WS2, tilt boundary": ("haadf-general", {"lattice": "ws2", "boundary_rad": 0.4}),
    "Pt on carbon": ("haadf-general", {"lattice": "none", "adatom": "Pt", "support_nm": 5.0}),
}
# name -> (scan, noise [dB] or electrons a pixel, pixel size [nm])
SCANS = {
    "7 dB": (None, 7, 0.046),
    "16 dB": (None, 16, 0.046),
    "24 dB": (None, 24, 0.046),
    "16 dB, 0.030 nm/px": (None, 16, 0.030),
    "16 dB, 0.060 nm/px": (None, 16, 0.060),
    "10 dB, typical": ("typical", 10, 0.046),
    "16 dB, typical": ("typical", 16, 0.046),
    "16 dB, bad": ("bad", 16, 0.046),
    "500 e-/px, typical": ("typical", "500 e-", 0.046),
}


def scanned(options, scan, noise, size, tiny):
    """Return the noisy movie and its truth."""
    from n2v_stem_keras.noise import Scan, scan_movie
    from n2v_stem_keras.simulate import simulate_movie

    shape = (96, 96) if tiny else (256, 256)
    how = {"density_nm2": 0.2, "drift_px": 0.3, **options}
    movie = simulate_movie(SEED, shape, N_FRAMES, size, **how)
    level = {"dose_e_px": 500} if isinstance(noise, str) else {"psnr_db": noise}
    return scan_movie(movie.clean, scan or Scan(), SEED + 1, **level)


def psnr(model, one, size, context, with_filter):
    """PSNR of each detector (C,) [dB]."""
    from n2v_stem_keras import Movie
    from n2v_stem_keras.metrics import psnr
    from n2v_stem_keras.prediction import whole
    from n2v_stem_keras.prediction.leftover import Leftover

    n = model.config.n_channel_out
    known = {"detectors": model.config.channels, "pixel_size_nm": size}
    find = whole.find_leftover
    if not with_filter:
        whole.find_leftover = lambda *_: Leftover(np.zeros((n, 9, 9)), np.zeros(n))
    try:
        movie = Movie.from_array(one.noisy[..., :n], "TYXC", **known)
        found = model.predict(movie, context=context, verbose=False)
    finally:
        whole.find_leftover = find
    return np.mean(psnr(one.truth[..., :n], found.astype(float)), axis=0)


def main():
    """Measure all, and write the table."""
    import warnings

    from n2v_stem_keras import open_model

    args = trials.arguments(__doc__)
    warnings.simplefilter("ignore")  # what the models were not made for is meant
    ways = {"none": "each by itself", "both": "with those around"}
    lines = [
        "| specimen, model | noise, scan | "
        + " | ".join(f"{way}, without [dB] | gain [dB]" for way in ways.values())
        + " |",
        "|---" * (2 + 2 * len(ways)) + "|",
    ]
    gains = []
    for specimen, (name, options) in list(SPECIMENS.items())[:: 5 if args.tiny else 1]:
        model = open_model(name)
        for what, (scan, noise, size) in list(SCANS.items())[:: 8 if args.tiny else 1]:
            one = scanned(options, scan, noise, size, args.tiny)
            cells = [f"{specimen}, {name}", what]
            for context in ways:
                before, after = (psnr(model, one, size, context, on) for on in (False, True))
                gains.append(after - before)
                cells += [" / ".join(f"{v:.1f}" for v in before)]
                cells += [" / ".join(f"{v:+.2f}" for v in after - before)]
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    gains = np.concatenate(gains)
    lines += [
        "",
        f"{len(gains)} gains: least {gains.min():+.2f}, median {np.median(gains):+.2f}, most "
        f"{gains.max():+.2f} dB; {np.sum(gains < -0.05)} below -0.05 dB, {np.sum(gains > 0.05)} "
        "above +0.05 dB.",
    ]
    trials.write(args.out / "leftover.md", "\n".join(lines))


if __name__ == "__main__":
    main()
