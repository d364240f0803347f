"""The paper's UNet (Fig. 1a) as one functional builder.

Depth 4, 64 features after the first block, 5x5 kernels in the first block and 3x3 elsewhere,
average pooling, bilinear upsampling without a convolution of its own, all skips, LeakyReLU and a
linear 1x1 head: 31 446 018 parameters for two detectors. There are no normalisation layers:
frame-wide statistics would make tiled and whole-frame prediction differ.

Layer names are stable (`enc0_conv0`, `mid_conv1`, `dec0_up`, `head`, ...); their order decides the
layout of the weight files, so it never changes within a format version.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ..config import N2VStemConfig
from ..lattice.layers import AsBlinded, MeanOfAll
from ..temporal import FRAME, MEAN, NEAR, SHARE
from .layers import (
    BilinearUpsampling,
    DepthToSpace,
    GaussianBlurs,
    MaxBlurPooling,
    SpaceToDepth,
    StandsAlone,
    TakeChannels,
    TakeImages,
)

LEAKY_SLOPE = 0.01  # PyTorch's default; Keras's would be 0.3
SQUEEZED = 2  # images a detector that a stem takes of what the frames around show, and the frame
ASPP_RATES = (2, 4, 8)  # dilation [px] of the atrous branches


def build_network(
    config: N2VStemConfig, model_class=keras.Model, for_training: bool = False
) -> keras.Model:
    """Build the network of a configuration, with open image size.

    Parameters
    ----------
    config : N2VStemConfig
    model_class : type
        `keras.Model` or a subclass that is built from inputs and outputs.
    for_training : bool
        Whether the network is told which frames are blinded. Its weights are the same.

    Returns
    -------
    keras.Model
        (B, Y, X, config.n_channel_in) -> (B, Y, X, config.n_channel_out), float32; Y and X are
        multiples of ``config.size_multiple`` [px]. Where there is a lattice image, a network for
        training takes two, the frames and (B, 1): 1 for those that are blinded, else 0. Weights
        are initialised from ``config.train_seed``.
    """
    build = _Builder(config)
    n_out = config.n_channel_out
    frames = layers.Input((None, None, config.n_channel_in), name="input")
    inputs, lattice = frames, None
    if config.lattice:
        as_blinded = AsBlinded(config.visible_shares, name="lattice_as_blinded", dtype="float32")
        seen, told = frames, {}
        if config.unet_context:  # of the mean of all frames: it has the least noise
            mean = MeanOfAll(n_out, name="mean_of_all", dtype="float32")
            seen, told["frame_share"] = mean(frames)
        lattice = config.lattice.layer()(seen)
        if for_training:
            told["blinded"] = layers.Input((1,), name="blinded")
            inputs = [frames, told["blinded"]]
        lattice = as_blinded(lattice, **told)
    if not config.unet_independent_detectors:
        head = build.unet(frames, lattice, n_out, "")
    else:
        # each sees its detector in the frame and in the frames around it, and no other's
        heads = []
        for d in range(n_out):
            x = TakeChannels(d, n_out, name=f"detector{d}", dtype="float32")(frames)
            seen = lattice
            if lattice is not None:
                seen = TakeChannels(d, n_out, name=f"detector{d}_lattice", dtype="float32")(lattice)
            heads.append(build.unet(x, seen, 1, f"detector{d}_"))
        head = heads[0] if n_out == 1 else layers.Concatenate(name="heads", dtype="float32")(heads)
    # standardised intensities have both signs: linear
    outputs = layers.Activation("linear", name="output", dtype="float32")(head)
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
        frames, skips = x, []
        if config.unet_blurs:
            blurs = GaussianBlurs(config.blur_sigmas, name=f"{prefix}blurs", dtype="float32")
            seen = x
            if config.unet_context:  # the frame and both means, not what says how sure they are
                seen = TakeImages(
                    n_out, (FRAME, MEAN, NEAR), name=f"{prefix}blurred", dtype="float32"
                )(x)
            x = layers.Concatenate(name=f"{prefix}blurs_join", dtype="float32")([x, blurs(seen)])
        if lattice is not None:
            seen, times = lattice, config.lattice.shown_times
            if times != 1:
                name = f"{prefix}lattice_scale"
                seen = layers.Rescaling(times, name=name, dtype="float32")(lattice)
            x = layers.Concatenate(name=f"{prefix}lattice_join", dtype="float32")([x, seen])
        if config.unet_stem > 1 and config.unet_context and not config.unet_blurs:
            # live: as few images as a network without context sees, or the stem costs the most
            x = self.convolution(x, SQUEEZED * n_out, 1, f"{prefix}squeeze")
            x = self.activation(x, f"{prefix}squeeze_act")
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
            # the block itself is one, too
            again = "_again" if config.unet_block == "aspp" else ""
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
        # the other detectors' lattice images hold the same lattice in other noise
        if config.unet_context:
            # the fainter, the more noise there is in what it was taken of
            share = TakeImages(n_out, (SHARE,), name=f"{prefix}frame_share", dtype="float32")(
                frames
            )
            by_share = layers.Multiply(name=f"{prefix}lattice_by_share", dtype="float32")
            join = layers.Concatenate(name=f"{prefix}lattices", dtype="float32")
            lattice = join([lattice, by_share([lattice, share])])
        lattice = layers.Conv2D(
            n_out,
            1,
            use_bias=False,
            kernel_initializer=keras.initializers.Constant(np.eye(lattice.shape[-1], n_out)),
            name=f"{prefix}lattice_mix",
            dtype="float32",
        )(lattice)
        return layers.Add(name=f"{prefix}lattice_add", dtype="float32")([head, lattice])

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
        # "default initialisation" (Methods): Fig. 1a names its blocks as PyTorch does, so it is
        # PyTorch's, kernel and bias uniform in +-1 / sqrt(fan_in)
        limit = fan_in**-0.5
        return keras.initializers.RandomUniform(-limit, limit, self._seed())

    _bias = _kernel


def alone(network: keras.Model, config: N2VStemConfig) -> keras.Model:
    """Return a network that takes frames alone, for programs that know nothing of those around.

    Parameters
    ----------
    network : keras.Model
        As `build_network` makes it.
    config : N2VStemConfig

    Returns
    -------
    keras.Model
        (B, Y, X, C) -> (B, Y, X, C); the network itself if it takes nothing else.
    """
    if not config.unet_context:
        return network
    frames = layers.Input((None, None, config.n_channel_out), name="frames")
    return keras.Model(frames, network(StandsAlone(name="stands_alone")(frames)), name="n2v_stem")


def for_engines(network: keras.Model, config: N2VStemConfig):
    """Return what an engine runs of a network: all but a lattice image that is made outside.

    Parameters
    ----------
    network : keras.Model
        As `build_network` makes it.
    config : N2VStemConfig

    Returns
    -------
    call : function
        (B, Y, X, C_in) -> (B, Y, X, C), with the network's weights. Where the lattice image of
        whole frames is made outside, it takes what `lattice.LatticeImage.inputs` returns instead,
        planes (B, C_in, Y, X) and (B, C, Y, X): neither engines nor numpy have to bring together
        numbers of two.
    signature : list of tf.TensorSpec
        Shapes and types of what it takes.
    """
    n = config.n_channel_in
    if not config.lattice.runs_outside:
        spec = tf.TensorSpec((None, None, None, n), tf.float32, name="frames")
        return (lambda frames: network(frames, training=False)), [spec]
    images = network.get_layer("lattice_as_blinded").output
    rest = keras.Model([network.input, images], network.output)

    def call(frames, lattice):
        return rest([tf.transpose(x, [0, 2, 3, 1]) for x in (frames, lattice)], training=False)

    sizes = {"frames": n, "lattice": config.n_channel_out}
    return call, [
        tf.TensorSpec((None, m, None, None), tf.float32, name=k) for k, m in sizes.items()
    ]


def in_stages(network: keras.Model, config: N2VStemConfig):
    """Return a network in two parts: what makes its lattice images, and all else.

    Parameters
    ----------
    network : keras.Model
        As `build_network` makes it, with a lattice image.
    config : N2VStemConfig

    Returns
    -------
    calls : (function, function)
        (B, Y, X, n) -> (B, Y, X, C), the lattice images; and the frames (B, Y, X, C_in) and these
        -> (B, Y, X, C). With the network's weights.
    signature : list of tf.TensorSpec
        Shapes and types of what the second takes.
    n_seen : int
        How many of the channels the first takes, n.
    """
    n, n_in = config.n_channel_out, config.n_channel_in
    as_blinded = network.get_layer("lattice_as_blinded")
    lattice = network.get_layer(config.lattice.layer().name)
    second = keras.Model([network.input, as_blinded.output], network.output)

    def make(frames):
        if not config.unet_context:
            return as_blinded(lattice(frames))
        seen, share = network.get_layer("mean_of_all")(frames)
        return as_blinded(lattice(seen), frame_share=share)

    def use(frames, lattice):
        return second([frames, lattice], training=False)

    signature = [tf.TensorSpec((None, None, None, m), tf.float32) for m in (n_in, n)]
    return (make, use), signature, (MEAN + 1) * n if config.unet_context else n_in
