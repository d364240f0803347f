"""Real scans and scans simulated by others, with defaults, beside filters at their best.

    N2V_STEM_DATA=... python benchmarks/real.py               # everything; goes on where it stopped
    python benchmarks/real.py --table

Each set is denoised by a model of ``preset("laptop")`` that was trained on its very frames. Nothing
is told to it but the pixel size. Gaussian, TV and BM3D have the parameter of least error by the
score itself, for each frame: they are at their best. How a frame is scored:

recorrupted
    A frame y of noise n is made two, y + z and y - z, where z is as strong as n and correlated as
    n along x (`noise.estimate_noise`, rows put back): their noise is independent then (Pang et al.,
    CVPR 2021).
    The first is trained on and denoised, the other one scores. So the noise is twice as strong as
    in the scan. "Locally": where the specimen is thick, or ends, z is as strong as n there.
repeated
    Two frames of one area: one is trained on and denoised, the other one scores.
thinned
    Counts are halved at random, which gives two independent frames (arXiv 2301.07276).
truth
    The clean frame is known.
truth, as scanned
    The clean frame is known, but it is sharper and its rows lie elsewhere, which no denoiser can
    tell. Its rows are moved to where they fit the noisy frame best, and it is blurred alike in all
    directions by what fits best.

Gain is the error of the noisy frame over that of the denoised one [dB], the noise of the scoring
frame taken off, 8 px of the border left out. How strong that noise is, is known to a percent, so
that gains above 20 dB cannot be told from 20. The interval is 95 % of a bootstrap over blocks of 32
px, of the gain above the best filter. Writes real.jsonl (the journal), real.md, real_short.md,
real_images.md and, for each set, a picture in --pictures.
"""

import os
from pathlib import Path

import numpy as np
import trials

BORDER, BLOCK, N_BOOT = 8, 32, 1000
MOST_DB = 20.0
LOCAL_PX = 24.0  # over which the local strength of noise is averaged
SCORED = 2  # frames of a set, at most, where the truth is not known; all are trained on
FILTERS = {"gaussian": None, "tv": None, "bm3d": (0.5, 0.7, 0.9, 1.1, 1.4)}  # None: its own search
# name -> (file, frames of it, pixel size [nm], how it is scored)
SETS = {
    "MoS2": ("real/MoS2-SciLink/*.npy", None, 0.016, "recorrupted"),
    "Si, tilt boundary": ("real/grain-boundaries/Si_tilt_haadf85.npy", None, 0.0164, "recorrupted"),
    "CdTe, twin": ("real/grain-boundaries/CdTe_twin_haadf26.npy", None, 0.0202, "recorrupted"),
    "MoS2, Se implanted": ("real/temul/MoS2_Se_adf.npy", None, 0.0127, "recorrupted"),
    "Au nanoparticle": (
        "real/temul/Au_nanoparticle_haadf.npy",
        None,
        0.0075,
        "recorrupted locally",
    ),
    "SrTiO3, jitter": ("real/SrTiO3-jitter/SrTiO3_haadf.npy", None, 0.01, "recorrupted"),
    "SrTiO3, scan lines": ("real/SrTiO3-scanline/SrTiO3_Tecnai.npy", None, 0.0135, "recorrupted"),
    "Pt on carbon": ("real/PtNC-HPAI/haadf.tif", None, 0.0293, "recorrupted locally"),
    "Pt, Re complexes": ("real/Sjeon-molecular/haadf.npy", None, None, "recorrupted locally"),
    "oxide, line offsets": ("real/tk_r_em/exp_hrstem.npy", 0, None, "recorrupted"),
    "HR-STEM 1": ("real/tk_r_em/exp_hrstem.npy", 1, None, "recorrupted"),
    "HR-STEM 2, jitter": ("real/tk_r_em/exp_hrstem.npy", 2, None, "recorrupted"),
    "HR-STEM 3": ("real/tk_r_em/exp_hrstem.npy", 3, None, "recorrupted"),
    "Warwick, three scans": ("real/partial-STEM/warwick_stem.npy", None, None, "recorrupted"),
    "TEM, little dose": ("repeats/Katsuno-TEM/pairs.npy", None, None, "repeated"),
    "graphene, counts": ("bench/nion-graphene/graphene_poisson_1.npz", "counts", 0.0078, "thinned"),
    "PRISM, blur and scan": ("bench/atomagined/choices6.npz", 2, 0.01, "truth, as scanned"),
    "PRISM, less noise": ("bench/atomagined/choices6.npz", 3, 0.01, "truth, as scanned"),
    "hexagonal, 5 e": ("bench/stemdenoise/hexagonal_d5.npz", "noisy", None, "truth"),
    "hexagonal, 50 e": ("bench/stemdenoise/hexagonal_d50.npz", "noisy", None, "truth"),
    "binary, 20 e": ("bench/stemdenoise/binary_square_d20.npz", "noisy", None, "truth"),
}


