"""The paper's UNet (Fig. 1a) as one functional builder, and the layers that Keras lacks.

Depth 4, 64 features after the first block, 5x5 kernels in the first block and 3x3 elsewhere,
average pooling, bilinear upsampling without a convolution of its own, all skips, LeakyReLU and a
linear 1x1 head: 31 446 018 parameters for two detectors. There are no normalisation layers:
frame-wide statistics would make tiled and whole-frame prediction differ.

Layer names are stable (`enc0_conv0`, `mid_conv1`, `dec0_up`, `head`, ...); their order decides the
layout of the weight files, so it never changes within a format version.
"""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ..config import N2VStemConfig
from ..lattice.windows import AsBlinded, FrameFilter, LocalWienerFilter, halo

LEAKY_SLOPE = 0.01  # PyTorch's default; Keras's would be 0.3
ASPP_RATES = (2, 4, 8)  # dilation [px] of the atrous branches


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


def build_network(config: N2VStemConfig, model_class=keras.Model) -> keras.Model:
    """Build the network of a configuration, with open image size.

    Parameters
    ----------
    config : N2VStemConfig
    model_class : type
        `keras.Model` or a subclass that is built from inputs and outputs.

    Returns
    -------
    keras.Model
        (B, Y, X, config.n_channel_in) -> (B, Y, X, config.n_channel_out), float32; Y and X are
        multiples of ``config.size_multiple`` [px]. Weights are initialised from
        ``config.train_seed``.
    """
    build = _Builder(config)
    n_in, n_out = config.n_channel_in, config.n_channel_out
    inputs = layers.Input((None, None, n_in), name="input")
    lattice = None
    if config.unet_wiener_window:
        window, n_waves = config.unet_wiener_window, config.unet_lattice_waves
        lattice = LocalWienerFilter(window, n_waves, name="wiener", dtype="float32")(inputs)
    elif config.unet_frame_filter:
        lattice = FrameFilter(name="frame_filter", dtype="float32")(inputs)
    if lattice is not None:
        lattice = AsBlinded(config.visible_shares, name="wiener_as_blinded", dtype="float32")(
            lattice
        )
    if not config.unet_independent_detectors:
        head = build.unet(inputs, lattice, n_out, "")
    else:
        # each sees its detector in the frame and in the frames around it, and no other's
        heads = []
        for d in range(n_out):
            x = TakeChannels(d, n_out, name=f"detector{d}", dtype="float32")(inputs)
            seen = lattice
            if lattice is not None:
                seen = TakeChannels(d, n_out, name=f"detector{d}_wiener", dtype="float32")(lattice)
            heads.append(build.unet(x, seen, 1, f"detector{d}_"))
        head = heads[0] if n_out == 1 else layers.Concatenate(name="heads", dtype="float32")(heads)
    outputs = layers.Activation(config.unet_last_activation, name="output", dtype="float32")(head)
    return model_class(inputs, outputs, name="n2v_stem")


