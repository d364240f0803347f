"""Movies of blobs for diagnoses of noise, and what a diagnosis says."""

import numpy as np
from scipy.ndimage import gaussian_filter


def scene(shape=(96, 96), seed=0, height=10.0):
    """(Y, X, 2): atoms bright on one detector, dark on the other; noise sigma is meant to be 1."""
    rng = np.random.default_rng(seed)
    points = np.zeros(shape)
    points[rng.integers(0, shape[0], 30), rng.integers(0, shape[1], 30)] = 1
    image = gaussian_filter(points, 1.5, mode="wrap")
    image = height * image / image.max()
    return np.stack([image, 100 - image], axis=-1)


def movie(n_frames=8, seed=1, shape=(96, 96), sigma=1.0):
    """(T, Y, X, 2) with white noise."""
    clean = scene(shape)
    noisy = clean + sigma * np.random.default_rng(seed).normal(size=(n_frames, *clean.shape))
    return noisy.astype(np.float32)


def both(diagnosis):
    return list(diagnosis.detectors.values())


def words(diagnosis):
    return " | ".join(diagnosis.warnings)
