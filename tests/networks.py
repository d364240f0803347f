"""Untrained networks for tests."""

from n2v_stem_keras.network.unet import build_network


def strong_network(config):
    """Build a network whose kernels have He's variance instead of a sixth of it.

    So images reach its output as strong as they are, and a mistake on the way shows.
    """
    network = build_network(config)
    network.set_weights([6**0.5 * w if w.ndim > 1 else 0 * w for w in network.get_weights()])
    return network