class _Builder:
    """The pieces of the network; counts convolutions so that each has a seed of its own."""

    def __init__(self, config: N2VStemConfig):
        self.config = config
        self.dtype = keras.dtype_policies.get(config.train_precision)
        self.n_convolutions = 0

    def unet(self, x, lattice, n_out, prefix):
        """Build the UNet of Fig. 1a up to its 1x1 head, and what it does with lattice images."""
        config = self.config
        n_features = [config.unet_n_first * 2**level for level in range(config.unet_n_depth + 1)]
        n_in, skips = x.shape[-1], []
        if config.unet_blur_sigmas:
            blurs = GaussianBlurs(config.unet_blur_sigmas, name=f"{prefix}blurs", dtype="float32")
            x = layers.Concatenate(name=f"{prefix}blurs_join", dtype="float32")([x, blurs(x)])
        if lattice is not None:
            seen = lattice
            if config.unet_lattice_scale != 1:
                scale = layers.Rescaling(
                    config.unet_lattice_scale, name=f"{prefix}wiener_scale", dtype="float32"
                )
                seen = scale(lattice)
            x = layers.Concatenate(name=f"{prefix}wiener_join", dtype="float32")([x, seen])
        if config.unet_stem > 1:
            x = SpaceToDepth(config.unet_stem, name=f"{prefix}stem", dtype="float32")(x)
        for level in range(config.unet_n_depth):
            kernel = config.unet_kern_size_first if level == 0 else config.unet_kern_size
            # (B, Y/2^l, X/2^l, F 2^l)
            x = self.block(x, n_features[level], kernel, f"{prefix}enc{level}")
            skips.append(x)
            x = self.pool(x, f"{prefix}enc{level}_pool")

        x = self.block(x, n_features[-1], config.unet_kern_size, f"{prefix}mid")
        if config.unet_bottleneck == "aspp":
            again = "_again" * (config.unet_block == "aspp")  # the block itself is one, too
            x = self.pyramid(x, n_features[-1], config.unet_kern_size, f"{prefix}mid_aspp{again}")

        for level in reversed(range(config.unet_n_depth)):
            x = self.upsample(x, n_features[level], f"{prefix}dec{level}_up")
            if level > 0 or config.unet_top_skip:
                join = layers.Concatenate(name=f"{prefix}dec{level}_skip", dtype=self.dtype)
                x = join([x, skips[level]])
            x = self.block(x, n_features[level], config.unet_kern_size, f"{prefix}dec{level}")

        # the head stays float32: a half-precision prediction would round what was denoised
        n_head = n_out * config.unet_stem**2
        head = self.convolution(x, n_head, 1, f"{prefix}head", dtype="float32")
        if config.unet_stem > 1:
            head = DepthToSpace(config.unet_stem, name=f"{prefix}unstem", dtype="float32")(head)
        if lattice is None:
            return head
        # the network has only to learn what the lattice image lacks, or has in excess. Two things
        # hold all over the frame: it is too faint, as the gate drops the feet of each spot, and
        # the other detectors' (and frames') lattice images hold the same lattice in other noise
        lattice = layers.Conv2D(
            n_out,
            1,
            use_bias=False,
            kernel_initializer=keras.initializers.Constant(np.eye(n_in, n_out)),
            name=f"{prefix}wiener_mix",
            dtype="float32",
        )(lattice)
        return layers.Add(name=f"{prefix}wiener_add", dtype="float32")([head, lattice])

    def block(self, x, features, kernel, name):
        """Two convolutions, or one atrous pyramid, each followed by LeakyReLU."""
        if self.config.unet_block == "aspp":
            return self.pyramid(x, features, kernel, f"{name}_aspp")
        for i in range(2):
            x = self.convolution(x, features, kernel, f"{name}_conv{i}")
            x = self.activation(x, f"{name}_act{i}")
        return x

    def convolution(self, x, features, kernel, name, dilation=1, dtype=None):
        """One 'same' convolution, depthwise separable if the configuration says so."""
        options = {"padding": "same", "name": name, "dtype": dtype or self.dtype}
        n_in = x.shape[-1]
        if self.config.unet_block == "separable" and kernel > 1:
            depthwise, pointwise = self._kernel(kernel**2), self._kernel(n_in)
            return layers.SeparableConv2D(
                features,
                kernel,
                dilation_rate=dilation,
                depthwise_initializer=depthwise,
                pointwise_initializer=pointwise,
                bias_initializer=self._bias(n_in),
                **options,
            )(x)
        fan_in = n_in * kernel**2
        return layers.Conv2D(
            features,
            kernel,
            dilation_rate=dilation,
            kernel_initializer=self._kernel(fan_in),
            bias_initializer=self._bias(fan_in),
            **options,
        )(x)

    def pyramid(self, x, features, kernel, name):
        """Atrous spatial pyramid pooling (Chen et al. 2018): dilated branches, joined by a 1x1."""
        branches = [self.convolution(x, features, 1, f"{name}_rate0")]
        branches += [
            self.convolution(x, features, kernel, f"{name}_rate{rate}", dilation=rate)
            for rate in ASPP_RATES
        ]
        x = layers.Concatenate(name=f"{name}_join", dtype=self.dtype)(branches)
        x = self.activation(x, f"{name}_act0")
        x = self.convolution(x, features, 1, f"{name}_project")
        return self.activation(x, f"{name}_act1")

    def activation(self, x, name):
        return layers.LeakyReLU(negative_slope=LEAKY_SLOPE, name=name, dtype=self.dtype)(x)

    def pool(self, x, name):
        if self.config.unet_pool == "blur":
            return MaxBlurPooling(name=name, dtype=self.dtype)(x)
        kinds = {"average": layers.AveragePooling2D, "max": layers.MaxPooling2D}
        return kinds[self.config.unet_pool](pool_size=2, name=name, dtype=self.dtype)(x)

    def upsample(self, x, features, name):
        if self.config.unet_upsample == "bilinear":
            return BilinearUpsampling(name=name, dtype=self.dtype)(x)
        if self.config.unet_upsample == "nearest":
            return layers.UpSampling2D(2, interpolation="nearest", name=name, dtype=self.dtype)(x)
        return layers.Conv2DTranspose(
            features,
            2,
            strides=2,
            kernel_initializer=self._kernel(x.shape[-1]),
            bias_initializer=self._bias(x.shape[-1]),
            name=name,
            dtype=self.dtype,
        )(x)

    def _seed(self) -> int:
        self.n_convolutions += 1
        return (self.config.train_seed * 1_000_003 + self.n_convolutions) % 2**31

    def _kernel(self, fan_in: int):
        kind, seed = self.config.unet_initializer, self._seed()
        if kind == "he_normal":
            return keras.initializers.HeNormal(seed)
        if kind == "glorot_uniform":
            return keras.initializers.GlorotUniform(seed)
        limit = fan_in**-0.5
        return keras.initializers.RandomUniform(-limit, limit, seed)

    def _bias(self, fan_in: int):
        if self.config.unet_initializer != "pytorch":
            return "zeros"
        limit = fan_in**-0.5
        return keras.initializers.RandomUniform(-limit, limit, self._seed())