def read(name):
    """Return noisy frames (N, Y, X) and, where it is known, the truth."""
    import tifffile

    pattern, part, _, how = SETS[name]
    paths = sorted(Path(os.environ["N2V_STEM_DATA"]).glob(pattern))
    if paths[0].suffix == ".npz":
        stored = np.load(paths[0])
        if "images" in stored:
            return stored["images"][:, part], stored["images"][:, 1]
        noisy = stored[part]
        return noisy[None], stored["clean"][None] if how.startswith("truth") else None
    read_one = tifffile.imread if paths[0].suffix == ".tif" else np.load
    frames = np.concatenate([np.atleast_3d(read_one(p).T).T for p in paths])
    return (frames if part is None else frames[part : part + 1]).astype(np.float32), None


def noise_like(frame, rng, locally=False):
    """Noise as strong as a frame's, also from place to place, and correlated as it is along x."""
    from scipy.ndimage import gaussian_filter

    from n2v_stem_keras.noise import estimate_noise, level_rows
    from n2v_stem_keras.undistort import rows_lie_beside, straightened

    straight = frame[..., None].astype(np.float32)
    if rows_lie_beside(level_rows(straight)):  # what displaces rows is no noise
        straight = straightened(straight)[0]
    found = estimate_noise(straight[..., 0])
    lags, n = np.asarray(found.acf_x), frame.shape[1]
    line = np.zeros(n)
    line[: len(lags)] = lags
    line[-len(lags) + 1 :] += lags[:0:-1]
    power = np.maximum(np.fft.rfft(line).real, 0)
    white = np.fft.rfft(rng.standard_normal(frame.shape), axis=1)
    noise = np.fft.irfft(white * np.sqrt(power / power.mean()), n, axis=1)
    if locally:
        # what is smooth along y is nothing in a fourth difference
        rough = np.pad(np.diff(frame, 4, axis=0), ((2, 2), (0, 0)), mode="edge")
        strength = np.sqrt(gaussian_filter(np.square(rough), LOCAL_PX))
        noise *= strength / np.sqrt(np.mean(strength**2))
    return found.sigma * noise, found.sigma


def pair(name):
    """Return frames to denoise, frames that score, and the noise variance of either (N,)."""
    frames, truth = read(name)
    rng, how = np.random.default_rng(0), SETS[name][3]
    if how.startswith("truth"):
        fitted = _scaled_to if how == "truth" else _scanned_as
        clean = np.stack([fitted(t.astype(float), y) for t, y in zip(truth, frames)])
        return frames, clean, ((frames - clean) ** 2).mean((1, 2)), np.zeros(len(frames))
    if how == "thinned":
        half = rng.binomial(frames.astype(int), 0.5)
        rest = frames - half
        return half, rest, half.mean((1, 2)), rest.mean((1, 2))
    if how == "repeated":
        first, other = np.moveaxis(frames, 1, 0)
        # the beam is not steady
        other = other + (first - other).mean((1, 2), keepdims=True)
        variance = ((first - other) ** 2).mean((1, 2)) / 2
        return first, other, variance, variance
    made = [noise_like(f, rng, how == "recorrupted locally") for f in frames.astype(float)]
    z, variance = np.stack([z for z, _ in made]), 2 * np.array([s**2 for _, s in made])
    return frames + z, frames - z, variance, variance


def _scaled_to(truth, noisy):
    """Return the truth in the unit of the noisy frame; not all are stored in one."""
    slope = ((truth - truth.mean()) * (noisy - noisy.mean())).mean() / truth.var()
    return noisy.mean() + slope * (truth - truth.mean())


