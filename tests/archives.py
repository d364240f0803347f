"""Denoising folders of movies by the command line."""

from n2v_stem_keras import N2VStem
from n2v_stem_keras.cli import main
from n2v_stem_keras.folder import folder as model_folder


def make_model(folder, config, seed=0):
    """Write a model folder without training; its weights are as good as any."""
    model = N2VStem(config.replace(train_seed=seed), folder.name, folder.parent)
    model_folder.save_weights(model.keras_model, folder / model_folder.WEIGHTS_BEST)
    return folder


def denoise(*words, out, model):
    return main(
        ["denoise", *map(str, words), "--model", str(model), "--axes", "TYXC", "--detectors",
         "ADF,BF", "--out", str(out), "--no-picture"]
    )  # fmt: skip


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


RESULTS = [f"{n}_denoised.ome.tif" for n in ("a", "day1/b", "day1/raw/c")]
