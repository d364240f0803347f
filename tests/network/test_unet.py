"""The network: the paper's Fig. 1a to the parameter, any image size, seeded weights."""

import itertools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import small, variant_name

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.network.reach import receptive_radius
from n2v_stem_keras.network.unet import GaussianBlurs, alone, build_network
from n2v_stem_keras.temporal.evidence import no_evidence


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def paper_network():
    return build_network(N2VStemConfig())


# The architecture of Fig. 1a


def test_the_papers_network_has_31_446_018_parameters(paper_network):
    assert paper_network.count_params() == 31_446_018


def test_the_papers_network_in_its_pieces(paper_network):
    kernels = {
        layer.name: tuple(layer.kernel.shape)
        for layer in paper_network.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    assert kernels == {
        "enc0_conv0": (5, 5, 2, 64),
        "enc0_conv1": (5, 5, 64, 64),
        "enc1_conv0": (3, 3, 64, 128),
        "enc1_conv1": (3, 3, 128, 128),
        "enc2_conv0": (3, 3, 128, 256),
        "enc2_conv1": (3, 3, 256, 256),
        "enc3_conv0": (3, 3, 256, 512),
        "enc3_conv1": (3, 3, 512, 512),
        "mid_conv0": (3, 3, 512, 1024),
        "mid_conv1": (3, 3, 1024, 1024),
        "dec3_conv0": (3, 3, 1536, 512),
        "dec3_conv1": (3, 3, 512, 512),
        "dec2_conv0": (3, 3, 768, 256),
        "dec2_conv1": (3, 3, 256, 256),
        "dec1_conv0": (3, 3, 384, 128),
        "dec1_conv1": (3, 3, 128, 128),
        "dec0_conv0": (3, 3, 192, 64),
        "dec0_conv1": (3, 3, 64, 64),
        "head": (1, 1, 64, 2),
    }


def test_every_convolution_but_the_head_is_followed_by_a_leaky_relu_of_slope_0_01(paper_network):
    activations = [x for x in paper_network.layers if isinstance(x, keras.layers.LeakyReLU)]
    assert len(activations) == 18
    for layer in activations:
        assert np.array_equal(layer(np.float32([-100, 0, 3])), np.float32([-1, 0, 3]))


def test_the_head_is_linear():
    x = images(1, 16, 16, 2)
    assert tf.reduce_min(build_network(small())(x)) < 0 < tf.reduce_max(build_network(small())(x))


# pinned, because weight files depend on them
COUNTS = [
    ({}, 4_493),
    ({"unet_n_depth": 1}, 1_217),
    ({"unet_n_depth": 3}, 17_525),
    ({"unet_n_first": 5}, 12_237),
    ({"channels": ("ADF",)}, 4_414),
    ({"unet_context": True}, 5_093),
    ({"unet_context": True, "unet_blurs": 2}, 5_993),
    ({"unet_context": True, "unet_lattice": "frame"}, 5_251),
    ({"unet_kern_size_first": 3}, 4_253),
    ({"unet_top_skip": False}, 4_412),
    ({"unet_upsample": "nearest"}, 4_493),
    ({"unet_upsample": "transposed"}, 4_457),
    ({"unet_pool": "max"}, 4_493),
    ({"unet_pool": "blur"}, 4_493),
    ({"unet_block": "separable"}, 1_225),
    ({"unet_block": "aspp"}, 7_850),
    ({"unet_bottleneck": "aspp"}, 9_161),
]


@pytest.mark.parametrize(
    ("changes", "count"), COUNTS, ids=[variant_name(changes) for changes, _ in COUNTS]
)
def test_parameter_counts_of_variants(changes, count):
    assert build_network(small(**changes)).count_params() == count


def test_layer_names_and_order_are_those_of_the_weight_files():
    names = [layer.name for layer in build_network(small(unet_n_depth=1)).layers]
    assert names == [
        *("input", "enc0_conv0", "enc0_act0", "enc0_conv1", "enc0_act1", "enc0_pool"),
        *("mid_conv0", "mid_act0", "mid_conv1", "mid_act1"),
        *("dec0_up", "dec0_skip", "dec0_conv0", "dec0_act0", "dec0_conv1", "dec0_act1"),
        *("head", "output"),
    ]


VARIANTS = [
    *[{"unet_pool": pool} for pool in ("average", "max", "blur")],
    *[{"unet_upsample": up} for up in ("bilinear", "nearest", "transposed")],
    *[{"unet_block": block} for block in ("separable", "aspp")],
    {"unet_bottleneck": "aspp"},
    {"unet_block": "separable", "unet_bottleneck": "aspp"},
    {"unet_block": "aspp", "unet_bottleneck": "aspp"},
    {"unet_blurs": 2, "unet_stem": 2},
    {"unet_stem": 4, "unet_lattice": "frame"},
    {"unet_stem": 2, "unet_lattice": "frame", "unet_independent_detectors": True},
    {"unet_top_skip": False},
    {"unet_top_skip": False, "unet_upsample": "transposed", "unet_pool": "blur"},
    {"unet_n_depth": 4, "unet_n_first": 1},
    *[{"channels": tuple("ABCD"[:n])} for n in (1, 2, 3, 4)],
    *[{"channels": tuple("ABC"[:n]), "unet_context": True} for n in (1, 3)],
    {"unet_context": True, "unet_blurs": 2, "unet_stem": 2},
    {"unet_context": True, "unet_lattice": "frame", "unet_independent_detectors": True},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=variant_name)
def test_every_variant_maps_frames_to_frames(changes):
    config = small(**changes)
    network = build_network(config)
    x = images(1, 32, 48, config.n_channel_in)
    y = network(x)
    assert y.dtype == tf.float32
    assert y.shape == (1, 32, 48, len(config.channels))
    assert np.isfinite(y).all()
    for channel in range(config.n_channel_in):
        other = x.copy()
        other[..., channel] += 1000  # what leaks past the smallest weights shows
        assert not np.allclose(network(other), y), f"input channel {channel} is not used"


def test_without_the_top_skip_no_detail_gets_past_the_pooling():
    """What averages to nothing within 2x2 px can only travel along the outermost skip."""
    for skip in (True, False):
        network = build_network(small(unet_top_skip=skip, unet_n_depth=1))
        features = images(1, 16, 16, 3)
        detail = features + np.tile(np.float32([[1, -1], [-1, 1]]), (8, 8))[None, :, :, None]
        decode = keras.Model(network.get_layer("enc0_act1").output, network.output)
        assert np.allclose(decode(features), decode(detail), atol=1e-5) is not skip


# Pooling, and what is seen beside the frame


def test_the_first_block_sees_blurs_beside_the_frame():
    network = build_network(small(unet_blurs=2, unet_lattice="windows", unet_lattice_window=32))
    x = images(1, 64, 64, 2)
    seen = keras.Model(network.input, network.get_layer("enc0_conv0").input)(x).numpy()
    assert seen.shape[-1] == 2 + 4 + 2
    assert np.array_equal(seen[..., :2], x)
    assert np.array_equal(seen[..., 2:6], GaussianBlurs((1.0, 2.0))(x))


def test_blurs_are_of_the_frame_and_of_both_means():
    """Not of what says how far these can be trusted."""
    network = build_network(small(unet_blurs=2, unet_context=True))
    x = images(1, 64, 64, 10)
    seen = keras.Model(network.input, network.get_layer("enc0_conv0").input)(x).numpy()
    assert seen.shape[-1] == 10 + 2 * 6
    assert np.array_equal(seen[..., :10], x)
    frame_mean_near = x[..., [0, 1, 4, 5, 8, 9]]
    assert np.array_equal(seen[..., 10:], GaussianBlurs((1.0, 2.0))(frame_mean_near))


def test_a_network_that_looks_around_can_do_with_frames_alone():
    config = small(unet_context=True)
    network = build_network(config)
    frames = images(2, 16, 24, 2)
    single = alone(network, config)
    assert single.input_shape == (None, None, None, 2)
    samples = [np.concatenate([f, no_evidence(f.shape)], axis=-1) for f in frames]
    assert np.allclose(single(frames), network(np.stack(samples)), atol=1e-6)
    plain = small()
    network = build_network(plain)
    assert alone(network, plain) is network


def test_average_pooling_halves_exactly():
    pool = build_network(small()).get_layer("enc0_pool")
    x = np.random.default_rng(0).integers(-1000, 1000, (2, 6, 10, 3)).astype(np.float32)
    assert np.array_equal(pool(x), x.reshape(2, 3, 2, 5, 2, 3).mean(axis=(2, 4)))


def test_max_pooling_halves_exactly():
    pool = build_network(small(unet_pool="max")).get_layer("enc0_pool")
    x = images(2, 6, 10, 3)
    assert np.array_equal(pool(x), x.reshape(2, 3, 2, 5, 2, 3).max(axis=(2, 4)))


# Any image size


def test_one_network_takes_two_sizes_and_saved_weights_give_the_same_bits(tmp_path):
    config = small()
    first, second = build_network(config), build_network(config.replace(train_seed=1))
    sizes = [images(1, 16, 24, 2), images(2, 40, 8, 2)]
    assert first.input_shape == (None, None, None, 2)
    before = [first(x).numpy() for x in sizes]
    assert [y.shape for y in before] == [x.shape for x in sizes]
    assert not np.allclose(before[0], second(sizes[0]))
    first.save_weights(tmp_path / "first.weights.h5")
    second.load_weights(tmp_path / "first.weights.h5")
    for x, y in zip(sizes, before):
        assert np.array_equal(second(x), y)


@pytest.mark.parametrize(
    "changes",
    [{}, {"unet_upsample": "nearest", "unet_pool": "blur"}, {"unet_upsample": "transposed"}],
    ids=variant_name,
)
def test_an_exported_network_still_takes_any_size(tmp_path, changes):
    network = build_network(small(**changes))
    network.export(str(tmp_path / "exported"), format="tf_saved_model", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))  # kept: it owns the weights
    for x in (images(1, 16, 24, 2), images(2, 40, 8, 2)):
        assert np.allclose(exported.serve(x), network(x), rtol=0, atol=1e-6)


