"""What goes into packages of the BioImage Model Zoo, and what is in them."""

import functools
import zipfile

import numpy as np

from n2v_stem_keras.prediction import convert as conversion

CONVERT = conversion.convert  # tests replace it by `converted`


@functools.cache
def converted(made):
    """Convert a model's network for frames alone once, however often it is asked for."""
    return CONVERT(made.keras_model, made.config, single=True)


def movie_with_lattice():
    """Six frames, two detectors of very different gain; odd sides."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:70, :90]
    lattice = 2 * np.cos(1.1 * x + 0.4 * y)[..., None]
    frames = lattice + rng.normal(size=(6, 70, 90, 2))
    return (frames * (50, 0.01) + (1000, -3)).astype(np.float32)


def contents(path):
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}
