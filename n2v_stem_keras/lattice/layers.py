"""The lattice image in TensorFlow: the filter of whole frames, and what blinding does to images.

Importing this module registers the layers of this wing with Keras.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from . import frame
from .tensorflow_ops import TensorFlowOps
from .windows import LocalWienerFilter  # noqa: F401  registered, too


@keras.saving.register_keras_serializable("n2v_stem_keras")
class FrameFilter(layers.Layer):
    """Keep what repeats over the whole frame: `lattice.frame.lattice_images` in TensorFlow.

    No gradient passes: there is nothing to learn behind it.
    """

    def call(self, x):
        """(B, Y, X, C) -> (B, Y, X, C)."""
        planes = tf.transpose(tf.stop_gradient(x), [0, 3, 1, 2])
        lattice = frame.lattice_images(planes, TensorFlowOps())
        return tf.transpose(tf.reshape(lattice, tf.shape(planes)), [0, 2, 3, 1])

    def compute_output_shape(self, input_shape):
        """As the input."""
        return tuple(input_shape)


@keras.saving.register_keras_serializable("n2v_stem_keras")
class AsBlinded(layers.Layer):
    """Weaken lattice images of whole frames as blind spots weaken those of training frames.

    The network learns how much to add to lattice images of frames of which one pixel in
    ``pitch^2`` shows nothing of the lattice. Those of whole frames are stronger by as much, so
    that without this the lattice comes out too strong, at a pitch of 4 px by 1/15.

    Parameters
    ----------
    shares : list of float
        Visible share of each channel, see `N2VStemConfig.visible_shares`.

    Notes
    -----
    In training the network is told of each frame whether it is blinded: lattice images of frames
    that are stay as they are. In the mean of a frame and others, only the frame is blinded.
    """

    def __init__(self, shares: list[float], **kwargs):
        super().__init__(**kwargs)
        self.shares = list(shares)

    def call(self, lattice, frame_share=None, blinded=None):
        """(B, Y, X, C) -> (B, Y, X, C).

        `frame_share`, (B, Y, X, C), is what share the frame has in what the lattice images are of;
        `blinded` is 1 for frames that are blinded, (B, 1).
        """
        shares = tf.constant(self.shares)
        if frame_share is not None:
            shares = 1 - (1 - shares) * frame_share
        weakened = lattice * shares
        if blinded is None:
            return weakened
        return tf.where(blinded[:, :, None, None] > 0, lattice, weakened)

    def compute_output_shape(self, lattice_shape, frame_share_shape=None, blinded_shape=None):
        """As the lattice images."""
        return tuple(lattice_shape)

    def get_config(self):
        """Return what rebuilds the layer."""
        return {**super().get_config(), "shares": self.shares}


@keras.saving.register_keras_serializable("n2v_stem_keras")
class MeanOfAll(layers.Layer):
    """The mean of a frame and of those around it, and the frame's share in it.

    Parameters
    ----------
    n_detectors : int
    """

    def __init__(self, n_detectors: int, **kwargs):
        super().__init__(**kwargs)
        self.n_detectors = n_detectors

    def call(self, x):
        """(B, Y, X, C_in) -> two (B, Y, X, C); see `temporal.evidence`."""
        n = self.n_detectors
        return frame.mean_of_all(x[..., :n], x[..., n : 2 * n], x[..., 2 * n : 3 * n])

    def compute_output_shape(self, input_shape):
        """As the input, of the detectors alone."""
        shape = (*input_shape[:-1], self.n_detectors)
        return shape, shape

    def get_config(self):
        """Return what rebuilds the layer."""
        return {**super().get_config(), "n_detectors": self.n_detectors}
