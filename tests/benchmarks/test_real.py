"""How real scans, and simulated ones that are as bad, are scored; where boundaries are."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import boundaries
import real
import scanned
import undistort

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


def test_of_repeated_frames_the_other_one_scores(frame, monkeypatch):
    image, noisy = frame
    again = image + np.random.default_rng(7).permutation((noisy - image).ravel()).reshape(256, 256)
    pairs = np.stack([noisy, again + 3.0])[None]  # the beam has become brighter
    name = next(n for n, (*_, how) in real.SETS.items() if how == "repeated")
    monkeypatch.setattr(real, "read", lambda name: (pairs, None))
    first, other, before, spare = real.pair(name)
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


@pytest.mark.parametrize("specimen", list(scanned.SPECIMENS))
def test_scans_are_noisy_and_their_truth_is_not(specimen):
    noisy, truth = scanned.movies_of(specimen, "typical", tiny=True)
    assert noisy.shape == truth.shape == (3, 9, 64, 64, 2)
    span = np.ptp(truth, axis=(2, 3)).mean((0, 1))
    found = (noisy - truth).std(axis=(0, 1, 2, 3)) / span
    # of a support the truth has its range, too
    assert (found > 0.15).all()
    assert (found < 0.6).all()


def test_the_table_of_scans_compares_with_the_best():
    psnr = {"BM3D": 27, "structN2V": 25, "preset, single": 30, "no lattice image": 31}
    chosen = {"n2v_span": [1, 3], "n2v_after_glow": None}
    chosen |= {"n2v_level_rows": True, "n2v_background_px": None}
    rows = {
        scanned.key_of("reference", "bad", what): {"psnr": [[db, db + 1]], "chosen": chosen}
        for what, db in psnr.items()
    }
    line = scanned.table(rows).splitlines()[2]
    assert "| 30.00 / 31.00 | +3.00 / +3.00 |" in line
    assert line.endswith("| 1.00 / 1.00 | spot 1x3, rows |")


def test_errors_of_rows_are_those_of_their_measurement(monkeypatch):
    monkeypatch.setattr(undistort, "N_FRAMES", 2)
    asked = {"hum_px": (0.4,), "hum_cycles": (0.21,)}
    displaced, measured, put_back = undistort.errors("graphene", 192, asked, 16.0)
    assert displaced == pytest.approx(0.37, abs=0.05)  # most of a hum is along x
    assert put_back < measured < 0.1
