"""The network: the paper's Fig. 1a to the parameter, any image size, a known reach."""

import itertools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.network.reach import receptive_radius
from n2v_stem_keras.network.unet import (
    BilinearUpsampling,
    DepthToSpace,
    GaussianBlurs,
    MaxBlurPooling,
    SpaceToDepth,
    build_network,
)

SMALL = {"unet_n_depth": 2, "unet_n_first": 3, "n2v_patch_shape": None}


def small(**changes):
    return N2VStemConfig(**{**SMALL, **changes}).check()


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
    ({"n2v_context_frames": 2}, 5_093),
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


def variant_name(changes):
    return " ".join(f"{key}={value}" for key, value in changes.items()) or "plain"


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
    *[{"channels": tuple("ABC"[:n]), "n2v_context_frames": k} for n in (1, 3) for k in (1, 2)],
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


# Resampling layers


def half_pixel(values):
    """Upsample the last axis by 2, as written in the books: output pixel i lies at i/2 - 1/4."""
    n = values.shape[-1]
    places = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
    return np.apply_along_axis(lambda v: np.interp(places, np.arange(n), v), -1, values)


def test_bilinear_upsampling_is_exact_in_the_half_pixel_convention():
    expected = [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    row = np.float32([0, 1, 2, 3])
    along_x = BilinearUpsampling()(row[None, None, :, None])[0, :, :, 0]
    assert np.array_equal(along_x, [expected, expected])
    along_y = BilinearUpsampling()(row[None, :, None, None])[0, :, :, 0]
    assert np.array_equal(along_y, np.transpose([expected, expected]))


@pytest.mark.parametrize("compiled", [False, True])
def test_one_bilinear_layer_takes_images_of_any_size(compiled):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, BilinearUpsampling()(inputs))
    assert model.output_shape == (None, None, None, 3)
    call = tf.function(model, reduce_retracing=True) if compiled else model
    for height, width in [(4, 6), (8, 2), (1, 1), (5, 7)]:
        x = images(2, height, width, 3)
        expected = half_pixel(half_pixel(x.transpose(0, 3, 1, 2)).swapaxes(2, 3))
        assert np.allclose(call(x), expected.transpose(0, 3, 2, 1), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_bilinear_upsampling_keeps_the_number_type(dtype):
    assert BilinearUpsampling(dtype=dtype)(images(1, 2, 2, 1)).dtype == dtype


OWN_LAYERS = [
    (BilinearUpsampling, {}, 3),
    (MaxBlurPooling, {}, 3),
    (GaussianBlurs, {"sigmas": (1.0, 2.0)}, 6),
    (SpaceToDepth, {"side": 2}, 12),
    (DepthToSpace, {"side": 2}, 3),
]


@pytest.mark.parametrize(("layer", "options", "n_out"), OWN_LAYERS)
def test_own_layers_state_their_shapes_and_survive_serialisation(layer, options, n_out):
    n_in = 12 if layer is DepthToSpace else 3
    same = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer(name="x", **options))
    )
    assert type(same) is layer
    assert same.name == "x"
    assert same.compute_output_shape((1, 4, 6, n_in)) == tuple(same(images(1, 4, 6, n_in)).shape)
    assert same.compute_output_shape((None, None, None, n_in)) == (None, None, None, n_out)


def test_blurs_are_gaussians_that_keep_the_strength_of_white_noise():
    x = np.random.default_rng(0).normal(size=(1, 300, 200, 2)).astype(np.float32)
    blurred = GaussianBlurs((1.0, 2.5))(x).numpy()
    for i, sigma in enumerate((1.0, 2.5)):
        reach = int(np.ceil(3 * sigma))
        places = np.arange(-reach, reach + 1)
        gaussian = np.exp(-(places[:, None] ** 2 + places**2) / (2 * sigma**2))
        gaussian /= np.sqrt((gaussian**2).sum())
        for c in range(2):
            expected = ndimage.convolve(x[0, ..., c], gaussian, mode="constant")
            assert np.allclose(blurred[0, ..., 2 * i + c], expected, atol=1e-4)
    assert blurred[:, 10:-10, 10:-10].std((0, 1, 2)) == pytest.approx(1, rel=0.05)


