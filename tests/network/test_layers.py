"""Layers that Keras lacks: exact resampling of any image size, blurs, and what they state."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from n2v_stem_keras.network.unet import (
    BilinearUpsampling,
    DepthToSpace,
    GaussianBlurs,
    MaxBlurPooling,
    SpaceToDepth,
    StandsAlone,
    TakeImages,
)
from n2v_stem_keras.temporal.evidence import no_evidence


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


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
    (TakeImages, {"n_detectors": 1, "images": (0, 2)}, 2),
    (StandsAlone, {}, 15),
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


def test_a_stem_and_its_inverse_keep_every_pixel():
    frames = images(2, 8, 12, 2)
    stem = SpaceToDepth(4)(frames)
    assert stem.shape == (2, 2, 3, 32)
    assert np.array_equal(stem[0, 1, 2, :2], frames[0, 4, 8])  # one corner of its square
    assert np.array_equal(DepthToSpace(4)(stem), frames)


def test_images_are_taken_with_all_their_detectors():
    x = images(2, 4, 6, 10)
    taken = TakeImages(2, (0, 2, 4))(x).numpy()
    assert np.array_equal(taken, x[..., [0, 1, 4, 5, 8, 9]])


def test_a_frame_that_stands_alone_comes_with_no_evidence():
    frames = images(2, 4, 6, 3)
    seen = StandsAlone()(frames).numpy()
    assert np.array_equal(seen[..., :3], frames)
    for images_of_one in seen[..., 3:]:
        assert np.array_equal(images_of_one, no_evidence((4, 6, 3)))


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
