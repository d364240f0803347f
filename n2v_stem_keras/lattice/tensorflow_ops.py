"""What the filters of this wing need of an array library, from TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from . import frame


class TensorFlowOps:
    """What `frame.lattice_images` and `levels.presence` need, from TensorFlow."""

    log, exp = staticmethod(tf.math.log), staticmethod(tf.exp)
    maximum, minimum = staticmethod(tf.maximum), staticmethod(tf.minimum)
    concat, transpose = staticmethod(tf.concat), staticmethod(tf.transpose)
    where, sqrt, reshape = staticmethod(tf.where), staticmethod(tf.sqrt), staticmethod(tf.reshape)
    stack = staticmethod(tf.stack)

    def sides(self, x):
        """Return Y and X of (B, C, Y, X)."""
        return tf.shape(x)[2], tf.shape(x)[3]

    def mean(self, x, axes):
        """Return the mean over axes that stay, with length one."""
        return tf.reduce_mean(x, axes, keepdims=True)

    def sum(self, x, axes):
        """Return the sum over axes that stay, with length one."""
        return tf.reduce_sum(x, axes, keepdims=True)

    def on_both_sides(self, left, x, right):
        """Multiply (B, C, Y, X) by a matrix along Y and one along X.

        As products of two matrices: ``tf.matmul`` of (2, 1, 512, 64) and (64, 512) crashes in
        TensorFlow 2.21 on a CPU.
        """
        along_x = tf.tensordot(x, right, 1)
        return tf.transpose(tf.tensordot(left, along_x, [[1], [2]]), [1, 2, 0, 3])

    def block_means(self, x, fixed):
        """Return means of (B, C, Y, X) over blocks."""
        return self.on_both_sides(fixed.means_y, x, fixed.means_x)

    def forward(self, x):
        """Return the Fourier transform of real images over the last two axes."""
        return tf.signal.rfft2d(x)

    def backward(self, spectra, height, width):
        """Return real images from `forward`'s coefficients."""
        return tf.signal.irfft2d(spectra, tf.stack([height, width]))

    def power(self, spectra):
        """Return the squared modulus of all columns but the last."""
        spectra = spectra[..., :-1]
        return tf.square(tf.math.real(spectra)) + tf.square(tf.math.imag(spectra))

    def mean_product(self, a, b):
        """Return the mean of a product over the second axis, which stays, with length one."""
        return tf.reduce_mean(a * b, 1, keepdims=True)

    def constants(self, height, width):
        """Return `lattice.frame.Constants` of a size that may be known only when the graph runs."""
        return frame.Constants(height, width, self)

    def arange(self, n):
        """Return 0, 1, ..., n - 1 in float32."""
        return tf.range(tf.cast(n, tf.float32))

    def count(self, n):
        """Return a whole number in float32."""
        return tf.cast(n, tf.float32)

    def at_least(self, a, b):
        """Return 1 where a is b or more, else 0."""
        return tf.cast(tf.greater_equal(a, b), tf.float32)

    def apply(self, spectra, gain):
        """Multiply coefficients by a real gain; the last column, which has none, by zero."""
        gain = tf.pad(gain, [[0, 0], [0, 0], [0, 0], [0, 1]])
        return spectra * tf.complex(gain, 0.0)

    def mean_square(self, x):
        """Return the mean square over the last two axes, which stay, with length one."""
        return tf.reduce_mean(tf.square(x), (2, 3), keepdims=True)

    def transposed_product(self, a, b):
        """Return the product of the transpose of matrices and others."""
        return tf.matmul(a, b, transpose_a=True)

    def median(self, x):
        """Return that one of values along the last axis, which stays, of which half are smaller."""
        return tf.sort(x, axis=-1)[..., tf.shape(x)[-1] // 2, None]
