"""How far a pixel reaches: the receptive radius, against the response to impulses."""

import itertools

import numpy as np
import pytest
from networks import small, variant_name

from n2v_stem_keras.network.reach import receptive_radius
from n2v_stem_keras.network.unet import build_network


def brute_force_radius(config, seed=0):
    """Light up each pixel of one pooling cell in turn, and see how far it shines."""
    config = config.replace(channels=("probe",), unet_n_first=2, unet_context=False)
    network, rng = build_network(config), np.random.default_rng(seed)
    network.set_weights(
        [rng.uniform(0.5, 1.5, w.shape) * (w.ndim > 1) for w in network.get_weights()]
    )
    cell = config.size_multiple
    side = 96 if config.unet_stem == 1 else 192
    centre, reach = side // 2, 0
    places = list(itertools.product(range(centre, centre + cell), repeat=2))
    impulses = np.zeros((len(places), side, side, 1), np.float32)
    for impulse, place in zip(impulses, places):
        impulse[place] = 1
    for response, (y, x) in zip(network(impulses).numpy()[..., 0], places):
        rows, columns = np.nonzero(response)
        reach = max(reach, np.abs(rows - y).max(), np.abs(columns - x).max())
        assert rows.min() > 0, "the frame is too small to see the reach"
        assert rows.max() < side - 1, "the frame is too small to see the reach"
    return reach


@pytest.mark.parametrize("pool", ["average", "max", "blur"])
@pytest.mark.parametrize("upsample", ["bilinear", "nearest", "transposed"])
def test_the_receptive_radius_is_how_far_any_pixel_shines(pool, upsample):
    config = small(unet_pool=pool, unet_upsample=upsample)
    assert receptive_radius(config) == brute_force_radius(config)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"unet_pool": "blur"},
        {"unet_kern_size": 1, "unet_kern_size_first": 1},
        {"unet_kern_size": 5, "unet_kern_size_first": 3},
        {"unet_kern_size_first": 9, "unet_top_skip": False},
        {"unet_block": "separable"},
        {"unet_kern_size": 1, "unet_block": "separable", "unet_pool": "max"},
        {"train_precision": "mixed_float16"},
        {"unet_stem": 2},
        {"unet_stem": 4},
        {"unet_blurs": 2},
    ],
    ids=variant_name,
)
def test_the_receptive_radius_of_other_shapes(changes):
    config = small(**{"unet_n_depth": 1, **changes})
    assert receptive_radius(config) == brute_force_radius(config.replace(train_precision="float32"))


def test_the_receptive_radius_of_an_atrous_pyramid():
    # the widest branch, 3x3 dilated by 8 px at half size, adds 16 px
    plain = receptive_radius(small(unet_n_depth=1))
    assert receptive_radius(small(unet_n_depth=1, unet_bottleneck="aspp")) == plain + 16


def test_the_receptive_radius_ignores_width_detectors_and_context():
    radius = receptive_radius(small())
    changed = small(unet_n_first=7, channels=("A", "B", "C"), unet_context=True)
    assert receptive_radius(changed) == radius