def for_engines(network: keras.Model, config: N2VStemConfig):
    """Return what an engine runs of a network: all of it but the frame filter.

    Parameters
    ----------
    network : keras.Model
        As `build_network` makes it.
    config : N2VStemConfig

    Returns
    -------
    call : function
        (B, Y, X, C_in) -> (B, Y, X, C), with the network's weights. Where there is a frame filter,
        it takes two instead, the frames and what `frame_filter.lattice_of` makes of whole ones,
        both as planes (B, C_in, Y, X): so tiles change nothing, engines need no Fourier transform,
        and neither they nor numpy have to bring together numbers of two planes.
    signature : list of tf.TensorSpec
        Of what it takes.
    """
    n = config.n_channel_in
    if not config.unet_frame_filter:
        spec = tf.TensorSpec((None, None, None, n), tf.float32, name="frames")
        return (lambda frames: network(frames, training=False)), [spec]
    images = network.get_layer("wiener_as_blinded").output
    rest = keras.Model([network.input, images], network.output)

    def call(frames, lattice):
        return rest([tf.transpose(x, [0, 2, 3, 1]) for x in (frames, lattice)], training=False)

    names = ("frames", "lattice")
    return call, [tf.TensorSpec((None, n, None, None), tf.float32, name=name) for name in names]


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
        unet_wiener_window=0,
        unet_frame_filter=False,
        n2v_context_frames=0,
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
    multiple, window = config.tile_multiple, config.unet_wiener_window
    radius = receptive_radius(config)
    around = halo(window, radius) if window else radius
    return -(-around // multiple) * multiple
