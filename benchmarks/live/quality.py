"""Small networks taught by a ready-made model, and what they, it, and filters reach.

Part of `live`. Names of students say stem (s), features (f) and depth (d); they upsample
bilinearly, or by a transposed convolution; independent detectors have a UNet each. All have the
filter of whole frames but one, which shows what that is worth.
"""

import importlib.util
import time
from pathlib import Path

import numpy as np
import trials

TEACHER = "graphene-au"
PRESETS = {"laptop": "laptop preset, trained at this noise"}
LEVELS = ((16, 16), (10, 10))
SEEDS = trials.SEEDS["test"]
SIDE = 512
STUDENTS = {
    "s4-f16-d1": {"unet_stem": 4, "unet_n_first": 16, "unet_n_depth": 1},
    "s4-f16-d1, independent": {
        "unet_stem": 4,
        "unet_n_first": 16,
        "unet_n_depth": 1,
        "unet_independent_detectors": True,
    },
    "s2-f8-d1, independent": {
        "unet_stem": 2,
        "unet_n_first": 8,
        "unet_n_depth": 1,
        "unet_independent_detectors": True,
    },
    "s2-f8-d2": {"unet_stem": 2, "unet_n_first": 8, "unet_n_depth": 2},
    "s2-f8-d2, no lattice": {
        "unet_stem": 2,
        "unet_n_first": 8,
        "unet_n_depth": 2,
        "unet_lattice": "none",
    },
    "s2-f12-d1, transposed": {
        "unet_stem": 2,
        "unet_n_first": 12,
        "unet_n_depth": 1,
        "unet_upsample": "transposed",
    },
    "s2-f16-d1, transposed": {
        "unet_stem": 2,
        "unet_n_first": 16,
        "unet_n_depth": 1,
        "unet_upsample": "transposed",
    },
    "s2-f16-d1": {"unet_stem": 2, "unet_n_first": 16, "unet_n_depth": 1},
    "s2-f16-d2": {"unet_stem": 2, "unet_n_first": 16, "unet_n_depth": 2},
}
FILTERS = {
    "Gaussian, sigma 1": "gaussian",
    "TV": "tv",
    "TV as scikit-image stops it": "tv_default",
    "BM3D": "bm3d",
}


def maker():
    """Import models/make.py, which makes the movies that the teacher was trained on."""
    path = Path(__file__).parents[2] / "models" / "make.py"
    spec = importlib.util.spec_from_file_location("make", path)
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    return make


def teacher():
    """Open the ready-made model."""
    from n2v_stem_keras import N2VStem

    return N2VStem.from_pretrained(TEACHER)


def student(args, name):
    """Open a student that is trained."""
    from n2v_stem_keras import N2VStem

    return N2VStem(None, folder_of(name), args.models)


def folder_of(name):
    """Name of a student's folder."""
    return name.replace(", ", "-").replace(" ", "-")


def frames(level, tiny=False):
    """One frame of each held-out movie, clean and noisy, (S, 1, Y, X, C)."""
    from n2v_stem_keras.simulate import reference_movie

    side = 64 if tiny else SIDE
    movies = [reference_movie(seed, shape=(side, side), n_frames=1) for seed in SEEDS]
    truth = trials.clean(movies)
    return truth, trials.white(truth, level, "test")


def scores(denoise, tiny=False):
    """PSNR [dB] and contrast at each level; ``denoise(movie) -> movie``."""
    found = {}
    for level in LEVELS:
        truth, noisy = frames(level, tiny)
        row = trials.score(
            lambda movie, numbers, tta, level=level: denoise(movie, level),
            truth,
            noisy,
            (0,),
            variants=False,
        )
        found[f"{level[0]}/{level[1]} dB"] = {k: row[k] for k in ("psnr", "contrast")}
    return found


def predicts(model):
    """Wrap a model as `scores` calls it."""
    from n2v_stem_keras import Movie

    def denoise(movie, level):
        movie = Movie.from_array(
            movie, "TYXC", detectors=trials.DETECTORS, pixel_size_nm=trials.PIXEL_NM, name="scored"
        )
        return model.predict(movie)

    return denoise


