"""Movies with and without noise."""

import pytest
from evaluations import clean_movie

from n2v_stem_keras import noise


@pytest.fixture
def clean():
    return [clean_movie(seed) for seed in range(3)]


@pytest.fixture
def noisy(clean):
    return [noise.add_white_noise(m, (10, 6), seed) for seed, m in enumerate(clean)]
