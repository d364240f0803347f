"""Frames that methods are tried on."""

import pytest

from n2v_stem_keras import noise, simulate


@pytest.fixture(scope="module")
def frames():
    clean = simulate.reference_movie(0, shape=(96, 96), n_frames=2).clean
    return clean, noise.add_white_noise(clean, 16, seed=1)