def taught(args, name):
    """Train a student, and score it."""
    from n2v_stem_keras import N2VStemConfig, distill

    make = maker()
    recipe = make.MODELS[TEACHER]
    small = {"train_epochs": 1, "train_steps_per_epoch": 3, "n2v_patch_shape": (64, 64)}
    changes = {**trials.SINGLE, **STUDENTS[name], **(small if args.tiny else {})}
    config = N2VStemConfig.preset("live", channels=recipe.channels, **changes)
    movies, _ = make.simulated_movies(recipe, 2 if args.tiny else recipe.n_movies)
    began = time.perf_counter()
    model = distill(teacher(), movies, config, folder_of(name), args.models)
    seconds = time.perf_counter() - began
    return {
        "n_params": model.keras_model.count_params(),
        "seconds": round(seconds, 1),
        **scores(predicts(student(args, name)), args.tiny),
    }


def preset(args):
    """Score the laptop preset, each level by the model that was trained on it."""
    from n2v_stem_keras import N2VStem

    def denoise(movie, level):
        name = f"reference-{level[0]}-{level[1]}dB-seed0"
        return predicts(N2VStem(None, name, args.gains))(movie, level)

    return scores(denoise, args.tiny)


def filtered(args, kind):
    """Score a filter; all but the Gaussian tuned on the truth of a quarter of these frames."""
    from n2v_stem_keras.baselines import tune

    found = {}
    for level in LEVELS:
        truth, noisy = frames(level, args.tiny)
        sigma = (noisy - truth).std(axis=(0, 1, 2, 3))
        if kind == "gaussian":
            strength = [1.0, 1.0]
        else:
            part = np.s_[:, :, : truth.shape[2] // 2, : truth.shape[3] // 2]
            method = kind.removesuffix("_default")
            _, strength = tune(method, noisy[part], truth[part], noise_sigma=sigma)
        denoised = [[filter_frame(kind, f, strength, sigma) for f in movie] for movie in noisy]
        denoised = np.array(denoised)
        row = trials.score(trials.given(denoised), truth, noisy, (0,), variants=False)
        found[f"{level[0]}/{level[1]} dB"] = {"psnr": row["psnr"], "strength": list(strength)}
    return found


def filter_frame(kind, frame, strength, sigma):
    """Denoise a frame (Y, X, C) by one of `FILTERS`."""
    from skimage.restoration import denoise_tv_chambolle

    from n2v_stem_keras.baselines import bm3d, gaussian, tv

    run = {
        "gaussian": lambda f, p, s: gaussian(f, p),
        "tv": tv,
        "tv_default": lambda f, p, s: denoise_tv_chambolle(f / s, weight=p) * s,
        "bm3d": bm3d,
    }[kind]
    planes = [run(f, p, s) for f, p, s in zip(np.moveaxis(frame, -1, 0), strength, sigma)]
    return np.stack(planes, axis=-1)


def plan(args):
    """Return key -> trial."""
    names = list(STUDENTS)[:1] if args.tiny else STUDENTS
    found = {"students | " + name: lambda name=name: taught(args, name) for name in names}
    found["students | teacher"] = lambda: scores(predicts(teacher()), args.tiny)
    if not args.tiny:
        found["students | laptop preset"] = lambda: preset(args)
    for name, kind in FILTERS.items():
        found["students | " + name] = lambda kind=kind: filtered(args, kind)
    return found


def psnr_of(rows, name):
    """PSNR of a contestant, level -> (ADF, BF) [dB], or {}."""
    row = rows.get("students | " + name, {})
    levels = [f"{a}/{b} dB" for a, b in LEVELS]
    return {level: trials.mean_and_se(row[level]["psnr"])[0] for level in levels if row.get(level)}


def report(rows):
    """Markdown: the students against their teacher."""
    above = psnr_of(rows, "teacher")
    lines = [
        "## Students",
        "",
        "| student | parameters | "
        + " | ".join(f"{level} | below the teacher" for level in above)
        + " |",
        "|---" * (2 + 2 * len(above)) + "|",
    ]
    for name in ["teacher", "laptop preset", *STUDENTS]:
        found = psnr_of(rows, name)
        if not found:
            continue
        n = rows["students | " + name].get("n_params")
        cells = [name, f"{n:,}".replace(",", " ") if n else "-"]
        for level, best in above.items():
            cells.append(pair(found[level]))
            cells.append(pair(np.subtract(best, found[level])) if n else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def pair(values, form="{:.2f}"):
    """Join two numbers by a slash."""
    return " / ".join(form.format(v) for v in values)
