"""Did a change of the code change any number? Run it on both commits, and compare what it prints.

    python benchmarks/same_numbers.py > before.json     # on the one commit
    python benchmarks/same_numbers.py > after.json      # on the other, on the same machine
    diff before.json after.json

Prints SHA-256 of the predictions of each ready-made model, of the predictions of its export, and of
the weights and the loss after three epochs of the laptop preset with a fixed seed. On one machine
two runs of the same code agree to the bit. Uses only what the package promises to keep.
"""

import argparse
import hashlib
import json
import warnings

import numpy as np

from n2v_stem_keras import ExportedModel, Movie, N2VStem, N2VStemConfig
from n2v_stem_keras.noise import add_white_noise
from n2v_stem_keras.simulate import reference_movie

PIXEL_NM = 0.046
LEVEL_DB = (7, 6)
EXPORTED = ("graphene-au-live",)


def movie(seed, channels, n_frames=4):
    """Return a noisy reference movie with the detectors of a model."""
    clean = reference_movie(seed, n_frames=n_frames).clean[..., : len(channels)]
    noisy = add_white_noise(clean, LEVEL_DB[: len(channels)], seed=[seed, 1])
    return Movie.from_array(noisy, "TYXC", detectors=channels, pixel_size_nm=PIXEL_NM)


def digest(arrays):
    """SHA-256 of arrays, shapes included."""
    found = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array, np.float32)
        found.update(str(array.shape).encode() + array.tobytes())
    return found.hexdigest()[:16]


def main():
    """Print digests as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    found = {}
    for name in N2VStem.from_pretrained():
        model = N2VStem.from_pretrained(name)
        noisy = movie(0, model.config.channels)
        found[name] = digest([model.predict(noisy)])
        if name in EXPORTED:
            found[f"{name}, export"] = exported(model, noisy)
    config = N2VStemConfig.preset("laptop", train_epochs=args.epochs)
    model = N2VStem(config, "same", basedir=None)
    history = model.train([movie(seed, config.channels) for seed in range(1, 4)], verbose=False)
    found["weights after training"] = digest(model.keras_model.get_weights())
    found["history"] = {k: v for k, v in history.history.items() if "loss" in k}
    print(json.dumps(found, indent=1))


def exported(model, noisy):
    """Return the digest of what the export makes, or why there is none."""
    try:
        return digest([ExportedModel(model.folder).predict(noisy, engine="onnx", threads=1)])
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
