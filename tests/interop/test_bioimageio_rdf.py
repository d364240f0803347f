"""The description of a package: axes that keep their length by the rules of the specification."""

import numpy as np
import pytest

from n2v_stem_keras.interop import bioimageio, bioimageio_rdf


def test_axes_keep_their_length_whatever_the_pixel_size():
    """By the specification an output axis is length * scale / scale of the input."""
    frame = np.zeros((1, 4, 4, 2), np.float32)
    bad = 0
    for size in np.random.default_rng(0).uniform(0.001, 1, 200):
        test = bioimageio.TestFrame(frame, frame, float(size), "")
        scale = bioimageio_rdf._axes(("ADF", "BF"), test, 4, 4)[1]["scale"]
        assert scale == pytest.approx(size, rel=1e-7)
        lengths = np.arange(4, 4096, 4)
        np.testing.assert_array_equal(lengths * scale / scale, lengths)
        bad += (lengths * size / size != lengths).any()
    assert bad > 50  # the control: without rounding