# Initial weights


def test_the_seed_decides_the_weights_and_each_layer_has_its_own():
    config = small()
    one, same = (build_network(config).get_weights() for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same))
    other = build_network(config.replace(train_seed=1)).get_weights()
    for a, b in zip(one, other):
        assert a.ndim == 1 or not np.any(a == b), "kernels of another seed share values"
    # the head aside, kernels hold many values; no two layers may draw the same ones
    drawn = [set(w.ravel().tolist()) for w in one if w.ndim > 1]
    for a, b in itertools.combinations(drawn, 2):
        assert len(a & b) < 0.1 * min(len(a), len(b))


def test_building_touches_no_global_random_state():
    def draws():
        return (
            random.random(),
            np.random.random(),  # noqa: NPY002 - the global generator is the point
            float(tf.random.uniform([])),
            float(keras.random.uniform([])),
        )

    def seed():
        keras.utils.set_random_seed(7)

    seed()
    expected = draws()
    seed()
    build_network(small())
    receptive_radius(small())
    assert draws() == expected


def test_pytorch_initialisation_is_uniform_within_one_over_the_root_of_fan_in(paper_network):
    for layer in paper_network.layers:
        if not layer.get_weights():
            continue
        kernel, bias = layer.get_weights()
        limit = np.prod(kernel.shape[:3]) ** -0.5
        for values in (kernel, bias):
            assert np.abs(values).max() <= np.float32(limit), layer.name
            if values.size >= 64:
                assert values.max() > 0.85 * limit, layer.name
                assert values.min() < -0.85 * limit, layer.name
                # the standard deviation of a uniform distribution, within five standard errors
                assert abs(values.std() / limit * 3**0.5 - 1) < 5 * 0.45 / values.size**0.5


