"""What several test modules share: a network that builds in a moment and a movie that fits it."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's greetings are not test output

from n2v_stem_keras import N2VStemConfig


@pytest.fixture
def tiny_config():
    """Two detectors, two poolings, four features, dense blind spots; the rest is the paper's."""
    return N2VStemConfig(
        unet_n_depth=2,
        unet_n_first=4,
        unet_initializer="he_normal",
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
