"""How real scans are scored, and where boundaries are looked at."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import boundaries
import real

from n2v_stem_keras.noise import after_glow, estimate_noise


@pytest.fixture
def frame():
    rng = np.random.default_rng(3)
    y, x = np.indices((256, 256))
    image = np.sin(0.3 * x) * np.cos(0.25 * y)
    return image, image + after_glow(rng.standard_normal((1, 256, 256, 1)), 0.3)[0, ..., 0]


def test_made_up_noise_is_as_the_frames_own(frame):
    image, noisy = frame
    made, sigma = real.noise_like(noisy, np.random.default_rng(4))
    assert sigma == pytest.approx((noisy - image).std(), rel=0.05)
    assert made.std() == pytest.approx(sigma, rel=0.02)
    want, found = estimate_noise(noisy - image), estimate_noise(made)
    np.testing.assert_allclose(found.acf_x[:4], want.acf_x[:4], atol=0.04)


def test_recorrupted_frames_have_independent_noise(frame, monkeypatch):
    image, noisy = frame
    monkeypatch.setattr(real, "read", lambda name: (noisy[None], None))
    first, other, variance, _ = real.pair("MoS2")
    a, b = first[0] - image, other[0] - image
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05
    assert variance[0] == pytest.approx(a.var(), rel=0.1)


def test_a_clean_frame_scores_no_error_and_a_noisy_one_its_noise(frame, monkeypatch):
    image, noisy = frame
    monkeypatch.setattr(real, "read", lambda name: (noisy[None], None))
    first, other, before, spare = real.pair("MoS2")
    for guess, want in ((image, 0.0), (first[0], 1.0)):
        errors = real.blocks(((guess - other[0]) ** 2 - spare[0]) / before[0])
        assert errors.mean() == pytest.approx(want, abs=0.1)


def test_a_truth_in_another_unit_is_scaled(frame, monkeypatch):
    image, noisy = frame
    name = next(n for n, (*_, how) in real.SETS.items() if how == "truth")
    monkeypatch.setattr(real, "read", lambda name: (noisy[None], 5 * image[None] + 7))
    _, clean, before, spare = real.pair(name)
    np.testing.assert_allclose(clean[0], image, atol=0.03)
    assert before[0] == pytest.approx((noisy - image).var(), rel=0.02)
    assert spare[0] == 0


@pytest.mark.parametrize("specimen", list(boundaries.SPECIMENS))
def test_zones_lie_where_the_boundary_is(specimen):
    movie = boundaries.movies_of(specimen, "test", tiny=True)[0]
    perfect = boundaries.movies_of(specimen, "test", "perfect", tiny=True)[0]
    found = boundaries.zones(movie, 3)
    strip, wide, crystal = (found[name] for name in boundaries.ZONES_NM)
    assert 0 < strip.sum() < wide.sum()
    assert not (strip & ~wide).any()
    assert not (wide & crystal).any()
    assert perfect.boundary is None
    # in the crystal before the line nothing has changed
    same = np.abs(movie.clean[3] - perfect.clean[3]).max(-1) < 1e-6
    away = movie.boundary.distance(np.moveaxis(np.indices(strip.shape), 0, -1), movie.drift_px[3])
    assert same[crystal & (away < 0)].all()
