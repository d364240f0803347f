"""From Keras to ONNX, through tf2onnx (extra ``onnx``).

ONNX knows neither complex numbers as TensorFlow has them nor TensorFlow's way to a dilated
convolution, which shuffles pixels. So the graph is made of a copy of the network that does both in
plain real arithmetic.
"""

from __future__ import annotations

import logging
import warnings

import keras
import tensorflow as tf

from ..config import N2VStemConfig
from ..folder.export import Export, fingerprint
from ..lattice.windows import LocalWienerFilter, MatrixFourier
from ..network.reach import tile_overlap
from ..network.unet import alone, build_network, for_engines

OPSET = 18  # of ONNX; read by onnxruntime >= 1.14 and OpenVINO >= 2024


def convert(network, config: N2VStemConfig, single: bool = False) -> Export:
    """Return a network as ONNX, with open image size.

    Parameters
    ----------
    network : keras.Model
        The network, as `network.unet.build_network` makes it.
    config : N2VStemConfig
    single : bool
        Let it take frames alone (`network.unet.alone`).

    Raises
    ------
    ImportError
        tf2onnx is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tf2onnx
    except ImportError:
        raise ImportError("ONNX needs tf2onnx: pip install 'n2v_stem_keras[onnx]'") from None
    weights, known = network.get_weights(), fingerprint(config, network.get_weights())
    twin = build_network(config.replace(train_precision="float32"))
    twin.set_weights(weights)
    for layer in twin.layers:
        if isinstance(layer, LocalWienerFilter):
            layer.fourier = MatrixFourier
        if max(getattr(layer, "dilation_rate", (1,))) > 1:
            _dilate_in_place(layer)
    if single:
        twin, config = alone(twin, config), config.replace(unet_context=False)
    call, signature = for_engines(twin, config)
    call = tf.function(call, signature, autograph=False)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph, _ = tf2onnx.convert.from_function(call, signature, opset=OPSET)
    return Export(graph.SerializeToString(), known, tile_overlap(config))


def _dilate_in_place(layer) -> None:
    """Make a layer spread its kernel instead of shuffling the pixels of its input."""
    (rate, _), separable = layer.dilation_rate, isinstance(layer, keras.layers.SeparableConv2D)

    def padded(x, kernel):
        n = rate * (kernel.shape[0] - 1) // 2
        return tf.pad(x, [[0, 0], [n, n], [n, n], [0, 0]])

    def convolve(x, kernel):
        return tf.nn.conv2d(padded(x, kernel), kernel, 1, "VALID", dilations=rate)

    def call_separable(x):
        x = tf.raw_ops.DepthwiseConv2dNative(
            input=padded(x, layer.depthwise_kernel),
            filter=layer.depthwise_kernel,
            strides=[1, 1, 1, 1],
            padding="VALID",
            dilations=[1, rate, rate, 1],
        )
        return tf.nn.conv2d(x, layer.pointwise_kernel, 1, "VALID") + layer.bias

    if separable:
        layer.call = call_separable
    else:
        layer.convolution_op = convolve
