"""A ready-made model trained on with one movie: against training afresh, and against not at all.

    python benchmarks/transfer.py               # everything; goes on where it stopped
    python benchmarks/transfer.py --table       # the table again from the journal

One movie of 12 frames of 256x256 px of each specimen, which no ready-made model saw. It is denoised
by a ready-made model as it is, by one that was trained on with this movie (``transfer_from``, the
laptop preset with the ready-made network, 4 epochs), and by the laptop preset trained on it afresh,
for 4 and for all of its 15 epochs. PSNR against the equally distorted truth, with the frames around
and with each frame by itself. Writes transfer.jsonl (the journal) and transfer.md.
"""

import tempfile

import numpy as np
import trials

SEED, PIXEL_NM, N_FRAMES = 500, 0.046, 12
VACANCIES = {"lattice": "mos2", "density_nm2": 0.05, "defects": {"V_S": 8}}
FOREIGN = {"lattice": "ws2", "density_nm2": 0.05}
# name -> (ready-made model, options of the specimen, scan)
SPECIMENS = {
    "gold on four layers of graphene": ("graphene-au", {"n_layers": 4, "density_nm2": 0.25}, None),
    "the same, scan typical": ("graphene-au", {"n_layers": 4, "density_nm2": 0.25}, "typical"),
    "MoS2 with vacancies": ("2d-adf-bf", VACANCIES, None),
    "WS2, by a model of graphene": ("graphene-au", FOREIGN, None),
    "Pt on 5 nm of carbon": (
        "haadf-general",
        {"lattice": "none", "adatom": "Pt", "support_nm": 5.0, "density_nm2": 0.25},
        None,
    ),
}
PSNR_DB = 10
SHORT = 4  # epochs
WAYS = {
    "ready-made": (False, 0),
    "trained on, 4 epochs": (True, SHORT),
    "afresh, 4 epochs": (False, SHORT),
    "afresh, 15 epochs": (False, None),
}


def scanned(name, tiny=False):
    """Return the noisy movie of a specimen, and its truth."""
    from n2v_stem_keras.noise import Scan, scan_movie
    from n2v_stem_keras.simulate import simulate_movie

    _, options, scan = SPECIMENS[name]
    shape, n = ((96, 96), 3) if tiny else ((256, 256), N_FRAMES)
    clean = simulate_movie(SEED, shape, n, PIXEL_NM, motion="steps", **options).clean
    return scan_movie(clean, scan or Scan(), SEED + 1, psnr_db=PSNR_DB)


def run(args, name, way):
    """Denoise one movie in one way, and score it."""
    from n2v_stem_keras import Movie, N2VStem, N2VStemConfig
    from n2v_stem_keras.metrics import psnr

    ready = N2VStem.from_pretrained(SPECIMENS[name][0])
    one, n = scanned(name, args.tiny), ready.config.n_channel_out
    known = {"detectors": ready.config.channels, "pixel_size_nm": PIXEL_NM, "name": "simulated"}
    movie = Movie.from_array(one.noisy[..., :n], "TYXC", **known)
    transfer, epochs = WAYS[way]
    steps = 0
    with tempfile.TemporaryDirectory() as folder:
        if epochs == 0:
            model = ready
        else:
            network = {
                key: getattr(ready.config, key)
                for key in ready.config.names()
                if key.startswith("unet_")
            }
            changes = {"channels": ready.config.channels, **(network if transfer else {})}
            changes |= trials.TINY if args.tiny and not transfer else {}
            config = N2VStemConfig.preset("laptop", pixel_size_nm=PIXEL_NM, **changes)
            model = N2VStem(config, "trained", folder)
            start = SPECIMENS[name][0] if transfer else None
            extent = {"epochs": 1, "steps_per_epoch": 2} if args.tiny else {"epochs": epochs}
            model.train(movie, transfer_from=start, **extent)
            losses = model.history().history["loss"]
            steps = len(losses) * (2 if args.tiny else config.train_steps_per_epoch)
        truth, found = one.truth[..., :n], {}
        for context in ("both", "none"):
            denoised = model.predict(movie, context=context, verbose=False).astype(float)
            found[context] = np.mean(psnr(truth, denoised), axis=0).round(3).tolist()
    return {"psnr": found, "steps": steps}


def table(rows):
    """Markdown: a line a specimen and way."""
    lines = [
        "| movie at 10 dB | ready-made model | way | PSNR with the frames around [dB] | each frame "
        "by itself [dB] | steps |",
        "|---" * 6 + "|",
    ]
    for name in SPECIMENS:
        for way in WAYS:
            row = rows.get(f"{name} | {way}")
            if row is None:
                continue
            cells = [" / ".join(f"{v:.1f}" for v in row["psnr"][c]) for c in ("both", "none")]
            model = SPECIMENS[name][0] if WAYS[way][0] or WAYS[way][1] == 0 else "-"
            lines.append("| " + " | ".join([name, model, way, *cells, str(row["steps"])]) + " |")
    return "\n".join(lines)


def main():
    """Run what is missing, then write the table."""
    import warnings

    only = {"default": "", "help": "only trials whose key contains this"}
    args = trials.arguments(__doc__, only=only)
    warnings.simplefilter("ignore")  # what the models were not made for is meant
    journal = trials.Journal(args.out / "transfer.jsonl")
    names, ways = list(SPECIMENS), list(WAYS)
    pairs = [(n, w) for n in names for w in ways]
    if args.tiny:
        pairs = [(names[0], ways[1])]
    for name, way in args.mine(pairs) if not args.table else ():
        key = f"{name} | {way}"
        if args.only in key:
            journal.run(key, lambda name=name, way=way: run(args, name, way))
    trials.write(args.out / "transfer.md", table(journal.rows()))


if __name__ == "__main__":
    main()
