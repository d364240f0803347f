"""When do `denoise` and `train` doubt a movie? ``python -m benchmarks.doubts`` (minutes).

Swapped detectors, wrong pixel sizes and other specimens are shown to the ready-made models, as
`denoise` does, and to limits learnt from real files as a training learns them; so are the right
ones, of which nothing may be said. Simulated movies are drawn as those that each model was trained
on, from another seed. Real files: where ``N2V_STEM_DATA`` says, left out without. Writes
``benchmarks/results/doubts.md``.
"""

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from models import make
from n2v_stem_keras import Movie, limits, open_model
from n2v_stem_keras.noise import Scan
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.prediction import whole

OUT = Path(__file__).parent / "results" / "doubts.md"
MODELS = Path(make.__file__).parent
SEED, N_FRAMES = 7, 4  # movies that the models never saw
N_SIMULATED = 4
# what each ready-made model is not for; haadf-general is for all that can be simulated
OTHERS = {
    "graphene-au": ("mos2", "none"),
    "graphene-au-live": ("mos2", "none"),
    "2d-adf-bf": ("none",),
}


def kinds_of(said):
    """Return which of the warnings asked about are among some."""
    found = {
        "detectors swapped": any("swapped" in text for text in said),
        "pixel size": any(text.startswith("pixel size") or "is wrong" in text
                          or "Say the size" in text for text in said),
        "another specimen": any("another specimen" in text or "another crystal" in text
                                for text in said),
    }  # fmt: skip
    return [name for name, is_said in found.items() if is_said]


def measured(frames):
    """Return what `limits.measure` says of (T, Y, X, C) frames."""
    frames = np.asarray(frames, np.float32)
    return limits.measure(frames, scan(frames, "movie", False))


def doubts(frames, thresholds, channels, pixel_nm):
    """Return which of the warnings limits give, of frames (T, Y, X, C)."""
    return kinds_of(limits.complaints(measured(frames), thresholds, channels, pixel_nm))


def denoised_by(model, frames, pixel_nm):
    """Return which of the warnings `denoise` gives before it begins."""
    frames = np.asarray(frames, np.float32)
    channels = model.config.channels
    movie = Movie.from_array(frames, "TYXC", detectors=channels, pixel_size_nm=pixel_nm)
    return kinds_of(whole.doubts(model, movie))


def drawn(recipe, **changes):
    """Draw movies of a model's recipe, or with other lattices."""
    make.N_FRAMES = N_FRAMES
    with contextlib.redirect_stdout(None):  # what is being simulated
        return make.simulated_movies(replace(recipe, **changes), N_SIMULATED, SEED)[0]


def simulated():
    """Yield name, what is wrong with it (None: nothing), and what is said."""
    scans = make.SCANS
    for name in ("graphene-au", "2d-adf-bf", "haadf-general", "graphene-au-live"):
        recipe, model = make.MODELS[name], open_model(MODELS / name)
        make.SCANS = (Scan(),) if name.endswith("live") else scans  # which saw white noise
        for movie in drawn(recipe):
            frames, size = movie.to_array(), movie.pixel_size_nm
            of = f"{name}: {movie.name}"
            yield of, None, denoised_by(model, frames, size)
            for factor in (0.1, 10, 1000):
                said = denoised_by(model, frames, size * factor)
                yield f"{of}, size x {factor:g}", "pixel size", said
            if len(recipe.channels) == 2:
                said = denoised_by(model, frames[..., ::-1], size)
                yield f"{of}, swapped", "detectors swapped", said
        for lattice in OTHERS.get(name, ()):
            layers = (1,) if lattice == "none" else (2,)
            for movie in drawn(recipe, lattices=((lattice, layers),)):
                said = denoised_by(model, movie.to_array(), movie.pixel_size_nm)
                yield f"{name}: {movie.name}", "another specimen", said
    make.SCANS = scans


def image_of(file):
    """Return the frames, (1, Y, X, 1), of an image and its pixel size."""
    return np.asarray(file[0], float)[None, ..., None]


def real():
    """Yield the same of real files, which are split in two where a training is stood in for."""
    root = os.environ.get("N2V_STEM_DATA")
    if not root:
        return
    root = Path(root) / "real"
    import tifffile

    one = ("HAADF",)
    shipped = open_model(MODELS / "haadf-general")
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
        said = denoised_by(shipped, area[None], 0.0293)  # which it is for
        yield f"haadf-general on Pt on carbon, area {n}", None, said
        for factor in (0.1, 10, 1000):
            said = denoised_by(shipped, area[None], 0.0293 * factor)
            yield f"haadf-general on Pt on carbon, area {n}, x {factor:g}", "pixel size", said
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
        yield f"trained on {name}: Pt on carbon", "another specimen", said
        if size:  # finer than all that it saw
            said = denoised_by(shipped, image_of(files[name]), size)
            yield f"haadf-general on {name}", "pixel size", said
            said = denoised_by(shipped, image_of(files[name]), 0.046)
            yield f"haadf-general on {name}, said to have 0.046 nm", "another specimen", said


def report(cases):
    """Return the table, and what was missed or said falsely; Markdown.

    Parameters
    ----------
    cases : list of (str, str, str or None, list of str)
        Simulated or real, name, what is wrong, what was said.
    """
    lines = [
        "What `denoise` says before it begins, of movies that are right for the model and of wrong "
        "ones. Made by `python -m benchmarks.doubts`.",
        "",
        "| files | what is wrong | movies | said so | something else said |",
        "|---|---|---|---|---|",
    ]
    amiss = []
    for kind in ("simulated", "real"):
        for wrong in (None, "detectors swapped", "pixel size", "another specimen"):
            of = [(name, said) for k, name, w, said in cases if (k, w) == (kind, wrong)]
            if not of:
                continue
            others = [name for name, said in of if set(said) - {wrong}]
            missed = [name for name, said in of if wrong and wrong not in said]
            n_right = len(of) - len(missed) if wrong else "-"
            lines.append(
                f"| {kind} | {wrong or 'nothing'} | {len(of)} | {n_right} | {len(others)} |"
            )
            amiss += [f"- not said, {wrong}: {name}" for name in missed]
            amiss += [f"- said falsely: {name}" for name in others if wrong is None]
    return "\n".join([*lines, *(["", *amiss] if amiss else [])]) + "\n"


def main():
    """Ask, and write the table."""
    cases = []
    for kind, asked in (("simulated", simulated()), ("real", real())):
        for name, wrong, said in asked:
            words = ", ".join(said) or "nothing said"
            print(f"{kind}; wrong: {wrong}; {name}: {words}", flush=True)
            cases.append((kind, name, wrong, said))
    OUT.write_text(report(cases), encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