@pytest.mark.parametrize("upsample", ["bilinear", "transposed"])
@pytest.mark.parametrize("block", ["separable", "aspp"])
def test_pytorch_initialisation_of_variants_stays_within_bounds(block, upsample):
    network = build_network(small(unet_block=block, unet_upsample=upsample, unet_n_first=8))
    for layer in network.layers:
        for values in layer.get_weights():
            assert 0 < np.abs(values).max() <= 1, layer.name


# Number types


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_under_mixed_precision_the_head_stays_float32(precision):
    network = build_network(small(train_precision=precision, unet_upsample="bilinear"))
    inside = [x for x in network.layers if x.name not in ("input", "head", "output")]
    assert {layer.compute_dtype for layer in inside} == {precision.removeprefix("mixed_")}
    assert {v.dtype for v in network.variables} == {"float32"}
    for name in ("head", "output"):
        assert network.get_layer(name).compute_dtype == "float32"
    x = images(1, 16, 16, 2)
    y = network(x)
    assert y.dtype == tf.float32
    # rounded once inside, not once more at the end
    assert np.any(np.asarray(y) != np.asarray(y).astype(np.float16))
    assert np.allclose(y, build_network(small())(x), atol=0.05)


def test_the_users_global_precision_changes_nothing():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = build_network(small())
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in network.layers[1:]} == {"float32"}
    x = images(1, 16, 16, 2)
    assert np.array_equal(network(x), build_network(small())(x))


