"""How far a network sees, measured on the network itself; the overlap that tiles need follows."""

from __future__ import annotations

import numpy as np

from ..config import N2VStemConfig
from .unet import build_network


def receptive_radius(config: N2VStemConfig) -> int:
    """Measure how far a pixel can reach through the network's convolutions [px].

    A network of the same shape with one feature and positive weights throughout lets nothing
    cancel, so the extent of its response to one bright row is the exact reach. Pooling makes
    the reach depend on the row's place within a 2^depth cell; the largest is returned.

    Returns
    -------
    int
        Largest distance along one axis at which an output pixel still depends on an input pixel.
    """
    # reach does not depend on these; float32 keeps small responses
    probe = config.replace(
        channels=("probe",),
        unet_n_first=1,
        unet_lattice="none",
        unet_context=False,
        train_precision="float32",
    )
    network = build_network(probe)
    # kernels of 1/k average along y and sum along x: no overflow, no underflow at any depth
    network.set_weights(
        [np.full_like(w, 1 / w.shape[0] if w.ndim > 1 else 0) for w in network.get_weights()]
    )
    multiple = config.size_multiple
    # the others reach farthest from the ends of a cell, 'blur' from somewhere inside
    step = 1 if config.unet_pool == "blur" else multiple - 1
    radius, width = 0, 8 * multiple
    side = width
    while True:
        centre = side // 2
        for place in range(centre, centre + multiple, step):
            # along y and x the network is the same, so a bright row is enough
            impulse = np.zeros((1, side, width, 1), np.float32)
            impulse[0, place] = 1
            response = network(impulse).numpy()[0, :, :, 0].max(axis=1)
            reached = np.flatnonzero(response > 0)
            radius = max(radius, place - reached[0], reached[-1] - place)
        if radius < centre - multiple:  # the answer did not touch the border
            return int(radius)
        side *= 2


def tile_overlap(config: N2VStemConfig) -> int:
    """Overlap that tiles need on each side [px]: how far a pixel reaches, up to the tiles' grid."""
    multiple = config.tile_multiple
    around = config.lattice.halo(receptive_radius(config))
    return -(-around // multiple) * multiple
