"""Windows that overlap by half cover a frame, and add up to it again."""

import numpy as np
import pytest
import tensorflow as tf

from n2v_stem_keras.lattice.overlap import cut, join, pads_of


@pytest.mark.parametrize("side", [1, 7, 8, 9, 64])
def test_pads_make_whole_windows_with_half_a_window_before_and_behind(side):
    before, after = pads_of(side, 8)
    assert before == 8
    assert 8 <= after < 16
    assert (before + side + after) % 8 == 0


def test_windows_are_cut_at_every_half_of_one():
    x = np.arange(2 * 3 * 12 * 20, dtype=np.float32).reshape(2, 3, 12, 20)
    windows = cut(tf.constant(x), 4).numpy()
    assert windows.shape == (2, 3, 2, 4, 8, 8)
    for i in range(2):
        for j in range(4):
            expected = x[:, :, 4 * i : 4 * i + 8, 4 * j : 4 * j + 8]
            np.testing.assert_array_equal(windows[:, :, i, j], expected)


def test_tapered_windows_add_up_to_the_frame():
    hop, shape = 4, (9, 14)
    x = np.random.default_rng(0).normal(size=(1, 2, *shape)).astype(np.float32)
    padded = np.pad(x, [(0, 0), (0, 0), *(pads_of(side, hop) for side in shape)])
    along = np.sin(np.pi * np.arange(2 * hop) / (2 * hop)) ** 2
    windows = cut(tf.constant(padded), hop) * np.outer(along, along).astype(np.float32)
    joined = join(windows, hop).numpy()[:, :, : shape[0], : shape[1]]
    np.testing.assert_allclose(joined, x, atol=1e-6)