# A UNet for each detector


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"unet_context": True, "unet_blurs": 2},
        {"unet_lattice": "windows", "unet_lattice_window": 32},
        {"unet_lattice": "frame", "unet_context": True},
    ],
    ids=variant_name,
)
def test_independent_detectors_are_two_networks_of_one_detector(changes):
    config = small(unet_independent_detectors=True, **changes)
    both = build_network(config)
    of_one = config.replace(channels=("one",), unet_independent_detectors=False)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 64, 64, config.n_channel_in)).astype(np.float32)
    if config.lattice:
        x[..., 1::2] = x[..., ::2]  # the gate is common, so it is compared on equal detectors
    for d in range(2):
        network = build_network(of_one)
        weights = [both.get_layer(f"detector{d}_{layer.name}").get_weights()
                   for layer in network.layers if layer.get_weights()]  # fmt: skip
        for layer, values in zip((v for v in network.layers if v.get_weights()), weights):
            layer.set_weights(values)
        np.testing.assert_allclose(both(x)[..., d], network(x[..., d::2])[..., 0], atol=1e-5)
    assert both.count_params() == 2 * build_network(of_one).count_params()
    first = [both.get_layer(f"detector{d}_enc0_conv0").get_weights()[0] for d in range(2)]
    assert not np.array_equal(*first)


def test_nothing_of_one_independent_detector_reaches_the_other():
    network = build_network(small(unet_independent_detectors=True, unet_context=True))
    x = np.random.default_rng(0).standard_normal((1, 64, 64, 10)).astype(np.float32)
    before = network(x).numpy()
    x[..., ::2] += 3
    after = network(x).numpy()
    assert np.array_equal(before[..., 1], after[..., 1])
    assert np.abs(before[..., 0] - after[..., 0]).max() > 0.01


def test_an_exported_network_of_independent_detectors_works(tmp_path):
    network = build_network(
        small(unet_independent_detectors=True, unet_lattice="windows", unet_lattice_window=32)
    )
    network.export(str(tmp_path / "exported"), format="tf_saved_model", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    x = np.random.default_rng(0).standard_normal((1, 64, 64, 2)).astype(np.float32)
    np.testing.assert_allclose(exported.serve(x), network(x), atol=1e-5)
