"""What a configuration leaves to the movies: chosen by most of them, with what cannot be used left
out. That each kind of noise is found is tested with the preparation itself.
"""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.config import AUTO
from n2v_stem_keras.io import Movie
from n2v_stem_keras.noise import after_glow
from n2v_stem_keras.preparation import choice
from n2v_stem_keras.training.choices import choose_preparation

CONFIG = N2VStemConfig.preset("laptop", channels=("ADF", "BF"))


def frames(seed=0, uneven=0.0, rows=0.0, n_frames=2, side=128):
    """White noise of two detectors, on an uneven ground, with rows that are displaced in value."""
    rng = np.random.default_rng(seed)
    found = rng.normal(100, 1, (n_frames, side, side, 2))
    slow = gaussian_filter(rng.normal(size=(side, side)), 24, mode="wrap")
    found += uneven * (slow / slow.std())[..., None]
    return (found + rows * rng.normal(size=(n_frames, side, 1, 2))).astype(np.float32)


def test_what_is_said_is_not_chosen():
    said = CONFIG.replace(
        n2v_background_px=None, n2v_level_rows=False, n2v_after_glow=None, n2v_straighten_rows=False
    )
    assert choose_preparation(said, frames(uneven=5, rows=3)) is said


def test_nothing_is_left_open_and_white_noise_asks_for_nothing():
    assert AUTO in (CONFIG.n2v_background_px, CONFIG.n2v_level_rows, CONFIG.n2v_after_glow)
    chosen = choose_preparation(CONFIG, frames())
    assert chosen.n2v_background_px is None
    assert chosen.n2v_level_rows is False
    assert chosen.n2v_after_glow is None


def test_most_of_the_movies_decide():
    """Each is looked at; a lone one that differs changes nothing."""
    plain, odd = frames(0), frames(1, uneven=15, rows=4)
    for movies, expected in (([plain, frames(2), odd], False), ([odd, plain, odd], True)):
        chosen = choose_preparation(CONFIG, movies, pixel_size_nm=0.046)
        assert chosen.n2v_level_rows is expected
        assert (chosen.n2v_background_px is not None) is expected


def test_detectors_are_those_of_the_model_and_each_has_its_own_after_glow():
    """A movie in another order, of which one detector glows."""
    movie = frames(n_frames=4)
    movie[..., :1] = after_glow(movie[..., :1], 0.3)
    swapped = Movie.from_array(movie, "TYXC", detectors=("BF", "ADF"))
    adf, bf = choose_preparation(CONFIG, swapped).n2v_after_glow
    assert bf == pytest.approx(0.3, abs=0.05)
    assert adf == pytest.approx(0, abs=0.02)


def test_frames_that_cannot_be_used_are_left_out():
    movie = frames(n_frames=4)
    expected = choose_preparation(CONFIG, after_glow(movie, 0.3)).n2v_after_glow
    broken = after_glow(movie, 0.3)
    broken[0, 5, 5] = np.nan
    broken[2, 40:] = 0
    found = choose_preparation(CONFIG, broken).n2v_after_glow
    assert found == pytest.approx(expected, abs=0.05)
    nothing = np.full_like(movie, np.nan)
    chosen = choose_preparation(CONFIG, nothing)
    assert chosen.n2v_after_glow is None
    assert chosen.n2v_level_rows is False


def test_few_frames_of_few_movies_are_read(monkeypatch):
    read = []

    def frame(s, t):
        read.append((s, t))
        return frames(seed=t)[0]

    movies = [Movie("m", "TYXC", (50, 128, 128, 2), np.dtype("f4"), frame) for _ in range(2)]
    choose_preparation(CONFIG, movies)
    assert len(read) == 2 * choice.LOOKED_AT
    assert len(set(read)) == choice.LOOKED_AT
    assert max(t for _, t in read) > 25  # of all parts of the movie
