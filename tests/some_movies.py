"""Movies of every combination of axes."""

import numpy as np

from n2v_stem_keras.io import Movie

RNG = np.random.default_rng(0)
SIZE = {"S": 2, "T": 3, "C": 2, "Y": 5, "X": 7}
PROVENANCE = {"model": "au", "model_fingerprint": "sha256:ab", "tta": False, "n": 1.5}


def some_movie(axes, **known):
    array = RNG.normal(100, 10, [SIZE[a] for a in axes]).astype("f4")
    known = {"pixel_size_nm": 0.0293, "frame_time_s": 1 / 3, "voltage_kV": 60.0} | known
    return Movie.from_array(array, axes, detectors=("ADF", "BF")[: array.ndim and
                            (2 if "C" in axes else 1)], **known)  # fmt: skip
