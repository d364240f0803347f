"""When do `denoise` and `train` doubt a movie? ``python -m benchmarks.doubts`` (minutes).

Swapped detectors, wrong pixel sizes and other specimens are shown to the limits of the ready-made
models, and to limits learnt from real files as a training learns them; so are the right ones, of
which nothing may be said. Real files: where ``N2V_STEM_DATA`` says, left out without. Writes
``benchmarks/results/doubts.md``.
"""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.ndimage import gaussian_filter

from models import make
from n2v_stem_keras import limits
from n2v_stem_keras.folder.thresholds import read_thresholds
from n2v_stem_keras.normalize import scan

OUT = Path(__file__).parent / "results" / "doubts.md"
MODELS = Path(make.__file__).parent
N_SIMULATED = 4


def measured(frames):
    """Return what `limits.measure` says of (T, Y, X, C) frames."""
    frames = np.asarray(frames, np.float32)
    return limits.measure(frames, scan(frames, "movie", False))


def doubts(frames, thresholds, channels, pixel_nm):
    """Return which of the new warnings are given."""
    said = limits.complaints(measured(frames), thresholds, channels, pixel_nm)
    found = {
        "detectors swapped": any("swapped" in text for text in said),
        "pixel size": any(text.startswith("pixel size") or "is wrong" in text
                          or "Say the size" in text for text in said),
        "another specimen": any("another specimen" in text for text in said),
    }  # fmt: skip
    return [name for name, is_said in found.items() if is_said]


def simulated():
    """Yield name, what is wrong with it (None: nothing), and what is said."""
    for model in ("graphene-au", "haadf-general"):
        recipe = make.MODELS[model]
        thresholds = read_thresholds(MODELS / model, recipe.channels)
        make.SEED = 7  # movies that the models never saw
        movies = make.training_movies(recipe, N_SIMULATED)
        for movie in movies:
            frames, size = movie.to_array(), movie.pixel_size_nm
            ask = (thresholds, recipe.channels)
            yield f"{model}: {movie.name}", None, doubts(frames, *ask, size)
            for factor in (0.1, 10, 1000):
                wrong = doubts(frames, *ask, size * factor)
                yield f"{model}: {movie.name}, size x {factor:g}", "pixel size", wrong
            if len(recipe.channels) == 2:
                wrong = doubts(frames[..., ::-1], *ask, size)
                yield f"{model}: {movie.name}, swapped", "detectors swapped", wrong
    # on a support that is uneven over tens of pixels
    rng = np.random.default_rng(1)
    slow = gaussian_filter(rng.normal(size=(384, 384)), 24)
    recipe = make.MODELS["haadf-general"]
    thresholds = read_thresholds(MODELS / "haadf-general", recipe.channels)
    for movie in make.training_movies(recipe, N_SIMULATED):
        frames = movie.to_array()
        frames = frames + frames.std() * slow[..., None] / slow.std()
        said = doubts(frames, thresholds, recipe.channels, movie.pixel_size_nm)
        yield f"haadf-general: {movie.name}, on uneven carbon", "another specimen", said


def real():
    """Yield the same of real files, which are split in two where a training is stood in for."""
    root = os.environ.get("N2V_STEM_DATA")
    if not root:
        return
    root = Path(root) / "real"
    import tifffile

    one = ("HAADF",)
    shipped = read_thresholds(MODELS / "haadf-general", one)
    areas = tifffile.imread(root / "PtNC-HPAI" / "haadf.tif")[..., None].astype(float)
    files = {path.stem: (np.load(path), size) for path, size in zip(
        sorted((root / "MoS2-SciLink").glob("*.npy")), (None, None, None))}  # fmt: skip
    for name, size in (
        ("SrTiO3-scanline/SrTiO3_Tecnai", 0.0135),
        ("temul/MoS2_Se_adf", 0.0127),
        ("temul/Au_nanoparticle_haadf", 0.0075),
        ("SrTiO3-jitter/SrTiO3_haadf", 0.0100),
        ("grain-boundaries/Si_tilt_haadf85", 0.0164),
        ("grain-boundaries/CdTe_twin_haadf26", 0.0202),
    ):
        files[name.split("/")[1]] = np.load(root / f"{name}.npy"), size
    for n, area in enumerate(areas):
        said = doubts(area[None], shipped, one, 0.0293)
        yield f"haadf-general on Pt on thick carbon, area {n}", "another specimen", said
    config = SimpleNamespace(channels=one, span=(1, 1), n2v_after_glow=None)
    learnt = limits.learn([measured(a[None]) for a in areas[::2]], [0.0293] * 6, config)
    for n, area in list(enumerate(areas))[1::2]:
        said = doubts(area[None], learnt, one, 0.0293)
        yield f"trained on the even areas of Pt on carbon: area {n}", None, said
    halves = {}
    for name, (image, size) in files.items():
        image = np.asarray(image, float)[..., None]
        left, right = image[None, :, : image.shape[1] // 2], image[None, :, image.shape[1] // 2 :]
        halves[name] = limits.learn([measured(left)], [size], config), right, size
    for name, (learnt, right, size) in halves.items():
        yield f"trained on its left half: {name}", None, doubts(right, learnt, one, size)
        if size:
            for factor in (0.1, 10, 1000):
                said = doubts(right, learnt, one, size * factor)
                yield f"its left half: {name}, size x {factor:g}", "pixel size", said
        said = doubts(areas[0][None], learnt, one, 0.0293)
        yield f"trained on {name}: Pt on thick carbon", "another specimen", said


def main():
    """Ask, and write the table."""
    lines = ["| files | what is wrong | movies | said so | something else said |"]
    lines.append("|---|---|---|---|---|")
    for kind, cases in (("simulated", list(simulated())), ("real", list(real()))):
        for wrong in (None, "detectors swapped", "pixel size", "another specimen"):
            of = [(name, said) for name, w, said in cases if w == wrong]
            if not of:
                continue
            right = sum(wrong in said for _, said in of)
            others = [(n, said) for n, said in of if [s for s in said if s != wrong]]
            lines.append(
                f"| {kind} | {wrong or 'nothing'} | {len(of)} | {right if wrong else '-'} | "
                f"{len(others)} |"
            )
            for name, said in of:
                print(f"{kind}; wrong: {wrong}; {name}: {', '.join(said) or 'nothing said'}")
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