def test_the_first_block_sees_blurs_beside_the_frame():
    network = build_network(small(unet_blurs=2, unet_lattice="windows", unet_lattice_window=32))
    x = images(1, 64, 64, 2)
    seen = keras.Model(network.input, network.get_layer("enc0_conv0").input)(x).numpy()
    assert seen.shape[-1] == 2 + 4 + 2
    assert np.array_equal(seen[..., :2], x)
    assert np.array_equal(seen[..., 2:6], GaussianBlurs((1.0, 2.0))(x))


def test_a_stem_and_its_inverse_keep_every_pixel():
    frames = images(2, 8, 12, 2)
    stem = SpaceToDepth(4)(frames)
    assert stem.shape == (2, 2, 3, 32)
    assert np.array_equal(stem[0, 1, 2, :2], frames[0, 4, 8])  # one corner of its square
    assert np.array_equal(DepthToSpace(4)(stem), frames)


def test_average_pooling_halves_exactly():
    pool = build_network(small()).get_layer("enc0_pool")
    x = np.random.default_rng(0).integers(-1000, 1000, (2, 6, 10, 3)).astype(np.float32)
    assert np.array_equal(pool(x), x.reshape(2, 3, 2, 5, 2, 3).mean(axis=(2, 4)))


def test_max_pooling_halves_exactly():
    pool = build_network(small(unet_pool="max")).get_layer("enc0_pool")
    x = images(2, 6, 10, 3)
    assert np.array_equal(pool(x), x.reshape(2, 3, 2, 5, 2, 3).max(axis=(2, 4)))


def test_max_blur_pooling_is_a_maximum_then_a_binomial_blur():
    x = images(1, 6, 8, 2)
    padded = np.pad(x[0], ((0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
    highest = np.max([padded[:-1, :-1], padded[1:, :-1], padded[:-1, 1:], padded[1:, 1:]], axis=0)
    highest = np.pad(highest, ((0, 1), (0, 1), (0, 0)))
    binomial = np.outer([1, 2, 1], [1, 2, 1])[..., None] / 16
    expected = [
        [(binomial * highest[y : y + 3, x : x + 3]).sum(axis=(0, 1)) for x in range(0, 8, 2)]
        for y in range(0, 6, 2)
    ]
    assert np.allclose(MaxBlurPooling()(x)[0], expected, atol=1e-6)


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


# Reach


def brute_force_radius(config, seed=0):
    """Light up each pixel of one pooling cell in turn, and see how far it shines."""
    config = config.replace(channels=("probe",), unet_n_first=2, n2v_context_frames=0)
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
    changed = small(unet_n_first=7, channels=("A", "B", "C"), n2v_context_frames=1)
    assert receptive_radius(changed) == radius


# -- a UNet for each detector ---------------------------------------------------------------------
@pytest.mark.parametrize(
    "changes",
    [{}, {"n2v_context_frames": 1}, {"unet_lattice": "windows", "unet_lattice_window": 32}],
)
def test_independent_detectors_are_two_networks_of_one_detector(changes):
    config = small(unet_independent_detectors=True, **changes)
    both = build_network(config)
    alone = config.replace(channels=("one",), unet_independent_detectors=False)
    n_frames = 2 * config.n2v_context_frames + 1
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 64, 64, 2 * n_frames)).astype(np.float32)
    if config.lattice:
        x[..., 1::2] = x[..., ::2]  # the gate is common, so it is compared on equal detectors
    for d in range(2):
        network = build_network(alone)
        weights = [both.get_layer(f"detector{d}_{layer.name}").get_weights()
                   for layer in network.layers if layer.get_weights()]  # fmt: skip
        for layer, values in zip((v for v in network.layers if v.get_weights()), weights):
            layer.set_weights(values)
        np.testing.assert_allclose(both(x)[..., d], network(x[..., d::2])[..., 0], atol=1e-5)
    assert both.count_params() == 2 * build_network(alone).count_params()
    first = [both.get_layer(f"detector{d}_enc0_conv0").get_weights()[0] for d in range(2)]
    assert not np.array_equal(*first)


def test_nothing_of_one_independent_detector_reaches_the_other():
    network = build_network(small(unet_independent_detectors=True, n2v_context_frames=1))
    x = np.random.default_rng(0).standard_normal((1, 64, 64, 6)).astype(np.float32)
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
