"""Tiny models and movies, so that what is not marked slow takes minutes on two cores."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tempfile
import time

import numpy as np
import pytest

# the key of exports (`folder.seal`) that tests make
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="n2v-stem-tests-")

import n2v_stem_keras  # noqa: F401  before TensorFlow, which reads what it says of oneDNN


@pytest.fixture(autouse=True, scope="session")
def _tiny_movies_are_enough():
    """Keep `train` from warning of tiny movies, which nearly all tests train on."""
    from n2v_stem_keras.training import data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "FEW_PIXELS", 0)
        yield


@pytest.fixture(scope="session")
def wait_until():
    """Return a function that waits until something is so, for as long as it is reasonable."""

    def wait(condition, seconds=60.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"did not happen within {seconds:g} s"
            time.sleep(0.005)  # polls

    return wait


@pytest.fixture(scope="session")
def tiny_config():
    """A network of a few hundred parameters that trains in seconds."""
    from n2v_stem_keras import N2VStemConfig

    return N2VStemConfig.preset(
        "laptop",
        unet_n_depth=1,
        unet_n_first=2,
        unet_kern_size_first=3,
        unet_lattice="windows",
        unet_lattice_window=16,
        n2v_patch_shape=(32, 32),
        train_epochs=2,
        train_steps_per_epoch=3,
        train_batch_size=2,
    )


@pytest.fixture(scope="session")
def plain_config(tiny_config):
    """The same without the image of the lattice: trains in half the time."""
    return tiny_config.replace(unet_lattice="none")


@pytest.fixture(scope="session")
def same_noisy_movie():
    """(T, Y, X, C) float32: a smooth pattern per detector plus white noise, in arbitrary units."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :48]
    clean = np.stack([np.sin(y / 3) + np.cos(x / 4), np.cos(y / 5) * np.sin(x / 3)], axis=-1)
    noise = rng.normal(0, 0.7, (12, *clean.shape))
    movie = (1000 + 30 * (clean + noise)).astype(np.float32)
    movie.setflags(write=False)
    return movie


@pytest.fixture
def noisy_movie(same_noisy_movie):
    """A copy of that movie, to be changed at will."""
    return same_noisy_movie.copy()


@pytest.fixture(scope="session")
def exported_model(tmp_path_factory):
    """A basedir with a model "m" whose weights are as good as any, exported, and a movie."""
    from n2v_stem_keras import N2VStem, N2VStemConfig
    from n2v_stem_keras.folder.folder import WEIGHTS_BEST, save_weights

    rng = np.random.default_rng(1)
    movie = (500 + 20 * rng.normal(size=(6, 45, 50, 2))).astype(np.float32)
    config = N2VStemConfig.preset(
        "laptop",
        unet_n_depth=1,
        unet_n_first=3,
        unet_lattice="none",
        n2v_patch_shape=(32, 32),
    )
    basedir = tmp_path_factory.mktemp("models")
    model = N2VStem(config, "m", basedir)
    save_weights(model.keras_model, model.logdir / WEIGHTS_BEST)
    model.export(format="onnx")
    np.save(basedir / "movie.npy", movie)
    return basedir, movie


@pytest.fixture(scope="module")
def few_validation_pixels():
    """Validate on 2000 blind pixels instead of 100 000."""
    from n2v_stem_keras.training import data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "MIN_VALIDATION_PIXELS", 2000)
        yield


@pytest.fixture(scope="session")
def untrained_config():
    """Two detectors, two poolings, four features, dense blind spots; the rest is the paper's."""
    from n2v_stem_keras import N2VStemConfig

    return N2VStemConfig(
        unet_n_depth=2,
        unet_n_first=4,
        n2v_pitch=6,
        n2v_jitter=1,
        n2v_neighborhood_radius=2,
        n2v_patch_shape=(32, 32),
        train_batch_size=4,
        train_learning_rate=1e-3,
    ).check()


@pytest.fixture
def tiny_movie():
    """Six frames of 24x40 px, two detectors of very different gain and offset, float32 TYXC."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:24, :40]
    lattice = np.sin(2 * np.pi * x / 7) + np.cos(2 * np.pi * y / 5)
    clean = np.stack([lattice, -0.3 * lattice], axis=-1)
    noisy = clean + rng.normal(0, 0.7, (6, 24, 40, 2))
    return (noisy * (50, 0.01) + (1000, -3)).astype(np.float32)
