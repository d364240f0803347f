"""The layers that Keras lacks, or has with a fault; none has weights."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ..temporal import N_IMAGES


@keras.saving.register_keras_serializable("n2v_stem_keras")
class BilinearUpsampling(layers.Layer):
    """Upsample by 2 with bilinear interpolation, half-pixel centres, for any image size.

    `keras.layers.UpSampling2D(interpolation="bilinear")` fails with open image sizes in Keras
    3.14 and 3.15. ``[0, 1, 2, 3]`` becomes ``[0, .25, .75, 1.25, 1.75, 2.25, 2.75, 3]``.
    """

    def call(self, x):
        """(B, Y, X, F) -> (B, 2Y, 2X, F)."""
        size = tf.shape(x)[1:3] * 2
        # tf.image.resize returns float32 whatever comes in
        return tf.cast(tf.image.resize(x, size, method="bilinear"), x.dtype)

    def compute_output_shape(self, input_shape):
        """Double the two image sides where they are known."""
        b, y, x, f = input_shape
        return (b, y and 2 * y, x and 2 * x, f)

    def get_config(self):
        """Return what rebuilds the layer; Keras's default refuses the object for its precision."""
        return super().get_config()


@keras.saving.register_keras_serializable("n2v_stem_keras")
class TakeChannels(layers.Layer):
    """Take the channels `first`, `first + step`, ... as far as there are any."""

    def __init__(self, first: int, step: int, **kwargs):
        super().__init__(**kwargs)
        self.first, self.step = first, step

    def call(self, x):
        """(B, Y, X, C) -> (B, Y, X, n)."""
        return x[..., self.first :: self.step]

    def compute_output_shape(self, input_shape):
        """As the input, with fewer channels."""
        *shape, n = input_shape
        return (*shape, len(range(self.first, n, self.step)))

    def get_config(self):
        """Return what rebuilds the layer."""
        return {**super().get_config(), "first": self.first, "step": self.step}


@keras.saving.register_keras_serializable("n2v_stem_keras")
class TakeImages(layers.Layer):
    """Take some of the images that a network sees, each of all detectors.

    Parameters
    ----------
    n_detectors : int
    images : sequence of int
        `temporal.FRAME`, `temporal.SHARE` and so on.
    """

    def __init__(self, n_detectors: int, images, **kwargs):
        super().__init__(**kwargs)
        self.n_detectors, self.images = n_detectors, tuple(images)

    def call(self, x):
        """(B, Y, X, images C) -> (B, Y, X, C_out)."""
        n = self.n_detectors
        return tf.concat([x[..., n * i : n * (i + 1)] for i in self.images], axis=-1)

    def compute_output_shape(self, input_shape):
        """As the input, with fewer channels."""
        return (*input_shape[:-1], self.n_detectors * len(self.images))

    def get_config(self):
        """Return what rebuilds the layer."""
        config = {"n_detectors": self.n_detectors, "images": self.images}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("n2v_stem_keras")
class StandsAlone(layers.Layer):
    """Add to frames what is known of them where no other is: `temporal.evidence.no_evidence`."""

    def call(self, x):
        """(B, Y, X, C) -> (B, Y, X, 5 C)."""
        one, zero = tf.ones_like(x), tf.zeros_like(x)
        return tf.concat([x, one, zero, one, zero], axis=-1)

    def compute_output_shape(self, input_shape):
        """As the input, with all images."""
        return (*input_shape[:-1], (1 + N_IMAGES) * input_shape[-1])

    def get_config(self):
        """Return what rebuilds the layer."""
        return super().get_config()


@keras.saving.register_keras_serializable("n2v_stem_keras")
class SpaceToDepth(layers.Layer):
    """Make one pixel of each square of `side` pixels, with as many more channels."""

    def __init__(self, side: int, **kwargs):
        super().__init__(**kwargs)
        self.side = side

    def call(self, x):
        """(B, Y, X, C) -> (B, Y/side, X/side, C side^2)."""
        return tf.nn.space_to_depth(x, self.side)

    def compute_output_shape(self, input_shape):
        """Divide the two image sides where they are known."""
        b, y, x, c = input_shape
        return (b, y and y // self.side, x and x // self.side, c * self.side**2)

    def get_config(self):
        """Return what rebuilds the layer."""
        return {**super().get_config(), "side": self.side}


@keras.saving.register_keras_serializable("n2v_stem_keras")
class DepthToSpace(layers.Layer):
    """Undo `SpaceToDepth`."""

    def __init__(self, side: int, **kwargs):
        super().__init__(**kwargs)
        self.side = side

    def call(self, x):
        """(B, Y, X, C) -> (B, Y side, X side, C / side^2)."""
        return tf.nn.depth_to_space(x, self.side)

    def compute_output_shape(self, input_shape):
        """Multiply the two image sides where they are known."""
        b, y, x, c = input_shape
        return (b, y and y * self.side, x and x * self.side, c // self.side**2)

    def get_config(self):
        """Return what rebuilds the layer."""
        return {**super().get_config(), "side": self.side}


@keras.saving.register_keras_serializable("n2v_stem_keras")
class MaxBlurPooling(layers.Layer):
    """Max pooling of stride 1, then a binomial 3x3 blur of stride 2 (Zhang 2019; N2V2)."""

    def call(self, x):
        """(B, Y, X, F) -> (B, Y/2, X/2, F)."""
        x = tf.nn.max_pool2d(x, ksize=2, strides=1, padding="SAME")
        binomial = np.outer([1, 2, 1], [1, 2, 1]) / 16.0
        kernel = tf.tile(tf.constant(binomial, x.dtype)[:, :, None, None], [1, 1, x.shape[-1], 1])
        return tf.nn.depthwise_conv2d(x, kernel, strides=(1, 2, 2, 1), padding="SAME")

    def compute_output_shape(self, input_shape):
        """Halve the two image sides where they are known."""
        b, y, x, f = input_shape
        return (b, y and y // 2, x and x // 2, f)

    def get_config(self):
        """Return what rebuilds the layer; Keras's default refuses the object for its precision."""
        return super().get_config()


@keras.saving.register_keras_serializable("n2v_stem_keras")
class GaussianBlurs(layers.Layer):
    """Blur images by Gaussians, each as strong as leaves white noise the strength it has.

    Where the Gaussian is as wide as an atom, this is its matched filter.

    Parameters
    ----------
    sigmas : sequence of float
        Standard deviations [px]; kernels end at three of them. Beyond its border an image is zero.
    """

    def __init__(self, sigmas, **kwargs):
        super().__init__(**kwargs)
        self.sigmas = tuple(sigmas)

    def call(self, x):
        """(B, Y, X, C) -> (B, Y, X, len(sigmas) C), sigma by sigma."""
        blurred = []
        for sigma in self.sigmas:
            reach = math.ceil(3 * sigma)
            kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
            kernel = tf.constant(kernel / np.linalg.norm(kernel), x.dtype)
            image = x
            for along in (kernel[:, None], kernel[None, :]):
                along = tf.tile(along[:, :, None, None], [1, 1, x.shape[-1], 1])
                image = tf.nn.depthwise_conv2d(image, along, strides=(1, 1, 1, 1), padding="SAME")
            blurred.append(image)
        return tf.concat(blurred, axis=-1)

    def compute_output_shape(self, input_shape):
        """As the input, with as many more channels."""
        *shape, n = input_shape
        return (*shape, n * len(self.sigmas))

    def get_config(self):
        """Return what rebuilds the layer."""
        return {**super().get_config(), "sigmas": self.sigmas}
