"""Untrained networks for tests, and frames for them."""

import numpy as np

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.network.unet import build_network


def strong_network(config):
    """Build a network whose kernels have He's variance instead of a sixth of it.

    So images reach its output as strong as they are, and a mistake on the way shows.
    """
    network = build_network(config)
    network.set_weights([6**0.5 * w if w.ndim > 1 else 0 * w for w in network.get_weights()])
    return network


def frames_with_lattice(shape, n_channels, n_frames=2):
    """Noise and a lattice strong enough to pass the Wiener filter, (B, Y, X, C)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(0).normal(size=(n_frames, *shape, n_channels))
    return (noise + 2 * np.cos(1.1 * x + 0.4 * y)[..., None]).astype(np.float32)


def samples_with_lattice(shape, config, n_frames=2):
    """Such frames as a network of a configuration gets them, (B, Y, X, C_in).

    With images of what others know of them, if it sees these: shares, means of less noise, errors.
    """
    n = config.n_channel_out
    frames = frames_with_lattice(shape, n, n_frames)
    if not config.unet_context:
        return frames
    mean, error, near = (frames_with_lattice(shape, n, n_frames + i)[i:] for i in (1, 2, 3))
    share = 1 / (1 + np.random.default_rng(1).integers(0, 48, frames.shape))
    return np.concatenate([frames, share, mean, abs(error) / 5, near], axis=-1, dtype=np.float32)


SMALL = {"unet_n_depth": 2, "unet_n_first": 3, "n2v_patch_shape": None}


def small(**changes):
    return N2VStemConfig(**{**SMALL, **changes}).check()


def variant_name(changes):
    return " ".join(f"{key}={value}" for key, value in changes.items()) or "plain"