def _scanned_as(truth, noisy):
    """Return the truth with rows where the noisy frame's are, blurred as that is, in its unit."""
    from scipy.ndimage import gaussian_filter1d

    x = np.arange(truth.shape[1])
    inner = slice(2 * BORDER, -2 * BORDER)
    # rows are compared as blurred as they may be, at quarters of a pixel
    smooth = gaussian_filter1d(truth, 1.5, axis=1)
    places = np.arange(-BORDER, BORDER + 0.25, 0.25)
    rows = noisy[:, inner] - noisy[:, inner].mean(axis=1, keepdims=True)
    fits = []
    for place in places:
        moved = np.stack([np.interp(x - place, x, row) for row in smooth])[:, inner]
        moved = moved - moved.mean(axis=1, keepdims=True)
        fits.append((moved * rows).sum(axis=1) / np.linalg.norm(moved, axis=1))
    best = places[np.argmax(fits, axis=0)]
    moved = np.stack([np.interp(x - place, x, row) for place, row in zip(best, truth)])
    # one factor for each ring of spatial frequencies
    spectra = [np.fft.fft2(image - image.mean()) for image in (moved, noisy)]
    size = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in truth.shape), indexing="ij"))
    ring = (size * min(truth.shape) / 2).astype(int).ravel()
    shared = np.bincount(ring, (spectra[1] * spectra[0].conj()).real.ravel())
    factor = shared / np.bincount(ring, np.square(np.abs(spectra[0])).ravel())
    blurred = np.fft.ifft2(spectra[0] * factor[ring].reshape(truth.shape)).real
    return noisy.mean() + blurred


def blocks(error):
    """Mean of a map of errors over each block."""
    inner = error[BORDER:-BORDER, BORDER:-BORDER]
    n_y, n_x = (n // BLOCK for n in inner.shape)
    return inner[: n_y * BLOCK, : n_x * BLOCK].reshape(n_y, BLOCK, n_x, BLOCK).mean((1, 3)).ravel()


def denoised_by(args, name, frames):
    """Train on the frames, and denoise them."""
    from n2v_stem_keras import Movie, N2VStem, N2VStemConfig

    size = SETS[name][2]
    known = {"detectors": ("HAADF",), "pixel_size_nm": size, "name": name}
    # other areas, not frames of one
    movie = Movie.from_array(frames.astype(np.float32)[:, None, ..., None], "STYXC", **known)
    config = N2VStemConfig.preset(
        "laptop",
        channels=("HAADF",),
        pixel_size_nm=size,
        n_frames=1,
        **(trials.TINY if args.tiny else {}),
    )
    folder = "real-" + "".join(c if c.isalnum() else "-" for c in name)
    model = N2VStem(config, folder, args.models)
    if not model.record["runs"] or not model.record["runs"][-1]["finished"]:
        model.train(movie)
        model = N2VStem(None, folder, args.models)
    said = trials.chosen(model.config)
    out = {"network": model.predict(movie, restore=False), "preset": model.predict(movie)}
    return {what: np.asarray(v)[:, 0, ..., 0] for what, v in out.items()}, said


def run(args, name):
    """Score one set."""
    from n2v_stem_keras.baselines import tune

    noisy, other, before, spare = pair(name)
    if args.tiny:
        noisy, other, before, spare = (
            noisy[:1, :64, :64],
            other[:1, :64, :64],
            before[:1],
            spare[:1],
        )
    found, chosen = denoised_by(args, name, noisy)
    n = len(noisy) if SETS[name][3].startswith("truth") else SCORED
    noisy, other, before, spare = (part[:n] for part in (noisy, other, before, spare))
    found = {what: frames[:n] for what, frames in found.items()}
    parameters = {}
    for method, values in FILTERS.items():
        tuned = [tune(method, y.astype(np.float32), o, values=values) for y, o in zip(noisy, other)]
        found[method] = np.stack([image for image, _ in tuned])
        parameters[method] = [float(p) for _, p in tuned]
    errors = {}
    for what, frames in found.items():
        # in units of the noise, so that frames count alike
        errors[what] = [
            [float(f"{v:.5g}") for v in blocks(((f.astype(float) - o) ** 2 - s) / b)]
            for f, o, s, b in zip(frames, other, spare, before)
        ]
    if args.pictures:
        picture(args.pictures, name, noisy, found)
    noise_to_sd = np.sqrt(before) / noisy.std((1, 2))
    return {
        "set": name,
        "how": SETS[name][3],
        "noise_to_sd": float(noise_to_sd.mean()),
        "errors": errors,
        "parameters": parameters,
        "chosen": chosen,
    }


def picture(folder, name, noisy, found):
    """Noisy, best Gaussian, BM3D and preset of the middle of the first frame, one grey scale."""
    import imageio.v3 as iio

    side = min(256, *noisy.shape[1:])
    y, x = ((n - side) // 2 for n in noisy.shape[1:])
    parts = [noisy[0], found["gaussian"][0], found["bm3d"][0], found["preset"][0]]
    parts = [np.asarray(p, float)[y : y + side, x : x + side] for p in parts]
    low, high = np.percentile(parts[3], (0.5, 99.7))
    row = np.concatenate([np.clip((p - low) / (high - low), 0, 1) for p in parts], axis=1)
    folder.mkdir(parents=True, exist_ok=True)
    stem = "".join(c if c.isalnum() else "-" for c in name)
    iio.imwrite(folder / f"{stem}.png", (255 * row).astype(np.uint8))


def gain(error):
    """Error of the noisy frame over this one [dB]."""
    return -10 * np.log10(np.maximum(error, 10 ** (-MOST_DB / 10)))


def short_table(rows):
    """Markdown: what README shows of it."""
    lines = [
        "| scan | Gaussian | BM3D | this package | above the best filter (95 %) |",
        "|---" * 5 + "|",
    ]
    for cells in _cells(rows):
        name, how, _, gaussian, _, bm3d, preset, above, _ = cells
        if not how.startswith("truth"):
            lines.append("| " + " | ".join([name, gaussian, bm3d, preset, above]) + " |")
    return "\n".join(lines)


def table(rows):
    """Markdown: one line a set."""
    lines = [
        "| data | scored | noise / sd | Gaussian | TV | BM3D | preset | above the best filter "
        "(95 %) | it chose |",
        "|---" * 9 + "|",
    ]
    lines += ["| " + " | ".join(cells) + " |" for cells in _cells(rows)]
    return "\n".join(lines)


def table_of_images(rows):
    """Markdown: frames whose truth is known, one by one: gain above the best filter [dB]."""
    lines = ["Frames of sets that are simulated elsewhere, one by one [dB].", ""]
    lines += [
        "| data | frame | Gaussian | TV | BM3D | preset | above the best filter |",
        "|---" * 7 + "|",
    ]
    for name in SETS:
        row = rows.get(name)
        if row is None or not row["how"].startswith("truth"):
            continue
        for k in range(len(row["errors"]["preset"])):
            gains = {what: gain(np.mean(v[k])) for what, v in row["errors"].items()}
            above = gains["preset"] - max(gains[f] for f in FILTERS)
            cells = [name, str(k + 1), *(f"{gains[w]:.1f}" for w in (*FILTERS, "preset"))]
            lines.append("| " + " | ".join([*cells, f"{above:+.1f}"]) + " |")
    return "\n".join(lines)


def _cells(rows):
    """Yield the cells of each line."""
    for name in SETS:
        row = rows.get(name)
        if row is None:
            continue
        errors = {k: np.concatenate(v) for k, v in row["errors"].items()}
        n = len(errors["preset"])
        gains = {k: gain(v.mean()) for k, v in errors.items()}
        best = max(FILTERS, key=gains.get)
        picks = np.random.default_rng(0).integers(0, n, (N_BOOT, n))
        drawn = {k: gain(errors[k][picks].mean(1)) for k in (best, "preset")}
        low, high = np.percentile(drawn["preset"] - drawn[best], (2.5, 97.5))
        above = gains["preset"] - gains[best]
        cells = [name, row["how"], f"{row['noise_to_sd']:.2f}"]
        for key in (*FILTERS, "preset"):
            beyond = "over " if gains[key] >= MOST_DB else ""
            cells.append(f"{beyond}{gains[key]:.1f}")
        cells += [
            f"{above:+.1f} ({low:+.1f} to {high:+.1f})",
            trials.chosen_in_words(row["chosen"]),
        ]
        yield cells


def main():
    """Run what is missing, then write the table."""
    models = {"type": Path, "default": Path("real-models"), "help": "default: %(default)s"}
    pictures = {"type": Path, "default": None, "help": "folder of pictures, which are not shipped"}
    only = {"default": "", "help": "only sets whose name has this in it"}
    args = trials.arguments(__doc__, models=models, pictures=pictures, only=only)
    journal = trials.Journal(args.out / "real.jsonl")
    for name in [] if args.table else args.mine([n for n in SETS if args.only in n]):
        journal.run(name, lambda name=name: run(args, name))
    trials.write(args.out / "real.md", table(journal.rows()))
    trials.write(args.out / "real_short.md", short_table(journal.rows()))
    trials.write(args.out / "real_images.md", table_of_images(journal.rows()))


if __name__ == "__main__":
    main()
